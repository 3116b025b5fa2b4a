//! THE pipeline: an image's digest in, a verdict out.
//!
//! Calls the stages in their order and holds no logic of theirs. [`verify`] cannot return an error: what fails inside
//! becomes a finding, and the verdict's type forces a decision. A panic inside fails the image too.

mod allowed;
mod attested;
mod claims;
mod contents;
mod findings;
mod history;
mod inputs;
mod rebuilding;
mod turns;

use std::{collections::BTreeSet, panic::AssertUnwindSafe, pin::pin, sync::Arc};

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    attest::{Carrier, provenance::Provenance},
    contents::CollectorName,
    digest::{Digest, ManifestDigest},
    engine::{EngineChoice, EngineSettings},
    finding::{Code, Finding, Key, Severity, Subject},
    image::{Image, LeftOut, Platform},
    limits::Limits,
    policy::{Ahead, Exception, Judgement, PolicyInput},
    progress::Talk,
    rebuild::{Plan, plan::StepNetwork},
    reference::{Location, PinnedReference, Reference},
    source::{
        self, Budgets, Meter, Meters, PlatformChoice, Source, SourceError, SourceSettings,
        discover::Discovered, load::Loaded,
    },
    trust::{
        self, Attested, Known, Proof, Proofs, SourceRefs, TrustRules, Work, layout::JudgedLayout,
    },
    verdict::{Decision, Evidence, Grounds, Inputs, PlatformVerdict, Verdict},
};

pub use allowed::{AllowRule, in_force};
use claims::{Claims, Foreseen};
pub use contents::{Contents, fetch as fetch_contents, read as read_contents};
pub use rebuilding::side;
use rebuilding::{HeadStart, Outcome};
pub use turns::Turns;

/// What a verification needs besides the image and the time.
#[derive(Clone)]
pub struct Context {
    /// How registries are reached.
    pub sources: SourceSettings,
    /// Which platforms are judged.
    pub platforms: PlatformChoice,
    /// Who may vouch for what.
    pub trust: TrustRules,
    /// The rules.
    pub policies: Ahead,
    /// Exceptions from them.
    pub exceptions: Vec<Exception>,
    /// Whether and how images are rebuilt.
    pub rebuild: RebuildOptions,
    /// The bounds.
    pub limits: Limits,
    /// What all images together may take.
    pub budgets: Budgets,
    /// Where what takes long is computed.
    pub turns: Turns,
    /// What is left of an image once it is judged.
    pub keep: Keep,
    /// Where progress goes.
    pub talk: Arc<dyn Talk>,
}

/// What is left of an image once it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// All evidence, for a report.
    Evidence,
    /// What is wrong with it.
    Findings,
}

/// Whether and how images are rebuilt.
#[derive(Debug, Clone)]
pub struct RebuildOptions {
    /// When.
    pub when: When,
    /// With which engine.
    pub engine: EngineChoice,
    /// What the steps may reach.
    pub network: StepNetwork,
    /// Frontends besides the built-in one that may read a Dockerfile.
    pub frontends: BTreeSet<Digest>,
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

/// What becomes of a rebuild that could not count, because nobody vouches for provenance and inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncounted {
    /// It is made, for whoever reads the report.
    Build,
    /// It is not made: nobody would read of it, and a stranger would have chosen what is built.
    Skip,
}

/// What the verdicts of trusted rebuilders are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttestedOptions {
    /// Whether enough of them stand in for an own rebuild.
    pub accept: bool,
    /// How old one may be.
    pub max_age: SignedDuration,
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

/// Denied manifests of an index after which no further one is judged where no report is written: the image is denied, and an
/// index may list a thousand (attack C18).
const DENIED_ENOUGH: usize = 8;

