//! `hallmark verify --attest` and `-o vsa`: the verdict as SLSA verification summaries, to be signed.
//!
//! `--attest` writes a file for each platform, which `hallmark sign --statement` takes; `-o vsa` writes them as lines of one report.

use std::path::PathBuf;

use serde_json::Value;

use super::{Failure, args::Verify, context, output};
use crate::{
    config::Config,
    image::Platform,
    report::summary::{self, Author},
    untrusted,
    verdict::{Decision, Ground, PlatformVerdict, Verdict},
};

/// Writes the files of `--attest`, where they are asked for, and says which.
///
/// # Errors
/// Where a file is not written that was asked for.
pub(super) fn write(
    args: &Verify,
    config: &Config,
    verdict: &Verdict,
    code: u8,
) -> Result<Vec<PathBuf>, Failure> {
    let Some(file) = &args.summary.attest else { return Ok(Vec::new()) };
    let statements = statements("--attest", args, config, verdict, code)?;
    let files = match args.platform {
        Some(_) => vec![file.clone()],
        None => output::for_each(file, statements.iter().map(|(platform, _)| *platform))?,
    };
    for (file, (_, statement)) in files.iter().zip(&statements) {
        output::to_file(file, format!("{statement:#}\n").as_bytes())?;
    }
    Ok(files)
}

/// The report `-o vsa`: a statement a line, one for each platform.
///
/// # Errors
/// As for `--attest`.
pub(super) fn lines(
    args: &Verify,
    config: &Config,
    verdict: &Verdict,
    code: u8,
) -> Result<String, Failure> {
    let statements = statements("-o vsa", args, config, verdict, code)?;
    Ok(statements.iter().map(|(_, one)| untrusted::json(&format!("{one}\n"))).collect())
}

/// The summary of each platform. There is none where the verdict is no answer (an outage is no refusal), and where a pass rests on the
/// word of others alone: a relying party would take it for a verification of one's own.
fn statements<'v>(
    option: &str,
    args: &Verify,
    config: &Config,
    verdict: &'v Verdict,
    code: u8,
) -> Result<Vec<(&'v Platform, Value)>, Failure> {
    let refused = |why: &str| Failure::refused(format!("{option}: {why}"));
    let Some(verifier) = &args.summary.verifier else {
        return Err(Failure::usage(format!("{option} needs --verifier URI")));
    };
    if code > 1 {
        let why = format!("{option}: there is no verdict, so that no summary is written");
        return Err(Failure::new(code, why));
    }
    let preset = context::preset(config, args.policy.as_deref());
    let policy = args.summary.policy_uri.clone();
    let author = Author {
        verifier: verifier.clone(),
        policy: policy.unwrap_or_else(|| format!("https://hallmark.dev/policy/{preset}")),
    };
    let mut statements = Vec::new();
    for judged in &verdict.platforms {
        if rests_on_others(judged) {
            return Err(refused(
                "the image passes by the word of another verifier alone, which is not passed on: its own summary says it",
            ));
        }
        let statement = summary::statement(verdict, judged, &author);
        statements.extend(judged.platform.as_ref().zip(statement));
    }
    match statements.len() == verdict.platforms.len() {
        true => Ok(statements),
        false => Err(refused(
            "a platform's manifest could not be read, so that no summary can be about it",
        )),
    }
}

/// Whether a platform passes by summaries of others and by nothing else.
fn rests_on_others(judged: &PlatformVerdict) -> bool {
    let Decision::Pass(grounds) = &judged.decision else { return false };
    grounds.iter().all(|ground| matches!(ground, Ground::Delegated { .. }))
}
