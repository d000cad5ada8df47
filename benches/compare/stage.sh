# The stage of a comparison, to be sourced: who runs where, and that nobody stays behind.
#
# Everything listens on loopback, on the ports 17300 to 17305, and lives in one temporary
# directory. What is stopped at the end is what was started here, by its process id.
# shellcheck shell=bash
set -euo pipefail

# Debian keeps nginx where only root looks.
PATH=$PATH:/usr/sbin

readonly HERE=${BASH_SOURCE[0]%/*}
readonly PROXY_CORE=0
# The app, Redis and the client.
readonly OTHER_CORE=1
readonly TICKS_PER_SECOND=$(getconf CLK_TCK)

# The Debian package that brings what a comparison needs.
readonly NEEDED=(
    "nginx          nginx"
    "wrk            wrk"
    "redis-server   redis-server"
    "redis-cli      redis-tools"
    "curl           curl"
    "taskset        util-linux"
    "/usr/lib/nginx/modules/ngx_http_lua_module.so libnginx-mod-http-lua"
)

fail() {
    echo "${0##*/}: $*" >&2
    exit 1
}

check_machine() {
    local line what package missing=()
    for line in "${NEEDED[@]}"; do
        read -r what package <<<"$line"
        [[ -e $what ]] || command -v "$what" >/dev/null || missing+=("$package")
    done
    ((${#missing[@]} == 0)) || fail "please install ${missing[*]}"
    (($(nproc) >= 2)) || fail "the proxies need a core of their own: two cores at least"
    # 10,000 idle connections, and room.
    ulimit -n 20000 2>/dev/null || fail "cannot open 20,000 files: raise the limit (ulimit -Hn)"
}

declare -A pid_of=()
dir=$(mktemp -d)
# The workers of nginx read it as somebody else.
chmod 755 "$dir"

# One after the other: nothing outlives the run, and a part that hangs is killed after 5 s.
strike() {
    local pid
    for pid in "${pid_of[@]}"; do
        kill "$pid" 2>/dev/null || continue
        timeout 5 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null || true
    done
    wait
    rm -rf "$dir"
}
trap strike EXIT
trap 'exit 130' INT TERM

# start NAME CORE COMMAND...: its output goes to a log of that name.
start() {
    local name=$1 core=$2
    shift 2
    taskset -c "$core" "$@" >"$dir/$name.log" 2>&1 &
    pid_of[$name]=$!
}

stop() {
    kill "${pid_of[$1]}"
    wait "${pid_of[$1]}" || true
    unset "pid_of[$1]"
}

# await NAME PORT: until it accepts connections, for 10 s at most.
await() {
    local attempt
    for ((attempt = 0; attempt < 1000; attempt++)); do
        if (: >"/dev/tcp/127.0.0.1/$2") 2>/dev/null; then
            kill -0 "${pid_of[$1]}" 2>/dev/null || fail "port $2 is somebody else's"
            return
        fi
        kill -0 "${pid_of[$1]}" 2>/dev/null || break
        sleep 0.01
    done
    cat "$dir/$1.log" >&2
    fail "$1 did not start"
}

build_curfew() {
    (cd "$HERE/../.." && cargo build --release --quiet --bin curfew) || fail "cannot build curfew"
    curfew=${CARGO_TARGET_DIR:-$HERE/../../target}/release/curfew
}

set_up() {
    check_machine
    [[ -x ${CURFEW:-} ]] && curfew=$CURFEW || build_curfew
    cp "$HERE"/nginx/* "$HERE"/*.toml "$dir"
    printf 'return 200 "%01024d";\n' 0 >"$dir/page.conf"
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$dir/keys"
}

start_nginx() {
    start "$1" "$2" nginx -p "$dir" -c "$dir/$1.conf" -e stderr
    await "$1" "$3"
}

start_app() { start_nginx upstream "$OTHER_CORE" 17300; }

start_plain() { start_nginx plain "$PROXY_CORE" 17301; }

start_lua() {
    CHECK_SHA=$(redis-cli -p 17305 SCRIPT LOAD "$(<"$dir/check.redis.lua")")
    export CHECK_SHA
    start_nginx lua "$PROXY_CORE" 17302
}

start_memory() { start_curfew memory 17303; }

start_redis() { start_curfew redis 17304; }

start_curfew() {
    start "$1" "$PROXY_CORE" "$curfew" serve --config "$dir/curfew-$1.toml"
    await "$1" "$2"
}

start_store() {
    start store "$OTHER_CORE" redis-server --port 17305 --bind 127.0.0.1 --dir "$dir" \
        --save '' --appendonly no
    await store 17305
}

# log_in PORT COUNT: as many sessions behind a gateway, one line `JSESSIONID=…` each.
log_in() {
    curl -sS -o /dev/null -D - -d 'username=buyer-1&password=x' \
        "http://127.0.0.1:$1/login?n=[1-$2]" |
        sed -nE 's/^set-cookie: (JSESSIONID=[0-9a-f]+).*/\1/Ip'
}

# answers PORT COOKIE: the status.
answers() {
    curl -s -o /dev/null -w '%{http_code}' -H "Cookie: $2" "http://127.0.0.1:$1/page"
}

# What a process and its children have used, in clock ticks.
cpu_ticks() {
    local pid total=0 fields
    for pid in "$1" $(<"/proc/$1/task/$1/children"); do
        fields=$(<"/proc/$pid/stat")
        # What follows the name, which may hold spaces; then utime and stime are 12th and 13th.
        read -ra fields <<<"${fields##*) }"
        total=$((total + fields[11] + fields[12]))
    done
    echo "$total"
}

# What a process and its children hold, in KiB.
rss_kib() {
    local pid
    for pid in "$1" $(<"/proc/$1/task/$1/children"); do
        sed -nE 's/^VmRSS:\s+([0-9]+) kB/\1/p' "/proc/$pid/status"
    done | awk '{ total += $1 } END { print total }'
}
