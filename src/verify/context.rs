//! What a verification needs besides the image and the time.
//!
//! How the world is reached, what is judged by, and how images are rebuilt: each is a value of its own, so that a command
//! takes no more of them than it uses.

use std::{collections::BTreeSet, sync::Arc, thread};

use jiff::SignedDuration;
use serde_json::json;

use super::{allowed::AllowRule, sboms::GivenSbom, turns::Turns};
use crate::{
    attest::provenance::embedded,
    contents::{CollectorName, malware::rules::RuleSet},
    digest::{DiffId, Digest},
    engine::{EngineChoice, EngineSettings},
    finding::{Code, Finding, Key, Subject},
    image::Image,
    limits::Limits,
    policy::{Deferred, Exception, Needs, namespaces::NamespaceSelector},
    progress::{ProgressSink, Silent},
    rebuild::plan::PlanOptions,
    reference::{Location, Reference},
    source::{Budgets, PlatformChoice, SourceSettings},
    trust::{ApprovedBuild, Attested, ImagePattern, TrustRules},
    verdict::{Asked, DEFAULT_LEVEL, Inputs},
    vulnerabilities::database::Database,
};

/// How the world is reached, and how much of it is taken.
#[derive(Clone)]
pub struct World {
    /// How registries are reached.
    pub sources: SourceSettings,
    /// Which platforms of an image are meant.
    pub platforms: PlatformChoice,
    /// The bounds.
    pub limits: Limits,
    /// Known bases, by the digests of their uncompressed layers.
    pub bases: Arc<[Vec<DiffId>]>,
    /// What all images together may take.
    pub budgets: Budgets,
    /// Where what takes long is computed.
    pub turns: Turns,
    /// SBOMs that the operator handed in for this call.
    pub sboms: Arc<[GivenSbom]>,
    /// What is known of vulnerabilities, where the operator has such data.
    pub vulnerabilities: Option<Database>,
    /// Builds that somebody approved; the first that is for an image counts.
    pub blueprints: Arc<[Arc<ApprovedBuild>]>,
    /// Where progress goes.
    pub sink: Arc<dyn ProgressSink>,
}

impl World {
    /// The world within these bounds, with every other setting at its default; progress goes nowhere.
    pub fn new(limits: Limits) -> Self {
        Self {
            sources: SourceSettings::default(),
            platforms: PlatformChoice::default(),
            bases: Arc::new([]),
            budgets: Budgets::new(&limits),
            turns: Turns::default(),
            sboms: Arc::new([]),
            vulnerabilities: None,
            blueprints: Arc::new([]),
            sink: Arc::new(Silent),
            limits,
        }
    }

    /// The build that somebody approved for images at a location, which it is written as.
    pub fn blueprint(&self, location: &str) -> Option<Arc<ApprovedBuild>> {
        self.blueprints.iter().find(|approved| approved.is_for(location)).cloned()
    }
}

/// What is judged by.
#[derive(Clone)]
pub struct Criteria {
    /// Who may vouch for what.
    pub trust: Arc<TrustRules>,
    /// The rules.
    pub policies: Deferred,
    /// Exceptions from them.
    pub exceptions: Vec<Exception>,
    /// Other rules for some images: the first whose patterns match is the one for an image. Those that are about namespaces count in
    /// the gate alone.
    pub choices: Vec<Choice>,
}

/// Rules for some images.
#[derive(Clone)]
pub struct Choice {
    /// Which images.
    pub images: Vec<ImagePattern>,
    /// In which namespaces; everywhere where nothing is said.
    pub namespaces: Option<NamespaceSelector>,
    /// The rules.
    pub policies: Deferred,
    /// Exceptions from them.
    pub exceptions: Vec<Exception>,
}

impl Criteria {
    /// The rules for images at a location, which it is written as.
    pub fn choice(&self, location: &str) -> (&Deferred, &[Exception]) {
        let meant = |choice: &&Choice| {
            choice.namespaces.is_none()
                && choice.images.iter().any(|image| image.matches_written(location))
        };
        match self.choices.iter().find(meant) {
            Some(Choice { policies, exceptions, .. }) => (policies, exceptions),
            None => (&self.policies, &self.exceptions),
        }
    }

    /// The rules of one entry of `choices`, or those of all other images where none is named, and no others.
    #[must_use]
    pub fn of(&self, entry: Option<usize>) -> Option<Self> {
        let (policies, exceptions) = match entry.map(|index| self.choices.get(index)) {
            None => (&self.policies, &self.exceptions),
            Some(Some(Choice { policies, exceptions, .. })) => (policies, exceptions),
            Some(None) => return None,
        };
        let (trust, policies) = (Arc::clone(&self.trust), policies.clone());
        Some(Self { trust, policies, exceptions: exceptions.clone(), choices: Vec::new() })
    }

    /// All rules, those for some images among them.
    pub fn all(&self) -> impl Iterator<Item = (&Deferred, &[Exception])> {
        let first = (&self.policies, self.exceptions.as_slice());
        std::iter::once(first)
            .chain(self.choices.iter().map(|c| (&c.policies, c.exceptions.as_slice())))
    }
}

