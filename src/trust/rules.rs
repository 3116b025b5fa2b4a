//! Trust rules: which signer may vouch for what on which images, and how many of them it takes.
//!
//! Turns signers and rules from configuration into [`TrustRules`], which cannot contradict themselves. Rules are grants: a
//! claim is believed when *one* rule that speaks about the image and the predicate is satisfied; a second rule can add
//! trust, never take it away. Without a rule nobody is trusted.
//!
//! A threshold counts *distinct* signers. Signers that share a key are one signer, however many names and keys they have
//! (attacks A7, A24). Refuses rules that could never be satisfied or that are satisfied by nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    Delegate, ImagePattern, PredicateClass, PublicKey, RootAge, Signer, SignerIdentity,
    TrustedSource,
    layout::{Inspections, LayoutRule},
    sigstore::{Demands, KeylessIdentity, Recording, SubjectName, TrustedRoot},
};
use crate::{
    attest::{predicate::summary, rebuilt::REBUILD_VERDICT, statement::SIGNATURE},
    digest::Digest,
    reference::Location,
    untrusted::misleads,
};

/// How one signer is recognised: by keys, or by identities that a trusted root vouches for; at least one of them. Any
/// of them signs for the signer.
#[derive(Debug, Clone)]
pub struct SignerKeys {
    keys: Vec<PublicKey>,
    /// What has to lie beside signatures of the keys; nothing where there is none.
    recording: Option<Recording>,
    keyless: Vec<Keyless>,
}

/// An identity, whose word it takes for it, and how much evidence.
#[derive(Debug, Clone)]
pub struct Keyless {
    /// Who.
    pub identity: KeylessIdentity,
    /// Whose certificates, logs and timestamps count.
    pub root: Arc<TrustedRoot>,
    /// How much of them.
    pub demands: Demands,
}

impl SignerKeys {
    /// Takes the keys of one signer; `None` where there are none.
    pub fn new(keys: Vec<PublicKey>) -> Option<Self> {
        (!keys.is_empty()).then_some(Self { keys, recording: None, keyless: Vec::new() })
    }

    /// Whether its keys are all that it has, and nothing has to lie beside their signatures.
    pub fn is_plain(&self) -> bool {
        self.recording.is_none() && self.keyless.is_empty()
    }

    /// Whether it signs with a key that lasts.
    pub fn has_key(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether it signs as an identity that a trusted root vouches for.
    pub fn has_identity(&self) -> bool {
        !self.keyless.is_empty()
    }

    /// A signer who has no key that lasts.
    pub fn keyless(keyless: Keyless) -> Self {
        Self { keys: Vec::new(), recording: None, keyless: vec![keyless] }
    }

    /// The same signer, whose signatures by keys count only where they are recorded so.
    #[must_use]
    pub fn recorded(self, recording: Recording) -> Self {
        Self { recording: Some(recording), ..self }
    }

    /// The keys, in the order of configuration.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The roots whose word counts for this signer.
    pub fn roots(&self) -> impl Iterator<Item = &TrustedRoot> {
        let keyless = self.keyless.iter().map(|keyless| &keyless.root);
        keyless.chain(self.recording.iter().map(|recording| &recording.root)).map(|root| &**root)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Images that it speaks about: any of these.
    pub images: Vec<ImagePattern>,
    /// What the signers may vouch for: any of these.
    pub predicates: Vec<PredicateClass>,
    /// Names of signers.
    pub signers: Vec<String>,
    /// How many distinct signers of them it takes, at least 1.
    pub threshold: usize,
    /// Whether images that it speaks about fail where it is not satisfied.
    pub force: Force,
}

/// What it means that a rule is not satisfied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// It grants nothing; another rule may.
    #[default]
    Grant,
    /// The image fails, whatever other rules grant.
    Require,
}

/// Why rules are refused; `rule` counts from 0, as in `trust.rules[0]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A signer without a name.
    #[error("a signer has an empty name")]
    UnnamedSigner,
    /// A name that another signer has.
    #[error("a signer named {name:?} is there already; its keys would be replaced")]
    SignerTwice {
        /// The name.
        name: String,
    },
    /// A signer whose name does not read as what it is.
    #[error("the signer {0:?} has characters in its name that mislead whoever reads it")]
    MisleadingName(String),
    /// A list that has to name something is empty.
    #[error("trust.rules[{rule}].{list} is empty; a rule names at least one")]
    Empty {
        /// Which rule.
        rule: usize,
        /// Which list.
        list: &'static str,
    },
    /// A rule names a signer that is not configured.
    #[error("trust.rules[{rule}] names the signer {name:?}, which is not under trust.signers")]
    UnknownSigner {
        /// Which rule.
        rule: usize,
        /// The name.
        name: String,
    },
    /// A threshold of none would believe everything.
    #[error("trust.rules[{rule}].threshold is 0; at least one signer has to vouch")]
    NoThreshold {
        /// Which rule.
        rule: usize,
    },
    /// A threshold that cannot be reached.
    #[error(
        "trust.rules[{rule}].threshold is {threshold}, but its signers are only {distinct} distinct \
         ones; signers that share a key count once"
    )]
    UnreachableThreshold {
        /// Which rule.
        rule: usize,
        /// What it asks for.
        threshold: usize,
        /// How many there are.
        distinct: usize,
    },
}

