#!/usr/bin/env bash
# Our node and our operator against a real OpenClaw gateway. Installs the gateway from npm into a cache folder (about 790 MB, a minute),
# starts it once, and prints a table. Fails on any miss.
#
#   tests/interop/openclaw.sh              needs npm; says so and succeeds when it is not there or the registry is not
#   CLAWNODE_OPENCLAW=DIR ...              where the gateway is, or is to be, installed
#   CLAWNODE_BIN=PROGRAM CLAWNODE_LAB=...  programs to use in place of freshly built ones
set -euo pipefail
cd "$(dirname "$0")/../.."

VERSION=2026.9.6
NODE_VERSION=26
INSTALL=${CLAWNODE_OPENCLAW:-${XDG_CACHE_HOME:-$HOME/.cache}/clawnode/openclaw-$VERSION}
PORT=${CLAWNODE_INTEROP_PORT:-18870}
URL=ws://127.0.0.1:$PORT
TOKEN=interop-$$-token
WORK=$(mktemp -d)
GATEWAY="" NODE="" LAB="" FAILED=0 CASES=0

skip() { echo "OpenClaw interop skipped: $*"; exit 0; }
stop() { [ -z "$1" ] || { kill "$1" 2>/dev/null && wait "$1" 2>/dev/null; } || true; }
# The gateway has processes of its own, in groups of their own; what they share is where they write.
kill_gateway() { # SIGNAL
    local process
    for process in /proc/[0-9]*; do
        [ "$(readlink "$process/fd/1" 2>/dev/null)" != "$WORK/gateway.log" ] || kill "-$1" "${process#/proc/}" 2>/dev/null || true
    done
    [ -z "$GATEWAY" ] || wait "$GATEWAY" 2>/dev/null || true
}
finish() { stop "$NODE"; stop "$LAB"; kill_gateway TERM; rm -rf "$WORK"; }
trap finish EXIT

if [ ! -f "$INSTALL/node_modules/openclaw/openclaw.mjs" ]; then
    command -v npm >/dev/null || skip 'there is no npm'
    mkdir -p "$INSTALL"
    echo "installing openclaw@$VERSION into $INSTALL"
    (
        cd "$INSTALL"
        [ -f package.json ] || npm init -y >/dev/null 2>&1
        # The gateway's package refuses to be installed by an older Node.js, so the newer one comes first.
        npm i "node@$NODE_VERSION" --no-audit --no-fund >npm.log 2>&1 &&
            PATH="$PWD/node_modules/node/bin:$PATH" npm i "openclaw@$VERSION" --no-audit --no-fund >>npm.log 2>&1
    ) || skip "npm could not install it; see $INSTALL/npm.log"
fi

if [ -z "${CLAWNODE_BIN:-}" ]; then
    cargo build -q -p clawnode
    CLAWNODE_BIN=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/debug/clawnode
fi
if [ -z "${CLAWNODE_LAB:-}" ]; then
    cargo build -q -p clawnode-tokio --example openclaw_lab
    CLAWNODE_LAB=$(dirname "$CLAWNODE_BIN")/examples/openclaw_lab
fi
for name in $(env | sed -n 's/^\(CLAWNODE_[A-Z_]*\|OPENCLAW_[A-Z_]*\)=.*/\1/p'); do
    case $name in CLAWNODE_BIN | CLAWNODE_LAB) ;; *) unset "$name" ;; esac
done

# The gateway.

start_gateway() {
    ! curl -sm 2 "http://127.0.0.1:$PORT/" >/dev/null 2>&1 || { echo "something listens on port $PORT already; choose another with CLAWNODE_INTEROP_PORT"; exit 1; }
    env PATH="$INSTALL/node_modules/node/bin:$PATH" HOME="$WORK" OPENCLAW_HOME="$WORK" NO_COLOR=1 \
        OPENCLAW_SKIP_CHANNELS=1 OPENCLAW_SKIP_CRON=1 OPENCLAW_NO_AUTO_UPDATE=1 OPENCLAW_DISABLE_BONJOUR=1 \
        OPENCLAW_SKIP_STARTUP_MODEL_PREWARM=1 DO_NOT_TRACK=1 \
        node "$INSTALL/node_modules/openclaw/openclaw.mjs" gateway run >>"$WORK/gateway.log" 2>&1 &
    GATEWAY=$!
    until_true 90 curl -fsm 2 "http://127.0.0.1:$PORT/readyz" || { cat "$WORK/gateway.log"; exit 1; }
}

