//! Plan, build, compare; and build again where that tells tampering from chance.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Contents, Inquiry, OnMismatch, Uncounted, allowed, devices, inherited,
    inputs::{self, Answers},
    proven_claims::Claims,
    recorded::{self, Gave},
    sides::{open_here, side},
};
use crate::{
    attest::provenance::Provenance,
    compare::{self, Allowance, CompareError, Comparison, Level, Side, SideWords, Which},
    digest::ManifestDigest,
    engine::{self, Finished},
    finding::Key,
    image::{Image, Platform},
    progress::{Underway, Work},
    rebuild::{
        Clue, Coverage, Determinism, Failure, FailureKind, Gap, Plan, Planned, Rebuild, Rebuilt,
        Warrant, exporter,
        hints::{self, Hints},
        plan::plan,
    },
    reference::{Location, PinnedReference, Selector},
    saved::{Access, Saved, Saver},
    source::{self, PlatformChoice, images::StoredLayers},
    trust::Proof,
};

/// Plans of unproven provenance that are built, where they name trusted inputs alone.
const MOST_BUILT: usize = 3;
/// Plans of unproven provenance whose inputs are asked for.
const MOST_ASKED: usize = 128;

/// The first build of a plan, made while the published layers were read.
pub struct HeadStart {
    plan: Plan,
    build: Result<Build, Failure>,
}

/// What will be built unless the layers, of which only the first bytes are known, say otherwise.
pub fn foreseen(
    provenance: &Proof<Provenance>,
    image: &Image,
    fetched: &Contents,
    inquiry: &Inquiry,
) -> Option<Plan> {
    let counts = provenance.proven().is_some() || inquiry.rebuild.uncounted == Uncounted::Build;
    let provenance = provenance.value().filter(|_| counts && fetched.has_layers())?;
    match plan(provenance, image, &fetched.traces, &inquiry.rebuild.plan) {
        Planned::Plan(plan) => Some(*plan),
        Planned::NotReplayable(_) => None,
    }
}

/// Builds a plan that is foreseen.
pub async fn begin(plan: Plan, inquiry: &Inquiry) -> HeadStart {
    let build = build(&plan, inquiry).await;
    HeadStart { plan, build }
}

/// What came of a rebuild, and why it counts, if it does.
pub struct Outcome {
    /// What came of it.
    pub rebuild: Rebuild,
    /// Why it counts.
    pub warrant: Warrant,
    /// Hints that name trusted inputs and were not followed, because others were.
    pub left_out: usize,
}

impl Outcome {
    /// Nobody asked, or somebody forbade it, or it is spared.
    pub fn not_made(inquiry: &Inquiry, asked: bool) -> Self {
        let rebuild = match inquiry.forbids_rebuild() {
            Some(by) => Rebuild::Forbidden(by),
            None if asked => Rebuild::Spared,
            None => Rebuild::NotAsked,
        };
        Self { rebuild, warrant: Warrant::default(), left_out: 0 }
    }
}

/// Rebuilds `image` from the provenance that counts. Where none is proven, the rest is no more than a hint at how the image
/// could come out of inputs that the operator trusts by name: it can help, and never harm.
pub async fn rebuild(
    claims: &Claims,
    image: &Image,
    contents: &Contents,
    head_start: Option<HeadStart>,
    inquiry: &Inquiry,
    now: Timestamp,
) -> Outcome {
    let outcome = |rebuild, warrant| Outcome { rebuild, warrant, left_out: 0 };
    match &claims.provenance {
        Proof::Missing => outcome(Rebuild::NoProvenance, Warrant::default()),
        Proof::Proven(proven) => {
            let provenance = proven.value();
            let rebuild = follow(provenance, image, contents, head_start, inquiry, now).await;
            outcome(rebuild, Warrant::Proven)
        }
        Proof::Unproven { value: first, .. } => {
            let others = claims.others.iter().filter_map(Proof::value);
            let hints: Vec<&Provenance> = std::iter::once(first).chain(others).collect();
            follow_hints(&hints, image, contents, head_start, inquiry, now).await
        }
    }
}

