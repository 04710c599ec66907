#!/usr/bin/env bash
# Everything that is tested, on a machine that has Rust, make and apt-get.
set -euo pipefail
cd "$(dirname "$0")/.."

sh scripts/install.sh nginx docker-registry skopeo apache2-utils wrk openssl curl procps \
    systemd systemd-container debootstrap fail2ban prometheus python3-venv bindfs podman
# nginx and docker-registry are system programs; not every PATH has them.
export PATH=$PATH:/usr/sbin

skipped=
if docker info >/dev/null 2>&1; then
    # The container that the compose test starts.
    make image
else
    skipped='the tests with Docker: there is no engine to talk to ("docker info" fails)'
fi
cargo test --locked
if [ -n "$skipped" ]; then
    echo "SKIPPED $skipped"
fi
