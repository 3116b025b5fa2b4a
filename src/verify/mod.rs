//! THE pipeline: an image's digest in, a verdict out.
//!
//! Calls the stages in their order and holds no logic of theirs. [`verify`] cannot return an error: what fails inside
//! becomes a finding, and the verdict's type forces a decision. A panic inside fails the image too.

mod allowed;
mod attested;
mod bases;
mod causes;
mod contents;
mod context;
mod devices;
mod findings;
mod history;
mod inherited;
mod inputs;
mod observers;
mod proven_claims;
mod rebuilding;
mod recorded;
mod remarks;
mod sboms;
mod sides;
mod turns;
mod vulnerabilities;

use std::{panic::AssertUnwindSafe, pin::pin, sync::Arc};

use futures_util::FutureExt as _;
use jiff::Timestamp;

use crate::{
    attest::{Carrier, provenance::Provenance},
    contents::accounts::Base,
    digest::ManifestDigest,
    finding::{Code, Finding, Key, Severity, Subject},
    image::{Image, LeftOut, Platform},
    policy::{Judgement, PolicyInput},
    rebuild::Plan,
    reference::{Location, PinnedReference},
    source::{self, Meter, Meters, Source, SourceError, discover::Discovered, images::Loaded},
    trust::{self, Attested, Known, Proof, Proofs, SourceRefs, Work, layout::JudgedLayout},
    verdict::{Decision, Evidence, Grounds, PlatformVerdict, Verdict},
};

pub use allowed::{AllowRule, in_force};
pub use contents::{Contents, fetch as fetch_contents, read as read_contents};
pub use context::{
    AttestedOptions, Choice, Context, Criteria, Inquiry, Keep, OnMismatch, RebuildOptions,
    Uncounted, Wanted, When, World, compile_ahead,
};
use proven_claims::{Claims, Foreseen};
use rebuilding::{HeadStart, Outcome};
pub use sboms::GivenSbom;
pub use sides::side;
pub use turns::Turns;

/// Denied manifests of an index after which no further one is judged where no report is written: the image is denied, and an
/// index may list a thousand (attack C18).
const DENIED_ENOUGH: usize = 8;

