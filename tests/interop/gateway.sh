# A real OpenClaw gateway, installed from npm, started and stopped. Sourced by the scripts beside it, after `set -euo pipefail`.
#
#   CLAWNODE_OPENCLAW=DIR      where the gateway is, or is to be, installed
#   CLAWNODE_INTEROP_PORT=N    the gateway's port

VERSION=2026.9.6
NODE_VERSION=26
INSTALL=${CLAWNODE_OPENCLAW:-${XDG_CACHE_HOME:-$HOME/.cache}/clawnode/openclaw-$VERSION}
PORT=${CLAWNODE_INTEROP_PORT:-18870}
URL=ws://127.0.0.1:$PORT
TOKEN=interop-$$-token
WORK=$(mktemp -d)

# Processes that write below $WORK, which nobody else's do: a gateway and its operators start processes in groups of their own.
writing_to() { # FILE
    local process out
    for process in /proc/[0-9]*; do
        for out in 1 2; do
            case $(readlink "$process/fd/$out" 2>/dev/null) in
                $1)
                    process=${process#/proc/}
                    [ "$process" = $$ ] || [ "$process" = "$BASHPID" ] || echo "$process"
                    break
                    ;;
            esac
        done
    done
}
tell() { # SIGNAL FILE
    local process
    for process in $(writing_to "$2"); do kill "-$1" "$process" 2>/dev/null || true; done
}
finish() {
    exec >&3 2>&4
    trap '' INT TERM HUP
    tell TERM "$WORK/*"
    until_true 5 silent "$WORK/*" || tell KILL "$WORK/*"
    until_true 5 silent "$WORK/*" || true
    rm -rf "$WORK"
}

exec 3>&1 4>&2
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

until_true() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

install_gateway() { # fails, having said why, if it cannot
    [ ! -f "$INSTALL/node_modules/openclaw/openclaw.mjs" ] || return 0
    command -v npm >/dev/null || { echo 'there is no npm'; return 1; }
    mkdir -p "$INSTALL"
    echo "installing openclaw@$VERSION into $INSTALL"
    (
        cd "$INSTALL"
        [ -f package.json ] || npm init -y >/dev/null 2>&1
        # The gateway's package refuses to be installed by an older Node.js, so the newer one comes first.
        npm i "node@$NODE_VERSION" --no-audit --no-fund >npm.log 2>&1 &&
            PATH="$PWD/node_modules/node/bin:$PATH" npm i "openclaw@$VERSION" --no-audit --no-fund >>npm.log 2>&1
    ) || { echo "npm could not install it; see $INSTALL/npm.log"; return 1; }
}

oc() { # the gateway's own program, in the environment of this gateway; `exec` it where its process matters
    env PATH="$INSTALL/node_modules/node/bin:$PATH" HOME="$WORK" OPENCLAW_HOME="$WORK" NO_COLOR=1 \
        OPENCLAW_SKIP_CHANNELS=1 OPENCLAW_SKIP_CRON=1 OPENCLAW_NO_AUTO_UPDATE=1 OPENCLAW_DISABLE_BONJOUR=1 \
        OPENCLAW_SKIP_STARTUP_MODEL_PREWARM=1 DO_NOT_TRACK=1 \
        node "$INSTALL/node_modules/openclaw/openclaw.mjs" "$@"
}

configure() { # TOKEN
    mkdir -p "$WORK/.openclaw"
    cat >"$WORK/.openclaw/openclaw.json.new" <<JSON
{"gateway": {"mode": "local", "port": $PORT, "bind": "loopback", "auth": {"mode": "token", "token": "$1"},
             "controlUi": {"enabled": false},
             "nodes": {"pairing": {"autoApproveLocal": false, "sshVerify": false},
                       "commands": {"allow": ["lab.sleep", "lab.large", "lab.fail", "lab.bulk.0", "lab.bulk.1"]}}},
 "plugins": {"enabled": false}, "update": {"checkOnStart": false}, "models": {"catalogRefresh": {"enabled": false}}}
JSON
    mv "$WORK/.openclaw/openclaw.json.new" "$WORK/.openclaw/openclaw.json"
}

listens() { curl -sm 2 "http://127.0.0.1:$PORT/"; }
begin_gateway() { # returns before it listens
    ! listens >/dev/null 2>&1 ||
        { echo "something listens on port $PORT already; choose another with CLAWNODE_INTEROP_PORT" >&4; exit 1; }
    oc gateway run >>"$WORK/gateway.log" 2>&1 &
}
gateway_ready() { until_true 90 curl -fsm 2 "http://127.0.0.1:$PORT/readyz" || { cat "$WORK/gateway.log" >&4; exit 1; }; }
start_gateway() { begin_gateway; gateway_ready; }
silent() { local file; for file in "$@"; do [ -z "$(writing_to "$file")" ] || return 1; done; } # FILE...
kill_gateway() { # it would wait for running commands if it were asked
    tell KILL "$WORK/gateway.log"
    until_true 10 silent "$WORK/gateway.log"
}
