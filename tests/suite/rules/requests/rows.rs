//! Requests to every endpoint, and some that look like others than they are.

/// A request, and the letters of those who may make it; a capital where they may only without what
/// it asks to mount.
pub(super) struct Row {
    pub(super) method: String,
    pub(super) uri: String,
    pub(super) header: &'static str,
    pub(super) body: String,
    pub(super) may: &'static str,
}

pub(super) fn row(method: &str, uri: &str, may: &'static str) -> Row {
    Row {
        method: method.to_owned(),
        uri: uri.to_owned(),
        header: "",
        body: String::new(),
        may,
    }
}

/// The endpoints of repositories that the rules name and of those that they do not, with names
/// that look like endpoints.
pub(super) fn endpoints() -> Vec<Row> {
    const ENDPOINTS: [(&str, &str, &str); 19] = [
        ("GET", "/v2/N/manifests/latest", "rw"),
        ("HEAD", "/v2/N/manifests/latest", "rw"),
        ("PUT", "/v2/N/manifests/1", "w"),
        ("DELETE", "/v2/N/manifests/D", "d"),
        ("POST", "/v2/N/manifests/1", ""),
        ("PATCH", "/v2/N/manifests/1", ""),
        ("OPTIONS", "/v2/N/manifests/latest", ""),
        ("GET", "/v2/N/blobs/D", "rw"),
        ("HEAD", "/v2/N/blobs/D", "rw"),
        ("PUT", "/v2/N/blobs/D", ""),
        ("DELETE", "/v2/N/blobs/D", "d"),
        ("GET", "/v2/N/tags/list", "rw"),
        ("DELETE", "/v2/N/tags/list", ""),
        ("GET", "/v2/N/referrers/D", "rw"),
        ("POST", "/v2/N/blobs/uploads/", "w"),
        ("GET", "/v2/N/blobs/uploads/0-a", "w"),
        ("PATCH", "/v2/N/blobs/uploads/0-a", "w"),
        ("PUT", "/v2/N/blobs/uploads/0-a?digest=D", "w"),
        ("DELETE", "/v2/N/blobs/uploads/0-a", "w"),
    ];
    let named = [
        "team/app",
        "team/blobs/uploads",
        "team/tags/list",
        "team/manifests/latest",
        "team/uploads",
        "team/x/blobs",
    ];
    let unnamed = [
        "team",
        "teamwork/app",
        "other/team/app",
        "secret/tags/list",
        "TEAM/app",
        "h:1/team/app",
    ];
    let mut rows = Vec::new();
    for (method, uri, may) in ENDPOINTS {
        let uri = uri.replace('D', NO_DIGEST);
        rows.extend(named.map(|name| row(method, &uri.replace('N', name), may)));
        rows.extend(unnamed.map(|name| row(method, &uri.replace('N', name), "")));
    }
    rows
}

