//! Classes of predicates: what a trust rule lets a signer vouch for.
//!
//! Turns the words of `trust.rules[].predicates` into a [`PredicateClass`] and says which predicate types belong to it. A type
//! that no class knows can be named exactly, by its URI. There is no word for "everything": a signer who may vouch for
//! one kind of claim gains nothing by making another (attacks B1, B2).

use std::{fmt, str::FromStr};

use crate::attest::{
    predicate::{attributes, link, release, scan, summary, test_result, verification},
    provenance::{SLSA_V01, SLSA_V1, SLSA_V02},
    rebuilt::REBUILD_VERDICT,
    statement::SIGNATURE,
};

/// What a signer may vouch for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PredicateClass {
    /// A plain signature: "this image is ours".
    Signature,
    /// How the image was built: SLSA provenance v0.1, v0.2 or v1.
    Provenance,
    /// What is in it: SPDX or CycloneDX.
    Sbom,
    /// What a scanner found: cosign's vulnerability predicate or in-toto's.
    Vulnerabilities,
    /// That somebody rebuilt it.
    Rebuild,
    /// That a verifier judged it: SLSA's verification summary.
    Summary,
    /// That it has properties which a verifier checked: in-toto's simple verification result.
    VerificationResult,
    /// What tests gave: in-toto's test result.
    TestResult,
    /// Which release it is: in-toto's release.
    Release,
    /// Attributes with evidence: in-toto's SCAI.
    Attributes,
    /// A step of a supply chain: in-toto's link as a predicate.
    Link,
    /// Exactly this predicate type.
    Exact(String),
}

/// A word that names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no predicate; expected {words} or the URI of a predicate type", words = PredicateClass::WORDS.join(", "))]
pub struct PredicateClassError(pub String);

impl PredicateClass {
    /// The words that name a class.
    pub const WORDS: [&str; 11] = [
        "signature",
        "provenance",
        "sbom",
        "vulnerabilities",
        "rebuild",
        "summary",
        "verification-result",
        "test-result",
        "release",
        "attributes",
        "link",
    ];

    /// Whether claims of this type belong to the class.
    pub fn includes(&self, predicate_type: &str) -> bool {
        match self {
            Self::Signature => predicate_type == SIGNATURE,
            Self::Provenance => [SLSA_V01, SLSA_V02, SLSA_V1].contains(&predicate_type),
            Self::Sbom => ["https://spdx.dev/Document", "https://cyclonedx.org/bom"]
                .iter()
                .any(|family| is_version_of(family, predicate_type)),
            Self::Vulnerabilities => {
                [scan::V01, scan::V02].contains(&predicate_type)
                    || scan::COSIGN.contains(&predicate_type)
            }
            Self::Rebuild => predicate_type == REBUILD_VERDICT,
            Self::Summary => predicate_type == summary::TYPE,
            Self::VerificationResult => verification::TYPES.contains(&predicate_type),
            Self::TestResult => predicate_type == test_result::TYPE,
            Self::Release => predicate_type == release::TYPE,
            Self::Attributes => attributes::TYPES.contains(&predicate_type),
            Self::Link => link::TYPES.contains(&predicate_type),
            Self::Exact(uri) => predicate_type == uri,
        }
    }
}

/// Words for types of predicates: those that `cosign attest --type` takes, and those of the classes that mean one type.
const TYPES: &[(&str, &str)] = &[
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("openvex", "https://openvex.dev/ns"),
    ("provenance", "https://slsa.dev/provenance/v1"),
    ("rebuild", "https://hallmark.dev/rebuild-verdict/v0.1"),
    ("signature", SIGNATURE),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("vsa", "https://slsa.dev/verification_summary/v1"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("vulnerabilities", "https://cosign.sigstore.dev/attestation/vuln/v1"),
];

/// The predicate type that a word or URI names.
///
/// # Errors
/// Where it is neither.
pub fn predicate_type(text: &str) -> Result<String, PredicateTypeError> {
    if let Some((_, uri)) = TYPES.iter().find(|(word, _)| *word == text) {
        return Ok((*uri).to_owned());
    }
    match url::Url::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(PredicateTypeError(text.chars().take(80).collect())),
    }
}

/// A word that names no predicate type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no type of predicate; expected slsaprovenance1, slsaprovenance02, spdx, cyclonedx, vuln, \
     openvex, vsa, rebuild or a URI"
)]
pub struct PredicateTypeError(pub String);

/// Whether `text` is the type itself or the type with a version, as `https://cyclonedx.org/bom/v1.6`.
fn is_version_of(family: &str, text: &str) -> bool {
    let Some(rest) = text.strip_prefix(family) else { return false };
    let number = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    rest.is_empty() || rest.strip_prefix("/v").is_some_and(|v| v.split('.').all(number))
}

impl fmt::Display for PredicateClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "signature",
            Self::Provenance => "provenance",
            Self::Sbom => "sbom",
            Self::Vulnerabilities => "vulnerabilities",
            Self::Rebuild => "rebuild",
            Self::Summary => "summary",
            Self::VerificationResult => "verification-result",
            Self::TestResult => "test-result",
            Self::Release => "release",
            Self::Attributes => "attributes",
            Self::Link => "link",
            Self::Exact(uri) => uri,
        })
    }
}

