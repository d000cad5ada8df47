-- Every script begins with this. A script guards one write with the condition written above it;
-- it compares instants it was given, and judges nothing.
--
-- A record is a hash: t, the state; a, the last activity; d, what stays. In d the first byte is
-- the version, the second is u where a login was seen, and bytes 3 to 34 are the lineage.

-- An error that is told as such, since a script must not take garbage for "no session".
local function garbled(what)
  return redis.error_reply('GARBLED ' .. what)
end

-- State and last activity; nothing where the id is not known. Where the record is garbled, the
-- state is the error to answer: whoever did not find the state he needs answers what he found.
local function state(key)
  local t, a = unpack(redis.call('HMGET', key, 't', 'a'))
  if not t and redis.call('EXISTS', key) == 0 then
    return nil
  end
  if not t or not tonumber(a) then
    return garbled('a record without a state or an activity')
  end
  return t, a
end

-- What stays; an error in its place where it is none of ours.
local function fixed(key)
  local d = redis.call('HGET', key, 'd')
  if not d or #d < 34 then
    return garbled('a record without a session')
  end
  return d
end

local function lineage(d)
  return string.sub(d, 3, 34)
end

local function authenticated(d)
  return string.sub(d, 2, 2) == 'u'
end

-- A key of a wrong type must stop a script before its first write, or half of it would stand.
local function check(due, out)
  redis.call('ZSCORE', due, '')
  redis.call('XLEN', out)
end

