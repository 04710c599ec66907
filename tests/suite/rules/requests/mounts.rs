//! Blobs that are asked for from another repository.

use super::rows::{Row, row};

/// Uploads that would take a blob from somewhere else, in the query or in a form.
pub(super) fn mounts(secret: &str, library: &str) -> Vec<Row> {
    let queries = [
        ("mount=L&from=library/x", "w"),
        ("mount=L&from=library%2Fx", "w"),
        ("&&mount=L&&from=%6Cibrary/x&", "w"),
        ("mount=S&from=library/x", "w"),
        ("mount=S&from=team/app", "w"),
        ("mount=S&from=public/x", "w"),
        ("mount=S", "w"),
        ("mount=S&From=secret/repo&xfrom=secret/repo", "w"),
        (
            "mount=S&from%00=secret/repo&fr+om=secret/repo&from%20=secret/repo",
            "w",
        ),
        ("digest=S&digest-algorithm=sha512", "w"),
        ("from=library/x", "w"),
        ("mount=S&from=secret/repo", "W"),
        ("mount=S&from=secret%2Frepo", "W"),
        ("mount=S&%66rom=secret/repo", "W"),
        ("mount=S&%66%72%6f%6d=secret/repo", "W"),
        ("from=secret/repo&mount=S", "W"),
        ("from=secret/repo", "W"),
        ("mount=S&from=library/x&from=secret/repo", "W"),
        ("mount=S&from=secret/repo&from=library/x", "W"),
        ("mounts=drop&mount=S&from=secret/repo", "W"),
        ("mount=S&from=secret/repo&mounts=drop", "W"),
        ("mount=S&from=secret/repo;x&from=library/x", ""),
        ("mount=S;from=secret/repo", ""),
        ("mount=S&x=;from=secret/repo", ""),
        ("mount=S&from=secret/repo+", ""),
        ("mount=S&from=+secret/repo", ""),
        ("mount=S&from=%zz&from=secret/repo", ""),
        ("mount=S&x=%&from=library/x", ""),
        ("mount=S&from=", ""),
        ("mount=S&from", ""),
        ("mount=S&from=library/x/../../secret/repo", ""),
        ("mount=S&from=library/x%2F..%2F..%2Fsecret/repo", ""),
        ("mount=S&from=/secret/repo", ""),
        ("mount=S&from=secret//repo", ""),
        ("mount=S&from=secret/repo%00", ""),
        ("mount=S&from=library/x#&from=secret/repo", ""),
        ("mount=S&from=SECRET/repo", ""),
    ];
    let fill = |text: &str| text.replace('S', secret).replace('L', library);
    let mut rows: Vec<_> = queries
        .map(|(query, may)| {
            row(
                "POST",
                &fill(&format!("/v2/team/app/blobs/uploads/?{query}")),
                may,
            )
        })
        .into();
    let headers = [
        "X-Auth-Mount: drop",
        "Htgate-Mounts: ?mounts=drop",
        "X-Original-URI: /v2/team/app/blobs/uploads/?mounts=drop",
    ];
    for header in headers {
        let uri = fill("/v2/team/app/blobs/uploads/?mount=S&from=secret/repo");
        rows.push(Row {
            header,
            ..row("POST", &uri, "W")
        });
    }
    let form = fill("mount=S&from=secret/repo");
    let boundary = "--b\r\nContent-Disposition: form-data; name=\"";
    let multipart = fill(&format!(
        "{boundary}mount\"\r\n\r\nS\r\n{boundary}from\"\r\n\r\nsecret/repo\r\n--b--\r\n"
    ));
    let kinds = [
        ("Content-Type: application/x-www-form-urlencoded", &form, ""),
        (
            "content-type: Application/X-WWW-Form-Urlencoded; charset=utf-8",
            &form,
            "",
        ),
        (
            "Content-Type:\tapplication/x-www-form-urlencoded \t",
            &form,
            "",
        ),
        (
            "Content-Type: appl\u{130}cation/x-www-form-urlencoded",
            &form,
            "",
        ),
        (
            "Content-Type: application/x-www-form-urlencoded\r\nContent-Type: text/plain",
            &form,
            "",
        ),
        (
            "Content-Type: multipart/form-data; boundary=b",
            &multipart,
            "",
        ),
        ("Content-Type: multipart/mixed; boundary=b", &multipart, ""),
        ("Content-Type: application/octet-stream", &form, "w"),
        ("Content-Type: application/json", &form, "w"),
        ("X-Nothing: x", &form, "w"),
        (
            "Content_Type: application/x-www-form-urlencoded",
            &form,
            "w",
        ),
    ];
    for (header, body, may) in kinds {
        for query in ["", "?mount=L&from=library/x"] {
            rows.push(Row {
                header,
                body: body.clone(),
                ..row(
                    "POST",
                    &fill(&format!("/v2/team/app/blobs/uploads/{query}")),
                    may,
                )
            });
        }
    }
    rows.push(Row {
        header: kinds[0].0,
        body: form.clone(),
        ..row("PUT", "/v2/team/app/blobs/uploads/0-a", "")
    });
    rows.push(Row {
        header: kinds[0].0,
        body: form,
        ..row("POST", "/v2/team%2Fapp/blobs%2Fuploads/", "")
    });
    rows
}