/// Provenance that nobody proved: the first from which the image comes out, of trusted inputs alone, is a rebuild. What else is
/// made is for information.
async fn follow_hints(
    hints: &[&Provenance],
    image: &Image,
    contents: &Contents,
    mut head_start: Option<HeadStart>,
    inquiry: &Inquiry,
    now: Timestamp,
) -> Outcome {
    let Hints { fitting, mut left_out, untrusted: mut why } =
        fitting(hints, image, contents, inquiry).await;
    let (mut made, mut answers, mut built) = (None, Answers::new(), 0_usize);
    for (asked, (place, plan)) in fitting.into_iter().enumerate() {
        // Who adds hints that name trusted inputs could let us ask and build for ever.
        let Some(provenance) =
            hints.get(place).filter(|_| asked < MOST_ASKED && built < MOST_BUILT)
        else {
            left_out = left_out.saturating_add(1);
            continue;
        };
        if let Err(untrusted) = inputs::trusted(&plan, image, inquiry, &mut answers).await {
            why = untrusted;
            continue;
        }
        built = built.saturating_add(1);
        let rebuild = follow(provenance, image, contents, head_start.take(), inquiry, now).await;
        let level = match &rebuild {
            Rebuild::Compared(rebuilt) => rebuilt.comparison.level.number(),
            _ => 0,
        };
        if level >= inquiry.wanted.level() {
            return Outcome { rebuild, warrant: Warrant::TrustedInputs, left_out: 0 };
        }
        why = vec!["the image does not come out of the trusted inputs that it names".to_owned()];
        made = made.or(Some(rebuild));
    }
    if why.is_empty() {
        why.push("no trusted signer signed its provenance".to_owned());
    }
    let rebuild = match (made, hints.first()) {
        (Some(rebuild), _) => rebuild,
        (None, Some(first)) if inquiry.rebuild.uncounted == Uncounted::Build => {
            follow(first, image, contents, head_start, inquiry, now).await
        }
        _ => Rebuild::NoProvenance,
    };
    Outcome { rebuild, warrant: Warrant::None(why), left_out }
}

/// The hints that name trusted inputs alone, the likeliest first.
async fn fitting(
    hints: &[&Provenance],
    image: &Image,
    contents: &Contents,
    inquiry: &Inquiry,
) -> Hints {
    let (traces, options) = (contents.traces.clone(), inquiry.rebuild.plan.clone());
    let sources = inquiry.trust.sources().to_vec();
    let hints: Vec<Provenance> = hints.iter().copied().cloned().collect();
    let image = image.clone();
    let choosing = inquiry.world.turns.run(move |turn| {
        let given = (&traces, &options);
        hints::choose(&hints, &image, given, &sources, &mut || turn.go_on())
    });
    choosing.await
}

/// Rebuilds `image` as this provenance says. A head start counts where it followed the very plan.
async fn follow(
    provenance: &Provenance,
    image: &Image,
    contents: &Contents,
    head_start: Option<HeadStart>,
    inquiry: &Inquiry,
    now: Timestamp,
) -> Rebuild {
    if !contents.has_layers() {
        return Rebuild::Failed(unreadable(contents, image));
    }
    match plan(provenance, image, &contents.traces, &inquiry.rebuild.plan) {
        Planned::NotReplayable(gaps) => Rebuild::NotReplayable(gaps),
        Planned::Plan(plan) => {
            let allow = allowed::in_force(&inquiry.rebuild.allow, &image.reference.location, now);
            let published = Published {
                loaded: Loaded {
                    image: image.clone(),
                    layers: StoredLayers(contents.layers.clone()),
                    _keep: None,
                },
                allow,
                unpacks: devices::may_unpack(provenance, &plan),
            };
            let begun = head_start.filter(|begun| begun.plan == *plan).map(|begun| begun.build);
            match build_and_compare(&plan, begun, provenance, &published, inquiry).await {
                Ok(rebuilt) => Rebuild::Compared(Box::new(rebuilt)),
                Err(failure) if failure.kind == FailureKind::Submodule => {
                    Rebuild::NotReplayable(vec![submodule(failure)])
                }
                Err(failure) if failure.kind == FailureKind::DeviceNodes => {
                    Rebuild::NotReplayable(vec![devices::gap(failure)])
                }
                Err(failure) => Rebuild::Failed(failure),
            }
        }
    }
}

