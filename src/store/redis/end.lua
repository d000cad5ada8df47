-- Ends an id, if it is alive or pending and, where it was judged by its last activity, no touch
-- came since. Answers 1, the later activity in a list, or the state that forbade it.
-- KEYS: record, due, outbox, version.
-- ARGV: sid, new state, reason, activity it was judged by (or empty), event (or empty),
-- ms to keep, 1 if asked again.
local t, a = state(KEYS[1])
if t == nil then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
if t == ARGV[2] and ARGV[7] == '1' then
  return 1
end
if t ~= 'A' and t ~= 'P' then
  return t
end
if ARGV[4] ~= '' and tonumber(a) > tonumber(ARGV[4]) then
  return { a }
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
check(KEYS[2], KEYS[3])
redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], 't', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('ZREM', KEYS[2], ARGV[1])
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[5])
end
redis.call('PUBLISH', 'curfew:ends', 'end ' .. lineage(d) .. ' ' .. ARGV[3])
return 1
