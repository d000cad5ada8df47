-- Looks at an id again, if it is alive and watched; never, where it is not known. Answers the
-- state.
-- KEYS: record, due. ARGV: sid, instant.
local t = state(KEYS[1])
if t == 'A' then
  redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
elseif not t then
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return t
