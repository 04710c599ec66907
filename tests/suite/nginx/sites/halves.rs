//! The include's two halves: a password for one location, for several, for the whole server.

use std::fs;
use std::path::Path;

use crate::nginx::sites::scene::{SITE, Site, gate, serve};
use crate::support::{authorization, repository};

pub(super) const SITES: &[Site] = &[
    Site {
        name: "one location",
        server: r"include htgate-locations.conf;
            location ^~ /private/ { include htgate-gate.conf; }",
        closed: &[
            ("/private/file.txt", "file"),
            ("/private/", "file"),
            ("//test/private/deep/file.txt", "file"),
        ],
        open: &[("/file.txt", "file"), ("/", "file")],
        ..SITE
    },
    Site {
        name: "one location with its own files and headers, below a front controller",
        server: r"include htgate-locations.conf;
            location ^~ /private/ {
                include htgate-gate.conf;
                try_files $uri $uri/ =404; add_header X-Own yes always; error_page 404 /sorry.html;
            }
            location / { try_files $uri /index.php?$args; }
            location ~ \.php$ { fastcgi_pass {php}; }",
        closed: &[("/private/file.txt", "file")],
        open: &[("/orders", "php")],
        ..SITE
    },
    Site {
        name: "several locations",
        server: r"include htgate-locations.conf;
            location ^~ /private/ { include htgate-gate.conf; }
            location = /page.html { include htgate-gate.conf; }
            location /app/ { include htgate-gate.conf; proxy_pass http://app; proxy_set_header X-User $htgate_user; }",
        closed: &[
            ("/private/file.txt", "file"),
            ("/page.html", "file"),
            ("/app/x", "app /app/x user=alice"),
        ],
        open: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "a regex location",
        server: r"include htgate-locations.conf;
            location ~ ^/(admin|wp-login\.php) { include htgate-gate.conf; fastcgi_pass {php}; }
            location ~ \.php$ { fastcgi_pass {php}; }",
        closed: &[
            ("/admin/index.php", "php"),
            ("/wp-login.php", "php"),
            ("POST /wp-login.php", "php"),
        ],
        open: &[("/index.php", "php"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "a location with locations in it",
        server: r"include htgate-locations.conf;
            location ^~ /private/ {
                include htgate-gate.conf;
                location ~ \.php$ { fastcgi_pass {php}; }
                location ^~ /private/deep/ { location /private/deep/er/ { proxy_pass http://app; } }
            }",
        closed: &[
            ("/private/x.php", "php"),
            ("/private/deep/file.txt", "file"),
            ("/private/deep/er/x", "app"),
        ],
        open: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "one location, and the site's own rewrites and friendly pages",
        http: "proxy_cache_path {folder}/cache keys_zone=pages:1m;",
        server: r"include htgate-locations.conf;
            error_page 500 502 503 504 =200 /50x.html; error_page 404 = /index.php;
            proxy_cache pages; proxy_cache_valid any 10m;
            if (!-e $request_filename) { rewrite ^/(.*)$ /index.php?q=$1 last; }
            location ^~ /private/ { include htgate-gate.conf; }
            location ~ \.php$ { fastcgi_pass {php}; }",
        closed: &[("/private/file.txt", "file")],
        open: &[("/orders", "php"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "ifs in the location",
        server: r"include htgate-locations.conf;
            location ^~ /app/ {
                include htgate-gate.conf;
                if ($args = other) { rewrite ^ /app/other break; }
                if ($request_method = POST) { set $posted yes; }
                proxy_pass http://app;
            }",
        closed: &[
            ("/app/x", "app /app/x"),
            ("/app/x?other", "app"),
            ("POST /app/x", "app"),
        ],
        ..SITE
    },
    Site {
        name: "the whole server by halves, with one open location",
        server: r"include htgate-locations.conf;
            include htgate-gate.conf;
            location /public/ { auth_request off; }
            rewrite ^/(p/.*)$ /app/$1;",
        closed: &[("/file.txt", "file"), ("/private/file.txt", "file")],
        open: &[("/public/open.txt", "file")],
        ..SITE
    },
    Site {
        name: "both: the server and again in a location with error pages of its own",
        server: r"include htgate-server.conf;
            location ^~ /app/ {
                error_page 404 =200 /sorry.html;
                error_page 401 @htgate_401; error_page 403 = @htgate_403; error_page 500 = @htgate_500;
                proxy_pass http://app;
            }",
        closed: &[("/app/x", "app"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "the server, and the gate again in a location",
        server: r"include htgate-server.conf;
            location ^~ /app/ { include htgate-gate.conf; proxy_pass http://app; }",
        closed: &[("/app/x", "app"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "one location by the whole include's server elsewhere",
        http: "server { listen {listen}; server_name whole.test; include htgate-server.conf; location / { proxy_pass http://app; } }",
        server: r"include htgate-locations.conf;
            location ^~ /private/ { include htgate-gate.conf; }",
        closed: &[
            ("/private/file.txt", "file"),
            ("//whole.test/file.txt", "app"),
        ],
        open: &[("/file.txt", "file")],
        ..SITE
    },
];

/// The whole include is the text of both halves, under a head of its own.
#[test]
fn the_whole_include_is_both_halves() {
    let read = |file: &str| {
        let text = fs::read_to_string(repository(&format!("nginx/{file}"))).unwrap();
        let (head, lines) = text.split_once("\n\n").unwrap();
        assert!(head.lines().all(|line| line.starts_with('#')), "{head}");
        lines.to_owned()
    };
    let halves = ["htgate-locations.conf", "htgate-gate.conf"].map(read);
    assert_eq!(read("htgate-server.conf"), halves.join("\n"));
}

/// Whoever forgets one of them, or takes them in the wrong order, opens nothing.
#[test]
fn a_half_that_is_missing_opens_nothing() {
    let gate = gate();
    let right = authorization("alice", "secret");
    let rows = [
        ("include htgate-gate.conf;", 500, 500),
        ("location / { include htgate-gate.conf; }", 500, 500),
        (
            "include htgate-gate.conf; include htgate-locations.conf;",
            500,
            500,
        ),
        (
            "location ^~ /private/ { include htgate-gate.conf; }",
            500,
            200,
        ),
        (
            "if ($uri = /private/file.txt) { break; } include htgate-locations.conf;
          location ^~ /private/ { include htgate-gate.conf; }",
            500,
            200,
        ),
        // A nested location inherits the question, but not the "if" of the gate.
        (
            "location ^~ /private/ { include htgate-gate.conf; location /private/file { } }
             location / { try_files $uri /index.html; }",
            500,
            200,
        ),
        (
            "location ^~ /private/ { include htgate-gate.conf; location ~ txt$ { proxy_pass http://app; } }
             location / { proxy_pass http://app; }",
            500,
            200,
        ),
        // Asked for nowhere.
        ("include htgate-locations.conf;", 200, 200),
    ];
    for (server, private, public) in rows {
        let site = Site { server, ..SITE };
        let nginx = serve(&site, &gate.socket(), Path::new("/none"), &|text| text);
        for headers in [&[][..], &[right.as_str()]] {
            let status = |path: &str| nginx.ask(&format!("GET {path}"), headers).status;
            let seen = (status("/private/file.txt"), status("/file.txt"));
            assert_eq!(seen, (private, public), "{server}");
        }
    }
}
