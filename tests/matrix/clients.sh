# The clients, each with the same few verbs, and what each situation should end in.
# shellcheck shell=bash

host=registry.test
CLIENTS='skopeo podman buildah docker docker-containerd buildx compose ctr oras crane'
SITUATIONS='login wrong-login push pull wrong-password no-right-push no-right-pull no-password anonymous mount delete blocked'

# The gate in front of a registry, with three users and an open corner; by Basic or with tokens.
set_up() { # basic|tokens
    local mode=$1 certs=/etc/nginx/certs examples=/usr/share/doc/htgate/examples/nginx
    grep -q "$host" /etc/hosts || echo "127.0.0.1 localhost registry
192.0.2.10 $host" >>/etc/hosts
    if [ ! -e "$certs/domain.crt" ]; then
        sh "$here/../../compose/certificate.sh" "$certs" "$host" >/dev/null || return 1
        # What docs/registry.md says for clients that use the system's certificates.
        cp "$certs/domain.crt" /usr/local/share/ca-certificates/registry.crt
        update-ca-certificates >/dev/null 2>&1
        for user in alice carol dave; do
            printf '%s' "secret-$user" | htgate user add --password-stdin --cost 4 \
                --htpasswd /etc/htgate/users/htpasswd "$user" 2>/dev/null || return 1
        done
        htgate token init /etc/htgate/token --service registry >/dev/null || return 1
        rm -f /etc/nginx/sites-enabled/default
    fi
    kill $(jobs -p) 2>/dev/null
    wait 2>/dev/null
    local token='' auth=''
    if [ "$mode" = tokens ]; then
        token='[token]
key = "/etc/htgate/token/token.key"
certificate = "/etc/htgate/token/token.crt"
service = "registry"'
        auth="auth: {token: {realm: 'https://$host/auth/token', service: registry, issuer: htgate,
            rootcertbundle: /etc/htgate/token/token.crt}}"
    fi
    cat >/tmp/htgate.toml <<TOML
htpasswd = "/etc/htgate/users/htpasswd"
listen = ["unix:/run/htgate/htgate.sock"]
socket_group = "www-data"
strike_seconds = 3600
$token
[[access]]
users = ["alice"]
repositories = ["team/**", "public/**"]
actions = ["pull", "push", "delete"]

[[access]]
users = ["carol"]
repositories = ["mine/**"]
actions = ["pull", "push"]

[[access]]
users = ["anonymous"]
repositories = ["public/**"]
actions = ["pull"]
TOML
    cat >/tmp/registry.yml <<YML
version: 0.1
log: {accesslog: {disabled: true}, level: error}
storage: {filesystem: {rootdirectory: /tmp/images}, delete: {enabled: true}}
http: {addr: '127.0.0.1:5000', secret: any}
$auth
YML
    rm -f /etc/nginx/conf.d/registry*.conf
    local file=registry.conf
    if [ "$mode" = tokens ]; then file=registry-token.conf; fi
    cp "$examples/$file" /etc/nginx/conf.d/
    mkdir -p /run/htgate /var/log/nginx
    docker-registry serve /tmp/registry.yml >/tmp/registry.log 2>&1 &
    nginx -t >/tmp/nginx-t 2>&1 || { cat /tmp/nginx-t; return 1; }
    nginx -g 'daemon off;' >/dev/null 2>&1 &
    if ! curl -s -o /dev/null --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:5000/; then
        cat /tmp/registry.log
        return 1
    fi
    htgate=
    start_htgate "$mode" 1000
}

