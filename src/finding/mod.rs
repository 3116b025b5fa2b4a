//! What was seen, and whose it is.
//!
//! A *finding* is something that hallmark saw; an *error* is that it could not do its work. At the border of a stage an
//! error becomes a finding, and the prefix of its code says whose affair it is: the artifact's, the world's, the
//! operator's or ours. A finding holds typed facts; the words that people read are derived from them in `report`.

mod code;

use std::{collections::BTreeMap, fmt};

pub use code::{Code, UnknownCode};

use crate::digest::{ConfigDigest, DiffId, Digest, ManifestDigest};

/// How much a finding weighs before policy has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; proves nothing and breaks nothing.
    Info,
    /// Something is missing or weak; policy decides.
    Warning,
    /// Something is wrong, or could not be done. A verdict with an error never passes.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// The run as a whole: configuration, policy, our own working.
    Run,
    /// An image, as `location@digest`.
    Image(String),
    /// A layer of an image. Its text is that of the image: which layer it is stands among the facts.
    Layer {
        /// The image, as `location@digest`.
        image: String,
        /// Position, counted from 0.
        position: usize,
    },
    /// An attestation or signature, by where it was found.
    Evidence(String),
    /// A file in an image.
    File {
        /// Path from the root, with a leading slash.
        path: String,
        /// Layer, counted from 0, where it is known.
        layer: Option<usize>,
    },
    /// A package.
    Package {
        /// Its name.
        name: String,
        /// Its version.
        version: PackageVersion,
    },
    /// A place in a file of the operator: configuration or policy.
    Operator(String),
}

/// The version of a package, as far as a finding is about one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PackageVersion {
    /// This one.
    Is(String),
    /// The package has none.
    Missing,
    /// It is about the package, whatever its version.
    Any,
}

impl Subject {
    /// Which kind of thing it is, for reports whose entries have a name of their own.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Image(_) => "image",
            Self::Layer { .. } => "layer",
            Self::Evidence(_) => "evidence",
            Self::File { .. } => "file",
            Self::Package { .. } => "package",
            Self::Operator(_) => "operator",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run => f.write_str("this run"),
            Self::File { path, layer: Some(layer) } => write!(f, "{path} (layer {layer})"),
            Self::File { path, layer: None } => f.write_str(path),
            Self::Package { name, version: PackageVersion::Is(version) } => {
                write!(f, "{name} {version}")
            }
            Self::Package { name, version: PackageVersion::Missing } => {
                write!(f, "{name} without a version")
            }
            Self::Package { name: text, version: PackageVersion::Any }
            | Self::Image(text)
            | Self::Layer { image: text, .. }
            | Self::Evidence(text)
            | Self::Operator(text) => f.write_str(text),
        }
    }
}

/// The name of a fact; reports print facts in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// What should have been there.
    Expect,
    /// What was there.
    Found,
    /// The cause, as far as it is known.
    Why,
    /// Where it comes from: a Dockerfile line, a carrier, a layer.
    From,
    /// Code and package of the rules by which it is an error: what an exception names.
    Rule,
    /// What to do about it, where it is more precise than the code's own help.
    Help,
}

impl Key {
    /// The word before the colon in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Expect => "expect",
            Self::Found => "found",
            Self::Why => "why",
            Self::From => "from",
            Self::Rule => "rule",
            Self::Help => "help",
        }
    }
}

/// The value of a fact.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// A digest of any role.
    Digest(Digest),
    /// A number of bytes.
    Bytes(u64),
    /// A count.
    Count(u64),
    /// Words, possibly from strangers: reports escape control characters in them (attack F6).
    Text(String),
    /// Several, in a fixed order.
    List(Vec<Fact>),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digest(d) => fmt::Display::fmt(d, f),
            Self::Bytes(n) => write!(f, "{n} bytes"),
            Self::Count(n) => fmt::Display::fmt(n, f),
            Self::Text(t) => f.write_str(t),
            Self::List(items) => {
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
        }
    }
}

macro_rules! fact_from_digest {
    ($($role:ty),*) => {$(
        impl From<&$role> for Fact {
            fn from(digest: &$role) -> Self {
                Self::Digest(digest.digest().clone())
            }
        }
    )*};
}
fact_from_digest!(ManifestDigest, ConfigDigest, DiffId, crate::digest::BlobDigest);