/// An input that only the repository itself shows.
fn submodule(failure: Failure) -> Gap {
    Gap {
        code: "submodule",
        field: "source".to_owned(),
        why: failure.why,
        fix: "copy what the submodule holds into the repository, or add it by URL and commit in \
              the Dockerfile, which provenance records"
            .to_owned(),
    }
}

async fn build_and_compare(
    plan: &Plan,
    begun: Option<Result<Build, Failure>>,
    provenance: &Provenance,
    published: &Published,
    inquiry: &Inquiry,
) -> Result<Rebuilt, Failure> {
    let Attempt { plan, build: first, mut comparison } =
        attempt(plan, begun, published, inquiry).await?;
    let plan = &plan;
    compare::build_step::explain(&mut comparison, &published.loaded.image.config, Some(provenance));
    let determinism = if comparison.level.is_reproducible() {
        Determinism::NotNeeded
    } else if inquiry.rebuild.settings.rebuilt.is_none()
        && inquiry.rebuild.on_mismatch == OnMismatch::BuildAgain
    {
        inquiry
            .world
            .sink
            .line("the result differs: building again to see whether the build is deterministic");
        let second = build(plan, inquiry).await?;
        // What may differ from the published image says nothing about whether the build is steady.
        let between = compare_images(&first.loaded, (&second.loaded, 0), &[], inquiry).await;
        let between = between.map_err(|error| ours(&error))?;
        compare::build_step::note_repeats(&mut comparison, &between);
        // An unsteady build is no cover: what both rebuilds agree on differs for another reason.
        let same = between.level >= Level::LayersIdentical;
        if same || compare::build_step::is_consistent(&comparison) {
            Determinism::ConsistentlyDifferent
        } else {
            Determinism::Nondeterministic
        }
    } else {
        Determinism::Unknown
    };
    // A daemon's storage takes its time to go.
    inquiry.world.sink.stage("cleaning up");
    let rebuilt = &first.loaded.image;
    if let Some(finished) = &first.finished {
        finished.keep(rebuilt, &first.loaded.layers).await;
    }
    Ok(Rebuilt {
        manifest: rebuilt.manifest.document.digest.clone(),
        config: rebuilt.config.document.digest.clone(),
        diff_ids: rebuilt.config.diff_ids.iter().map(|id| id.digest().clone()).collect(),
        coverage: coverage(plan, rebuilt, first.gave.inherited),
        comparison,
        determinism,
        exporter: plan.exporter.clone(),
        frontend: first.gave.frontend,
        engine: first.gave.report,
        pins: first.gave.pins,
    })
}

/// A build by one hypothesis about the exporter, and how it compares.
struct Attempt {
    plan: Plan,
    build: Build,
    comparison: Comparison,
}

/// Builds as the image shows that it was written; and in the ways that it does not rule out only where nothing but what
/// they would change differs. The best attempt counts, and says what else was tried.
async fn attempt(
    plan: &Plan,
    begun: Option<Result<Build, Failure>>,
    published: &Published,
    inquiry: &Inquiry,
) -> Result<Attempt, Failure> {
    let first = match begun {
        Some(first) => first?,
        None => build(plan, inquiry).await?,
    };
    let mut best = weighed(plan.clone(), first, published, inquiry).await?;
    let mut tried = vec![outcome(&best)];
    for exporter in &plan.alternatives {
        if best.comparison.level != Level::ContentIdentical {
            break;
        }
        inquiry.world.sink.line("the result differs in times: trying another way of writing it");
        let other = Plan { exporter: exporter.clone(), ..plan.clone() };
        let next = build(&other, inquiry).await?;
        let next = weighed(other, next, published, inquiry).await?;
        tried.push(outcome(&next));
        if next.comparison.level > best.comparison.level {
            best = next;
        }
    }
    if tried.len() > 1 {
        best.plan.exporter.evidence.extend(tried);
    }
    Ok(best)
}

