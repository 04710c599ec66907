//! The front ingress-nginx: a real nginx with what its controller makes of the shipped Ingress, and
//! the real registry behind it.

use std::collections::BTreeMap;
use std::fs;

use crate::support::{
    Gate, Nginx, Registry, Response, Skopeo, authorization, free_port, image, line, repository,
    said, send,
};

pub(super) const RULES: &str = "
[[access]]
users = ['eve']
repositories = ['eve/**']
actions = ['push']

[[access]]
users = ['admin']
repositories = ['**']
actions = ['push']
";

/// An htgate for eve, who has `eve/**`, and for admin, who has everything.
pub(super) fn gate(front: &[&str]) -> Gate {
    let folder = crate::support::folder();
    let users = line("eve", "secret", 4) + &line("admin", "secret", 4);
    fs::write(folder.path().join("htpasswd"), users).unwrap();
    let config = folder.path().join("htgate.toml");
    fs::write(&config, RULES).unwrap();
    let config = config.display().to_string();
    Gate::start_in(folder, &[&["--config", &config], front].concat())
}

/// The annotations of the shipped Ingress, without their prefix.
fn annotations() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository("kubernetes/ingress-nginx.yaml")).unwrap();
    let annotation = |line: &str| {
        let rest = line.trim().strip_prefix("nginx.ingress.kubernetes.io/")?;
        let (name, value) = rest.split_once(": ")?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    };
    text.lines().filter_map(annotation).collect()
}

/// The http context that the controller (1.15, `rootfs/etc/nginx/template/nginx.tmpl`) makes of
/// these annotations, with what bears on the gate; its load balancer is left out. An annotation
/// that is not known here fails the test: what it changes must be looked up first.
fn rendered(mut annotations: BTreeMap<String, String>, gate: &Gate, registry: &Registry) -> String {
    let url = annotations.remove("auth-url").unwrap();
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let target = format!("http://{}/{path}", gate.tcp);
    let asked = match annotations.remove("auth-method") {
        None => String::new(),
        Some(method) => format!(
            "proxy_method {method};
             proxy_set_header X-Original-URI $request_uri;
             proxy_set_header X-Scheme $scheme;"
        ),
    };
    let mut answered = String::new();
    let told = annotations
        .remove("auth-response-headers")
        .unwrap_or_default();
    for (number, header) in told.split(',').filter(|it| !it.is_empty()).enumerate() {
        let variable = header.to_lowercase().replace('-', "_");
        answered += &format!(
            "auth_request_set $authHeader{number} $upstream_http_{variable};
             proxy_set_header '{header}' $authHeader{number};\n"
        );
    }
    let mut take = |name: &str| annotations.remove(name).unwrap();
    let size = take("proxy-body-size");
    let buffering = take("proxy-request-buffering");
    let timeouts = format!(
        "proxy_read_timeout {}s; proxy_send_timeout {}s;",
        take("proxy-read-timeout"),
        take("proxy-send-timeout")
    );
    assert!(annotations.is_empty(), "not looked at: {annotations:?}");
    let registry = registry.socket();
    let registry = registry.display();
    // The location's name is its path in Base64 with the type of the path.
    format!(
        "map $http_x_request_id $req_id {{ default $http_x_request_id; '' $request_id; }}
         server {{
            listen {{listen}};
            listen 127.0.0.1:{{port}};
            server_name 'registry.example.com';
            location = /_external-auth-Lw-Prefix {{
                internal;
                access_log off;
                proxy_intercept_errors off;
                proxy_pass_request_body off;
                proxy_set_header Content-Length '';
                proxy_set_header X-Forwarded-Proto '';
                proxy_set_header X-Request-ID $req_id;
                {asked}
                proxy_set_header Host {host};
                proxy_set_header X-Original-URL $scheme://$http_host$request_uri;
                proxy_set_header X-Original-Method $request_method;
                proxy_set_header X-Sent-From 'nginx-ingress-controller';
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $remote_addr;
                proxy_set_header X-Auth-Request-Redirect $request_uri;
                proxy_buffering off;
                proxy_buffer_size 4k;
                proxy_buffers 4 4k;
                proxy_request_buffering {buffering};
                proxy_ssl_server_name on;
                proxy_pass_request_headers on;
                client_max_body_size {size};
                proxy_http_version 1.1;
                set $target '{target}';
                proxy_pass $target;
            }}
            location / {{
                auth_request /_external-auth-Lw-Prefix;
                auth_request_set $auth_cookie $upstream_http_set_cookie;
                add_header Set-Cookie $auth_cookie;
                {answered}
                client_max_body_size {size};
                proxy_set_header Host $http_host;
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $remote_addr;
                proxy_set_header X-Forwarded-Proto $scheme;
                proxy_set_header X-Scheme $scheme;
                proxy_request_buffering {buffering};
                {timeouts}
                proxy_http_version 1.1;
                proxy_pass http://unix:{registry};
            }}
         }}"
    )
}

