#!/bin/sh
# Installs the Debian packages that are named and missing; says which, before it does. Where it
# cannot, one line says what to type.
# No service that they bring is started or enabled.
set -eu

missing=
for package in "$@"; do
    case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
        ii*) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

install="apt-get install --no-install-recommends$missing"
fail() {
    echo "These packages are missing:$missing; $1" >&2
    exit 1
}
command -v apt-get >/dev/null || fail "there is no apt-get here: install them in another way"
root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "only root can install them, with: $install"
    root=sudo
    sudo true 2>/dev/null || fail "type: sudo $install"
fi
echo "Installing the packages that are missing:$missing"

# Debian's own way to keep a package from starting its service (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
fi
install() {
    # shellcheck disable=SC2086 # the list is split on purpose
    $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qq -y --no-install-recommends $missing >/dev/null
}
# The lists of packages may be missing, or too old.
if ! said=$({ install || { $root apt-get update -qq && install; }; } 2>&1); then
    why=$(printf '%s\n' "$said" | grep '^E: ' | tail -n 1 || true)
    update="${root:+sudo }apt-get update && ${root:+sudo }$install"
    fail "apt-get could not install them (${why#E: }). With a network, type: $update"
fi
if command -v systemctl >/dev/null; then
    for package in $missing; do
        case $package in
            nginx | docker-registry | apache2 | caddy | fail2ban | prometheus)
                $root systemctl disable --quiet "$package" 2>/dev/null || true
                ;;
        esac
    done
fi
