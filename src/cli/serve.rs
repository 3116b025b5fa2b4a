//! `hallmark serve`: the admission webhook, from the same `verify` as the command line.
//!
//! Configuration, policies and roots are read again every few seconds, all at one time. Where they changed and can be used
//! they replace the old ones as a whole, and what was found by the old ones is forgotten; where they cannot, the old ones stay.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::json;

use super::{
    Answer, Failure,
    args::{Global, Serve},
    context::{self, Overrides},
    unserved,
};
use crate::{
    config::{ApiserverConfig, Config, GateConfig, InForce, KeyPath, LISTEN},
    digest::Digest,
    gate::{
        self, Apiserver, Gate, Judge, Patience, Presets, Settings, TlsFiles,
        choice::Entry,
        namespaces::{self, Namespaces},
        serve,
    },
    policy::bundle::Preset,
    source::{PlatformChoice, address::Unlisted},
    verify::{Context, Keep, When},
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
    let Rules { settings, verify, config, origin } = rules(args, &global, None)?;
    if let Some(Origin { configuration, preset, folders, policy, trust, roots }) = &origin {
        tracing::info!(
            rules = %settings.rules, configuration, preset, folders, policy, trust, roots,
            "decisions are made by these rules"
        );
    }
    let (at, rules) = (Start::of(&config), settings.rules.clone());
    let gate = Gate::new(settings, verify);
    let told = gate.tell(std::io::stdout());
    told.map_err(|error| Failure::unavailable(format!("cannot start a thread: {error}")))?;
    let watching = tokio::spawn(watch(Arc::clone(&gate), args.clone(), global, at, rules));
    let files = TlsFiles::new(config.certificate, config.key);
    let served = serve(config.listen, gate, files, stop()).await;
    watching.abort();
    served.map_err(|error| {
        let help = unserved::help(&error, args);
        let mut failure = Failure::usage(error.to_string());
        help.iter().for_each(|help| failure.help(help));
        failure
    })?;
    Ok(Answer::data(String::new()))
}

/// What decisions are made by, read at one time.
struct Rules {
    settings: Settings,
    verify: Arc<gate::Verify>,
    config: GateConfig,
    /// Told at the start.
    origin: Option<Origin>,
}

/// What the log says of where rules come from.
struct Origin {
    /// The file; `none` where there is none.
    configuration: String,
    preset: String,
    /// Folders and archives of rules beside the preset's.
    folders: String,
    /// Digest of rules, data, settings and exceptions.
    policy: String,
    /// Digest of signers, keys and trust rules.
    trust: String,
    /// Trusted roots with their days.
    roots: String,
}

