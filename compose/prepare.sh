#!/bin/sh
# prepare.sh [NAME]: makes what docker-compose.yml mounts, where it is absent: a self-signed
# certificate for localhost, and users/htpasswd with one user. That is NAME, with a password from
# standard input, or testuser with testpassword.
#
# HTGATE_CERTS, HTGATE_USERS, HTGATE_PORT  as in docker-compose.yml
set -eu
cd "$(dirname "$0")"
certs=${HTGATE_CERTS:-./certs}
users=${HTGATE_USERS:-./users}
port=${HTGATE_PORT:-5043}
name=${1:-testuser}
login="-u $name"

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
    if [ $# = 0 ]; then
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

compose='docker compose'
if ! docker compose version >/dev/null 2>&1 && command -v docker-compose >/dev/null; then
    compose=docker-compose
fi
htpasswd=htpasswd
file=$users/htpasswd
if ! command -v htpasswd >/dev/null; then
    htpasswd="docker run --rm -it -v $(cd "$users" && pwd):/users httpd:2 htpasswd"
    file=/users/htpasswd
fi

cat <<NEXT

Next, in $PWD:

  $compose up -d
  docker login $login localhost:$port
  docker tag IMAGE localhost:$port/IMAGE && docker push localhost:$port/IMAGE

Add a user, and remove one again, while it runs:

  $htpasswd -B $file alice
  $htpasswd -D $file alice
NEXT
