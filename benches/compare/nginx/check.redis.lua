-- KEYS[1] the session, ARGV[1] now in milliseconds. 1 where it lives, which this moves on; else 0.
local IDLE, ABSOLUTE = 15 * 60 * 1000, 8 * 3600 * 1000
local session = redis.call('HMGET', KEYS[1], 'started', 'last_active', 'ended')
local now = tonumber(ARGV[1])
if not session[1] or session[3] then return 0 end
if now - session[1] >= ABSOLUTE or now - session[2] >= IDLE then
    redis.call('HSET', KEYS[1], 'ended', ARGV[1])
    return 0
end
redis.call('HSET', KEYS[1], 'last_active', ARGV[1])
return 1
