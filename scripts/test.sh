#!/usr/bin/env bash
# Everything that is tested, on a machine that has Rust, make and apt-get; or what these arguments for
# cargo test choose.
set -euo pipefail
cd "$(dirname "$0")/.."

sh scripts/rust.sh
# rustc links with it.
command -v cc >/dev/null || sh scripts/install.sh gcc libc6-dev
sh scripts/install.sh nginx docker-registry skopeo apache2-utils wrk openssl curl procps iproute2 \
    git systemd systemd-container debootstrap fail2ban groff-base prometheus python3-venv bindfs podman
# nginx and docker-registry are system programs; not every PATH has them.
export PATH=$PATH:/usr/sbin

# One build for all: a binary that needs no library runs in the tests, in the image and in the
# Debian that the package is installed in. The target is named, although it is the host's: without
# it proc macros would be built with these flags as well, and those cannot be static.
CARGO_BUILD_TARGET=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_BUILD_TARGET RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
cargo test --locked --no-run

skipped=
if docker info >/dev/null 2>&1; then
    # The container that the compose tests start: that binary and nothing else.
    context=$(mktemp -d)
    trap 'rm -rf "$context"' EXIT
    strip -o "$context/htgate" "${CARGO_TARGET_DIR:-target}/$CARGO_BUILD_TARGET/debug/htgate"
    docker build -f compose/Dockerfile --target prebuilt -t htgate:latest "$context"
else
    skipped='the tests with Docker: there is no engine to talk to ("docker info" fails)'
fi
# Most tests wait for a file, a clock or another program: with one a core, cores would idle.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) + 1))}"
cargo test --locked "$@"
if [ -n "$skipped" ]; then
    echo "SKIPPED $skipped"
fi
