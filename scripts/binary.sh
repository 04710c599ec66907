#!/bin/sh
# Builds htgate for this machine's kind of processor as one file that needs no library:
# target/static/htgate. Alone in its folder, it is also the context of `make image`.
set -eu
cd "$(dirname "$0")/.."

triple=$(rustc -vV | sed -n 's/^host: //p')
# Named, although it is the host's: without --target, proc macros would be built with these flags
# as well, and those cannot be static.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static" \
    cargo build --release --locked --target "$triple" --target-dir target/static-build

rm -rf target/static
mkdir -p target/static
cp "target/static-build/$triple/release/htgate" target/static/htgate

# A container FROM scratch would only say "no such file or directory".
case $(LC_ALL=C ldd target/static/htgate 2>&1 || true) in
    *'statically linked'* | *'not a dynamic executable'*) ;;
    *)
        echo "target/static/htgate still needs libraries; see ldd target/static/htgate" >&2
        exit 1
        ;;
esac
echo "target/static/htgate: $(wc -c <target/static/htgate) bytes, for $triple"
