//! `hallmark rebuild`: plan, build, compare, without a policy.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Global, Rebuild},
    code_of,
    context::{self, Overrides},
    files::Operand,
    for_pipelines, keep, output,
    reports::{ReportFormat, Wanted},
    sign,
};
use crate::{
    attest::provenance::Provenance,
    config::Config,
    engine::{self, keep::Naming, replay::Elsewhere, store::Store},
    finding::Finding,
    image::Image,
    limits::Limits,
    rebuild::{Planned, Rebuild as Outcome, plan::plan, verdict},
    reference::{Location, PinnedReference, Reference, Selector},
    report::{
        self,
        run::{ImageRun, PlatformRun, Run, weighed},
    },
    sign::Signer,
    source::{self, SourceSettings},
    verdict::Evidence,
    verify::{RebuildOptions, When, gather, open},
};

/// Runs the command; the answer is yes where every platform is reproduced (R5 or R4).
pub async fn run(args: &Rebuild, global: &Global) -> Result<Answer, Failure> {
    let when = if args.plan { When::Never("--plan") } else { When::Always };
    let overrides = Overrides {
        platforms: context::platforms(&args.platforms),
        rebuild: Some(when),
        own_preset: Some("reproducible"),
        ..Overrides::default()
    };
    let (config, mut ctx) = context::build(global, overrides)?;
    // A build takes long: who signs is known to be able to before it.
    let signer = args.push.then(|| sign::signer(&args.with, global, &config.limits)).transpose()?;
    ctx.rebuild.settings.store = args.materials.as_deref().map(store).transpose()?;
    if let Some(reference) = &args.rebuilt {
        ctx.rebuild.settings.rebuilt = Some(elsewhere(reference, &config.limits).await?);
    }
    let naming = match args.platforms.all_platforms {
        true => Naming::TagAndPlatform,
        false => Naming::Tag,
    };
    let place = args.keep.as_ref().map(|place| keep::at(place, naming, &config.limits));
    ctx.rebuild.settings.keep = place.transpose()?;
    if args.attest.is_some() && !ctx.rebuild.allow.is_empty() {
        // A statement is for others, who did not allow anything.
        ctx.world.sink.line("rebuild.allow does not count for what --attest writes");
        ctx.rebuild.allow.clear();
    }
    let reference = context::pin(&args.image, &config, &ctx.world).await?;
    let (source, images) = open(&reference, &ctx.world).await?;
    let inquiry = ctx.inquiry();
    let files = attest_files(args, &images)?;
    let (mut said, mut outcomes) = (Said::new(args, &reference), Vec::new());
    let (mut orders, mut kept, mut lost) = (Vec::new(), Vec::new(), None);
    for (at, image) in images.into_iter().enumerate() {
        let started = jiff::Timestamp::now();
        let (evidence, findings) = gather(&*source, image, &inquiry, started).await;
        match keep::told(&ctx) {
            Ok(lines) => kept.extend(lines),
            Err(failure) => lost = lost.or(Some(failure)),
        }
        if let Some(file) = files.get(at) {
            // What was found out is reported even where its statement cannot be written.
            match write_verdict(file, args, &evidence, started) {
                Ok(()) => orders.push(order(file, args, &evidence)),
                Err(failure) => lost = lost.or(Some(failure)),
            }
        }
        if args.plan {
            let Some(provenance) = evidence.provenance.value() else {
                let failure = Failure::without_provenance(&reference, &findings);
                return Err(said.before(failure));
            };
            outcomes.push(said.planned(provenance, &evidence, &ctx.rebuild));
            continue;
        }
        let outcome = told(&evidence.rebuild, &findings);
        outcomes.push(outcome);
        let passed = outcome == Told::Reproduced;
        let findings = weighed(&findings, passed);
        said.add(
            || report::text::rebuild_report(&evidence, &findings),
            || {
                let now = jiff::Timestamp::now();
                report::json::evidence(&evidence, inquiry.asked(), &findings, now)
            },
        );
        said.image.platforms.push(PlatformRun::rebuilt(&evidence, &findings, passed));
    }
    // Nothing is stored before all of it is written.
    if let (None, Some(signer)) = (&lost, &signer) {
        lost = store_all(&orders, signer, &config).await.err();
    }
    let code = exit_code(&outcomes);
    match lost {
        Some(failure) => Err(said.before(failure.beside(&kept).beside_verdict(code))),
        None => Ok(Answer { last: kept, wrote: files, ..said.answer(code) }),
    }
}

