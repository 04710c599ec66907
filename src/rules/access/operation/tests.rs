//! Every endpoint, and what stands in the way of reading one.

use super::*;

const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn seen(method: &str, uri: &str, content_type: Option<&str>) -> String {
    let request = Request {
        method: Field::One(method.as_bytes()),
        uri: Field::One(uri.as_bytes()),
        content_type: content_type.map_or(BodyType::None, |t| BodyType::Named(t.as_bytes())),
        ..Request::default()
    };
    let line = match RequestLine::read(&request) {
        Ok(line) => line,
        Err(unclear) => return format!("{unclear:?}"),
    };
    match line.operation() {
        Ok(asked) => asked.to_string(),
        Err(unclear) => format!("{unclear:?}"),
    }
}

#[test]
fn every_endpoint_with_every_method() {
    const ALL: [&str; 8] = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get",
    ];
    const READS: &[&str] = &["GET", "HEAD"];
    let rows: &[(&str, &[&str], &str)] = &[
        ("/v2/", READS, "the registry's base"),
        ("/v2", READS, "the registry's base"),
        ("/v2/_catalog", READS, "catalog"),
        ("/v2/N/tags/list", READS, "pull N"),
        ("/v2/N/referrers/D", READS, "pull N"),
        ("/v2/N/blobs/D", READS, "pull N"),
        ("/v2/N/blobs/D", &["DELETE"], "delete N"),
        ("/v2/N/manifests/1.0", READS, "pull N"),
        ("/v2/N/manifests/1.0", &["PUT"], "push N"),
        ("/v2/N/manifests/1.0", &["DELETE"], "delete N"),
        ("/v2/N/manifests/D", READS, "pull N"),
        ("/v2/N/manifests/D", &["PUT"], "push N"),
        ("/v2/N/manifests/D", &["DELETE"], "delete N"),
        ("/v2/N/blobs/uploads/", &["POST"], "push N"),
        ("/v2/N/blobs/uploads", &["POST"], "push N"),
        ("/v2/N/blobs/uploads/0-a", READS, "push N"),
        (
            "/v2/N/blobs/uploads/0-a",
            &["PATCH", "PUT", "DELETE"],
            "push N",
        ),
    ];
    let names = [
        "a",
        "team/app",
        "tags/list",
        "blobs/uploads",
        "a/manifests/b",
        "uploads",
        "blobs",
        "manifests/manifests",
        "referrers",
        "Host.example:5000/a",
    ];
    for name in names {
        for (path, _, _) in rows {
            let uri = path.replace('N', name).replace('D', DIGEST);
            for method in ALL {
                let same = |row: &&(&str, &[&str], &str)| row.0 == *path && row.1.contains(&method);
                let meaning = rows.iter().find(same).map_or("Endpoint", |row| row.2);
                let expected = meaning.replace('N', name);
                assert_eq!(seen(method, &uri, None), expected, "{method} {uri}");
            }
        }
    }
}

#[test]
fn unknown_endpoints() {
    for path in [
        "/v2/a",
        "/v2/a/",
        "/v2/a/tags",
        "/v2/a/tags/list/",
        "/v2/tags/list",
        "/v2/_catalog/",
        "/v2/a/manifests/",
        "/v2/a/manifests",
        "/v2/manifests/1",
        "/v2/a/blobs/latest",
        "/v2/a/blobs/",
        "/v2/a/uploads/x",
        "/v2/blobs/uploads/",
        "/v2/a/blobs/uploads/x/y",
        "/v2/A/tags/list",
        "/v2/_x/tags/list",
        "/v2/a/referrers/1",
        "/v2/a/_catalog",
        "/v2/a%20b/tags/list",
        "/v2/caf%C3%A9/tags/list",
        "/v2/;/tags/list",
    ] {
        let expected = if path.contains("/;") {
            "Path("
        } else {
            "Endpoint"
        };
        let seen = seen("GET", path, None);
        assert!(seen.starts_with(expected), "{path}: {seen}");
    }
}