# Anew, so that it remembers nobody; where one strike is enough, it has had that one.
start_htgate() { # basic|tokens STRIKES
    # shellcheck disable=SC2086 # none or one
    kill $htgate 2>/dev/null && wait $htgate
    htgate --config /tmp/htgate.toml --strikes "$2" >/tmp/htgate.log 2>&1 &
    htgate=$!
    local path=/v2/ want=401 number
    [ "$1" = basic ] || path='/auth/token?service=registry'
    [ "$2" != 1 ] || want=429
    for number in $(seq 100); do
        [ "$(curl -s -o /dev/null -w '%{http_code}' -u "nobody:$number" "https://$host$path")" = $want ] && return
        sleep 0.1
    done
    echo "no $want at https://$host$path"
    cat /tmp/htgate.log
    return 1
}

# An image of two layers, as an OCI layout in /tmp/image and as an archive of docker's.
make_image() {
    local blobs=/tmp/image/blobs/sha256 layers='' diffs='' number digest
    mkdir -p "$blobs"
    blob() { # FILE: moves it to its place, and says "size digest"
        digest=$(sha256sum "$1" | cut -c 1-64)
        echo "$(stat -c %s "$1") sha256:$digest"
        mv "$1" "$blobs/$digest"
    }
    for number in 1 2; do
        head -c 3000 /dev/urandom >"/tmp/data$number"
        tar -C /tmp -cf /tmp/layer.tar "data$number"
        diffs="$diffs,\"sha256:$(sha256sum /tmp/layer.tar | cut -c 1-64)\""
        gzip -f /tmp/layer.tar
        read -r size digest <<<"$(blob /tmp/layer.tar.gz)"
        layers="$layers,{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":$size,\"digest\":\"$digest\"}"
    done
    echo "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[${diffs#,}]}}" >/tmp/config
    read -r size digest <<<"$(blob /tmp/config)"
    echo "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":$size,\"digest\":\"$digest\"},\"layers\":[${layers#,}]}" >/tmp/manifest
    read -r size digest <<<"$(blob /tmp/manifest)"
    echo '{"imageLayoutVersion":"1.0.0"}' >/tmp/image/oci-layout
    echo "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":$size,\"digest\":\"$digest\",\"annotations\":{\"org.opencontainers.image.ref.name\":\"1\"}}]}" >/tmp/image/index.json
    skopeo --insecure-policy copy -q oci:/tmp/image:1 docker-archive:/tmp/image.tar:image:1
}

start_engines() {
    containerd --root /tmp/c/root --state /tmp/c/state --address /run/c.sock >/tmp/c.log 2>&1 &
    engines=$!
    disown
    start_docker classic vfs '{}'
    start_docker containerd native '{"features": {"containerd-snapshotter": true}}'
}
start_docker() { # NAME STORAGE CONFIGURATION
    echo "$3" >"/tmp/$1.json"
    dockerd --config-file "/tmp/$1.json" --data-root "/tmp/d/$1" --exec-root "/run/d/$1" \
        --pidfile "/run/$1.pid" --host "unix:///run/$1.sock" --storage-driver "$2" \
        --iptables=false --ip6tables=false --bridge=none >"/tmp/$1.log" 2>&1 &
    engines="$engines $!"
    disown
    for _ in $(seq 150); do
        docker -H "unix:///run/$1.sock" info >/dev/null 2>&1 && break
        sleep 0.2
    done
    docker -H "unix:///run/$1.sock" load -q -i /tmp/image.tar >/dev/null 2>&1
}
stop_engines() {
    # shellcheck disable=SC2086 # several
    kill $engines 2>/dev/null
}

is_there() {
    case $1 in
        docker) docker -H unix:///run/classic.sock info >/dev/null 2>&1 ;;
        docker-containerd | buildx | compose)
            docker -H unix:///run/containerd.sock info >/dev/null 2>&1 &&
                if [ "$1" != docker-containerd ]; then docker "$1" version >/dev/null 2>&1; fi
            ;;
        ctr) command -v ctr >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# CLIENT VERB USER REPOSITORY; the password is the user's own, or "wrong". No user: no credentials.