/// What is found out of one platform after the other, in the forms that were asked for.
struct Said {
    wanted: Vec<Wanted>,
    text: String,
    /// One document for each platform.
    json: Vec<Value>,
    /// The schema of the document around them, where several platforms were asked for.
    around: Option<&'static str>,
    image: ImageRun,
}

impl Said {
    fn new(args: &Rebuild, reference: &PinnedReference) -> Self {
        let around = match args.plan {
            true => report::plan::PLANS,
            false => report::json::REBUILDS,
        };
        Self {
            wanted: args.reports.all(),
            text: String::new(),
            json: Vec::new(),
            around: args.platforms.all_platforms.then_some(around),
            image: ImageRun::pinned(reference),
        }
    }

    fn add(&mut self, text: impl Fn() -> String, json: impl Fn() -> Value) {
        let asked = |format| self.wanted.iter().any(|wanted| wanted.format == format);
        if asked(ReportFormat::Text) {
            self.text.push_str(&text());
        }
        if asked(ReportFormat::Json) {
            self.json.push(json());
        }
    }

    /// Adds the plan of a platform; the outcome is whether it can be built.
    fn planned(
        &mut self,
        provenance: &Provenance,
        evidence: &Evidence,
        options: &RebuildOptions,
    ) -> Told {
        let planned = plan(provenance, &evidence.image, &evidence.traces, &options.plan);
        let (outcome, by_hand) = match &planned {
            Planned::Plan(plan) => {
                (Told::Reproduced, Some(engine::command::by_hand(plan, options.engine)))
            }
            Planned::NotReplayable(_) => (Told::No, None),
        };
        self.add(
            || report::plan::planned(&planned, by_hand.as_ref()),
            || report::plan::value(&planned, by_hand.as_ref()),
        );
        outcome
    }

    /// One document, whatever came of how many platforms.
    fn document(&self, code: u8) -> String {
        match (self.around, self.json.as_slice()) {
            (_, []) => String::new(),
            (None, [one, ..]) => report::json::lines(one),
            (Some(schema), platforms) => report::json::lines(&json!({
                "schema": schema,
                "reference": self.image.name,
                "exitCode": code,
                "platforms": platforms,
            })),
        }
    }

    fn run(&self, code: u8) -> Run {
        let image = ImageRun { exit_code: code, ..self.image.clone() };
        Run { images: vec![image], ..Run::new("rebuild") }.ending(code)
    }

    fn answer(&self, code: u8) -> Answer {
        let run = self.run(code);
        Answer::in_forms(code, &self.wanted, |format| {
            for_pipelines(format, &&run, |format| match format {
                ReportFormat::Text => self.text.clone(),
                _ => self.document(code),
            })
        })
    }

    /// What was found out before something failed.
    fn before(&self, failure: Failure) -> Failure {
        let run = self.run(failure.code);
        let said = self.answer(failure.code).text;
        let failure = failure.after(said);
        if self.image.platforms.is_empty() { failure } else { failure.after_run(run) }
    }
}

async fn store_all(
    orders: &[sign::Order],
    signer: &Signer,
    config: &Config,
) -> Result<(), Failure> {
    for order in orders {
        sign::sign_by(order, signer, config, &mut Vec::new()).await?;
    }
    Ok(())
}

/// 3 where the published image could not be read, and where nothing is known but that an engine or a source was out of reach: trying
/// again may help.
fn exit_code(outcomes: &[Told]) -> u8 {
    let none = |told: Told| !outcomes.contains(&told);
    match () {
        () if !none(Told::Unusable) => 2,
        () if !none(Told::Unreadable) => 3,
        () if !none(Told::No) => 1,
        () if !none(Told::MayPass) => 3,
        () => 0,
    }
}

/// What became of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Reproduced,
    No,
    MayPass,
    Unreadable,
    Unusable,
}

fn told(outcome: &Outcome, findings: &[Finding]) -> Told {
    let any = |code| findings.iter().any(|finding| code_of(finding) == code);
    match outcome {
        Outcome::Compared(rebuilt) if rebuilt.comparison.level.is_reproducible() => {
            Told::Reproduced
        }
        _ if any(2) => Told::Unusable,
        _ if any(3) => Told::Unreadable,
        Outcome::Failed(failure) if failure.kind.may_help_to_try_again() => Told::MayPass,
        _ => Told::No,
    }
}

/// The file for each image's statement, in their order; none without `--attest`.
fn attest_files(args: &Rebuild, images: &[Image]) -> Result<Vec<PathBuf>, Failure> {
    match &args.attest {
        None => Ok(Vec::new()),
        Some(file) if !args.platforms.all_platforms => Ok(vec![file.clone()]),
        Some(file) => output::for_each(file, images.iter().map(|image| &image.platform)),
    }
}

