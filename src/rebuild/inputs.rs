//! Whether the operator trusts every input of a plan by name.
//!
//! Turns a [`Plan`] and the operator's [`TrustedSource`]s into the [`Question`]s that are left for the world, or into everything
//! that is not trusted. Whoever wrote the provenance chose all of the plan: besides repository, commit and images also the
//! folder, the Dockerfile, the stage, build arguments and options, each of which can make the steps do something else. Labels
//! run nothing and may be any.

use super::{Plan, PlannedRepository, PlannedSource};
use crate::{
    attest::provenance::{Commit, Frontend, Material, MaterialKind, Pin},
    digest::Digest,
    reference::{Location, Repository},
    trust::{ImagePattern, TrustedSource},
};

/// A build argument that sets a time and runs nothing.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// What has to be asked of whoever has an input, because its name says it not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Whether one of these branches and tags holds the commit.
    History {
        /// The repository, as the operator wrote it.
        url: String,
        /// The commit.
        commit: Commit,
        /// Full names of refs.
        references: Vec<String>,
    },
    /// Whether the image is in the repository of that name, and not in a mirror alone.
    Image {
        /// `registry/path`.
        repository: String,
        /// Its digest.
        digest: Digest,
    },
}

/// What is left to ask about a plan for an image at this location.
///
/// # Errors
/// Every input that no single entry trusts, of the entry that trusts most.
pub fn questions(
    plan: &Plan,
    location: &Location,
    sources: &[TrustedSource],
) -> Result<Vec<Question>, Vec<String>> {
    let PlannedSource::Repository(repository) = &plan.source else {
        return Err(vec!["what is built is a download, and no repository".to_owned()]);
    };
    let here: Vec<&TrustedSource> = sources.iter().filter(|s| s.is_for(location)).collect();
    let entries = here.iter().filter(|source| source.is_at(&repository.url));
    let mut least: Option<Vec<String>> = None;
    for entry in entries {
        let judge = Judge { entry, here: &here, untrusted: Vec::new(), questions: Vec::new() };
        match judge.plan(plan, repository) {
            Ok(questions) => return Ok(questions),
            Err(untrusted) if least.as_ref().is_none_or(|l| untrusted.len() < l.len()) => {
                least = Some(untrusted);
            }
            Err(_) => {}
        }
    }
    Err(least.unwrap_or_else(|| unnamed(plan, repository, &here)))
}

/// What is not trusted where no entry is for the repository: it, and all inputs that no entry for the image names.
fn unnamed(plan: &Plan, repository: &PlannedRepository, here: &[&TrustedSource]) -> Vec<String> {
    let mut untrusted = vec![format!("repository {}", repository.url)];
    for material in &plan.materials {
        let one = match (&material.kind, &material.pin) {
            (MaterialKind::Image { name, .. }, _) => {
                let patterns =
                    here.iter().flat_map(|source| source.bases.iter().chain(&source.frontends));
                let named = patterns.into_iter().any(|pattern| pattern.matches_written(name));
                (!named).then(|| format!("image {name}"))
            }
            (MaterialKind::Git, _) => {
                let url = url_of(material);
                (!here.iter().any(|source| source.is_at(url))).then(|| format!("repository {url}"))
            }
            (MaterialKind::Http, Pin::Content(_))
                if here.iter().any(|source| source.gives(&material.uri)) =>
            {
                None
            }
            (MaterialKind::Other, _) => None,
            (MaterialKind::Http, _) => Some(format!("download {}", material.uri)),
        };
        untrusted.extend(one.filter(|one| !untrusted.contains(one)));
    }
    untrusted
}

/// The URL of a repository among the materials.
fn url_of(material: &Material) -> &str {
    material.uri.trim_start_matches("git+").split('#').next().unwrap_or_default()
}

struct Judge<'a> {
    entry: &'a TrustedSource,
    /// All entries for the image.
    here: &'a [&'a TrustedSource],
    untrusted: Vec<String>,
    questions: Vec<Question>,
}

