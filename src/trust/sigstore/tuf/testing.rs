//! TUF repositories made for a test, with keys of their own. Uses other crates alone: the tests of the program read this
//! file too.

use std::collections::BTreeMap;

use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use sigstore_tuf::canonical_json::to_canonical_bytes;

/// A key and its id.
pub struct Key {
    pair: KeyPair,
    pub id: String,
}

impl Key {
    pub fn new(id: &str) -> Self {
        let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        Self { pair, id: id.to_owned() }
    }

    pub fn public(&self) -> Value {
        let public = hex::encode(self.pair.public_key_raw());
        json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public } })
    }

    fn sign(&self, message: &[u8]) -> Value {
        json!({ "keyid": self.id, "sig": hex::encode(self.pair.sign(message).unwrap()) })
    }
}

/// `signed`, signed by these keys.
pub fn sealed(signed: &Value, keys: &[&Key]) -> Vec<u8> {
    let message = to_canonical_bytes(signed).unwrap();
    let signatures: Vec<Value> = keys.iter().map(|key| key.sign(&message)).collect();
    json!({ "signatures": signatures, "signed": signed }).to_string().into_bytes()
}

fn pin(version: u64, bytes: &[u8]) -> Value {
    let sha256 = hex::encode(sigstore_crypto::sha256(bytes).as_bytes());
    json!({ "version": version, "length": bytes.len(), "hashes": { "sha256": sha256 } })
}

/// A repository.
pub struct Repository {
    pub root_keys: Vec<Key>,
    pub threshold: i64,
    pub online: Key,
    pub targets_key: Key,
    /// Version of everything below the root.
    pub version: u64,
    /// When timestamp and snapshot expire.
    pub expires: String,
    /// When root and targets expire.
    pub root_expires: String,
    pub trusted_root: Vec<u8>,
    /// Every file, by its path.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Repository {
    /// A repository with the root 1 and the lower files at version 1.
    pub fn new(trusted_root: &[u8]) -> Self {
        let mut repository = Self {
            root_keys: ["root-a", "root-b", "root-c"].map(Key::new).into(),
            threshold: 2,
            online: Key::new("online"),
            targets_key: Key::new("targets"),
            version: 1,
            expires: "2026-01-10T00:00:00Z".to_owned(),
            root_expires: "2100-01-01T00:00:00Z".to_owned(),
            trusted_root: trusted_root.to_vec(),
            files: BTreeMap::new(),
        };
        let root = repository.root(1);
        let keys: Vec<&Key> = repository.root_keys.iter().collect();
        let sealed = sealed(&root, &keys);
        repository.files.insert("1.root.json".to_owned(), sealed);
        repository.publish();
        repository
    }

    pub fn initial(&self) -> &[u8] {
        &self.files["1.root.json"]
    }

    /// The root with these keys, unsigned.
    pub fn root(&self, version: u64) -> Value {
        let all = self.root_keys.iter().chain([&self.online, &self.targets_key]);
        let keys: BTreeMap<&str, Value> = all.map(|key| (key.id.as_str(), key.public())).collect();
        let ids: Vec<&str> = self.root_keys.iter().map(|key| key.id.as_str()).collect();
        let one = |key: &Key| json!({ "keyids": [key.id], "threshold": 1 });
        json!({
            "_type": "root", "spec_version": "1.0.31", "version": version,
            "expires": self.root_expires, "consistent_snapshot": true, "keys": keys,
            "roles": {
                "root": { "keyids": ids, "threshold": self.threshold },
                "timestamp": one(&self.online), "snapshot": one(&self.online),
                "targets": one(&self.targets_key),
            },
        })
    }

    /// Replaces the root keys and the online key, and publishes the root that says so, signed by old and new ones.
    pub fn rotate(&mut self, version: u64) {
        let new = ["a", "b", "c"].map(|name| Key::new(&format!("root-{version}-{name}")));
        let old = std::mem::replace(&mut self.root_keys, new.into());
        self.online = Key::new(&format!("online-{version}"));
        let root = self.root(version);
        let keys: Vec<&Key> = old.iter().take(2).chain(self.root_keys.iter().take(2)).collect();
        let sealed = sealed(&root, &keys);
        self.files.insert(format!("{version}.root.json"), sealed);
    }

    /// The targets file, unsigned.
    pub fn targets(&self) -> Value {
        let mut target = pin(0, &self.trusted_root);
        target.as_object_mut().unwrap().remove("version");
        json!({
            "_type": "targets", "spec_version": "1.0.31", "version": self.version,
            "expires": self.root_expires, "targets": { "trusted_root.json": target },
        })
    }

    /// Publishes all lower files.
    pub fn publish(&mut self) {
        let targets = self.targets();
        self.publish_targets(&targets);
    }

    /// Publishes all lower files, with these targets.
    pub fn publish_targets(&mut self, targets: &Value) {
        let version = self.version;
        let targets = sealed(targets, &[&self.targets_key]);
        let snapshot = json!({
            "_type": "snapshot", "spec_version": "1.0.31", "version": version,
            "expires": self.expires, "meta": { "targets.json": pin(version, &targets) },
        });
        let snapshot = sealed(&snapshot, &[&self.online]);
        let timestamp = json!({
            "_type": "timestamp", "spec_version": "1.0.31", "version": version,
            "expires": self.expires, "meta": { "snapshot.json": pin(version, &snapshot) },
        });
        let hash = hex::encode(sigstore_crypto::sha256(&self.trusted_root).as_bytes());
        let files = [
            (format!("{version}.targets.json"), targets),
            (format!("{version}.snapshot.json"), snapshot),
            ("timestamp.json".to_owned(), sealed(&timestamp, &[&self.online])),
            (format!("targets/{hash}.trusted_root.json"), self.trusted_root.clone()),
        ];
        self.files.extend(files);
    }
}