/// Judges an image.
#[tracing::instrument(level = "debug", skip_all, fields(%image))]
pub async fn verify(image: PinnedReference, ctx: &Context, now: Timestamp) -> Verdict {
    let meters = Meters::new(&ctx.budgets, &image.location);
    let judged = async {
        tokio::select! {
            judged = judge_platforms(&image, ctx, &meters, now) => judged,
            limit = meters.ended() => {
                let finding = findings::others_waited(&image, limit);
                (vec![unreadable(finding, None, None)], Vec::new())
            }
        }
    };
    let judged = AssertUnwindSafe(judged).catch_unwind().await;
    let (platforms, left_out) = judged.unwrap_or_else(|_| {
        let why = "a stage of the verification panicked; its message is on stderr";
        let finding = Finding::new(Code::InternalError, Subject::Run).with(Key::Why, why);
        (vec![unreadable(finding, None, None)], Vec::new())
    });
    Verdict { platforms, left_out, inputs: ctx.inputs(), time: now, subject: image }
}

async fn judge_platforms(
    reference: &PinnedReference,
    ctx: &Context,
    meters: &Meters,
    now: Timestamp,
) -> (Vec<PlatformVerdict>, Vec<LeftOut>) {
    let subject = || Subject::Image(reference.to_string());
    let (source, loaded) = match open_each(reference, ctx, meters).await {
        Ok(opened) => opened,
        Err(error) => {
            return (vec![unreadable(error.into_finding(subject()), None, None)], Vec::new());
        }
    };
    let ctx = &Arc::new(ctx.clone());
    let mut verdicts: Vec<PlatformVerdict> = Vec::with_capacity(loaded.images.len());
    // What is attached to an index is attached to each of its manifests.
    let mut known = Known::default();
    for image in loaded.images {
        let denied = || verdicts.iter().filter(|verdict| !verdict.decision.is_pass()).count();
        if ctx.keep == Keep::Findings && denied() >= DENIED_ENOUGH {
            break;
        }
        verdicts.push(match image {
            Ok(image) => judge_image(&*source, image, ctx, meters, now, &mut known).await,
            Err(lost) => {
                let finding = lost.error.into_finding(subject());
                unreadable(finding, lost.platform, Some(lost.manifest))
            }
        });
    }
    (verdicts, loaded.left_out)
}

/// The source, and every manifest that `reference` and the choice of platforms mean; at least one. What is attached to
/// them is fetched with them.
#[tracing::instrument(level = "debug", skip_all, name = "fetch")]
async fn open_each(
    reference: &PinnedReference,
    ctx: &Context,
    meters: &Meters,
) -> Result<(Arc<dyn Source>, Loaded), SourceError> {
    ctx.talk.stage("fetch");
    let (place, meter) = (&reference.location, &meters.evidence);
    let source = source::open_metered(place, &ctx.sources, &ctx.limits, meter).await?;
    let loaded = source::load::load_each(&*source, reference, &ctx.platforms, &ctx.limits).await?;
    Ok((source, loaded))
}

/// The source and the images that `reference` and the choice of platforms mean; at least one. What is attached to them is
/// fetched with them.
#[tracing::instrument(level = "debug", skip_all, name = "fetch")]
pub async fn open(
    reference: &PinnedReference,
    ctx: &Context,
) -> Result<(Arc<dyn Source>, Vec<Image>), SourceError> {
    ctx.talk.stage("fetch");
    let source = source::open(&reference.location, &ctx.sources, &ctx.limits).await?;
    let images = source::load::load_ahead(&*source, reference, &ctx.platforms, &ctx.limits).await?;
    Ok((source, images))
}

/// [`open`] for who does not ask for what is attached.
#[tracing::instrument(level = "debug", skip_all, name = "fetch")]
pub async fn open_alone(
    reference: &PinnedReference,
    ctx: &Context,
) -> Result<(Arc<dyn Source>, Vec<Image>), SourceError> {
    ctx.talk.stage("fetch");
    let source = source::open(&reference.location, &ctx.sources, &ctx.limits).await?;
    let images = source::load::load(&*source, reference, &ctx.platforms, &ctx.limits).await?;
    Ok((source, images))
}