fn outcome(attempt: &Attempt) -> Clue {
    let Attempt { plan, comparison, .. } = attempt;
    Clue::Tried { exporter: plan.exporter.to_string(), level: comparison.level }
}

async fn weighed(
    plan: Plan,
    build: Build,
    published: &Published,
    inquiry: &Inquiry,
) -> Result<Attempt, Failure> {
    let Published { loaded, allow, unpacks } = published;
    // A builder elsewhere shows in what it writes alone which layers are a base's.
    let seen = build.gave.inherited;
    let pinned = seen.unwrap_or_else(|| exporter::inherited_layers(&build.loaded.image, &plan));
    let comparison = compare_images(loaded, (&build.loaded, pinned), allow, inquiry).await;
    let comparison = comparison.map_err(|error| blame(&error, &loaded.image))?;
    let given = (&plan, pinned, *unpacks);
    let built = (&build.gave.report, build.finished.as_ref());
    devices::judge(&comparison, given, built, inquiry).await?;
    Ok(Attempt { plan, build, comparison })
}

/// The published image, and what may differ from it.
struct Published {
    loaded: Loaded,
    allow: Vec<Allowance>,
    /// Whether the build may unpack archives that nobody looks into.
    unpacks: bool,
}

/// An image with its layers at hand.
struct Loaded {
    image: Image,
    layers: StoredLayers,
    _keep: Option<source::Spool>,
}

struct Build {
    loaded: Loaded,
    gave: Gave,
    /// What the engine left; `None` where it was built when the evidence was saved.
    finished: Option<Finished>,
}

/// Builds, or takes what was built when the evidence was saved.
async fn build(plan: &Plan, inquiry: &Inquiry) -> Result<Build, Failure> {
    match &inquiry.world.sources.access {
        Access::Live => build_here(plan, inquiry).await,
        Access::Saving(saver) => {
            let asked = recorded::of_plan(plan);
            let asked = recorded::numbered(&asked, saver.count(&asked));
            let built = build_here(plan, inquiry).await;
            let kept = match &built {
                Ok(build) => Ok((keep_image(build, saver).await, build.gave.clone())),
                Err(failure) => Err(failure.clone()),
            };
            saver.answer(asked, || recorded::of_build(&kept));
            built
        }
        Access::Saved(saved) => build_again(plan, saved, inquiry).await,
    }
}

/// Keeps a rebuilt image beside the published one.
async fn keep_image(build: &Build, saver: &Arc<Saver>) -> ManifestDigest {
    let Image { manifest, config, .. } = &build.loaded.image;
    let (document, media_type) = (&manifest.document, manifest.media_type.as_str());
    saver.manifest(document.digest.digest(), media_type, &document.bytes);
    saver.blob(config.document.digest.digest(), &mut &*config.document.bytes);
    let (layers, keeper) = (build.loaded.layers.0.clone(), Arc::clone(saver));
    let copying = tokio::task::spawn_blocking(move || {
        for layer in layers {
            let digest = layer.descriptor().digest.digest();
            match layer.stored() {
                Ok(mut bytes) => keeper.blob(digest, &mut bytes),
                Err(error) => keeper.lost(format!("{digest}: {error}")),
            }
        }
    });
    if copying.await.is_err() {
        saver.lost("copying the rebuilt image broke down".to_owned());
    }
    document.digest.clone()
}

/// What was built when the evidence was saved: it is compared again, and believed where the operator says so.
async fn build_again(plan: &Plan, saved: &Saved, inquiry: &Inquiry) -> Result<Build, Failure> {
    if !saved.is_believed() {
        let why = recorded::unvouched(saved.path(), "built");
        return Err(recorded::not_there(FailureKind::NotVouched, why));
    }
    let folder = saved.path();
    let asked = recorded::of_plan(plan);
    let asked = recorded::numbered(&asked, saved.count(&asked));
    let kept = saved.answer(&asked).and_then(recorded::build).ok_or_else(|| {
        let why = format!("no rebuild of this image was saved in {}", folder.display());
        recorded::not_there(FailureKind::NotSaved, why)
    })?;
    let (digest, gave) = kept?;
    let reference = PinnedReference { location: Location::Layout(folder.to_owned()), digest };
    let spool = source::Spool::temporary();
    let spool =
        spool.map_err(|error| failure(FailureKind::EngineUnavailable, &error.to_string()))?;
    let loaded = load_layout(reference, plan, spool, inquiry).await.map_err(|error| {
        failure(
            FailureKind::EngineUnavailable,
            &format!("the saved rebuild is unreadable: {error}"),
        )
    })?;
    Ok(Build { loaded, gave, finished: None })
}

