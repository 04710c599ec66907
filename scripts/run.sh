#!/usr/bin/env bash
# The whole thing on this machine, without containers: nginx with TLS, a registry, htgate and a
# first user. Ctrl-C stops all of it.
#
# HTGATE_PORT        where nginx listens (5043)
# HTGATE_ADDRESS     at which address (127.0.0.1, for this machine alone; 0.0.0.0 is for everybody)
# HTGATE_HOST        a name by which clients know this machine, for the certificate (localhost)
# HTGATE_RUN_FOLDER  where users, certificate and images are kept (run/ in this checkout)
# HTGATE_BINARY      an htgate that is built already
set -euo pipefail
cd "$(dirname "$0")/.."

port=${HTGATE_PORT:-5043}
address=${HTGATE_ADDRESS:-127.0.0.1}
# Nothing answers at localhost where it listens at another address alone.
case $address in
    127.0.0.1 | 0.0.0.0 | *:*) reached=localhost ;;
    *) reached=$address ;;
esac
host=${HTGATE_HOST:-$reached}
# They are ours and not htgate's.
export -n HTGATE_PORT HTGATE_ADDRESS HTGATE_HOST HTGATE_RUN_FOLDER HTGATE_BINARY
folder=${HTGATE_RUN_FOLDER:-$PWD/run}

# Whatever is missing is said before anything is installed or built.
if ! [[ $port =~ ^[0-9]+$ ]]; then
    echo "HTGATE_PORT is '$port'; use a number, such as 5043" >&2
    exit 1
fi
if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Something listens at port $port already; use another one: HTGATE_PORT=$((port + 1)) make run" >&2
    exit 1
fi
packages='nginx docker-registry apache2-utils openssl curl'
if [ -z "${HTGATE_BINARY:-}" ]; then
    sh scripts/rust.sh
    # rustc links with it.
    command -v cc >/dev/null || packages="$packages gcc libc6-dev"
fi
# shellcheck disable=SC2086 # the list is split on purpose
sh scripts/install.sh $packages
if [ -z "${HTGATE_BINARY:-}" ]; then
    cargo build --release --locked
    HTGATE_BINARY=$PWD/target/release/htgate
fi
PATH=$PATH:/usr/sbin

mkdir -p "$folder/users" "$folder/images" "$folder/logs"
sh compose/certificate.sh "$folder/certificate" "$host"
if [ ! -s "$folder/users/htpasswd" ]; then
    htpasswd -Bbc -C 10 "$folder/users/htpasswd" testuser testpassword 2>/dev/null
fi

# Sockets live outside the folder: nginx's workers, who are somebody else if root starts this,
# may not be able to enter it.
sockets=$(mktemp -d /tmp/htgate-run.XXXXXX)
chmod 755 "$sockets"
processes=()
all_alive() {
    for process in "${processes[@]}"; do
        kill -0 "$process" 2>/dev/null || return 1
    done
}
stop() {
    trap - EXIT INT TERM
    for process in "${processes[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
    rm -rf "$sockets"
    echo
    echo "All stopped. Users, certificate, images and logs stay in $folder"
}
trap stop EXIT
trap 'exit 0' INT TERM

cat >"$sockets/registry.yml" <<YML
version: 0.1
log: {accesslog: {disabled: true}}
storage:
    filesystem: {rootdirectory: $folder/images}
    delete: {enabled: true}
http: {net: unix, addr: $sockets/registry.sock, secret: $(openssl rand -hex 32)}
YML

# The shipped files, with this machine's paths.
for file in htgate htgate-server registry; do
    sed -e "s|/run/htgate/htgate.sock|$sockets/htgate.sock|" \
        -e "s|server registry:5000;|server unix:$sockets/registry.sock;|" \
        -e "s|listen 443 ssl;|listen $address:$port ssl;|" \
        -e "s|/etc/nginx/certs|$folder/certificate|" \
        -e "s|/etc/nginx/htgate-server.conf|$sockets/htgate-server.conf|" \
        -e "s|/var/log/nginx/access.log|$folder/logs/access.log|" \
        "nginx/$file.conf" >"$sockets/$file.conf"
done
user=
socket_options=()
if [ "$(id -u)" = 0 ]; then
    user='user www-data;'
    socket_options=(--socket-group www-data)
fi
cat >"$sockets/nginx.conf" <<NGINX
$user
worker_processes auto;
daemon off;
pid $sockets/nginx.pid;
error_log $folder/logs/error.log;
events { worker_connections 1024; }
http {
    client_body_temp_path $sockets/body;
    proxy_temp_path $sockets/proxy;
    fastcgi_temp_path $sockets/fastcgi;
    uwsgi_temp_path $sockets/uwsgi;
    scgi_temp_path $sockets/scgi;
    include $sockets/htgate.conf;
    include $sockets/registry.conf;
}
NGINX

"$HTGATE_BINARY" --htpasswd "$folder/users/htpasswd" --listen "unix:$sockets/htgate.sock" \
    "${socket_options[@]}" &
processes+=($!)
docker-registry serve "$sockets/registry.yml" >>"$folder/logs/registry.log" 2>&1 &
processes+=($!)
for socket in htgate registry; do
    for _ in $(seq 100); do
        [ -S "$sockets/$socket.sock" ] && break
        sleep 0.1
    done
done
if [ "$(id -u)" = 0 ]; then
    chgrp www-data "$sockets/registry.sock"
    chmod 660 "$sockets/registry.sock"
fi
nginx -e "$folder/logs/error.log" -c "$sockets/nginx.conf" &
processes+=($!)

url=https://$reached:$port/v2/
for _ in $(seq 100); do
    all_alive || break
    answer=$(curl -sk -o /dev/null -w '%{http_code}' "$url") && [ "$answer" = 401 ] && break
    sleep 0.1
done
if [ "${answer:-}" != 401 ] || ! all_alive; then
    echo "It did not come up. The last lines of $folder/logs/error.log:" >&2
    tail -n 5 "$folder/logs/error.log" >&2
    exit 1
fi

cat <<NEXT

A registry for htgate's users is up at $host:$port. In another terminal:

  docker login -u testuser -p testpassword $host:$port
  docker tag IMAGE $host:$port/IMAGE && docker push $host:$port/IMAGE

  skopeo login --tls-verify=false -u testuser -p testpassword $host:$port
  curl --cacert $folder/certificate/domain.crt -u testuser:testpassword https://$host:$port/v2/

Add a user, and remove one again, while it runs:

  htpasswd -B -C 10 $folder/users/htpasswd alice
  htpasswd -D $folder/users/htpasswd alice

Ctrl-C stops everything.
NEXT
wait -n "${processes[@]}" || true
# At Ctrl-C the others hear it too, and may end first.
sleep 0.5
echo "One of the processes ended; see above and $folder/logs/error.log" >&2
exit 1
