-- Asks Redis whether the session of this request lives: one EVALSHA over a kept connection, and no
-- more work than that takes. It hashes no id, and knows no roles, groups or second carriers.
local id = ngx.var.cookie_JSESSIONID
if not id then
    return ngx.exit(401)
end
local redis = ngx.socket.tcp()
redis:settimeout(150)
if not redis:connect("127.0.0.1", 17305) then
    return ngx.exit(503)
end
local key = "session:" .. id
local now = string.format("%d", ngx.now() * 1000)
redis:send({
    "*5\r\n$7\r\nEVALSHA\r\n$40\r\n", check_sha, "\r\n$1\r\n1\r\n",
    "$", #key, "\r\n", key, "\r\n",
    "$", #now, "\r\n", now, "\r\n",
})
local alive = redis:receive()
if not alive then
    return ngx.exit(503)
end
redis:setkeepalive(60000, 256)
if alive ~= ":1" then
    return ngx.exit(401)
end