#[tracing::instrument(level = "debug", skip_all, name = "build")]
async fn build_here(plan: &Plan, inquiry: &Inquiry) -> Result<Build, Failure> {
    let options = &inquiry.rebuild;
    let finished = engine::build(
        plan,
        &options.settings,
        options.engine,
        &inquiry.world.limits,
        &*inquiry.world.sink,
    )
    .await
    .map_err(|failure| foreign(failure, &plan.platform, &Platform::host()))?;
    let loaded = load_built(plan, &finished, inquiry).await.map_err(|error| {
        failure(
            FailureKind::EngineUnavailable,
            &format!("the engine's result is unreadable: {error}"),
        )
    })?;
    let from_base = inherited::count(&loaded.image, plan, &finished, inquiry).await;
    let engine::Built { report, pins, frontend, .. } = finished.built.clone();
    let gave = Gave { report, pins, frontend, inherited: from_base };
    Ok(Build { loaded, gave, finished: Some(finished) })
}

/// What the kernel says of a program that is for another machine.
const CANNOT_RUN: &str = "exec format error";

/// Tells a build whose steps this machine cannot run from one that fails for a reason of its own.
fn foreign(failure: Failure, wanted: &Platform, host: &Platform) -> Failure {
    let says = |text: &str| text.to_lowercase().contains(CANNOT_RUN);
    let cannot_run = says(&failure.why) || says(&failure.log);
    if failure.kind != FailureKind::BuildFailed || host.takes(wanted).is_some() || !cannot_run {
        return failure;
    }
    let why = format!(
        "the image is for {wanted}, this machine is {host} and runs no programs of that platform: {}",
        failure.why
    );
    Failure { kind: FailureKind::PlatformForeign, why, ..failure }
}

async fn load_built(
    plan: &Plan,
    finished: &Finished,
    inquiry: &Inquiry,
) -> Result<Loaded, source::SourceError> {
    let location = Location::Layout(finished.built.layout.clone());
    let source = open_here(&location, inquiry).await?;
    let digest = source.resolve(&Selector::Only).await?;
    let reference = PinnedReference { location, digest };
    let spool = source::Spool::inside(finished.workspace.path()).map_err(|error| {
        source::SourceError::Unreadable { place: reference.to_string(), why: error.to_string() }
    })?;
    load_layout(reference, plan, spool, inquiry).await
}

async fn load_layout(
    reference: PinnedReference,
    plan: &Plan,
    spool: source::Spool,
    inquiry: &Inquiry,
) -> Result<Loaded, source::SourceError> {
    let source = open_here(&reference.location, inquiry).await?;
    let choice = PlatformChoice::One(plan.platform.clone());
    let mut images =
        source::images::load(&*source, &reference, &choice, &inquiry.world.limits).await?;
    let Some(image) = images.pop() else {
        return Err(source::SourceError::NotFound {
            what: "an image".to_owned(),
            place: reference.to_string(),
        });
    };
    let layers = source::images::fetch_layers(
        &*source,
        &image,
        &spool,
        &inquiry.world.limits,
        &*inquiry.world.sink,
    )
    .await?;
    Ok(Loaded { image, layers: StoredLayers(layers), _keep: Some(spool) })
}