#[test]
fn mounts_need_every_from() {
    let rows = [
        ("mount=D&from=b/c", "push a, pull b/c"),
        ("from=b%2Fc&mount=D", "push a, pull b/c"),
        ("%66rom=b&mount=D", "push a, pull b"),
        ("mount=D&from=b&from=c", "push a, pull b, pull c"),
        ("from=b", "push a, pull b"),
        ("mount=D", "push a"),
        ("ns=docker.io&x", "push a"),
        ("fr%6fm=b&%6d=1", "push a, pull b"),
        ("From=b&from%00=c&xfrom=d&fr+om=e", "push a"),
        ("from=b=c", "From"),
        ("from=", "From"),
        ("from", "From"),
        ("from=b+c", "From"),
        ("from=b%00", "From"),
        ("from=b/", "From"),
        ("from=../b", "From"),
        ("mount=D&from=b;x", "Query"),
        ("mount=D;from=b", "Query"),
        ("from=%zz", "Query"),
        ("x=%", "Query"),
        ("x=1#from=b", "Query"),
        ("x=\u{e9}", "Query"),
        ("%zz=1", "Query"),
    ];
    for (query, expected) in rows {
        let uri = format!("/v2/a/blobs/uploads/?{query}");
        assert_eq!(seen("POST", &uri, None), expected, "{query}");
    }
    // Only an upload that begins can mount, but an unclean query is refused everywhere.
    assert_eq!(seen("PUT", "/v2/a/blobs/uploads/u?from=b", None), "push a");
    assert_eq!(seen("GET", "/v2/a/tags/list?n=1;", None), "Query");
    assert_eq!(seen("GET", "/docs?a;b=%", None), "GET /docs");
}

#[test]
fn forms_are_refused_where_a_blob_is_uploaded() {
    let good = [
        "",
        "application/octet-stream",
        "application/json; charset=utf-8",
        "text/plain",
    ];
    let bad = [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLencoded ; charset=utf-8",
        "\tapplication/x-www-form-urlencoded\t",
        "multipart/form-data; boundary=x",
        "multipart/mixed",
        // Go makes an ASCII "i" of it.
        "appl\u{130}cation/x-www-form-urlencoded",
        "text/plain, application/x-www-form-urlencoded",
    ];
    for (method, uri) in [
        ("POST", "/v2/a/blobs/uploads/"),
        ("PUT", "/v2/a/blobs/uploads/u"),
    ] {
        for kind in good {
            assert_eq!(seen(method, uri, Some(kind)), "push a", "{kind}");
        }
        for kind in bad {
            assert_eq!(seen(method, uri, Some(kind)), "Form", "{kind}");
        }
    }
    assert_eq!(seen("PUT", "/v2/a/manifests/1", Some(bad[0])), "push a");
    assert_eq!(seen("POST", "/login", Some(bad[0])), "POST /login");
}

#[test]
fn an_upload_of_unknown_type_may_be_a_form() {
    let rows = [
        ("POST", "/v2/a/blobs/uploads/", false),
        ("POST", "/v2/a/blobs/uploads", false),
        ("PATCH", "/v2/a/blobs/uploads/u", false),
        ("PUT", "/v2/a/blobs/uploads/u", false),
        ("PUT", "/v2/a/manifests/1", true),
        ("GET", "/v2/a/blobs/sha256:0", true),
        ("POST", "/login", true),
    ];
    for (method, uri, good) in rows {
        let request = Request {
            method: Field::One(method.as_bytes()),
            uri: Field::One(uri.as_bytes()),
            ..Request::default()
        };
        let line = RequestLine::read(&request).ok().unwrap();
        let operation = line.operation();
        assert_eq!(operation.is_ok(), good, "{method} {uri}");
        assert!(good || operation == Err(Unclear::Form), "{method} {uri}");
    }
}

#[test]
fn the_headers_must_be_there_once() {
    let one = Field::One;
    let rows = [
        (Field::Absent, one(&b"/v2/"[..])),
        (one(b"GET"), Field::Absent),
        (Field::Repeated, one(b"/v2/")),
        (one(b"GET"), Field::Repeated),
        (one(b"G\xc3T"), one(b"/v2/")),
        (one(b"GET"), one(b"/v2/ x")),
    ];
    let doubled = Request {
        method: one(b"GET"),
        uri: one(b"/v2/"),
        server: Field::Repeated,
        ..Request::default()
    };
    assert_eq!(RequestLine::read(&doubled).err(), Some(Unclear::Headers));
    for (method, uri) in rows {
        let request = Request {
            method,
            uri,
            ..Request::default()
        };
        assert_eq!(RequestLine::read(&request).err(), Some(Unclear::Headers));
    }
}