/// What becomes of images about which a list says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnmatched {
    /// A finding below error; policy asks for evidence.
    #[default]
    Report,
    /// They fail.
    Deny,
}

/// [`OnUnmatched`] for rules and for layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unmatched {
    /// Images that no rule speaks about; where only layouts are configured, these stand for rules.
    pub rules: OnUnmatched,
    /// Images that no layout is for, where layouts are configured.
    pub layouts: OnUnmatched,
}

/// Who may vouch for what. The default trusts nobody.
#[derive(Debug, Clone, Default)]
pub struct TrustRules {
    signers: BTreeMap<String, SignerKeys>,
    /// Signers that share a key have the same number.
    authorities: BTreeMap<String, usize>,
    rules: Vec<Rule>,
    layouts: Vec<LayoutRule>,
    sources: Vec<TrustedSource>,
    delegates: Vec<Delegate>,
    unmatched: Unmatched,
    root_age: RootAge,
    /// Signers of what is no evidence of images: blueprints, approvals, exceptions, bundles of rules.
    asked_elsewhere: BTreeSet<String>,
}

/// How far some signers' word goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::trust) enum Standing {
    /// A rule is satisfied, by these.
    Enough(Vec<Signer>),
    /// Some may vouch, too few for any rule; of the rule that is nearest to being satisfied.
    Below {
        /// Their names.
        signers: Vec<String>,
        /// How many the rule asks for.
        threshold: usize,
    },
    /// None of them may vouch for this.
    NotAllowed,
}

