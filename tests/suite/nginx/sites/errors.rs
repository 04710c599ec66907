//! Error pages of the site's own, which are what nginx would make of a question without an answer.

use crate::nginx::sites::scene::{SITE, Site};

pub(super) const SITES: &[Site] = &[
    Site {
        name: "a friendly page in the server",
        server: r"include htgate-server.conf;
            error_page 502 503 504 =200 /50x.html;
            location / { proxy_pass http://app; }
            location = /50x.html { auth_request off; }",
        closed: &[("/orders", "app")],
        open: &[("/50x.html", "friendly")],
        ..SITE
    },
    Site {
        name: "a friendly page in http",
        http: "error_page 500 502 503 504 =200 /50x.html; error_page 401 403 =200 /sorry.html;",
        server: "include htgate-server.conf; location / { proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "a friendly page for everything, after the include",
        server: r"include htgate-server.conf;
            error_page 400 401 403 404 405 500 502 503 504 =200 /sorry.html;
            location = /sorry.html { internal; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "a fallback application",
        server: r"include htgate-server.conf;
            error_page 502 504 = @fallback;
            location / { proxy_pass http://app; }
            location @fallback { proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "a fallback application in http",
        http: "error_page 404 500 502 503 504 = @fallback; proxy_intercept_errors on;",
        server: r"include htgate-server.conf;
            location / { proxy_pass http://app; }
            location @fallback { auth_request off; proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "a fallback that is sent elsewhere",
        server: r"include htgate-server.conf;
            error_page 502 503 504 =302 https://status.test/;
            location / { proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "a maintenance page with status 503 that stays one",
        server: r"include htgate-server.conf;
            error_page 502 503 504 @maintenance;
            location / { proxy_pass http://app; }
            location @maintenance { auth_request off; try_files /sorry.html =503; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "error pages in the location",
        server: r"include htgate-server.conf;
            location / { error_page 502 =200 /50x.html; error_page 404 = /page.html; proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        away: 500,
        ..SITE
    },
    Site {
        name: "the application's error pages replaced, in the location",
        server: r"include htgate-server.conf;
            location /app/ {
                proxy_intercept_errors on;
                error_page 404 502 503 504 =200 /sorry.html;
                proxy_pass http://app;
            }",
        closed: &[("/app/orders", "app")],
        away: 500,
        ..SITE
    },
    Site {
        name: "error pages that have error pages",
        server: r"include htgate-server.conf;
            recursive_error_pages on;
            error_page 404 = /missing.html; error_page 502 504 = /app/file.txt;
            location = /missing.html { return 404; }
            location / { proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "error pages that have error pages, in http",
        http: "recursive_error_pages on; error_page 500 502 503 504 =200 /50x.html;",
        server: "include htgate-server.conf;",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "error pages in one folder, as many distributions have them",
        server: r"include htgate-server.conf;
            error_page 404 /404.html;
            location = /404.html { }
            error_page 500 502 503 504 /50x.html;
            location = /50x.html { }",
        closed: &[("/file.txt", "file"), ("/50x.html", "friendly")],
        ..SITE
    },
    Site {
        name: "an application that answers for every error",
        server: r"include htgate-server.conf;
            error_page 403 404 405 500 501 502 503 504 = /index.php;
            location ~ \.php$ { fastcgi_pass {php}; }",
        closed: &[("/no-such-file", "php"), ("/index.php", "php")],
        ..SITE
    },
    Site {
        name: "errors of all kinds lead to a page outside",
        http: "error_page 401 402 403 404 405 406 408 409 410 429 500 501 502 503 504 = @outside;",
        server: r"include htgate-server.conf;
            location @outside { auth_request off; return 200 protected; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
];
