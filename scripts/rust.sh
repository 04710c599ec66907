#!/bin/sh
# Says in one line which Rust is needed, where there is none or one that is too old.
set -eu
cd "$(dirname "$0")/.."

needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
remedy="install it with rustup (https://rustup.rs): curl -sSf https://sh.rustup.rs | sh"
if ! command -v cargo >/dev/null; then
    if [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
        remedy="it is installed but not in PATH: type . \"${CARGO_HOME:-$HOME/.cargo}/env\""
    fi
    echo "Rust $needed or later is needed, and there is no cargo; $remedy" >&2
    exit 1
fi
# "cargo 1.63.0 (…)"
found=$(cargo --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$needed" "${found%%-*}" | sort -V | head -n 1)
if [ "$oldest" != "$needed" ]; then
    echo "Rust $needed or later is needed, and this is $found; $remedy" >&2
    exit 1
fi
