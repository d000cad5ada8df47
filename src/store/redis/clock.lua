-- Stores the correction of a server's clock, if it is still what the caller saw. Answers the one
-- that stands.
-- KEYS: clock. ARGV: server, correction seen (or empty), new correction, servers kept at most.
local stands = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if stands ~= ARGV[2] then
  return stands
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  redis.call('DEL', KEYS[1])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return ARGV[3]
