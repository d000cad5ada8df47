-- Makes an id live, if it is pending. Answers the state it has now.
-- KEYS: record, due, outbox. ARGV: sid, last activity, due (or empty), event (or empty).
local t, a = state(KEYS[1])
if t ~= 'P' then
  return t
end
local d = fixed(KEYS[1])
if type(d) == 'table' then
  return d
end
check(KEYS[2], KEYS[3])
if tonumber(ARGV[2]) > tonumber(a) then
  a = ARGV[2]
end
redis.call('HSET', KEYS[1], 't', 'A', 'a', a)
if authenticated(d) then
  redis.call('ZADD', KEYS[2], ARGV[3] ~= '' and ARGV[3] or a, ARGV[1])
end
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[3], '*', 'e', ARGV[4])
end
return 'A'
