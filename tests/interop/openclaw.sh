#!/usr/bin/env bash
# Our node and our operator against a real OpenClaw gateway. Installs the gateway from npm into a cache folder (about 790 MB, a minute),
# starts it, and prints a table. Fails on any miss.
#
#   tests/interop/openclaw.sh              needs npm; says so and succeeds when it is not there or the registry is not
#   CLAWNODE_BIN=PROGRAM CLAWNODE_LAB=... CLAWNODE_INTEROP=...    programs to use in place of freshly built ones
#   and what gateway.sh reads
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/interop/gateway.sh

install_gateway || { echo 'OpenClaw interop skipped'; exit 0; }
if [ -z "${CLAWNODE_BIN:-}" ]; then
    cargo build -q -p clawnode
    CLAWNODE_BIN=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/debug/clawnode
fi
if [ -z "${CLAWNODE_LAB:-}" ]; then
    cargo build -q -p clawnode-tokio --example openclaw_lab
    CLAWNODE_LAB=$(dirname "$CLAWNODE_BIN")/examples/openclaw_lab
fi
if [ -z "${CLAWNODE_INTEROP:-}" ]; then
    cargo build -q -p clawnode-interop
    CLAWNODE_INTEROP=$(dirname "$CLAWNODE_BIN")/clawnode-interop
fi
for name in $(env | sed -n 's/^\(CLAWNODE_[A-Z_]*\|OPENCLAW_[A-Z_]*\)=.*/\1/p'); do
    case $name in CLAWNODE_BIN | CLAWNODE_LAB | CLAWNODE_INTEROP) ;; *) unset "$name" ;; esac
done

# What the cases are made of. Each program that runs in the background has a name, and its log.

declare -A PID
FAILED=0 CASES=0

