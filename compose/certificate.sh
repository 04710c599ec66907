#!/bin/sh
# certificate.sh FOLDER [NAME...]: makes FOLDER/domain.crt and domain.key, self-signed, for
# localhost and the names given, where they are absent.
set -eu
folder=${1:?say which folder the certificate shall be in}
shift
mkdir -p "$folder"
if [ -e "$folder/domain.crt" ] && [ -e "$folder/domain.key" ]; then
    exit 0
fi
names=DNS:localhost,IP:127.0.0.1,IP:::1
for name in "$@"; do
    names="$names,DNS:$name"
done
umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 \
    -subj "/CN=${1:-localhost}" -addext "subjectAltName=$names" \
    -keyout "$folder/domain.key" -out "$folder/domain.crt" 2>/dev/null
chmod 644 "$folder/domain.crt"
echo "Made a self-signed certificate in $folder for $names."
