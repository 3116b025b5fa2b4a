//! From command line, environment and `hallmark.yaml` to what a verification needs.
//!
//! The only place that reads the environment. What the command line says goes before the file.

use std::{
    collections::BTreeSet,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Failure,
    args::{Global, Lookup, Platforms, Vouch},
    colour::Environment,
    progress::{self, Loudness},
    vouch,
};
use crate::{
    config::{self, Config, KeyPath, PolicySelection, Roots, Step, Surroundings},
    digest::Digest,
    environment,
    policy::{Bundle, Deferred, Exception, PolicyError, bundle::Preset, nearest::did_you_mean},
    reference::{PinnedReference, Reference},
    scratch::open_file,
    sign::Password,
    source::{self, PlatformChoice, SourceSettings},
    verify::{
        Context, Criteria, Inquiry, Keep, RebuildOptions, Uncounted, Wanted, When, World,
        compile_ahead,
    },
};

/// What the command line says over the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides<'a> {
    /// Which platforms.
    pub platforms: PlatformChoice,
    /// Preset or folder.
    pub policy: Option<&'a str>,
    /// Preset of a command that judges by its own, without the operator's folders, settings and exceptions.
    pub own_preset: Option<&'static str>,
    /// Who may vouch besides the configured signers.
    pub vouch: Option<&'a Vouch>,
    /// When to rebuild.
    pub rebuild: Option<When>,
}

/// Reads the configuration and makes the context.
pub fn build(global: &Global, overrides: Overrides<'_>) -> Result<(Config, Context), Failure> {
    let (config, context) = begin(global, overrides)?;
    compiled(&config, &context)?;
    Ok((config, context))
}

/// Says what is wrong with the policies, if anything is; waits for them.
pub fn compiled(config: &Config, context: &Context) -> Result<(), Failure> {
    let usage = |error: &PolicyError| Failure::of_operator(&placed(error, config));
    let policies = context.criteria.policies.ready().map_err(usage)?;
    policies.clear(&context.criteria.exceptions).map_err(|error| usage(&error))
}

/// What is wrong with the policies, and where in the configuration, if it is there.
fn placed(error: &PolicyError, config: &Config) -> String {
    let exception = |code: &String, package: &Option<String>| {
        let mut all = config.policy.exceptions.iter();
        let is_meant = |e: &Exception| e.code == *code && e.package == *package;
        let at = all.position(|entry| entry.iter().any(is_meant))?;
        let field = if package.is_some() { "package" } else { "code" };
        Some(vec!["policy".into(), "exceptions".into(), at.into(), field.into()])
    };
    let key: Option<Vec<Step>> = match error {
        PolicyError::SettingUnread { path, .. } | PolicyError::SettingUnknown { path, .. } => {
            let settings =
                ["policy", "settings"].into_iter().chain(path.iter().map(String::as_str));
            Some(settings.map(Step::from).collect())
        }
        PolicyError::ExceptionUnclear { code, .. } => exception(code, &None),
        PolicyError::ExceptionIdle { code, package, .. } => exception(code, package),
        _ => None,
    };
    match key.and_then(|key| config.place(&KeyPath(key))) {
        Some(place) => format!("{place}: {error}"),
        None => error.to_string(),
    }
}

/// Reads the configuration and says how the world is reached: for whoever neither proves nor judges.
pub fn world(global: &Global, platforms: PlatformChoice) -> Result<(Config, World), Failure> {
    let config = configuration(global)?;
    let world = reached(&config, global, platforms);
    Ok((config, world))
}

fn reached(config: &Config, global: &Global, platforms: PlatformChoice) -> World {
    let loudness = if global.quiet { Loudness::Quiet } else { Loudness::Normal };
    World {
        sources: sources(config),
        platforms,
        vulnerabilities: config.vulnerabilities.clone(),
        bases: config.bases.clone().into(),
        sink: progress::sink(loudness),
        ..World::new(config.limits.clone())
    }
}

/// Reads the configuration and says what evidence is gathered by, the contents of the image among it: for whoever judges
/// nothing and builds nothing. `by` is the command that does not.
pub fn inquiry(
    global: &Global,
    platforms: PlatformChoice,
    vouch: Option<&Vouch>,
    by: &'static str,
) -> Result<(Config, Inquiry), Failure> {
    let (config, world) = world(global, platforms)?;
    let trust = Arc::new(vouch::trust(&config, vouch)?);
    let rebuild = rebuild(&config, Some(When::Never(by)));
    Ok((config, Inquiry { world, trust, rebuild, wanted: Wanted::Contents }))
}

