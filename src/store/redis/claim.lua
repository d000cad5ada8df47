-- Takes an id out of service for its successor, if it is alive and of the lineage expected.
-- Answers its last activity in a list, the state that forbade it, or nothing where the lineage is
-- another.
-- KEYS: record, due, outbox, version, ids of the lineage expected.
-- ARGV: sid, lineage expected, new state, reason and event of an end (or empty), 1 if asked again.
local t, a = state(KEYS[1])
if t == ARGV[3] and ARGV[6] == '1' then
  return { a }
end
if t ~= 'A' then
  return t
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
if lineage(d) ~= ARGV[2] then
  return nil
end
check(KEYS[2], KEYS[3])
redis.call('HLEN', KEYS[5])
redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], 't', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[5], ARGV[1])
end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[5])
  redis.call('PUBLISH', 'curfew:ends', 'end ' .. ARGV[2] .. ' ' .. ARGV[4])
end
return { a }
