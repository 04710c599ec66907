#!/usr/bin/env bash
# Tries what people run today: makes each Debian suite in a folder, once, installs the package in a
# copy of it, runs the tests of nginx's answers there, and all clients that the suite has. The table
# of what they said is printed, and kept in target/matrix/SUITE.md.
#
# tests/matrix/matrix.sh [SUITE...]   (trixie and sid, where they can be had)
#
# REGISTRY   a registry's binary, instead of Debian's docker-registry
set -euo pipefail
cd "$(dirname "$0")/../.."
repository=$PWD
kept=$PWD/target/matrix
packages='nginx docker-registry apache2-utils openssl curl procps iproute2 ca-certificates adduser
    docker.io docker-cli docker-compose docker-buildx podman buildah skopeo containerd oras crane
    crun fuse-overlayfs iptables'

make_root() { # SUITE
    local suite=$1 mirror package
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
    rm -rf --one-file-system "$kept/$suite.new"
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$kept/$suite.new" "$mirror" \
        >"$kept/$suite.log" 2>&1 || return 1
    # Nothing is started by being installed.
    printf '#!/bin/sh\nexit 101\n' >"$kept/$suite.new/usr/sbin/policy-rc.d"
    chmod 755 "$kept/$suite.new/usr/sbin/policy-rc.d"
    cp -L /etc/resolv.conf "$kept/$suite.new/etc/resolv.conf"
    local there=()
    # Some packages look at /proc while they are installed.
    in_root() {
        # shellcheck disable=SC2016 # for the other shell
        unshare --mount --pid --fork sh -c 'mount -t proc proc "$0/proc" &&
            exec chroot "$0" env DEBIAN_FRONTEND=noninteractive "$@"' "$kept/$suite.new" "$@"
    }
    # A mirror may lag behind what an unstable suite says of its own age.
    in_root apt-get -o Acquire::Check-Valid-Until=false update >>"$kept/$suite.log" 2>&1 ||
        return 1
    for package in $packages; do
        if in_root apt-cache show "$package" >/dev/null 2>&1; then there+=("$package"); fi
    done
    in_root apt-get install -y --no-install-recommends "${there[@]}" >>"$kept/$suite.log" 2>&1 ||
        return 1
    mv "$kept/$suite.new" "$kept/$suite"
}

if [ "${1:-}" = inside ]; then
    root=$kept/copy
    # What unpacks layers remounts "/".
    mount --bind "$root" "$root"
    mount --bind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t sysfs sys "$root/sys"
    mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
    for folder in tmp run; do mount -t tmpfs none "$root/$folder"; done
    # The tests name files of the checkout.
    mkdir -p "$root$repository"
    mount --bind "$repository" "$root$repository"
    ip link set lo up
    # Names that lead to a loopback address docker may ask by HTTP.
    ip address add 192.0.2.10/32 dev lo
    exec chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        bash "$repository/tests/matrix/inside.sh" "$2" "$3"
fi

if [ "$(id -u)" != 0 ]; then
    echo 'Only root can make a Debian in a folder; type: sudo env PATH="$PATH" make test-matrix' >&2
    exit 1
fi
if [ -n "${REGISTRY:-}" ] && [ ! -x "$REGISTRY" ]; then
    echo "REGISTRY=$REGISTRY is not a program; name a registry's binary, or leave it out" >&2
    exit 1
fi
sh scripts/rust.sh
sh scripts/install.sh debootstrap iproute2 nginx docker-registry
mkdir -p "$kept"
# As scripts/test.sh builds them.
target=$(rustc -vV | sed -n 's/^host: //p')
export CARGO_BUILD_TARGET=$target RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
suite_binary=$(cargo test --locked --no-run --test suite --message-format=json |
    sed -n 's/.*"executable":"\([^"]*suite-[^"]*\)".*/\1/p' | tail -n 1)
strip -o "$kept/htgate" "${CARGO_TARGET_DIR:-target}/$target/debug/htgate"
HTGATE_BINARY=$kept/htgate HTGATE_PACKAGE_FOLDER=$kept/package sh scripts/package.sh >/dev/null

code=0
[ $# -gt 0 ] || set -- trixie sid
for suite; do
    if [ ! -d "$kept/$suite" ] && ! make_root "$suite"; then
        echo "SKIPPED $suite: it cannot be made; see $kept/$suite.log"
        continue
    fi
    rm -rf --one-file-system "$kept/copy"
    cp -a --reflink=auto "$kept/$suite" "$kept/copy"
    cp "$kept"/package/htgate_*.deb "$kept/copy/htgate.deb"
    if [ -n "${REGISTRY:-}" ]; then cp "$REGISTRY" "$kept/copy/usr/bin/docker-registry"; fi
    # Networks, mounts and processes of its own, which end with it.
    unshare --mount --pid --net --ipc --uts --fork --kill-child \
        tests/matrix/matrix.sh inside "$suite_binary" "$suite" | tee "$kept/$suite.out" || code=1
    sed -n '/^|/p' "$kept/$suite.out" >"$kept/$suite.md"
    if ! grep -q '^all rows are as expected$' "$kept/$suite.out"; then code=1; fi
    rm -rf --one-file-system "$kept/copy"
done
exit $code