/// As [`build`], while the policies are still being compiled: [`compiled`] has to be asked before their verdict counts.
pub fn begin(global: &Global, overrides: Overrides<'_>) -> Result<(Config, Context), Failure> {
    let config = configuration(global)?;
    let world = reached(&config, global, overrides.platforms);
    let rebuild = rebuild(&config, overrides.rebuild);
    let (bundle, exceptions) = match overrides.own_preset {
        Some(preset) => {
            let preset = Bundle::preset(preset).map_err(|e| Failure::usage(e.to_string()))?;
            (preset, Vec::new())
        }
        None => (bundle(&config, overrides.policy)?, exceptions(&config, overrides.policy)?),
    };
    let bundle = match rebuild.when {
        When::Always => bundle.with_rebuild(),
        When::PolicyAsks | When::Never(_) => bundle,
    };
    let policies = Deferred::new(bundle, config.limits.clone());
    compile_ahead(&policies);
    let trust = Arc::new(vouch::trust(&config, overrides.vouch)?);
    let criteria = Criteria { trust, policies, exceptions };
    Ok((config, Context { world, criteria, rebuild, keep: Keep::Evidence }))
}

/// The configuration that the command line, the environment or the two fixed folders name.
pub fn configuration(global: &Global) -> Result<Config, Failure> {
    let config = Config::load(file(global).as_deref(), &surroundings());
    config.map_err(|error| Failure::of_operator(&error.to_string()))
}

/// Digest of the configuration file's bytes; of nothing, where there is no file or it cannot be read.
pub fn configuration_digest(global: &Global) -> Digest {
    let read = |path: PathBuf| {
        let mut bytes = Vec::new();
        let most = config::MAX_FILE_BYTES;
        // What a pipe holds is read once, by whom it is meant for.
        open_file(&path).and_then(|file| file.take(most).read_to_end(&mut bytes)).ok()?;
        Some(bytes)
    };
    let bytes = file(global).and_then(read).unwrap_or_default();
    Digest::sha256(&bytes)
}

/// The trusted roots that can be updated.
pub fn repositories(global: &Global) -> Result<Roots, Failure> {
    let roots = config::repositories(file(global).as_deref(), &surroundings());
    roots.map_err(|error| Failure::of_operator(&error.to_string()))
}

fn file(global: &Global) -> Option<PathBuf> {
    let candidates = config::candidates(config_home().as_deref());
    // A variable that is set to nothing names no file.
    let named = || environment::filled("HALLMARK_CONFIG").map(PathBuf::from);
    let first = || config::first(&candidates).map(Path::to_owned);
    global.config.clone().or_else(named).or_else(first)
}

/// Fetched roots lie in the user's state folder, or in the machine's where there is no user.
fn surroundings() -> Surroundings {
    let set =
        environment::variable("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = environment::below_home(".local/state");
    let state = set.or_else(|| home.filter(|path| path.is_absolute()));
    let state = state.unwrap_or_else(|| PathBuf::from("/var/lib"));
    Surroundings {
        root_folder: Some(state.join("hallmark/roots")),
        now: Some(jiff::Timestamp::now()),
    }
}

fn config_home() -> Option<PathBuf> {
    let set = environment::variable("XDG_CONFIG_HOME").map(PathBuf::from);
    set.or_else(|| environment::below_home(".config"))
}

/// Where logins are: `REGISTRY_AUTH_FILE`, then Docker's folder, then podman's files.
fn credentials() -> Vec<PathBuf> {
    let set = |name: &str| environment::filled(name).map(PathBuf::from);
    let docker = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")));
    let podman = ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"].map(set);
    let podman = podman.into_iter().flatten().chain(set("HOME").map(|home| home.join(".config")));
    let podman = podman.map(|folder| folder.join("containers/auth.json"));
    set("REGISTRY_AUTH_FILE").into_iter().chain(docker).chain(podman).collect()
}

/// The first of these variables that says something: one that is set to nothing hides no other.
fn variable(names: [&str; 2]) -> Option<String> {
    names.iter().find_map(|name| environment::filled(name)?.into_string().ok())
}

/// What the environment says of configuration and network, each by its variable. Proxies may hold a password, which is not told.
pub fn variables() -> Vec<(&'static str, String)> {
    let named = [
        "HALLMARK_CONFIG",
        "XDG_CONFIG_HOME",
        "XDG_STATE_HOME",
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "TMPDIR",
    ];
    let set = named.into_iter().filter_map(|name| {
        let value = environment::filled(name)?;
        let value = value.to_string_lossy().into_owned();
        let told = match url::Url::parse(&value) {
            Ok(url) if name.eq_ignore_ascii_case("https_proxy") => {
                format!("{}://{}", url.scheme(), url.host_str().unwrap_or("…"))
            }
            Err(_) if name.eq_ignore_ascii_case("https_proxy") => "set, and no URL".to_owned(),
            _ => value,
        };
        Some((name, told))
    });
    set.collect()
}

/// What the environment says of colours.
pub fn colours() -> Environment {
    Environment {
        no_color: environment::filled("NO_COLOR").is_some(),
        dumb: environment::variable("TERM").is_some_and(|value| value == "dumb"),
    }
}

/// The password of a key file, from the first of these variables that is set; an empty one is a password too.
pub fn password(names: &[&str]) -> Option<Password> {
    use std::os::unix::ffi::OsStringExt as _;
    let text = names.iter().find_map(|name| environment::variable(name))?;
    Some(Password::new(text.into_vec()))
}

/// How registries are reached.
pub fn sources(config: &Config) -> SourceSettings {
    SourceSettings { registries: config.registries.clone(), ..surrounding_sources() }
}

/// What only the environment says about how others are reached.
pub fn surrounding_sources() -> SourceSettings {
    SourceSettings {
        credentials: credentials(),
        proxy: variable(["HTTPS_PROXY", "https_proxy"]),
        no_proxy: variable(["NO_PROXY", "no_proxy"]),
        ..SourceSettings::default()
    }
}

/// The platforms that a command works on which takes this machine's where nothing is said.
pub fn platforms(asked: &Platforms) -> PlatformChoice {
    match asked {
        Platforms { all_platforms: true, .. } => PlatformChoice::All,
        Platforms { platform, .. } => {
            platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One)
        }
    }
}

