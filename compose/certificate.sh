#!/bin/sh
# certificate.sh FOLDER [NAME...]: makes FOLDER/domain.crt and domain.key, self-signed, for
# localhost and the names and addresses given, where they are absent.
set -eu
folder=${1:?use certificate.sh FOLDER [NAME...]}
shift
crt=$folder/domain.crt
key=$folder/domain.key

is_address() {
    case $1 in *[!0-9.]*) return 1 ;; esac
}

is_for() {
    check=-checkhost
    if is_address "$1"; then check=-checkip; fi
    openssl x509 -in "$crt" -noout "$check" "$1" 2>/dev/null | grep -q 'does match'
}

if [ -e "$crt" ] && [ -e "$key" ]; then
    for name in "$@"; do
        is_for "$name" || {
            echo "$crt is not for $name: move it and domain.key away for a self-signed one that" \
                "is, or put your own in their place" >&2
            exit 1
        }
    done
    exit 0
fi
# Half of somebody's own.
for file in "$crt" "$key"; do
    if [ -e "$file" ]; then
        echo "$file is alone: domain.crt and domain.key belong together; add the other one, or" \
            "move this one away" >&2
        exit 1
    fi
done
mkdir -p "$folder"
names=DNS:localhost,IP:127.0.0.1,IP:::1
for name in "$@"; do
    if is_address "$name"; then names="$names,IP:$name"; else names="$names,DNS:$name"; fi
done
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 \
    -subj "/CN=htgate" -addext "subjectAltName=$names" \
    -keyout "$key" -out "$crt" 2>/dev/null || {
    echo "openssl could make no certificate for $names" >&2
    exit 1
}
chmod 644 "$crt"
echo "Made a self-signed certificate in $folder for $names."
