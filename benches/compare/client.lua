-- What wrk sends: each request with the next of the cookies in the file that it is given.
-- And what it tells: one line of numbers, or why they are worth nothing.

function init(args)
    local requests = {}
    for cookie in io.lines(args[1]) do
        wrk.headers["Cookie"] = cookie
        requests[#requests + 1] = wrk.format("GET", "/page")
    end
    local turn = 0
    function request()
        turn = turn % #requests + 1
        return requests[turn]
    end
end

function done(summary, latency)
    local errors = summary.errors
    local lost = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    -- wrk's instants are microseconds.
    print(string.format("measured\t%d\t%.3f\t%d\t%d\t%d", summary.requests,
        summary.duration / 1e6, latency:percentile(50), latency:percentile(99), lost))
end
