#!/bin/sh
# prepare.sh [--token] [NAME]: makes what docker-compose.yml mounts, where it is absent: a
# self-signed certificate for localhost, and users/htpasswd with one user. That is NAME, with a
# password from standard input, or testuser with testpassword. With --token also what token.yml
# mounts: a key that signs tokens, its certificate, and settings with a rule for anonymous pull.
#
# HTGATE_CERTS, HTGATE_USERS, HTGATE_TOKEN, HTGATE_PORT  as in docker-compose.yml and token.yml
set -eu
cd "$(dirname "$0")"
certs=${HTGATE_CERTS:-./certs}
users=${HTGATE_USERS:-./users}
token=${HTGATE_TOKEN:-./token}
port=${HTGATE_PORT:-5043}
with_token=
given=
for argument; do
    case $argument in
        --token) with_token=yes ;;
        -*)
            echo "Use prepare.sh [--token] [NAME]." >&2
            exit 2
            ;;
        *) given=$argument ;;
    esac
done
name=${given:-testuser}
login="-u $name"

compose='docker compose'
if ! docker compose version >/dev/null 2>&1 && command -v docker-compose >/dev/null; then
    compose=docker-compose
fi

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
        printf 'Password for %s: ' "$name" >&2
        trap 'stty echo' EXIT
        trap 'exit 1' INT TERM
        stty -echo
    fi
    IFS= read -r password || [ -n "$password" ]
    if [ -t 0 ]; then
        stty echo
        trap - EXIT INT TERM
        echo >&2
    fi
}

sh certificate.sh "$certs"

if [ -e "$users/htpasswd" ]; then
    echo "$users/htpasswd is there already, and stays as it is."
    login='-u NAME'
else
    if [ -z "$given" ]; then
        password=testpassword
        login="-u $name -p $password"
    else
        read_password
    fi
    if [ -z "$password" ]; then
        echo "The password is empty; nothing was written to $users/htpasswd." >&2
        exit 1
    fi
    # First of all: a hash that fails must not leave an empty file behind.
    line=$(printf '%s\n' "$password" | hash_password)
    mkdir -p "$users"
    printf '%s\n' "$line" >"$users/htpasswd"
    # htgate in its container is neither you nor root.
    chmod 755 "$users"
    chmod 644 "$users/htpasswd"
    echo "Made $users/htpasswd with the user $name."
fi

# htgate refuses a key that anybody else can read, and in its container it is neither you nor root.
# So it makes the key itself, in there: mode 0600, and its own. The folder is yours.
make_key() {
    new=$(mktemp -d "$token/new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    # For this long everybody may write to the folder, and nobody else can reach it.
    mkdir -m 777 "$new/key"
    chmod 777 "$new/key"
    $compose run --rm --no-deps -v "$(cd "$new/key" && pwd):/key" htgate \
        token init /key --service registry >/dev/null
    chmod 755 "$new/key"
    mv "$new/key" "$token/key"
    rmdir "$new"
    trap - EXIT
}

if [ -n "$with_token" ]; then
    mkdir -p "$token/registry"
    # htgate in its container is neither you nor root.
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
key = "/etc/htgate/token/key/token.key"
certificate = "/etc/htgate/token/key/token.crt"
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

htpasswd=htpasswd
file=$users/htpasswd
if ! command -v htpasswd >/dev/null; then
    htpasswd="docker run --rm -it -v $(cd "$users" && pwd):/users httpd:2 htpasswd"
    file=/users/htpasswd
fi

anonymous=
if [ -n "$with_token" ]; then
    anonymous="
What is pushed to localhost:$port/public everybody can pull, without a login:

  docker logout localhost:$port && docker pull localhost:$port/public/IMAGE
"
fi

cat <<NEXT

Next, in $PWD:

  $compose up -d
  docker login $login localhost:$port
  docker tag IMAGE localhost:$port/IMAGE && docker push localhost:$port/IMAGE
$anonymous
Add a user, and remove one again, while it runs:

  $htpasswd -B -C 10 $file alice
  $htpasswd -D $file alice
NEXT
