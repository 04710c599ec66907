//! What NGINX Gateway Fabric's control plane makes of the shipped manifests: the http context of its
//! nginx, after its sources of August 2026 (2.7; `internal/controller/nginx/config`). Left out is what
//! has no part in the gate: TLS, njs, its own health check. A field that is not known here fails the
//! test: what it changes must be looked up first.

use std::fs;

use serde_json::Value;

use super::fields::{Fields, text};
use crate::support::{repository, yaml};

/// The manifests of one way, as they are applied.
pub(super) struct Manifests {
    objects: Vec<Value>,
}

/// Where the pods of the two Services are.
pub(super) struct Pods {
    pub(super) htgate: Vec<String>,
    pub(super) registry: String,
}

impl Manifests {
    /// `gateway.yaml` and this file.
    pub(super) fn of(file: &str) -> Self {
        let read = |file: &str| fs::read_to_string(repository("kubernetes").join(file)).unwrap();
        let files = [read("gateway.yaml"), read(file)];
        let objects = files.iter().flat_map(|text| yaml::objects(text));
        Self {
            objects: objects.collect(),
        }
    }

    /// The same after somebody has edited them: this path of a field in an object of this kind and
    /// name has another value.
    pub(super) fn with(mut self, kind: &str, name: &str, path: &str, value: Value) -> Self {
        let mut objects = self.objects.iter_mut();
        let object = objects.find(|object| is(object, kind, name));
        let object = object.unwrap_or_else(|| panic!("no {kind} {name}"));
        *object.pointer_mut(path).expect("such a field") = value;
        self
    }

    /// What htgate is told to be behind.
    pub(super) fn front(&self) -> String {
        let mut objects = self.objects.iter();
        let map = objects.find(|object| is(object, "ConfigMap", "htgate-front"));
        text(&map.expect("a ConfigMap htgate-front")["data"]["front"])
    }

    /// All objects of a kind.
    fn all(&self, kind: &str) -> Vec<Fields> {
        let objects = self.objects.iter().filter(|object| object["kind"] == kind);
        objects
            .map(|object| Fields::of(object["spec"].clone()))
            .collect()
    }

