#!/bin/sh
# prepare.sh [--host HOST] [--token] [NAME]: makes what docker-compose.yml mounts, where it is
# absent: a self-signed certificate for localhost and HOST, and users/htpasswd with one user, NAME
# or testuser. The password is asked for, or read from standard input; where none is given it is
# generated, and printed once. With --token also what token.yml mounts: a key that signs tokens,
# its certificate, and settings with a rule for anonymous pull.
#
# The variables of docker-compose.yml and token.yml that it is given go to .env, which compose
# reads as well: the commands that it prints need none of them again.
set -eu
cd "$(dirname "$0")"

fail() {
    echo "$*" >&2
    exit 1
}

usage() {
    echo "Use prepare.sh [--host HOST] [--token] [NAME]." >&2
    exit 2
}

with_token=
given=
while [ $# -gt 0 ]; do
    case $1 in
        --token) with_token=yes ;;
        --host)
            [ $# -gt 1 ] || usage
            shift
            HTGATE_HOST=$1
            ;;
        -*) usage ;;
        # What htgate would not take for a user. A client cannot send it, or nobody could see it.
        '') fail "The user name is empty; leave it out for testuser." ;;
        *:*) fail "A user name cannot hold ':'; choose another name." ;;
        '#'*) fail "A line that begins with '#' is a comment; choose another name." ;;
        [[:space:]]* | *[[:space:]]) fail "The user name begins or ends with a blank; leave it out." ;;
        *[[:cntrl:]]*) fail "A user name cannot hold control characters; choose another name." ;;
        *)
            [ -z "$given" ] || usage
            [ ${#1} -le 512 ] || fail "The user name has over 512 bytes; choose a shorter one."
            given=$1
            ;;
    esac
    shift
done

# A word for a shell, or for .env.
quoted() {
    case $1 in
        *[!A-Za-z0-9_./:@-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
        *) printf '%s' "$1" ;;
    esac
}

# .env has what was given before, and what people have written there themselves.
new=
remember() {
    case $2 in *[\'\"\$\\]*) fail "$1 is $2; choose a value without quotes, \$ and \\." ;; esac
    new="$new$1=$(quoted "$2")
"
}
for variable in HTGATE_HOST HTGATE_PORT HTGATE_ADDRESS HTGATE_USERS HTGATE_CERTS HTGATE_TOKEN \
    HTGATE_UID HTGATE_GID HTGATE_IMAGE NGINX_IMAGE REGISTRY_IMAGE COMPOSE_PROJECT_NAME; do
    eval "value=\${$variable:-}"
    known=
    if [ -e .env ]; then
        known=$(sed -n "s/^$variable=//p" .env | tail -n 1 | sed "s/^\\(['\"]\\)\\(.*\\)\\1\$/\\2/")
    fi
    if [ -z "$value" ]; then
        eval "$variable=\$known"
    elif [ -z "$known" ]; then
        remember "$variable" "$value"
    elif [ "$value" != "$known" ]; then
        fail "$variable is $value, and $PWD/.env has $known; change that line, or leave the variable out."
    fi
done
certs=${HTGATE_CERTS:-./certs}
users=${HTGATE_USERS:-./users}
token=${HTGATE_TOKEN:-./token}
port=${HTGATE_PORT:-5043}
address=${HTGATE_ADDRESS:-127.0.0.1}

case $port in
    *:*) fail "HTGATE_PORT is $port; use HTGATE_ADDRESS=${port%:*} and HTGATE_PORT=${port##*:}." ;;
    *[!0-9]*) fail "HTGATE_PORT is $port; use a number, such as 5043." ;;
esac
case $address in
    *[!0-9a-fA-F.:[\]]*)
        fail "HTGATE_ADDRESS is $address; use an address of this machine, or 0.0.0.0 for all."
        ;;
esac
# Nothing would answer at localhost.
case $address in
    127.0.0.1 | 0.0.0.0 | *:*) ;;
    *)
        if [ -z "$HTGATE_HOST" ]; then
            HTGATE_HOST=$address
            remember HTGATE_HOST "$address"
        fi
        ;;