/// The image by its digest: a tag may have moved since.
fn order(file: &Path, args: &Rebuild, evidence: &Evidence) -> sign::Order {
    let PinnedReference { location, digest } = evidence.image.reference.clone();
    sign::Order {
        image: Reference::At(location, Selector::Digest(digest)),
        what: sign::What::Statement(file.to_owned()),
        bundle: None,
        with: args.with.clone(),
    }
}

/// The statement about the published manifest, whatever came of the rebuild: that it could not be made is a result, too.
fn write_verdict(
    file: &Path,
    args: &Rebuild,
    evidence: &Evidence,
    started: jiff::Timestamp,
) -> Result<(), Failure> {
    let (Some(id), Some(operator)) = (&args.rebuilder, &args.operator) else {
        return Err(Failure::usage("--attest needs --rebuilder and --operator"));
    };
    let identity = verdict::Identity { id: id.clone(), operator: operator.clone() };
    let proven = evidence.provenance.proven();
    let signers: Vec<String> =
        proven.map(|p| p.signers().iter().map(|s| s.name.clone()).collect()).unwrap_or_default();
    let used = evidence.provenance.value().map(|provenance| verdict::Used {
        provenance,
        // Whoever counts the verdict asks whether it is the provenance that counts there.
        payload: evidence.provenance.payload(),
        signers: &signers,
        source: if args.materials.is_some() { "store" } else { "origin" },
    });
    let timing = verdict::timing(started, jiff::Timestamp::now());
    let Some(made) = verdict::verdict(&evidence.rebuild, &identity, used, timing) else {
        return Err(Failure::unavailable("nothing was rebuilt"));
    };
    let manifest = &evidence.image.manifest.document.digest;
    let statement = made.statement(&evidence.image.reference.location.to_string(), manifest);
    output::to_file(file, format!("{statement:#}\n").as_bytes())
}

fn store(folder: &Path) -> Result<Store, Failure> {
    let it = Operand {
        option: "--materials ",
        form: "it takes a folder that hallmark materials fetch --to DIR IMAGE filled",
    };
    it.folder(folder)?;
    let real = std::fs::canonicalize(folder).map_err(|error| it.unreadable(folder, &error))?;
    if !real.join("oci-layout").is_file() {
        return Err(it.unusable(folder, &"not filled by hallmark materials fetch"));
    }
    Ok(Store::at(&real))
}

/// A result on this machine: what a registry gives could be the published image itself.
async fn elsewhere(reference: &Reference, limits: &Limits) -> Result<Elsewhere, Failure> {
    let form = "--rebuilt takes oci:DIR or an archive, as another rebuilder wrote it";
    let elsewhere = match &source::located(reference) {
        Reference::At(location, selector) if !matches!(location, Location::Registry(_)) => {
            Elsewhere { location: location.clone(), selector: selector.clone() }
        }
        _ => return Err(Failure::usage(form)),
    };
    // What is not there is the operator's mistake, and known before the image is asked for.
    let there = async {
        let Elsewhere { location, selector } = &elsewhere;
        let opened = source::open(location, &SourceSettings::default(), limits).await?;
        opened.resolve(selector).await
    };
    match there.await {
        Ok(_) => Ok(elsewhere),
        Err(error) => {
            let mut failure = Failure::usage(format!("--rebuilt {reference}: {error}"));
            failure.help(form);
            Err(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_that_is_not_there_is_the_operators_mistake() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nope", ""] {
            let reference = format!("oci:{}", folder.path().join(name).display());
            let failure = elsewhere(&reference.parse().unwrap(), &Limits::default()).await;
            let failure = failure.expect_err(&reference);
            assert_eq!(failure.code, 2, "{}", failure.message);
            assert!(failure.message.starts_with("--rebuilt oci:"), "{}", failure.message);
        }
    }

    #[test]
    fn the_gravest_outcome_is_the_exit_code() {
        use Told::{MayPass, No, Reproduced, Unreadable, Unusable};
        let cases: [(&[Told], u8); 8] = [
            (&[], 0),
            (&[Reproduced, Reproduced], 0),
            (&[Reproduced, No], 1),
            (&[MayPass, Reproduced], 3),
            (&[MayPass, No], 1),
            (&[No, Unreadable], 3),
            (&[Reproduced, Unreadable], 3),
            (&[Unreadable, Unusable], 2),
        ];
        for (outcomes, want) in cases {
            assert_eq!(exit_code(outcomes), want, "{outcomes:?}");
        }
    }
}
