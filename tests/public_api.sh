#!/usr/bin/env bash
# The public API of each crate that is published, one item a line, in docs/api: a change of it is seen in review.
#
#   tests/public_api.sh           writes docs/api
#   tests/public_api.sh --check   fails if docs/api is not what the crates have
#
# Needs a nightly toolchain and `cargo install cargo-public-api`; without them --check says so and passes.
set -euo pipefail
cd "$(dirname "$0")/.."

crates=(protocol runtime tokio async-std smol gateway workflows store commands nodes conformance simulation)

check=false
case "${1-}" in
    '') ;;
    --check) check=true ;;
    *) echo "usage: $0 [--check]" >&2; exit 2 ;;
esac

missing() {
    echo "not checked: $1"
    $check && exit 0
    exit 1
}

command -v cargo-public-api >/dev/null || missing 'cargo install cargo-public-api'
cargo +nightly --version >/dev/null 2>&1 || missing 'rustup toolchain install nightly'

# Implementations that every type has, and the automatic ones of Send and its like, would hide what somebody wrote.
list() {
    # A folder of its own: `cargo doc` removes the JSON.
    CARGO_TARGET_DIR=target/public-api cargo +nightly public-api --package "clawnode-$1" --omit blanket-impls,auto-trait-impls
}

found=$(mktemp -d)
trap 'rm -r "$found"' EXIT

changed=0
for crate in "${crates[@]}"; do
    file=docs/api/clawnode-$crate.txt
    if ! list "$crate" >"$found/api" 2>"$found/errors"; then
        cat "$found/errors" >&2
        # The form of rustdoc's JSON changes with nightly, and cargo-public-api reads one.
        if grep -q 'Failed to parse rustdoc JSON' "$found/errors" && ! grep -q 'No such file' "$found/errors"; then
            missing 'this cargo-public-api does not read what this nightly writes; update both'
        fi
        exit 1
    fi
    if ! $check; then
        mkdir -p docs/api
        cp "$found/api" "$file"
        echo "$file: $(wc -l <"$file") lines"
    elif ! diff --unified=0 "$file" "$found/api"; then
        changed=1
    fi
done

if ((changed)); then
    echo 'The public API is not that of docs/api. If that is meant: tests/public_api.sh, and commit docs/api.' >&2
    exit 1
fi
$check && echo "the public API of ${#crates[@]} crates is as committed"
exit 0
