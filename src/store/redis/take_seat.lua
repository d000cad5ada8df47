-- Takes a seat of a user for an id. Answers since when, later than any before, or 0 where there are
-- too many; then sid and instant of each of the others.
-- KEYS: seats. ARGV: sid, instant, ms to keep, how many at most, 1 if asked again.
local seats = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'WITHSCORES')
local own, last, told = nil, 0, { '0' }
for i = 1, #seats, 2 do
  last = math.max(last, tonumber(seats[i + 1]))
  if seats[i] == ARGV[1] then
    own = seats[i + 1]
  else
    told[#told + 1] = seats[i]
    told[#told + 1] = seats[i + 1]
  end
end
if (#told - 1) / 2 >= tonumber(ARGV[4]) then
  return told
end
-- What was taken by the call that is asked again is no earlier than its instant.
if not own or ARGV[5] ~= '1' or tonumber(own) < tonumber(ARGV[2]) then
  own = string.format('%.0f', math.max(last + 1, tonumber(ARGV[2])))
  redis.call('ZADD', KEYS[1], own, ARGV[1])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
told[1] = own
return told
