#!/bin/sh
# Makes the packages in target/package: a .deb and a .tar.gz for each kind of processor that this
# machine's rustc has the target of, and SHA256SUMS. The same commit makes the same bytes.
#
# SOURCE_DATE_EPOCH      the time in the packages (that of the commit)
# HTGATE_BINARY          a binary for this machine that is built already
# HTGATE_PACKAGE_FOLDER  where they go
set -eu
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C

folder=${HTGATE_PACKAGE_FOLDER:-target/package}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
host=$(rustc -vV | sed -n 's/^host: //p')
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) || {
        echo "not a git checkout: set SOURCE_DATE_EPOCH to the time of the sources" >&2
        exit 1
    }
fi
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
# Of another version, or for another machine.
rm -f "$folder"/htgate[-_]* "$folder/SHA256SUMS"

# put MODE SOURCE DESTINATION: a file, with its folders.
put() {
    mkdir -p "$(dirname "$3")"
    install -m "$1" "$2" "$3"
}

# The manual pages and the completions come out of the binary itself.
put_manual() { # PAGE DESTINATION
    "$runnable" man "$1" >"$work/generated"
    put 644 "$work/generated" "$2"
}
put_completions() {
    if "$runnable" completions "$1" >"$work/generated" 2>/dev/null; then
        put 644 "$work/generated" "$2"
    fi
}

# Nothing of the checkout's times and modes.
normalize() {
    chmod -R u=rwX,go=rX "$1"
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

make_deb() { # ARCHITECTURE BINARY
    root=$work/deb-$1
    debian_version=$(echo "$version" | sed 's/-/~/')-1
    put 755 "$2" "$root/usr/bin/htgate"
    put 644 packaging/systemd/htgate.service "$root/lib/systemd/system/htgate.service"
    put 644 packaging/systemd/htgate.socket "$root/lib/systemd/system/htgate.socket"
    put 644 packaging/htgate.toml "$root/etc/htgate/htgate.toml"
    mkdir "$root/etc/htgate/users"
    put 644 nginx/htgate.conf "$root/etc/nginx/conf.d/htgate.conf"
    for file in htgate-server htgate-locations htgate-gate htgate-token; do
        put 644 "nginx/$file.conf" "$root/etc/nginx/$file.conf"
    done

    doc=$root/usr/share/doc/htgate
    mkdir -p "$doc/examples"
    for examples in nginx monitoring kubernetes; do
        cp -r "$examples" "$doc/examples/$examples"
        # Where the pages look for them.
        ln -s "examples/$examples" "$doc/$examples"
    done
    put 644 README.md "$doc/README.md"
    put 644 SECURITY.md "$doc/SECURITY.md"
    cp -r docs "$doc/docs"
    put 644 packaging/debian/README.Debian "$doc/README.Debian"
    { cat packaging/debian/copyright && sed -n '5,$s/^$/./; 5,$s/^/ /p' LICENSE-MIT; } \
        >"$doc/copyright"
    gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
    cat >"$work/changelog" <<CHANGELOG
htgate ($debian_version) unstable; urgency=medium

  * What changed is in changelog.gz.

 -- htgate maintainers <htgate@example.invalid>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
    gzip -9n <"$work/changelog" >"$doc/changelog.Debian.gz"

    put_manual htgate "$root/usr/share/man/man8/htgate.8"
    put_manual htgate.toml "$root/usr/share/man/man5/htgate.toml.5"
    find "$root/usr/share/man" -type f -exec gzip -9n {} +
    put_completions bash "$root/usr/share/bash-completion/completions/htgate"
    put_completions zsh "$root/usr/share/zsh/vendor-completions/_htgate"
    put_completions fish "$root/usr/share/fish/vendor_completions.d/htgate.fish"

    size=$(find "$root" -type f -printf '%s\n' | awk '{ k += int(($1 + 1023) / 1024) } END { print k }')
    mkdir "$root/DEBIAN"
    sed -e "s/@VERSION@/$debian_version/" -e "s/@ARCHITECTURE@/$1/" -e "s/@SIZE@/$size/" \
        packaging/debian/control >"$root/DEBIAN/control"
    put 644 packaging/debian/conffiles "$root/DEBIAN/conffiles"
    for script in postinst prerm postrm; do
        put 755 "packaging/debian/$script" "$root/DEBIAN/$script"
    done
    (cd "$root" && find . -path ./DEBIAN -prune -o -type f -print | sed 's|^\./||' | sort |
        xargs -d '\n' md5sum) >"$work/md5sums"
    put 644 "$work/md5sums" "$root/DEBIAN/md5sums"
    normalize "$root"
    # One thread: the number of blocks would depend on the machine.
    dpkg-deb --root-owner-group -Zxz --threads-max=1 --build "$root" \
        "$folder/htgate_${debian_version}_$1.deb" >/dev/null
}

make_tarball() { # ARCHITECTURE BINARY
    name=htgate-$version-linux-$1
    root=$work/tar-$1/$name
    put 755 "$2" "$root/htgate"
    for file in README.md SECURITY.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE; do
        put 644 "$file" "$root/$file"
    done
    put 644 packaging/INSTALL.md "$root/INSTALL.md"
    cp -r docs nginx monitoring kubernetes "$root"
    put 644 packaging/htgate.toml "$root/htgate.toml"
    put 644 packaging/systemd/htgate.service "$root/systemd/htgate.service"
    put 644 packaging/systemd/htgate.socket "$root/systemd/htgate.socket"
    put_manual htgate "$root/man/htgate.8"
    put_manual htgate.toml "$root/man/htgate.toml.5"
    put_completions bash "$root/completions/htgate.bash"
    put_completions zsh "$root/completions/_htgate"
    put_completions fish "$root/completions/htgate.fish"
    normalize "$root"
    tar --create --sort=name --format=gnu --owner=0 --group=0 --numeric-owner \
        --directory "$work/tar-$1" "$name" | gzip -9n >"$folder/$name.tar.gz"
}

runnable=${HTGATE_BINARY:-}
if [ -z "$runnable" ]; then
    scripts/binary.sh
    runnable=target/static/htgate
fi
for machine in x86_64:amd64 aarch64:arm64; do
    triple=${machine%%:*}-unknown-linux-gnu
    architecture=${machine##*:}
    if [ "$triple" = "$host" ]; then
        binary=$runnable
    elif [ -d "$(rustc --print sysroot)/lib/rustlib/$triple" ]; then
        scripts/binary.sh "$triple"
        binary=target/static-${triple%%-*}/htgate
    else
        echo "No package for $architecture: rustc has no target $triple"
        continue
    fi
    make_deb "$architecture" "$binary"
    make_tarball "$architecture" "$binary"
done
(cd "$folder" && sha256sum htgate[-_]* >"$work/sums")
put 644 "$work/sums" "$folder/SHA256SUMS"
ls -l "$folder"
