//! The `limits` section: every field of [`Limits`] under its camelCase name.

use std::time::Duration;

use super::units;
use crate::limits::Limits;

/// A kind of limit: how it is written and read.
trait Bound: Sized {
    const EXPECTED: &'static str;
    fn read(value: &yaml_serde::Value) -> Option<Self>;
    fn show(&self) -> String;
}

/// Bytes in a field that is a `usize` or `u64`; the type of the field does not say what it counts, the table does.
struct Bytes(u64);
/// A count above 0.
struct Count(u64);
/// A time.
struct Time(Duration);

impl Bound for Bytes {
    const EXPECTED: &'static str = units::BYTES;
    fn read(value: &yaml_serde::Value) -> Option<Self> {
        match value {
            yaml_serde::Value::Number(number) => number.as_u64().filter(|n| *n > 0).map(Self),
            yaml_serde::Value::String(text) => units::bytes(text).map(Self),
            _ => None,
        }
    }
    fn show(&self) -> String {
        units::show_bytes(self.0)
    }
}

impl Bound for Count {
    const EXPECTED: &'static str = "a whole number above 0";
    fn read(value: &yaml_serde::Value) -> Option<Self> {
        value.as_u64().filter(|n| *n > 0).map(Self)
    }
    fn show(&self) -> String {
        self.0.to_string()
    }
}

impl Bound for Time {
    const EXPECTED: &'static str = units::DURATION;
    fn read(value: &yaml_serde::Value) -> Option<Self> {
        value.as_str().and_then(units::duration).map(Self)
    }
    fn show(&self) -> String {
        units::show_duration(self.0)
    }
}

/// A number that becomes a field of another width, or nothing where it does not fit.
fn fit<T: TryFrom<u64>>(number: u64) -> Option<T> {
    T::try_from(number).ok()
}

impl Bytes {
    fn into_field<T: TryFrom<u64>>(self) -> Option<T> {
        fit(self.0)
    }
    fn of(field: impl TryInto<u64>) -> Self {
        Self(field.try_into().unwrap_or(u64::MAX))
    }
}
impl Count {
    fn into_field<T: TryFrom<u64>>(self) -> Option<T> {
        fit(self.0)
    }
    fn of(field: impl TryInto<u64>) -> Self {
        Self(field.try_into().unwrap_or(u64::MAX))
    }
}
impl Time {
    fn into_field(self) -> Option<Duration> {
        Some(self.0)
    }
    fn of(field: Duration) -> Self {
        Self(field)
    }
}

/// Why one limit was not set.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is no such limit.
    Unknown,
    /// The value is of another kind; this is what is read.
    Expected(&'static str),
}

macro_rules! bounds {
    ($($name:literal => $field:ident: $kind:ident,)*) => {
        /// Sets the limit `name` to `value`.
        pub(super) fn set(
            limits: &mut Limits,
            name: &str,
            value: &yaml_serde::Value,
        ) -> Result<(), Refused> {
            match name {
                $($name => {
                    limits.$field = $kind::read(value)
                        .and_then($kind::into_field)
                        .ok_or(Refused::Expected($kind::EXPECTED))?;
                })*
                _ => return Err(Refused::Unknown),
            }
            Ok(())
        }

        /// Name and value of every limit, as they are written in the file.
        pub fn table(limits: &Limits) -> Vec<(&'static str, String)> {
            // Without `..`: a field that is missing in the table does not compile.
            let Limits { $($field),* } = limits;
            vec![$(($name, $kind::of(*$field).show())),*]
        }

        /// Every field with its name in the file.
        #[cfg(test)]
        const NAMES: &[(&str, &str)] = &[$((stringify!($field), $name)),*];
    };
}

