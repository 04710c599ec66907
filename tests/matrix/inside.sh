#!/usr/bin/env bash
# Runs as root in a Debian that matrix.sh has made: inside.sh SUITE_BINARY SUITE
set -uo pipefail
here=$(dirname "$0")
suite=$2
failed=0
# shellcheck source=tests/matrix/clients.sh
. "$here/clients.sh"

echo "== $suite: the package"
dpkg -i /htgate.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }
nginx -v 2>&1
set_up basic || exit 1
sed 's/^/    /' /tmp/nginx-t

echo "== $suite: the tests of nginx's answers"
RUST_TEST_THREADS=3 "$1" nginx:: rules::requests auth::answers deploy::fabric deploy::ingress --skip auth_basic >/tmp/suite.log 2>&1
if tail -n 4 /tmp/suite.log | grep '^test result: ok'; then :; else
    grep -A 12 'panicked' /tmp/suite.log | head -n 60
    failed=1
fi

echo "== $suite: clients"
make_image
start_engines
head_row
for mode in basic tokens; do
    set_up "$mode" || exit 1
    for client in $CLIENTS; do
        if is_there "$client"; then row "$client" "$mode"; fi
    done
done
# Or none of the clients has asked to mount what it may not pull.
if ! grep -q 'POST /v2/mine/.*from=team.* 202 ' /var/log/nginx/access.log; then
    echo "WRONG: no mount was asked for and dropped" >>/tmp/wrong
fi
stop_engines
cat /tmp/wrong 2>/dev/null
if [ ! -s /tmp/wrong ] && [ "$failed" = 0 ]; then
    echo "all rows are as expected"
fi