impl TrustRules {
    /// Checks and takes rules.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn new(
        signers: BTreeMap<String, SignerKeys>,
        rules: Vec<Rule>,
    ) -> Result<Self, TrustError> {
        if signers.contains_key("") {
            return Err(TrustError::UnnamedSigner);
        }
        if let Some(name) = signers.keys().find(|name| name.contains(misleads)) {
            return Err(TrustError::MisleadingName(name.clone()));
        }
        let authorities = authorities(&signers);
        let trust = Self { authorities, signers, rules, ..Self::default() };
        trust.rules.iter().enumerate().try_for_each(|(number, rule)| trust.check(number, rule))?;
        Ok(trust)
    }

    /// The same trust and some more: signers with a rule each. All that was configured stays as it is.
    ///
    /// # Errors
    /// [`TrustError::SignerTwice`] where a name is taken, and as [`TrustRules::new`].
    pub fn extended(self, added: Vec<(String, SignerKeys, Rule)>) -> Result<Self, TrustError> {
        let (mut signers, mut rules) = (self.signers.clone(), self.rules.clone());
        for (name, keys, rule) in added {
            if signers.contains_key(&name) {
                return Err(TrustError::SignerTwice { name });
            }
            signers.insert(name, keys);
            rules.push(rule);
        }
        let Self { signers, authorities, rules, .. } = Self::new(signers, rules)?;
        Ok(Self { signers, authorities, rules, ..self })
    }

    fn check(&self, number: usize, rule: &Rule) -> Result<(), TrustError> {
        let lists = [
            ("images", rule.images.is_empty()),
            ("predicates", rule.predicates.is_empty()),
            ("signers", rule.signers.is_empty()),
        ];
        if let Some((list, _)) = lists.into_iter().find(|(_, empty)| *empty) {
            return Err(TrustError::Empty { rule: number, list });
        }
        if let Some(name) = rule.signers.iter().find(|name| !self.signers.contains_key(*name)) {
            return Err(TrustError::UnknownSigner { rule: number, name: name.clone() });
        }
        if rule.threshold == 0 {
            return Err(TrustError::NoThreshold { rule: number });
        }
        let distinct = self.distinct(rule.signers.iter().map(String::as_str));
        if rule.threshold > distinct {
            let threshold = rule.threshold;
            return Err(TrustError::UnreachableThreshold { rule: number, threshold, distinct });
        }
        Ok(())
    }

    /// The same rules, and layouts that images have to be made by.
    #[must_use]
    pub fn with_layouts(mut self, layouts: Vec<LayoutRule>) -> Self {
        self.layouts = layouts;
        self
    }

    /// The same rules, and sources that need no signature.
    #[must_use]
    pub fn with_sources(mut self, sources: Vec<TrustedSource>) -> Self {
        self.sources = sources;
        self
    }

    /// The same rules, and verifiers whose word stands in for one's own.
    #[must_use]
    pub fn with_delegates(mut self, delegates: Vec<Delegate>) -> Self {
        self.delegates = delegates;
        self
    }

    /// Verifiers whose word stands in for one's own.
    pub fn delegates(&self) -> &[Delegate] {
        &self.delegates
    }

    /// Sources that need no signature.
    pub fn sources(&self) -> &[TrustedSource] {
        &self.sources
    }

    /// The layouts, in the order of configuration.
    pub fn layouts(&self) -> &[LayoutRule] {
        &self.layouts
    }

    /// The same rules, which have to speak about every image.
    #[must_use]
    pub fn with_unmatched(self, unmatched: Unmatched) -> Self {
        Self { unmatched, ..self }
    }

    /// What becomes of images that no rule speaks about.
    pub fn on_unmatched(&self) -> Unmatched {
        self.unmatched
    }

    /// The list, `trust.rules` or `trust.layouts`, that has to speak about images at this location and does not.
    pub fn missing(&self, location: &Location) -> Option<&'static str> {
        let rule = self.rules.iter().any(|rule| rule.speaks_about(location))
            || self.sources.iter().any(|source| source.is_for(location))
            || self.delegates.iter().any(|delegate| delegate.is_for(location));
        let layout = self.layouts.iter().any(|layout| layout.is_for(location));
        let rules_count = !self.rules.is_empty() || self.layouts.is_empty();
        if self.unmatched.rules == OnUnmatched::Deny && !rule && rules_count {
            return Some("trust.rules");
        }
        let layouts_count = !self.layouts.is_empty();
        let unlisted = self.unmatched.layouts == OnUnmatched::Deny && !layout && layouts_count;
        unlisted.then_some("trust.layouts")
    }

    /// The first rule for plain signatures, by its number, that only keys can satisfy: nobody in it, or in another such rule
    /// about the same images, has a certificate, which alone bounds the age of a signature.
    pub fn without_age(&self) -> Option<usize> {
        let of_signatures = |rule: &&Rule| rule.predicates.iter().any(|p| p.includes(SIGNATURE));
        let dated = |rule: &&Rule| rule.signers.iter().any(|name| !self.has_only_keys(name));
        let together = |one: &Rule, other: &Rule| {
            one.images.iter().any(|a| other.images.iter().any(|b| a.may_overlap(b)))
        };
        self.rules.iter().position(|rule| {
            let mut others = self.rules.iter().filter(of_signatures).filter(dated);
            of_signatures(&rule) && !others.any(|other| together(rule, other))
        })
    }

    /// Whether this signer is configured, and by keys alone.
    pub fn has_only_keys(&self, name: &str) -> bool {
        self.signers.get(name).is_some_and(|signer| signer.keyless.is_empty())
    }

    /// The signers by name.
    pub fn signers(&self) -> &BTreeMap<String, SignerKeys> {
        &self.signers
    }

    /// The rules, in the order of configuration.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether some rule, layout or trusted source speaks about images at this location.
    pub fn speaks_about(&self, location: &Location) -> bool {
        self.rules.iter().any(|rule| rule.speaks_about(location))
            || self.layouts.iter().any(|layout| layout.is_for(location))
            || self.sources.iter().any(|source| source.is_for(location))
            || self.delegates.iter().any(|delegate| delegate.is_for(location))
    }

    /// Rules that speak about images at this location and by which none of these claims, each a predicate type and who
    /// vouches for it, is believed; by their numbers.
    pub fn unmatched<'a>(
        &self,
        location: &Location,
        proven: impl Iterator<Item = (&'a str, &'a [Signer])> + Clone,
    ) -> Vec<usize> {
        let counts = |rule: &Rule| {
            let mut proven = proven.clone();
            proven.any(|(predicate_type, signers)| {
                rule.grants(location, predicate_type)
                    && signers.iter().any(|signer| rule.signers.contains(&signer.name))
            })
        };
        let rules = self.rules.iter().enumerate();
        let silent = rules.filter(|(_, rule)| rule.speaks_about(location) && !counts(rule));
        silent.map(|(number, _)| number).collect()
    }

    /// Required rules that speak about images at this location and that none of these claims satisfies; by their numbers.
    pub fn unmet<'a>(
        &self,
        location: &Location,
        proven: impl Iterator<Item = (&'a str, &'a [Signer])> + Clone,
    ) -> Vec<usize> {
        let met = |rule: &Rule| {
            proven.clone().any(|(predicate_type, signers)| {
                let allowed = signers.iter().filter(|s| rule.signers.contains(&s.name)).collect();
                rule.grants(location, predicate_type)
                    && self.distinct_makers(&allowed) >= rule.threshold_of_one(predicate_type)
            })
        };
        let required = |rule: &Rule| rule.force == Force::Require && rule.speaks_about(location);
        let rules = self.rules.iter().enumerate();
        let unmet = rules.filter(|(_, rule)| required(rule) && !met(rule));
        unmet.map(|(number, _)| number).collect()
    }

    /// The same trust, where these have a word about something else than evidence of images. Nothing of that is believed by it.
    #[must_use]
    pub fn asking_elsewhere(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { asked_elsewhere: names.into_iter().collect(), ..self }
    }

    /// Signers whom nothing names: their word counts for nothing.
    pub fn idle_signers(&self) -> Vec<&str> {
        let named = |name: &&String| {
            self.asked_elsewhere.contains(*name)
                || self.rules.iter().any(|rule| rule.signers.contains(*name))
                || self.delegates.iter().any(|delegate| delegate.signer == **name)
        };
        self.signers.keys().filter(|name| !named(name)).map(String::as_str).collect()
    }

    /// The same rules, for which nothing that is proven lies later than `now` (attack A16).
    #[must_use]
    pub fn judged_at(&self, now: Timestamp) -> Self {
        let mut rules = self.clone();
        for signer in rules.signers.values_mut() {
            let keyless = signer.keyless.iter_mut().map(|keyless| &mut keyless.demands);
            let recording = signer.recording.iter_mut().map(|recording| &mut recording.demands);
            keyless.chain(recording).for_each(|demands| demands.now = Some(now));
        }
        rules
    }

    /// The roots that signers of rules about this location need, each once.
    pub fn roots(&self, location: &Location) -> Vec<&TrustedRoot> {
        let rules = self.rules.iter();
        let rules = rules.filter(|rule| rule.images.iter().any(|image| image.matches(location)));
        let delegates = self.delegates.iter().filter(|delegate| delegate.is_for(location));
        let names = rules.flat_map(|rule| &rule.signers);
        let names: BTreeSet<&String> =
            names.chain(delegates.map(|delegate| &delegate.signer)).collect();
        let signers = names.into_iter().filter_map(|name| self.signers.get(name));
        let mut roots: Vec<_> = signers.flat_map(SignerKeys::roots).collect();
        roots.sort_by(|a, b| a.digest().cmp(b.digest()));
        roots.dedup_by(|a, b| a.digest() == b.digest());
        roots
    }

    /// The same rules, for which trusted roots grow old so fast.
    #[must_use]
    pub fn with_root_age(self, root_age: RootAge) -> Self {
        Self { root_age, ..self }
    }

    /// How old a trusted root may be.
    pub fn root_age(&self) -> RootAge {
        self.root_age
    }

    /// A digest over everything that the rules and keys say: equal trust has an equal digest, whatever the order in
    /// which it is written down.
    pub fn digest(&self) -> Digest {
        let mut canonical = Canonical(b"hallmark/trust/v1".to_vec());
        canonical.count(self.signers.len());
        for (name, keys) in &self.signers {
            canonical.text(name);
            canonical.set(keys.keys.iter().map(PublicKey::fingerprint));
            canonical.set(keys.keyless.iter().map(Keyless::canonical));
            canonical.set(keys.recording.iter().map(canonical_recording));
        }
        let rules: BTreeSet<Vec<u8>> = self.rules.iter().map(Rule::canonical).collect();
        canonical.count(rules.len());
        rules.iter().for_each(|rule| canonical.bytes(rule));
        let layouts: BTreeSet<Vec<u8>> = self.layouts.iter().map(canonical_layout).collect();
        layouts.iter().for_each(|layout| canonical.bytes(layout));
        let sources: BTreeSet<String> = self.sources.iter().map(TrustedSource::canonical).collect();
        sources.iter().for_each(|source| canonical.text(source));
        let delegates: BTreeSet<String> = self.delegates.iter().map(Delegate::canonical).collect();
        delegates.iter().for_each(|delegate| canonical.text(delegate));
        canonical.text(&self.root_age.to_string());
        if self.unmatched != Unmatched::default() {
            canonical.text(&format!("{:?}", self.unmatched));
        }
        Digest::sha256(&canonical.0)
    }

    /// Names of the signers whose word about images at this location may count for something.
    pub(in crate::trust) fn names_about(&self, location: &Location) -> BTreeSet<&str> {
        let rules = self.rules.iter().filter(|rule| rule.speaks_about(location));
        let delegates = self.delegates.iter().filter(|delegate| delegate.is_for(location));
        let names = rules.flat_map(|rule| &rule.signers);
        names.chain(delegates.map(|delegate| &delegate.signer)).map(String::as_str).collect()
    }

    /// Every configured signer, with each of its keys.
    pub(in crate::trust) fn keys(&self) -> impl Iterator<Item = (Signer, &PublicKey)> {
        self.signers.iter().flat_map(|(name, signer)| {
            signer.keys.iter().map(move |key| {
                let fingerprint = key.fingerprint();
                let identity = SignerIdentity::Key { fingerprint, recorded: None };
                (Signer { name: name.clone(), identity }, key)
            })
        })
    }

    /// What has to lie beside the signatures of a signer's keys.
    pub(in crate::trust) fn recording(&self, signer: &Signer) -> Option<&Recording> {
        self.signers.get(&signer.name)?.recording.as_ref()
    }

    /// Every configured keyless signer.
    pub(in crate::trust) fn keyless(&self) -> impl Iterator<Item = (&str, &Keyless)> {
        self.signers.iter().flat_map(|(name, signer)| {
            signer.keyless.iter().map(move |keyless| (name.as_str(), keyless))
        })
    }

    /// How far the word of `signed_by` goes for a claim of this type about an image at this location.
    pub(in crate::trust) fn standing(
        &self,
        location: &Location,
        predicate_type: &str,
        signed_by: &BTreeSet<Signer>,
    ) -> Standing {
        let mut enough = BTreeSet::new();
        if predicate_type == summary::TYPE {
            let delegates = self.delegates.iter().filter(|delegate| delegate.is_for(location));
            let names: BTreeSet<&String> = delegates.map(|delegate| &delegate.signer).collect();
            enough.extend(signed_by.iter().filter(|signer| names.contains(&signer.name)).cloned());
        }
        let mut nearest: Option<(usize, usize, BTreeSet<&Signer>)> = None;
        for rule in self.rules.iter().filter(|rule| rule.grants(location, predicate_type)) {
            let allowed: BTreeSet<&Signer> =
                signed_by.iter().filter(|signer| rule.signers.contains(&signer.name)).collect();
            let distinct = self.distinct_makers(&allowed);
            let threshold = rule.threshold_of_one(predicate_type);
            if distinct >= threshold {
                enough.extend(allowed.into_iter().cloned());
                continue;
            }
            let lacking = threshold - distinct;
            if distinct > 0 && nearest.as_ref().is_none_or(|(least, ..)| lacking < *least) {
                nearest = Some((lacking, threshold, allowed));
            }
        }
        match nearest {
            _ if !enough.is_empty() => Standing::Enough(enough.into_iter().collect()),
            Some((_, threshold, signers)) => Standing::Below { signers: names(signers), threshold },
            None => Standing::NotAllowed,
        }
    }

    /// How many distinct makers these signers are. One identity that two signers' patterns match is one maker, and so
    /// is one signer with two identities.
    pub(in crate::trust) fn distinct_makers(&self, signers: &BTreeSet<&Signer>) -> usize {
        let mut groups: Vec<BTreeSet<Mark<'_>>> = Vec::new();
        for signer in signers {
            let authority = self.authorities.get(&signer.name).copied().map(Mark::Authority);
            let identity = match &signer.identity {
                SignerIdentity::Keyless(vouched) => {
                    Some(Mark::Identity(vouched.issuer.as_deref(), &vouched.subject))
                }
                SignerIdentity::Key { .. } => None,
            };
            let mut marks: BTreeSet<_> = authority.into_iter().chain(identity).collect();
            let (linked, others): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|known| !known.is_disjoint(&marks));
            marks.extend(linked.into_iter().flatten());
            groups = others;
            groups.push(marks);
        }
        groups.len()
    }

    /// How many distinct signers these names are.
    fn distinct<'a>(&self, names: impl Iterator<Item = &'a str>) -> usize {
        names.filter_map(|name| self.authorities.get(name)).collect::<BTreeSet<_>>().len()
    }
}

