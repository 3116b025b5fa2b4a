//! Small image layouts, made deterministically, and spoiled on purpose.

use std::{fs, io::Write as _, path::Path};

use flate2::{Compression, GzBuilder, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

/// A layout in the making; every part can be replaced before or after it is written.
pub struct Layout {
    pub folder: tempfile::TempDir,
}

/// The parts of a one-layer image.
pub struct Parts {
    pub tar: Vec<u8>,
    pub layer: Vec<u8>,
    pub config: Value,
    pub manifest: Value,
}

/// A tar of regular files.
pub fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(1_700_000_000);
        builder.append_data(&mut header, path, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder: GzEncoder<Vec<u8>> =
        GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

impl Parts {
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let tar = tar(files);
        let layer = gzip(&tar);
        let mut parts = Self { tar, layer, config: Value::Null, manifest: Value::Null };
        parts.config = json!({
            "architecture": "amd64", "os": "linux",
            "config": {"Entrypoint": ["/bin/app"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(&parts.tar)]},
            "history": [{"created_by": "COPY app /bin/app"}],
        });
        parts.relink();
        parts
    }

    /// Makes the manifest again from the configuration and the layer.
    pub fn relink(&mut self) {
        let config = self.config.to_string();
        self.manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(config.as_bytes()), "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "digest": digest(&self.layer), "size": self.layer.len(),
            }],
        });
    }
}

impl Layout {
    /// A layout whose `index.json` names the image of `parts`.
    pub fn of(parts: &Parts) -> Self {
        let layout = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(layout.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::create_dir_all(layout.path().join("blobs/sha256")).unwrap();
        layout.blob(&parts.layer);
        layout.blob(parts.config.to_string().as_bytes());
        let manifest = parts.manifest.to_string();
        layout.blob(manifest.as_bytes());
        layout.index(&json!([{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(manifest.as_bytes()), "size": manifest.len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }]));
        layout
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn reference(&self) -> String {
        format!("oci:{}", self.path().display())
    }

    pub fn blob(&self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        fs::write(self.blob_path(&digest), bytes).unwrap();
        digest
    }

    pub fn blob_path(&self, digest: &str) -> std::path::PathBuf {
        self.path().join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
    }

    /// Makes this text the manifest of the one image.
    pub fn image(&self, manifest: &str) {
        let digest = self.blob(manifest.as_bytes());
        self.index(&json!([{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest, "size": manifest.len(),
            "platform": {"os": "linux", "architecture": "amd64"},
        }]));
    }

    /// Makes this text the configuration of the one image.
    pub fn configured(&self, parts: &Parts, config: &str) {
        let mut manifest = parts.manifest.clone();
        manifest["config"]["digest"] = json!(self.blob(config.as_bytes()));
        manifest["config"]["size"] = json!(config.len());
        self.image(&manifest.to_string());
    }

    pub fn index(&self, manifests: &Value) {
        fs::write(self.path().join("index.json"), index(manifests)).unwrap();
    }

    /// Makes an index of these manifests the one image.
    pub fn nest(&self, manifests: &Value) {
        let index = index(manifests);
        self.index(&json!([{
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": self.blob(index.as_bytes()), "size": index.len(),
        }]));
    }
}

fn index(manifests: &Value) -> String {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    })
    .to_string()
}