/// nginx in front of both, and its port.
fn nginx(gate: &Gate, registry: &Registry) -> (Nginx, u16) {
    let port = free_port();
    let http = rendered(annotations(), gate, registry);
    (
        Nginx::start(&http.replace("{port}", &port.to_string())),
        port,
    )
}

/// Whether a repository has a blob.
pub(super) fn has(registry: &Registry, repository: &str, digest: &str) -> bool {
    let uri = format!("/v2/{repository}/blobs/{digest}");
    send(&registry.target(), "HEAD", &uri, &[], "").status == 200
}

#[test]
fn skopeo_pushes_and_pulls_through_it() {
    let (gate, registry) = (gate(&["--front", "ingress-nginx"]), Registry::start());
    let (nginx, port) = nginx(&gate, &registry);
    let skopeo = Skopeo::new(format!("127.0.0.1:{port}"));
    let work = tempfile::tempdir().unwrap();
    let source = format!("dir:{}", image(work.path(), 3).display());
    let pushed = skopeo.copy(&source, "eve@eve/app:1");
    assert!(pushed.status.success(), "{}", said(&pushed));
    let pulled = format!("dir:{}", work.path().join("pulled").display());
    let pulled = skopeo.copy("eve@eve/app:1", &pulled);
    assert!(pulled.status.success(), "{}", said(&pulled));
    let refused = skopeo.copy(&source, "eve@secret/app:1");
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(
        nginx
            .access_log()
            .contains("POST /v2/eve/app/blobs/uploads/ HTTP/1.1\" 202")
    );
}

/// A body that asks for a blob of `secret/app`, as a form and as one of many parts.
pub(super) fn bodies(digest: &str) -> [String; 2] {
    let boundary = "--b\r\nContent-Disposition: form-data; name=\"";
    [
        format!("mount={digest}&from=secret/app"),
        format!(
            "{boundary}mount\"\r\n\r\n{digest}\r\n{boundary}from\"\r\n\r\nsecret/app\r\n--b--\r\n"
        ),
    ]
}

pub(super) const UPLOADS: &str = "/v2/eve/app/blobs/uploads/";

