#!/usr/bin/env bash
# Fuzzes each property of src/properties for FUZZ_SECONDS (60 unless told), one a core, with the
# toolchain that builds everything else: nothing in htgate is unsafe, so no sanitizer is needed.
# What is found stands in fuzz/artifacts, and belongs into fuzz/seeds once it is mended.
set -euo pipefail
cd "$(dirname "$0")/.."
sh scripts/rust.sh
command -v cargo-fuzz >/dev/null || {
    echo "cargo-fuzz is not installed; type 'cargo install --locked cargo-fuzz'" >&2
    exit 1
}
# libFuzzer is written in it.
command -v c++ >/dev/null || sh scripts/install.sh g++
export FUZZ_SECONDS=${FUZZ_SECONDS:-60}
cargo fuzz build --sanitizer none

fuzz() {
    mkdir -p "fuzz/corpus/$1"
    cargo fuzz run --sanitizer none "$1" "fuzz/corpus/$1" "fuzz/seeds/$1" -- \
        -dict=fuzz/dictionary -max_len=4096 -timeout=10 -print_final_stats=1 \
        "-max_total_time=$FUZZ_SECONDS" >"fuzz/corpus/$1.log" 2>&1 || {
        echo "$1: $(grep -m 1 -E "panicked|ERROR" "fuzz/corpus/$1.log"); see fuzz/corpus/$1.log"
        return 1
    }
    awk -v name="$1" '
        /^stat::number_of_executed_units/ { executions = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        END { printf "%-12s %12d executions, %6d edges covered\n", name, executions, edges }
    ' "fuzz/corpus/$1.log"
}
export -f fuzz
cargo fuzz list | xargs -P "$(nproc)" -I {} bash -c 'fuzz {}'