mkdir -p "$WORK/.openclaw"
cat >"$WORK/.openclaw/openclaw.json" <<JSON
{"gateway": {"mode": "local", "port": $PORT, "bind": "loopback", "auth": {"mode": "token", "token": "$TOKEN"},
             "controlUi": {"enabled": false},
             "nodes": {"pairing": {"autoApproveLocal": false, "sshVerify": false},
                       "commands": {"allow": ["lab.sleep", "lab.large", "lab.fail"]}}},
 "plugins": {"enabled": false}, "update": {"checkOnStart": false}, "models": {"catalogRefresh": {"enabled": false}}}
JSON

# What the cases are made of.

operator() { "$CLAWNODE_BIN" openclaw --url "$URL" --auth-token "$TOKEN" "$@"; }
node() { "$CLAWNODE_BIN" connect --data-dir "$WORK/$1" --display-name "$1" "${@:2}" >"$WORK/$1.log" 2>&1 & NODE=$!; }
lab() { LAB_URL=$URL LAB_SEED=$1 OPENCLAW_GATEWAY_TOKEN=$TOKEN "$CLAWNODE_LAB" "${@:2}" >"$WORK/lab.log" 2>&1 & LAB=$!; }
until_true() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
said() { until_true "${3:-20}" grep -q -- "$2" "$WORK/$1.log"; }
gone() { until_true "${1:-20}" eval "! kill -0 $NODE"; }
connected() { operator nodes | grep -q "  $1  *connected"; }
away() { operator nodes | grep -q "  $1  *away"; }
device() { operator --json nodes | tr -d ' \n' | sed 's/{"/\n{"/g' >/dev/null; operator nodes | sed -n "s/^\([0-9a-f]\{64\}\)  $1 .*/\1/p" | head -1; }
case_() { # NAME COMMAND...
    local name=$1 start end outcome=ok
    shift
    start=$(date +%s%N)
    CASES=$((CASES + 1))
    if ! "$@" >"$WORK/case.log" 2>&1; then
        outcome=MISS
        FAILED=$((FAILED + 1))
    fi
    end=$(date +%s%N)
    printf '%-62s %8d ms  %s\n' "$name" $(((end - start) / 1000000)) "$outcome"
    if [ "$outcome" = MISS ]; then
        for log in case lab "${1#*:}"; do [ -f "$WORK/$log.log" ] && tail -5 "$WORK/$log.log" | sed "s/^/    $log: /"; done
        for log in paired shared; do [ -f "$WORK/$log.log" ] && tail -5 "$WORK/$log.log" | sed "s/^/    $log: /"; done
    fi
}

# The cases.

