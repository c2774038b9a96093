#!/usr/bin/env bash
# The reference node host beside ours, on the same OpenClaw gateway in one run: one table. It judges nothing. About four minutes.
#
#   tests/interop/compare.sh               needs npm, as openclaw.sh does
#   and what gateway.sh reads; the ports after the gateway's are used too
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/interop/gateway.sh

install_gateway || exit 1
cargo build -q --release -p clawnode -p clawnode-interop
BIN=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
for name in $(env | sed -n 's/^\(CLAWNODE_[A-Z_]*\|OPENCLAW_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
STARTS_AT=127.0.0.1:$((PORT + 1)) ALONE_AT=127.0.0.1:$((PORT + 2))

# Each node has a home for this gateway, where it is paired, and one for the scripted gateway.
reference() { # HOME ADDRESS
    local home=$WORK/reference$1
    mkdir -p "$home/.openclaw"
    [ -f "$home/.openclaw/openclaw.json" ] || cat >"$home/.openclaw/openclaw.json" <<'JSON'
{"plugins": {"enabled": false}, "update": {"checkOnStart": false}, "models": {"catalogRefresh": {"enabled": false}}}
JSON
    COMMAND=(env "PATH=$INSTALL/node_modules/node/bin:$PATH" "HOME=$home" "OPENCLAW_HOME=$home" NO_COLOR=1 OPENCLAW_NO_AUTO_UPDATE=1
        DO_NOT_TRACK=1 node "$INSTALL/node_modules/openclaw/openclaw.mjs" node run --display-name reference
        --host "${2%:*}" --port "${2#*:}")
}
ours() { COMMAND=("$BIN/clawnode" connect --data-dir "$WORK/ours$1" --display-name ours --url "ws://$2"); } # HOME ADDRESS

measure() { # NODE; its figures, one a line
    local node=$1 code
    echo "measuring $node" >&2
    # Paired where it will be started, so that it has a device token for there.
    "$BIN/clawnode-interop" tap --listen "$STARTS_AT" --gateway "127.0.0.1:$PORT" >"$WORK/tap.log" 2>&1 &
    code=$("$BIN/clawnode" openclaw --url "$URL" --auth-token "$TOKEN" setup-code --public-url "ws://$STARTS_AT")
    "$node" '' "$STARTS_AT"
    "${COMMAND[@]}" --pair "$code" >"$WORK/$node.log" 2>&1 &
    until_true 60 grep hello-ok "$WORK/tap.log" || { cat "$WORK/tap.log" "$WORK/$node.log" >&2; return 1; }
    sleep 2 # it keeps the token
    tell TERM "$WORK/$node.log"
    tell TERM "$WORK/tap.log"
    until_true 20 silent "$WORK/$node.log" "$WORK/tap.log"

    printf 'disk\t%s\n' "$(disk "$node")"
    "$BIN/clawnode-interop" start --listen "$STARTS_AT" --gateway "127.0.0.1:$PORT" --log "$WORK/$node.log" -- "${COMMAND[@]}" || return 1

    "$node" '' "127.0.0.1:$PORT"
    OPENCLAW_GATEWAY_TOKEN=$TOKEN "${COMMAND[@]}" >"$WORK/$node.log" 2>&1 &
    OPENCLAW_GATEWAY_TOKEN=$TOKEN "$BIN/clawnode-interop" load --url "$URL" --node "$node" --sequential 500 --in-flight 2000 || return 1
    tell TERM "$WORK/$node.log"

    "$node" -alone "$ALONE_AT"
    OPENCLAW_GATEWAY_TOKEN=scripted "$BIN/clawnode-interop" alone --listen "$ALONE_AT" --log "$WORK/$node-alone.log" -- "${COMMAND[@]}"
}
disk() { # NODE
    case $1 in
        ours) numfmt --to=iec --format=%.1f "$(stat -c %s "$BIN/clawnode")" ;;
        *) du -sh "$INSTALL/node_modules" | cut -f1 ;;
    esac
}

configure "$TOKEN"
start_gateway
echo "$(nproc) cores, load average at the start $(cut -d' ' -f1-3 /proc/loadavg)"
for node in reference ours; do
    measure $node >"$WORK/$node.figures" 2>"$WORK/measuring.log" || { tail -20 "$WORK/measuring.log" "$WORK/$node"*.log; exit 1; }
done
paste "$WORK/reference.figures" "$WORK/ours.figures" |
    awk -F'\t' 'BEGIN { printf "%-45s %14s %14s\n", "", "REFERENCE", "OURS" } { printf "%-45s %14s %14s\n", $1, $2, $4 }'
