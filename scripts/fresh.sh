#!/usr/bin/env bash
# What a newcomer does: `make run` from a clean clone of what is committed here, in a Debian that
# has make, certificates and this machine's Rust, and nothing else; until it answers, and once
# more without a network; then `make test`. Only on Debian, and only for root. Says OK, or what
# failed.
#
# SUITE=trixie scripts/fresh.sh   (by default the suite of this machine)
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=/dev/null
suite=${SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
folder=$PWD/target/fresh
base=$folder/$suite
root=$folder/root

if [ "${1:-}" != inside ]; then
    if [ "$(id -u)" != 0 ]; then
        echo 'Only root can make a Debian in a folder; type: sudo env PATH="$PATH" make fresh' >&2
        exit 1
    fi
    sh scripts/rust.sh
    sh scripts/install.sh debootstrap git iproute2
    rm -rf --one-file-system "$root"
    # Mounts and processes end with it.
    unshare --mount --pid --fork --kill-child scripts/fresh.sh inside && code=0 || code=$?
    rm -rf --one-file-system "$root"
    exit $code
fi

if [ ! -e "$base" ]; then
    mkdir -p "$folder"
    rm -rf "$base.new"
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
    debootstrap --variant=minbase --include=make,ca-certificates "$suite" "$base.new" "$mirror" \
        >"$folder/debootstrap.log" || {
        echo "FAILED: debootstrap; see $folder/debootstrap.log" >&2
        exit 1
    }
    mv "$base.new" "$base"
fi
cp -a "$base" "$root"
# What unpacks layers remounts "/".
mount --bind "$root" "$root"
git clone -q --no-hardlinks . "$root/htgate"
mkdir "$root/opt/rust"
mount --bind "$(rustc --print sysroot)" "$root/opt/rust"
mount -o remount,bind,ro "$root/opt/rust"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
for place in tmp run; do mount -t tmpfs none "$root/$place"; done
# How this machine gets at crates and packages.
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
cargo_home=${CARGO_HOME:-$HOME/.cargo}
if [ -e "$cargo_home/config.toml" ]; then
    mkdir "$root/home/.cargo"
    cp "$cargo_home/config.toml" "$root/home/.cargo/"
fi

cat >"$root/answers" <<'ANSWERS'
make -C /htgate run >/log 2>&1 </dev/null &
for _ in $(seq 1800); do
    sleep 1
    kill -0 $! || break
    status=$(curl -sk -o /dev/null -w '%{http_code}' -u testuser:testpassword \
        "https://localhost:$HTGATE_PORT/v2/")
    if [ "$status" = 200 ]; then
        kill $!
        wait
        exit 0
    fi
done 2>/dev/null
exit 1
ANSWERS

try() { # WHAT COMMAND...
    echo "$1 ..."
    shift
    "$@" || {
        cp "$root/log" "$folder/log"
        tail -n 60 "$folder/log"
        echo "FAILED; above are the last lines of $folder/log" >&2
        exit 1
    }
}
# The network is this machine's, where somebody else may use a port that is named here.
port=$((20000 + RANDOM % 10000))
enter=(chroot "$root" env -i HOME=/home HTGATE_PORT=$port
    PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin bash)
# Puts a command where there is no network.
alone() {
    # shellcheck disable=SC2016 # for the other shell
    unshare --net sh -c 'ip link set lo up && exec "$@"' sh "$@"
}
try 'make run, on a bare machine' "${enter[@]}" /answers
try 'make run, without a network' alone "${enter[@]}" /answers
try 'make test' "${enter[@]}" -c 'make -C /htgate test >/log 2>&1 </dev/null'
tail -n 5 "$root/log"
echo OK
