//! The directives that cannot reach into the shipped locations, and why. A name that ends in `*`
//! stands for all that begin so.

pub(super) const UNMERGED: &[(&str, &str)] = &[
    (
        "other protocol",
        "fastcgi_* uwsgi_* scgi_* grpc_* memcached_* tunnel_* perl* xslt* xml_* image_filter*",
    ),
    ("htgate is asked without TLS", "proxy_ssl_*"),
    (
        "the client's connection",
        "ssl ssl_* http2* http3* quic_* listen keepalive_disable",
    ),
    (
        "the client's connection, too",
        "keepalive_requests keepalive_time keepalive_min_timeout",
    ),
    (
        "before a location is found",
        "client_header_* connection_pool_size request_pool_size",
    ),
    ("before a location is found, too", "max_headers server_name"),
    (
        "closes a connection",
        "lingering_time lingering_timeout send_timeout send_lowat msie_*",
    ),
    ("undocumented, and nothing undoes it", "post_action"),
    ("only with a cache", "proxy_cache_path open_log_file_cache"),
    (
        "only with a file",
        "aio_write directio_alignment autoindex_* flv mp4* proxy_temp_path",
    ),
    (
        "declares",
        "upstream server map geo split_clients charset_map log_format limit_conn_zone limit_req_zone",
    ),
    (
        "start-up only",
        "map_hash_* referer_hash_* server_names_hash_* variables_hash_*",
    ),
    ("a log", "error_log"),
    (
        "only sets variables",
        "ancient_browser* modern_browser* geoip_* secure_link* valid_referers",
    ),
    ("a name that is no upstream", "resolver resolver_timeout"),
    ("not on Linux", "proxy_send_lowat"),
    ("in the table of sites", "location"),
    (
        "not for a request that has a handler",
        "empty_gif degradation degrade",
    ),
    ("needs a file that the package does not have", "include"),
];
