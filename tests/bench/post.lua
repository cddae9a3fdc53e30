-- One request again and again: its body comes in the environment, its headers by -H. Prints what wrk itself rounds.
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration, summary.bytes,
        errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(99)))
end