act() {
    local client=$1 verb=$2 user=$3 name=$host/$4:1 password=${5:-secret-$3}
    local creds=() engine=classic
    export DOCKER_CONFIG=/tmp/auth REGISTRY_AUTH_FILE=/tmp/auth/containers.json
    rm -rf /tmp/auth && mkdir -p /tmp/auth && echo {} >"$REGISTRY_AUTH_FILE"
    case $client in
        skopeo | buildah | podman)
            [ "$user" ] && creds=(--creds "$user:$password")
            case $client-$verb in
                *-login) "$client" login -u "$user" -p "$password" "$host" ;;
                skopeo-push) skopeo --insecure-policy copy "${creds[@]/--creds/--dest-creds}" oci:/tmp/image:1 "docker://$name" ;;
                skopeo-pull) skopeo --insecure-policy copy "${creds[@]/--creds/--src-creds}" "docker://$name" dir:/tmp/pulled ;;
                skopeo-delete) skopeo delete "${creds[@]}" "docker://$name" ;;
                *-push) storage "$client" pull -q oci:/tmp/image:1 >/tmp/id && storage "$client" push "${creds[@]}" "$(cat /tmp/id)" "docker://$name" ;;
                buildah-pull) storage buildah pull --policy always "${creds[@]}" "docker://$name" ;;
                podman-pull) storage podman pull "${creds[@]}" "docker://$name" ;;
                *) return 99 ;;
            esac
            ;;
        docker | docker-containerd | buildx | compose)
            [ "$client" != docker ] && engine=containerd
            local docker=(docker -H "unix:///run/$engine.sock")
            if [ "$verb" = login ] || [ "$user" ]; then
                printf '%s' "$password" | "${docker[@]}" login -u "$user" --password-stdin "$host" || return
                [ "$verb" = login ] && return
            fi
            case $client-$verb in
                buildx-push) printf 'FROM scratch\nCOPY data1 /\n' >/tmp/Dockerfile && "${docker[@]}" buildx build --push -t "$name" -f /tmp/Dockerfile /tmp/context ;;
                compose-p*) printf 'services: {x: {image: "%s", build: /tmp/context}}\n' "$name" >/tmp/compose.yml && "${docker[@]}" tag image:1 "$name" && "${docker[@]}" compose -f /tmp/compose.yml "$verb" ;;
                *-push) "${docker[@]}" tag image:1 "$name" && "${docker[@]}" push "$name" ;;
                docker*-pull) "${docker[@]}" pull "$name" ;;
                *) return 99 ;;
            esac
            ;;
        ctr)
            [ "$user" ] && creds=(--user "$user:$password")
            case $verb in
                push) ctr -a /run/c.sock images import --no-unpack /tmp/image.tar >/dev/null 2>&1
                    ctr -a /run/c.sock images tag --force docker.io/library/image:1 "$name" >/dev/null 2>&1
                    ctr -a /run/c.sock images push "${creds[@]}" "$name" ;;
                pull) ctr -a /run/c.sock content fetch "${creds[@]}" "$name" ;;
                *) return 99 ;;
            esac
            ;;
        oras)
            [ "$user" ] && creds=(-u "$user" -p "$password")
            case $verb in
                login) oras login "${creds[@]}" "$host" ;;
                push) (cd /tmp && oras push "${creds[@]}" "$name" data1 data2) ;;
                pull) oras pull "${creds[@]}" -o /tmp/pulled "$name" ;;
                delete) oras manifest delete -f "${creds[@]}" "$name" ;;
                *) return 99 ;;
            esac
            ;;
        crane)
            if [ "$verb" = login ] || [ "$user" ]; then
                crane auth login -u "$user" -p "$password" "$host" || return
            fi
            case $verb in
                login) ;;
                push) crane push /tmp/image.tar "$name" ;;
                pull) crane pull "$name" /tmp/pulled.tar ;;
                delete) crane delete "$(crane digest --full-ref "$name")" ;;
                *) return 99 ;;
            esac
            ;;
    esac
}
storage() { # CLIENT VERB...
    "$1" --storage-driver vfs --root /tmp/s/root --runroot /tmp/s/run "${@:2}"
}

# What happens when somebody who may pull from team/ pushes the same layers to where only carol may.
mount_from_team() { # CLIENT REPOSITORY
    act "$1" pull alice "team/$2" >/dev/null 2>&1
    case $1 in
        docker | docker-containerd | compose)
            local engine=classic
            [ "$1" != docker ] && engine=containerd
            docker -H "unix:///run/$engine.sock" tag "$host/team/$2:1" image:1 2>/dev/null
            ;;
        ctr) ctr -a /run/c.sock images tag --force "$host/team/$2:1" docker.io/library/image:1 >/dev/null 2>&1 ;;
    esac
    act "$1" push carol "mine/$2"
}

