-- Leaves seats of a user, each if nobody has taken it again since. Answers nothing.
-- KEYS: seats. ARGV: of each, sid and since when.
for i = 1, #ARGV, 2 do
  local taken = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if taken and tonumber(taken) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return nil
