//! `hallmark serve`: the admission webhook, from the same `verify` as the command line.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;

use super::{
    Answer, Failure,
    args::{Global, Serve},
    context::{self, Overrides},
};
use crate::{
    config::{Config, GateConfig},
    finding::{Finding, Severity, Subject},
    gate::{Gate, Judged, Patience, Settings, TlsFiles, serve},
    reference::Reference,
    report::text::finding_block,
    source::PlatformChoice,
    verdict::{PlatformVerdict, Verdict},
    verify::{Context, Keep, Uncounted, verify},
};

/// Time for one answer where no configuration says otherwise: the apiserver waits 10 s by default.
const BUDGET: Duration = Duration::from_secs(9);

/// Runs until SIGTERM or Ctrl-C, then answers what is under way and ends.
pub async fn run(args: &Serve, global: &Global) -> Result<Answer, Failure> {
    let (config, mut ctx) = context::build(global, Overrides::default())?;
    ctx.keep = Keep::Findings;
    ctx.rebuild.uncounted = Uncounted::Skip;
    let gate_config = gate_config(args, &config)?;
    // On which node a pod lands is not known yet.
    ctx.platforms = gate_config.platforms.clone();
    let settings = Settings {
        namespaces_exempt: gate_config.namespaces_exempt.iter().cloned().collect(),
        budget: gate_config.budget,
        tags: gate_config.tags,
        review_bytes: config.limits.review_bytes,
        patience: patience(&ctx),
    };
    let (config, ctx) = (Arc::new(config), Arc::new(ctx));
    let judge = move |reference: Reference| {
        let (config, ctx) = (Arc::clone(&config), Arc::clone(&ctx));
        async move { judged(&reference, &config, &ctx).await }.boxed()
    };
    let gate = Gate::new(settings, Arc::new(judge));
    let files = TlsFiles::new(gate_config.certificate, gate_config.key);
    serve(gate_config.listen, gate, files, stop())
        .await
        .map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Answer { text: String::new(), code: 0 })
}

/// A rebuild takes longer than any review waits, and is worth its end: the retry finds it done.
fn patience(ctx: &Context) -> Patience {
    if !ctx.wants_rebuild() {
        return Patience::default();
    }
    let deadline = ctx.limits.rebuild * 2 + Patience::default().deadline;
    Patience { deadline, linger: deadline }
}

/// The command line's settings over the file's.
fn gate_config(args: &Serve, config: &Config) -> Result<GateConfig, Failure> {
    let base = config.gate.as_ref();
    let missing = |what: &str, option: &str| {
        Failure::usage(format!(
            "serve needs a {what}: give {option}, or gate.{what} in hallmark.yaml"
        ))
    };
    let certificate = args.tls_certificate.clone().or_else(|| base.map(|g| g.certificate.clone()));
    let key = args.tls_key.clone().or_else(|| base.map(|g| g.key.clone()));
    let listen = args.listen.or_else(|| base.map(|g| g.listen));
    Ok(GateConfig {
        listen: listen.ok_or_else(|| missing("listen", "--listen"))?,
        certificate: certificate.ok_or_else(|| missing("certificate", "--tls-certificate"))?,
        key: key.ok_or_else(|| missing("key", "--tls-key"))?,
        namespaces_exempt: base.map(|g| g.namespaces_exempt.clone()).unwrap_or_default(),
        budget: base.map_or(BUDGET, |g| g.budget),
        tags: base.map(|g| g.tags).unwrap_or_default(),
        platforms: base.map_or(PlatformChoice::All, |g| g.platforms.clone()),
    })
}

async fn stop() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let Ok(mut terminate) = terminate else { return };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// What the gate is told about an image.
async fn judged(reference: &Reference, config: &Config, ctx: &Context) -> Judged {
    if let Some(finding) = ctx.hopeless(reference) {
        return Judged::denied(reference, block(&finding));
    }
    let pinned = match context::resolve(reference, config, &ctx.sources, &ctx.limits).await {
        Ok(pinned) => pinned,
        Err(error) => {
            let finding = error.into_finding(Subject::Image(reference.to_string()));
            return Judged::denied(reference, block(&finding));
        }
    };
    let verdict = verify(pinned, ctx, jiff::Timestamp::now()).await;
    Judged {
        allowed: verdict.is_pass(),
        reference: verdict.subject.to_string(),
        digest: Some(verdict.subject.digest.to_string()),
        reasons: blocks(&verdict, Severity::Error),
        warnings: blocks(&verdict, Severity::Warning),
    }
}

fn blocks(verdict: &Verdict, severity: Severity) -> Vec<String> {
    let several = verdict.platforms.len() > 1;
    let of_platform = |platform: &PlatformVerdict| {
        let name = platform.platform.as_ref().filter(|_| several);
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        let weighty = platform.findings.iter().filter(|finding| finding.severity == severity);
        weighty.map(|finding| format!("{name}{}", block(finding))).collect::<Vec<_>>()
    };
    verdict.platforms.iter().flat_map(of_platform).collect()
}

fn block(finding: &Finding) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = finding_block(&mut text, finding);
    text
}
