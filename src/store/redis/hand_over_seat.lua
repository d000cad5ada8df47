-- Hands a seat of a user over to the id that replaced its own, if it is there. Answers nothing.
-- KEYS: seats. ARGV: old sid, new sid.
local taken = redis.call('ZSCORE', KEYS[1], ARGV[1])
if taken then
  redis.call('ZADD', KEYS[1], taken, ARGV[2])
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return nil