/// Compiles policies on a thread of its own, while images are fetched: it takes about as long as the first requests to
/// a registry, and needs none of their answers. Where no thread is to be had, whoever asks first compiles.
pub fn compile_ahead(policies: &Deferred) {
    let policies = policies.clone();
    let thread = thread::Builder::new().name("policies".to_owned());
    let _ = thread.spawn(move || policies.ready().is_ok());
}

/// Whether and how images are rebuilt.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// When.
    pub when: When,
    /// With which engine.
    pub engine: EngineChoice,
    /// What a plan may ask for.
    pub plan: PlanOptions,
    /// How the engine reaches registries.
    pub settings: EngineSettings,
    /// Whether a mismatch is built again, to tell nondeterminism from tampering.
    pub on_mismatch: OnMismatch,
    /// What rebuilds of others are worth.
    pub attested: AttestedOptions,
    /// What may differ all the same.
    pub allow: Vec<AllowRule>,
    /// Whether provenance that does not count is followed.
    pub uncounted: Uncounted,
}

impl RebuildOptions {
    /// No rebuild, forbidden by this option or setting, and none of others that counts.
    pub fn never(by: &'static str) -> Self {
        Self {
            when: When::Never(by),
            engine: EngineChoice::Auto,
            plan: PlanOptions::default(),
            settings: EngineSettings::default(),
            on_mismatch: OnMismatch::Accept,
            attested: AttestedOptions { accept: false, max_age: SignedDuration::ZERO },
            allow: Vec::new(),
            uncounted: Uncounted::Skip,
        }
    }
}

/// When an image is rebuilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// If the policy needs it.
    PolicyAsks,
    /// Always.
    Always,
    /// Never, by this option or setting: a policy that needs it fails.
    Never(&'static str),
}

/// What a mismatch leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnMismatch {
    /// A second build, compared with the first.
    BuildAgain,
    /// Nothing.
    Accept,
}

/// What the verdicts of trusted rebuilders are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttestedOptions {
    /// Whether enough of them stand in for an own rebuild.
    pub accept: bool,
    /// How old one may be.
    pub max_age: SignedDuration,
}

/// What becomes of a rebuild that could not count, because nobody vouches for provenance and inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// It is made, for whoever reads the report.
    Build,
    /// It is not made: nobody would read of it, and a stranger would have chosen what is built.
    Skip,
}

/// What is left of an image once it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All evidence, for a report.
    Evidence,
    /// What is wrong with it.
    Findings,
}

/// All that a verdict needs besides the image and the time.
#[derive(Clone)]
pub struct Context {
    /// How the world is reached.
    pub world: World,
    /// What is judged by.
    pub criteria: Criteria,
    /// Whether and how images are rebuilt.
    pub rebuild: RebuildOptions,
    /// What is left of an image once it is judged.
    pub keep: Keep,
}

/// All that evidence needs besides the image and the time: whoever judges nothing has no policy.
#[derive(Clone)]
pub struct Inquiry {
    /// How the world is reached.
    pub world: World,
    /// Who may vouch for what.
    pub trust: Arc<TrustRules>,
    /// Whether and how images are rebuilt.
    pub rebuild: RebuildOptions,
    /// What has to be known about an image.
    pub wanted: Wanted,
}

/// What has to be known about an image besides what is proven of it.
#[derive(Clone)]
pub enum Wanted {
    /// What is in its layers.
    Contents,
    /// The same, and whose every file is.
    Files,
    /// Whatever these policies ask for. They may still be compiled: whoever wants to know waits for them.
    By(Box<Deferred>),
}

impl Wanted {
    /// What has to be known.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Contents => {
                Needs { collectors: [CollectorName::Inventory].into(), ..Needs::default() }
            }
            Self::Files => Needs {
                collectors: [CollectorName::Inventory, CollectorName::Contents].into(),
                ..Needs::default()
            },
            Self::By(policies) => policies.needs(),
        }
    }

    /// What files are scanned by, where somebody gave YARA rules.
    pub(super) fn malware(&self) -> Option<RuleSet> {
        match self {
            Self::Contents | Self::Files => None,
            Self::By(policies) => policies.malware(),
        }
    }

    /// The rung of the ladder that a rebuild has to reach.
    pub fn level(&self) -> u8 {
        match self {
            Self::Contents | Self::Files => DEFAULT_LEVEL,
            Self::By(policies) => policies.asked_level(),
        }
    }
}

/// Whether images are rebuilt where they can be.
fn wants_rebuild(rebuild: &RebuildOptions, needs: impl FnOnce() -> Needs) -> bool {
    match rebuild.when {
        When::Always => true,
        When::Never(_) => false,
        When::PolicyAsks => needs().rebuild,
    }
}

impl Context {
    /// The same with the rules for images at this location, and no others.
    #[must_use]
    pub fn for_images_at(&self, location: &Location) -> Self {
        let mut context = self.clone();
        let (policies, exceptions) = self.criteria.choice(&location.to_string());
        context.criteria.policies = policies.clone();
        context.criteria.exceptions = exceptions.to_vec();
        context.criteria.choices = Vec::new();
        context
    }

