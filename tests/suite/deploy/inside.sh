#!/bin/bash
# Runs as root in a Debian that tests/suite/deploy/package.rs has booted: installs /htgate.deb, looks whether it
# does what it shall, and removes it. The last line it says is "passed".
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
trap 'echo "FAILED in line $LINENO: $BASH_COMMAND"; journalctl -u htgate.service -u htgate.socket --no-pager -o cat | tail -n 30' ERR

users=/etc/htgate/users/htpasswd
socket=/run/htgate/htgate.sock

# What is on the disk, without what dpkg and adduser keep of every package.
on_disk() {
    find / -xdev \( -path /proc -o -path /sys -o -path /run -o -path /tmp -o -path /var/tmp \
        -o -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path '/etc/*-' \) -prune \
        -o -print | sort
}
# The status that nginx gives to a client, with or without a password, at the start page or at
# another path.
status() {
    exec 3<>/dev/tcp/127.0.0.1/8080
    printf 'GET %s HTTP/1.0\r\n%s\r\n' "${2:-/index.nginx-debian.html}" \
        "${1:+Authorization: Basic $(printf '%s' "$1" | base64)$'\r\n'}" >&3
    head -n 1 <&3 | cut -d ' ' -f 2
    exec 3>&-
}
# "!" would not end the script.
fails() {
    ! "$@"
}
# Waits until a command succeeds.
eventually() {
    for _ in $(seq 100); do
        "$@" && return
        sleep 0.1
    done
    echo "not within 10 s: $*"
    return 1
}
# More often than systemd allows within ten seconds.
start() {
    systemctl reset-failed htgate.service
    systemctl start htgate.service
}
restart() {
    systemctl reset-failed htgate.service
    systemctl restart htgate.service
}
main_process() {
    systemctl show --property MainPID --value htgate.service
}

on_disk >/before

echo "== install"
dpkg -i /htgate.deb
systemctl is-active htgate.socket htgate.service
systemctl is-enabled htgate.socket htgate.service
test "$(stat -c %U "/proc/$(main_process)")" = htgate
# No core dumps: by its limit, and because it is not dumpable, for which its memory is root's.
grep -Eq '^Max core file size +0 +0 ' "/proc/$(main_process)/limits"
test "$(stat -c %U "/proc/$(main_process)/mem")" = root
test "$(stat -c '%U:%G %a' /etc/htgate/users "$users" "$socket" | tr '\n' ' ')" = \
    "root:htgate 2750 root:htgate 640 root:www-data 660 "
htgate health --listen "unix:$socket"
test "$(systemctl show --property StatusText --value htgate.service)" = "users: 0"

echo "== nginx asks it"
cat >/etc/nginx/conf.d/site.conf <<'NGINX'
server {
    listen 8080;
    root /var/www/html;
    include /etc/nginx/htgate-server.conf;
}
NGINX
nginx -t
systemctl restart nginx
test "$(status)" = 401
test "$(status alice:secret)" = 401
# In place, as htpasswd writes.
cat /alice >>"$users"
eventually eval 'test "$(status alice:secret)" = 200'
# Another file in its place, as editors write; its group is the folder's.
grep -v '^nobody:' "$users" >"$users.new"
cat /bob >>"$users.new"
mv "$users.new" "$users"
eventually eval 'test "$(status bob:secret)" = 200'
eventually eval 'test "$(systemctl show --property StatusText --value htgate.service)" = "users: 2"'

echo "== one location alone"
sed -i 's|    include .*|    include /etc/nginx/htgate-locations.conf;\n    location = /index.nginx-debian.html { include /etc/nginx/htgate-gate.conf; }|' \
    /etc/nginx/conf.d/site.conf
nginx -t
systemctl reload nginx
# Not asked for, and without an index.
eventually eval 'test "$(status "" /)" = 403'
test "$(status)" = 401
test "$(status bob:secret)" = 200
sed -i -e '/htgate-gate/d' -e 's|htgate-locations|htgate-server|' /etc/nginx/conf.d/site.conf
nginx -t
systemctl reload nginx
eventually eval 'test "$(status "" /)" = 401'

echo "== reload, restart and start by a question"
systemctl reload htgate.service
eventually systemctl is-active htgate.service
restart
test "$(status alice:secret)" = 200
systemctl stop htgate.service
test "$(status bob:secret)" = 200
test "$(status bob:wrong)" = 401

echo "== TCP, though the service has no network"
mkdir /etc/systemd/system/htgate.socket.d
printf '[Socket]\nListenStream=127.0.0.1:8081\n' >/etc/systemd/system/htgate.socket.d/try.conf
systemctl daemon-reload
systemctl stop htgate.service htgate.socket
start
htgate health --listen 127.0.0.1:8081
test "$(status alice:secret)" = 200
rm -r /etc/systemd/system/htgate.socket.d
systemctl daemon-reload
systemctl stop htgate.service htgate.socket
start

echo "== a users file of another group"
install -m 0640 -g www-data "$users" /etc/nginx/htpasswd
mkdir /etc/systemd/system/htgate.service.d
printf '[Service]\nSupplementaryGroups=www-data\nEnvironment=HTGATE_HTPASSWD=/etc/nginx/htpasswd\n' \
    >/etc/systemd/system/htgate.service.d/try.conf
