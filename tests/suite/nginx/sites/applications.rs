//! Well-known applications, with the lines that their manuals give for nginx.

use crate::nginx::sites::scene::{SITE, Site};

pub(super) const SITES: &[Site] = &[
    Site {
        name: "files alone",
        server: "include htgate-server.conf;",
        closed: &[
            ("/", "file index.html"),
            ("/file.txt", "file file.txt"),
            ("/private/deep/file.txt", "file"),
            ("/file.txt?a=b", "file"),
        ],
        ..SITE
    },
    Site {
        name: "wordpress",
        server: r"include htgate-server.conf;
            location = /favicon.ico { log_not_found off; access_log off; }
            location / { try_files $uri $uri/ /index.php?$args; }
            location ~ \.php$ {
                fastcgi_intercept_errors on;
                fastcgi_buffers 16 16k; fastcgi_buffer_size 32k; fastcgi_pass {php};
            }
            location ~* \.(js|css|png|jpg|jpeg|gif|ico)$ { expires max; log_not_found off; }",
        closed: &[
            ("/hello-world/", "php"),
            ("/index.php", "php"),
            ("/wp-content/logo.png", "file"),
            ("POST /wp-login.php", "php"),
        ],
        ..SITE
    },
    Site {
        name: "wordpress in several languages, by rewrites from before try_files",
        server: r"include htgate-server.conf;
            if (!-e $request_filename) {
                rewrite /wp-admin$ $scheme://$host$uri/ permanent;
                rewrite ^(/[^/]+)?(/wp-.*) $2 last;
                rewrite ^(/[^/]+)?(/.*\.php) $2 last;
                rewrite ^/(.*)$ /index.php?q=$1 last;
            }
            location ~ \.php$ { fastcgi_pass {php}; }",
        closed: &[
            ("/hello", "php"),
            ("/en/wp-login.php", "php"),
            ("/file.txt", "file"),
        ],
        ..SITE
    },
    Site {
        name: "nextcloud",
        server: r"include htgate-server.conf;
            client_max_body_size 512M; fastcgi_buffers 64 4K;
            gzip on; gzip_vary on; gzip_comp_level 4; gzip_min_length 256;
            add_header Referrer-Policy no-referrer always;
            add_header X-Robots-Tag 'noindex, nofollow' always;
            index index.php index.html /index.php$request_uri;
            location = / { if ($http_user_agent ~ ^DavClnt) { return 302 /remote.php/webdav/$is_args$args; } }
            location ^~ /.well-known {
                location = /.well-known/carddav { rewrite ^ /remote.php/dav/ last; }
            }
            location ~ ^/(?:build|tests|config|lib|3rdparty|templates|data)(?:$|/) { return 404; }
            location ~ \.php(?:$|/) {
                rewrite ^/(?!index|remote|public|cron|status|ocs\/v[12]) /index.php$request_uri;
                fastcgi_split_path_info ^(.+?\.php)(/.*)$;
                set $path_info $fastcgi_path_info;
                fastcgi_param PATH_INFO $path_info;
                fastcgi_param front_controller_active true;
                fastcgi_pass {php};
                fastcgi_intercept_errors on; fastcgi_request_buffering off; fastcgi_max_temp_file_size 0;
            }
            location ~ \.(?:css|js|svg|gif|png)$ { try_files $uri /index.php$request_uri; expires 6M; }
            location /remote { return 301 /remote.php$request_uri; }
            location / { try_files $uri $uri/ /index.php$request_uri; }",
        closed: &[
            ("/apps/files", "php"),
            ("/remote.php/dav/files/alice", "php"),
            ("/.well-known/carddav", "php"),
            ("/core/img/logo.svg", "php"),
        ],
        ..SITE
    },
    Site {
        name: "laravel",
        server: r"include htgate-server.conf;
            charset utf-8;
            add_header X-Frame-Options SAMEORIGIN;
            location / { try_files $uri $uri/ /index.php?$query_string; }
            location = /robots.txt { access_log off; log_not_found off; }
            error_page 404 /index.php;
            location ~ ^/index\.php(/|$) { fastcgi_pass {php}; fastcgi_hide_header X-Powered-By; }
            location ~ /\.(?!well-known).* { deny all; }",
        closed: &[
            ("/login", "php"),
            ("/file.txt", "file"),
            ("/index.php/a", "php"),
        ],
        ..SITE
    },
    Site {
        name: "gitea",
        server: r"include htgate-server.conf;
            location / {
                client_max_body_size 512M;
                proxy_pass http://app;
                proxy_set_header Connection $http_connection;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;
                proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                proxy_set_header X-Forwarded-Proto $scheme;
            }",
        closed: &[
            ("/user/repo.git/info/refs?service=git-upload-pack", "app"),
            ("POST /user/login", "app"),
        ],
        ..SITE
    },
    Site {
        name: "gitea below a prefix",
        server: r"include htgate-server.conf;
            location ~ ^/(git|v2)($|/) {
                rewrite ^ $request_uri;
                rewrite ^(/git)?(/.*) $2 break;
                proxy_pass http://app$uri;
            }",
        closed: &[("/git/user/repo", "app /user/repo"), ("/v2/", "app")],
        ..SITE
    },
    Site {
        name: "phpmyadmin below a site",
        server: r"include htgate-server.conf;
            location /phpmyadmin {
                root /usr/share/;
                index index.php;
                location ~ ^/phpmyadmin/(.+\.php)$ { fastcgi_pass {php}; }
                location ~* ^/phpmyadmin/(.+\.(jpg|jpeg|gif|css|png|js|ico|html|xml|txt))$ { root /usr/share/; }
            }
            location /phpMyAdmin { rewrite ^/* /phpmyadmin last; }",
        closed: &[
            ("/phpmyadmin/index.php", "php"),
            ("/phpmyadmin/sql.php?db=a", "php"),
        ],
        ..SITE
    },
    Site {
        name: "drupal",
        server: r"include htgate-server.conf;
            location ~* \.(txt|log)$ { deny all; }
            location ~ \..*/.*\.php$ { return 403; }
            location ~ (^|/)\. { return 403; }
            location / { try_files $uri /index.php?$query_string; }
            location @rewrite { rewrite ^ /index.php; }
            location ~ '\.php$|^/update.php' { fastcgi_pass {php}; }
            location ~ ^/sites/.*/files/styles/ { try_files $uri @rewrite; }
            location ~* \.(js|css|png|jpg|jpeg|gif|ico|svg)$ { try_files $uri @rewrite; expires max; }
            if ($request_uri ~* '^(.*/)index\.php/(.*)') { return 307 $1$2; }",
        closed: &[
            ("/node/1", "php"),
            ("/sites/default/files/styles/a.png", "php"),
            ("/update.php", "php"),
        ],
        ..SITE
    },
    Site {
        name: "single-page application with its interface",
        server: r"include htgate-server.conf;
            location / { try_files $uri $uri/ /index.html; }
            location /api/ { proxy_pass http://app/; proxy_set_header X-User $htgate_user; }",
        closed: &[
            ("/", "file index.html"),
            ("/settings/profile", "file index.html"),
            ("/static/app.js", "file"),
            ("/api/things", "app /things user=alice"),
        ],
        ..SITE
    },
    Site {
        name: "single-page application by a rewrite",
        server: r"include htgate-server.conf;
            if (!-e $request_filename) { rewrite ^ /index.html last; }",
        closed: &[
            ("/settings/profile", "file index.html"),
            ("/static/app.js", "file"),
        ],
        ..SITE
    },
    Site {
        name: "single-page application by its error page",
        server: r"include htgate-server.conf;
            error_page 403 404 =200 /index.html;",
        closed: &[
            ("/settings/profile", "file index.html"),
            ("/file.txt", "file"),
        ],
        ..SITE
    },
    Site {
        name: "grafana with websockets",
        http: "map $http_upgrade $connection_upgrade { default upgrade; '' close; }",
        server: r"include htgate-server.conf;
            location / { proxy_set_header Host $host; proxy_pass http://app; }
            location /api/live/ {
                proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $connection_upgrade;
                proxy_pass http://app;
            }",
        closed: &[("/d/board", "app"), ("/api/live/ws", "app")],
        ..SITE
    },
    Site {
        name: "nexus and a registry beside a token endpoint",
        server: r"include htgate-server.conf;
            include htgate-token.conf;
            client_max_body_size 0; chunked_transfer_encoding on;
            add_header Docker-Distribution-Api-Version $htgate_api_version always;
            location /v2/ { proxy_pass http://app; proxy_request_buffering off; } # htgate check: ignore token-location
            rewrite ^/repository/docker(/v2/.*)$ $1 last;",
        closed: &[
            ("/v2/", "app"),
            ("/repository/docker/v2/a/tags/list", "app /"),
            ("POST /v2/a/blobs/uploads/", "app"),
        ],
        ..SITE
    },
    Site {
        name: "webdav from files",
        server: r"include htgate-server.conf;
            location /private/ { dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; autoindex on; }",
        closed: &[
            ("/private/file.txt", "file"),
            ("/private/deep/", "file.txt"),
        ],
        ..SITE
    },
];