pair_by_setup_code() {
    local code
    code=$(operator setup-code --public-url "$URL")
    node paired --pair "$code"
    said paired 'registered and ready' && until_true 10 operator invoke paired system.which '{"bins":["sh"]}'
}
a_used_code_is_no_obstacle() { # the same command line again, as a service manager would give it
    local code
    code=$(operator setup-code --public-url "$URL")
    stop "$NODE"
    node paired --pair "$code"
    said paired 'registered and ready' || return 1
    stop "$NODE"
    node paired --pair "$code"
    said paired 'registered and ready'
}
reconnect_with_device_token() {
    stop "$NODE"
    node paired --url "$URL"
    said paired 'registered and ready' && operator invoke paired system.which '{"bins":["sh"]}' | grep -q /sh
}
one_identity_twice() {
    "$CLAWNODE_BIN" connect --data-dir "$WORK/paired" --url "$URL" >"$WORK/second.log" 2>&1 &
    local second=$!
    said second 'is connected as this device'
    local found=$?
    stop $second
    [ "$found" = 0 ] && connected paired
}
wrong_params() {
    operator invoke paired system.which '{"bins":7}' >"$WORK/out" 2>&1 && return 1
    grep -q 'INVALID_REQUEST: invalid arguments' "$WORK/out"
}
wrong_token() {
    local code=0
    "$CLAWNODE_BIN" connect --data-dir "$WORK/wrong" --url "$URL" --auth-token wrong >"$WORK/wrong.log" 2>&1 || code=$?
    [ $code = 3 ] && grep -q AUTH_TOKEN_MISMATCH "$WORK/wrong.log" && ! grep -q "$TOKEN" "$WORK/wrong.log"
}
no_token() {
    local code=0
    "$CLAWNODE_BIN" connect --data-dir "$WORK/wrong" --url "$URL" --protocol openclaw >"$WORK/wrong.log" 2>&1 || code=$?
    [ $code = 3 ] && grep -q AUTH_TOKEN_MISSING "$WORK/wrong.log"
}
two_approvals() {
    stop "$NODE"
    node shared --url "$URL" --auth-token "$TOKEN"
    said shared 'approve it on the gateway: openclaw devices approve' || return 1
    operator approve --all || return 1
    said shared 'registered and ready' 30 && said shared 'approves what this node may do' || return 1
    operator invoke shared system.which '{"bins":["sh"]}' && return 1
    operator approve --all && said shared 'what this node may do is approved' &&
        until_true 5 operator invoke shared system.which '{"bins":["sh"]}'
}
start_lab() {
    lab 1 lab.sleep lab.fail
    until_true 20 operator approve --all || return 1
    said lab 'registered and ready' 40 || return 1
    until_true 20 operator approve --all || return 1
    until_true 10 operator invoke lab lab.sleep '{"millis":1}'
}
a_failure() {
    operator invoke lab lab.fail >"$WORK/out" 2>&1 && return 1
    grep -q 'LAB_FAILED: as it was asked to' "$WORK/out"
}
a_timeout_stops_the_work() {
    operator invoke lab lab.sleep '{"millis":60000}' --timeout 1 >"$WORK/out" 2>&1 && return 1
    grep -q TIMEOUT "$WORK/out" && said lab stopped 5
}
thirty_two_in_flight() {
    local jobs=() job
    for _ in $(seq 32); do
        operator invoke lab lab.sleep '{"millis":1500}' >/dev/null &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || return 1; done
}
surface_expansion() {
    stop "$LAB"
    lab 1 lab.sleep lab.fail lab.large
    said lab 'registered and ready' || return 1
    until_true 5 operator invoke lab lab.sleep '{"millis":1}' || return 1 # the old part still works
    operator invoke lab lab.large '{"bytes":10}' && return 1
    until_true 10 operator approve --all && until_true 10 operator invoke lab lab.large '{"bytes":10}'
}
a_large_answer() { [ "$(operator invoke lab lab.large '{"bytes":20000000}' | wc -c)" -gt 20000000 ]; }
an_answer_over_the_limit() {
    operator invoke lab lab.large '{"bytes":27000000}' >"$WORK/out" 2>&1 && return 1
    grep -q 'bytes' "$WORK/out" && operator invoke lab lab.sleep '{"millis":1}' # and the connection lives
}
restart_in_mid_command() {
    : >"$WORK/lab.log"
    operator invoke lab lab.sleep '{"millis":60000}' --timeout 60 >"$WORK/out" 2>&1 &
    local asked=$!
    said lab sleeping 10 || return 1
    kill_gateway KILL # it would wait for the command otherwise
    wait $asked && return 1
    said lab stopped 10 || return 1
    start_gateway
    until_true 40 connected lab && until_true 10 operator invoke lab lab.sleep '{"millis":1}' &&
        until_true 40 connected shared
}
rotated_token() {
    local id
    id=$(device shared)
    operator call device.token.rotate "{\"deviceId\":\"$id\",\"role\":\"node\"}" || return 1
    said shared 'device removed' 10 && until_true 20 connected shared # with the shared token
}
removed_device() {
    stop "$NODE"
    node paired --url "$URL"
    until_true 20 connected paired || return 1
    operator call device.pair.remove "{\"deviceId\":\"$(device paired)\"}" || return 1
    # Without a shared token there is nothing left to show.
    gone 30 && grep -q 'refuses this node' "$WORK/paired.log"
}
stop_politely() {
    node shared --url "$URL" --auth-token "$TOKEN"
    until_true 20 connected shared || return 1
    kill -TERM "$NODE"
    wait "$NODE" && until_true 5 away shared
}

start_gateway
printf '%-62s %11s  %s\n' CASE TIME ''
case_ 'pair by setup code, and be used at once' pair_by_setup_code
case_ 'the same setup code again, for a device that is paired' a_used_code_is_no_obstacle
case_ 'connect again with the device token alone' reconnect_with_device_token
case_ 'a second process with the same identity' one_identity_twice
case_ 'parameters of the wrong type' wrong_params
case_ 'a wrong token ends with code 3' wrong_token
case_ 'no token ends with code 3' no_token
case_ 'a shared token and two approvals' two_approvals
case_ 'commands of an application' start_lab
case_ 'a failure with a code of its own' a_failure
case_ 'a time-out stops the work' a_timeout_stops_the_work
case_ '32 invokes in flight' thirty_two_in_flight
case_ 'more commands: the old ones work, the new ones are approved' surface_expansion
case_ 'an answer of 20 MB' a_large_answer
case_ 'an answer over the limit' an_answer_over_the_limit
case_ 'gateway restart in mid-command' restart_in_mid_command
case_ 'the device token is rotated' rotated_token
case_ 'the device is removed' removed_device
case_ 'SIGTERM' stop_politely

[ "$FAILED" = 0 ] || { echo "$FAILED of $CASES cases missed"; exit 1; }
echo "all $CASES cases as expected"
