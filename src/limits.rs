//! Every bound that hallmark puts on what strangers send.
//!
//! Each field says its unit, the attack that it stops (ids of `docs/attacks.md`) and has its safe value in
//! [`Limits::default`]. The operator may change one under `limits` in `hallmark.yaml`; nothing that comes from an image
//! or a request can. What exceeds a limit is a finding that names the limit, never a truncated success.

use std::time::Duration;

use crate::json::{self, Bounds};

/// The bounds of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an index or image manifest (distribution-spec v1.1 asks for at least 4 MiB; C2).
    pub manifest_bytes: usize,
    /// Bytes of an image configuration (C2).
    pub config_bytes: usize,
    /// Bytes of one attestation, signature or SBOM document (C1; BuildKit caps at 40 MiB).
    pub attestation_bytes: usize,
    /// Bytes of manifests, indexes and configurations of one image, with what their values take when they are read: a sum over
    /// one index (C24).
    pub image_document_bytes: u64,
    /// Bytes of manifests, configurations and attestations that one process holds at the same time; who needs more waits
    /// (C13, C24).
    pub process_evidence_bytes: u64,
    /// Values (objects, arrays, texts, numbers) in one JSON document or predicate that is held as values (C13).
    pub json_values: usize,
    /// Values in one attestation or SBOM, of which most are passed over or stay text (C13).
    pub attestation_values: usize,
    /// Attestations and signatures read for one image (C3); so many that junk has to be plenty to take their place (H35).
    pub attestations: usize,
    /// Signatures that are checked for one image, each with each key (C22); so many that the first of each piece has its turn
    /// (H41).
    pub signature_checks: usize,
    /// Entries in an index (C2).
    pub index_manifests: usize,
    /// Indexes inside indexes, in levels: an index that points to itself ends here.
    pub index_depth: usize,
    /// Layers of one image (C2).
    pub layers: usize,
    /// Bytes of one stored (compressed) layer.
    pub layer_bytes: u64,
    /// Bytes of all stored layers of one image, as its manifest states them (C15).
    pub image_bytes: u64,
    /// Bytes of memory that the trees of files of all images take that one process looks into; who needs more waits (C25).
    pub process_tree_bytes: u64,
    /// Bytes of stored layers that one process holds on disk at the same time; who needs more waits (C15).
    pub process_layer_bytes: u64,
    /// Bytes of one layer after decompression (C5).
    pub layer_inflated_bytes: u64,
    /// Bytes out that each byte in accounts for (C5).
    pub inflate_ratio: u64,
    /// Bytes out beyond those, of all layers of one image: long runs of zeros, which sparse files leave (C5).
    pub inflate_free_bytes: u64,
    /// Entries in one layer's tar (C5).
    pub tar_entries: usize,
    /// Bytes of one tar path or link target.
    pub tar_path_bytes: usize,
    /// Bytes of PAX headers of one entry.
    pub tar_pax_bytes: usize,
    /// Bytes of one file that is read whole from a layer: a package database, a build manifest.
    pub file_bytes: u64,
    /// Bytes of all paths, attributes and file contents that are kept of one image (C5).
    pub rootfs_bytes: u64,
    /// Bytes of memory that what one catalogue of packages finds in an image takes (C25).
    pub catalogue_bytes: u64,
    /// Subjects of one statement (B4; as sigstore-go).
    pub subjects: usize,
    /// Digests of one subject (B4; as sigstore-go).
    pub subject_digests: usize,
    /// Signatures in one envelope (A15).
    pub signatures: usize,
    /// Certificates beside one signature (C4).
    pub certificates: usize,
    /// Entries of transparency logs beside one signature (C4; as sigstore-go).
    pub log_entries: usize,
    /// Timestamps beside one signature (C4; as sigstore-go).
    pub timestamps: usize,
    /// Steps and inspections of one in-toto layout.
    pub layout_steps: usize,
    /// Keys of functionaries in one in-toto layout (A24).
    pub layout_keys: usize,
    /// Artifact rules in one in-toto layout (B5).
    pub layout_rules: usize,
    /// Links and sublayouts that are looked at for one in-toto layout (C3).
    pub layout_links: usize,
    /// Layouts inside layouts, in levels; 1 means no sublayout.
    pub layout_depth: usize,
    /// Materials, or products, of one in-toto link.
    pub link_artifacts: usize,
    /// Bytes of one trusted root.
    pub trusted_root_bytes: usize,
    /// Packages in one SBOM or package database.
    pub packages: usize,
    /// Differences that are kept in one comparison; the rest is counted.
    pub differences: usize,
    /// Bytes of one differing file that are held to look into it (C5).
    pub explain_bytes: u64,
    /// Time for one request to a registry, to its last header.
    pub request: Duration,
    /// Time in which a transfer must move at least one byte (P4).
    pub stall: Duration,
    /// Times that a request is tried.
    pub attempts: u32,
    /// Pages of one listing (C3).
    pub pages: usize,
    /// Time for evaluating the policies over one image (C8).
    pub policy: Duration,
    /// Bytes of one policy input as JSON: what evaluation allocates grows with it (C8).
    pub policy_bytes: u64,
    /// Time for one rebuild, the engine's start included.
    pub rebuild: Duration,
    /// Bytes on disk that one rebuild may take, base images and results included (G1).
    pub rebuild_disk_bytes: u64,
    /// Bytes of memory that all programs of one rebuild may take together, where control groups can be made (G1).
    pub rebuild_memory_bytes: u64,
    /// Processes and threads of one rebuild, where control groups can be made (G1).
    pub rebuild_processes: u64,
    /// Bytes of build log that are kept (the end of it).
    pub log_bytes: usize,
    /// Time for a program that signs.
    pub signing: Duration,
    /// Bytes of one admission request (E16).
    pub review_bytes: usize,
}

