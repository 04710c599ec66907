//! Settings in http and in the server that reach further than they look.

use crate::nginx::sites::scene::{SITE, Site};

pub(super) const SITES: &[Site] = &[
    Site {
        name: "a cache of everything in http",
        http: r"proxy_cache_path {folder}/cache keys_zone=pages:1m;
            proxy_cache pages; proxy_cache_valid any 10m; proxy_cache_methods GET HEAD POST;
            proxy_cache_key $uri; proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
            proxy_cache_use_stale error timeout updating http_500 http_502 http_503 http_504;",
        server: "include htgate-server.conf; location / { proxy_pass http://app; }",
        closed: &[("/orders", "app"), ("/orders?page=2", "app")],
        ..SITE
    },
    Site {
        name: "a cache of everything in the server",
        http: "proxy_cache_path {folder}/cache keys_zone=pages:1m;",
        server: r"include htgate-server.conf;
            proxy_cache pages; proxy_cache_valid 200 204 401 10m; proxy_cache_key $host;
            proxy_ignore_headers Cache-Control; proxy_cache_lock on;
            location / { proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "a mirror of files by proxy_store",
        server: r"include htgate-server.conf;
            proxy_store on; proxy_store_access user:rw group:rw all:r;
            location / { error_page 404 = @fetch; }
            location @fetch { proxy_pass http://app; proxy_store off; }",
        closed: &[("/file.txt", "file"), ("/elsewhere", "app")],
        away: 500,
        ..SITE
    },
    Site {
        name: "an application's headers in http",
        http: r"proxy_set_header Host $host; proxy_set_header Authorization '';
            proxy_set_header X-Original-URI /; proxy_http_version 1.0;
            proxy_hide_header WWW-Authenticate; proxy_hide_header X-Auth-User;",
        server: r"include htgate-server.conf;
            location / { proxy_pass http://app; proxy_set_header X-User $htgate_user; }",
        closed: &[("/orders", "app /orders user=alice")],
        ..SITE
    },
    Site {
        name: "large buffers and long timeouts for a slow application",
        http: r"proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;
            proxy_connect_timeout 300; proxy_send_timeout 300; proxy_read_timeout 300;
            proxy_next_upstream error timeout http_502 http_503 http_504 http_403 non_idempotent;
            fastcgi_buffers 16 32k; fastcgi_read_timeout 300; client_max_body_size 100m;",
        server: "include htgate-server.conf; location / { proxy_pass http://app; }",
        closed: &[("/orders", "app"), ("POST /orders", "app")],
        ..SITE
    },
    Site {
        name: "no buffers for server-sent events",
        server: r"include htgate-server.conf;
            proxy_buffering off; proxy_request_buffering off; proxy_ignore_client_abort on;
            chunked_transfer_encoding off; tcp_nodelay on;
            location / { proxy_pass http://app; }",
        closed: &[("/events", "app"), ("POST /orders", "app")],
        ..SITE
    },
    Site {
        name: "any of an address and a password, in http",
        http: "satisfy any; allow all;",
        server: "include htgate-server.conf; location / { proxy_pass http://app; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "an address rule that all must satisfy",
        server: r"include htgate-server.conf; allow all;
            location /private/ { deny 192.0.2.0/24; allow unix:; deny all; }",
        closed: &[("/private/file.txt", "file"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "limits of requests and connections",
        http: r"limit_req_zone $server_name zone=requests:1m rate=1000r/s;
            limit_conn_zone $server_name zone=connections:1m;
            limit_req zone=requests burst=100; limit_conn connections 500; limit_req_status 429;",
        server: r"include htgate-server.conf; limit_rate 100m; limit_rate_after 1m;
            location / { limit_req zone=requests burst=200 nodelay; proxy_pass http://app; }",
        closed: &[("/orders", "app"), ("POST /orders", "app")],
        ..SITE
    },
    Site {
        name: "a mirror of requests",
        server: r"include htgate-server.conf;
            mirror /mirror; mirror_request_body on;
            location = /mirror { internal; auth_request off; proxy_pass http://app/mirrored$request_uri; }
            location / { proxy_pass http://app; }",
        closed: &[("/orders", "app"), ("POST /orders", "app")],
        ..SITE
    },
    Site {
        name: "security headers and cookies",
        server: r"include htgate-server.conf;
            add_header Strict-Transport-Security 'max-age=63072000' always;
            add_header Content-Security-Policy default-src always;
            userid on; userid_name uid; expires 1h; etag off; server_tokens off;
            location / { proxy_pass http://app; proxy_cookie_path / /app; proxy_redirect / /app/; }",
        closed: &[("/orders", "app")],
        ..SITE
    },
    Site {
        name: "slashes as they come",
        server: "merge_slashes off; include htgate-server.conf;
            location ~ ^/+private { proxy_pass http://app; }
            location / { proxy_pass http://app; }",
        closed: &[("/a//b", "app"), ("/private/x", "app")],
        ..SITE
    },
    Site {
        name: "names of headers with underscores, and redirects without a host",
        server: r"underscores_in_headers on; ignore_invalid_headers off; absolute_redirect off;
            include htgate-server.conf; port_in_redirect off;
            location = /old { return 301 /page.html; }",
        closed: &[
            ("/file.txt", "file"),
            ("/private/", "file private/index.html"),
        ],
        ..SITE
    },
    Site {
        name: "server-side includes, replaced text and other filters",
        server: r"include htgate-server.conf;
            ssi on; ssi_types *; sub_filter 'app' 'APP'; sub_filter_types *; sub_filter_once off;
            gzip on; gzip_types *; gzip_min_length 1; charset utf-8; addition_types *;
            add_after_body /page.html;",
        closed: &[("/file.txt", "protected"), ("/private/", "protected")],
        ..SITE
    },
    Site {
        name: "several servers, one without the gate",
        http: r"server { listen {listen}; server_name open.test; root {folder}/www/public; }
            server { listen {listen}; server_name api.test; include htgate-server.conf;
                rewrite ^/(.*)$ /v1/$1; location / { proxy_pass http://app; } }",
        server: "include htgate-server.conf;",
        closed: &[
            ("/file.txt", "file"),
            ("//api.test/things", "app /v1/things"),
        ],
        open: &[("//open.test/open.txt", "file")],
        ..SITE
    },
    Site {
        name: "certificates are renewed without a password",
        server: r"include htgate-server.conf;
            location ^~ /.well-known/acme-challenge/ { auth_request off; alias {folder}/www/public/; }
            location / { proxy_pass http://app; }",
        closed: &[("/orders", "app"), ("/.well-known/other", "app")],
        open: &[("/.well-known/acme-challenge/open.txt", "file")],
        ..SITE
    },
    Site {
        name: "fastcgi settings in http",
        http: r"fastcgi_cache_path {folder}/fcache keys_zone=php:1m; fastcgi_cache php;
            fastcgi_cache_valid any 10m; fastcgi_cache_key $uri; fastcgi_intercept_errors on;
            fastcgi_ignore_headers Cache-Control Expires Set-Cookie; fastcgi_keep_conn on;
            fastcgi_store off; fastcgi_next_upstream error timeout http_500 http_503;",
        server: "include htgate-server.conf; location / { fastcgi_pass {php}; }",
        closed: &[("/orders", "php")],
        ..SITE
    },
];