/// What tells makers apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark<'a> {
    Authority(usize),
    Identity(Option<&'a str>, &'a SubjectName),
}

impl Keyless {
    fn canonical(&self) -> String {
        let Self { identity: KeylessIdentity { issuer, subject }, root, demands } = self;
        let Demands { logs, times, no_ct_log, now: _ } = demands;
        let issuer = issuer.as_ref().map(ToString::to_string);
        format!(
            "{issuer:?} {:?} {} {logs} {times:?} {no_ct_log:?}",
            subject.to_string(),
            root.digest()
        )
    }
}

fn canonical_recording(recording: &Recording) -> String {
    let Recording { root, demands: Demands { logs, times, no_ct_log: _, now: _ }, key_valid } =
        recording;
    let window = key_valid.map(|window| (window.start, window.end));
    format!("{} {logs} {times:?} {window:?}", root.digest())
}

/// Names of signers, each once, sorted.
pub(in crate::trust) fn names<'a>(signers: impl IntoIterator<Item = &'a Signer>) -> Vec<String> {
    let names: BTreeSet<&String> = signers.into_iter().map(|signer| &signer.name).collect();
    names.into_iter().cloned().collect()
}

/// Gives each signer a number, the same to all that are linked by shared keys.
fn authorities(signers: &BTreeMap<String, SignerKeys>) -> BTreeMap<String, usize> {
    let mut groups: Vec<(BTreeSet<String>, Vec<&String>)> = Vec::new();
    for (name, signer) in signers {
        let mut prints: BTreeSet<String> = signer.keys.iter().map(PublicKey::fingerprint).collect();
        let mut members = vec![name];
        let (linked, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(known, _)| !known.is_disjoint(&prints));
        for (known, names) in linked {
            prints.extend(known);
            members.extend(names);
        }
        groups = others;
        groups.push((prints, members));
    }
    let numbered = groups.into_iter().enumerate();
    numbered.flat_map(|(n, (_, names))| names.into_iter().map(move |m| (m.clone(), n))).collect()
}