/// A limit as the operator writes it in `hallmark.yaml`: the field `layer_bytes` is `limits.layerBytes`. Every message that
/// names a limit gets the name here.
pub fn key(field: &str) -> String {
    let mut key = "limits.".to_owned();
    let mut words = field.split('_');
    key.extend(words.next());
    for word in words {
        let mut letters = word.chars();
        key.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        key.push_str(letters.as_str());
    }
    key
}

impl Limits {
    /// A JSON document of so many bytes that is held as values.
    pub fn json(&self, bytes: usize) -> Bounds {
        Bounds { bytes, values: self.json_values, values_limit: Some("limits.jsonValues") }
    }

    /// An attestation or SBOM.
    pub fn attestation(&self) -> Bounds {
        let (bytes, values) = (self.attestation_bytes, self.attestation_values);
        Bounds { bytes, values, values_limit: Some("limits.attestationValues") }
    }
}

/// A mebibyte.
const MIB: usize = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest_bytes: 4 * MIB,
            config_bytes: 8 * MIB,
            attestation_bytes: 40 * MIB,
            image_document_bytes: 32 << 20,
            process_evidence_bytes: 160 << 20,
            json_values: json::MAX_VALUES,
            attestation_values: 1_000_000,
            attestations: 2048,
            signature_checks: 16_384,
            index_manifests: 1024,
            index_depth: 4,
            layers: 512,
            layer_bytes: 16 << 30,
            image_bytes: 64 << 30,
            process_tree_bytes: 192 << 20,
            process_layer_bytes: 64 << 30,
            layer_inflated_bytes: 32 << 30,
            inflate_ratio: 200,
            inflate_free_bytes: 1 << 30,
            tar_entries: 2_000_000,
            tar_path_bytes: 4096,
            tar_pax_bytes: MIB,
            file_bytes: 256 << 20,
            rootfs_bytes: 1 << 30,
            catalogue_bytes: 16 << 20,
            subjects: 1024,
            subject_digests: 32,
            signatures: 16,
            certificates: 10,
            log_entries: 32,
            timestamps: 32,
            layout_steps: 128,
            layout_keys: 128,
            layout_rules: 1024,
            layout_links: 256,
            layout_depth: 4,
            link_artifacts: 100_000,
            trusted_root_bytes: 4 * MIB,
            packages: 200_000,
            differences: 1000,
            explain_bytes: 32 << 20,
            request: Duration::from_secs(30),
            stall: Duration::from_secs(20),
            attempts: 4,
            pages: 64,
            policy: Duration::from_millis(2000),
            policy_bytes: 64 << 20,
            rebuild: Duration::from_secs(30 * 60),
            rebuild_disk_bytes: 64 << 30,
            rebuild_memory_bytes: 8 << 30,
            rebuild_processes: 8192,
            log_bytes: MIB,
            signing: Duration::from_secs(60),
            review_bytes: 7 * MIB,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_the_key_that_raises_them() {
        let limits = Limits::default();
        let keys = [limits.json(1).values_limit, limits.attestation().values_limit];
        let want = [key("json_values"), key("attestation_values")];
        assert_eq!(keys.map(|key| key.map(str::to_owned)), want.map(Some));
    }
}
