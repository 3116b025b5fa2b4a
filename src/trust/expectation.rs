//! What somebody expects of a build, held against what is proven about it.
//!
//! The questions that slsa-verifier asks: built from which repository, branch and tag, by which builder. [`Expectations`]
//! takes them in the words that people write, and says the first that is not met. Never satisfied by silence: what the
//! provenance does not say is not met. What the signer's certificate says has to agree with the provenance first.

use super::{
    Contradiction,
    agreement::{builder_ids, contradictions},
    sigstore::Vouched,
};
use crate::attest::provenance::Provenance;

/// What is expected; what is `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectations {
    /// The repository or archive: `https://github.com/org/app`, where `https://` may be left out.
    pub source: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The tag, exactly.
    pub tag: Option<String>,
    /// The tag as far as it is written: `v1.2` is met by `v1.2.3`, `v1.2.3` not by `v1.2`.
    pub version: Option<String>,
    /// The builder, with or without a version after `@`.
    pub builder: Option<String>,
    /// The build type.
    pub build_type: Option<String>,
    /// The file in the repository that told the builder what to do.
    pub entry_point: Option<String>,
}

/// The first expectation that is not met.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// The signer's certificate says otherwise than the provenance.
    #[error("{0}")]
    Signer(Contradiction),
    /// Something else, or nothing, was found.
    #[error("the {what} is {}, expected {expected:?}", found.as_deref().unwrap_or("not recorded"))]
    Value {
        /// What was asked for.
        what: Question,
        /// What was expected.
        expected: String,
        /// What the provenance says.
        found: Option<String>,
    },
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Question {
    /// Where the source came from.
    Source,
    /// Its branch.
    Branch,
    /// Its tag.
    Tag,
    /// The version in its tag.
    Version,
    /// Who built it.
    Builder,
    /// How.
    BuildType,
    /// By which file.
    EntryPoint,
}

impl std::fmt::Display for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Branch => "branch",
            Self::Tag => "tag",
            Self::Version => "version",
            Self::Builder => "builder",
            Self::BuildType => "build type",
            Self::EntryPoint => "entry point",
        })
    }
}

impl Expectations {
    /// Whether proven provenance, and the identity that signed it where a certificate names one, meet all of them.
    ///
    /// # Errors
    /// The first that is not met; see [`Unmet`].
    pub fn check(&self, provenance: &Provenance, signer: Option<&Vouched>) -> Result<(), Unmet> {
        let contradiction =
            signer.and_then(|signer| contradictions(signer, provenance).into_iter().next());
        if let Some(contradiction) = contradiction {
            return Err(Unmet::Signer(contradiction));
        }
        let url = provenance.source.as_ref().map(|source| source.url.as_str());
        let same = |expected: &str, found: &str| expected == found;
        let builders = builder_ids(signer, provenance);
        let builders: Vec<&str> = builders.iter().map(String::as_str).collect();
        let located = |expected: &str, found: &str| location(expected) == location(found);
        let tag = || one(&provenance.tag);
        require(Question::Source, &self.source, url.into_iter().collect(), located)?;
        require(Question::Builder, &self.builder, builders, is_builder)?;
        require(Question::Branch, &self.branch, one(&provenance.branch), same)?;
        require(Question::Tag, &self.tag, tag(), same)?;
        require(Question::Version, &self.version, tag(), is_version)?;
        require(Question::BuildType, &self.build_type, vec![&provenance.build_type], same)?;
        require(Question::EntryPoint, &self.entry_point, one(&provenance.entry_point), same)
    }
}

/// What was found, where anything was.
fn one(text: &Option<String>) -> Vec<&str> {
    text.as_deref().into_iter().collect()
}

fn require(
    what: Question,
    expected: &Option<String>,
    found: Vec<&str>,
    is_met: impl Fn(&str, &str) -> bool,
) -> Result<(), Unmet> {
    let Some(expected) = expected else { return Ok(()) };
    if found.iter().any(|found| is_met(expected, found)) {
        return Ok(());
    }
    let found = found.iter().find(|found| !found.is_empty()).map(|found| (*found).to_owned());
    Err(Unmet::Value { what, expected: expected.clone(), found })
}

/// A source as a URL with its scheme, however git's own scheme is written.
fn location(text: &str) -> String {
    let plain = text.strip_prefix("git+").unwrap_or(text);
    if plain.contains("://") { plain.to_owned() } else { format!("https://{plain}") }
}

/// Whether the builder has the expected name, and the expected version where one is expected: as a ref, or as the tag.
fn is_builder(expected: &str, found: &str) -> bool {
    let (name, version) = found.split_once('@').unwrap_or((found, ""));
    match expected.split_once('@') {
        None => !name.is_empty() && name == expected,
        Some((expected_name, tag)) => {
            name == expected_name
                && (version == tag || version.strip_prefix("refs/tags/") == Some(tag))
                && !tag.is_empty()
        }
    }
}