impl Judge<'_> {
    fn plan(
        mut self,
        plan: &Plan,
        repository: &PlannedRepository,
    ) -> Result<Vec<Question>, Vec<String>> {
        let entry = self.entry;
        self.history(entry, &repository.commit);
        self.expect("folder", repository.folder.as_deref(), entry.folder.as_deref());
        let (found, expected) = (plan.dockerfile_path.as_str(), entry.dockerfile.as_str());
        self.expect("Dockerfile", Some(found), Some(expected));
        self.expect("target", plan.target.as_deref(), entry.target.as_deref());
        for name in plan.build_args.keys() {
            if name != EPOCH && !entry.build_args.contains(name) {
                self.untrusted.push(format!("build argument {name}"));
            }
        }
        // The digest of a Dockerfile allows less: its bytes are those of the commit.
        let options = plan.options.keys().filter(|key| !key.starts_with("dockerfile-digest:"));
        self.untrusted.extend(options.map(|option| format!("option {option}")));
        if let Frontend::Image { reference } = &plan.frontend
            && !is_listed(&entry.frontends, repository_of(reference).as_deref())
        {
            self.untrusted.push(format!("frontend {reference}"));
        }
        plan.materials.iter().for_each(|material| self.material(material));
        self.questions.sort();
        self.questions.dedup();
        if self.untrusted.is_empty() { Ok(self.questions) } else { Err(self.untrusted) }
    }

    fn expect(&mut self, what: &str, found: Option<&str>, expected: Option<&str>) {
        if found != expected {
            let word = |text: Option<&str>| text.unwrap_or("(none)").to_owned();
            self.untrusted.push(format!("{what} {}, not {}", word(found), word(expected)));
        }
    }

    fn history(&mut self, source: &TrustedSource, commit: &Commit) {
        self.questions.push(Question::History {
            url: source.repository.clone(),
            commit: commit.clone(),
            references: source.references.clone(),
        });
    }

    fn material(&mut self, material: &Material) {
        match (&material.kind, &material.pin) {
            (MaterialKind::Image { name, .. }, Pin::Content(digest)) => {
                let listed = self.entry.bases.iter().chain(&self.entry.frontends);
                if listed.into_iter().any(|pattern| pattern.matches_written(name)) {
                    let (repository, digest) = (name.clone(), digest.clone());
                    self.questions.push(Question::Image { repository, digest });
                } else {
                    self.untrusted.push(format!("image {name}"));
                }
            }
            (MaterialKind::Git, Pin::Commit(commit)) => {
                let url = url_of(material);
                match self.here.iter().find(|source| source.is_at(url)) {
                    Some(source) => self.history(source, commit),
                    None => self.untrusted.push(format!("repository {url}")),
                }
            }
            (MaterialKind::Http, Pin::Content(_)) if self.entry.gives(&material.uri) => {}
            // No build is given it: a toolchain is in an image, or comes from a repository.
            (MaterialKind::Other, _) => {}
            _ => self.untrusted.push(format!("download {}", material.uri)),
        }
    }
}

fn is_listed(patterns: &[ImagePattern], repository: Option<&str>) -> bool {
    repository.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches_written(name)))
}

