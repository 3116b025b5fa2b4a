//! `hallmark verify --attest`: the verdict as SLSA verification summaries, to be signed.

use super::{Failure, args::Verify, context, output};
use crate::{
    config::Config,
    report::summary::{self, Author},
    verdict::{Decision, Ground, Verdict},
};

/// Writes a summary for each platform. Nothing is written where the verdict is no answer (an outage is no refusal), and where a pass rests on
/// the word of others alone: a relying party would take it for a verification of one's own.
///
/// # Errors
/// Where a file is not written that was asked for.
pub(super) fn write(
    args: &Verify,
    config: &Config,
    verdict: &Verdict,
    code: u8,
) -> Result<(), Failure> {
    let (Some(file), Some(verifier)) = (&args.summary.attest, &args.summary.verifier) else {
        return Ok(());
    };
    if code > 1 {
        return Err(Failure::new(
            code,
            "--attest: there is no verdict, so that no summary is written".to_owned(),
        ));
    }
    let preset = context::preset(config, args.policy.as_deref());
    let policy = args.summary.policy_uri.clone();
    let author = Author {
        verifier: verifier.clone(),
        policy: policy.unwrap_or_else(|| format!("https://hallmark.dev/policy/{preset}")),
    };
    let mut statements = Vec::new();
    for judged in &verdict.platforms {
        if let Decision::Pass(grounds) = &judged.decision
            && grounds.iter().all(|ground| matches!(ground, Ground::Delegated { .. }))
        {
            return Err(Failure::refused(
                "--attest: the image passes by the word of another verifier alone, which is not passed on: its own summary says it",
            ));
        }
        let platform = judged.platform.as_ref();
        match (platform, summary::statement(verdict, judged, &author)) {
            (Some(platform), Some(statement)) => statements.push((platform, statement)),
            _ => {
                return Err(Failure::refused(
                    "--attest: a platform's manifest could not be read, so that no summary can be about it",
                ));
            }
        }
    }
    let files = match args.platform {
        Some(_) => vec![file.clone()],
        None => output::for_each(file, statements.iter().map(|(platform, _)| *platform))?,
    };
    for (file, (_, statement)) in files.iter().zip(&statements) {
        output::to_file(file, format!("{statement:#}\n").as_bytes())?;
    }
    Ok(())
}
