//! `hallmark verify`: the verdict and its report.

use std::{cell::LazyCell, sync::Arc};

use super::{
    Answer, Failure, approvals,
    args::{Global, Verify},
    bills, bundles, code_of,
    context::{self, Overrides},
    for_pipelines,
    images::{self, Form, Images},
    interruption::Interruption,
    is_unavailable, keep,
    replay::Call,
    reports::{ReportFormat, Wanted},
    summary,
};
use crate::{
    amount::plural,
    config::Config,
    engine::keep::{Keep, Naming},
    finding::{Code, Finding},
    progress::Silent,
    reference::Reference,
    report::{
        self,
        run::{ImageRun, Run},
        text::Detail,
    },
    source::PlatformChoice,
    untrusted::{Page, line},
    verdict::{Decision, PlatformVerdict, Verdict},
    verify::{Context, When, verify},
};

/// Images that are named where a list ended before they were judged.
const NAMED: usize = 4;

/// Runs the command.
pub async fn run(args: &Verify, global: &Global) -> Result<Answer, Failure> {
    let call = Call::begin(args, global)?;
    let args = &call.args;
    let Images { references, form } = images::read(&args.images, &args.file)?;
    let when = match (args.rebuild, args.no_rebuild) {
        (true, _) => Some(When::Always),
        (_, true) => Some(When::Never("--no-rebuild")),
        _ => None,
    };
    let config = call.config.clone().map_or_else(|| context::configuration(global), Ok);
    let mut config = config?;
    approvals::add(&args.approval, &mut config)?;
    let overrides = Overrides {
        platforms: args.platform.clone().map_or(PlatformChoice::All, PlatformChoice::One),
        policy: args.policy.as_deref(),
        vouch: Some(&args.vouch),
        rebuild: when,
        config: Some(config),
        ..Overrides::default()
    };
    let (mut config, mut ctx) = context::begin(global, overrides)?;
    context::look_up(&args.lookup, &references, &mut config)?;
    ctx.world.sources.handed = bundles::read(&args.bundles.bundle, &config.limits, &config.files)?;
    ctx.world.sboms = bills::given(&args.sboms.sbom, &config.limits, &config.files)?;
    ctx.world.sources.access = call.access.clone();
    call.introduce(&ctx.world);
    let is_one = matches!((&form, references.as_slice()), (Form::One, [_]));
    for (option, given) in [
        ("--attest", args.summary.attest.is_some()),
        ("--keep", args.keep.is_some()),
        ("--sbom", !args.sboms.sbom.is_empty()),
    ] {
        if given && !is_one {
            return Err(Failure::usage(format!("{option} is for one image; call it for each")));
        }
    }
    ctx.rebuild.settings.keep =
        args.keep.as_ref().map(|place| kept_at(place, args, &config, &ctx)).transpose()?;
    call.keep_configuration(&config)?;
    let detail = if global.verbose > 0 { Detail::Strangers } else { Detail::Brief };
    let wanted = args.reports.all();
    let how = (wanted.as_slice(), detail);
    let answer = match (form, references.as_slice()) {
        (Form::One, [image]) => one(image, &call, how, &config, &ctx).await?,
        _ => list(&references, &call, how, &config, &ctx).await?,
    };
    // Its last word is to take its line off the terminal, which what is forgotten below could not do.
    ctx.world.sink = Arc::new(Silent);
    // The process ends now. To give back compiled policies node by node would take longer than to judge by them; nothing in
    // them is on the disk or runs.
    std::mem::forget((ctx, config));
    Ok(answer)
}

/// Where rebuilt images are kept: nobody waits for one that nothing asks for.
fn kept_at(
    place: &Reference,
    args: &Verify,
    config: &Config,
    ctx: &Context,
) -> Result<Arc<Keep>, Failure> {
    let naming = match args.platform {
        Some(_) => Naming::Tag,
        None => Naming::TagAndPlatform,
    };
    let keep = keep::at(place, naming, &config.limits)?;
    context::compiled(config, ctx)?;
    match ctx.wants_rebuild() {
        true => Ok(keep),
        false => {
            let mut failure = Failure::usage("--keep: nothing asks for a rebuild");
            failure.help("add --rebuild, or --policy reproducible");
            Err(failure)
        }
    }
}

