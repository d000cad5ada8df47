-- Replaces what stays of an id, if it is alive and still what the caller judged. Answers the
-- state, or 0 where something else stays of it by now.
-- KEYS: record, due, outbox, version.
-- ARGV: sid, what was judged, what stays, due, event (or empty), 1 if asked again.
local t = state(KEYS[1])
if t ~= 'A' then
  return t
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
if d == ARGV[3] and ARGV[6] == '1' then
  return t
end
if d ~= ARGV[2] then
  return 0
end
check(KEYS[2], KEYS[3])
redis.call('INCR', KEYS[4])
redis.call('HSET', KEYS[1], 'd', ARGV[3])
if authenticated(ARGV[3]) then
  redis.call('ZADD', KEYS[2], ARGV[4], ARGV[1])
end
if ARGV[5] ~= '' then
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[5])
end
return t
