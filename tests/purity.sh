#!/usr/bin/env bash
# Proves that the core is pure: what its own compiled code leaves to others has no clock, socket, file, thread or randomness in it.
# Every symbol that the objects of clawnode-protocol do not define themselves must be on a list below, with a reason.
# Needs nm of binutils, 2.35 or later.
set -euo pipefail
cd "$(dirname "$0")/.."

# Crates that symbols may come from. `std` is none of them, but for what is named further down: what else the core has of it is in
# core and alloc.
crates() {
    sed 's/ *#.*//; /^$/d' <<'EOF'
alloc            # memory
core             # the language
clawnode_protocol #  one object of the core needs another
block_buffer     # hashes
bytes            # inside errors of tungstenite
chacha20         # the random numbers, from the seed
curve25519_dalek # signatures
data_encoding    # Base64
digest           # hashes
ed25519          # signatures
ed25519_dalek    # signatures
generic_array    # hashes
hashbrown        # inside errors of tungstenite: dropped, never filled
http             # inside errors of tungstenite
httparse         # heads
itoa             # numbers to text
jiff             # dates; its clock is a feature that is off
log              # inside tungstenite: nothing is read back
memchr           # search
percent_encoding # query strings
rand_core        # the trait of ChaCha20; the operating system's source is a feature that is off
serde            # JSON
serde_core       # JSON
serde_json       # JSON
sha2             # hashes
signature        # signatures
subtle           # signatures
std_detect       # which instructions the processor has: they give the same results
thiserror        # errors
tungstenite      # opcodes and the accept key of RFC 6455
twox_hash        # hashes
typenum          # hashes
xxhash_rust      # hashes
zeroize          # secrets
zmij             # numbers to text
EOF
}

# Symbols of no crate.
symbols() {
    sed 's/ *#.*//; /^$/d' <<'EOF'
_Unwind_Resume       # panics, of which the core has none that it knows of
rust_eh_personality  # the same
bcmp                 # memory
memcmp
memcpy
memmove
memset
round                # arithmetic
trunc
__divti3
__udivti3
EOF
}

# Things of std.
things() {
    sed 's/ *#.*//; /^$/d' <<'EOF'
std::io::error::Error # inside errors of tungstenite and serde_json: shown, never made
EOF
}

# The symbols that an rlib leaves to others, as Rust writes them.
undefined() {
    nm --demangle --undefined-only --format=just-symbols "$1" 2>/dev/null | sed '/:$/d; /^$/d' | sort -u
}

# Reads symbols and prints those that are not allowed.
impure() {
    awk -v crates="$(crates)" -v things="$(things)" -v symbols="$(symbols)" '
        BEGIN {
            count = split(things, thing, /[ \n]+/)
            split(crates, list, /[ \n]+/); for (i in list) crate[list[i]] = 1
            split(symbols, list, /[ \n]+/); for (i in list) symbol[list[i]] = 1
            crate["__rustc"] = 1 # the allocator
        }
        {
            # tungstenite reads the heads of frames so, from memory.
            if (index($0, "<std::io::cursor::Cursor<T> as std::io::Read>::") == 1) next
            if (index($0, "::") == 0) { if (!($0 in symbol)) print; next }
            # The first part of each path in it: what stands before "::" and after none.
            rest = $0
            for (i = 1; i <= count; i++)
                while (at = index(rest, thing[i] " "))
                    rest = substr(rest, 1, at - 1) substr(rest, at + length(thing[i]))
            while (match(rest, /[A-Za-z_][A-Za-z0-9_]*::/)) {
                root = substr(rest, RSTART, RLENGTH - 2)
                before = RSTART > 2 ? substr(rest, RSTART - 2, 2) : ""
                if (before != "::" && root ~ /^[a-z_]/ && !(root in crate)) { print; next }
                rest = substr(rest, RSTART + RLENGTH)
                # The parts that follow belong to the same path.
                sub(/^([A-Za-z0-9_]+::)*[A-Za-z0-9_]*/, "", rest)
            }
        }'
}

target=${CARGO_TARGET_DIR:-target}/purity
mkdir -p "$target"

# First that impurity is seen at all.
for impurity in 'std::time::Instant::now()' 'std::net::TcpStream::connect("h:1")' 'std::thread::yield_now()' \
    'std::collections::HashMap::<u8, u8>::new()' 'std::fs::File::open("f")' 'std::env::var("v")'; do
    echo "pub fn impure() { let _ = $impurity; }" |
        rustc --edition 2024 --crate-type rlib --crate-name impure -O -o "$target/libimpure.rlib" -
    undefined "$target/libimpure.rlib" | impure | grep -q . || { echo "impurity is not seen: $impurity"; exit 1; }
done

# Link-time optimisation would leave no machine code in the library.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_STRIP=none \
    cargo build --quiet --release --locked --package clawnode-protocol --target-dir "$target"
library=$target/release/libclawnode_protocol.rlib
found=$(undefined "$library")
grep -qx memcpy <<<"$found" || { echo "no symbols could be read from $library"; exit 1; }
bad=$(impure <<<"$found")
if [ -n "$bad" ]; then
    printf 'the core is not pure, or needs something new that must be looked at first:\n%s\n' "$bad"
    exit 1
fi
echo "the core is pure: $(wc -l <<<"$found") symbols left to others, and all of them are known"