esac
case $HTGATE_HOST in
    *[!A-Za-z0-9.-]* | -*) fail "The host is $HTGATE_HOST; use a name, such as registry.example." ;;
esac
if [ -d "$users/htpasswd" ]; then
    fail "$users/htpasswd is a folder and must be a file; remove it, and run this again."
elif [ -r "$users/htpasswd" ] && ! grep -q '^[^#:][^:]*:.' "$users/htpasswd"; then
    fail "$users/htpasswd has no user in it; remove it, and run this again."
fi
command -v openssl >/dev/null || fail "openssl is not installed; install it, and run this again."
if ! command -v htpasswd >/dev/null && ! command -v docker >/dev/null; then
    fail "htpasswd is not installed; install apache2-utils or httpd-tools, and run this again."
fi

compose='docker compose'
if ! docker compose version >/dev/null 2>&1 && command -v docker-compose >/dev/null; then
    compose=docker-compose
fi

# htgate in its container is you, who can read the users file although nobody else can; or nobody,
# where you are root. In a rootless engine, root is you. Where the engine gives everybody other
# numbers, and in a stack from before .env, whose volumes should stay in use, it is nobody as well.
engine=$(docker info 2>/dev/null || true)
if ! docker volume inspect compose_images >/dev/null 2>&1; then
    [ -n "$COMPOSE_PROJECT_NAME" ] || remember COMPOSE_PROJECT_NAME htgate
    if [ -z "$HTGATE_UID$HTGATE_GID" ] && [ "$(id -u)" != 0 ]; then
        if echo "$engine" | grep -qE '^ +rootless(: true)?$'; then
            HTGATE_UID=0 HTGATE_GID=0
        elif ! echo "$engine" | grep -qE '^ +userns$'; then
            HTGATE_UID=$(id -u) HTGATE_GID=$(id -g)
        fi
        [ -z "$HTGATE_UID" ] || remember HTGATE_UID "$HTGATE_UID"
        [ -z "$HTGATE_GID" ] || remember HTGATE_GID "$HTGATE_GID"
    fi
fi

# Lets htgate read it, and, where that is possible, no other user.
protect() {
    case ${HTGATE_UID:-65532} in
        0 | "$(id -u)") chmod 600 "$1" ;;
        *) if chgrp "${HTGATE_GID:-65532}" "$1" 2>/dev/null; then chmod 640 "$1"; else chmod 644 "$1"; fi ;;
    esac
}

# As "name:hash", from a password on standard input, for which -i asks.
hash_password() {
    if command -v htpasswd >/dev/null; then
        htpasswd -niB -C 10 "$name"
    else
        docker run --rm -i --entrypoint htpasswd httpd:2 -niB -C 10 "$name"
    fi
}

read_password() {
    if [ -t 0 ]; then
        printf 'Password for %s (empty: one is generated): ' "$name" >&2
        trap 'stty echo' EXIT
        trap 'exit 1' INT TERM
        stty -echo
    fi
    is_given=yes
    IFS= read -r password || [ -n "$password" ] || is_given=
    if [ -t 0 ]; then
        stty echo
        trap - EXIT INT TERM
        echo >&2
        is_given=$password
    fi
    if [ -n "$is_given" ] && [ -z "$password" ]; then
        fail "The password is empty; nothing was written to $users/htpasswd."
    fi
}

# shellcheck disable=SC2086 # nothing, or one name
sh certificate.sh "$certs" $HTGATE_HOST

name=${given:-testuser}
if [ -e "$users/htpasswd" ]; then
    echo "$users/htpasswd is there already, and stays as it is${given:+; add $given as shown below}."
    login=NAME
else
    login=$(quoted "$name")
    password=
    [ -z "$given" ] || read_password
    told=
    if [ -z "$password" ]; then
        password=$(openssl rand -hex 13)
        told=" and the password $password, which is kept nowhere else"
    fi
    # First of all: a hash that fails must not leave an empty file behind.
    line=$(printf '%s\n' "$password" | hash_password)
    if [ ! -d "$users" ]; then
        mkdir -p "$users"
        chmod 755 "$users"
    fi
    (umask 077 && printf '%s\n' "$line" >"$users/htpasswd")
    protect "$users/htpasswd"
    echo "Made $users/htpasswd with the user $name$told."
