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
    artifacts,
    colour::Environment,
    files::{self, Operand},
    progress::{self, Loudness},
    vouch,
};
use crate::{
    config::{
        self, Config, ConfigError, KeyPath, PolicySelection, PresetChoice, Roots, Signatures, Step,
        Surroundings,
    },
    digest::Digest,
    environment,
    policy::{
        Bundle, Deferred, Exception, Idle, PolicyError, bundle::Preset, nearest::did_you_mean,
    },
    reference::{PinnedReference, Reference},
    saved::Access,
    scratch::open_file,
    sign::Password,
    source::{self, PlatformChoice, Source, SourceSettings},
    verify::{
        Choice, Context, Criteria, Inquiry, Keep, RebuildOptions, Uncounted, Wanted, When, World,
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
    /// The configuration, where it is read already.
    pub config: Option<Config>,
}

/// Reads the configuration and makes the context.
pub fn build(global: &Global, overrides: Overrides<'_>) -> Result<(Config, Context), Failure> {
    let (config, context) = begin(global, overrides)?;
    compiled(&config, &context)?;
    Ok((config, context))
}

/// Says what is wrong with the policies, if anything is; waits for them.
pub fn compiled(config: &Config, context: &Context) -> Result<(), Failure> {
    // The first is that of all other images, and each of the rest that of an entry of policy.presets.
    context.criteria.all().enumerate().try_for_each(|(index, (policies, exceptions))| {
        let entry = index.checked_sub(1);
        let usage = |error: &PolicyError| Failure::of_operator(&placed(error, config, entry));
        policies.ready().map_err(usage)?.clear(exceptions).map_err(|error| usage(&error))
    })
}

/// What is wrong with the policies, those of an entry of `policy.presets` perhaps, and where in the configuration, if it is there.
fn placed(error: &PolicyError, config: &Config, entry: Option<usize>) -> String {
    let exception = |code: &String, package: &Option<String>| {
        let mut all = config.policy.exceptions.iter();
        let is_meant = |e: &Exception| e.code == *code && e.package == *package;
        let at = all.position(|entry| entry.iter().any(is_meant))?;
        let field = if package.is_some() { "package" } else { "code" };
        Some(vec!["policy".into(), "exceptions".into(), at.into(), field.into()])
    };
    let key: Option<Vec<Step>> = match error {
        PolicyError::SettingUnread { path, .. } | PolicyError::SettingUnknown { path, .. } => {
            let mut settings: Vec<Step> = vec!["policy".into()];
            if let Some(index) = entry {
                settings.extend([Step::from("presets"), Step::from(index)]);
            }
            settings.push("settings".into());
            settings.extend(path.iter().map(|key| Step::from(key.as_str())));
            Some(settings)
        }
        PolicyError::ExceptionUnclear { code, .. } => exception(code, &None),
        PolicyError::ExceptionIdle { code, package, .. } => exception(code, package),
        _ => None,
    };
    let words = error.to_string();
    let told = match (entry, words.strip_prefix("policy.settings.")) {
        (Some(index), Some(rest)) => format!("policy.presets[{index}].settings.{rest}"),
        _ => words.clone(),
    };
    match key.and_then(|key| config.place(&KeyPath(key))) {
        Some(place) => format!("{place}: {told}"),
        None => told,
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
        blueprints: config.policy.blueprints.clone().into(),
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
pub fn begin(global: &Global, mut overrides: Overrides<'_>) -> Result<(Config, Context), Failure> {
    let config = match overrides.config.take() {
        Some(config) => config,
        None => configuration(global)?,
    };
    let world = reached(&config, global, overrides.platforms.clone());
    let rebuild = rebuild(&config, overrides.rebuild);
    let (bundle, exceptions) = match overrides.own_preset {
        Some(preset) => {
            let preset = Bundle::preset(preset).map_err(|e| Failure::usage(e.to_string()))?;
            (preset, Vec::new())
        }
        None => (
            bundle(&config, overrides.policy)?,
            exceptions(&config, preset(&config, overrides.policy))?,
        ),
    };
    let deferred = |bundle: Bundle| {
        let bundle = match rebuild.when {
            When::Always => bundle.with_rebuild(),
            When::PolicyAsks | When::Never(_) => bundle,
        };
        let policies = Deferred::new(bundle, config.limits.clone());
        compile_ahead(&policies);
        policies
    };
    let policies = deferred(bundle);
    let choices = choices(&config, &overrides)?.into_iter().map(|(choice, bundle, exceptions)| {
        let (images, namespaces) = (choice.images.clone(), choice.namespaces.clone());
        Choice { images, namespaces, policies: deferred(bundle), exceptions }
    });
    let choices = choices.collect();
    let trust = Arc::new(vouch::trust(&config, overrides.vouch)?);
    let criteria = Criteria { trust, policies, exceptions, choices };
    Ok((config, Context { world, criteria, rebuild, keep: Keep::Evidence }))
}

/// The configuration that the command line, the environment or the two fixed folders name.
pub fn configuration(global: &Global) -> Result<Config, Failure> {
    let config = Config::load(file(global).as_deref(), &surroundings());
    let config = config.map_err(|error| unusable(error, global))?;
    match (&config.file, &config.digest) {
        (Some(file), Some(digest)) => {
            tracing::debug!(file = %file.display(), %digest, "read the configuration");
        }
        _ => tracing::debug!("there is no configuration to read"),
    }
    Ok(config)
}

fn unusable(error: ConfigError, global: &Global) -> Failure {
    let origin = Origin::of(global.config.is_some(), environment::filled(VARIABLE).is_some());
    match error {
        ConfigError::Unreadable { file, error } => origin.operand().unreadable(&file, &error),
        ConfigError::Other { file, what } => origin.operand().unusable(&file, &what),
        error => Failure::of_operator(&error.to_string()),
    }
}

/// The variable that names a configuration.
const VARIABLE: &str = "HALLMARK_CONFIG";

/// Who names the configuration that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Option,
    Variable,
    /// It lies where one is looked for.
    Folder,
}

impl Origin {
    fn of(by_option: bool, by_variable: bool) -> Self {
        match (by_option, by_variable) {
            (true, _) => Self::Option,
            (false, true) => Self::Variable,
            (false, false) => Self::Folder,
        }
    }

    /// What to do where it cannot be used: advice about what somebody wrote, and not about an option that nobody gave.
    fn operand(self) -> Operand {
        let form = match self {
            Self::Option => {
                "--config takes a hallmark.yaml, which hallmark init IMAGE --write FILE begins"
            }
            Self::Variable => {
                "HALLMARK_CONFIG names it, and takes a hallmark.yaml, which hallmark init IMAGE --write FILE begins"
            }
            Self::Folder => {
                "nobody named it: a configuration is looked for below XDG_CONFIG_HOME, or HOME/.config, then in /etc/hallmark; \
                 set them to folders that this user can read, or name another file with --config"
            }
        };
        Operand { option: "", form }
    }
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
    roots.map_err(|error| unusable(error, global))
}

/// Whether option or variable name a configuration.
pub(super) fn is_named(global: &Global) -> bool {
    global.config.is_some() || environment::filled(VARIABLE).is_some()
}

/// The configuration that is read, if there is one.
pub(super) fn file(global: &Global) -> Option<PathBuf> {
    let candidates = config::candidates(config_home().as_deref());
    // A variable that is set to nothing names no file.
    let named = || environment::filled(VARIABLE).map(PathBuf::from);
    let first = || config::first(&candidates).map(Path::to_owned);
    global.config.clone().or_else(named).or_else(first)
}

/// Fetched roots lie in the user's state folder, or in the machine's where there is no user.
pub(super) fn surroundings() -> Surroundings {
    let set =
        environment::variable("XDG_STATE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    let home = environment::below_home(".local/state");
    let state = set.or_else(|| home.filter(|path| path.is_absolute()));
    let state = state.unwrap_or_else(|| PathBuf::from("/var/lib"));
    Surroundings {
        root_folder: Some(state.join("hallmark/roots")),
        now: Some(jiff::Timestamp::now()),
        files: Access::Live,
    }
}

fn config_home() -> Option<PathBuf> {
    let set = environment::variable("XDG_CONFIG_HOME").map(PathBuf::from);
    set.or_else(|| environment::below_home(".config"))
}

/// Where logins are: `REGISTRY_AUTH_FILE`, then Docker's folder, then podman's files.
pub(super) fn credentials() -> Vec<PathBuf> {
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

/// The rules that are judged by where no other preset is chosen for an image.
pub(super) fn bundle(config: &Config, asked: Option<&str>) -> Result<Bundle, Failure> {
    let bundle = rules_of(config, asked, preset(config, asked))?;
    let others: BTreeSet<&str> = config.policy.presets.iter().map(|choice| choice.preset).collect();
    let others = others.into_iter().map(|other| rules_of(config, asked, other));
    let bundle = bundle.beside(others.collect::<Result<Vec<_>, _>>()?);
    let bundle = bundle.with_settings(config.policy.settings.clone());
    let idle = idle(config, &bundle);
    Ok(bundle.saying(idle.into_iter().filter(|rule| rule.asked).collect()))
}

/// Settings of the configured rules that list nothing, so that every image is denied.
pub(super) fn unlisted(config: &Config) -> Result<Vec<String>, Failure> {
    bundle(config, None).map(|bundle| bundle.unlisted())
}

/// A preset with all that the operator adds to each of them, but settings.
fn rules_of(config: &Config, asked: Option<&str>, preset: &str) -> Result<Bundle, Failure> {
    let usage = |e: PolicyError| Failure::of_operator(&e.to_string());
    let PolicySelection { rules, bundles, .. } = &config.policy.selection;
    let named = asked.filter(|name| is_preset(name));
    let folder =
        asked.filter(|_| named.is_none()).map(|text| policy_folder(text, config)).transpose()?;
    let folders: Vec<PathBuf> = bundles.iter().cloned().chain(folder).collect();
    let signatures = Signatures {
        trust: &config.trust,
        asked: &config.policy.selection.bundle_signers,
        limits: &config.limits,
    };
    let own = config::bundle(&folders, &config.files, Some(signatures))
        .map_err(|e| Failure::of_operator(&e.to_string()))?;
    let shipped = Bundle::preset(preset).map_err(usage)?;
    let mut rules = rules.clone();
    if preset == config::ASKING && !config.policy.blueprints.is_empty() {
        rules.push(config::RULE);
    }
    let shipped = shipped.with_rules(&rules).map_err(usage)?;
    let own = own.join(artifacts::bundle(config, &sources(config))?).map_err(usage)?;
    let bundle = shipped.join(own).and_then(Bundle::with_malware).map_err(usage)?;
    let bundle = bundle.with_effective(config.policy.effective.clone());
    Ok(bundle.with_approvals(config.policy.approvals.given.clone()))
}

/// Loaded rules that decide nothing. A database of vulnerabilities, which nothing else reads, asks for the rule that reads it.
fn idle(config: &Config, bundle: &Bundle) -> Vec<Idle> {
    let mut asked = config.policy.selection.rules.clone();
    asked.extend(config.vulnerabilities.as_ref().map(|_| "vulnerabilities"));
    bundle.idle(&asked)
}

/// Rules of the configuration that were asked for and decide nothing.
pub fn idle_rules(config: &Config) -> Result<Vec<Idle>, Failure> {
    let idle = bundle(config, None).map(|bundle| idle(config, &bundle))?;
    Ok(idle.into_iter().filter(|rule| rule.asked).collect())
}

/// A preset for some images, with its rules and exceptions.
type Chosen<'c> = (&'c PresetChoice, Bundle, Vec<Exception>);

/// The presets for some images, with rules and exceptions of each. Where the command line names a preset it is that of all images.
fn choices<'c>(config: &'c Config, overrides: &Overrides<'_>) -> Result<Vec<Chosen<'c>>, Failure> {
    let one_for_all = overrides.policy.is_some_and(is_preset) || overrides.own_preset.is_some();
    let choices = config.policy.presets.iter().filter(|_| !one_for_all);
    let choices = choices.map(|choice| {
        let bundle = rules_of(config, overrides.policy, choice.preset)?;
        let bundle = bundle.with_shared(config.policy.settings.clone());
        let bundle = bundle.with_settings(choice.settings.clone());
        let idle = idle(config, &bundle).into_iter().filter(|rule| rule.asked);
        let bundle = bundle.saying(idle.collect());
        Ok((choice, bundle, exceptions(config, choice.preset)?))
    });
    choices.collect()
}

/// The name of the preset that is judged by.
pub fn preset<'a>(config: &'a Config, asked: Option<&'a str>) -> &'a str {
    asked.filter(|name| is_preset(name)).unwrap_or(config.policy.selection.preset)
}

fn is_preset(name: &str) -> bool {
    Preset::names().any(|preset| preset == name)
}

/// The folder that `--policy` names where it names no preset.
fn policy_folder(text: &str, config: &Config) -> Result<PathBuf, Failure> {
    let folder = PathBuf::from(text);
    if config::is_archive(&folder) || config.files.has_folder(&folder) {
        return Ok(folder);
    }
    let meant = did_you_mean(text, Preset::names());
    let presets = Preset::names().collect::<Vec<_>>().join(", ");
    let is_path = text.contains('/') || text.starts_with('.');
    let mut failure =
        Failure::usage(format!("--policy {text}: there is no such preset, and no folder"));
    if let (true, Some(help)) = (is_path, files::whereabouts_of(&folder)) {
        failure.help(&help);
    }
    failure.help(&format!("{meant}presets are {presets}; a folder with .rego files is taken, too"));
    Err(failure)
}

/// The exceptions from a preset. Those from rules that it does not have and another configured one has lift nothing, and are said to.
fn exceptions(config: &Config, judged_by: &str) -> Result<Vec<Exception>, Failure> {
    let mut all = config.policy.exceptions.concat();
    let selection = &config.policy.selection;
    let configured: BTreeSet<&str> = std::iter::once(selection.preset)
        .chain(config.policy.presets.iter().map(|choice| choice.preset))
        .collect();
    if all.is_empty() || configured.iter().all(|preset| *preset == judged_by) {
        return Ok(all);
    }
    let given = |preset: &str| {
        let shipped = Bundle::preset(preset).and_then(|bundle| bundle.with_rules(&selection.rules));
        let codes = shipped.and_then(|bundle| bundle.codes());
        codes.map_err(|e| Failure::usage(e.to_string()))
    };
    let now = given(judged_by)?;
    let before = configured.into_iter().map(given).collect::<Result<Vec<_>, _>>()?;
    let before: Vec<(String, String)> = before.into_iter().flatten().collect();
    let means = |e: &Exception, (package, code): &(String, String)| {
        *code == e.code && e.package.as_ref().is_none_or(|meant| meant == package)
    };
    for exception in &mut all {
        exception.elsewhere = before.iter().any(|rule| means(exception, rule))
            && !now.iter().any(|rule| means(exception, rule));
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

/// Resolves what the user typed, once, and opens where it is.
pub async fn open(
    reference: &Reference,
    config: &Config,
    sources: &SourceSettings,
) -> Result<(PinnedReference, Arc<dyn Source>), Failure> {
    let pinned = source::resolve(reference, &config.repositories, sources, &config.limits).await;
    let pinned = pinned.map_err(|error| Failure::unresolved(error, reference))?;
    let source = source::open(&pinned.location, sources, &config.limits).await?;
    Ok((pinned, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_who_named_the_configuration() {
        let cases = [
            ((true, true), "--config takes", "HALLMARK_CONFIG"),
            ((false, true), "HALLMARK_CONFIG names it", "--config"),
            ((false, false), "XDG_CONFIG_HOME, or HOME", "--config takes"),
        ];
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        for ((option, variable), has, lacks) in cases {
            let operand = Origin::of(option, variable).operand();
            for failure in [
                operand.unreadable(Path::new("/root/hallmark.yaml"), &denied),
                operand.unusable(Path::new("/root/hallmark.yaml"), &"it is a key"),
            ] {
                let told = failure.told();
                assert!(told.contains(has) && !told.contains(lacks), "{told}");
            }
        }
    }
}
