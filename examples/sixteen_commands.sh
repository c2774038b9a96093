#!/usr/bin/env bash
# Asks a node each of its sixteen commands through a gateway, and prints the answers.
#
#   cargo build -p clawnode && examples/sixteen_commands.sh [path of clawnode]
#
# Needs curl, and the repository around it for a workflow to import. All it makes is in a temporary folder, which is removed at the end.
set -euo pipefail

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 2
}

given=${1:-}
if [ -n "$given" ]; then
    given=$(command -v "$given" || true)
    [ -n "$given" ] || fail "$1 is no program; give the path of clawnode"
    given=$(cd "$(dirname "$given")" && pwd)/${given##*/}
fi
cd "$(dirname "$0")/.."
workflow=adapters/workflows/examples/threshold_report.json
[ -f "$workflow" ] || fail "there is no $PWD/$workflow; run this script where it is in the repository, in its folder examples"
command -v curl >/dev/null || fail "it needs curl, which is not installed"
clawnode=${given:-target/debug/clawnode}
[ -x "$clawnode" ] || fail "there is no $PWD/$clawnode; build it with: cargo build -p clawnode, or give the path of clawnode"
work=$(mktemp -d)
data="$work/data"
log="$work/log"
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

# What the node keeps before it starts.
printf 'black tea, milk, sugar\n' >"$work/pantry.txt"
"$clawnode" workflow import "$workflow" --data-dir "$data" 2>/dev/null
"$clawnode" assets add "$work/pantry.txt" --data-dir "$data" >/dev/null
"$clawnode" collections add notes "$work/pantry.txt" --data-dir "$data" 2>/dev/null

"$clawnode" gateway --listen 127.0.0.1:0 2>"$log" &
address() { sed -n 's/.*nodes connect to ws:\/\/\([0-9.:]*\).*/\1/p' "$log"; }
until [ -n "$(address)" ]; do sleep 0.1; done
api="http://$(address)/api"
"$clawnode" connect --protocol nodetool --url "ws://$(address)" --data-dir "$data" --node-id node 2>/dev/null &
until curl -sf "$api/nodes" | grep -q '"connected"'; do sleep 0.1; done

# COMMAND ARGS: prints the answer, and leaves it in $answer.
ask() {
    printf '\n== %s %s\n' "$1" "$2"
    local id="$1-$RANDOM$RANDOM"
    curl -sf "$api/requests" -d "{\"command\": \"$1\", \"args\": $2, \"request_id\": \"$id\"}" >/dev/null
    answer=$(curl -sf "$api/requests/$id?wait=30")
    # Long lists are cut: what counts is their form.
    printf '%.1200s\n' "$answer"
}


ask list_workflows '{"workflow_type": "all", "limit": 3}'
ask get_workflow '{"workflow_id": "greet"}'
ask run_workflow '{"workflow_id": "threshold-report", "params": {"temperature": 31}}'
ask validate_workflow '{"workflow_id": "threshold-report"}'
ask start_background_job '{"workflow_id": "fizz-buzz"}'
job=$(grep -o '"job_id": *"[^"]*"' <<<"$answer" | tail -n 1 | cut -d '"' -f 4)
ask list_jobs '{}'
ask get_job "{\"job_id\": \"$job\"}"
ask get_job_logs "{\"job_id\": \"$job\"}"
ask list_assets '{}'
asset=$(grep -o '"assets": *\[{"id": *"[^"]*"' <<<"$answer" | cut -d '"' -f 6)
ask get_asset "{\"asset_id\": \"$asset\"}"
ask list_nodes '{"namespace": "nodetool.text", "limit": 2}'
ask search_nodes '{"query": ["format", "text"], "n_results": 2}'
ask get_node_info '{"node_type": "nodetool.text.Concat"}'
ask list_models '{}'
ask list_collections '{}'
ask get_collection '{"name": "notes"}'