async fn judge_image(
    source: &dyn Source,
    image: Image,
    ctx: &Arc<Context>,
    meters: &Meters,
    now: Timestamp,
    known: &mut Known,
) -> PlatformVerdict {
    let found = find(source, &image, ctx).await;
    let proven = prove(image, found, ctx, now, known).await.with_refs(ctx).await;
    let (proven, denied) = aside(ctx, move |ctx| {
        let denied = proven.denied_already(ctx, now);
        (proven, denied)
    })
    .await;
    let (evidence, findings, judgement) = match denied {
        Some(denied) if matches!(source.location(), Location::Registry(_)) => denied,
        denied => {
            // What lies on this disk is read, so that a report says all that is wrong; nothing is built of it.
            let depth = if denied.is_some() { Depth::Layers } else { Depth::Rebuild };
            let (evidence, findings) = look_inside(source, proven, depth, ctx, meters, now).await;
            aside(ctx, move |ctx| {
                let judgement = judge(&evidence, &findings, ctx, now);
                (evidence, findings, judgement)
            })
            .await
        }
    };
    let subject = Subject::Image(evidence.image.reference.to_string());
    let mut findings = findings::judged(findings, judgement, &subject);
    let grounds = Grounds::of(&evidence);
    let nothing = findings::nothing_proven(&evidence.image);
    // A verdict always names its reason, here the only one.
    if grounds.is_none() && findings.iter().all(|f| f.severity < Severity::Error) {
        findings.push(nothing.clone());
    }
    findings::blame_left_out(&mut findings, grounds.is_some());
    // The gravest first; among equals the order of the table, which is that of the pipeline.
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    findings.dedup();
    PlatformVerdict {
        platform: Some(evidence.image.platform.clone()),
        manifest: Some(evidence.image.manifest.document.digest.clone()),
        decision: Decision::from(&findings, grounds, nothing),
        findings,
        evidence: (ctx.keep == Keep::Evidence).then(|| Box::new(evidence)),
    }
}

#[tracing::instrument(level = "debug", skip_all)]
fn judge(evidence: &Evidence, findings: &[Finding], ctx: &Context, now: Timestamp) -> Judgement {
    ctx.talk.stage("policy");
    let input = PolicyInput::new(evidence, findings, now);
    ctx.policies.judge(&input, &ctx.exceptions, &ctx.limits)
}

/// Everything that can be known about an image, and what was seen on the way.
pub async fn gather(
    source: &dyn Source,
    image: Image,
    ctx: &Context,
    now: Timestamp,
) -> (Evidence, Vec<Finding>) {
    let found = find(source, &image, ctx).await;
    weigh(source, image, found, ctx, now).await
}

/// What is attached to an image, untrusted.
#[tracing::instrument(level = "debug", skip_all, name = "discover")]
pub async fn find(source: &dyn Source, image: &Image, ctx: &Context) -> Discovered {
    ctx.talk.stage("evidence");
    source::discover::discover(source, image, &ctx.limits).await
}

/// [`gather`] from what was found already.
pub async fn weigh(
    source: &dyn Source,
    image: Image,
    found: Discovered,
    ctx: &Context,
    now: Timestamp,
) -> (Evidence, Vec<Finding>) {
    let ctx = &Arc::new(ctx.clone());
    let proven = prove(image, found, ctx, now, &mut Known::default()).await.with_refs(ctx).await;
    let meters = Meters::new(&ctx.budgets, source.location());
    look_inside(source, proven, Depth::Rebuild, ctx, &meters, now).await
}

/// What takes long and waits for nobody, away from the threads that answer.
async fn aside<T: Send + 'static>(
    ctx: &Arc<Context>,
    work: impl FnOnce(&Context) -> T + Send + 'static,
) -> T {
    let shared = Arc::clone(ctx);
    ctx.turns.run(move |_| work(&shared)).await
}

/// What is proven about an image. Evidence that was checked for another platform already is `known`.
async fn prove(
    image: Image,
    found: Discovered,
    ctx: &Arc<Context>,
    now: Timestamp,
    known: &mut Known,
) -> Proven {
    let (shared, mut so_far) = (Arc::clone(ctx), std::mem::take(known));
    let proving = ctx.turns.run(move |turn| {
        let go_on = &mut || turn.go_on();
        let mut work = Work { limits: &shared.limits, known: &mut so_far, go_on };
        (Proven::of(image, found, &shared, now, &mut work), so_far)
    });
    let (proven, so_far) = proving.await;
    *known = so_far;
    proven
}

