#!/usr/bin/env bash
# The measurements in the README: what htgate costs, beside what else could stand in its place.
# Options are bench.py's; see bench/README.md.
#
# HTGATE_BINARY   an htgate that is built already
set -euo pipefail
cd "$(dirname "$0")/.."

sh scripts/install.sh nginx apache2 caddy docker-registry skopeo wrk apache2-utils python3 curl \
    openssl
if [ -z "${HTGATE_BINARY:-}" ]; then
    nice cargo build --release --locked
    HTGATE_BINARY=$PWD/target/release/htgate
fi
PATH=$PATH:/usr/sbin
export PYTHONDONTWRITEBYTECODE=1
exec python3 bench/bench.py --htgate "$HTGATE_BINARY" "$@"
