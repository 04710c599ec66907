//! The manifests, checked against Kubernetes' own schemas and against what they promise.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{attempt, folder, repository, said, skip, yaml};
use serde_json::{Value, json};
use tempfile::TempDir;

/// It carries the schemas of the Kubernetes releases from 1.25 to its own.
const VALIDATOR: &str = "kubernetes-validate==1.37.0";
/// The first release with sidecars, and the validator's own.
const RELEASES: [&str; 2] = ["1.29", "1.37"];

/// A Python with the validator, in a temporary folder.
struct Python {
    folder: TempDir,
}

impl Python {
    fn with_validator(test: &str) -> Option<Self> {
        let folder = folder();
        let venv = folder.path().join("venv");
        let made = attempt(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        if !made.status.success() {
            skip(test, &format!("python3 makes no venv: {}", said(&made)));
            return None;
        }
        let installed = attempt(Command::new(venv.join("bin/pip")).args([
            "install",
            "--quiet",
            "--no-compile",
            "--disable-pip-version-check",
            VALIDATOR,
        ]));
        if !installed.status.success() {
            skip(
                test,
                &format!("PyPI gives no {VALIDATOR}: {}", said(&installed)),
            );
            return None;
        }
        Some(Self { folder })
    }

    fn command(&self, name: &str) -> Command {
        Command::new(self.folder.path().join("venv/bin").join(name))
    }

    /// What the validator says of some files, or nothing.
    fn faults(&self, release: &str, files: &[String]) -> Option<String> {
        let mut command = self.command("kubernetes-validate");
        let output = attempt(command.args(["-k", release, "--strict"]).args(files));
        (!output.status.success()).then(|| said(&output))
    }
}

fn manifests() -> Vec<String> {
    let entries = fs::read_dir(repository("kubernetes")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let yaml: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    assert!(yaml.len() >= 4, "{yaml:?}");
    yaml.iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn manifests_are_what_kubernetes_understands_and_promise_what_they_say() {
    let test = "manifests_are_what_kubernetes_understands_and_promise_what_they_say";
    let Some(python) = Python::with_validator(test) else {
        return;
    };
    for release in RELEASES {
        assert_eq!(python.faults(release, &manifests()), None, "{release}");
    }
    // The validator would find a word that is wrong.
    let wrong = python.folder.path().join("wrong.yaml");
    let text = fs::read_to_string(repository("kubernetes/htgate.yaml")).unwrap();
    fs::write(
        &wrong,
        text.replace("readOnlyRootFilesystem", "readOnlyFilesystem"),
    )
    .unwrap();
    let faults = python.faults(RELEASES[1], &[wrong.display().to_string()]);
    assert!(faults.expect("a fault").contains("readOnlyFilesystem"));
}

#[test]
fn pods_are_confined_spread_and_found_by_their_services() {
    let mut deployments = 0;
    for file in manifests() {
        let objects = yaml::objects(&fs::read_to_string(&file).unwrap());
        for object in objects
            .iter()
            .filter(|object| object["kind"] == "Deployment")
        {
            deployments += 1;
            check_pod(&object["spec"]["template"]["spec"]);
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            assert_eq!(&object["spec"]["selector"]["matchLabels"], labels);
            let spread = &object["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
            assert_eq!(&spread["labelSelector"]["matchLabels"], labels, "{file}");
            let mut budgets = objects.iter();
            let budget = budgets.find(|object| object["kind"] == "PodDisruptionBudget");
            let budget = &budget.unwrap_or_else(|| panic!("{file}: no budget"))["spec"];
            assert_eq!(&budget["selector"]["matchLabels"], labels, "{file}");
            assert_eq!(object["spec"]["replicas"], 2, "{file}: one may be away");
        }
        check_references(&objects);
    }
    assert_eq!(deployments, 2);
}

/// Who may connect to htgate and to the registry: each front says for itself, and what htgate is then
/// told to be behind.
#[test]
fn each_front_lets_itself_in_and_says_what_it_is() {
    let objects = |file: &str| {
        let path = repository("kubernetes").join(file);
        yaml::objects(&fs::read_to_string(path).unwrap())
    };
    let name = "app.kubernetes.io/name";
    let gateway = json!({"podSelector": {"matchLabels": {
        "gateway.networking.k8s.io/gateway-name": "registry"}}});
    let namespace = |of: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": of}}});
    let rows = [
        (
            "htgate.yaml",
            "htgate",
            "http".into(),
            namespace("monitoring"),
        ),
        ("gateway.yaml", "htgate", "http".into(), gateway.clone()),
        ("gateway.yaml", "registry", json!(5000), gateway),
        (
            "ingress-nginx.yaml",
            "htgate",
            "http".into(),
            namespace("ingress-nginx"),
        ),
        (
            "ingress-nginx.yaml",
            "registry",
            json!(5000),
            namespace("ingress-nginx"),
        ),
        (
            "nginx-pod.yaml",
            "registry",
            json!(5000),
            json!({"podSelector": {"matchLabels": {name: "registry-gate"}}}),
        ),
    ];
    let mut policies = 0;
    for (file, pods, port, from) in &rows {
        let objects = objects(file);
        let mut of_pods = objects.iter().filter(|object| {
            object["kind"] == "NetworkPolicy"
                && object["spec"]["podSelector"]["matchLabels"] == json!({name: pods})
        });
        let policy = &of_pods.next().unwrap_or_else(|| panic!("{file}: {pods}"))["spec"];
        assert_eq!(of_pods.next(), None, "{file}");
        assert_eq!(
            policy["ingress"],
            json!([{"from": [from], "ports": [{"port": port}]}])
        );
        policies += 1;
    }
    let all = manifests();
    let all = all
        .iter()
        .flat_map(|file| yaml::objects(&fs::read_to_string(file).unwrap()));
    let all: Vec<Value> = all.collect();
    let written = all
        .iter()
        .filter(|object| object["kind"] == "NetworkPolicy");
    assert_eq!(written.count(), policies);
    // The label is the Gateway's name.
    let gateways = all.iter().filter(|object| object["kind"] == "Gateway");
    let gateways: Vec<_> = gateways.map(|object| &object["metadata"]["name"]).collect();
    assert_eq!(gateways, ["registry"]);

    for (file, front) in [
        ("external-auth.yaml", "gateway-fabric"),
        ("snippets.yaml", "nginx"),
        ("ingress-nginx.yaml", "ingress-nginx"),
    ] {
        let objects = objects(file);
        let map = objects
            .iter()
            .find(|object| object["kind"] == "ConfigMap")
            .unwrap();
        assert_eq!(map["metadata"]["name"], "htgate-front", "{file}");
        assert_eq!(map["data"], json!({"front": front}), "{file}");
    }
    let htgate = objects("htgate.yaml");
    let deployment = htgate
        .iter()
        .find(|object| object["kind"] == "Deployment")
        .unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mut environment = container["env"].as_array().unwrap().iter();
    let front = environment.find(|variable| variable["name"] == "HTGATE_FRONT");
    let front = &front.unwrap()["valueFrom"]["configMapKeyRef"];
    assert_eq!(front, &json!({"name": "htgate-front", "key": "front"}));
}

/// Containers that may do nothing more than they must.
fn check_pod(pod: &Value) {
    let of_pod = &pod["securityContext"];
    assert_eq!(of_pod["runAsNonRoot"], true);
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    // A Service named htgate would set HTGATE_PORT and others.
    assert_eq!(pod["enableServiceLinks"], false);
    let containers = pod["initContainers"].as_array().into_iter().flatten();
    for container in containers.chain(pod["containers"].as_array().unwrap()) {
        let name = &container["name"];
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(context["capabilities"]["drop"][0], "ALL", "{name}");
        let user = context
            .get("runAsUser")
            .unwrap_or_else(|| &of_pod["runAsUser"]);
        assert!(user.as_u64().unwrap() > 0, "{name}");
        for kind in ["readinessProbe", "livenessProbe"] {
            assert!(container[kind].is_object(), "{name} has a {kind}");
        }
        let resources = &container["resources"];
        assert!(resources["requests"]["cpu"].is_string(), "{name}");
        assert!(resources["limits"]["memory"].is_string(), "{name}");
        // Hashing would take the time of those who answer.
        assert!(resources["limits"]["cpu"].is_null(), "{name}");
        for mount in container["volumeMounts"].as_array().unwrap() {
            let mut volumes = pod["volumes"].as_array().unwrap().iter();
            let volume = volumes.find(|volume| volume["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("{name}: no volume for {mount}"));
            if volume["secret"].is_object() {
                assert!(mount["subPath"].is_null(), "{mount}: would never change");
                // For its group alone, and that is the pod's.
                assert_eq!(volume["secret"]["defaultMode"], 0o440);
                assert!(of_pod["fsGroup"].is_u64());
            }
        }
    }
}

/// A Service's pods and ports are those of the Deployment beside it.
fn check_references(objects: &[Value]) {
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment");
    for service in objects.iter().filter(|object| object["kind"] == "Service") {
        let template = &deployment.expect("a Deployment")["spec"]["template"];
        assert_eq!(service["spec"]["selector"], template["metadata"]["labels"]);
        for port in service["spec"]["ports"].as_array().unwrap() {
            let containers = template["spec"]["containers"].as_array().unwrap();
            let mut ports = containers
                .iter()
                .flat_map(|c| c["ports"].as_array().unwrap());
            assert!(ports.any(|has| has["name"] == port["targetPort"]), "{port}");
        }
    }
}

/// The socket, the files and the names that the manifests share with what is shipped besides.
#[test]
fn manifests_agree_with_the_shipped_files() {
    let read = |path: &str| fs::read_to_string(repository(path)).unwrap();
    let pod = read("kubernetes/nginx-pod.yaml");
    assert!(read("nginx/htgate.conf").contains("unix:/run/htgate/htgate.sock"));
    assert!(pod.contains("value: unix:/run/htgate/htgate.sock"));
    for file in [
        "htgate.conf",
        "htgate-server.conf",
        "htgate-locations.conf",
        "htgate-gate.conf",
        "registry.conf",
    ] {
        assert!(pod.contains(&format!("--from-file=nginx/{file}")), "{file}");
        assert!(repository("nginx").join(file).exists());
        assert!(pod.contains(&format!("key: {file}")), "{file}");
    }
    let registry = read("nginx/registry.conf");
    for path in ["/etc/nginx/certs", "/etc/nginx/htgate-server.conf"] {
        assert!(registry.contains(path) && pod.contains(path), "{path}");
    }
    for name in ["domain.crt", "domain.key"] {
        assert!(registry.contains(name) && pod.contains(name), "{name}");
    }
    let user = read("compose/Dockerfile");
    assert!(user.contains("USER 65532:65532") && pod.contains("runAsUser: 65532"));
    let ingress = read("kubernetes/ingress-nginx.yaml");
    assert!(ingress.contains("auth-method: GET"));
    // It would make every 204 a 500.
    assert!(!ingress.contains("auth-keepalive"));
}
