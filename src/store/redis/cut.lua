-- Cuts a scope at an instant, unless it is cut at a later one, and drops the cuts made before the
-- horizon. Answers the table.
-- KEYS: cuts. ARGV: scope, instant, horizon.
--
-- The version is an instant where it can be, so that two histories that a failover parted never
-- give two tables the same one.
local entries = redis.call('HGETALL', KEYS[1])
local at, version, old = ARGV[2], 0, {}
for i = 1, #entries, 2 do
  local scope, instant = entries[i], tonumber(entries[i + 1])
  if not instant then
    return garbled('a cut without an instant')
  end
  if scope == 'v' then
    version = instant
  elseif scope == ARGV[1] and instant > tonumber(at) then
    at = entries[i + 1]
  elseif scope ~= ARGV[1] and instant < tonumber(ARGV[3]) then
    old[#old + 1] = scope
  end
end
version = string.format('%.0f', math.max(version + 1, tonumber(ARGV[2])))
redis.call('HSET', KEYS[1], 'v', version, ARGV[1], at)
for _, scope in ipairs(old) do
  redis.call('HDEL', KEYS[1], scope)
end
redis.call('PUBLISH', 'curfew:ends', 'cut ' .. version)
return redis.call('HGETALL', KEYS[1])
