//! `hallmark serve`: the admission webhook, from the same `verify` as the command line.
//!
//! Configuration, policies and roots are read again every few seconds, all at one time. Where they changed and can be used
//! they replace the old ones as a whole, and what was found by the old ones is forgotten; where they cannot, the old ones stay.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt as _;
use serde_json::json;

use super::{
    Answer, Failure,
    args::{Global, Serve},
    context::{self, Overrides},
};
use crate::{
    config::{Config, GateConfig},
    digest::Digest,
    finding::{Code, Finding, Key, Severity, Subject},
    gate::{self, Gate, Judged, Patience, Settings, TlsFiles, serve},
    reference::Reference,
    report::{self, text::finding_block},
    source::{PlatformChoice, address::Unlisted},
    verdict::{PlatformVerdict, Verdict},
    verify::{Context, Keep, verify},
};

/// Time for one answer where no configuration says otherwise: the apiserver waits 10 s by default.
const BUDGET: Duration = Duration::from_secs(9);

/// Time between two looks at the files that rules are read from.
const POLL: Duration = Duration::from_secs(5);

/// Runs until SIGTERM or Ctrl-C, then answers what is under way and ends.
pub async fn run(args: &Serve, global: &Global) -> Result<Answer, Failure> {
    // Reviews come by the thousand: what happens is in the log, and progress is not shown.
    let global = Global { quiet: true, ..global.clone() };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "hallmark serve starts");
    let Rules { settings, judge, config } = rules(args, &global, None)?;
    tracing::info!(rules = %settings.rules, "decisions are made by these rules");
    let (at, rules) = (Start::of(&config), settings.rules.clone());
    let gate = Gate::new(settings, judge);
    let told = gate.tell(std::io::stdout());
    told.map_err(|error| Failure::unavailable(format!("cannot start a thread: {error}")))?;
    let watching = tokio::spawn(watch(Arc::clone(&gate), args.clone(), global, at, rules));
    let files = TlsFiles::new(config.certificate, config.key);
    let served = serve(config.listen, gate, files, stop()).await;
    watching.abort();
    served.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Answer::data(String::new()))
}

/// What decisions are made by, read at one time.
struct Rules {
    settings: Settings,
    judge: Arc<gate::Verify>,
    config: GateConfig,
}

/// What counts at the start alone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    listen: SocketAddr,
    certificate: PathBuf,
    key: PathBuf,
}

impl Start {
    fn of(config: &GateConfig) -> Self {
        let GateConfig { listen, certificate, key, .. } = config.clone();
        Self { listen, certificate, key }
    }

    /// What a configuration that is read later asks for in vain: key, and value.
    fn changed(&self, now: &Self) -> Vec<(&'static str, String)> {
        let file = |path: &Path| path.display().to_string();
        [
            ("gate.listen", self.listen.to_string(), now.listen.to_string()),
            ("gate.certificate", file(&self.certificate), file(&now.certificate)),
            ("gate.key", file(&self.key), file(&now.key)),
        ]
        .into_iter()
        .filter(|(_, held, asked)| held != asked)
        .map(|(key, _, asked)| (key, asked))
        .collect()
    }
}

/// Reads configuration, policies and roots; `bound` is where reviews come in already.
fn rules(args: &Serve, global: &Global, bound: Option<SocketAddr>) -> Result<Rules, Failure> {
    // Read first: what changes while the rest is read is another file at the next look.
    let file = context::configuration_digest(global);
    let (config, mut ctx) = context::build(global, Overrides::default())?;
    ctx.keep = Keep::Findings;
    let gate_config = gate_config(args, &config)?;
    // On which node a pod lands is not known yet.
    ctx.world.platforms = gate_config.platforms.clone();
    // Names come from whoever may create a pod, and must not lead into the cluster's own networks.
    ctx.world.sources.unlisted = match bound.unwrap_or(gate_config.listen).ip().is_loopback() {
        true => Unlisted::PublicOrLoopback,
        false => Unlisted::PublicOnly,
    };
    ctx.rebuild.settings.unlisted = ctx.world.sources.unlisted;
    let inputs = ctx.inputs();
    let all = json!({
        "configuration": file.to_string(),
        "policy": inputs.policy.to_string(),
        "trust": inputs.trust.to_string(),
    });
    let settings = Settings {
        namespaces_exempt: gate_config.namespaces_exempt.iter().cloned().collect(),
        budget: gate_config.budget,
        tags: gate_config.tags,
        review_bytes: config.limits.review_bytes,
        patience: patience(&ctx),
        rules: Digest::sha256(all.to_string().as_bytes()).to_string(),
    };
    let (config, ctx) = (Arc::new(config), Arc::new(ctx));
    let judge = move |reference: Reference| {
        let (config, ctx) = (Arc::clone(&config), Arc::clone(&ctx));
        async move { judged(&reference, &config, &ctx).await }.boxed()
    };
    Ok(Rules { settings, judge: Arc::new(judge), config: gate_config })
}