/// How far an image is looked into, where anybody asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Its layers are read.
    Layers,
    /// It is rebuilt, too.
    Rebuild,
}

/// What is known about an image before any of its layers is read.
#[derive(Clone)]
struct Proven {
    image: Image,
    carriers: Vec<Carrier>,
    proofs: Proofs,
    layouts: Vec<JudgedLayout>,
    /// What others rebuilt of the provenance that is known so far.
    attested: Attested,
    /// The provenance that will count unless a file of the image says otherwise.
    foreseen: Proof<Provenance>,
    /// Whether branch and tag of the source hold its commit, where a rule relies on that.
    refs: SourceRefs,
    findings: Vec<Finding>,
}

impl Proven {
    #[tracing::instrument(level = "debug", skip_all, name = "prove", fields(platform = %image.platform))]
    fn of(
        image: Image,
        found: Discovered,
        ctx: &Context,
        now: Timestamp,
        work: &mut Work<'_>,
    ) -> Self {
        let Discovered { raws, mut findings, shares } = found;
        let location = &image.reference.location;
        let trust = ctx.trust.judged_at(now);
        let proofs = trust::prove_within(&raws, &image, &trust, location, work);
        let carriers = raws.into_iter().map(|raw| raw.carrier).collect();
        // What was held are the bytes as they came; what is proven of them is less.
        drop(shares);
        findings.extend(proofs.findings.iter().cloned());
        let layouts = ctx.trust.layouts();
        let (layouts, said) =
            trust::layout::prove_layouts(layouts, &proofs.links, &image, now, work);
        findings.extend(said);
        findings.extend(trust::freshness::findings(&ctx.trust, location, now));
        findings.extend(findings::beyond(&proofs.attestations));
        let Foreseen { provenance: foreseen, payloads } = claims::foreseen(&proofs, &image, ctx);
        let (attested, _) = attested::count(&proofs, &image, &payloads, ctx, now);
        let refs = SourceRefs::default();
        Self { image, carriers, proofs, layouts, attested, foreseen, refs, findings }
    }

    /// With what the source's repository says, where a rule relies on it: such rules judge before anything is built, too.
    async fn with_refs(mut self, ctx: &Context) -> Self {
        self.refs = history::of(&self.foreseen, self.refs, ctx).await;
        self
    }

    /// The verdict's parts, where what is known denies the image for a reason that no layer and no rebuild could lift: then
    /// neither is had (attack C15).
    fn denied_already(
        &self,
        ctx: &Context,
        now: Timestamp,
    ) -> Option<(Evidence, Vec<Finding>, Judgement)> {
        if !ctx.wants_contents(&self.image) {
            return None;
        }
        let contents = Contents::not_read();
        let claims = claims::claims(&self.proofs, &contents, &self.image, ctx);
        let (evidence, mut findings) =
            self.clone().with(contents, claims, Outcome::not_made(ctx), ctx, now);
        let subject = Subject::Image(evidence.image.reference.to_string());
        findings.push(Finding::new(Code::ImageLayersNotRead, subject));
        let judgement = judge(&evidence, &findings, ctx, now);
        // A layout that is not proven is an error that no rule decides about.
        let unproven = self.layouts.iter().any(|layout| layout.state.why().is_some());
        let early = unproven || judgement.deny.iter().any(|rule| rule.early);
        // Files of an image are vouched for by a signature over it, so that without anything proven they are no ground.
        let groundless = !ctx.rebuilds(&self.attested) && Grounds::of(&evidence).is_none();
        (early || groundless)
            .then(|| (evidence, findings, judgement.without(ctx.policies.asking())))
    }