fi

if [ -n "$new" ]; then
    # After a last line without an end.
    [ ! -s .env ] || [ -z "$(tail -c 1 .env)" ] || echo >>.env
    printf '%s' "$new" >>.env
fi

# htgate refuses a key that anybody else can read, and in its container it may be neither you nor
# root. So it makes the key itself, in there: mode 0600, and its own. The folder is yours.
make_key() {
    made=$(mktemp -d "$token/new.XXXXXX")
    trap 'rm -rf "$made"' EXIT
    # For this long everybody may write to the folder, and nobody else can reach it.
    mkdir -m 777 "$made/key"
    chmod 777 "$made/key"
    $compose run --rm --no-deps -v "$(cd "$made/key" && pwd):/key" htgate \
        token init /key --service registry >/dev/null
    chmod 755 "$made/key"
    mv "$made/key" "$token/key"
    rmdir "$made"
    trap - EXIT
}

if [ -n "$with_token" ]; then
    mkdir -p "$token/registry"
    # htgate in its container may be neither you nor root.
    chmod 755 "$token" "$token/registry"
    if [ -e "$token/key" ]; then
        echo "$token/key is there already, and stays as it is."
    else
        make_key
        echo "Made $token/key with a key that signs tokens, and its certificate."
    fi
    if [ ! -e "$token/registry/token.crt" ]; then
        cp "$token/key/token.crt" "$token/registry/token.crt"
        chmod 644 "$token/registry/token.crt"
    fi
    if [ ! -e "$token/htgate.toml" ]; then
        cat >"$token/htgate.toml" <<'TOML'
[token]
key = "/etc/htgate-token/key/token.key"
certificate = "/etc/htgate-token/key/token.crt"
# The registry's, as token.yml has it.
service = "registry"

# Rules take effect when this file is saved; docs/access.md explains them.
[[access]]
users = ["*"]
repositories = ["**"]
actions = ["pull", "push", "delete", "catalog"]

[[access]]
users = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]
TOML
        chmod 644 "$token/htgate.toml"
        echo "Made $token/htgate.toml: everybody may pull public/**, users may do everything."
    fi
    compose="$compose -f docker-compose.yml -f token.yml"
fi

example=$(quoted "${given:-alice}")
htpasswd=htpasswd
file=$(quoted "$users/htpasswd")
if ! command -v htpasswd >/dev/null; then
    htpasswd="docker run --rm -it -v $(quoted "$(cd "$users" && pwd)"):/users httpd:2 htpasswd"
    file=/users/htpasswd
fi

registry=${HTGATE_HOST:-localhost}
[ "$port" = 443 ] || registry=$registry:$port
open=
case ${HTGATE_HOST:+$address} in 127.* | *::1*)
    open="
It listens on this machine alone. HTGATE_ADDRESS=0.0.0.0 ./prepare.sh opens it to others.
"
    ;;
esac
# Docker trusts localhost without a look, and others whose issuer it knows.
trust=
if [ -n "$HTGATE_HOST" ] && openssl verify -CAfile "$certs/domain.crt" "$certs/domain.crt" \
    >/dev/null 2>&1; then
    trust="
The certificate is self-signed. Each machine whose docker logs in must trust it first, this one
as well; copy domain.crt to the others and do the same there:

  sudo mkdir -p /etc/docker/certs.d/$registry
  sudo cp $(quoted "$certs/domain.crt") /etc/docker/certs.d/$registry/ca.crt
"
fi
anonymous=
if [ -n "$with_token" ]; then
    anonymous="
What is pushed to $registry/public everybody can pull, without a login:

  docker logout $registry && docker pull $registry/public/IMAGE
"
fi

cat <<NEXT

Next, in $PWD:
$trust
  $compose up -d
  docker login -u $login $registry
  docker tag IMAGE $registry/IMAGE && docker push $registry/IMAGE
$open$anonymous
Add a user, and remove one again, while it runs:

  $htpasswd -B -C 10 $file $example
  $htpasswd -D $file $example
NEXT