/// Judges an image.
#[tracing::instrument(level = "debug", skip_all, fields(%image))]
pub async fn verify(image: PinnedReference, ctx: &Context, now: Timestamp) -> Verdict {
    let ctx = &ctx.for_images_at(&image.location);
    let meters = Meters::new(&ctx.world.budgets, &image.location);
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
    let (source, loaded) = match open_each(reference, &ctx.world, meters).await {
        Ok(opened) => opened,
        Err(error) => {
            return (vec![unreadable(error.into_finding(subject()), None, None)], Vec::new());
        }
    };
    let (inquiry, ctx) = (&Arc::new(ctx.inquiry()), &Arc::new(ctx.clone()));
    let mut verdicts: Vec<PlatformVerdict> = Vec::with_capacity(loaded.images.len());
    // What is attached to an index is attached to each of its manifests.
    let mut known = Known::default();
    for image in loaded.images {
        let denied = || verdicts.iter().filter(|verdict| !verdict.decision.is_pass()).count();
        if ctx.keep == Keep::Findings && denied() >= DENIED_ENOUGH {
            break;
        }
        verdicts.push(match image {
            Ok(image) => {
                judge_image(&*source, image, (inquiry, ctx), meters, now, &mut known).await
            }
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
    world: &World,
    meters: &Meters,
) -> Result<(Arc<dyn Source>, Loaded), SourceError> {
    world.sink.stage("fetch");
    let (place, meter) = (&reference.location, &meters.evidence);
    let source = source::open_metered(place, &world.sources, &world.limits, meter).await?;
    let loaded =
        source::images::load_each(&*source, reference, &world.platforms, &world.limits).await?;
    Ok((source, loaded))
}

/// The source and the images that `reference` and the choice of platforms mean; at least one. What is attached to them is
/// fetched with them.
#[tracing::instrument(level = "debug", skip_all, name = "fetch")]
pub async fn open(
    reference: &PinnedReference,
    world: &World,
) -> Result<(Arc<dyn Source>, Vec<Image>), SourceError> {
    world.sink.stage("fetch");
    let source = source::open(&reference.location, &world.sources, &world.limits).await?;
    let images =
        source::images::load_ahead(&*source, reference, &world.platforms, &world.limits).await?;
    Ok((source, images))
}

/// [`open`] for who does not ask for what is attached.
#[tracing::instrument(level = "debug", skip_all, name = "fetch")]
pub async fn open_alone(
    reference: &PinnedReference,
    world: &World,
) -> Result<(Arc<dyn Source>, Vec<Image>), SourceError> {
    world.sink.stage("fetch");
    let source = source::open(&reference.location, &world.sources, &world.limits).await?;
    let images = source::images::load(&*source, reference, &world.platforms, &world.limits).await?;
    Ok((source, images))
}

async fn judge_image(
    source: &dyn Source,
    image: Image,
    (inquiry, ctx): (&Arc<Inquiry>, &Arc<Context>),
    meters: &Meters,
    now: Timestamp,
    known: &mut Known,
) -> PlatformVerdict {
    let found = find(source, &image, &ctx.world).await;
    let proven = prove(image, found, inquiry, now, known).await.with_refs(inquiry).await;
    let shared = Arc::clone(ctx);
    let (proven, denied) = aside(inquiry, move |inquiry| {
        let denied = proven.denied_already(inquiry, &shared, now);
        (proven, denied)
    })
    .await;
    let (evidence, findings, judgement) = match denied {
        Some(denied) if matches!(source.location(), Location::Registry(_)) => denied,
        denied => {
            // What lies on this disk is read, so that a report says all that is wrong; nothing is built of it.
            let depth = if denied.is_some() { Depth::Layers } else { Depth::Rebuild };
            let (evidence, findings) =
                look_inside(source, proven, depth, inquiry, meters, now).await;
            let shared = Arc::clone(ctx);
            aside(inquiry, move |_| {
                let judgement = judge(&evidence, &findings, &shared, now);
                (evidence, findings, judgement)
            })
            .await
        }
    };
    let subject = Subject::Image(evidence.image.reference.to_string());
    let mut findings = findings::judged(findings, judgement, &subject);
    let grounds = Grounds::of(&evidence, inquiry.asked());
    let nothing = findings::nothing_proven(&evidence.image);
    // A verdict always names its reason, here the only one.
    if grounds.is_none() && findings.iter().all(|f| f.severity < Severity::Error) {
        findings.push(nothing.clone());
    }
    findings::blame_left_out(&mut findings, grounds.is_some());
    // The gravest first; among equals the order of the table, which is that of the pipeline.
    findings.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
    findings.dedup();
    // After the rules have spoken: they see nothing of it.
    causes::link(&mut findings, &evidence, &inquiry.trust);
    causes::tell(&mut findings, &evidence, &inquiry.trust, &ctx.criteria.policies);
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
    ctx.world.sink.stage("policy");
    let input = PolicyInput::new(evidence, ctx.asked(), findings, now);
    ctx.criteria.policies.judge(&input, &ctx.criteria.exceptions, &ctx.world.limits)
}

/// Everything that can be known about an image, and what was seen on the way.
pub async fn gather(
    source: &dyn Source,
    image: Image,
    inquiry: &Inquiry,
    now: Timestamp,
) -> (Evidence, Vec<Finding>) {
    let found = find(source, &image, &inquiry.world).await;
    weigh(source, image, found, inquiry, now).await
}

/// What is attached to an image, untrusted.
#[tracing::instrument(level = "debug", skip_all, name = "discover")]
pub async fn find(source: &dyn Source, image: &Image, world: &World) -> Discovered {
    world.sink.stage("evidence");
    source::discover::discover(source, image, &world.limits).await
}

/// [`gather`] from what was found already.
pub async fn weigh(
    source: &dyn Source,
    image: Image,
    found: Discovered,
    inquiry: &Inquiry,
    now: Timestamp,
) -> (Evidence, Vec<Finding>) {
    let inquiry = &Arc::new(inquiry.clone());
    let proven = prove(image, found, inquiry, now, &mut Known::default()).await;
    let proven = proven.with_refs(inquiry).await;
    let meters = Meters::new(&inquiry.world.budgets, source.location());
    let (evidence, mut findings) =
        look_inside(source, proven, Depth::Rebuild, inquiry, &meters, now).await;
    causes::link(&mut findings, &evidence, &inquiry.trust);
    (evidence, findings)
}

/// What takes long and waits for nobody, away from the threads that answer.
async fn aside<T: Send + 'static>(
    inquiry: &Arc<Inquiry>,
    work: impl FnOnce(&Inquiry) -> T + Send + 'static,
) -> T {
    let shared = Arc::clone(inquiry);
    inquiry.world.turns.run(move |_| work(&shared)).await
}

/// What is proven about an image. Evidence that was checked for another platform already is `known`.
async fn prove(
    image: Image,
    found: Discovered,
    inquiry: &Arc<Inquiry>,
    now: Timestamp,
    known: &mut Known,
) -> Proven {
    let (shared, mut so_far) = (Arc::clone(inquiry), std::mem::take(known));
    let proving = inquiry.world.turns.run(move |turn| {
        let go_on = &mut || turn.go_on();
        let mut work = Work { limits: &shared.world.limits, known: &mut so_far, go_on };
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
    base: Base,
    findings: Vec<Finding>,
}

impl Proven {
    #[tracing::instrument(level = "debug", skip_all, name = "prove", fields(platform = %image.platform))]
    fn of(
        image: Image,
        found: Discovered,
        inquiry: &Inquiry,
        now: Timestamp,
        work: &mut Work<'_>,
    ) -> Self {
        let Discovered { raws, mut findings, shares } = found;
        let location = &image.reference.location;
        let trust = inquiry.trust.judged_at(now);
        let proofs = trust::prove_within(&raws, &image, &trust, location, work);
        let carriers = raws.into_iter().map(|raw| raw.carrier).collect();
        // What was held are the bytes as they came; what is proven of them is less.
        drop(shares);
        findings.extend(proofs.findings.iter().cloned());
        let layouts = inquiry.trust.layouts();
        let (layouts, said) =
            trust::layout::prove_layouts(layouts, &proofs.links, &image, now, work);
        findings.extend(said);
        findings.extend(trust::freshness::findings(&inquiry.trust, location, now));
        findings.extend(findings::beyond(&proofs.attestations));
        let Foreseen { provenance: foreseen, payloads } =
            proven_claims::foreseen(&proofs, &image, inquiry);
        let (attested, _) = attested::count(&proofs, &image, &payloads, inquiry, now);
        let refs = SourceRefs::default();
        let base = Base::of(&image.config.diff_ids, &inquiry.world.bases);
        Self { image, carriers, proofs, layouts, attested, foreseen, refs, base, findings }
    }

    /// With what the source's repository says, where a rule relies on it: such rules judge before anything is built, too.
    async fn with_refs(mut self, inquiry: &Inquiry) -> Self {
        self.refs = history::of(&self.foreseen, self.refs, inquiry).await;
        self
    }

    /// The verdict's parts, where what is known denies the image for a reason that no layer and no rebuild could lift: then
    /// neither is had (attack C15).
    fn denied_already(
        &self,
        inquiry: &Inquiry,
        ctx: &Context,
        now: Timestamp,
    ) -> Option<(Evidence, Vec<Finding>, Judgement)> {
        if !inquiry.wants_contents(&self.image) {
            return None;
        }
        let contents = Contents::not_read();
        let claims = proven_claims::gather(&self.proofs, &contents, &self.image, inquiry);
        let spared = Outcome::not_made(inquiry, inquiry.rebuilds(&self.attested));
        let (evidence, mut findings) = self.clone().with(contents, claims, spared, inquiry, now);
        let subject = Subject::Image(evidence.image.reference.to_string());
        findings.push(Finding::new(Code::ImageLayersNotRead, subject));
        let judgement = judge(&evidence, &findings, ctx, now);
        // A layout that is not proven is an error that no rule decides about.
        let unproven = self.layouts.iter().any(|layout| layout.state.why().is_some());
        let early = unproven || judgement.deny.iter().any(|rule| rule.early);
        // Files of an image are vouched for by a signature over it, so that without anything proven they are no ground.
        let groundless =
            !inquiry.rebuilds(&self.attested) && Grounds::of(&evidence, inquiry.asked()).is_none();
        (early || groundless)
            .then(|| (evidence, findings, judgement.without(ctx.criteria.policies.asking())))
    }

    /// Everything that is known, with what was seen in the layers.
    fn with(
        self,
        contents: Contents,
        claims: Claims,
        outcome: Outcome,
        inquiry: &Inquiry,
        now: Timestamp,
    ) -> (Evidence, Vec<Finding>) {
        let Self { image, carriers, proofs, layouts, refs, base, mut findings, .. } = self;
        let Outcome { rebuild, warrant, left_out } = outcome;
        findings.extend(findings::hints_left_out(left_out, &image));
        let (attested, of_attested) =
            attested::count(&proofs, &image, &claims.payloads(), inquiry, now);
        findings.extend(contents.findings);
        findings.extend(claims.findings);
        findings.extend(of_attested);
        let delegated = trust::delegations(&inquiry.trust, &image, &proofs.attestations, now);
        findings.extend(findings::of_rebuild(&rebuild, &warrant, &image));
        findings.extend(allowed::findings(&inquiry.rebuild.allow, &rebuild, &image, now));
        let inventory = contents.inventory.as_ref();
        let vulnerabilities =
            vulnerabilities::known(inventory, base, &proofs.attestations, &image, inquiry, now);
        let blueprint = inquiry.world.blueprint(&image.reference.location.to_string());
        let evidence = Evidence {
            carriers,
            signatures: proofs.signatures,
            attestations: proofs.attestations,
            layouts,
            provenance: claims.provenance,
            refs,
            sboms: claims.sboms,
            vulnerabilities,
            inventory: contents.inventory,
            secrets: contents.secrets,
            malware: contents.malware,
            accounts: contents.accounts,
            base,
            blueprint,
            rebuild,
            warrant,
            attested,
            delegated,
            traces: contents.traces,
            image,
        };
        findings.extend(findings::of_refs(&evidence));
        findings.extend(findings::of_delegations(&evidence));
        findings.extend(findings::of_trust(&evidence, &inquiry.trust));
        (evidence, findings)
    }
}

/// Reads layers and rebuilds, as far as anybody asks for it.
async fn look_inside(
    source: &dyn Source,
    proven: Proven,
    depth: Depth,
    inquiry: &Arc<Inquiry>,
    meters: &Meters,
    now: Timestamp,
) -> (Evidence, Vec<Finding>) {
    let rebuilds = depth == Depth::Rebuild && inquiry.rebuilds(&proven.attested);
    if !inquiry.wants_contents(&proven.image) {
        return aside(inquiry, move |inquiry| {
            let contents = Contents::not_read();
            let claims = proven_claims::gather(&proven.proofs, &contents, &proven.image, inquiry);
            proven.with(contents, claims, Outcome::not_made(inquiry, false), inquiry, now)
        })
        .await;
    }
    let image = &proven.image;
    inquiry.world.sink.stage("contents");
    let layers = meters.layers.part();
    layers.keep(source::images::stored_bytes(image)).await;
    let fetched = contents::fetch(source, image, &inquiry.world.limits, &*inquiry.world.sink).await;
    // From here on no registry decides how long it takes.
    layers.settle();
    let foreseen = match rebuilds && !context::says_embedded(image) {
        true => rebuilding::foreseen(&proven.foreseen, image, &fetched, inquiry),
        false => None,
    };
    let collectors = inquiry.collectors();
    let named = Arc::new(sboms::named(&proven.proofs, image, &collectors, inquiry));
    let asked = contents::Asked { collectors, named, malware: inquiry.wanted.malware() };
    let (contents, head_start) =
        read_beside(fetched, foreseen, (image, &asked), inquiry, &meters.trees).await;
    let (proven, mut contents, claims, counted) = aside(inquiry, move |inquiry| {
        let claims = proven_claims::gather(&proven.proofs, &contents, &proven.image, inquiry);
        let payloads = claims.payloads();
        let counted = attested::count(&proven.proofs, &proven.image, &payloads, inquiry, now).0;
        (proven, contents, claims, counted)
    })
    .await;
    // The layers may hold provenance of their own.
    let refs = history::of(&claims.provenance, proven.refs.clone(), inquiry).await;
    let outcome = if rebuilds && inquiry.rebuilds(&counted) {
        contents.uncounted();
        if head_start.is_none() {
            inquiry.world.sink.stage("rebuild");
        }
        rebuilding::rebuild(&claims, &proven.image, &contents, head_start, inquiry, now).await
    } else {
        // What denies it already was found in its layers.
        Outcome::not_made(inquiry, inquiry.rebuilds(&counted))
    };
    let base = bases::of(&claims.provenance, &proven.image, inquiry, &meters.evidence).await;
    let proven = Proven { refs, base, ..proven };
    aside(inquiry, move |inquiry| proven.with(contents, claims, outcome, inquiry, now)).await
}

/// Reads the layers, and meanwhile builds what will be asked for, where that is foreseen: a builder waits for much.
async fn read_beside(
    fetched: Contents,
    foreseen: Option<Plan>,
    (image, asked): (&Image, &contents::Asked),
    inquiry: &Inquiry,
    trees: &Meter,
) -> (Contents, Option<HeadStart>) {
    let world = &inquiry.world;
    let mut reading =
        pin!(contents::read_asked(fetched, image, asked, &world.limits, &*world.sink, Some(trees)));
    let Some(plan) = foreseen else { return (reading.await, None) };
    inquiry.world.sink.stage("rebuild");
    let mut building = pin!(rebuilding::begin(plan, inquiry));
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