# Each client and mode has repositories of its own.
situation() { # CLIENT SITUATION REPOSITORY
    case $2 in
        login) act "$1" login alice "team/$3" ;;
        wrong-login) act "$1" login alice "team/$3" wrong ;;
        push) act "$1" push alice "team/$3" && act "$1" push alice "public/$3" ;;
        pull) act "$1" pull alice "team/$3" ;;
        wrong-password) act "$1" pull alice "team/$3" wrong ;;
        no-right-push) act "$1" push dave "team/$3" ;;
        no-right-pull) act "$1" pull carol "team/$3" ;;
        no-password) act "$1" pull '' "team/$3" ;;
        anonymous) act "$1" pull '' "public/$3" ;;
        mount) mount_from_team "$1" "$3" ;;
        delete) act "$1" delete alice "team/$3" ;;
        # The right password, which is not tried any more.
        blocked) act "$1" pull alice "team/$3" ;;
    esac
}

# What each should end in: ok, or words of the refusal. A client's own ways come first.
expected() { # CLIENT SITUATION MODE
    local unknown='[Uu]nauthorized|UNAUTHORIZED|authentication required|401|incorrect username or password|no basic auth'
    unknown="$unknown|invalid username/password|authorization failed|basic credential not found"
    local refused='denied|DENIED|403|Forbidden|insufficient_scope|authorization failed'
    case $2-$3-$1 in
        # Before version 2 it gives up where a token grants no pull of the source.
        mount-tokens-ctr)
            if ctr --version | grep -q ' 1\.'; then echo "$refused|waiting|unexpected status"; else echo ok; fi
            ;;
        # It only keeps the password.
        wrong-login-*-crane) echo ok ;;
        anonymous-basic-docker) echo "$unknown" ;;
        anonymous-*-*) echo ok ;;
        # They wait for as long as Retry-After says, and print nothing.
        blocked-basic-skopeo | blocked-basic-podman | blocked-basic-buildah) echo 'stopped while it waited' ;;
        blocked-*) echo '429|toomanyrequests|TOOMANYREQUESTS|too many' ;;
        wrong-*) echo "$unknown" ;;
        # With tokens nobody is asked: whoever is nobody gets a token that grants nothing.
        no-password-tokens-* | no-right-*-tokens-*) echo "$refused|$unknown" ;;
        no-password-*) echo "$unknown" ;;
        no-right-*) echo "$refused" ;;
        *) echo ok ;;
    esac
}

head_row() {
    local situation
    printf '| client | with |'
    for situation in $SITUATIONS; do printf ' %s |' "$situation"; done
    printf '\n|---|---|'
    for situation in $SITUATIONS; do printf -- '---|'; done
    echo
}

row() { # CLIENT MODE
    local situation code want said limit
    printf '| %s | %s |' "$1" "$2"
    mkdir -p /tmp/context && cp /tmp/data1 /tmp/context/
    for situation in $SITUATIONS; do
        rm -rf /tmp/pulled*
        limit=60
        if [ "$situation" = blocked ]; then
            limit=40
            start_htgate "$2" 1 >>/tmp/wrong
        fi
        timeout $limit bash -c '. "$0/clients.sh"; here=$0; situation "$1" "$2" "$3"' "$here" "$1" "$situation" "$1-$2" >/tmp/said 2>&1 </dev/null
        code=$?
        [ $code != 124 ] || echo 'stopped while it waited' >>/tmp/said
        said=$(tr -d '\r' </tmp/said | sed -E 's/\x1b\[[0-9;]*[A-Za-z]//g; s/sha256:[0-9a-f]*/sha256:…/g; s/^time="[^"]*" level=fatal msg=//; s/^(Error|ERROR|ctr|Error response from (daemon|registry)): //; s/registry.test/HOST/g' | grep -v '^$' | tail -n 1 | tr '|' '/' | cut -c 1-120)
        want=$(expected "$1" "$situation" "$2")
        if [ "$code" = 99 ]; then
            printf ' – |'
        elif [ "$code" = 0 ]; then
            printf ' ok |'
            [ "$want" = ok ] || echo "WRONG: $1 $2 $situation: ok, and not $want" >>/tmp/wrong
        else
            printf ' %s |' "$said"
            if [ "$want" = ok ] || ! grep -qE "$want" /tmp/said; then
                { echo "WRONG: $1 $2 $situation: not $want, but $code:"; tail -n 5 /tmp/said; } >>/tmp/wrong
            fi
        fi
    done
    start_htgate "$2" 1000 >>/tmp/wrong
    echo
}
