#!/bin/sh
# binary.sh [TRIPLE]: builds htgate as one file that needs no library: target/static/htgate for
# this machine's kind of processor, target/static-ARCHITECTURE/htgate for another one that rustc
# has the target of. Alone in its folder, it is also the context of `make image`.
set -eu
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
triple=${1:-$host}
folder=target/static
if [ "$triple" != "$host" ]; then
    folder=target/static-${triple%%-*}
    # Debian's cross compilers are named so; who has another one has set the variable.
    linker=CARGO_TARGET_$(echo "$triple" | tr 'a-z-' 'A-Z_')_LINKER
    eval "export $linker=\${$linker:-${triple%%-*}-linux-gnu-gcc}"
fi
# The same sources are the same binary, wherever they and cargo's crates lie.
crates=${CARGO_HOME:-$HOME/.cargo}
# Named, although it is the host's: without --target, proc macros would be built with these flags
# as well, and those cannot be static.
RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static --remap-path-prefix=$crates=/cargo \
--remap-path-prefix=$PWD=/htgate" \
    cargo build --release --locked --target "$triple" --target-dir target/static-build

rm -rf "$folder"
mkdir -p "$folder"
cp "target/static-build/$triple/release/htgate" "$folder/htgate"

# A container FROM scratch would only say "no such file or directory". readelf, unlike ldd, reads
# other processors' files as well.
needs=$(LC_ALL=C readelf -d "$folder/htgate")
case $needs in
    *NEEDED*)
        echo "$folder/htgate still needs libraries; see readelf -d $folder/htgate" >&2
        exit 1
        ;;
esac
echo "$folder/htgate: $(wc -c <"$folder/htgate") bytes, for $triple"
