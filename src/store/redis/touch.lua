-- Moves the last activity, if the id is alive and the instant is later. Answers the state.
-- KEYS: record. ARGV: instant.
local t, a = state(KEYS[1])
if t == 'A' and tonumber(ARGV[1]) > tonumber(a) then
  redis.call('HSET', KEYS[1], 'a', ARGV[1])
end
return t
