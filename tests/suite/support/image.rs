//! An image from nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{run, said};

/// An image for skopeo, of a few random layers, in its `dir:` format.
pub fn image(folder: &Path, layers: usize) -> PathBuf {
    let image = folder.join("image");
    fs::create_dir(&image).unwrap();
    let blob = |bytes: &[u8]| {
        let aside = image.join("aside");
        fs::write(&aside, bytes).unwrap();
        let digest = said(&run(Command::new("sha256sum").arg(&aside)));
        let digest = digest.split(' ').next().unwrap().to_owned();
        fs::rename(&aside, image.join(&digest)).unwrap();
        (digest, bytes.len())
    };
    let layers: Vec<_> = (0..layers)
        .map(|n| {
            let file = folder.join(format!("layer-{n}"));
            fs::write(&file, format!("{n} {file:?}").repeat(1000)).unwrap();
            let tar = folder.join("tar");
            run(Command::new("tar")
                .arg("-czf")
                .arg(&tar)
                .arg("-C")
                .arg(folder)
                .arg(format!("layer-{n}")));
            blob(&fs::read(&tar).unwrap())
        })
        .collect();
    let (config, length) =
        blob(br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#);
    let kind = "application/vnd.docker";
    let entries: Vec<_> = layers
        .iter()
        .map(|(digest, length)| {
            format!(
                r#"{{"mediaType":"{kind}.image.rootfs.diff.tar.gzip","size":{length},"digest":"sha256:{digest}"}}"#
            )
        })
        .collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}.distribution.manifest.v2+json","config":{{"mediaType":"{kind}.container.image.v1+json","size":{length},"digest":"sha256:{config}"}},"layers":[{}]}}"#,
        entries.join(",")
    );
    fs::write(image.join("manifest.json"), manifest).unwrap();
    fs::write(image.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    image
}