/// Whether the parts that `expected` has are those of the tag, which has zeroes for what it lacks: v1 and v1.2 are v1.2.3's,
/// v1.0 is v1's, v1.2.3 is not v1.2's.
fn is_version(expected: &str, tag: &str) -> bool {
    let (Some(expected), Some(tag)) = (expected.strip_prefix('v'), tag.strip_prefix('v')) else {
        return false;
    };
    let mut parts = tag.split('.').chain(std::iter::repeat("0"));
    expected.split('.').all(|part| parts.next() == Some(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trust::agreement::tests::{WORKFLOW, built, vouched};

    fn expecting(edit: impl FnOnce(&mut Expectations)) -> Expectations {
        let mut expected = Expectations::default();
        edit(&mut expected);
        expected
    }

    type Edit = fn(&mut Expectations, String);

    #[test]
    fn each_question_has_answers_that_meet_it_and_others_that_do_not() {
        let source: Edit = |e, v| e.source = Some(v);
        let branch: Edit = |e, v| e.branch = Some(v);
        let tag: Edit = |e, v| e.tag = Some(v);
        let version: Edit = |e, v| e.version = Some(v);
        let builder: Edit = |e, v| e.builder = Some(v);
        let name = WORKFLOW.split('@').next().unwrap();
        let tagged = format!("{name}@v1.2.3");
        let cases: [(Edit, &str, bool); 24] = [
            (source, "github.com/org/app", true),
            (source, "https://github.com/org/app", true),
            (source, "git+https://github.com/org/app", true),
            (source, "github.com/org/app2", false),
            (source, "Agithub.com/org/app", false),
            (source, "http://github.com/org/app", false),
            (source, "", false),
            (branch, "main", true),
            (branch, "refs/heads/main", false),
            (branch, "", false),
            (tag, "v1.2.3", true),
            (tag, "v1.2", false),
            (version, "v1", true),
            (version, "v1.2", true),
            (version, "v1.2.3", true),
            (version, "v1.2.3.0", true),
            (version, "v1.2.3.4", false),
            (version, "v", false),
            (version, "1.2.3", false),
            (builder, name, true),
            (builder, WORKFLOW, true),
            (builder, &tagged, true),
            (builder, "", false),
            (builder, "https://github.com/org", false),
        ];
        for (edit, value, met) in cases {
            let expected = expecting(|e| edit(e, value.to_owned()));
            assert_eq!(expected.check(&built(), Some(&vouched())).is_ok(), met, "{expected:?}");
        }
    }

    #[test]
    fn silence_meets_nothing() {
        let silent = Provenance::empty(crate::attest::provenance::Producer::Other, "");
        assert_eq!(Expectations::default().check(&silent, None), Ok(()));
        let asks: [fn(&mut Expectations); 7] = [
            |e| e.source = Some("a".to_owned()),
            |e| e.branch = Some(String::new()),
            |e| e.tag = Some(String::new()),
            |e| e.version = Some("v".to_owned()),
            |e| e.builder = Some(String::new()),
            |e| e.build_type = Some("t".to_owned()),
            |e| e.entry_point = Some(String::new()),
        ];
        for edit in asks {
            let unmet = expecting(edit).check(&silent, None).unwrap_err();
            assert!(matches!(unmet, Unmet::Value { found: None, .. }), "{unmet}");
        }
    }

    #[test]
    fn a_certificate_that_says_otherwise_goes_before_everything() {
        let mut lies = built();
        lies.source.as_mut().unwrap().url = "https://github.com/org/other".to_owned();
        let unmet = expecting(|e| e.source = Some("github.com/org/other".to_owned()));
        assert!(matches!(unmet.check(&lies, Some(&vouched())), Err(Unmet::Signer(_))));
        assert_eq!(unmet.check(&lies, None), Ok(()), "the twin without a certificate");
    }

    #[test]
    fn the_certificate_says_which_kind_of_runner_it_was() {
        let runner =
            Provenance { builder_id: "https://github.com/actions/runner".to_owned(), ..built() };
        let hosted = expecting(|e| {
            e.builder = Some("https://github.com/actions/runner/github-hosted".to_owned());
        });
        assert_eq!(hosted.check(&runner, Some(&vouched())), Ok(()));
        assert!(hosted.check(&runner, None).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(expected in "\\PC{0,30}", found in "\\PC{0,30}") {
            let _ = (is_builder(&expected, &found), is_version(&expected, &found));
        }
    }
}