async fn one(
    image: &Reference,
    call: &Call,
    (wanted, detail): (&[Wanted], Detail),
    config: &Config,
    ctx: &Context,
) -> Result<Answer, Failure> {
    let pinned = context::pin(image, config, &ctx.world).await;
    // What the operator wrote is wrong whether or not the image is there.
    let image = pinned.or_else(|failure| context::compiled(config, ctx).and(Err(failure)))?;
    let verdict = call.told(verify(image, ctx, call.now()).await);
    context::compiled(config, ctx)?;
    if let Some(failure) = unread_at_all(&verdict) {
        return Err(failure);
    }
    let code = exit_code(&verdict);
    let summaries = summaries(call, config, &verdict, code);
    let run = LazyCell::new(|| {
        let images = vec![ImageRun::judged(&verdict, detail, code)];
        Run { images, ..Run::new("verify") }.ending(code)
    });
    let mut answer = Answer::in_forms(code, wanted, |format| {
        for_pipelines(format, &run, |format| match format {
            ReportFormat::Text => {
                report::shown::lines(&report::text::verdict_page(&verdict, detail))
            }
            ReportFormat::Vsa => summaries.as_ref().cloned().unwrap_or_default(),
            _ => report::json::verdict(&verdict),
        })
    });
    // What was found out is reported even where its summary, or the rebuilt image, cannot be written.
    (answer.wrote, answer.last) = keep::told(ctx)
        .and_then(|kept| {
            let written =
                summaries.and_then(|_| summary::write(&call.args, config, &verdict, code));
            let saved = written.and_then(|wrote| Ok((wrote, call.finish(&ctx.world)?)));
            let (wrote, last) = saved.map_err(|failure| failure.beside(&kept))?;
            Ok((wrote, kept.into_iter().chain(last).collect()))
        })
        .map_err(|failure| {
            failure.beside_verdict(code).after(answer.text.clone()).after_run(Run::clone(&run))
        })?;
    drop(run);
    // As the context: the evidence is given back with the process.
    std::mem::forget(verdict);
    Ok(answer)
}

/// One report after the other. An image that cannot be read has a report, too, and does not keep the others from theirs; nor does the end
/// of the call keep those that were judged from theirs.
async fn list(
    references: &[Reference],
    call: &Call,
    (wanted, detail): (&[Wanted], Detail),
    config: &Config,
    ctx: &Context,
) -> Result<Answer, Failure> {
    // What the operator wrote is wrong for all of them.
    context::compiled(config, ctx)?;
    let json = wanted.iter().any(|wanted| wanted.format == ReportFormat::Json);
    let mut listed = Listed::new(call, config, detail, json);
    let mut interruption = Interruption::begin();
    for (at, reference) in references.iter().enumerate() {
        tokio::select! {
            biased;
            judged = judge(reference, call, config, ctx) => listed.add(reference, judged),
            failure = interruption.comes() => {
                let rest = references.get(at..).unwrap_or_default();
                return Err(listed.stopped(failure, rest, wanted));
            }
        }
    }
    let code = listed.code();
    let (answer, run, lost) = listed.answer(wanted, code);
    let saved = lost.map_or_else(|| call.finish(&ctx.world), Err);
    match saved {
        Ok(last) => Ok(Answer { last: Vec::from_iter(last), ..answer }),
        Err(failure) => Err(failure.beside_verdict(code).after(answer.text).after_run(run)),
    }
}

/// The verdict about one image of a list, or why there is none.
async fn judge(
    reference: &Reference,
    call: &Call,
    config: &Config,
    ctx: &Context,
) -> Result<Verdict, Failure> {
    let image = context::pin(reference, config, &ctx.world).await?;
    let verdict = call.told(verify(image, ctx, call.now()).await);
    unread_at_all(&verdict).map_or(Ok(verdict), Err)
}

/// What is told of a list, as far as it was gone through.
struct Listed<'c> {
    call: &'c Call,
    config: &'c Config,
    detail: Detail,
    /// Whether somebody wants documents.
    json: bool,
    page: Page,
    images: Vec<serde_json::Value>,
    codes: Vec<u8>,
    run: Run,
    statements: String,
    /// Why a summary that was asked for is not there.
    lost: Option<Failure>,
}

impl<'c> Listed<'c> {
    fn new(call: &'c Call, config: &'c Config, detail: Detail, json: bool) -> Self {
        Self {
            call,
            config,
            detail,
            json,
            page: Page::default(),
            images: Vec::new(),
            codes: Vec::new(),
            run: Run::new("verify"),
            statements: String::new(),
            lost: None,
        }
    }

    fn add(&mut self, reference: &Reference, judged: Result<Verdict, Failure>) {
        let (text, code, report, error) = match judged {
            Ok(verdict) => {
                let report = self.json.then(|| report::json::verdict_value(&verdict));
                let code = exit_code(&verdict);
                self.summarise(&verdict, code);
                self.run.images.push(ImageRun::judged(&verdict, self.detail, code).in_brief());
                (report::text::verdict_page(&verdict, self.detail), code, report, None)
            }
            Err(failure) => {
                self.run.images.push(ImageRun::unread(reference, failure.trouble()));
                (unread(reference, &failure), failure.code, None, Some(failure.error()))
            }
        };
        self.page.append(&text);
        line!(self.page);
        self.images.push(serde_json::json!({
            "image": reference.to_string(), "exitCode": code, "report": report, "error": error,
        }));
        self.codes.push(code);
    }