fn bundle(config: &Config, asked: Option<&str>) -> Result<Bundle, Failure> {
    let usage = |e: PolicyError| Failure::of_operator(&e.to_string());
    let PolicySelection { rules, bundles, .. } = &config.policy.selection;
    let named = asked.filter(|name| is_preset(name));
    let folder = asked.filter(|_| named.is_none()).map(policy_folder).transpose()?;
    let folders: Vec<PathBuf> = bundles.iter().cloned().chain(folder).collect();
    let own = config::bundle(&folders).map_err(|e| Failure::of_operator(&e.to_string()))?;
    let shipped = Bundle::preset(preset(config, asked)).map_err(usage)?;
    let shipped = shipped.with_rules(rules).map_err(usage)?;
    let bundle = shipped.join(own).map_err(usage)?;
    Ok(bundle.with_settings(config.policy.settings.clone()))
}

/// The name of the preset that is judged by.
pub fn preset<'a>(config: &'a Config, asked: Option<&'a str>) -> &'a str {
    asked.filter(|name| is_preset(name)).unwrap_or(config.policy.selection.preset)
}

fn is_preset(name: &str) -> bool {
    Preset::names().any(|preset| preset == name)
}

/// The folder that `--policy` names where it names no preset.
fn policy_folder(text: &str) -> Result<PathBuf, Failure> {
    let folder = PathBuf::from(text);
    if folder.is_dir() {
        return Ok(folder);
    }
    let meant = did_you_mean(text, Preset::names());
    let presets = Preset::names().collect::<Vec<_>>().join(", ");
    Err(Failure::of_operator(&format!(
        "--policy {text}: there is no such preset, and no folder\n  help: {meant}presets are {presets}"
    )))
}

/// The exceptions. Where the command line names another preset than the file, those from rules that it does not have lift nothing, and
/// are said to.
fn exceptions(config: &Config, asked: Option<&str>) -> Result<Vec<Exception>, Failure> {
    let mut all = config.policy.exceptions.concat();
    let configured = config.policy.selection.preset;
    let named = Preset::names().find(|name| asked == Some(*name) && *name != configured);
    if let Some(named) = named.filter(|_| !all.is_empty()) {
        let given = |preset| {
            let shipped = Bundle::preset(preset).and_then(|bundle| bundle.codes());
            shipped.map_err(|e| Failure::usage(e.to_string()))
        };
        let (before, now) = (given(configured)?, given(named)?);
        let means = |e: &Exception, (package, code): &(String, String)| {
            *code == e.code && e.package.as_ref().is_none_or(|meant| meant == package)
        };
        for exception in &mut all {
            let is_there = |codes: &BTreeSet<_>| codes.iter().any(|rule| means(exception, rule));
            exception.elsewhere = is_there(&before) && !is_there(&now);
        }
    }
    Ok(all)
}

/// What the file says of rebuilds, with what command line and environment say over it.
fn rebuild(config: &Config, asked: Option<When>) -> RebuildOptions {
    let mut rebuild = config.rebuild.clone();
    rebuild.settings.proxy = variable(["HTTPS_PROXY", "https_proxy"]);
    rebuild.settings.no_proxy = variable(["NO_PROXY", "no_proxy"]);
    if let Some(asked) = asked {
        rebuild.when = asked;
    }
    // A stranger chooses what such a build runs: it is made for who asks for it here.
    if asked == Some(When::Always) {
        rebuild.uncounted = Uncounted::Build;
    }
    rebuild
}

/// Looks bare digests up where the command line says, if it does.
pub fn look_up<'a>(
    lookup: &Lookup,
    images: impl IntoIterator<Item = &'a Reference>,
    config: &mut Config,
) -> Result<(), Failure> {
    if lookup.repository.is_empty() {
        return Ok(());
    }
    if !images.into_iter().any(|image| matches!(image, Reference::Bare(_))) {
        return Err(Failure::usage(
            "--repository is for images that are only named by sha256:…; each image here says itself where it is",
        ));
    }
    config.repositories.clone_from(&lookup.repository);
    Ok(())
}

/// Resolves what the user typed, once.
pub async fn pin(
    reference: &Reference,
    config: &Config,
    world: &World,
) -> Result<PinnedReference, Failure> {
    let pinned =
        source::resolve(reference, &config.repositories, &world.sources, &world.limits).await;
    pinned.map_err(|error| Failure::unresolved(error, reference))
}