/// Paths that somebody could read in another way.
pub(super) fn paths() -> Vec<Row> {
    let long = format!("/v2/team/{}/tags/list", "a".repeat(250));
    let too_long = format!("/v2/team/{}/tags/list", "a".repeat(251));
    let rows = [
        ("/v2/team%2Fapp/manifests/latest", "rw"),
        ("/v2/te%61m/app/manifests/latest", "rw"),
        ("/v2/team/app%2fmanifests%2Flatest", "rw"),
        ("/v2%2Fteam/app/manifests/latest", "rw"),
        ("/%76%32/team/app/manifests/latest", "rw"),
        ("/v2/team/app/manifests/%6Catest", "rw"),
        ("/v2/team/app/blobs/sha256%3A00", "rw"),
        ("/v2/secret%2Frepo/manifests/latest", ""),
        ("/v2/team%2F..%2Fsecret%2Frepo/manifests/latest", ""),
        ("/v2/team%252Fapp/manifests/latest", ""),
        ("/v2/team/%252e%252e/secret/repo/manifests/latest", ""),
        ("/v2/team/../secret/repo/manifests/latest", ""),
        ("/v2/team/%2e%2e/secret/repo/manifests/latest", ""),
        ("/v2/team/%2E./secret/repo/manifests/latest", ""),
        ("/v2/team/app/../../secret/repo/manifests/latest", ""),
        ("/v2/team/..%2f..%2fv2/secret/repo/manifests/latest", ""),
        ("/v2/secret/../team/app/manifests/latest", ""),
        ("/x/../v2/team/app/manifests/latest", ""),
        ("/x/%2e%2e/v2/secret/repo/manifests/latest", ""),
        ("/v2/../v2/team/app/manifests/latest", ""),
        ("/../v2/team/app/manifests/latest", ""),
        ("/v2/./team/app/manifests/latest", ""),
        ("/v2/team/./app/manifests/latest", ""),
        ("/v2/team//app/manifests/latest", ""),
        ("/v2/team/%2Fapp/manifests/latest", ""),
        ("//v2/team/app/manifests/latest", ""),
        ("/v2//team/app/manifests/latest", ""),
        ("/v2/team/app//manifests/latest", ""),
        ("/v2/team/app/manifests//latest", ""),
        ("/v2/team/app%00/manifests/latest", ""),
        ("/v2/team/app%0a/manifests/latest", ""),
        ("/v2/team/app%0d%0aX-Header:%20x/manifests/latest", ""),
        ("/v2/team/app%7f/manifests/latest", ""),
        ("/v2/team\\app/manifests/latest", ""),
        ("/v2/team%5Capp/manifests/latest", ""),
        ("/v2/team/..\\secret/manifests/latest", ""),
        ("/v2/team/app;x/manifests/latest", ""),
        ("/v2/team/..;/secret/repo/manifests/latest", ""),
        ("/v2/;/team/app/manifests/latest", ""),
        ("/v2/team/app/manifests/latest#x", ""),
        (
            "/v2/secret/repo/manifests/latest#/v2/team/app/manifests/latest",
            "",
        ),
        (
            "/v2/team/app/manifests/latest#/../../../../secret/repo/manifests/latest",
            "",
        ),
        ("/v2/team/app/manifests/latest#?x", ""),
        ("/v2/team/app/manifests/latest%23", ""),
        ("/v2/team/app/manifests/latest%3Fx=1", ""),
        ("/v2/team/app/manifests/latest%20", ""),
        ("/v2/team/caf%C3%A9/manifests/latest", ""),
        ("/v2/team/caf\u{e9}/manifests/latest", ""),
        ("/v2/team/%C0%AE%C0%AE/secret/manifests/latest", ""),
        ("/v2/team/app/manifests/%", ""),
        ("/v2/team/app/manifests/%zz", ""),
        ("/v2/Team/app/manifests/latest", ""),
        ("/v2/team/App/manifests/latest", ""),
        ("/V2/team/app/manifests/latest", ""),
        ("/v2/team:80/app/manifests/latest", ""),
        ("/v2/team/app:1/manifests/latest", ""),
        ("/v2/team/app@sha256:00/manifests/latest", ""),
        ("/v2/team/app/manifests/latest/", ""),
        ("/v2/team/app/tags/list/", ""),
        ("/v2/team/app/blobs/uploads", ""),
        ("/v2/team/app/blobs/uploads/", ""),
        ("/v2/team/app/manifests/", ""),
        ("/v2/team/app/manifests", ""),
        ("/v2/team/app/blobs/latest", ""),
        ("/v2/team/app/_catalog", ""),
        ("/v2/team/app", ""),
        ("/v2/team/app/", ""),
        ("/v2/manifests/latest", ""),
        ("/v2/blobs/uploads/", ""),
        ("/v2/tags/list", ""),
        ("/v2/team/app/manifests/tags/list", "rw"),
        ("/v2/team/app/tags/list/manifests/latest", "rw"),
        ("/v2/team/app/blobs/uploads/manifests/latest", "rw"),
        ("/v2/team/app/blobs/uploads/tags/list", "rw"),
        ("/v2/team/app/blobs/uploads/x/tags/list", "rw"),
        ("/v2/team/app/blobs/uploads/list", "w"),
        ("/v2/secret/manifests/team/tags/list", ""),
        ("/v2/secret/blobs/uploads/team/manifests/latest", ""),
        ("/v2/library/x/manifests/latest", "w"),
        ("/v2/library/x/y/manifests/latest", ""),
        ("/v2/library/manifests/latest", ""),
        ("/v2/public/x/manifests/latest", "rwdla"),
        ("/v2/public/x/y/z/tags/list", "rwdla"),
        ("/v2/public/manifests/latest", ""),
        ("/v2/public/../secret/repo/manifests/latest", ""),
        ("/v2/public/%2e%2e/secret/repo/manifests/latest", ""),
        (&long, "rw"),
        (&too_long, ""),
        ("/v2/", "rwdl"),
        ("/v2/?x=1", "rwdl"),
        ("/%76%32/", "rwdl"),
        ("/v2/?x=1;y", ""),
        ("/v2", ""),
        ("/v2/.", ""),
        ("/v2/_catalog", "l"),
        ("/v2/%5Fcatalog?n=1&last=a%2Fb", "l"),
        ("/v2/_catalog/", ""),
        ("/v2//_catalog", ""),
        ("/v2/team/../_catalog", ""),
        ("http://test/v2/team/app/manifests/latest", "rw"),
        ("HTTPS://other:1/v2/team/app/manifests/latest?x=1", "rw"),
        ("http://test/v2/secret/repo/manifests/latest", ""),
        ("http://team/app/v2/secret/repo/manifests/latest", ""),
        ("http://test//v2/team/app/manifests/latest", ""),
        ("http://test/v2/team/../secret/repo/manifests/latest", ""),
        ("http://test?/v2/team/app/manifests/latest", ""),
        ("http://test", ""),
        ("*", ""),
        ("v2/team/app/manifests/latest", ""),
        ("/v2/team/app/tags/list?n=5&last=a+b%2Bc", "rw"),
        ("/v2/team/app/tags/list?ns=docker.io&x", "rw"),
        ("/v2/team/app/tags/list?from=secret/repo", "rw"),
        ("/v2/team/app/tags/list?n=1;last=b", ""),
        ("/v2/team/app/tags/list?x=%2", ""),
        ("/v2/team/app/tags/list?x#y", ""),
        ("/v2/team/app/tags/list?x=\u{e9}", ""),
    ];
    rows.map(|(uri, may)| row("GET", uri, may)).into()
}

