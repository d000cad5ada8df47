-- Makes due now what is due later. Answers how many are left.
-- KEYS: due. ARGV: now, how many at most.
local later = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2])
for _, sid in ipairs(later) do
  redis.call('ZADD', KEYS[1], ARGV[1], sid)
end
return redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf')
