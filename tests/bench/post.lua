-- One request again and again: its body comes in the environment, its headers by -H; in each of the sessions that a file has,
-- where one is named. Prints what wrk itself rounds.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")

local sessions = os.getenv("BENCH_SESSIONS")

if sessions then
    local requests, last = {}, 0

    function init(args)
        for session in io.lines(sessions) do
            wrk.headers["Mcp-Session-Id"] = session
            requests[#requests + 1] = wrk.format()
        end
    end

    function request()
        last = last % #requests + 1
        return requests[last]
    end
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
