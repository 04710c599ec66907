#!/usr/bin/env bash
# build.sh [NGINX-TAG [REGISTRY-TAG]]: makes stand-ins for the images nginx and registry out of
# this system's packages, for machines that cannot pull. The one of nginx has the programs of its health check, too.
set -euo pipefail
cd "$(dirname "$0")/../../.."
nginx_tag=${1:-htgate-test-nginx}
registry_tag=${2:-htgate-test-registry}

sh scripts/install.sh nginx docker-registry
PATH=$PATH:/usr/sbin
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# mktemp keeps the folder to ourselves, and the root folder of an image must be everybody's.
umask 022

# A program, to the same place in the image, with the libraries that it needs.
add_program() {
    local root=$1 program=$2 libraries
    libraries=$({ ldd "$program" || true; } | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }')
    # shellcheck disable=SC2086 # the list is split on purpose
    cp -L --parents "$program" $libraries "$root"
}

image() {
    docker build -q -t "$1" -f "$2/Dockerfile" "$2/root" >/dev/null
    echo "$1: $(docker image inspect -f '{{.Size}}' "$1") bytes"
}

# What the official image's users rely on: its user, its nginx.conf, its logs.
root=$folder/nginx/root
mkdir -p "$root"/{etc/nginx/conf.d,run,tmp,var/lib/nginx,var/log/nginx}
for program in nginx dash getent cmp cut mv rm sed sleep sort; do add_program "$root" "$(command -v $program)"; done
mkdir -p "$root/bin"
ln -s "$(command -v dash)" "$root/bin/sh"
cp /etc/nginx/mime.types "$root/etc/nginx/"
ln -s /dev/stdout "$root/var/log/nginx/access.log"
ln -s /dev/stderr "$root/var/log/nginx/error.log"
printf '%s\n' root:x:0:0::/:/ nginx:x:101:101::/:/ >"$root/etc/passwd"
printf '%s\n' root:x:0: nginx:x:101: >"$root/etc/group"
cat >"$root/etc/nginx/nginx.conf" <<'NGINX'
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log /var/log/nginx/access.log;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
NGINX
cat >"$folder/nginx/Dockerfile" <<DOCKERFILE
FROM scratch
COPY . /
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["$(command -v nginx)", "-g", "daemon off;"]
DOCKERFILE
image "$nginx_tag" "$folder/nginx"

root=$folder/registry/root
mkdir -p "$root"/{etc/docker/registry,tmp,var/lib/registry}
add_program "$root" "$(command -v docker-registry)"
cat >"$root/etc/docker/registry/config.yml" <<'YML'
version: 0.1
log: {fields: {service: registry}}
storage:
    cache: {blobdescriptor: inmemory}
    filesystem: {rootdirectory: /var/lib/registry}
http:
    addr: :5000
    headers: {X-Content-Type-Options: [nosniff]}
health:
    storagedriver: {enabled: true, interval: 10s, threshold: 3}
YML
cat >"$folder/registry/Dockerfile" <<DOCKERFILE
FROM scratch
COPY . /
VOLUME ["/var/lib/registry"]
EXPOSE 5000
ENTRYPOINT ["$(command -v docker-registry)", "serve"]
CMD ["/etc/docker/registry/config.yml"]
DOCKERFILE
image "$registry_tag" "$folder/registry"