impl From<&Digest> for Fact {
    fn from(digest: &Digest) -> Self {
        Self::Digest(digest.clone())
    }
}
impl From<String> for Fact {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Whether a finding can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Bearing {
    /// A rule that denies for its code makes it an error.
    #[default]
    Decides,
    /// It is about evidence that nobody proved: at most a warning, whatever a rule says. Whoever may push to a repository
    /// could else fail an image with it (attack H30).
    Remark,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Finding {
    /// Severity first, so that sorted findings start with the mildest.
    pub severity: Severity,
    /// Stable code, documented in `docs/findings.md`.
    pub code: Code,
    /// What it is about.
    pub subject: Subject,
    /// Typed facts.
    pub facts: BTreeMap<Key, Fact>,
    /// Whether it can decide.
    pub bearing: Bearing,
    /// The finding about the same image that it follows from, where it does: this one is mended after that.
    pub because: Option<Code>,
    /// Code of the rule that says it, where one that ships does.
    pub rule: Option<String>,
}

impl Finding {
    /// A finding with its code's own severity and no facts yet.
    pub fn new(code: Code, subject: Subject) -> Self {
        let (severity, facts, bearing) = (code.severity(), BTreeMap::new(), Bearing::Decides);
        Self { severity, code, subject, facts, bearing, because: None, rule: None }
    }

    /// The same, which follows from another finding about the same image, if that is there.
    #[must_use]
    pub fn following(mut self, cause: Option<Code>) -> Self {
        self.because = cause;
        self
    }

    /// The same about evidence that nobody proved.
    #[must_use]
    pub fn remark(mut self) -> Self {
        self.bearing = Bearing::Remark;
        self.severity = self.severity.min(Severity::Warning);
        self
    }

    /// Whether it is about evidence that nobody proved.
    pub fn is_remark(&self) -> bool {
        self.bearing == Bearing::Remark
    }

    /// Adds or replaces a fact.
    #[must_use]
    pub fn with(mut self, key: Key, fact: impl Into<Fact>) -> Self {
        self.facts.insert(key, fact.into());
        self
    }

    /// A copy that weighs `severity`; a remark is a warning at most.
    #[must_use]
    pub fn at(mut self, severity: Severity) -> Self {
        self.severity = match self.bearing {
            Bearing::Decides => severity,
            Bearing::Remark => severity.min(Severity::Warning),
        };
        self
    }

    /// The code that `hallmark explain` says most about: that of the rule where a rule says it.
    pub fn explained(&self) -> &str {
        self.rule.as_deref().unwrap_or(self.code.as_str())
    }

    /// One line that says what was seen, with the rule where one says it.
    pub fn title(&self) -> String {
        match &self.rule {
            Some(rule) => format!("{}: {rule}", self.code.title()),
            None => self.code.title().to_owned(),
        }
    }

    /// What to do: the finding's own advice, else its code's.
    pub fn help(&self) -> String {
        self.facts.get(&Key::Help).map_or_else(|| self.code.help().to_owned(), Fact::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_have_a_kind_and_a_text() {
        let package = |version| Subject::Package { name: "a".to_owned(), version };
        let cases = [
            (Subject::Run, "run", "this run"),
            (Subject::Image("r/a@b".to_owned()), "image", "r/a@b"),
            (Subject::Layer { image: "r/a@b".to_owned(), position: 2 }, "layer", "r/a@b"),
            (Subject::File { path: "/a".to_owned(), layer: Some(1) }, "file", "/a (layer 1)"),
            (Subject::File { path: "/a".to_owned(), layer: None }, "file", "/a"),
            (Subject::Evidence("t.sig".to_owned()), "evidence", "t.sig"),
            (Subject::Operator("a.b".to_owned()), "operator", "a.b"),
            (package(PackageVersion::Is("1".to_owned())), "package", "a 1"),
            (package(PackageVersion::Missing), "package", "a without a version"),
            (package(PackageVersion::Any), "package", "a"),
        ];
        for (subject, kind, text) in cases {
            assert_eq!((subject.kind(), subject.to_string().as_str()), (kind, text));
        }
    }
}