    /// The http context.
    pub(super) fn rendered(&self, pods: &Pods) -> String {
        for object in &self.objects {
            let kind = object["kind"].as_str().unwrap();
            assert!(LOOKED_AT.contains(&kind), "{kind} is not known here");
        }
        let policies = self.policies();
        let route = self.all("HTTPRoute").pop().expect("an HTTPRoute");
        let snippets = self.snippets();
        let upstream = |service: &str, port: u16, pods: &[String]| {
            let servers: String = pods.iter().map(|pod| format!("server {pod};\n")).collect();
            let (method, keepalive) = self.upstream_settings(service);
            format!(
                "upstream default_{service}_{port} {{
                    {method};
                    zone default_{service}_{port} 512k;
                    {servers}
                    {keepalive}
                 }}"
            )
        };
        let htgate = upstream("htgate", 8080, &pods.htgate);
        let registry = upstream("registry", 5000, std::slice::from_ref(&pods.registry));
        let (server, locations) = self.server(route, &policies, &snippets);
        // nginx 1.29.7 and later have HTTP/1.1 as their default; the maps are the controller's own.
        format!(
            "proxy_headers_hash_bucket_size 512; proxy_headers_hash_max_size 1024;
             variables_hash_bucket_size 512; variables_hash_max_size 1024;
             proxy_http_version 1.1;
             map $http_host $gw_api_compliant_host {{ '' $host; default $http_host; }}
             map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
             map $http_upgrade $connection_keepalive {{ default upgrade; '' ''; }}
             {}
             {}
             {htgate}
             {registry}
             server {{
                listen {{listen}};
                listen 127.0.0.1:{{port}};
                server_name {server};
                {}
                {}
                {locations}
             }}",
            policies.http, snippets.http, policies.server, snippets.server,
        )
        .replace("htgate.default.svc.cluster.local:8080", &pods.htgate[0])
        .replace("registry.default.svc.cluster.local:5000", &pods.registry)
        .replace("/dev/stdout", "{folder}/access.log")
    }

    /// ClientSettingsPolicy and ProxySettingsPolicy: for the Gateway they go into the server and into
    /// the http context, for the route into its locations. Never into the question's.
    fn policies(&self) -> Policies {
        let mut policies = Policies::default();
        for mut policy in self.all("ClientSettingsPolicy") {
            let mut body = policy.fields("body");
            let line = format!("client_max_body_size {};\n", body.text("maxSize"));
            body.done();
            match policy.fields("targetRef").target().as_str() {
                "Gateway registry" => policies.server += &line,
                "HTTPRoute registry" => policies.location += &line,
                other => panic!("{other} is not known here"),
            }
            policy.done();
        }
        for mut policy in self.all("ProxySettingsPolicy") {
            let mut lines = String::new();
            if let Some(mut buffering) = policy.optional("buffering").map(Fields::of) {
                assert_eq!(buffering.take("disable"), true);
                lines += "proxy_buffering off;\n";
                buffering.done();
            }
            let mut timeout = policy.fields("timeout");
            for name in ["connect", "read", "send"] {
                if let Some(time) = timeout.optional(name) {
                    lines += &format!("proxy_{name}_timeout {};\n", text(&time));
                }
            }
            timeout.done();
            match Fields::of(policy.one("targetRefs")).target().as_str() {
                "Gateway registry" => policies.http += &lines,
                "HTTPRoute registry" => policies.location += &lines,
                other => panic!("{other} is not known here"),
            }
            policy.done();
        }
        policies
    }

    /// The SnippetsFilter, where there is one.
    fn snippets(&self) -> Snippets {
        let mut snippets = Snippets::default();
        for mut filter in self.all("SnippetsFilter") {
            for snippet in filter.list("snippets") {
                let value = text(&snippet["value"]);
                match snippet["context"].as_str().unwrap() {
                    "http" => snippets.http += &value,
                    "http.server" => snippets.server += &value,
                    "http.server.location" => snippets.location += &value,
                    other => panic!("{other} is not known here"),
                }
            }
            filter.done();
        }
        snippets
    }

    /// How an upstream is balanced, and its connections that stay open.
    fn upstream_settings(&self, service: &str) -> (String, String) {
        let mut found = ("random two least_conn".to_owned(), String::new());
        for mut policy in self.all("UpstreamSettingsPolicy") {
            if Fields::of(policy.one("targetRefs")).target() != format!("Service {service}") {
                continue;
            }
            if let Some(method) = policy.optional("loadBalancingMethod") {
                assert_eq!(method, "hash consistent");
                found.0 = format!("hash {} consistent", policy.text("hashMethodKey"));
            }
            if let Some(mut keepalive) = policy.optional("keepAlive").map(Fields::of) {
                found.1 = format!("keepalive {};", keepalive.take("connections"));
                keepalive.done();
            }
            policy.done();
        }
        found
    }

    /// The server's name and its locations.
    fn server(
        &self,
        mut route: Fields,
        policies: &Policies,
        snippets: &Snippets,
    ) -> (String, String) {
        assert_eq!(route.one("parentRefs")["name"], "registry");
        let name = text(&route.one("hostnames"));
        let mut locations = String::new();
        let mut questions = String::new();
        for (number, rule) in route.list("rules").into_iter().enumerate() {
            let mut rule = Fields::of(rule);
            let upstream = Fields::of(rule.one("backendRefs")).upstream();
            let has_keepalive = upstream == "default_registry_5000"
                && !self.upstream_settings("registry").1.is_empty();
            let filters = Filters::of(rule.list("filters"), number);
            let mut lines = policies.location.clone();
            if filters.has_snippets {
                lines += &snippets.location;
            }
            lines += &filters.asked;
            lines += &filters.passed(has_keepalive);
            lines += &format!("proxy_pass http://{upstream};\n{}", filters.answered);
            questions += &filters.question;
            for place in places(rule.one("matches")) {
                locations += &format!("location {place} {{\n{lines}}}\n");
            }
            rule.done();
        }
        if !locations.contains("location / {") {
            locations += "location = / { return 404 ''; }\n";
        }
        route.done();
        (name, locations + &questions)
    }
}

/// The locations of a rule.
fn places(found: Value) -> Vec<String> {
    let mut found = Fields::of(found);
    let mut path = found.fields("path");
    found.done();
    let (kind, value) = (path.text("type"), path.text("value"));
    path.done();
    match kind.as_str() {
        "RegularExpression" => vec![format!("~ ^{value}")],
        "PathPrefix" if value.ends_with('/') => vec![value],
        "PathPrefix" => vec![format!("{value}/"), format!("= {value}")],
        other => panic!("{other} is not known here"),
    }
}

#[derive(Default)]
struct Policies {
    http: String,
    server: String,
    location: String,
}

#[derive(Default)]
struct Snippets {
    http: String,
    server: String,
    location: String,
}

/// The lines that come from a rule's filters.
#[derive(Default)]
struct Filters {
    /// Whether the rule names the SnippetsFilter.
    has_snippets: bool,
    /// `auth_request`, and what is taken from its answer.
    asked: String,
    /// The internal location that asks.
    question: String,
    /// Fields that are set or removed on the way to the application.
    fields: Vec<(String, String)>,
    /// Fields of the answer.
    answered: String,
}