#[test]
fn a_form_in_the_body_of_an_upload_is_refused() {
    let (gate, registry) = (gate(&["--front", "ingress-nginx"]), Registry::start());
    let (nginx, _) = nginx(&gate, &registry);
    let eve = authorization("eve", "secret");
    let ask = |headers: &[&str], body: &str| -> Response {
        let headers = [&[eve.as_str()][..], headers].concat();
        send(&nginx.target(), "POST", UPLOADS, &headers, body)
    };
    let secret = registry.fill("secret/app", "a secret");
    let [form, parts] = bodies(&secret);
    let urlencoded = "Content-Type: application/x-www-form-urlencoded";
    let plain = "Content-Type: text/plain";
    let refused: &[(&[&str], &str)] = &[
        (&[urlencoded], &form),
        (&["content-type: Application/X-WWW-Form-UrlEncoded"], &form),
        (
            &["CONTENT-TYPE:application/x-www-form-urlencoded;charset=utf-8"],
            &form,
        ),
        (
            &["Content-Type:\t application/x-www-form-urlencoded \t"],
            &form,
        ),
        (&["Content-Type: multipart/form-data; boundary=b"], &parts),
        (&["Content-Type: Multipart/Mixed; boundary=b"], &parts),
        (&[urlencoded, plain], &form),
        (&[plain, urlencoded], &form),
        (&[urlencoded, urlencoded], &form),
        (
            &["Content-Type: text/plain, application/x-www-form-urlencoded"],
            &form,
        ),
        // What other fronts would read is the client's here.
        (&[urlencoded, "X-Original-Content-Type: none"], &form),
        (
            &[
                urlencoded,
                "X-Original-Content-Type: application/octet-stream",
            ],
            &form,
        ),
        (
            &[urlencoded, "Method: GET", "Path: /v2/eve/app/tags/list"],
            &form,
        ),
        (&[urlencoded, "X-Original-Method: GET"], &form),
        (
            &[urlencoded, "X-Original-URI: /v2/eve/app/tags/list"],
            &form,
        ),
    ];
    for (headers, body) in refused {
        assert_eq!(ask(headers, body).status, 403, "{headers:?}");
        assert!(!has(&registry, "eve/app", &secret), "{headers:?}");
    }
    // The same bytes are only bytes where they are not called a form.
    let harmless: &[&[&str]] = &[
        &[],
        &["Content-Type: application/octet-stream"],
        &["Content-Type:"],
        &["X-Original-Content-Type: application/x-www-form-urlencoded"],
        &["Content_Type: application/x-www-form-urlencoded"],
    ];
    for headers in harmless {
        for body in [&form, &parts] {
            assert_eq!(ask(headers, body).status, 202, "{headers:?}");
            assert!(!has(&registry, "eve/app", &secret), "{headers:?}");
        }
    }
    // Without a gate it is hers.
    let mounted = send(&registry.target(), "POST", UPLOADS, &[urlencoded], &form);
    assert_eq!(mounted.status, 201, "{mounted:?}");
    assert!(has(&registry, "eve/app", &secret));
}

/// What a client may say of a request for `eve/app` or `secret/app`, in the words of some front.
pub(super) const CLAIMS: &[&[&str]] = &[
    &[],
    &["X-Original-URI: /v2/eve/app/tags/list"],
    &["X-Original-URI: /v2/secret/app/tags/list"],
    &["X-Original-URI: /a", "X-Original-URI: /b"],
    &["X-Original-Method: PUT"],
    &["X-Original-URL: http://x/v2/eve/app/tags/list"],
    &["X-Auth-Request-Redirect: /v2/eve/app/tags/list"],
    &["Method: GET", "Path: /v2/eve/app/tags/list"],
    &["Method: PUT", "Path: /v2/secret/app/manifests/1"],
    &["X-Original-Server: a", "X-Original-Server: b"],
    &["X_Original_URI: /v2/eve/app/tags/list"],
];

#[test]
fn what_other_fronts_would_read_changes_nothing() {
    let (gate, registry) = (gate(&["--front", "ingress-nginx"]), Registry::start());
    registry.fill("secret/app", "a secret");
    registry.fill("eve/app", "eve's");
    let (nginx, _) = nginx(&gate, &registry);
    let eve = authorization("eve", "secret");
    let (own, foreign) = ("/v2/eve/app/tags/list", "/v2/secret/app/tags/list");
    for claim in CLAIMS {
        let headers = [&[eve.as_str()][..], claim].concat();
        let ask = |uri: &str| send(&nginx.target(), "GET", uri, &headers, "").status;
        assert_eq!((ask(own), ask(foreign)), (200, 403), "{claim:?}");
    }
}

/// Why the manifests set the front: by default htgate would believe a header of the client's here.
#[test]
fn the_default_front_would_be_open_here() {
    let (gate, registry) = (gate(&[]), Registry::start());
    let (nginx, _) = nginx(&gate, &registry);
    let secret = registry.fill("secret/app", "a secret");
    let [form, _] = bodies(&secret);
    let eve = authorization("eve", "secret");
    let urlencoded = "Content-Type: application/x-www-form-urlencoded";
    let claim = "X-Original-Content-Type: none";
    let rows: &[(&[&str], u16)] = &[
        // Uploads are refused altogether, which is noticed at the first push ...
        (&[&eve], 403),
        (&[&eve, urlencoded], 403),
        // ... and this is what nobody would notice.
        (&[&eve, urlencoded, claim], 201),
    ];
    for (headers, status) in rows {
        let response = send(&nginx.target(), "POST", UPLOADS, headers, &form);
        assert_eq!(response.status, *status, "{headers:?}");
        assert_eq!(has(&registry, "eve/app", &secret), *status == 201);
    }
}
