//! Every bound that hallmark puts on what strangers send.
//!
//! One table: name, unit, default, least and most, and the attacks that it stops (ids of `docs/attacks.md`). The operator may
//! change a limit under `limits` in `hallmark.yaml`; nothing that comes from an image or a request can. What exceeds a limit
//! is a finding that names the limit, never a truncated success. Adding a limit is: a row here and a row in
//! `docs/configuration.md`, which a test holds against each other.

use std::time::Duration;

use crate::json::{self, Bounds};

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things, from 1.
    Count,
    /// Milliseconds.
    Time,
}

impl Unit {
    /// Least and most of a limit whose row says no others: with these, sums and products of a few limits do not overflow.
    const fn range(self) -> (u64, u64) {
        match self {
            Self::Bytes => (1, 1 << 60),
            Self::Count => (1, 4_294_967_295),
            Self::Time => (1, 30 * 24 * 60 * 60 * 1000),
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Name of the field of [`Limits`].
    pub field: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Least and most that the operator can set.
    pub range: (u64, u64),
    /// Whether the row itself says them.
    pub own_range: bool,
    /// Attacks that it stops, as ids of `docs/attacks.md`.
    pub attacks: &'static [&'static str],
    get: fn(&Limits) -> u64,
    set: fn(&mut Limits, u64) -> Option<()>,
}

/// An amount that a limit cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfRange;

impl Limit {
    /// The name in `hallmark.yaml`: `limits.layerBytes`.
    pub fn key(&self) -> String {
        key(self.field)
    }

    /// What `limits` has for it, in its unit.
    pub fn of(&self, limits: &Limits) -> u64 {
        (self.get)(limits)
    }

    /// Sets it, in its unit.
    ///
    /// # Errors
    /// Less than the least or more than the most; nothing is changed then.
    pub fn put(&self, limits: &mut Limits, amount: u64) -> Result<(), OutOfRange> {
        let (least, most) = self.range;
        if !(least..=most).contains(&amount) {
            return Err(OutOfRange);
        }
        (self.set)(limits, amount).ok_or(OutOfRange)
    }
}

/// A field's type, from and to the unit of its row.
trait Amount: Copy {
    fn of(units: u64) -> Option<Self>;
    fn units(self) -> u64;
}

macro_rules! numbers {
    ($($type:ty)*) => { $(
        impl Amount for $type {
            fn of(units: u64) -> Option<Self> {
                units.try_into().ok()
            }
            fn units(self) -> u64 {
                self.try_into().unwrap_or(u64::MAX)
            }
        }
    )* };
}

numbers! { usize u64 u32 }

impl Amount for Duration {
    fn of(units: u64) -> Option<Self> {
        Some(Self::from_millis(units))
    }
    fn units(self) -> u64 {
        self.as_millis().try_into().unwrap_or(u64::MAX)
    }
}

macro_rules! limits {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident: $type:ty = $unit:ident($default:expr) $(in $range:expr)? $(, stops $($attack:ident)+)?;
    )*) => {
        /// The bounds of one run.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits { $(
            $(#[doc = $doc])+
            $(
                #[doc = ""]
                #[doc = concat!("Stops", $(" ", stringify!($attack),)+ ".")]
            )?
            pub $field: $type,
        )* }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Limits {
            /// Every limit, in the order of the table.
            pub const TABLE: &'static [Limit] = &[$(
                Limit {
                    field: stringify!($field),
                    unit: Unit::$unit,
                    range: [$($range,)? Unit::$unit.range()][0],
                    own_range: [$({ let _ = $range; true },)? false][0],
                    attacks: &[$($(stringify!($attack)),+)?],
                    get: |limits| limits.$field.units(),
                    set: |limits, units| {
                        limits.$field = Amount::of(units)?;
                        Some(())
                    },
                },
            )*];
        }
    };
}

/// A mebibyte.
const MIB: usize = 1 << 20;

