-- Puts off what is due, if it is due still. Answers the sids.
-- KEYS: due. ARGV: now, until, how many at most.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])
for _, sid in ipairs(due) do
  redis.call('ZADD', KEYS[1], ARGV[2], sid)
end
return due
