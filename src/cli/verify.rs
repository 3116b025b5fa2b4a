//! `hallmark verify`: the verdict and its report.

use std::sync::Arc;

use super::{
    Answer, Failure,
    args::{Format, Global, Verify},
    context::{self, Overrides},
    is_unavailable,
};
use crate::{
    finding::{Code, Finding},
    progress::Silent,
    report,
    source::PlatformChoice,
    verdict::{Decision, PlatformVerdict, Verdict},
    verify::{When, verify},
};

/// Runs the command.
pub async fn run(args: &Verify, global: &Global) -> Result<Answer, Failure> {
    let when = match (args.rebuild, args.no_rebuild) {
        (true, _) => Some(When::Always),
        (_, true) => Some(When::Never),
        _ => None,
    };
    let overrides = Overrides {
        platforms: args.platform.clone().map_or(PlatformChoice::All, PlatformChoice::One),
        policy: args.policy.as_deref(),
        keys: &args.key,
        rebuild: when,
        ..Overrides::default()
    };
    let (config, mut ctx) = context::begin(global, overrides)?;
    let image = context::pin(&args.image, &config, &ctx).await?;
    let verdict = verify(image, &ctx, jiff::Timestamp::now()).await;
    context::compiled(&ctx)?;
    let text = match args.output {
        Format::Text => report::text::verdict(&verdict),
        Format::Json => report::json::verdict(&verdict),
    };
    let code = exit_code(&verdict);
    // Its last word is to take its line off the terminal, which what is forgotten below could not do.
    ctx.talk = Arc::new(Silent);
    // The process ends now. To give back compiled policies and evidence node by node would take longer than to judge them;
    // nothing in them is on the disk or runs.
    std::mem::forget((verdict, ctx, config));
    Ok(Answer { text, code })
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
    let not_run = |f: &Finding| f.code == Code::RebuildEngineUnavailable;
    let lost = reasons.iter().any(is_unavailable) || reasons.iter().all(not_run);
    if lost { 3 } else { 1 }
}