/// Why two images could not be compared.
#[derive(Debug, thiserror::Error)]
enum Incomparable {
    #[error("{}", .0.told(SideWords::REBUILD))]
    Unreadable(#[from] CompareError),
    #[error(transparent)]
    Panicked(#[from] tokio::task::JoinError),
}

#[tracing::instrument(level = "debug", skip_all, name = "compare")]
async fn compare_images(
    left: &Loaded,
    (right, pinned): (&Loaded, usize),
    allow: &[Allowance],
    inquiry: &Inquiry,
) -> Result<Comparison, Incomparable> {
    let allow = allow.to_vec();
    let (limits, left_image, right_image) =
        (inquiry.world.limits.clone(), left.image.clone(), right.image.clone());
    let (left_layers, right_layers) = (left.layers.clone(), right.layers.clone());
    let underway = Underway::new(&*inquiry.world.sink, Work::new("comparing layers"));
    let work = underway.work();
    let comparing = tokio::task::spawn_blocking(move || {
        let left = side(&left_image, &left_layers);
        let right = Side { pinned, ..side(&right_image, &right_layers) };
        compare::ladder::compare_watched(left, right, &allow, &limits, &work)
    });
    Ok(comparing.await??)
}

/// A comparison of what the engine gave is the engine's affair.
fn ours(error: &Incomparable) -> Failure {
    failure(FailureKind::EngineUnavailable, &error.to_string())
}

/// Whose fault it is that the published image and a rebuild cannot be compared.
fn blame(error: &Incomparable, published: &Image) -> Failure {
    let Incomparable::Unreadable(at_fault) = error else { return ours(error) };
    if at_fault.which() != Which::Published {
        return ours(error);
    }
    let layer = at_fault.layer().and_then(|at| Some((at, published.manifest.layers.get(at)?)));
    let layer = layer.map(|(at, layer)| format!("layer {at} {}: ", layer.digest));
    cannot_be_read(published, &format!("{}{error}", layer.unwrap_or_default()))
}

fn cannot_be_read(published: &Image, why: &str) -> Failure {
    let place = &published.reference.location;
    let why = format!("the published image in {place} cannot be read: {why}");
    failure(FailureKind::PublishedUnreadable, &why)
}

/// Which layer of the published image could not be read, where, and why.
fn unreadable(contents: &Contents, image: &Image) -> Failure {
    let finding = contents.findings.first();
    let fact = |key| finding.and_then(|f| f.facts.get(&key)).map(ToString::to_string);
    let layer = fact(Key::From).unwrap_or_else(|| "its layers".to_owned());
    let why = fact(Key::Why).unwrap_or_else(|| "the reason is not known".to_owned());
    cannot_be_read(image, &format!("{layer}: {why}"))
}

/// How much of the result was built here, taken from the base, and taken from the published image.
fn coverage(plan: &Plan, rebuilt: &Image, inherited: Option<usize>) -> Coverage {
    let carried = usize::from(plan.embedded.is_some());
    Coverage { layers: rebuilt.manifest.layers.len(), inherited, carried }
}

fn failure(kind: FailureKind, why: &str) -> Failure {
    Failure { kind, why: why.to_owned(), log: String::new(), engine: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_foreign_platform_excuses_a_step_that_cannot_run() {
        let failed = |kind, log: &str| Failure {
            kind,
            why: "a step failed".to_owned(),
            log: log.to_owned(),
            engine: None,
        };
        let exec = "runc: exec /bin/sh: Exec format error";
        let cases = [
            ("linux/arm64", FailureKind::BuildFailed, exec, FailureKind::PlatformForeign),
            ("linux/arm64", FailureKind::BuildFailed, "no such file", FailureKind::BuildFailed),
            ("linux/arm64", FailureKind::Timeout, exec, FailureKind::Timeout),
            // Whatever a step prints: what this machine runs is the image's own fault.
            ("linux/amd64", FailureKind::BuildFailed, exec, FailureKind::BuildFailed),
            ("linux/386", FailureKind::BuildFailed, exec, FailureKind::BuildFailed),
        ];
        let host = "linux/amd64".parse().unwrap();
        for (wanted, kind, log, want) in cases {
            let wanted = wanted.parse().unwrap();
            assert_eq!(foreign(failed(kind, log), &wanted, &host).kind, want, "{wanted}: {log}");
        }
    }
}