    fn summarise(&mut self, verdict: &Verdict, code: u8) {
        // Of an image without a verdict the exit code tells.
        match summaries(self.call, self.config, verdict, code) {
            Ok(lines) => self.statements.push_str(&lines),
            Err(failure) if code <= 1 => self.lost = self.lost.take().or(Some(failure)),
            Err(_) => {}
        }
    }

    /// The exit code of what was judged.
    fn code(&self) -> u8 {
        gravest(self.codes.iter().copied())
    }

    /// What is said of it in every form, and what pipelines are told, with this exit code.
    fn answer(mut self, wanted: &[Wanted], code: u8) -> (Answer, Run, Option<Failure>) {
        line!(self.page, "{}", self.run.summary());
        let run = self.run.clone().ending(code);
        let answer = Answer::in_forms(code, wanted, |format| {
            for_pipelines(format, &&run, |format| match format {
                ReportFormat::Text => report::shown::lines(&self.page),
                ReportFormat::Vsa => self.statements.clone(),
                _ => self.document(code),
            })
        });
        (answer, run, self.lost)
    }

    fn document(&self, code: u8) -> String {
        report::json::lines(&serde_json::json!({
            "schema": report::json::VERDICTS, "exitCode": code, "images": self.images,
        }))
    }

    /// That the call ended before these images were judged, and what was found out of the others.
    fn stopped(self, failure: Failure, rest: &[Reference], wanted: &[Wanted]) -> Failure {
        let (judged, code) = (self.codes.len(), failure.code);
        if judged == 0 {
            return failure;
        }
        let mut names: Vec<String> = rest.iter().take(NAMED).map(ToString::to_string).collect();
        if rest.len() > NAMED {
            names.push(format!("{} more", rest.len() - NAMED));
        }
        let all = plural(judged + rest.len(), "image");
        let message = format!("{}; {judged} of {all} judged", failure.message);
        let documents = if self.json { self.document(code) } else { String::new() };
        let (answer, run, _) = self.answer(wanted, code);
        let failure = Failure { message, ..failure };
        failure
            .beside(&[format!("not judged: {}", names.join(", "))])
            .after(answer.text)
            .after_list(run, documents)
    }
}

/// What `-o vsa` writes of an image; nothing where it is not asked for.
fn summaries(call: &Call, config: &Config, verdict: &Verdict, code: u8) -> Result<String, Failure> {
    match call.args.reports.has(ReportFormat::Vsa) {
        true => summary::lines(&call.args, config, verdict, code),
        false => Ok(String::new()),
    }
}

/// Why nothing of an image was read, where nothing was: what is said of it does not depend on whether a tag or a digest named it.
fn unread_at_all(verdict: &Verdict) -> Option<Failure> {
    let [PlatformVerdict { platform: None, manifest: None, findings, .. }] =
        verdict.platforms.as_slice()
    else {
        return None;
    };
    let reason = findings.first().filter(|reason| code_of(reason) > 1)?;
    Some(Failure::of_finding(reason.clone()))
}

/// The report about an image of which nothing is known.
fn unread(reference: &Reference, failure: &Failure) -> Page {
    let mut page = Page::default();
    line!(page, "image    {reference}");
    line!(page);
    line!(page, "{}", failure.message);
    page.append(&failure.more);
    line!(page);
    line!(page, "FAIL  the image was not read");
    page
}

/// An image that was refused is graver than one that could not be read: no second attempt changes it.
fn gravest(codes: impl IntoIterator<Item = u8>) -> u8 {
    let rank = |code: &u8| match code {
        0 => 0,
        3 => 1,
        1 => 2,
        _ => 3,
    };
    codes.into_iter().max_by_key(rank).unwrap_or_default()
}

/// 3 where the image or its evidence could not be read at all, and where nothing is held against it but that a rebuild could not be
/// run: trying again may help.
fn exit_code(verdict: &Verdict) -> u8 {
    if verdict.is_pass() {
        return 0;
    }
    let reasons = |p: &PlatformVerdict| match &p.decision {
        Decision::Fail(first, rest) => std::iter::once(&**first).chain(rest).cloned().collect(),
        Decision::Pass(_) => Vec::new(),
    };
    let reasons: Vec<Finding> = verdict.platforms.iter().flat_map(reasons).collect();
    let not_run = |f: &Finding| {
        matches!(f.code, Code::RebuildEngineUnavailable | Code::RebuildSourceUnreachable)
    };
    if reasons.iter().any(|reason| code_of(reason) == 2) {
        return 2;
    }
    let lost = reasons.iter().any(is_unavailable) || reasons.iter().all(not_run);
    if lost { 3 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::gravest;

    #[test]
    fn a_refusal_is_graver_than_what_could_not_be_read() {
        let cases: [(&[u8], u8); 6] =
            [(&[0, 0], 0), (&[0, 3, 0], 3), (&[3, 1], 1), (&[1, 3, 0], 1), (&[2, 1], 2), (&[], 0)];
        for (codes, want) in cases {
            assert_eq!(gravest(codes.iter().copied()), want, "{codes:?}");
        }
    }
}