systemctl daemon-reload
restart
test "$(systemctl show --property StatusText --value htgate.service)" = "users: 2"
rm -r /etc/systemd/system/htgate.service.d /etc/nginx/htpasswd

echo "== a thread may lower its own priority in there, and run nothing else"
mkdir /etc/systemd/system/htgate.service.d
cat >/etc/systemd/system/htgate.service.d/try.conf <<'UNIT'
[Service]
ExecStartPre=/usr/bin/nice -n 19 /usr/bin/true
ExecStartPre=/usr/bin/chrt --idle 0 /usr/bin/true
ExecPaths=/usr/bin /usr/lib /lib /lib64
UNIT
systemctl daemon-reload
restart
sed -i /^ExecPaths/d /etc/systemd/system/htgate.service.d/try.conf
systemctl daemon-reload
fails restart
rm -r /etc/systemd/system/htgate.service.d
systemctl daemon-reload
restart

fails eval 'journalctl -u htgate.service -o cat | grep "keeps its priority"'

echo "== tokens, with a key that nobody else may read"
sed -i 's|^}|    include /etc/nginx/htgate-token.conf;\n}|' /etc/nginx/conf.d/site.conf
systemctl reload nginx
htgate token init /etc/htgate/token --service registry.example.com
token='/auth/token?service=registry.example.com'
sed -i 's/^#\(\[token\]\|key =\|certificate =\|service =\)/\1/' /etc/htgate/htgate.toml
fails restart
journalctl -u htgate.service -o cat | grep 'token.key: permission denied'
chown htgate: /etc/htgate/token/token.key
restart
eventually eval 'test "$(status "" "$token")" = 200'
test "$(status alice:secret "$token")" = 200
test "$(status alice:wrong "$token")" = 401
test "$(status alice:secret)" = 200
# Another one takes its place.
htgate token init /etc/htgate/token/new --service registry.example.com
chown htgate: /etc/htgate/token/new/token.key
mv /etc/htgate/token/new/token.* /etc/htgate/token/
eventually eval 'test "$(journalctl -u htgate.service -o cat | grep -c "signing tokens")" = 2'
test "$(status alice:secret "$token")" = 200

echo "== the same package again: an upgrade"
before=$(main_process)
chmod 2755 /etc/htgate/users
dpkg -i /htgate.deb
test "$(main_process)" != "$before"
test "$(stat -c %a /etc/htgate/users)" = 2755
test "$(status alice:secret)" = 200

echo "== remove"
dpkg -r htgate 2>&1 | tee /removed
grep -q '^htgate: .* answer 503 .*: /etc/nginx/conf.d/site.conf *$' /removed
fails systemctl is-active htgate.socket htgate.service
test ! -e /usr/bin/htgate
test ! -e /run/htgate
test -s "$users"
# Without the gate nobody gets in.
test "$(status alice:secret)" = 503

echo "== purge"
dpkg -P htgate 2>&1 | tee /removed
grep -q '^htgate: nginx will not start .*: /etc/nginx/conf.d/site.conf *$' /removed
fails nginx -t
fails getent passwd htgate
fails getent group htgate
rm /etc/nginx/conf.d/site.conf
nginx -t
on_disk >/after
diff <(grep -v '^/before$' /before) <(grep -Ev '^/(before|after|removed)$' /after)
# Nothing to warn of.
dpkg -i /htgate.deb
dpkg -P htgate 2>&1 | tee /removed
fails grep -E '503|will not start' /removed

echo "== from the archive"
mkdir /archive
tar -xzf /htgate.tar.gz -C /archive --strip-components=1
cd /archive
# The commands of a section of INSTALL.md, without those that this machine lacks, the one that asks for
# a password, and the check, which finds the site that nginx itself brings on port 80.
section() {
    awk -v title="## $1" '/^## / { here = index($0, title) == 1 } here && /^```/ { code = !code; next }
        here && code' INSTALL.md | sed -e 's/sudo //g' -e '/setsebool\|^curl\|htgate user add\|htgate check/d'
}
for title in 1. 2. 4.; do
    section "$title" >/commands
    sed -i '/^nginx/d' /commands
    bash -euo pipefail /commands
done
cat /alice >>"$users"
printf 'server {\n listen 8080;\n root /var/www/html;\n include /etc/nginx/htgate-server.conf;\n}\n' \
    >/etc/nginx/conf.d/site.conf
section 4. | grep '^nginx' >/commands
bash -euo pipefail /commands
eventually eval 'test "$(status)" = 401'
eventually eval 'test "$(status alice:secret)" = 200'
# The site has that port.
section SELinux | sed 's/8080/8082/g' >/commands
bash -euo pipefail /commands
htgate health --listen 127.0.0.1:8082
eventually eval 'test "$(status alice:secret)" = 200'
rm /etc/nginx/conf.d/site.conf
section Remove >/commands
bash -euo pipefail /commands
test "$(find /etc /usr -name '*htgate*' | tr '\n' ' ')" = "/etc/htgate /etc/htgate/htgate.toml "
fails getent passwd htgate
echo passed