/// `registry/path` of a reference in a Dockerfile.
fn repository_of(reference: &str) -> Option<String> {
    let name = reference.split('@').next()?;
    let name = match name.rsplit_once(':') {
        Some((left, right)) if !right.contains('/') => left,
        _ => name,
    };
    name.parse::<Repository>().ok().map(|repository| repository.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::trust::sources::tests::source;

    /// An entry that trusts all of the plan of `rebuild::tests`.
    pub(in crate::rebuild) fn enough(plan: &Plan) -> TrustedSource {
        let repository = plan.source.repository().unwrap();
        let mut source = source();
        source.repository.clone_from(&repository.url);
        source.folder.clone_from(&repository.folder);
        source.dockerfile.clone_from(&plan.dockerfile_path);
        source.target.clone_from(&plan.target);
        source.build_args = plan.build_args.keys().cloned().collect();
        source.bases = ["docker.io/library/*", "r.example:5000/base"]
            .map(|pattern| pattern.parse().unwrap())
            .to_vec();
        let downloads = plan.materials.iter().filter(|m| matches!(m.kind, MaterialKind::Http));
        source.downloads = downloads.map(|m| m.uri.clone()).collect();
        source
    }

    /// The plan without options, which no entry can name.
    fn plan() -> Plan {
        let mut plan = crate::rebuild::tests::plan();
        plan.options.clear();
        plan
    }

    #[test]
    fn h34_every_input_has_to_be_named() {
        let (plan, here) = (plan(), crate::trust::testing::location("r.example/team/app"));
        let asked = questions(&plan, &here, &[enough(&plan)]).unwrap();
        let histories = asked.iter().filter(|q| matches!(q, Question::History { .. })).count();
        assert!(histories >= 1 && asked.len() > histories, "{asked:?}");
        type Change = fn(&mut TrustedSource, &mut Plan);
        let cases: [(&str, Change); 11] = [
            ("repository", |s, _| s.repository.push('x')),
            ("repository", |s, _| s.images = vec!["r.example/other".parse().unwrap()]),
            ("folder", |s, _| s.folder = None),
            ("Dockerfile", |_, p| p.dockerfile_path = "evil.Dockerfile".to_owned()),
            ("target", |s, _| s.target = None),
            ("build argument", |s, _| s.build_args.clear()),
            ("option add-hosts", |_, p| {
                p.options.insert("add-hosts".to_owned(), "a=192.0.2.1".to_owned());
            }),
            ("image", |s, _| s.bases.clear()),
            ("download", |s, _| s.downloads.clear()),
            ("frontend", |_, p| {
                p.frontend = Frontend::Image { reference: "evil.example/frontend:1".to_owned() };
            }),
            ("download, and no repository", |_, p| {
                let digest = Digest::sha256(b"x");
                p.source =
                    PlannedSource::Download { url: "https://x.example/a".to_owned(), digest };
            }),
        ];
        for (want, change) in cases {
            let (mut source, mut plan) = (enough(&plan), plan.clone());
            change(&mut source, &mut plan);
            let untrusted = questions(&plan, &here, &[source]).expect_err(want);
            assert!(untrusted.iter().any(|text| text.contains(want)), "{want}: {untrusted:?}");
        }
        let nothing = questions(&plan, &here, &[]).expect_err("nothing is trusted by default");
        for kind in ["repository ", "image ", "download "] {
            assert!(nothing.iter().any(|one| one.starts_with(kind)), "{kind}: {nothing:?}");
        }
        let each: std::collections::BTreeSet<_> = nothing.iter().collect();
        assert_eq!(each.len(), nothing.len(), "{nothing:?}");
    }

    #[test]
    fn what_hallmarks_own_manifest_says_besides_needs_no_name() {
        let (mut plan, here) = (plan(), crate::trust::testing::location("r.example/team/app"));
        let source = enough(&plan);
        plan.options.insert("dockerfile-digest:sha256".to_owned(), "0".repeat(64));
        plan.materials.push(Material {
            kind: MaterialKind::Other,
            uri: "pkg:generic/tcc@0.9.27".to_owned(),
            pin: Pin::Content(Digest::sha256(b"tcc")),
            role: Some("toolchain".to_owned()),
        });
        assert!(questions(&plan, &here, &[source]).is_ok());
    }

    #[test]
    fn a_time_needs_no_name() {
        let (mut plan, here) = (plan(), crate::trust::testing::location("r.example/team/app"));
        let source = enough(&plan);
        plan.build_args.insert(EPOCH.to_owned(), "1".to_owned());
        assert!(questions(&plan, &here, &[source]).is_ok());
    }
}