impl Rule {
    fn speaks_about(&self, location: &Location) -> bool {
        self.images.iter().any(|image| image.matches(location))
    }

    /// Whether it lets its signers vouch for statements of this type about images there.
    pub(crate) fn grants(&self, location: &Location, predicate_type: &str) -> bool {
        self.predicates.iter().any(|class| class.includes(predicate_type))
            && self.speaks_about(location)
    }

    /// How many signers one statement needs. Rebuilders each make a statement of their own: how many of them have to agree
    /// is counted over all of them (`trust::quorum`).
    fn threshold_of_one(&self, predicate_type: &str) -> usize {
        if predicate_type == REBUILD_VERDICT { 1 } else { self.threshold }
    }

    fn canonical(&self) -> Vec<u8> {
        let mut canonical = Canonical(Vec::new());
        canonical.set(self.images.iter().map(ToString::to_string));
        canonical.set(self.predicates.iter().map(ToString::to_string));
        canonical.set(self.signers.iter().cloned());
        canonical.count(self.threshold);
        if self.force == Force::Require {
            canonical.text("required");
        }
        canonical.0
    }
}

fn canonical_layout(layout: &LayoutRule) -> Vec<u8> {
    let mut canonical = Canonical(b"layout".to_vec());
    canonical.text(&layout.name);
    canonical.set(layout.images.iter().map(ToString::to_string));
    canonical.text(&layout.layout.payload.to_string());
    canonical.set(layout.keys.iter().map(PublicKey::fingerprint));
    canonical.count(usize::from(layout.inspections == Inspections::UnsafeSkip));
    canonical.0
}

/// Bytes in which no two different contents look the same: every part has its length before it.
struct Canonical(Vec<u8>);

impl Canonical {
    fn count(&mut self, count: usize) {
        self.0.extend_from_slice(format!("{count};").as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn set(&mut self, texts: impl Iterator<Item = String>) {
        let sorted: BTreeSet<String> = texts.collect();
        self.count(sorted.len());
        sorted.iter().for_each(|text| self.text(text));
    }
}

#[cfg(test)]
mod tests;