impl FromStr for PredicateClass {
    type Err = PredicateClassError;

    fn from_str(text: &str) -> Result<Self, PredicateClassError> {
        Ok(match text {
            "signature" => Self::Signature,
            "provenance" => Self::Provenance,
            "sbom" => Self::Sbom,
            "vulnerabilities" => Self::Vulnerabilities,
            "rebuild" => Self::Rebuild,
            "summary" => Self::Summary,
            "verification-result" => Self::VerificationResult,
            "test-result" => Self::TestResult,
            "release" => Self::Release,
            "attributes" => Self::Attributes,
            "link" => Self::Link,
            uri if url::Url::parse(uri).is_ok() => Self::Exact(uri.to_owned()),
            other => return Err(PredicateClassError(other.chars().take(80).collect())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_include_their_types_and_nothing_near_them() {
        let cases = [
            ("signature", "https://sigstore.dev/cosign/sign/v1", true),
            ("signature", "https://sigstore.dev/cosign/sign/v10", false),
            ("provenance", "https://slsa.dev/provenance/v0.2", true),
            ("provenance", "https://slsa.dev/provenance/v1", true),
            ("provenance", "https://slsa.dev/provenance/v1.1", false),
            ("provenance", "https://slsa.dev/provenance/v0.1", true),
            ("provenance", "https://slsa.dev/verification_summary/v1", false),
            ("summary", "https://slsa.dev/verification_summary/v1", true),
            ("summary", "https://in-toto.io/attestation/svr/v0.2", false),
            ("verification-result", "https://in-toto.io/attestation/svr/v0.2", true),
            ("test-result", "https://in-toto.io/attestation/test-result/v0.1", true),
            ("release", "https://in-toto.io/attestation/release/v0.1", true),
            ("test-result", "https://in-toto.io/attestation/release/v0.1", false),
            ("release", "https://in-toto.io/attestation/test-result/v0.1", false),
            ("attributes", "https://in-toto.io/attestation/scai/v0.3", true),
            ("attributes", "https://in-toto.io/attestation/link/v0.3", false),
            ("link", "https://in-toto.io/attestation/link/v0.3", true),
            ("link", "https://in-toto.io/attestation/link/v0.31", false),
            ("sbom", "https://spdx.dev/Document", true),
            ("sbom", "https://spdx.dev/Document/v2.3", true),
            ("sbom", "https://cyclonedx.org/bom", true),
            ("sbom", "https://cyclonedx.org/bom/v1.6", true),
            ("sbom", "https://cyclonedx.org/bom/v", false),
            ("sbom", "https://cyclonedx.org/bom/v1.", false),
            ("sbom", "https://cyclonedx.org/bomb", false),
            ("sbom", "https://slsa.dev/provenance/v1", false),
            ("vulnerabilities", "https://cosign.sigstore.dev/attestation/vuln/v1", true),
            ("vulnerabilities", "https://in-toto.io/attestation/vulns/v0.2", true),
            ("vulnerabilities", "https://spdx.dev/Document", false),
            ("vulnerabilities", "https://in-toto.io/attestation/vulns/v0.1", true),
            ("vulnerabilities", "https://in-toto.io/attestation/vulns/v0.3", false),
            ("rebuild", "https://hallmark.dev/rebuild-verdict/v0.1", true),
            ("rebuild", "https://hallmark.dev/rebuild-verdict/v0.2", false),
            ("https://a.example/x/v1", "https://a.example/x/v1", true),
            ("https://a.example/x/v1", "https://a.example/x/v1.1", false),
        ];
        for (class, predicate_type, included) in cases {
            let class: PredicateClass = class.parse().unwrap();
            assert_eq!(class.includes(predicate_type), included, "{class}: {predicate_type}");
        }
    }

    #[test]
    fn words_for_types_agree_with_the_classes() {
        let cases = [
            ("slsaprovenance", "provenance"),
            ("slsaprovenance02", "provenance"),
            ("slsaprovenance1", "provenance"),
            ("provenance", "provenance"),
            ("spdx", "sbom"),
            ("spdxjson", "sbom"),
            ("cyclonedx", "sbom"),
            ("vuln", "vulnerabilities"),
            ("vulnerabilities", "vulnerabilities"),
            ("rebuild", "rebuild"),
            ("signature", "signature"),
            ("vsa", "summary"),
            ("openvex", "https://openvex.dev/ns"),
            ("https://a.example/x/v1", "https://a.example/x/v1"),
        ];
        for (word, class) in cases {
            let class: PredicateClass = class.parse().unwrap();
            assert!(class.includes(&predicate_type(word).unwrap()), "{word}");
        }
        for bad in ["", "sbom", "SPDX", "slsa.dev/provenance/v1", "any"] {
            assert!(predicate_type(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn words_read_back_and_others_are_refused() {
        let words = "signature provenance sbom vulnerabilities rebuild summary verification-result \
                     test-result release attributes link urn:x:y";
        for word in words.split_whitespace() {
            assert_eq!(word.parse::<PredicateClass>().unwrap().to_string(), word);
        }
        for bad in ["", "any", "*", "Signature", "sboms", "slsa.dev/provenance/v1"] {
            assert!(bad.parse::<PredicateClass>().is_err(), "{bad:?}");
        }
    }
}