limits! {
    /// Bytes of an index or image manifest (distribution-spec v1.1 asks for at least 4 MiB).
    manifest_bytes: usize = Bytes(4 * MIB), stops C2;
    /// Bytes of an image configuration.
    config_bytes: usize = Bytes(8 * MIB), stops C2;
    /// Bytes of one attestation, signature or SBOM document (BuildKit caps at 40 MiB).
    attestation_bytes: usize = Bytes(40 * MIB), stops C1;
    /// Bytes of manifests, indexes and configurations of one image, with what their values take when they are read: a
    /// sum over one index.
    image_document_bytes: u64 = Bytes(32 << 20), stops C24;
    /// Bytes of manifests, configurations and attestations that one process holds at the same time; who needs more
    /// waits.
    process_evidence_bytes: u64 = Bytes(160 << 20), stops C13 C24;
    /// Values (objects, arrays, texts, numbers) in one JSON document or predicate that is held as values.
    json_values: usize = Count(json::MAX_VALUES), stops C13;
    /// Values in one attestation or SBOM, of which most are passed over or stay text.
    attestation_values: usize = Count(1_000_000), stops C13;
    /// Bytes of one SBOM that is a file; what a registry attaches is held to `attestationBytes`, too.
    sbom_bytes: usize = Bytes(64 * MIB), stops C1;
    /// Values in one SBOM that is a file.
    sbom_values: usize = Count(5_000_000), stops C13;
    /// Bytes of SBOMs of one image that are read although nobody proved them; each counts a sixteenth of it at least.
    unproven_sbom_bytes: usize = Bytes(16 * MIB), stops C13;
    /// Relationships and dependencies of one SBOM.
    sbom_relationships: usize = Count(1_000_000), stops C13;
    /// Attestations and signatures read for one image; so many that junk has to be plenty to take their place.
    attestations: usize = Count(2048), stops C3 H35;
    /// Signatures that are checked for one image, each with each key; so many that the first of each piece has its
    /// turn.
    signature_checks: usize = Count(16_384), stops C22 H41;
    /// Entries in an index.
    index_manifests: usize = Count(1024), stops C2;
    /// Indexes inside indexes, in levels: an index that points to itself ends here.
    index_depth: usize = Count(4) in (1, 64);
    /// Layers of one image.
    layers: usize = Count(512), stops C2;
    /// Bytes of one stored (compressed) layer.
    layer_bytes: u64 = Bytes(16 << 30);
    /// Bytes of all stored layers of one image, as its manifest states them.
    image_bytes: u64 = Bytes(64 << 30), stops C15;
    /// Bytes of stored layers that one process holds on disk at the same time; who needs more waits.
    process_layer_bytes: u64 = Bytes(64 << 30), stops C15;
    /// Bytes of memory that the trees of files of all images take that one process looks into; who needs more waits.
    process_tree_bytes: u64 = Bytes(192 << 20), stops C25;
    /// Bytes of one layer after decompression.
    layer_inflated_bytes: u64 = Bytes(32 << 30), stops C5;
    /// Bytes out that each byte in accounts for.
    inflate_ratio: u64 = Count(200), stops C5;
    /// Bytes out beyond those, of all layers of one image: long runs of zeros, which sparse files leave.
    inflate_free_bytes: u64 = Bytes(1 << 30), stops C5;
    /// Entries in one layer's tar.
    tar_entries: usize = Count(2_000_000), stops C5;
    /// Bytes of one tar path or link target.
    tar_path_bytes: usize = Bytes(4096);
    /// Bytes of PAX headers of one entry.
    tar_pax_bytes: usize = Bytes(MIB);
    /// Bytes of one file that is read whole from a layer: a package database, a build manifest.
    file_bytes: u64 = Bytes(256 << 20);
    /// Bytes of all paths, attributes and file contents that are kept of one image.
    rootfs_bytes: u64 = Bytes(1 << 30), stops C5;
    /// Bytes of memory that what one catalogue of packages finds in an image takes.
    catalogue_bytes: u64 = Bytes(16 << 20), stops C25;
    /// Bytes of an image's files that are searched for secrets; that there are more is said.
    secret_bytes: u64 = Bytes(16 << 30), stops C5;
    /// Bytes of one file that are held to scan it by YARA rules; a larger one is scanned in parts, which is said.
    malware_file_bytes: u64 = Bytes(64 << 20) in (4096, 1_u64 << 32), stops C25 C63;
    /// Bytes of an image's files that are scanned by YARA rules; that there are more is said.
    malware_bytes: u64 = Bytes(16 << 30), stops C63;
    /// Time for scanning one file by YARA rules.
    malware_file_scan: Duration = Time(Duration::from_secs(10)), stops C63;
    /// Time for scanning all files of one image by YARA rules.
    malware_scan: Duration = Time(Duration::from_secs(5 * 60)), stops C63;
    /// Facts of one kind that are kept of one image: files with setuid, tools, secrets; the rest is counted.
    facts: usize = Count(1000);
    /// Subjects of one statement (as sigstore-go).
    subjects: usize = Count(1024), stops B4;
    /// Digests of one subject (as sigstore-go).
    subject_digests: usize = Count(32), stops B4;
    /// Signatures in one envelope.
    signatures: usize = Count(16), stops A15;
    /// Certificates beside one signature.
    certificates: usize = Count(10), stops C22;
    /// Entries of transparency logs beside one signature (as sigstore-go).
    log_entries: usize = Count(32), stops C22;
    /// Timestamps beside one signature (as sigstore-go).
    timestamps: usize = Count(32), stops C22;
    /// Steps and inspections of one in-toto layout.
    layout_steps: usize = Count(128);
    /// Keys of functionaries in one in-toto layout.
    layout_keys: usize = Count(128), stops A24;
    /// Artifact rules in one in-toto layout.
    layout_rules: usize = Count(1024), stops B5;
    /// Links and sublayouts that are looked at for one in-toto layout.
    layout_links: usize = Count(256), stops C3;
    /// Layouts inside layouts, in levels; 1 means no sublayout.
    layout_depth: usize = Count(4) in (1, 64);
    /// Materials, or products, of one in-toto link.
    link_artifacts: usize = Count(100_000);
    /// Bytes of one trusted root.
    trusted_root_bytes: usize = Bytes(4 * MIB);
    /// Packages in one SBOM or package database.
    packages: usize = Count(200_000);
    /// Files of one image that lists of packages name, with those of lists that later layers replaced.
    owned_files: usize = Count(2_000_000), stops C25;
    /// Modified and unowned files that are named of one image; the rest is counted.
    told_files: usize = Count(1000), stops C25;
    /// Differences that are kept in one comparison; the rest is counted.
    differences: usize = Count(1000);
    /// Bytes of one differing file that are held to look into it.
    explain_bytes: u64 = Bytes(32 << 20), stops C5;
    /// Time for one request to a registry, to its last header.
    request: Duration = Time(Duration::from_secs(30));
    /// Time in which a transfer must move at least one byte.
    stall: Duration = Time(Duration::from_secs(20)), stops C14;
    /// Times that a request is tried.
    attempts: u32 = Count(4) in (1, 100);
    /// Pages of one listing.
    pages: usize = Count(64), stops C3;
    /// Time for evaluating the policies over one image.
    policy: Duration = Time(Duration::from_millis(2000)), stops C8;
    /// Bytes of one policy input as JSON: what evaluation allocates grows with it.
    policy_bytes: u64 = Bytes(64 << 20), stops C8;
    /// Time for one rebuild, the engine's start included.
    rebuild: Duration = Time(Duration::from_secs(30 * 60));
    /// Bytes on disk that one rebuild may take, base images and results included.
    rebuild_disk_bytes: u64 = Bytes(64 << 30), stops G1;
    /// Bytes of memory that all programs of one rebuild may take together, where control groups can be made.
    rebuild_memory_bytes: u64 = Bytes(8 << 30), stops G1;
    /// Processes and threads of one rebuild, where control groups can be made.
    rebuild_processes: u64 = Count(8192), stops G1;
    /// Bytes of build log that are kept (the end of it).
    log_bytes: usize = Bytes(MIB);
    /// Time for a program that signs.
    signing: Duration = Time(Duration::from_secs(60));
    /// Bytes of one advisory or VEX document that is imported.
    advisory_bytes: usize = Bytes(64 * MIB), stops C28;
    /// Advisories in one database of vulnerabilities.
    advisories: usize = Count(4_000_000), stops C28;
    /// Bytes of all that one import reads, after decompression.
    import_bytes: u64 = Bytes(32 << 30), stops C28;
    /// Bytes of one database of vulnerabilities, which is held in memory.
    vulnerability_database_bytes: u64 = Bytes(2 << 30), stops C28;
    /// Bytes of the record of saved evidence: answers without a digest, and which files there are.
    saved_record_bytes: u64 = Bytes(64 << 20), stops I12;
    /// Bytes of one admission request.
    review_bytes: usize = Bytes(7 * MIB), stops E16;
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

    /// An SBOM by itself.
    pub fn sbom(&self) -> Bounds {
        let (bytes, values) = (self.sbom_bytes, self.sbom_values);
        Bounds { bytes, values, values_limit: Some("limits.sbomValues") }
    }

    /// An attestation.
    /// An advisory.
    pub fn advisory(&self) -> Bounds {
        let (bytes, values) = (self.advisory_bytes, self.attestation_values);
        Bounds { bytes, values, values_limit: Some("limits.attestationValues") }
    }

    /// An attestation or SBOM.
    pub fn attestation(&self) -> Bounds {
        let (bytes, values) = (self.attestation_bytes, self.attestation_values);
        Bounds { bytes, values, values_limit: Some("limits.attestationValues") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_name_the_key_that_raises_them() {
        let limits = Limits::default();
        let keys =
            [limits.json(1), limits.attestation(), limits.sbom()].map(|bounds| bounds.values_limit);
        let want = [key("json_values"), key("attestation_values"), key("sbom_values")];
        assert_eq!(keys.map(|key| key.map(str::to_owned)), want.map(Some));
    }

    #[test]
    fn every_default_is_within_its_range_and_the_ends_hold() {
        let defaults = Limits::default();
        for limit in Limits::TABLE {
            let (least, most) = limit.range;
            assert!((least..=most).contains(&limit.of(&defaults)), "{}", limit.field);
            for (amount, fits) in
                [(least - 1, false), (least, true), (most, true), (most + 1, false)]
            {
                let mut limits = Limits::default();
                assert_eq!(
                    limit.put(&mut limits, amount).is_ok(),
                    fits,
                    "{} {amount}",
                    limit.field
                );
                let left = if fits { amount } else { limit.of(&defaults) };
                assert_eq!(limit.of(&limits), left, "{}", limit.field);
                let others = Limits::TABLE.iter().filter(|other| other.field != limit.field);
                for other in others {
                    assert_eq!(other.of(&limits), other.of(&defaults), "{}", other.field);
                }
            }
        }
    }

    #[test]
    fn every_attack_that_a_limit_stops_is_described() {
        let attacks = include_str!("../docs/attacks.md");
        for limit in Limits::TABLE {
            for attack in limit.attacks {
                assert!(attacks.contains(&format!("\n| {attack} |")), "{}: {attack}", limit.field);
            }
        }
    }
}
