#!/bin/sh
# nginx in a swarm, whose containers come and go: stack-nginx.sh start|look. It keeps nginx's list of
# htgates, each by its address: of one name for all of them nginx makes one server, and the same
# password would be hashed by each.
set -eu

list() {
    getent ahostsv4 tasks.htgate | cut -d ' ' -f 1 | sort -u |
        sed 's/.*/server &:8080 fail_timeout=1s;/' >/tmp/new
    test -s /tmp/new || return 1
    # nginx looks the registry up when it reads its files.
    getent ahostsv4 tasks.registry | cut -d ' ' -f 1 | sort -u | sed 's/^/# /' >>/tmp/new
    echo 'hash $http_authorization consistent; zone htgate 64k;' >>/tmp/new
}

if [ "$1" = look ]; then
    list || exit 0
    cmp -s /tmp/new /tmp/htgates.conf && exit 0
    mv /tmp/new /tmp/htgates.conf
    # A registry that is away just now has no address: the next look tries again.
    nginx -s reload || rm /tmp/htgates.conf
    exit 0
fi
until list; do sleep 1; done
mv /tmp/new /tmp/htgates.conf
sed 's|server unix:.*|include /tmp/htgates.conf;|' /etc/nginx/htgate.conf >/etc/nginx/conf.d/htgate.conf
exec nginx -g 'daemon off;'
