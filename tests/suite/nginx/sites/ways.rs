//! Shapes of sites with a way past the gate, or that waste or give away passwords.

use crate::nginx::sites::open::{Fault, SHAPE, Shape};

pub(super) const SHAPES: &[Shape] = &[
    Shape {
        name: "an open copy of the root",
        http: "server { listen {listen}; server_name copy.test;\nroot {folder}/www; }",
        server: "include htgate-server.conf;",
        fault: Fault::Open("//copy.test/file.txt"),
        found: &[("bypass", "root {folder}/www; }")],
        remedies: &[(
            "root {folder}/www; }",
            "include htgate-server.conf; root {folder}/www; }",
        )],
        ..SHAPE
    },
    Shape {
        name: "an open copy of one gated location",
        http: "server { listen {listen}; server_name copy.test; location /x/ {\nalias {folder}/www/private/; } }",
        server: "include htgate-locations.conf; location ^~ /private/ { include htgate-gate.conf; }",
        fault: Fault::Open("//copy.test/x/file.txt"),
        found: &[("bypass", "alias {folder}/www/private/; } }")],
        remedies: &[(
            "server_name copy.test;",
            "server_name copy.test; include htgate-server.conf;",
        )],
        works: "/private/file.txt",
    },
    Shape {
        name: "an open copy of one gated location, in its own server",
        server: "include htgate-locations.conf;\nlocation ^~ /private/ { include htgate-gate.conf; }\nlocation /copy/ {\nalias {folder}/www/private/; }",
        fault: Fault::Open("/copy/file.txt"),
        found: &[("bypass", "alias {folder}/www/private/; }")],
        remedies: &[(
            "include htgate-locations.conf;",
            "include htgate-server.conf;",
        )],
        works: "/private/file.txt",
        ..SHAPE
    },
    Shape {
        name: "an open copy of an application, behind a variable",
        http: "server { listen {listen}; server_name copy.test; location / {\nset $to app; proxy_pass http://$to; } }",
        server: "include htgate-server.conf; location / { proxy_pass http://app; proxy_set_header Authorization ''; }",
        fault: Fault::Open("//copy.test/orders"),
        found: &[("bypass", "set $to app; proxy_pass http://$to;")],
        remedies: &[
            (
                "server_name copy.test;",
                "server_name copy.test; include htgate-server.conf;",
            ),
            (
                "set $to app;",
                "set $to app; proxy_set_header Authorization '';",
            ),
        ],
        works: "/orders",
    },
    Shape {
        name: "an open copy of an application, behind a map",
        http: "map $host $pool { default app; }\nserver { listen {listen}; server_name copy.test; location /sub/ {\nproxy_pass http://$pool; } }",
        server: "include htgate-server.conf; location / { proxy_pass http://app; proxy_set_header Authorization ''; }",
        fault: Fault::Open("//copy.test/sub/orders"),
        found: &[("bypass", "proxy_pass http://$pool;")],
        remedies: &[
            (
                "server_name copy.test;",
                "server_name copy.test; include htgate-server.conf;",
            ),
            (
                "http://$pool;",
                "http://$pool; proxy_set_header Authorization '';",
            ),
        ],
        works: "/orders",
    },
    Shape {
        name: "an application that only nginx knows, beside a guarded one",
        http: "server { listen {listen}; server_name copy.test; location / {\nproxy_pass http://$http_x_backend; } }",
        server: "include htgate-server.conf; location / { proxy_pass http://app; proxy_set_header Authorization ''; }",
        fault: Fault::Broken("//copy.test/orders"),
        found: &[("cannot-tell", "proxy_pass http://$http_x_backend;")],
        remedies: &[(
            "http://$http_x_backend;",
            "http://$http_x_backend; # htgate check: ignore cannot-tell\n",
        )],
        works: "/orders",
    },
    Shape {
        name: "an open location that passes on",
        server: "include htgate-server.conf; location / { proxy_pass http://app; proxy_set_header Authorization ''; }\nlocation /open/ {\nauth_request off; proxy_pass http://app; }",
        fault: Fault::Open("/guarded/..%2fopen/x"),
        found: &[("open-location", "auth_request off; proxy_pass http://app;")],
        remedies: &[(
            "auth_request off; proxy_pass http://app;",
            "proxy_pass http://app; proxy_set_header Authorization '';",
        )],
        works: "/open/x",
        ..SHAPE
    },
    Shape {
        name: "an open location that passes on by way of a name",
        server: "include htgate-server.conf; location / { proxy_pass http://app; proxy_set_header Authorization ''; }\nlocation /open/ {\nauth_request off; try_files $uri @app; }\nlocation @app { auth_request off; proxy_pass http://app; }",
        fault: Fault::Open("/guarded/..%2fopen/x"),
        found: &[("open-location", "auth_request off; try_files $uri @app;")],
        remedies: &[
            (
                "auth_request off; try_files $uri @app;",
                "try_files $uri @app;",
            ),
            (
                "location @app { auth_request off;",
                "location @app { proxy_set_header Authorization '';",
            ),
        ],
        works: "/open/x",
        ..SHAPE
    },
    Shape {
        name: "one gated location of an application that is open otherwise",
        server: "include htgate-locations.conf;\nlocation ^~ /admin/ { include htgate-gate.conf; proxy_pass http://app; proxy_set_header Authorization ''; }\nlocation / {\nproxy_pass http://app; }",
        fault: Fault::Open("/admin/..%2fx"),
        found: &[("bypass", "proxy_pass http://app; }")],
        remedies: &[
            (
                "include htgate-locations.conf;",
                "include htgate-server.conf;",
            ),
            (
                "location / {\n",
                "location / {\nproxy_set_header Authorization ''; ",
            ),
        ],
        works: "/admin/x",
        ..SHAPE
    },
    Shape {
        name: "a regular expression leads past a prefix",
        server: "include htgate-locations.conf;\nlocation /private/ { include htgate-gate.conf; }\nlocation ~* \\.(txt|png)$ { expires 1h; }",
        fault: Fault::Open("/private/file.txt"),
        found: &[("bypass", "location /private/ {")],
        remedies: &[("location /private/", "location ^~ /private/")],
        works: "/private/file.txt",
        ..SHAPE
    },
    Shape {
        name: "a regular expression that nobody here can read",
        server: "include htgate-locations.conf;\nlocation /private/ { include htgate-gate.conf; }\nlocation ~ ^/(?!public/).*txt$ { expires 1h; }",
        fault: Fault::Open("/private/file.txt"),
        found: &[("cannot-tell", "location /private/ {")],
        remedies: &[("location /private/", "location ^~ /private/")],
        works: "/private/file.txt",
        ..SHAPE
    },
    Shape {
        name: "a front controller leads past a prefix",
        server: "include htgate-locations.conf;\nlocation ^~ /private/ { include htgate-gate.conf;\ntry_files $uri /index.php?q=$uri; }\nlocation ~ \\.php$ { fastcgi_pass {php}; }",
        fault: Fault::Open("/index.php?q=/private/x"),
        found: &[("bypass", "try_files $uri /index.php?q=$uri; }")],
        remedies: &[
            (
                "include htgate-locations.conf;",
                "include htgate-server.conf;",
            ),
            (
                "fastcgi_pass {php};",
                "fastcgi_pass {php}; fastcgi_param HTTP_AUTHORIZATION '';",
            ),
        ],
        works: "/private/x",
        ..SHAPE
    },
    Shape {
        name: "a rewrite in the gated location leads out of it",
        server: "include htgate-locations.conf;\nlocation ^~ /private/ { include htgate-gate.conf;\nrewrite ^ /file.txt last; }",
        fault: Fault::Open("/private/x"),
        found: &[("bypass", "rewrite ^ /file.txt last; }")],
        remedies: &[(
            "rewrite ^ /file.txt last; }",
            "rewrite ^ /file.txt last; }\nlocation = /file.txt { include htgate-gate.conf; }",
        )],
        works: "/private/x",
        ..SHAPE
    },
    Shape {
        name: "a text that nginx answers itself",
        server: "include htgate-server.conf;\nlocation = /status {\nreturn 200 'protected status'; }",
        fault: Fault::Open("/status"),
        found: &[("return-body", "return 200 'protected status'; }")],
        remedies: &[(
            "return 200 'protected status';",
            "try_files /file.txt =404;",
        )],
        works: "/status",
        ..SHAPE
    },
    Shape {
        name: "variables of its own",
        server: "include htgate-server.conf;\nlocation /app/ {\nauth_request_set $who $upstream_http_x_auth_user;\nproxy_pass http://app; proxy_set_header Authorization ''; }",
        fault: Fault::Broken("/app/x"),
        found: &[("own-variables", "auth_request_set $who")],
        remedies: &[("auth_request_set $who $upstream_http_x_auth_user;\n", "")],
        works: "/app/x",
        ..SHAPE
    },
    Shape {
        name: "any of an address and a password",
        server: "include htgate-server.conf;\nlocation /app/ {\nsatisfy any; allow all; proxy_pass http://app; proxy_set_header Authorization ''; }",
        fault: Fault::Open("/app/x"),
        found: &[("satisfy-any", "satisfy any;")],
        remedies: &[("satisfy any;", "satisfy all;")],
        works: "/app/x",
        ..SHAPE
    },
    Shape {
        name: "auth_basic left beside the gate",
        server: "include htgate-server.conf;\nauth_basic 'old';\nauth_basic_user_file /etc/nginx/htpasswd;",
        fault: Fault::Broken("/file.txt"),
        found: &[("auth-basic", "auth_basic 'old';")],
        remedies: &[(
            "auth_basic 'old';\nauth_basic_user_file /etc/nginx/htpasswd;",
            "",
        )],
        ..SHAPE
    },
    Shape {
        name: "passwords that go on, by proxy and by FastCGI",
        server: "include htgate-server.conf;\nproxy_set_header Host $host;\nlocation /app/ { proxy_pass http://app; }\nlocation ~ \\.php$ {\nfastcgi_pass {php}; }",
        fault: Fault::Broken("/app/x"),
        found: &[
            ("password-passed", "proxy_set_header Host $host;"),
            ("password-passed", "fastcgi_pass {php}; }"),
        ],
        remedies: &[
            (
                "proxy_set_header Host $host;",
                "proxy_set_header Host $host; proxy_set_header Authorization '';",
            ),
            (
                "fastcgi_pass {php};",
                "fastcgi_pass {php}; fastcgi_param HTTP_AUTHORIZATION '';",
            ),
        ],
        works: "/app/x",
        ..SHAPE
    },
    Shape {
        name: "plain HTTP",
        http: "server {\nlisten 0.0.0.0:8080; server_name plain.test; include htgate-server.conf; }",
        server: "include htgate-server.conf;",
        found: &[("plain-http", "listen 0.0.0.0:8080;")],
        remedies: &[("listen 0.0.0.0:8080;", "listen 127.0.0.1:8080;")],
        ..SHAPE
    },
    Shape {
        name: "certificates that cannot be renewed",
        server: "include htgate-server.conf;\nlocation /.well-known/acme-challenge/ { root {folder}/www/public; }",
        fault: Fault::Broken("/.well-known/acme-challenge/x"),
        found: &[("acme", "location /.well-known/acme-challenge/ {")],
        remedies: &[(
            "location /.well-known/acme-challenge/ {",
            "location /.well-known/acme-challenge/ { auth_request off;",
        )],
        ..SHAPE
    },
    Shape {
        name: "a certificate of an authority that asks over HTTP",
        http: "server {\nlisten 80; listen 443 ssl; server_name acme.test; ssl_certificate /etc/letsencrypt/live/acme.test/fullchain.pem; include htgate-server.conf; } # htgate check: ignore plain-http",
        server: "include htgate-server.conf;",
        found: &[("cannot-tell", "server {"), ("plain-http", "listen 80;")],
        remedies: &[(
            "listen 80; listen 443 ssl;",
            "listen 443 ssl; location ^~ /.well-known/acme-challenge/ { auth_request off; }",
        )],
        ..SHAPE
    },
    Shape {
        name: "what nginx takes once in a block",
        server: "include htgate-server.conf;\nproxy_intercept_errors on;",
        found: &[("twice", "proxy_intercept_errors on;")],
        remedies: &[(
            "proxy_intercept_errors on;",
            "location /app/ { proxy_intercept_errors on; }",
        )],
        ..SHAPE
    },
    Shape {
        name: "the API header twice, from nginx 1.29.3 on",
        server: "include htgate-server.conf;\nadd_header_inherit merge;\nadd_header Docker-Distribution-Api-Version $htgate_api_version always;",
        found: &[("api-header", "add_header_inherit merge;")],
        remedies: &[("add_header_inherit merge;\n", "")],
        ..SHAPE
    },
    Shape {
        name: "a registry without the API header",
        http: "upstream registry { server unix:{folder}/app.sock; }",
        server: "include htgate-server.conf;\nlocation /v2/ { proxy_pass http://registry; proxy_set_header Authorization ''; }",
        fault: Fault::Broken("/v2/"),
        found: &[(
            "api-header",
            "server { listen 443 ssl; server_name site.test;",
        )],
        remedies: &[(
            "include htgate-server.conf;",
            "include htgate-server.conf; add_header Docker-Distribution-Api-Version $htgate_api_version always;",
        )],
        works: "/v2/",
    },
];
