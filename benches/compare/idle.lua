-- One request on each connection, one a millisecond, and then a long silence.

local connections, asked = 500, 0

function init(args)
    wrk.headers["Cookie"] = io.lines(args[1])()
    wrk.path = "/page"
end

-- Milliseconds before the next request of a connection; asked for once before each request.
function delay()
    asked = asked + 1
    return asked <= connections and asked or 600000
end