    /// What the evidence needs that is judged here.
    pub fn inquiry(&self) -> Inquiry {
        Inquiry {
            world: self.world.clone(),
            trust: Arc::clone(&self.criteria.trust),
            rebuild: self.rebuild.clone(),
            wanted: Wanted::By(Box::new(self.criteria.policies.clone())),
        }
    }

    /// Why nothing about this image could ever be proven, so that nobody needs to be asked about it: no rule and no layout
    /// speaks about its repository, and it is not rebuilt (attack C14).
    pub fn hopeless(&self, reference: &Reference) -> Option<Finding> {
        let Reference::At(location @ Location::Registry(_), _) = reference else { return None };
        let wants_rebuild = || {
            let (policies, _) = self.criteria.choice(&location.to_string());
            wants_rebuild(&self.rebuild, || policies.needs())
        };
        if self.criteria.trust.speaks_about(location) || wants_rebuild() {
            return None;
        }
        let subject = Subject::Image(reference.to_string());
        let why = "no rule or layout under trust is about this repository, so that its registry was not asked";
        let help = "say under trust in hallmark.yaml who vouches for this repository: a rule whose images match it, or a layout; or do not run it";
        let finding = Finding::new(Code::PolicyNothingProven, subject);
        Some(finding.with(Key::Why, why).with(Key::Help, help))
    }

    /// Whether images are rebuilt where they can be, some of them at least.
    pub fn wants_rebuild(&self) -> bool {
        self.criteria.all().any(|(policies, _)| wants_rebuild(&self.rebuild, || policies.needs()))
    }

    /// What is asked of rebuilds.
    pub(super) fn asked(&self) -> Asked {
        let level = self.criteria.policies.asked_level();
        Asked { level, accept_attested: self.rebuild.attested.accept }
    }

    /// Digest of everything by which the operator decides what passes.
    fn decided_by(&self) -> Digest {
        let policy = self.criteria.policies.digest(&self.criteria.exceptions);
        let data = self.world.vulnerabilities.as_ref().map(|data| data.digest().to_string());
        let blueprints: Vec<_> = self.world.blueprints.iter().map(|one| one.json()).collect();
        if self.rebuild.allow.is_empty() && data.is_none() && blueprints.is_empty() {
            return policy;
        }
        let allow: Vec<_> = self.rebuild.allow.iter().map(AllowRule::json).collect();
        let mut all = json!({ "policy": policy.to_string(), "allow": allow });
        if let (Some(data), Some(all)) = (data, all.as_object_mut()) {
            all.insert("vulnerabilities".to_owned(), data.into());
        }
        if let (false, Some(all)) = (blueprints.is_empty(), all.as_object_mut()) {
            all.insert("blueprints".to_owned(), blueprints.into());
        }
        Digest::sha256(all.to_string().as_bytes())
    }

    /// What a verdict depends on besides the image and the time.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            policy: self.decided_by(),
            trust: self.criteria.trust.digest(),
            asked: self.asked(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Inquiry {
    /// What is asked of rebuilds.
    pub fn asked(&self) -> Asked {
        Asked { level: self.wanted.level(), accept_attested: self.rebuild.attested.accept }
    }

    /// What forbids the rebuild that the policy asks for.
    pub(super) fn forbids_rebuild(&self) -> Option<&'static str> {
        match self.rebuild.when {
            When::Never(by) => self.wanted.needs().rebuild.then_some(by),
            When::PolicyAsks | When::Always => None,
        }
    }

    /// Whether an own rebuild is asked for, and nothing makes it needless.
    pub(super) fn rebuilds(&self, attested: &Attested) -> bool {
        self.wants_rebuild() && !self.others_suffice(attested)
    }

    /// Whether what others rebuilt makes an own rebuild needless: only where the policy, and not the caller, asks for one, they
    /// agree on the rung that is asked for, and nobody says that the image is another.
    fn others_suffice(&self, attested: &Attested) -> bool {
        let asked = self.wanted.level();
        self.rebuild.when == When::PolicyAsks
            && self.rebuild.attested.accept
            && attested.agreement.as_ref().is_some_and(|agreement| agreement.level >= asked)
            && attested.dissent().next().is_none()
    }

    /// Layers are fetched only when something asks for what is in them.
    pub(super) fn wants_contents(&self, image: &Image) -> bool {
        self.wants_rebuild() || !self.wanted.needs().collectors.is_empty() || says_embedded(image)
    }

    /// What looks at the layers where they are read: what is asked for, and the inventory, against which reports hold SBOMs.
    pub(super) fn collectors(&self) -> BTreeSet<CollectorName> {
        let mut names = self.wanted.needs().collectors;
        names.insert(CollectorName::Inventory);
        names
    }

    fn wants_rebuild(&self) -> bool {
        wants_rebuild(&self.rebuild, || self.wanted.needs())
    }
}

/// Whether an image claims to hold a build manifest.
pub(super) fn says_embedded(image: &Image) -> bool {
    image.config.runtime.labels.contains_key(embedded::LABEL)
}