impl Filters {
    fn of(filters: Vec<Value>, rule: usize) -> Self {
        let mut lines = Self::default();
        for mut filter in filters.into_iter().map(Fields::of) {
            match filter.text("type").as_str() {
                "ExternalAuth" => lines.ask(filter.fields("externalAuth"), rule),
                "RequestHeaderModifier" => lines.modify(filter.fields("requestHeaderModifier")),
                "ResponseHeaderModifier" => {
                    let mut fields = filter.fields("responseHeaderModifier");
                    for (name, value) in set(&mut fields) {
                        lines.answered += &format!(
                            "proxy_hide_header {name};\nadd_header {name} \"{value}\" always;\n"
                        );
                    }
                    fields.done();
                }
                "ExtensionRef" => {
                    assert_eq!(filter.take("extensionRef")["name"], "htgate");
                    lines.has_snippets = true;
                }
                other => panic!("{other} is not known here"),
            }
            filter.done();
        }
        lines
    }

    fn ask(&mut self, mut auth: Fields, rule: usize) {
        assert_eq!(auth.text("protocol"), "HTTP");
        let target = auth.fields("backendRef").upstream();
        let mut http = auth.fields("http");
        auth.done();
        let path = http.text("path");
        let place = format!("/_ngf-internal-ext-auth-default_registry_rule{rule}");
        self.asked = format!("auth_request {place};\n");
        for field in http.texts("allowedResponseHeaders") {
            let name = variable(&field);
            self.asked += &format!(
                "auth_request_set $ext_auth_response_{name} $upstream_http_{name};
                 proxy_set_header {field} $ext_auth_response_{name};\n"
            );
        }
        let allowed = http.texts("allowedHeaders").into_iter();
        let allowed: String = allowed
            .map(|field| {
                let name = variable(&field);
                format!("proxy_set_header {field} \"$http_{name}\";\n")
            })
            .collect();
        http.done();
        self.question = format!(
            "location {place} {{
                internal;
                proxy_set_header Host \"$gw_api_compliant_host\";
                proxy_set_header Path \"$request_uri\";
                proxy_set_header Method \"$request_method\";
                proxy_set_header Authorization \"$http_authorization\";
                {allowed}
                proxy_pass http://{target}{path};
                proxy_pass_request_body off;
                proxy_set_header Content-Length \"\";
                proxy_pass_request_headers off;
             }}\n"
        );
    }

    fn modify(&mut self, mut fields: Fields) {
        self.fields = set(&mut fields);
        let removed = fields.texts("remove").into_iter();
        self.fields
            .extend(removed.map(|name| (name, String::new())));
        fields.done();
    }

    /// What the application gets beside the client's own fields.
    fn passed(&self, has_keepalive: bool) -> String {
        let connection = if has_keepalive {
            "$connection_keepalive"
        } else {
            "$connection_upgrade"
        };
        let base = [
            ("Host", "$gw_api_compliant_host"),
            ("X-Forwarded-For", "$proxy_add_x_forwarded_for"),
            ("X-Real-IP", "$remote_addr"),
            ("X-Forwarded-Proto", "$scheme"),
            ("X-Forwarded-Host", "$host"),
            ("X-Forwarded-Port", "$server_port"),
            ("Upgrade", "$http_upgrade"),
            ("Connection", connection),
        ];
        let is_free = |(name, _): &&(&str, &str)| self.fields.iter().all(|(own, _)| own != name);
        let base = base.iter().filter(is_free);
        let own = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        own.chain(base.copied())
            .map(|(name, value)| format!("proxy_set_header {name} \"{value}\";\n"))
            .collect()
    }
}

/// The entries of a modifier's `set`.
fn set(modifier: &mut Fields) -> Vec<(String, String)> {
    let entries = modifier.optional("set").unwrap_or_default();
    let entries = entries.as_array().into_iter().flatten();
    let entries = entries.map(|entry| (text(&entry["name"]), text(&entry["value"])));
    entries.collect()
}

/// A field's name as it stands in nginx's variables.
fn variable(field: &str) -> String {
    field.to_lowercase().replace('-', "_")
}

fn is(object: &Value, kind: &str, name: &str) -> bool {
    object["kind"] == kind && object["metadata"]["name"] == name
}

const LOOKED_AT: &[&str] = &[
    "ClientSettingsPolicy",
    "ConfigMap",
    "Gateway",
    "HTTPRoute",
    "NetworkPolicy",
    "NginxProxy",
    "ProxySettingsPolicy",
    "SnippetsFilter",
    "UpstreamSettingsPolicy",
];
