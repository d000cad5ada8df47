-- Replaces what stays of an id, if it is alive and of the lineage expected; over a login that
-- kept the id also its clocks. Answers the state, or nothing where the lineage is another.
-- KEYS: record, due, outbox, version; then, for a login: ids of the lineage expected, of the new one.
-- ARGV: sid, lineage expected, what stays, 1 if asked again; then, for a login: last activity,
-- due, ms to keep, reason of the end it made (or empty), its events.
local t, a = state(KEYS[1])
if t ~= 'A' then
  return t
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
if d == ARGV[3] and ARGV[4] == '1' then
  return t
end
if lineage(d) ~= ARGV[2] then
  return nil
end
check(KEYS[2], KEYS[3])
local due = redis.call('ZSCORE', KEYS[2], ARGV[1]) or a
if ARGV[5] then
  redis.call('HLEN', KEYS[5])
  redis.call('HLEN', KEYS[6])
  redis.call('INCR', KEYS[4])
  if tonumber(ARGV[5]) > tonumber(a) then
    redis.call('HSET', KEYS[1], 'a', ARGV[5])
  end
  due = ARGV[6]
  redis.call('PEXPIRE', KEYS[1], ARGV[7])
  redis.call('HDEL', KEYS[5], ARGV[1])
  redis.call('HSET', KEYS[6], ARGV[1], 1)
  redis.call('PEXPIRE', KEYS[6], ARGV[7])
  for event = 9, #ARGV do
    redis.call('XADD', KEYS[3], '*', 'e', ARGV[event])
  end
  if ARGV[8] ~= '' then
    redis.call('PUBLISH', 'curfew:ends', 'end ' .. ARGV[2] .. ' ' .. ARGV[8])
  end
end
redis.call('HSET', KEYS[1], 'd', ARGV[3])
if authenticated(ARGV[3]) then
  redis.call('ZADD', KEYS[2], due, ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return t
