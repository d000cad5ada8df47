-- Records an id, if it is not known, alive or dead. Answers 1, or 0 where it is known.
-- KEYS: record, due, ids of its lineage.
-- ARGV: sid, what stays, last activity, state, ms to keep, 1 if asked again.
local known = redis.call('HGET', KEYS[1], 'd')
if known and known == ARGV[2] and ARGV[6] == '1' then
  return 1
end
if known or redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('HLEN', KEYS[3])
redis.call('HSET', KEYS[1], 'd', ARGV[2], 'a', ARGV[3], 't', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
if authenticated(ARGV[2]) then
  redis.call('HSET', KEYS[3], ARGV[1], 1)
  redis.call('PEXPIRE', KEYS[3], ARGV[5])
end
if ARGV[4] == 'A' and authenticated(ARGV[2]) then
  redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
end
return 1
