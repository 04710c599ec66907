//! Manifests, as Kubernetes reads them.

use serde_json::Value;

/// All objects of a manifest.
pub fn objects(text: &str) -> Vec<Value> {
    // 0440 is a mode there, as in YAML 1.1.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    serde_saphyr::from_multiple_with_options(text, options).unwrap()
}