/// Takes over rules that changed and can be read; says once why others cannot. Address and certificate files stay those of
/// the start, and that is said once, too.
async fn watch(gate: Arc<Gate>, args: Serve, global: Global, start: Start, mut in_force: String) {
    let (mut refused, mut asked) = (None, start.clone());
    let bound = Some(start.listen);
    loop {
        tokio::time::sleep(POLL).await;
        let (args, global) = (args.clone(), global.clone());
        let read = tokio::task::spawn_blocking(move || rules(&args, &global, bound)).await;
        match read {
            Ok(Ok(Rules { settings, judge, config })) => {
                refused = None;
                let now = Start::of(&config);
                if now != asked {
                    for (key, value) in start.changed(&now) {
                        tracing::warn!(
                            key,
                            value,
                            "a changed setting needs a restart; that of the start stays"
                        );
                    }
                    asked = now;
                }
                if settings.rules == in_force {
                    continue;
                }
                in_force.clone_from(&settings.rules);
                gate.replace(settings, judge);
                tracing::info!(rules = %in_force, "decisions are made by new rules");
            }
            Ok(Err(failure)) => {
                let why = failure.to_string();
                if refused.as_ref() != Some(&why) {
                    gate.refuse();
                    tracing::warn!(%why, rules = %in_force, "rules cannot be read again; the last good ones stay");
                    refused = Some(why);
                }
            }
            // Whatever broke, the last good ones stay.
            Err(error) => tracing::error!(%error, "rules could not be read again"),
        }
    }
}

/// A rebuild takes longer than any review waits, and is worth its end: the retry finds it done.
fn patience(ctx: &Context) -> Patience {
    if !ctx.wants_rebuild() {
        return Patience::default();
    }
    let deadline = ctx.world.limits.rebuild * 2 + Patience::default().deadline;
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
        return Judged::denied(reference, finding.code.as_str(), block(&finding));
    }
    let pinned =
        match context::resolve(reference, config, &ctx.world.sources, &ctx.world.limits).await {
            Ok(pinned) => pinned,
            Err(error) => {
                let finding = error.into_finding(Subject::Image(reference.to_string()));
                return Judged::denied(reference, finding.code.as_str(), block(&finding));
            }
        };
    let verdict = verify(pinned, ctx, jiff::Timestamp::now()).await;
    let findings = verdict.platforms.iter().flat_map(|platform| &platform.findings);
    let remarks = findings.filter(|finding| is_warning(finding) && finding.is_remark());
    Judged {
        allowed: verdict.is_pass(),
        reference: verdict.subject.to_string(),
        digest: Some(verdict.subject.digest.to_string()),
        codes: codes(&verdict),
        reasons: blocks(&verdict, |weight, _| weight == Severity::Error),
        notices: blocks(&verdict, |weight, finding| {
            weight == Severity::Warning && NOTICES.contains(&finding.code)
        }),
        warnings: blocks(&verdict, |weight, finding| {
            weight == Severity::Warning && !NOTICES.contains(&finding.code)
        }),
        remarks: remarks.count(),
    }
}

/// What tells that the operator's own exceptions and allowances let something through.
const NOTICES: [Code; 2] = [Code::PolicyExceptionUsed, Code::ConfigAllowUsed];

fn is_warning(finding: &Finding) -> bool {
    finding.severity == Severity::Warning
}

/// What is wrong, by name, or what is weak where nothing is wrong: of what a rule says the rule's own code, too.
fn codes(verdict: &Verdict) -> BTreeSet<String> {
    let weight = if verdict.is_pass() { Severity::Warning } else { Severity::Error };
    let findings = verdict.platforms.iter().flat_map(|platform| &platform.findings);
    let weighty = findings.filter(|finding| finding.severity == weight);
    let names = weighty.flat_map(|finding| {
        let of_rule = matches!(finding.code, Code::PolicyDenied | Code::PolicyWarned);
        let rule = finding.facts.get(&Key::From).filter(|_| of_rule).map(ToString::to_string);
        let rule = rule.and_then(|from| from.split(' ').next().map(str::to_owned));
        rule.into_iter().chain([finding.code.to_string()])
    });
    names.collect()
}

fn blocks(verdict: &Verdict, wanted: impl Fn(Severity, &Finding) -> bool) -> Vec<String> {
    let several = verdict.platforms.len() > 1;
    let of_platform = |platform: &PlatformVerdict| {
        let name = platform.platform.as_ref().filter(|_| several);
        let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
        let blocks = report::text::blocks(&platform.findings, &wanted);
        blocks.into_iter().map(|block| format!("{name}{block}")).collect::<Vec<_>>()
    };
    verdict.platforms.iter().flat_map(of_platform).collect()
}

fn block(finding: &Finding) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = finding_block(&mut text, finding);
    text
}