    /// Everything that is known, with what was seen in the layers.
    fn with(
        self,
        contents: Contents,
        claims: Claims,
        outcome: Outcome,
        ctx: &Context,
        now: Timestamp,
    ) -> (Evidence, Vec<Finding>) {
        let Self { image, carriers, proofs, layouts, refs, mut findings, .. } = self;
        let Outcome { rebuild, warrant, left_out } = outcome;
        findings.extend(findings::hints_left_out(left_out, &image));
        let (attested, of_attested) =
            attested::count(&proofs, &image, &claims.payloads(), ctx, now);
        let plan_options = rebuilding::plan_options(&contents, ctx);
        findings.extend(contents.findings);
        findings.extend(claims.findings);
        findings.extend(of_attested);
        let delegated = trust::delegations(&ctx.trust, &image, &proofs.attestations, now);
        findings.extend(findings::of_rebuild(&rebuild, &warrant, &image));
        findings.extend(allowed::findings(&ctx.rebuild.allow, &rebuild, &image, now));
        let evidence = Evidence {
            carriers,
            signatures: proofs.signatures,
            attestations: proofs.attestations,
            layouts,
            provenance: claims.provenance,
            refs,
            sboms: claims.sboms,
            inventory: contents.inventory,
            reconciliations: claims.reconciliations,
            rebuild,
            warrant,
            asked_level: ctx.policies.asked_level(),
            attested,
            delegated,
            accept_attested: ctx.rebuild.attested.accept,
            plan_options,
            image,
        };
        findings.extend(findings::of_refs(&evidence));
        findings.extend(findings::of_delegations(&evidence));
        findings.extend(findings::of_trust(&evidence, &ctx.trust));
        (evidence, findings)
    }
}

/// Reads layers and rebuilds, as far as anybody asks for it.
async fn look_inside(
    source: &dyn Source,
    proven: Proven,
    depth: Depth,
    ctx: &Arc<Context>,
    meters: &Meters,
    now: Timestamp,
) -> (Evidence, Vec<Finding>) {
    let rebuilds = depth == Depth::Rebuild && ctx.rebuilds(&proven.attested);
    if !ctx.wants_contents(&proven.image) {
        return aside(ctx, move |ctx| {
            let contents = Contents::not_read();
            let claims = claims::claims(&proven.proofs, &contents, &proven.image, ctx);
            proven.with(contents, claims, Outcome::not_made(ctx), ctx, now)
        })
        .await;
    }
    let image = &proven.image;
    ctx.talk.stage("contents");
    let layers = meters.layers.part();
    layers.keep(source::load::stored_bytes(image)).await;
    let fetched = contents::fetch(source, image, &ctx.limits, &*ctx.talk).await;
    // From here on no registry decides how long it takes.
    layers.settle();
    let foreseen = match rebuilds && !ctx.says_embedded(image) {
        true => rebuilding::foreseen(&proven.foreseen, image, &fetched, ctx),
        false => None,
    };
    let (contents, head_start) = read_beside(fetched, foreseen, image, ctx, &meters.trees).await;
    let (proven, mut contents, claims, counted) = aside(ctx, move |ctx| {
        let claims = claims::claims(&proven.proofs, &contents, &proven.image, ctx);
        let payloads = claims.payloads();
        let counted = attested::count(&proven.proofs, &proven.image, &payloads, ctx, now).0;
        (proven, contents, claims, counted)
    })
    .await;
    // The layers may hold provenance of their own.
    let refs = history::of(&claims.provenance, proven.refs.clone(), ctx).await;
    let outcome = if rebuilds && ctx.rebuilds(&counted) {
        contents.uncounted();
        if head_start.is_none() {
            ctx.talk.stage("rebuild");
        }
        rebuilding::rebuild(&claims, &proven.image, &contents, head_start, ctx, now).await
    } else {
        Outcome::not_made(ctx)
    };
    let proven = Proven { refs, ..proven };
    aside(ctx, move |ctx| proven.with(contents, claims, outcome, ctx, now)).await
}

/// Reads the layers, and meanwhile builds what will be asked for, where that is foreseen: a builder waits for much.
async fn read_beside(
    fetched: Contents,
    foreseen: Option<Plan>,
    image: &Image,
    ctx: &Context,
    trees: &Meter,
) -> (Contents, Option<HeadStart>) {
    let names = ctx.collectors();
    let reading = contents::read(fetched, image, &names, &ctx.limits, &*ctx.talk, Some(trees));
    let mut reading = pin!(reading);
    let Some(plan) = foreseen else { return (reading.await, None) };
    ctx.talk.stage("rebuild");
    let mut building = pin!(rebuilding::begin(plan, ctx));
    tokio::select! {
        mut contents = &mut reading => match contents.has_layers() {
            true => {
                contents.uncounted();
                (contents, Some(building.await))
            }
            // There is nothing to compare a build with.
            false => (contents, None),
        },
        begun = &mut building => (reading.await, Some(begun)),
    }
}

