//! Why a supply chain is not proven by its layout.

use jiff::Timestamp;

use crate::{attest::in_toto::List, finding::Code};

/// The first thing that is not as a layout asks. Names in it come from strangers; messages escape them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The document is a link.
    #[error("the document is a link and no layout")]
    NoLayout,
    /// Not every key signed the layout.
    #[error("the layout is not signed by: {}", or_no_key(missing))]
    Untrusted {
        /// Fingerprints of the keys that did not sign; empty where there are no keys at all.
        missing: Vec<String>,
    },
    /// The layout says nothing any more.
    #[error("the layout expired at {expires}; it is {now}")]
    Expired {
        /// When.
        expires: Timestamp,
        /// The time of the verification.
        now: Timestamp,
    },
    /// Too few functionaries vouch for a step.
    #[error(
        "the step {step:?} needs links of {threshold} distinct functionaries and has those of {}{}{}{}",
        found.len(), not_verified(unsupported), by_certificate(certificates), inner(sublayout)
    )]
    Threshold {
        /// Which step.
        step: String,
        /// How many it needs.
        threshold: usize,
        /// Fingerprints of the functionaries' keys.
        found: Vec<String>,
        /// Keys that might sign for it and are not verified.
        unsupported: Vec<String>,
        /// Whether certificates may sign for it, which are not read.
        certificates: bool,
        /// Why a sublayout in the place of a link does not count.
        sublayout: Option<Box<LayoutError>>,
    },
    /// Links of one step say different things.
    #[error("the links of {step:?} disagree, first about the artifact {artifact:?}")]
    Disagree {
        /// Which step.
        step: String,
        /// One artifact about which they disagree.
        artifact: String,
    },
    /// A sublayout stands for another step already.
    #[error(
        "the only sublayout for the step {step:?} stands for another step too; one stands for one"
    )]
    SublayoutTwice {
        /// Which step.
        step: String,
    },
    /// Nothing ties the links of a step to the others.
    #[error(
        "the links for {step:?} have no artifact in common with the others, so that nothing says that they are of this build"
    )]
    Unrelated {
        /// Which step or inspection.
        step: String,
    },
    /// An artifact rule does not hold.
    #[error("{item:?}, {}: {rule:?} does not hold{}", list.name(), artifacts_named(artifacts))]
    Rule {
        /// Which step or inspection.
        item: String,
        /// Over which list.
        list: List,
        /// The rule.
        rule: String,
        /// Artifacts that it does not allow; empty where one is missing.
        artifacts: Vec<String>,
    },
    /// An inspection without a signed link.
    #[error(
        "the inspection {name:?} has no link that the layout's keys signed, and hallmark never runs its command"
    )]
    Inspection {
        /// Its name.
        name: String,
    },
    /// The steps hold, and their product is something else.
    #[error("no product of the last step {step:?} has the digest of the image's manifest or index")]
    Product {
        /// The last step.
        step: String,
    },
    /// More than hallmark looks at.
    #[error("the layout has more {unit} than {limit}, {}", crate::limits::key(.name))]
    Limit {
        /// Of what.
        unit: &'static str,
        /// How many are looked at.
        limit: usize,
        /// The limit's name.
        name: &'static str,
    },
}

impl LayoutError {
    pub(super) fn limit(unit: &'static str, limit: usize, name: &'static str) -> Self {
        Self::Limit { unit, limit, name }
    }

    /// The finding that it is.
    pub fn code(&self) -> Code {
        match self {
            Self::NoLayout | Self::Untrusted { .. } => Code::LayoutUntrusted,
            Self::Expired { .. } => Code::LayoutExpired,
            Self::Threshold { sublayout: Some(inner), .. } => inner.code(),
            Self::Threshold { unsupported, .. } if !unsupported.is_empty() => {
                Code::LayoutKeyUnsupported
            }
            Self::Threshold { .. } | Self::SublayoutTwice { .. } | Self::Unrelated { .. } => {
                Code::LayoutThreshold
            }
            Self::Disagree { .. } => Code::LayoutLinksDisagree,
            Self::Rule { .. } => Code::LayoutRuleViolated,
            Self::Inspection { .. } => Code::LayoutInspectionNotRun,
            Self::Product { .. } => Code::LayoutProductMissing,
            Self::Limit { .. } => Code::LimitExceeded,
        }
    }
}

fn or_no_key(missing: &[String]) -> String {
    if missing.is_empty() {
        "anybody, since no key is named".to_owned()
    } else {
        missing.join(", ")
    }
}

fn not_verified(unsupported: &[String]) -> String {
    match unsupported {
        [] => String::new(),
        keys => format!("; keys that are not verified: {}", keys.join(", ").escape_debug()),
    }
}

fn by_certificate(certificates: &bool) -> &'static str {
    if *certificates { "; certificates, which it allows too, are not read" } else { "" }
}

fn inner(sublayout: &Option<Box<LayoutError>>) -> String {
    sublayout.as_ref().map(|error| format!("; its sublayout: {error}")).unwrap_or_default()
}

fn artifacts_named(artifacts: &[String]) -> String {
    match artifacts {
        [] => String::new(),
        names => format!(": {}", names.join(", ").escape_debug()),
    }
}