/// Methods and headers that claim to be something else.
pub(super) fn claims() -> Vec<Row> {
    let uri = "/v2/team/app/manifests/latest";
    let secret = "/v2/secret/repo/manifests/latest";
    let methods = [
        "get", "Get", "PROPFIND", "TRACE", "CONNECT", "FOO", "COPY", "GET\tPUT", "OPTIONS", "LINK",
    ];
    let mut rows: Vec<_> = methods.map(|method| row(method, uri, "")).into();
    let mut claim = |method: &str, uri: &str, header, may| {
        rows.push(Row {
            header,
            ..row(method, uri, may)
        });
    };
    claim(
        "GET",
        secret,
        "X-Original-URI: /v2/team/app/manifests/latest",
        "",
    );
    claim("GET", secret, "X-Original-Method: OPTIONS", "");
    claim(
        "GET",
        secret,
        "X-Rewrite-URL: /v2/team/app/manifests/latest",
        "",
    );
    claim(
        "GET",
        uri,
        "X-Original-URI: /v2/secret/repo/manifests/latest",
        "rw",
    );
    claim(
        "GET",
        uri,
        "X-Rewrite-URL: /v2/secret/repo/manifests/latest",
        "rw",
    );
    claim("GET", uri, "X-HTTP-Method-Override: DELETE", "rw");
    claim(
        "PUT",
        "/v2/team/app/manifests/1",
        "X-HTTP-Method-Override: GET",
        "w",
    );
    claim(
        "PUT",
        "/v2/team/app/manifests/1",
        "X-Original-Method: GET",
        "w",
    );
    claim("GET", "/v2/_catalog", "X-Auth-User: lister", "l");
    claim("POST", "/v2/team/app/blobs/uploads", "X-Nothing: x", "w");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        claim(method, "/v2/", "X-Nothing: x", "");
        claim(method, "/v2/_catalog", "X-Nothing: x", "");
    }
    rows
}

const NO_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