operator() { "$CLAWNODE_BIN" openclaw --url "$URL" --auth-token "$TOKEN" "$@"; }
reference() { OPENCLAW_GATEWAY_TOKEN=$TOKEN oc "$@"; }
start() { # NAME COMMAND...
    stop "$1"
    # Emptied here: the background would do it when somebody has read the old one already.
    : >"$WORK/$1.log"
    "${@:2}" >>"$WORK/$1.log" 2>&1 &
    PID[$1]=$!
}
node() { start "$1" "$CLAWNODE_BIN" connect --data-dir "$WORK/$1" --display-name "$1" "${@:2}"; } # NAME OPTION...
lab() { # NAME SEED COMMAND...; the device of this seed, with commands of its own
    LAB_URL=${LAB_URL:-$URL} LAB_NAME=$1 LAB_SEED=$2 OPENCLAW_GATEWAY_TOKEN=$TOKEN start "$1" "$CLAWNODE_LAB" "${@:3}"
}
tap() { # OPTION...; a proxy before the gateway, which tells what passes
    start tap "$CLAWNODE_INTEROP" tap --gateway "127.0.0.1:$PORT" "$@"
    said tap '^listening on .*' && TAP=ws://$(sed -n 's/^listening on //p' "$WORK/tap.log")
}
stop() { # NAME
    [ -n "${PID[$1]:-}" ] || return 0
    kill -KILL "${PID[$1]}" 2>/dev/null || true
    wait "${PID[$1]}" 2>/dev/null || true
    PID[$1]=""
}
said() { until_true "${3:-20}" grep -q -- "$2" "$WORK/$1.log"; }
never_said() { ! grep -q -- "$2" "$WORK/$1.log"; }
times_said() { [ "$(grep -c -- "$2" "$WORK/$1.log")" = "$3" ]; }
ended() { ! kill -0 "${PID[$1]}" 2>/dev/null; } # NAME
# No `grep -q`: who stops reading makes the writer fail.
listed() { operator nodes | grep "  $1  *$2" >/dev/null; } # NAME STATUS
connected() { listed "$1" connected; }
away() { listed "$1" away; }
device() { operator nodes | sed -n "s/^\([0-9a-f]\{64\}\)  $1 .*/\1/p"; }
sleeps() { operator invoke "$1" lab.sleep '{"millis":1}'; } # NAME; whether it does what it is asked
which_sh() { operator invoke "$1" system.which '{"bins":["sh"]}'; } # NAME
refused() { # TEXT COMMAND...; the command fails and says so
    local text=$1
    shift
    ! "$@" >"$WORK/out" 2>&1 && grep -q -- "$text" "$WORK/out"
}
approve() { until_true "${1:-20}" operator approve --all; }
case_() { # NAME COMMAND...
    local name=$1 start end outcome=ok log
    shift
    touch "$WORK/case.begin"
    start=$(date +%s%N)
    CASES=$((CASES + 1))
    if ! "$@" >"$WORK/case.log" 2>&1; then
        outcome=MISS
        FAILED=$((FAILED + 1))
    fi
    end=$(date +%s%N)
    printf '%-70s %8d ms  %s\n' "$name" $(((end - start) / 1000000)) "$outcome"
    if [ "$outcome" = MISS ]; then
        for log in "$WORK"/*.log "$WORK"/out; do
            [ "$log" -ot "$WORK/case.begin" ] || tail -8 "$log" | cut -c1-250 | sed "s/^/    $(basename "$log" .log): /"
        done
    fi
}

# Pairing, approval, credentials.

pair_by_setup_code() {
    local code
    code=$(operator setup-code --public-url "$URL")
    node paired --pair "$code"
    said paired 'registered; it gets' && until_true 10 which_sh paired
}
a_used_code_is_no_obstacle() { # the same command line again, as a service manager would give it
    local code
    code=$(operator setup-code --public-url "$URL")
    node paired --pair "$code"
    said paired 'registered; it gets' || return 1
    node paired --pair "$code"
    said paired 'registered; it gets'
}
reconnect_with_device_token() {
    node paired --url "$URL"
    said paired 'registered; it gets' && which_sh paired | grep /sh
}
one_identity_twice() {
    start twin "$CLAWNODE_BIN" connect --in-memory --data-dir "$WORK/paired" --url "$URL"
    said twin 'is connected as this device' && connected paired && stop twin
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
    node shared --url "$URL" --auth-token "$TOKEN"
    said shared 'approve it on the gateway: openclaw devices approve' && operator approve --all || return 1
    said shared 'registered; it gets' 30 && said shared 'approves what this node may do' || return 1
    refused 'pairing changed' which_sh shared || return 1
    operator approve --all && said shared 'what this node may do is approved' && until_true 5 which_sh shared
}
a_rejected_surface() {
    local request
    lab rejected 3 lab.sleep
    said rejected PAIRING_REQUIRED && operator approve --all || return 1
    said rejected 'registered; it gets' 30 && until_true 10 pending_request || return 1
    request=$(pending_request) && operator call node.pair.reject "{\"requestId\":\"$request\"}" || return 1
    # It hears nothing of it and stays. Connecting again asks again.
    connected rejected && refused 'pairing changed' sleeps rejected || return 1
    lab rejected 3 lab.sleep
    said rejected 'registered; it gets' && until_true 10 pending_request && [ "$(pending_request)" != "$request" ] || return 1
    operator approve --all && said rejected 'what this node may do is approved' && until_true 5 sleeps rejected || return 1
    stop rejected
}
pending_request() { operator call node.pair.list | sed -n 's/.*"requestId": "\([^"]*\)".*/\1/p' | grep .; }
commands_of_an_application() {
    lab lab 1 lab.sleep lab.fail
    approve && said lab 'registered; it gets' 40 && approve && until_true 10 sleeps lab
}
surface_expansion() {
    lab lab 1 lab.sleep lab.fail lab.large
    said lab 'registered; it gets' || return 1
    until_true 5 sleeps lab || return 1 # the old part still works
    operator invoke lab lab.large '{"bytes":10}' && return 1
    approve 10 && until_true 10 operator invoke lab lab.large '{"bytes":10}'
}
rotated_token() {
    operator call device.token.rotate "{\"deviceId\":\"$(device shared)\",\"role\":\"node\"}" || return 1
    said shared 'device removed' 10 && until_true 20 connected shared # with the shared token
}
revoked_token() {
    : >"$WORK/shared.log"
    operator call device.token.revoke "{\"deviceId\":\"$(device shared)\",\"role\":\"node\"}" || return 1
    said shared 'device removed' 10 && said shared 'approve it on the gateway: openclaw devices approve' || return 1
    approve && said shared 'registered; it gets' 30 && until_true 10 which_sh shared
}
changed_secret() {
    local old=$TOKEN
    : >"$WORK/shared.log"
    TOKEN=$TOKEN-changed
    configure "$TOKEN"
    said shared 'gateway auth changed' 30 || return 1
    # The one with the old token shows the device's own beside it, as the endpoint is loopback.
    until_true 30 connected shared && until_true 10 which_sh shared && until_true 30 connected paired || return 1
    TOKEN=$old refused AUTH_TOKEN_MISMATCH operator nodes
}
removed_device() {
    node paired --url "$URL"
    until_true 20 connected paired || return 1
    operator call device.pair.remove "{\"deviceId\":\"$(device paired)\"}" || return 1
    # Without a shared token there is nothing left to show.
    until_true 30 ended paired && grep -q 'refuses this node' "$WORK/paired.log"
}

# What is refused for being false. The falsified ones go through a proxy.

falsified() { # CODE OPTION...; the device that was approved after a rejection, and is let in otherwise
    local code=$1
    shift
    tap "$@" || return 1
    LAB_URL=$TAP lab falsified 3 lab.sleep
    said tap "refused $code" && said falsified "$code" || return 1
    never_said falsified 'registered; it gets' && never_said falsified "$TOKEN"
}
wrong_key() {
    LAB_SIGNING_SEED=9 falsified DEVICE_AUTH_SIGNATURE_INVALID && stop falsified
}
another_id() {
    falsified DEVICE_AUTH_DEVICE_ID_MISMATCH --other-id && stop falsified
}
stale_clock() {
    local off
    for off in -121000 125000; do
        falsified DEVICE_AUTH_SIGNATURE_EXPIRED --clock $off || return 1
        # Another challenge may be better, so it tries again.
        said tap '^2 refused' && ! ended falsified || return 1
        stop falsified
    done
    for off in -110000 115000; do
        tap --clock $off || return 1
        LAB_URL=$TAP lab falsified 3 lab.sleep
        said falsified 'registered; it gets' || return 1
        stop falsified
    done
}
wrong_range() {
    local range
    for range in 5,6 2,2; do
        falsified PROTOCOL_MISMATCH --range $range || return 1
        until_true 10 ended falsified && said tap 'Gateway closed 1002 protocol mismatch' || return 1
    done
    for range in 3,3 3,4; do
        tap --range $range || return 1
        LAB_URL=$TAP lab falsified 3 lab.sleep
        said falsified 'registered; it gets' || return 1
        stop falsified
    done
}
an_older_gateway() { # what says no to version 4 is the proxy; who lets version 3 in is the gateway
    stop lab
    tap --older || return 1
    LAB_URL=$TAP lab lab 1 lab.sleep lab.fail lab.large
    said tap '^2 connect \[3,3\]' && said lab 'registered; it gets' && until_true 10 sleeps lab || return 1
    times_said tap '^1 connect \[4,4\]' 1 && stop lab
}

# Work.

wrong_params() { refused 'INVALID_REQUEST: invalid arguments' operator invoke paired system.which '{"bins":7}'; }
reference_operator() {
    reference nodes invoke --node shared --command system.which --params '{"bins":["sh"]}' --json >"$WORK/out" && grep '/sh"' "$WORK/out"
}
a_failure() { refused 'LAB_FAILED: as it was asked to' operator invoke lab lab.fail; }
a_timeout_stops_the_work() {
    : >"$WORK/lab.log"
    refused TIMEOUT operator invoke lab lab.sleep '{"millis":60000}' --timeout 1 && said lab stopped 10
}
an_operator_that_goes() { # the gateway cancels for those of its command line
    : >"$WORK/lab.log"
    reference nodes invoke --node lab --command lab.sleep --params '{"millis":60000}' \
        --invoke-timeout 60000 --timeout 70000 >"$WORK/asking.log" 2>&1 &
    said lab sleeping && tell KILL "$WORK/asking.log" && said lab stopped 10 && sleeps lab
}
thirty_two_in_flight() {
    local jobs=() job
    for _ in $(seq 32); do
        operator invoke lab lab.sleep '{"millis":1500}' &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do wait "$job" || return 1; done
}
a_large_answer() { [ "$(operator invoke lab lab.large '{"bytes":20000000}' | wc -c)" -gt 20000000 ]; }
an_answer_over_the_limit() {
    refused bytes operator invoke lab lab.large '{"bytes":27000000}' && sleeps lab # and the connection lives
}
not_ready_while_draining() {
    local asked
    stop lab
    tap || return 1
    LAB_URL=$TAP lab lab 1 lab.sleep lab.fail lab.large
    said lab 'registered; it gets' && until_true 10 sleeps lab || return 1
    operator invoke lab lab.sleep '{"millis":6000}' &
    asked=$!
    until_true 10 times_said tap 'invoke lab.sleep' 2 || return 1
    kill -TERM "${PID[lab]}"
    # The gateway asks four times more before it gives up; what runs is done all the same.
    refused NODE_NOT_READY sleeps lab && times_said tap 'result NODE_NOT_READY' 5 || return 1
    wait $asked && wait "${PID[lab]}" && until_true 5 away lab
}
a_connect_of_65_536_bytes() {
    local bytes
    tap || return 1
    LAB_URL=$TAP LAB_BULK=1000 LAB_PATH_BYTES=1000 lab bulky 4
    said bulky PAIRING_REQUIRED && operator approve --all && said bulky 'registered; it gets' 30 || return 1
    approve && until_true 10 operator invoke bulky lab.bulk.1 || return 1
    bytes=$(connect_bytes) && stop bulky
    LAB_URL=$TAP LAB_BULK=1000 LAB_PATH_BYTES=$((1000 + 65536 - bytes)) lab bulky 4
    said bulky 'registered; it gets' && [ "$(connect_bytes)" = 65536 ] && until_true 10 operator invoke bulky lab.bulk.1 || return 1
    stop bulky
    # One more, and the path stays at home.
    LAB_URL=$TAP LAB_BULK=1000 LAB_PATH_BYTES=$((1001 + 65536 - bytes)) lab bulky 4
    said bulky 'registered; it gets' && [ "$(connect_bytes)" -lt $((bytes - 1000)) ] && until_true 10 operator invoke bulky lab.bulk.1 || return 1
    stop bulky
    # Without a path there is nothing to leave out.
    LAB_URL=$TAP LAB_BULK=5000 lab bulky 4
    until_true 10 ended bulky && said bulky 'serve fewer commands'
}
connect_bytes() { sed -n 's/.* connect .* \([0-9]*\) bytes$/\1/p' "$WORK/tap.log" | tail -1; }

# The gateway goes and comes.

killed_in_mid_command() {
    local asked
    lab lab 1 lab.sleep lab.fail lab.large
    until_true 20 sleeps lab || return 1
    : >"$WORK/lab.log"
    operator invoke lab lab.sleep '{"millis":60000}' --timeout 60 &
    asked=$!
    said lab sleeping 10 || return 1
    kill_gateway
    ! wait $asked && said lab stopped 10
}
connecting_while_it_starts() {
    node early --url "$URL" --auth-token "$TOKEN" --protocol openclaw --reconnect-delay 0.1 --max-reconnect-delay 0.1
    begin_gateway
    said early 'the gateway is starting' 90 || return 1
    gateway_ready
    said early PAIRING_REQUIRED 10 || return 1
    stop early
    until_true 40 connected lab && until_true 10 sleeps lab && until_true 40 connected shared
}
asked_to_restart() {
    : >"$WORK/lab.log"
    operator call gateway.restart.request '{"reason":"interop"}' || return 1
    said lab 'gateway restarting' 30 && said lab 'registered; it gets' 60 && until_true 10 sleeps lab && until_true 40 connected shared
}
stop_politely() {
    until_true 20 connected shared || return 1
    kill -TERM "${PID[shared]}"
    wait "${PID[shared]}" && until_true 5 away shared
}

configure "$TOKEN"
start_gateway
printf '%-70s %11s  %s\n' CASE TIME ''
case_ 'pair by setup code, and be used at once' pair_by_setup_code
case_ 'the same setup code again, for a device that is paired' a_used_code_is_no_obstacle
case_ 'connect again with the device token alone' reconnect_with_device_token
case_ 'a second process with the same identity' one_identity_twice
case_ 'parameters of the wrong type' wrong_params
case_ 'a wrong token ends with code 3' wrong_token
case_ 'no token ends with code 3' no_token
case_ 'a shared token and two approvals' two_approvals
case_ 'the operator of the gateway itself asks this node' reference_operator
case_ 'what a node may do is rejected, and approved the next time' a_rejected_surface
case_ 'commands of an application' commands_of_an_application
case_ 'a signature by another key than the device'"'"'s' wrong_key
case_ 'an id that is not the key'"'"'s' another_id
case_ 'a clock 121 s slow or 125 s fast; 110 s slow or 115 s fast is let in' stale_clock
case_ 'versions 5 to 6, or 2; versions 3, or 3 to 4, are let in' wrong_range
case_ 'a failure with a code of its own' a_failure
case_ 'a time-out stops the work' a_timeout_stops_the_work
case_ 'an operator that goes away stops the work' an_operator_that_goes
case_ '32 invokes in flight' thirty_two_in_flight
case_ 'more commands: the old ones work, the new ones are approved' surface_expansion
case_ 'an answer of 20 MB' a_large_answer
case_ 'an answer over the limit' an_answer_over_the_limit
case_ 'version 4 is refused, version 3 serves' an_older_gateway
case_ 'a node that drains is not ready, and finishes what runs' not_ready_while_draining
case_ 'a connect of 65,536 bytes; one more leaves the path out' a_connect_of_65_536_bytes
case_ 'the gateway is killed in mid-command' killed_in_mid_command
case_ 'connecting while the gateway starts' connecting_while_it_starts
case_ 'the gateway is asked to restart, and says so' asked_to_restart
case_ 'the device token is rotated' rotated_token
case_ 'the device token is revoked, and the role approved again' revoked_token
case_ 'the shared token is changed' changed_secret
case_ 'the device is removed' removed_device
case_ 'SIGTERM' stop_politely

[ "$FAILED" = 0 ] || { echo "$FAILED of $CASES cases missed"; exit 1; }
echo "all $CASES cases as expected, $SECONDS s"