bounds! {
    "manifestBytes" => manifest_bytes: Bytes,
    "configBytes" => config_bytes: Bytes,
    "attestationBytes" => attestation_bytes: Bytes,
    "imageDocumentBytes" => image_document_bytes: Bytes,
    "processEvidenceBytes" => process_evidence_bytes: Bytes,
    "jsonValues" => json_values: Count,
    "attestationValues" => attestation_values: Count,
    "attestations" => attestations: Count,
    "signatureChecks" => signature_checks: Count,
    "indexManifests" => index_manifests: Count,
    "indexDepth" => index_depth: Count,
    "layers" => layers: Count,
    "layerBytes" => layer_bytes: Bytes,
    "imageBytes" => image_bytes: Bytes,
    "processTreeBytes" => process_tree_bytes: Bytes,
    "processLayerBytes" => process_layer_bytes: Bytes,
    "layerInflatedBytes" => layer_inflated_bytes: Bytes,
    "inflateRatio" => inflate_ratio: Count,
    "inflateFreeBytes" => inflate_free_bytes: Bytes,
    "tarEntries" => tar_entries: Count,
    "tarPathBytes" => tar_path_bytes: Bytes,
    "tarPaxBytes" => tar_pax_bytes: Bytes,
    "fileBytes" => file_bytes: Bytes,
    "rootfsBytes" => rootfs_bytes: Bytes,
    "catalogueBytes" => catalogue_bytes: Bytes,
    "subjects" => subjects: Count,
    "subjectDigests" => subject_digests: Count,
    "signatures" => signatures: Count,
    "certificates" => certificates: Count,
    "logEntries" => log_entries: Count,
    "timestamps" => timestamps: Count,
    "layoutSteps" => layout_steps: Count,
    "layoutKeys" => layout_keys: Count,
    "layoutRules" => layout_rules: Count,
    "layoutLinks" => layout_links: Count,
    "layoutDepth" => layout_depth: Count,
    "linkArtifacts" => link_artifacts: Count,
    "trustedRootBytes" => trusted_root_bytes: Bytes,
    "packages" => packages: Count,
    "differences" => differences: Count,
    "explainBytes" => explain_bytes: Bytes,
    "request" => request: Time,
    "stall" => stall: Time,
    "attempts" => attempts: Count,
    "pages" => pages: Count,
    "policy" => policy: Time,
    "policyBytes" => policy_bytes: Bytes,
    "rebuild" => rebuild: Time,
    "rebuildDiskBytes" => rebuild_disk_bytes: Bytes,
    "rebuildMemoryBytes" => rebuild_memory_bytes: Bytes,
    "rebuildProcesses" => rebuild_processes: Count,
    "logBytes" => log_bytes: Bytes,
    "signing" => signing: Time,
    "reviewBytes" => review_bytes: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_reads_back_what_it_shows_and_refuses_nonsense() {
        let defaults = Limits::default();
        for (name, shown) in table(&defaults) {
            let mut limits = Limits::default();
            let value: yaml_serde::Value = yaml_serde::from_str(&shown).expect("a scalar");
            assert_eq!(set(&mut limits, name, &value), Ok(()), "{name}: {shown}");
            assert_eq!(limits, defaults, "{name}");
            for nonsense in ["0", "-1", "[]", "null", "soon", "true"] {
                let value: yaml_serde::Value = yaml_serde::from_str(nonsense).expect("YAML");
                assert!(
                    matches!(set(&mut limits, name, &value), Err(Refused::Expected(_))),
                    "{name}: {nonsense}"
                );
            }
            assert_eq!(limits, defaults, "{name}: a refused value changed it");
        }
    }

    #[test]
    fn messages_name_a_limit_as_the_file_does() {
        for (field, name) in NAMES {
            assert_eq!(crate::limits::key(field), format!("limits.{name}"));
        }
    }

    #[test]
    fn a_value_lands_in_its_own_field() {
        let mut limits = Limits::default();
        for (name, text) in [("layerBytes", "1GiB"), ("rebuild", "5m"), ("attempts", "2")] {
            let value = yaml_serde::from_str(text).expect("YAML");
            set(&mut limits, name, &value).expect(name);
        }
        let want = Limits {
            layer_bytes: 1 << 30,
            rebuild: Duration::from_secs(300),
            attempts: 2,
            ..Limits::default()
        };
        assert_eq!(limits, want);
        let too_wide = yaml_serde::from_str("4294967296").expect("YAML");
        assert!(set(&mut limits, "attempts", &too_wide).is_err(), "does not fit in 32 bits");
        assert_eq!(set(&mut limits, "layerbytes", &too_wide), Err(Refused::Unknown));
    }
}
