//! Whether the names under which provenance gives its source hold.
//!
//! A builder copies branch and tag from what its caller asked for, and a server that keeps forks gives a fork's commit under
//! the parent's name (attack G14): who vouches for provenance vouches for the commit, and not for whose it is. Turns what
//! the repository's history and the signer's certificate say into a [`Standing`] for each name. A certificate of Fulcio is
//! the CI's own word that its job ran at that ref of that repository.

use std::collections::BTreeMap;

use super::{Signer, SignerIdentity};
use crate::attest::provenance::{Commit, Provenance};

/// What is known of a name of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The provenance does not say it.
    Missing,
    /// The branch or tag of this name holds the commit.
    Proven,
    /// Nobody knows, or it does not; with the reason.
    Unproven(String),
}

impl Standing {
    /// The word in rules and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Proven => "proven",
            Self::Unproven(_) => "unproven",
        }
    }
}

/// The kinds of names that provenance has for its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The branch.
    Branch,
    /// The tag.
    Tag,
    /// The ref as it was asked for.
    Reference,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Branch, Self::Tag, Self::Reference];

    /// The word in rules and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Tag => "tag",
            Self::Reference => "reference",
        }
    }

    /// The name as the provenance has it.
    pub fn said(self, provenance: &Provenance) -> Option<&str> {
        match self {
            Self::Branch => provenance.branch.as_deref(),
            Self::Tag => provenance.tag.as_deref(),
            Self::Reference => provenance.source.as_ref()?.reference.as_deref(),
        }
    }

    /// The name of the ref that it means, in full where that is known.
    pub fn full(self, provenance: &Provenance) -> Option<String> {
        let said = self.said(provenance)?;
        Some(match self {
            Self::Branch => format!("refs/heads/{said}"),
            Self::Tag => format!("refs/tags/{said}"),
            Self::Reference => said.to_owned(),
        })
    }
}

/// What was found out about the refs of one commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SourceRefs {
    /// Repository and commit that it is about; `None` where nobody asked.
    about: Option<(String, Commit)>,
    /// By ref: `None` where it holds the commit, else why that is not known.
    answers: BTreeMap<String, Option<String>>,
    /// Whether a rule relies on the names.
    relied_on: bool,
}

impl SourceRefs {
    /// Nothing is known of the source of this provenance yet; rules rely on its names.
    pub fn unknown(provenance: Option<&Provenance>) -> Self {
        let about = provenance.and_then(|provenance| {
            let source = provenance.source.as_ref()?;
            Some((source.url.clone(), source.commit.clone()?))
        });
        Self { about, answers: BTreeMap::new(), relied_on: true }
    }

    /// The repository and the commit.
    pub fn about(&self) -> Option<(&str, &Commit)> {
        self.about.as_ref().map(|(url, commit)| (url.as_str(), commit))
    }

    /// Whether both are about one commit of one repository.
    pub fn is_about_that_of(&self, other: &Self) -> bool {
        self.relied_on && self.about == other.about
    }

    /// Keeps what a ref says: nothing where it holds the commit, else why that is not known.
    pub fn add(&mut self, reference: String, why: Option<String>) {
        self.answers.insert(reference, why);
    }

    /// What is known of a name.
    pub fn standing(&self, kind: Kind, provenance: &Provenance) -> Standing {
        let Some(full) = kind.full(provenance) else { return Standing::Missing };
        let unasked = |why: &str| Standing::Unproven(why.to_owned());
        if !self.relied_on {
            return unasked("no rule reads it, so that the repository was not asked");
        }
        let there = Self::unknown(Some(provenance));
        match self.answers.get(&full).filter(|_| self.about == there.about) {
            Some(None) => Standing::Proven,
            Some(Some(why)) => Standing::Unproven(why.clone()),
            None if there.about.is_none() => unasked("no repository and commit are recorded"),
            None => unasked("the repository was not asked"),
        }
    }

    /// The names that rules rely on and nothing proves, each with the reason.
    pub fn gaps(&self, provenance: &Provenance) -> Vec<(Kind, String, String)> {
        let gap = |kind: Kind| match self.standing(kind, provenance) {
            Standing::Unproven(why) => Some((kind, kind.full(provenance)?, why)),
            Standing::Missing | Standing::Proven => None,
        };
        let gaps = Kind::ALL.into_iter().filter(|_| self.relied_on).filter_map(gap);
        gaps.collect()
    }
}

