//! Shapes of sites that no include can save: what stands above it, beside it or in place of it.

/// What is wrong with a shape, as a real nginx shows it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// This request gets what needs a password, without one.
    Open(&'static str),
    /// The same, while htgate does not answer.
    OpenWhileAway(&'static str),
    /// It is closed, and this request shows that it stays so.
    Broken(&'static str),
    /// This nginx does not have it, or does not start with it.
    Unproven,
}

/// A site, what is found in it, and what it becomes when all remedies are followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) http: &'static str,
    pub(super) server: &'static str,
    pub(super) fault: Fault,
    /// Rules, and what is in their lines.
    pub(super) found: &'static [(&'static str, &'static str)],
    /// What the remedies say: texts, and what comes in their place.
    pub(super) remedies: &'static [(&'static str, &'static str)],
    /// A request that works with the remedies and the password.
    pub(super) works: &'static str,
}

impl Shape {
    /// The lines in http and in the server, with the remedies followed.
    pub(super) fn remedied(&self) -> (String, String) {
        let (mut http, mut server) = (self.http.to_owned(), self.server.to_owned());
        for (from, to) in self.remedies {
            let before = http.clone() + &server;
            http = http.replace(from, to);
            server = server.replace(from, to);
            assert_ne!(http.clone() + &server, before, "{}: {from}", self.name);
        }
        (http, server)
    }
}

pub(super) const SHAPE: Shape = Shape {
    name: "",
    http: "",
    server: "",
    fault: Fault::Unproven,
    found: &[],
    remedies: &[],
    works: "/file.txt",
};

/// A gate that somebody wrote by hand, at `/auth`.
macro_rules! by_hand {
    ($modifier:literal, $lines:literal, $rest:literal) => {
        concat!(
            "location ", $modifier, " /auth {\n internal; proxy_pass http://htgate/auth;\n",
            "proxy_http_version 1.1; proxy_pass_request_body off; proxy_pass_request_headers off;\n",
            "client_max_body_size 0; proxy_set_header Content-Length ''; proxy_set_header Connection '';\n",
            "proxy_set_header Authorization $http_authorization;\n",
            "proxy_set_header User-Agent $http_user_agent; proxy_set_header X-Real-IP $remote_addr;\n",
            "proxy_set_header X-Original-Method $request_method;\n",
            "proxy_set_header X-Original-URI $request_uri;\n", $lines, " }\n",
            "auth_request /auth;\n", $rest
        )
    };
}

pub(super) const SHAPES: &[Shape] = &[
    // What nginx runs before it asks.
    Shape {
        name: "a rewrite of everything above the include",
        server: "rewrite ^ /index.html last;\ninclude htgate-server.conf;\n",
        fault: Fault::Open("/file.txt"),
        found: &[("before-gate", "rewrite ^ /index.html last;")],
        remedies: &[
            ("rewrite ^ /index.html last;\n", ""),
            (
                "include htgate-server.conf;\n",
                "include htgate-server.conf;\nrewrite ^ /index.html last;\n",
            ),
        ],
        ..SHAPE
    },
    Shape {
        name: "a front controller above the include, for everything",
        server: "if (!-e $request_filename) {\n rewrite ^.* /index.html last;\n}\ninclude htgate-server.conf;\n",
        fault: Fault::Open("/file.txt"),
        found: &[("before-gate", "rewrite ^.* /index.html last;")],
        remedies: &[
            (
                "if (!-e $request_filename) {\n rewrite ^.* /index.html last;\n}\n",
                "",
            ),
            (
                "include htgate-server.conf;\n",
                "include htgate-server.conf;\nif (!-e $request_filename) {\n rewrite ^.* /index.html last;\n}\n",
            ),
        ],
        ..SHAPE
    },
    Shape {
        name: "a path that is not an interface's, above the include",
        server: "if ($uri !~ ^/api/) {\nrewrite .* /index.html last; }\ninclude htgate-server.conf;\n",
        fault: Fault::Open("/file.txt"),
        found: &[("before-gate", "rewrite .* /index.html last; }")],
        remedies: &[
            (
                "if ($uri !~ ^/api/) {\nrewrite .* /index.html last; }\n",
                "",
            ),
            (
                "include htgate-server.conf;\n",
                "include htgate-server.conf;\nif ($uri !~ ^/api/) {\nrewrite .* /index.html last; }\n",
            ),
        ],
        ..SHAPE
    },
    Shape {
        name: "an answer for files that are missing, above the include",
        server: "if (!-f $request_filename) {\nreturn 204; }\ninclude htgate-server.conf;\n",
        fault: Fault::Open("/file.txt"),
        found: &[("before-gate", "return 204; }")],
        remedies: &[
            ("if (!-f $request_filename) {\nreturn 204; }\n", ""),
            (
                "include htgate-server.conf;\n",
                "include htgate-server.conf;\nif (!-f $request_filename) {\nreturn 204; }\n",
            ),
        ],
        ..SHAPE
    },
    Shape {
        name: "a front controller and a gate by hand",
        server: by_hand!(
            "=",
            "",
            "if (!-e $request_filename) {\nrewrite ^/(.*)$ /index.html?q=$1 last; }"
        ),
        fault: Fault::Open("/file.txt"),
        found: &[("before-gate", "rewrite ^/(.*)$")],
        remedies: &[("if (!-e", "if ($uri = /auth) { break; }\nif (!-e")],
        ..SHAPE
    },
    // What the question inherits, and who takes it over.
    Shape {
        name: "a friendly page and a gate by hand",
        server: by_hand!("=", "", "error_page 502 503 504 =200 /50x.html;\n"),
        fault: Fault::OpenWhileAway("/file.txt"),
        found: &[("error-page", "error_page 502 503 504 =200")],
        remedies: &[("internal;", "internal; error_page 599 /none;")],
        ..SHAPE
    },
    Shape {
        name: "a maintenance page and a gate by hand",
        server: by_hand!(
            "=",
            "",
            "error_page 404 500 502 503 = @maintenance;\nlocation @maintenance { try_files /sorry.html =503; }"
        ),
        fault: Fault::OpenWhileAway("/file.txt"),
        found: &[("error-page", "= @maintenance;")],
        remedies: &[("internal;", "internal; error_page 599 /none;")],
        ..SHAPE
    },
    Shape {
        name: "a gate by hand that a regular expression takes over",
        server: by_hand!(
            "",
            "",
            "location ~ ^/[a-z]+$ { try_files /index.html =404; }"
        ),
        fault: Fault::Open("/file.txt"),
        found: &[("taken-over", "location  /auth {")],
        remedies: &[("location  /auth", "location = /auth")],
        ..SHAPE
    },
    Shape {
        name: "a gate by hand with nothing in it",
        http: "error_page 502 504 =200 /50x.html;\n",
        server: "auth_request /auth;\nlocation /auth {\nproxy_pass http://htgate/auth; }",
        fault: Fault::OpenWhileAway("/file.txt"),
        found: &[
            ("body-limit", "location /auth {"),
            ("body-passed", "location /auth {"),
            ("body-passed", "location /auth {"),
            ("client-headers", "location /auth {"),
            ("error-page", "error_page 502 504 =200"),
            ("missing-header", "location /auth {"),
            ("missing-header", "location /auth {"),
            ("missing-header", "location /auth {"),
            ("missing-header", "location /auth {"),
            ("missing-header", "location /auth {"),
            ("missing-internal", "location /auth {"),
            ("no-keepalive", "location /auth {"),
            ("no-keepalive", "location /auth {"),
        ],
        remedies: &[(
            "proxy_pass http://htgate/auth; }",
            "proxy_pass http://htgate/auth; client_max_body_size 0; proxy_pass_request_body off;
            proxy_set_header Content-Length ''; proxy_pass_request_headers off;
            error_page 599 /none; proxy_set_header Authorization $http_authorization;
            proxy_set_header User-Agent $http_user_agent; proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Original-Method $request_method; internal;
            proxy_set_header X-Original-URI $request_uri; proxy_http_version 1.1;
            proxy_set_header Connection ''; }",
        )],
        ..SHAPE
    },
    // What becomes of a refusal.
    Shape {
        name: "a login page instead of the challenge",
        server: "error_page 401 = /page.html;\ninclude htgate-server.conf;\nlocation = /page.html { auth_request off; }",
        fault: Fault::Open("/file.txt"),
        found: &[("error-page", "error_page 401 = /page.html;")],
        remedies: &[("error_page 401 = /page.html;\n", "")],
        ..SHAPE
    },
    Shape {
        name: "a login page that is a 200",
        server: "include htgate-server.conf;\nlocation / {\nerror_page 401 =200 /page.html; }\nlocation = /page.html { auth_request off; }",
        fault: Fault::Open("/file.txt"),
        found: &[
            ("error-page", "error_page 401 =200"),
            ("lost-page", "error_page 401 =200"),
        ],
        remedies: &[("error_page 401 =200 /page.html;", "")],
        ..SHAPE
    },
    Shape {
        name: "a fallback in the location, under a name",
        server: "include htgate-server.conf;\nlocation /app/ {\nerror_page 403 500 @open; error_page 401 @open;\nproxy_pass http://app; proxy_set_header Authorization ''; }\nlocation @open { auth_request off; proxy_pass http://app; }",
        fault: Fault::Open("/app/orders"),
        found: &[
            ("error-page", "error_page 403 500 @open;"),
            ("error-page", "error_page 403 500 @open;"),
            ("error-page", "error_page 403 500 @open;"),
        ],
        remedies: &[("error_page 403 500 @open; error_page 401 @open;\n", "")],
        works: "/app/orders",
        ..SHAPE
    },
    Shape {
        name: "a login elsewhere",
        server: "error_page 403 https://login.test/;\ninclude htgate-server.conf;",
        fault: Fault::Broken("/file.txt"),
        found: &[("error-page", "error_page 403 https")],
        remedies: &[("error_page 403 https://login.test/;\n", "")],
        ..SHAPE
    },
    Shape {
        name: "error pages in a location, without the gate's",
        server: "include htgate-server.conf;\nlocation / {\nerror_page 404 /page.html; }",
        fault: Fault::Broken("/file.txt"),
        found: &[("lost-page", "error_page 404 /page.html;")],
        remedies: &[(
            "error_page 404 /page.html;",
            "error_page 404 /page.html; error_page 401 @htgate_401; error_page 403 = @htgate_403; error_page 500 = @htgate_500;",
        )],
        ..SHAPE
    },
    // Halves.
    Shape {
        name: "the locations without the gate",
        server: "include htgate-locations.conf;\n",
        fault: Fault::Open("/file.txt"),
        found: &[("half-gate", "set $htgate_here yes;")],
        remedies: &[(
            "include htgate-locations.conf;\n",
            "include htgate-locations.conf;\ninclude htgate-gate.conf;\n",
        )],
        ..SHAPE
    },
    Shape {
        name: "the gate above the locations",
        server: "include htgate-gate.conf;\ninclude htgate-locations.conf;\n",
        fault: Fault::Broken("/file.txt"),
        found: &[("half-gate", "if ($htgate_here != yes) {")],
        remedies: &[(
            "include htgate-gate.conf;\ninclude htgate-locations.conf;\n",
            "include htgate-locations.conf;\ninclude htgate-gate.conf;\n",
        )],
        ..SHAPE
    },
    Shape {
        name: "the gate without the locations",
        server: "include htgate-gate.conf;\n",
        fault: Fault::Broken("/file.txt"),
        found: &[
            ("half-gate", "if ($htgate_here"),
            ("no-gate", "auth_request _htgate_auth;"),
        ],
        remedies: &[(
            "include htgate-gate.conf;\n",
            "include htgate-locations.conf;\ninclude htgate-gate.conf;\n",
        )],
        ..SHAPE
    },
];
