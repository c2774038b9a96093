#!/usr/bin/env bash
# Runs the Autobahn cases against the WebSocket layer in both roles, prints the table, and fails on any difference from
# autobahn.expected. Reports, with the bytes of each case, stay in the target folder. Where the cases cannot be installed it
# says so and succeeds.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly kosoku='kosoku==0.1.0' # the Autobahn cases under a runner for Python 3, from PyPI
readonly limit=300              # seconds for one role; it takes about 15
cache="${CARGO_TARGET_DIR:-target}/autobahn"

if ! "$cache/venv/bin/pip" freeze 2>/dev/null | grep -qx "$kosoku"; then
    rm -rf "$cache/venv"
    if ! { python3 -m venv "$cache/venv" && "$cache/venv/bin/pip" install --quiet "$kosoku"; } >&2; then
        echo "skipped: $kosoku cannot be installed here (it needs Python 3.10, its venv module and PyPI)"
        exit 0
    fi
fi
readonly fuzzer="$cache/venv/bin/kosoku"

cargo build --release --locked --package clawnode-autobahn
readonly echo="${CARGO_TARGET_DIR:-target}/release/clawnode-autobahn"

reports="$cache/reports"
rm -rf "$reports"
mkdir -p "$reports"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

# The first line of FILE that has an address, as soon as it is there.
address_in() {
    for _ in $(seq 100); do
        grep -Eom1 '127\.0\.0\.1:[0-9]+' "$1" && return
        sleep 0.1
    done
    echo "no address in $1 after 10 s" >&2
    return 1
}

# The fuzzer exits with 1 when a case is not OK; the report decides here.
echo 'the echo program is the server ...'
"$echo" listen >"$reports/echo" &
timeout "$limit" "$fuzzer" --mode fuzzingclient --outdir "$reports/server" "ws://$(address_in "$reports/echo")" \
    >"$reports/server.log" 2>&1 || true

echo 'the echo program is the client ...'
timeout "$limit" "$fuzzer" --mode fuzzingserver --outdir "$reports/client" 127.0.0.1:0 >"$reports/client.log" 2>&1 &
fuzzer_id=$!
timeout "$limit" "$echo" connect "$(address_in "$reports/client.log")"
wait "$fuzzer_id" || true

python3 tests/conformance/autobahn_table.py tests/conformance/autobahn.expected "$reports/client" "$reports/server"