impl Origin {
    fn of(config: &Config, ctx: &Context) -> Self {
        let root = |(name, found): (&String, &InForce)| match found.root.date() {
            Some(dated) => format!("{name} as of {}", dated.as_of),
            None => name.clone(),
        };
        let file = |path: &PathBuf| path.display().to_string();
        let (selection, inputs) = (&config.policy.selection, ctx.inputs());
        // One that no signer needs may be unreadable: what cannot be judged by was refused before.
        let roots = match config.roots.all() {
            Ok(roots) => roots.iter().map(root).collect::<Vec<_>>().join(", "),
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        Self {
            configuration: config.file.as_ref().map_or_else(|| "none".to_owned(), file),
            preset: selection.preset.to_owned(),
            folders: selection.bundles.iter().map(file).collect::<Vec<_>>().join(", "),
            policy: inputs.policy.to_string(),
            trust: inputs.trust.to_string(),
            roots,
        }
    }
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
    // Every known root is read for it, which is not worth its time at each look.
    let origin = bound.is_none().then(|| Origin::of(&config, &ctx));
    let inputs = ctx.inputs();
    let all = json!({
        "configuration": file.to_string(),
        "policy": inputs.policy.to_string(),
        "trust": inputs.trust.to_string(),
    });
    let settings = Settings {
        presets: Arc::new(presets(&config, &gate_config)?),
        namespaces_exempt: gate_config.namespaces_exempt.iter().cloned().collect(),
        budget: gate_config.budget,
        tags: gate_config.tags,
        review_bytes: config.limits.review_bytes,
        patience: patience(&ctx, &gate_config.object_presets),
        rules: Digest::sha256(all.to_string().as_bytes()).to_string(),
    };
    let judge = Judge::new(config.repositories, ctx);
    Ok(Rules { settings, verify: judge.verify(), config: gate_config, origin })
}

/// The presets that there are for images, namespaces and objects; the apiserver's files are looked at, and it is not asked.
fn presets(config: &Config, gate: &GateConfig) -> Result<Presets, Failure> {
    let entries = config.policy.presets.iter().map(|choice| Entry {
        images: choice.images.clone(),
        namespaces: choice.namespaces.clone(),
        preset: choice.preset,
    });
    let apiserver = gate.apiserver.clone().map(|config| {
        let ApiserverConfig { server, ca, token } = config;
        Apiserver { server, ca, token }
    });
    if let Some(apiserver) = &apiserver {
        let unusable = |why| Failure::usage(format!("gate.apiserver cannot be asked: {why}"));
        apiserver.check().map_err(unusable)?;
    }
    let namespaces = apiserver.map(|a| Namespaces::new(a.read(), namespaces::Times::default()));
    Ok(Presets {
        preset: config.policy.selection.preset,
        entries: entries.collect(),
        objects: gate.object_presets.clone(),
        namespaces,
    })
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
            Ok(Ok(Rules { settings, verify, config, .. })) => {
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
                gate.replace(settings, verify);
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
fn patience(ctx: &Context, objects: &[&str]) -> Patience {
    let asks = |preset: &&str| {
        Preset::named(preset).is_ok_and(|preset| preset.rules.iter().any(|rule| rule == "rebuild"))
    };
    let may_be_asked = !matches!(ctx.rebuild.when, When::Never(_)) && objects.iter().any(asks);
    if !ctx.wants_rebuild() && !may_be_asked {
        return Patience::default();
    }
    let deadline = ctx.world.limits.rebuild * 2 + Patience::default().deadline;
    Patience { deadline, linger: deadline }
}

/// Whether certificate and key of the configuration can be served with.
///
/// # Errors
/// They cannot be read, are swapped, or do not belong together.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    let Some(GateConfig { certificate, key, .. }) = &config.gate else { return Ok(()) };
    let files = TlsFiles::new(certificate.clone(), key.clone());
    files.check().map_err(|error| {
        let (name, help) = match error.is_of_key(&files) {
            true => {
                ("key", "gate.key is the private key in PEM, and gate.certificate its certificate chain")
            }
            false => (
                "certificate",
                "gate.certificate is a certificate chain in PEM, the server's own first, and gate.key the private key of that one",
            ),
        };
        let place = config.place(&KeyPath(vec!["gate".into(), name.into()]));
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        Failure::of_operator(&format!("{place}gate.{name}: {error}\n  help: {help}"))
    })
}

/// The command line's settings over the file's.
fn gate_config(args: &Serve, config: &Config) -> Result<GateConfig, Failure> {
    let base = config.gate.as_ref();
    let missing = |what: &str, key: &str, option: &str| {
        let mut failure = Failure::usage(format!("serve needs {what}"));
        failure.help(&format!("give {option} FILE, or gate.{key} in hallmark.yaml"));
        failure
    };
    let certificate = args.tls_certificate.clone().or_else(|| base.map(|g| g.certificate.clone()));
    let key = args.tls_key.clone().or_else(|| base.map(|g| g.key.clone()));
    let listen = args.listen.or_else(|| base.map(|g| g.listen));
    Ok(GateConfig {
        listen: listen.unwrap_or(LISTEN),
        certificate: certificate
            .ok_or_else(|| missing("a TLS certificate", "certificate", "--tls-certificate"))?,
        key: key.ok_or_else(|| missing("the key of its certificate", "key", "--tls-key"))?,
        namespaces_exempt: base.map(|g| g.namespaces_exempt.clone()).unwrap_or_default(),
        budget: base.map_or(BUDGET, |g| g.budget),
        tags: base.map(|g| g.tags).unwrap_or_default(),
        platforms: base.map_or(PlatformChoice::All, |g| g.platforms.clone()),
        apiserver: base.and_then(|g| g.apiserver.clone()),
        object_presets: base.map(|g| g.object_presets.clone()).unwrap_or_default(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Surroundings;

    #[test]
    fn a_pair_that_cannot_be_served_with_is_told_at_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let pair = rcgen::generate_simple_self_signed(["gate.example".to_owned()]).unwrap();
            let at = |kind: &str| folder.path().join(format!("{name}.{kind}"));
            std::fs::write(at("crt"), pair.cert.pem()).unwrap();
            std::fs::write(at("key"), pair.signing_key.serialize_pem()).unwrap();
        };
        make("one");
        make("other");
        let cases = [
            ("one.crt", "one.key", None),
            ("one.key", "one.crt", Some(":3:16: gate.certificate: ")),
            ("one.crt", "one.crt", Some(":4:8: gate.key: ")),
            ("one.crt", "other.key", Some(":3:16: gate.certificate: ")),
            ("one.key", "one.key", Some(":3:16: gate.certificate: ")),
        ];
        for (certificate, key, want) in cases {
            let text = format!("version: 1\ngate:\n  certificate: {certificate}\n  key: {key}\n");
            let file = folder.path().join("hallmark.yaml");
            let config = Config::of_text(&file, &text, &Surroundings::default()).unwrap();
            assert_eq!(config.gate.as_ref().unwrap().listen, LISTEN);
            match (check(&config), want) {
                (Ok(()), None) => {}
                (Err(failure), Some(want)) => {
                    let told = failure.told();
                    assert!(
                        told.contains(want) && failure.code == 2,
                        "{certificate} {key}: {told}"
                    );
                    assert!(told.contains("help: gate."), "{told}");
                }
                (other, _) => panic!("{certificate} {key}: {other:?}"),
            }
        }
        let args =
            Serve { listen: None, tls_certificate: Some("a".into()), tls_key: Some("b".into()) };
        assert_eq!(gate_config(&args, &Config::default()).unwrap().listen, LISTEN);
        let nothing = Serve { listen: None, tls_certificate: None, tls_key: None };
        let told = gate_config(&nothing, &Config::default()).unwrap_err().told();
        assert!(told.contains("help: give --tls-certificate FILE, or gate.certificate"), "{told}");
    }
}
