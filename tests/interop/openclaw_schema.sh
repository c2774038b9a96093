#!/usr/bin/env bash
# Fetches the JSON schema that is published with the OpenClaw protocol, which the tests hold our messages against when it is there.
#
#   tests/interop/openclaw_schema.sh       needs npm; says so and succeeds when it is not there or the registry is not
#   CLAWNODE_OPENCLAW_SCHEMA=FILE          the schema is there already: nothing is fetched, and the tests take that file
set -euo pipefail

VERSION=2026.9.1
PLACE=${XDG_CACHE_HOME:-$HOME/.cache}/clawnode/openclaw-gateway-protocol-$VERSION

skip() { echo "OpenClaw schema not fetched: $*; the tests check only the fields that are written down in tests/schema"; exit 0; }

if [ -n "${CLAWNODE_OPENCLAW_SCHEMA:-}" ]; then
    [ -f "$CLAWNODE_OPENCLAW_SCHEMA" ] || { echo "CLAWNODE_OPENCLAW_SCHEMA names no file: $CLAWNODE_OPENCLAW_SCHEMA" >&2; exit 1; }
    echo "OpenClaw schema: $CLAWNODE_OPENCLAW_SCHEMA"
    exit 0
fi
if [ ! -f "$PLACE/protocol.schema.json" ]; then
    command -v npm >/dev/null || skip 'there is no npm'
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    (cd "$WORK" && npm pack --silent "@openclaw/gateway-protocol@$VERSION" >npm.log 2>&1) || skip "npm could not: $(tail -1 "$WORK/npm.log")"
    tar -xzf "$WORK"/*.tgz -C "$WORK"
    schema=$(find "$WORK/package" -name protocol.schema.json | head -1)
    [ -n "$schema" ] || skip "@openclaw/gateway-protocol@$VERSION holds no protocol.schema.json"
    mkdir -p "$PLACE"
    # The tests may run beside this: they see the whole file or none.
    cp "$schema" "$PLACE/.fetched.$$" && mv "$PLACE/.fetched.$$" "$PLACE/protocol.schema.json"
fi
echo "OpenClaw schema: $PLACE/protocol.schema.json"
