# From the rounds of a comparison to a Markdown table: medians, and ranges in brackets.

BEGIN {
    FS = "\t"
    split("plain lua memory redis", order, " ")
    called["plain"] = "nginx, plain"
    called["lua"] = "nginx + Lua + one EVALSHA per request"
    called["memory"] = "Curfew, sessions in memory"
    called["redis"] = "Curfew, sessions in Redis"
}

{
    n = ++count[$1]
    cpu[$1, n] = $7 * 1e6 / ticks / $2
    rate[$1, n] = $2 / $3
    p50[$1, n] = $4
    p99[$1, n] = $5
    store[$1, n] = $8 * 1e6 / ticks / $2
}

END {
    print "| proxy | CPU ms per 1,000 requests | × nginx | × nginx + Lua | requests/s | p50 µs | p99 µs | Redis CPU ms per 1,000 |"
    print "|---|--:|--:|--:|--:|--:|--:|--:|"
    for (i = 1; i in order; i++) {
        who = order[i]
        for (n = 1; n <= count[who]; n++) {
            to_plain[who, n] = cpu[who, n] / cpu["plain", n]
            to_lua[who, n] = cpu[who, n] / cpu["lua", n]
        }
        printf "| %s | %s | %s | %s | %s | %s | %s | %s |\n", called[who], told(cpu, who, "%.1f"),
            told(to_plain, who, "%.2f"), told(to_lua, who, "%.2f"), told(rate, who, "%d"),
            told(p50, who, "%d"), told(p99, who, "%d"), told(store, who, "%.1f")
    }
}

function told(values, who, form,    n, i, j, sorted, swap) {
    n = count[who]
    for (i = 1; i <= n; i++) sorted[i] = values[who, i]
    for (i = 1; i <= n; i++)
        for (j = i + 1; j <= n; j++)
            if (sorted[j] < sorted[i]) { swap = sorted[i]; sorted[i] = sorted[j]; sorted[j] = swap }
    return sprintf(form " (" form "–" form ")", \
        (sorted[int((n + 1) / 2)] + sorted[int((n + 2) / 2)]) / 2, sorted[1], sorted[n])
}
