//! The directives that a proxied location inherits from http or from its server, or that nginx runs
//! for a subrequest or for the token endpoint, each with the worst that it could be set to.

/// Lines of a site that hold for the locations of the shipped files, unless those undo it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) lines: &'static str,
    pub(super) level: Level,
    /// What http needs for them in either case.
    pub(super) http: &'static str,
    /// Shipped lines, each of which alone keeps these from breaking something.
    pub(super) guards: &'static [&'static str],
    /// Whether the answers of the token endpoint stay what htgate says. A site that rewrites the
    /// text of every answer rewrites those as well.
    pub(super) tokens: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Both,
    /// In a server the shipped files have it already, and nginx refuses a second one.
    Http,
    Server,
}

const ROW: Row = Row {
    lines: "",
    level: Level::Both,
    http: "",
    guards: &[],
    tokens: true,
};

pub(super) const ROWS: &[Row] = &[
    Row {
        lines: "proxy_bind 192.0.2.1;",
        guards: &["proxy_bind off;"],
        ..ROW
    },
    Row {
        lines: "proxy_buffer_size 64; proxy_buffers 2 64; proxy_busy_buffers_size 64;
            proxy_temp_file_write_size 64; proxy_max_temp_file_size 64;",
        guards: &["proxy_buffer_size 4k;", "proxy_buffer_size 8k;"],
        ..ROW
    },
    Row {
        lines: "proxy_buffer_size 128k; proxy_buffers 4 256k; proxy_busy_buffers_size 256k;
            proxy_temp_file_write_size 256k; proxy_max_temp_file_size 1024m;",
        guards: &[
            "proxy_busy_buffers_size 8k;",
            "proxy_busy_buffers_size 16k;",
        ],
        ..ROW
    },
    Row {
        lines: "proxy_cache kept; proxy_cache_key $host; proxy_cache_valid any 1h;
            proxy_cache_methods GET HEAD POST; proxy_cache_min_uses 1; proxy_cache_lock on;
            proxy_cache_lock_age 1ms; proxy_cache_lock_timeout 1ms; proxy_cache_revalidate on;
            proxy_cache_use_stale error timeout updating http_403 http_404 http_500 http_503;
            proxy_cache_background_update on; proxy_cache_bypass 0; proxy_no_cache 0;
            proxy_cache_convert_head off; proxy_cache_max_range_offset 1;
            proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;",
        http: "proxy_cache_path {folder}/kept/cache keys_zone=kept:1m;",
        guards: &["proxy_cache off;"],
        ..ROW
    },
    Row {
        lines: "proxy_store {folder}/kept$uri; proxy_store_access user:rw group:rw all:rw;",
        guards: &["proxy_store off;"],
        ..ROW
    },
    Row {
        lines: "proxy_intercept_errors on; recursive_error_pages on;
            error_page 400 401 403 404 413 429 500 502 503 504 =200 /sorry.html;",
        level: Level::Http,
        ..ROW
    },
    Row {
        lines: "recursive_error_pages on;
            error_page 400 401 403 404 413 429 500 502 503 504 =200 /sorry.html;",
        guards: &["error_page 599 @htgate_500;"],
        ..ROW
    },
    Row {
        lines: "recursive_error_pages on; error_page 502 504 = @elsewhere;",
        guards: &["error_page 599 @htgate_500;"],
        ..ROW
    },
    Row {
        lines: "proxy_method PUT;",
        guards: &["proxy_method $request_method;"],
        ..ROW
    },
    Row {
        lines: "proxy_set_body 'DELETE /auth HTTP/1.1';",
        guards: &["proxy_set_body '';", "proxy_set_body $request_body;"],
        ..ROW
    },
    Row {
        lines: "proxy_set_header Authorization ''; proxy_set_header X-Original-URI /;
            proxy_set_header X-Real-IP 192.0.2.1; proxy_set_header Host $host;
            proxy_set_header Content-Type text/plain; proxy_set_header Connection close;",
        ..ROW
    },
    Row {
        lines: "proxy_pass_request_body off; proxy_pass_request_headers off;",
        ..ROW
    },
    Row {
        lines: "proxy_pass_request_body on; proxy_pass_request_headers on;",
        ..ROW
    },
    Row {
        lines: "proxy_hide_header X-Auth-User; proxy_hide_header X-Auth-Status;
            proxy_hide_header WWW-Authenticate; proxy_hide_header Retry-After;
            proxy_hide_header Content-Type;",
        ..ROW
    },
    Row {
        lines:
            "proxy_pass_header Date; proxy_pass_header Server; proxy_pass_header X-Accel-Redirect;
            proxy_redirect / /elsewhere/; proxy_cookie_domain a b; proxy_cookie_path / /x;
            proxy_cookie_flags ~ secure; proxy_force_ranges on;
            proxy_headers_hash_max_size 64; proxy_headers_hash_bucket_size 32;",
        ..ROW
    },
    Row {
        lines: "proxy_limit_rate 400; limit_rate 400; limit_rate_after 0;",
        // The other counts for what is longer than a buffer.
        guards: &["limit_rate 0;"],
        ..ROW
    },
    Row {
        lines:
            "proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504
                http_403 http_404 http_429 non_idempotent;
            proxy_next_upstream_tries 5; proxy_next_upstream_timeout 1ms;",
        ..ROW
    },
    Row {
        lines: "proxy_next_upstream off; proxy_next_upstream_tries 1;",
        ..ROW
    },
    Row {
        lines: "proxy_connect_timeout 1ms; proxy_send_timeout 1ms; proxy_read_timeout 1ms;",
        guards: &["proxy_read_timeout 15s;"],
        ..ROW
    },
    Row {
        lines: "proxy_buffering off; proxy_request_buffering off; proxy_http_version 1.0;
            proxy_ignore_client_abort on; proxy_socket_keepalive on;
            chunked_transfer_encoding off; subrequest_output_buffer_size 1;",
        ..ROW
    },
    Row {
        lines: "client_max_body_size 1;",
        guards: &["client_max_body_size 0;", "client_max_body_size 16k;"],
        ..ROW
    },
    Row {
        lines: "client_body_in_file_only on; client_body_buffer_size 1;
            client_body_in_single_buffer off; client_body_timeout 5s;",
        guards: &[
            "client_body_in_file_only off;",
            "client_body_buffer_size 16k;",
        ],
        ..ROW
    },
    Row {
        lines: "client_body_temp_path {folder}/kept; client_body_in_file_only clean;",
        level: Level::Server,
        ..ROW
    },
    Row {
        lines: "satisfy any; allow all; deny 192.0.2.1;",
        level: Level::Http,
        ..ROW
    },
    Row {
        lines: "allow all; deny 192.0.2.1; auth_delay 10ms;",
        ..ROW
    },
    Row {
        lines: "auth_request /elsewhere; auth_request_set $htgate_user forged;",
        level: Level::Http,
        ..ROW
    },
    Row {
        lines: "auth_basic site; auth_basic_user_file {users};",
        guards: &["auth_basic off;"],
        ..ROW
    },
    Row {
        lines: "mirror /copied; mirror_request_body on;",
        guards: &["mirror off;"],
        ..ROW
    },
    Row {
        // As many as there are requests of clients, and not one more. nginx may still be closing the
        // connection of one when the next one comes.
        lines: "limit_req zone=requests burst=4 nodelay; limit_conn connections 1;
            limit_req_status 403; limit_conn_status 403;
            limit_req_log_level info; limit_conn_log_level info;
            limit_req_dry_run off; limit_conn_dry_run off;",
        http: "limit_req_zone $server_name zone=requests:1m rate=1r/m;
            limit_conn_zone $connection zone=connections:1m;",
        ..ROW
    },
    Row {
        lines: "expires max;",
        guards: &["expires off;"],
        ..ROW
    },
    Row {
        lines: "add_header X-Site yes always; add_trailer X-Site yes; userid on; userid_name a;
            userid_domain b; userid_path /; userid_expires max; userid_mark a; userid_p3p none;
            userid_service 1; userid_flags secure; etag on; if_modified_since before;
            max_ranges 0; server_tokens off;",
        ..ROW
    },
    Row {
        lines: "default_type text/plain; types { text/plain json; text/x-site txt; }",
        ..ROW
    },
    Row {
        lines: "types_hash_max_size 64; types_hash_bucket_size 64;",
        ..ROW
    },
    Row {
        lines: "ssi on; ssi_types *; ssi_silent_errors off; ssi_last_modified on;
            ssi_min_file_chunk 1; ssi_value_length 1; ssi_ignore_recycled_buffers on;
            charset utf-8; source_charset koi8-r; override_charset on; charset_types text/html;
            gzip on; gzip_types *; gzip_min_length 0; gzip_comp_level 9; gzip_proxied any;
            gzip_http_version 1.0; gzip_vary on; gzip_buffers 4 4k; gzip_window 1k; gzip_hash 1k;
            gzip_no_buffer on; gzip_disable x; postpone_gzipping 0; gunzip on;
            gunzip_buffers 4 4k; gzip_static always;",
        http: "charset_map koi8-r utf-8 { 80 E282AC; }",
        ..ROW
    },
    Row {
        lines: "sub_filter e E; sub_filter_types *; sub_filter_once off;
            sub_filter_last_modified on;",
        tokens: false,
        ..ROW
    },
    Row {
        lines: "add_before_body /sorry.html; add_after_body /sorry.html; addition_types *;",
        tokens: false,
        ..ROW
    },
    Row {
        lines: "root {folder}/none; index sorry.html; autoindex on;
            log_not_found on; open_file_cache max=10; open_file_cache_errors on;
            open_file_cache_valid 1; open_file_cache_min_uses 1; open_file_cache_events off;
            disable_symlinks on; absolute_redirect off; server_name_in_redirect on;
            port_in_redirect off;",
        level: Level::Http,
        ..ROW
    },
    Row {
        lines: "dav_methods PUT DELETE MKCOL COPY MOVE; create_full_put_path on; dav_access all:rw;
            min_delete_depth 0;",
        ..ROW
    },
    Row {
        lines: "try_files /sorry.html =404; stub_status;",
        level: Level::Server,
        ..ROW
    },
    Row {
        lines: "if ($uri ~ _) { rewrite ^ /sorry.html last; } set $htgate_user forged;
            rewrite ^/auth/ /sorry.html last; rewrite_log on; uninitialized_variable_warn on;",
        level: Level::Server,
        guards: &["if ($uri = _htgate_auth) {", "if ($uri = /auth/token) {"],
        ..ROW
    },
    Row {
        lines: "if ($uri ~ _) { return 200 open; }",
        level: Level::Server,
        guards: &["if ($uri = _htgate_auth) {"],
        ..ROW
    },
    Row {
        lines: "if ($uri !~ txt) { break; } if ($uri ~ token) { return 403; }",
        level: Level::Server,
        ..ROW
    },
    Row {
        lines: "set_real_ip_from unix:; real_ip_header X-Forwarded-For; real_ip_recursive on;",
        ..ROW
    },
    Row {
        lines: "slice 1; read_ahead 1; output_buffers 1 1k; postpone_output 1460; sendfile on;
            sendfile_max_chunk 1; tcp_nopush on; tcp_nodelay off; directio 1; aio off;
            keepalive_timeout 0; lingering_close always; reset_timedout_connection on;",
        ..ROW
    },
    Row {
        lines: "log_subrequest on; access_log {folder}/all.log combined;",
        ..ROW
    },
    Row {
        lines: "underscores_in_headers on; ignore_invalid_headers off; merge_slashes off;
            large_client_header_buffers 4 16k;",
        ..ROW
    },
    // Those of newer versions.
    Row {
        lines: "proxy_pass_trailers on; proxy_socket_rcvbuf 1k; proxy_socket_sndbuf 1k;",
        ..ROW
    },
    Row {
        lines: "add_header_inherit merge; add_trailer_inherit merge; add_header X-Site yes;",
        ..ROW
    },
    Row {
        lines: "early_hints 1; client_body_early_read on;",
        ..ROW
    },
];
