-- Ends an id, if it is alive or pending, of the lineage expected and, where it was judged by its
-- last activity, no touch came since. Answers 1, the later activity in a list, the state that
-- forbade it, or nothing where the lineage is another.
-- KEYS: record, due, outbox, version, ids of the lineage expected.
-- ARGV: sid, lineage expected, new state, reason, activity it was judged by (or empty), ms to keep,
-- 1 if asked again; its events.
local t, a = state(KEYS[1])
if t == nil then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return nil
end
if t == ARGV[3] and ARGV[7] == '1' then
  return 1
end
if t ~= 'A' and t ~= 'P' then
  return t
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
if lineage(d) ~= ARGV[2] then
  return nil
end
if ARGV[5] ~= '' and tonumber(a) > tonumber(ARGV[5]) then
  return { a }
end
check(KEYS[2], KEYS[3])
local ids_left = redis.call('PTTL', KEYS[5])
redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], 't', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if ids_left < tonumber(ARGV[6]) then
  redis.call('PEXPIRE', KEYS[5], ARGV[6])
end
redis.call('ZREM', KEYS[2], ARGV[1])
for event = 8, #ARGV do
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[event])
end
redis.call('PUBLISH', 'curfew:ends', 'end ' .. ARGV[2] .. ' ' .. ARGV[4])
return 1
