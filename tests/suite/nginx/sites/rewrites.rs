//! rewrite, if, set, map and try_files, which nginx runs for the question to htgate as well.

use crate::nginx::sites::scene::{SITE, Site};

pub(super) const SITES: &[Site] = &[
    // The question's name has no slash at its beginning, which most people's patterns want.
    Site {
        name: "a front controller from above the include",
        server: r"if (!-e $request_filename) { rewrite ^/(.*)$ /index.html last; }
            include htgate-server.conf;",
        closed: &[("/file.txt", "file"), ("/orders", "file index.html")],
        ..SITE
    },
    Site {
        name: "everything below a folder, from above the include",
        server: "rewrite ^/(.*)$ /app/$1; include htgate-server.conf;",
        closed: &[("/file.txt", "file app/file.txt")],
        ..SITE
    },
    Site {
        name: "everything below a folder, without a flag",
        server: "include htgate-server.conf; rewrite ^/(.*)$ /app/$1;",
        closed: &[("/file.txt", "file app/file.txt")],
        ..SITE
    },
    Site {
        name: "everything below a folder, last",
        server: "include htgate-server.conf; rewrite ^/(.*)$ /app/$1 last;",
        closed: &[("/file.txt", "file app/file.txt")],
        ..SITE
    },
    Site {
        name: "everything below a folder, break",
        server: "include htgate-server.conf; rewrite ^/(.*)$ /app/$1 break;",
        closed: &[("/file.txt", "file app/file.txt")],
        ..SITE
    },
    Site {
        name: "everything to the application's prefix",
        server: r"include htgate-server.conf; rewrite ^/(.*)$ /app/$1 last;
            location /app/ { proxy_pass http://app; }",
        closed: &[("/file.txt", "app /app/file.txt"), ("POST /form", "app")],
        ..SITE
    },
    Site {
        name: "language prefixes",
        server: "include htgate-server.conf; rewrite ^/(?!en/|de/)(.*)$ /en/$1 last;",
        closed: &[
            ("/page.html", "file en/page.html"),
            ("/de/page.html", "file de/"),
        ],
        ..SITE
    },
    Site {
        name: "language by cookie and header",
        http: "map $http_accept_language $language { default en; ~^de de; }",
        server: r"include htgate-server.conf;
            if ($http_cookie ~ language=de) { set $language_folder de; }
            if ($language_folder = '') { set $language_folder $language; }
            rewrite ^/([a-z]+\.html)$ /$language_folder/$1 last;
            rewrite ^/$ /$language/index.html last;
            rewrite ^/_ /en/page.html last;",
        closed: &[
            ("/page.html", "file en/page.html"),
            ("/", "file en/index.html"),
        ],
        ..SITE
    },
    Site {
        name: "a slash at the end",
        server: r"include htgate-server.conf; rewrite ^([^.]*[^/])$ $1/ permanent;",
        closed: &[("/page/", "file page/index.html"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "no slash at the end",
        server: r"include htgate-server.conf; rewrite ^/(.+)/$ /$1 permanent;
            location / { try_files $uri $uri.html $uri/index.html =404; }",
        closed: &[("/page", "file"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "pages without .html",
        server: r"include htgate-server.conf; if (-f $request_filename.html) { rewrite ^(.*)$ $1.html break; }
            if (!-e $request_filename) { rewrite ^/[^/]+$ /page.html; }",
        closed: &[("/index", "file index.html"), ("/what", "file page.html")],
        ..SITE
    },
    Site {
        name: "www to the bare host",
        server: r"include htgate-server.conf;
            if ($host ~* ^www\.(.*)) { set $bare $1; rewrite ^(.*)$ http://$bare$1 permanent; }
            if ($host !~* ^(site\.test|test)$) { return 444; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "http to https behind another proxy",
        server: r"include htgate-server.conf;
            if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri; }
            set $https_seen '';
            if ($scheme = ftp) { set $https_seen no; }
            if ($https_seen = no) { rewrite ^ https://$host$request_uri? permanent; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "maintenance by a file",
        server: r"include htgate-server.conf;
            if (-f $document_root/maintenance.html) { return 503; }
            error_page 503 @maintenance;
            location @maintenance { rewrite ^(.*)$ /sorry.html break; }",
        closed: &[("/file.txt", "file"), ("/private/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "maintenance by a map, with a page that is a 200",
        http: "map $http_x_maintenance $maintenance { default 0; yes 1; }",
        server: r"include htgate-server.conf;
            if ($maintenance) { rewrite ^ /sorry.html last; }
            error_page 500 502 503 504 =200 /sorry.html;",
        closed: &[("/file.txt", "file"), ("/app/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "maintenance of everything but the office",
        http: "geo $office { default 0; 127.0.0.1 1; }",
        server: r"include htgate-server.conf;
            set $closed 0;
            if ($office) { set $closed 0; }
            if ($closed) { return 503; }
            if ($uri ~ ^/_) { rewrite ^ /sorry.html last; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "break, last, redirect and set in ifs",
        server: r"include htgate-server.conf;
            if ($args ~ redirect) { rewrite ^ /page.html? redirect; }
            if ($uri !~ \.) { rewrite ^ /page.html last; }
            if ($http_user_agent ~ Bot) { set $bot yes; break; }
            if ($bot = yes) { return 403; }",
        closed: &[("/anything", "file page.html"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "preflight requests are answered for all",
        server: r"include htgate-server.conf;
            add_header Access-Control-Allow-Origin $http_origin always;
            add_header Access-Control-Allow-Credentials true always;
            if ($request_method = OPTIONS) { return 204; }
            location /api/ { proxy_pass http://app; }",
        closed: &[
            ("/api/things", "app"),
            ("POST /api/things", "app"),
            ("/file.txt", "file"),
        ],
        ..SITE
    },
    Site {
        name: "preflight requests in the location",
        server: r"include htgate-server.conf;
            location / {
                if ($request_method = OPTIONS) { add_header Access-Control-Max-Age 1728000; return 204; }
                if ($request_method = POST) { add_header Access-Control-Allow-Origin *; }
                proxy_pass http://app;
            }",
        closed: &[
            ("/api", "app"),
            ("POST /api", "app"),
            ("DELETE /api", "app"),
        ],
        ..SITE
    },
    Site {
        name: "only some methods",
        server: r"include htgate-server.conf;
            if ($request_method !~ ^(GET|HEAD|POST)$) { return 405; }
            location / { limit_except GET POST { deny all; } proxy_pass http://app; }",
        closed: &[("/a", "app"), ("POST /a", "app")],
        ..SITE
    },
    Site {
        name: "a front controller by try_files in the server",
        server: r"include htgate-server.conf; try_files $uri $uri/ @app;
            location @app { proxy_pass http://app; }",
        closed: &[("/file.txt", "file"), ("/orders/1", "app /orders/1")],
        ..SITE
    },
    Site {
        name: "a front controller by a named location and an error page",
        server: r"include htgate-server.conf;
            location / { try_files $uri @app; error_page 418 = @app; if ($args = app) { return 418; } }
            location @app { proxy_pass http://app; }",
        closed: &[
            ("/file.txt", "file"),
            ("/orders/1", "app"),
            ("/file.txt?app", "app"),
        ],
        // The location's error_page replaces the server's.
        away: 500,
        ..SITE
    },
    Site {
        name: "old addresses by a map",
        http: "map $uri $moved { default ''; /old /page.html; _htgate_auth /page.html; }",
        server: r"include htgate-server.conf; if ($moved) { rewrite ^ $moved last; }",
        closed: &[("/old", "file page.html"), ("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "old addresses by a map, redirected",
        http: "map $uri $moved { default /page.html; ~\\. ''; }",
        server: r"include htgate-server.conf; if ($moved) { return 301 $moved; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "hidden files are refused",
        server: r"include htgate-server.conf;
            if ($uri ~ '/[._]') { return 404; }
            location ~ /\. { deny all; }",
        closed: &[("/file.txt", "file")],
        ..SITE
    },
    Site {
        name: "a cache of pages as files",
        server: r"include htgate-server.conf;
            set $cached /cache$uri.html;
            if ($request_method = POST) { set $cached ''; }
            if (-f $document_root$cached) { rewrite ^ $cached break; }
            if (!-f $document_root$cached) { rewrite ^ /cache/page.html break; }",
        closed: &[
            ("/page", "file cache/page.html"),
            ("/what", "file cache/page.html"),
        ],
        ..SITE
    },
    Site {
        name: "an application's x-accel-redirect",
        server: r"include htgate-server.conf;
            rewrite ^/download/(.*)$ /internal/$1 last;
            location /internal/ { internal; alias {folder}/www/private/; }",
        closed: &[("/download/file.txt", "file private/file.txt")],
        ..SITE
    },
];