/// Whether a signer's certificate says that its job ran at this ref, with this commit of this repository.
pub fn certified(signers: &[Signer], url: &str, commit: &Commit, reference: &str) -> bool {
    signers.iter().any(|signer| {
        let SignerIdentity::Keyless(vouched) = &signer.identity else { return false };
        let says = |claim: &str, value: &str| vouched.claims.get(claim).is_some_and(|c| c == value);
        says("sourceRepositoryUri", url)
            && says("sourceRepositoryDigest", commit.as_str())
            && says("sourceRepositoryRef", reference)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::agreement::tests::vouched;

    fn commit(digit: &str) -> Commit {
        Commit::new(&digit.repeat(40)).expect("a commit")
    }

    fn provenance() -> Provenance {
        let mut provenance = crate::rebuild::tests::provenance();
        let source = provenance.source.as_mut().expect("a source");
        source.commit = Some(commit("a"));
        source.reference = Some("refs/heads/main".to_owned());
        provenance.branch = Some("main".to_owned());
        provenance.tag = None;
        provenance
    }

    #[test]
    fn g14_a_name_is_proven_for_the_commit_that_was_asked_about() {
        let provenance = provenance();
        let mut refs = SourceRefs::unknown(Some(&provenance));
        let state = |refs: &SourceRefs, kind| refs.standing(kind, &provenance).name();
        assert_eq!(state(&refs, Kind::Branch), "unproven");
        assert_eq!(refs.gaps(&provenance).len(), 2, "branch and reference");
        refs.add("refs/heads/main".to_owned(), None);
        assert_eq!(state(&refs, Kind::Branch), "proven");
        assert_eq!(state(&refs, Kind::Reference), "proven");
        assert_eq!(state(&refs, Kind::Tag), "missing");
        assert_eq!(refs.gaps(&provenance), []);
        // Another commit, or another repository.
        for change in [
            |p: &mut Provenance| p.source.as_mut().unwrap().commit = Some(commit("b")),
            |p: &mut Provenance| p.source.as_mut().unwrap().url.push('x'),
            |p: &mut Provenance| p.branch = Some("other".to_owned()),
        ] {
            let mut other = provenance.clone();
            change(&mut other);
            assert_eq!(refs.standing(Kind::Branch, &other).name(), "unproven");
        }
        // Where no rule asks, nothing is proven and nothing is missed.
        let unasked = SourceRefs::default();
        assert_eq!(state(&unasked, Kind::Branch), "unproven");
        assert_eq!(unasked.gaps(&provenance), []);
    }

    #[test]
    fn a_certificate_speaks_for_its_own_ref_commit_and_repository() {
        let signer = Signer {
            name: "ci".to_owned(),
            identity: SignerIdentity::Keyless(Box::new(vouched())),
        };
        let (url, tag) = ("https://github.com/org/app", "refs/tags/v1.2.3");
        let cases = [
            (url, "a", tag, true),
            (url, "b", tag, false),
            (url, "a", "refs/heads/main", false),
            ("https://github.com/fork/app", "a", tag, false),
        ];
        for (url, digit, reference, want) in cases {
            let found = certified(std::slice::from_ref(&signer), url, &commit(digit), reference);
            assert_eq!(found, want, "{url} {digit} {reference}");
        }
        assert!(!certified(&[], url, &commit("a"), tag));
    }

    #[test]
    fn what_is_not_known_of_a_name_has_its_reason() {
        let provenance = provenance();
        let why = |refs: &SourceRefs, provenance: &Provenance| match refs
            .standing(Kind::Branch, provenance)
        {
            Standing::Unproven(why) => why,
            other => other.name().to_owned(),
        };
        let mut refs = SourceRefs::unknown(Some(&provenance));
        assert_eq!(why(&refs, &provenance), "the repository was not asked");
        refs.add("refs/heads/main".to_owned(), Some("it is gone".to_owned()));
        assert_eq!(why(&refs, &provenance), "it is gone");
        refs.add("refs/heads/main".to_owned(), None);
        assert_eq!(why(&refs, &provenance), "proven", "a later answer counts");
        assert!(why(&SourceRefs::default(), &provenance).starts_with("no rule reads it"));
        let mut bare = provenance.clone();
        bare.source.as_mut().expect("a source").commit = None;
        let unknown = SourceRefs::unknown(Some(&bare));
        assert_eq!(unknown.about(), None);
        assert_eq!(why(&unknown, &bare), "no repository and commit are recorded");
        // An answer that belongs to nothing proves nothing of a commit.
        let mut of_nothing = SourceRefs::unknown(None);
        of_nothing.add("refs/heads/main".to_owned(), None);
        assert_eq!(why(&of_nothing, &provenance), "the repository was not asked");
    }

    #[test]
    fn one_answer_is_for_one_commit_that_somebody_relies_on() {
        let (provenance, mut other) = (provenance(), provenance());
        other.source.as_mut().expect("a source").commit = Some(commit("b"));
        let [refs, same, others] =
            [&provenance, &provenance, &other].map(|one| SourceRefs::unknown(Some(one)));
        assert!(refs.is_about_that_of(&same));
        assert!(!refs.is_about_that_of(&others));
        assert!(!SourceRefs::default().is_about_that_of(&SourceRefs::default()), "nobody relies");
        assert!(!SourceRefs::default().is_about_that_of(&refs));
    }

    #[test]
    fn each_kind_of_name_is_a_ref() {
        let mut provenance = provenance();
        provenance.tag = Some("v1".to_owned());
        let full = Kind::ALL.map(|kind| kind.full(&provenance).unwrap_or_default());
        assert_eq!(full, ["refs/heads/main", "refs/tags/v1", "refs/heads/main"]);
        provenance.source = None;
        assert_eq!(Kind::Reference.full(&provenance), None);
    }
}
