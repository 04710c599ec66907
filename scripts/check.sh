#!/usr/bin/env bash
# Formatting, lints and documentation, with warnings as errors.
set -euo pipefail
cd "$(dirname "$0")/.."
sh scripts/rust.sh
cargo fmt --all --check
cargo clippy --locked --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