/// The verdict over what cannot be judged.
fn unreadable(
    finding: Finding,
    platform: Option<Platform>,
    manifest: Option<ManifestDigest>,
) -> PlatformVerdict {
    let finding = finding.at(Severity::Error);
    PlatformVerdict {
        platform,
        manifest,
        decision: Decision::Fail(Box::new(finding.clone()), Vec::new()),
        findings: vec![finding],
        evidence: None,
    }
}

impl Context {
    /// Why nothing about this image could ever be proven, so that nobody needs to be asked about it: no rule and no layout
    /// speaks about its repository, and it is not rebuilt (attack C14).
    pub fn hopeless(&self, reference: &Reference) -> Option<Finding> {
        let Reference::At(location @ Location::Registry(_), _) = reference else { return None };
        if self.trust.speaks_about(location) || self.wants_rebuild() {
            return None;
        }
        let subject = Subject::Image(reference.to_string());
        let why = "no rule or layout under trust is about this repository, so that its registry was not asked";
        let help = "say under trust in hallmark.yaml who vouches for this repository: a rule whose images match it, or a layout; or do not run it";
        let finding = Finding::new(Code::PolicyNothingProven, subject);
        Some(finding.with(Key::Why, why).with(Key::Help, help))
    }

    /// Whether images are rebuilt where they can be.
    pub fn wants_rebuild(&self) -> bool {
        match self.rebuild.when {
            When::Always => true,
            When::Never(_) => false,
            When::PolicyAsks => self.policies.needs().rebuild,
        }
    }

    /// What forbids the rebuild that the policy asks for.
    fn forbids_rebuild(&self) -> Option<&'static str> {
        match self.rebuild.when {
            When::Never(by) => self.policies.needs().rebuild.then_some(by),
            When::PolicyAsks | When::Always => None,
        }
    }

    /// Whether an own rebuild is asked for, and nothing makes it needless.
    fn rebuilds(&self, attested: &Attested) -> bool {
        self.wants_rebuild() && !self.others_suffice(attested)
    }

    /// Whether what others rebuilt makes an own rebuild needless: only where the policy, and not the caller, asks for one, they
    /// agree on the rung that is asked for, and nobody says that the image is another.
    fn others_suffice(&self, attested: &Attested) -> bool {
        let asked = self.policies.asked_level();
        self.rebuild.when == When::PolicyAsks
            && self.rebuild.attested.accept
            && attested.agreement.as_ref().is_some_and(|agreement| agreement.level >= asked)
            && attested.dissent().next().is_none()
    }

    /// Layers are fetched only when something asks for what is in them.
    fn wants_contents(&self, image: &Image) -> bool {
        self.wants_rebuild()
            || !self.policies.needs().collectors.is_empty()
            || self.says_embedded(image)
    }

    /// What looks at the layers where they are read: what the policies name, and the inventory, against which reports hold SBOMs.
    fn collectors(&self) -> BTreeSet<CollectorName> {
        let mut names = self.policies.needs().collectors;
        names.insert(CollectorName::Inventory);
        names
    }

    /// Whether an image claims to hold a build manifest.
    fn says_embedded(&self, image: &Image) -> bool {
        image.config.runtime.labels.contains_key(claims::MANIFEST_LABEL)
    }

    /// Digest of everything by which the operator decides what passes.
    fn asked(&self) -> Digest {
        let policy = self.policies.digest(&self.exceptions);
        if self.rebuild.allow.is_empty() {
            return policy;
        }
        let allow: Vec<_> = self.rebuild.allow.iter().map(AllowRule::json).collect();
        let all = json!({ "policy": policy.to_string(), "allow": allow });
        Digest::sha256(all.to_string().as_bytes())
    }

    /// What a verdict depends on besides the image and the time.
    pub fn inputs(&self) -> Inputs {
        Inputs {
            policy: self.asked(),
            trust: self.trust.digest(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
