-- Takes an id out of service for its successor, if it is alive. Answers its last activity in a
-- list, or the state that forbade it.
-- KEYS: record, due, outbox, version.
-- ARGV: sid, new state, reason and event of an end (or empty), 1 if asked again.
local t, a = state(KEYS[1])
if t == ARGV[2] and ARGV[5] == '1' then
  return { a }
end
if t ~= 'A' then
  return t
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
check(KEYS[2], KEYS[3])
redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], 't', ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[4])
  redis.call('PUBLISH', 'curfew:ends', 'end ' .. lineage(d) .. ' ' .. ARGV[3])
end
return { a }
