//! `hallmark config`: whether the configuration can be used, and what is in force.

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, Settings},
    context::{self, Overrides},
    serve, unread,
};
use crate::{
    config::{Config, PresetChoice, Written, defaults},
    digest::Digest,
    policy::Idle,
    report::{self, text::plural},
    untrusted::{Page, line},
    verify::Context,
};

/// Schema of what a configuration comes to.
const CHECKED: &str = "hallmark/configuration-check/v1";
/// Schema of the settings that are in force.
const SHOWN: &str = "hallmark/configuration/v1";

/// Runs the command.
pub fn run(command: &Settings, global: &Global) -> Result<Answer, Failure> {
    match command {
        Settings::Check { output } => check(*output, global),
        Settings::Show { output } => show(*output, global),
    }
}

fn check(output: Format, global: &Global) -> Result<Answer, Failure> {
    let (config, ctx) = context::build(global, Overrides::default())?;
    serve::check(&config)?;
    let idle = context::idle_rules(&config)?;
    let warnings = warnings(&config, &ctx, &idle, global)?;
    let trust = &ctx.criteria.trust;
    if output == Format::Json {
        let roots = config.roots.all().map_err(|error| Failure::usage(error.to_string()))?;
        return Ok(Answer::data(report::json::lines(&json!({
            "schema": CHECKED,
            "file": file(&config),
            "trust": {
                "digest": trust.digest().to_string(),
                "signers": trust.signers().len(),
                "rules": trust.rules().len(),
                "layouts": trust.layouts().len(),
                "sources": trust.sources().len(),
                "delegates": trust.delegates().len(),
                "idleSigners": trust.idle_signers(),
            },
            "policy": {
                "digest": ctx.criteria.policies.digest(&ctx.criteria.exceptions).to_string(),
                "preset": config.policy.selection.preset,
                "rules": config.policy.selection.rules,
                "presets": config.policy.presets.iter().map(choice).collect::<Vec<_>>(),
                "folders": config.policy.selection.folders(),
                "exceptions": config.policy.exceptions.len(),
                "idleRules": idle.iter().map(|one| json!({
                    "rule": one.rule, "asked": one.asked, "why": one.why(), "help": one.help(),
                })).collect::<Vec<_>>(),
            },
            "roots": roots.iter().map(|(name, found)| json!({
                "name": name,
                "asOf": found.root.date().map(|dated| dated.as_of),
            })).collect::<Vec<_>>(),
            "warnings": warnings.iter().map(|Warning { about, message, help }| json!({
                "about": about.name(), "message": message, "help": help,
            })).collect::<Vec<_>>(),
        }))));
    }
    let mut page = origin(&config, global);
    let sets = [
        plural(trust.signers().len(), "signer"),
        plural(trust.rules().len(), "rule"),
        plural(trust.layouts().len(), "layout"),
        plural(trust.sources().len(), "source"),
        plural(trust.delegates().len(), "delegate"),
    ];
    line!(page, "trust          {}; {}", sets.join(", "), trust.digest());
    told(&mut page, &warnings, About::Trust);
    policies(&mut page, &config, &ctx);
    told(&mut page, &warnings, About::Policy);
    for (name, found) in
        config.roots.all().map_err(|error| Failure::of_operator(&error.to_string()))?
    {
        let as_of = found.root.date().map(|dated| format!(" as of {}", dated.as_of));
        line!(page, "root           {name}{}", as_of.unwrap_or_default());
    }
    line!(page, "the configuration can be used");
    Ok(Answer::data(page.into_text()))
}

/// Which part of a configuration a warning is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    File,
    Trust,
    Policy,
}

impl About {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Trust => "trust",
            Self::Policy => "policy",
        }
    }
}

/// What is probably not meant, though it can be used.
struct Warning {
    about: About,
    message: String,
    help: Option<String>,
}

/// All warnings, in the order in which text tells them.
fn warnings(
    config: &Config,
    ctx: &Context,
    idle: &[Idle],
    global: &Global,
) -> Result<Vec<Warning>, Failure> {
    let of = |about, message| Warning { about, message, help: None };
    let unread = is_overlooked(config, global);
    let unread = unread.then(|| of(About::File, unread::NOTE.to_owned()));
    let signers = ctx.criteria.trust.idle_signers().into_iter().map(|name| {
        of(
            About::Trust,
            format!("no rule names the signer {name}, so that nothing it signs counts"),
        )
    });
    let rules = idle.iter().map(|one| Warning {
        help: Some(one.help()),
        ..of(About::Policy, format!("the rule {} decides nothing: {}", one.rule, one.why()))
    });
    let unlisted = context::unlisted(config)?;
    let unlisted = unlisted.into_iter().map(|setting| {
        let message = format!("{setting} lists nothing: by these rules every image is denied");
        of(About::Policy, message)
    });
    Ok(unread.into_iter().chain(signers).chain(rules).chain(unlisted).collect())
}

fn told(page: &mut Page, warnings: &[Warning], part: About) {
    for Warning { message, help, .. } in warnings.iter().filter(|warning| warning.about == part) {
        line!(page, "  warning: {message}");
        help.iter().for_each(|help| line!(page, "    help: {help}"));
    }
}

fn policies(page: &mut Page, config: &Config, ctx: &Context) {
    let selection = &config.policy.selection;
    let folders = match selection.folders() {
        0 => String::new(),
        more => format!(", {} more", plural(more, "folder")),
    };
    let rules = match selection.rules.as_slice() {
        [] => String::new(),
        rules => format!(", with {}", rules.join(", ")),
    };
    let exceptions = plural(config.policy.exceptions.len(), "exception");
    let digest = ctx.criteria.policies.digest(&ctx.criteria.exceptions);
    line!(page, "policy         {}{rules}{folders}, {exceptions}; {digest}", selection.preset);
    for choice in &config.policy.presets {
        line!(page, "  preset       {}", choice_words(choice));
    }
}

/// A preset for some images, in JSON.
fn choice(choice: &PresetChoice) -> Value {
    json!({
        "preset": choice.preset,
        "images": choice.images.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "namespaces": choice.namespaces.as_ref().map(ToString::to_string),
    })
}

/// The same in words.
fn choice_words(choice: &PresetChoice) -> String {
    let images: Vec<String> = choice.images.iter().map(ToString::to_string).collect();
    let namespaces = choice.namespaces.as_ref().map(|of| format!(", in namespaces {of}"));
    format!("{} for {}{}", choice.preset, images.join(", "), namespaces.unwrap_or_default())
}

/// Whether the working folder has a file that is not read although no other was named.
fn is_overlooked(config: &Config, global: &Global) -> bool {
    !context::is_named(global) && unread::is_there(config.file.as_deref())
}

/// Which file it is.
fn origin(config: &Config, global: &Global) -> Page {
    let mut page = Page::default();
    match (&config.file, &config.digest) {
        (Some(file), digest) => {
            let digest = digest.as_ref().map(Digest::to_string).unwrap_or_default();
            line!(page, "configuration  {}; {digest}", file.display());
        }
        (None, _) => {
            line!(page, "configuration  none: nobody is trusted, every setting is the default");
        }
    }
    if is_overlooked(config, global) {
        line!(page, "  {}", unread::NOTE);
    }
    page
}

/// The file that was read; null where there is none.
fn file(config: &Config) -> Value {
    let Some(file) = &config.file else { return Value::Null };
    json!({
        "path": file.display().to_string(),
        "digest": config.digest.as_ref().map(Digest::to_string),
    })
}

/// A setting that is in force.
struct InForce {
    key: String,
    value: Value,
    from: &'static str,
    /// Where it is written; empty where it is not.
    place: String,
}

fn show(output: Format, global: &Global) -> Result<Answer, Failure> {
    let config = context::configuration(global)?;
    let all = in_force(&config);
    if output == Format::Json {
        let one = |setting: &InForce| {
            let InForce { key, value, from, place } = setting;
            let place = Some(place).filter(|place| !place.is_empty());
            json!({ "key": key, "value": value, "from": from, "place": place })
        };
        return Ok(Answer::data(report::json::lines(&json!({
            "schema": SHOWN,
            "file": file(&config),
            "settings": all.iter().map(one).collect::<Vec<_>>(),
        }))));
    }
    let mut page = origin(&config, global);
    line!(page);
    for InForce { key, value, from, place } in &all {
        match value {
            _ if *from == "file" => line!(page, "{key}: {value}  ({place})"),
            // What nobody wrote is told in the words of the documents.
            Value::String(words) => line!(page, "{key}: {words}  ({from})"),
            value => line!(page, "{key}: {value}  ({from})"),
        }
    }
    Ok(Answer::data(page.into_text()))
}

fn in_force(config: &Config) -> Vec<InForce> {
    let written = config.written();
    let of_file = |Written { key, value, place }: &Written| InForce {
        key: key.to_string(),
        value: value.clone(),
        from: "file",
        place: place.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    let mut all: Vec<InForce> = written.iter().map(of_file).collect();
    let is_written = |name: &str| {
        written.iter().any(|written| {
            let key = written.key.to_string();
            key == name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']))
        })
    };
    let other = |key: &str, value: Value, from| InForce {
        key: key.to_owned(),
        value,
        from,
        place: String::new(),
    };
    let silent = defaults().filter(|(name, _)| !is_written(name));
    all.extend(silent.map(|(name, words)| other(name, of_words(words), "default")));
    let variables = context::variables().into_iter();
    all.extend(variables.map(|(name, value)| other(name, value.into(), "environment")));
    all
}

/// A default as the documents write it: a number, a yes or no or a list is one, and everything else is text.
fn of_words(words: &str) -> Value {
    serde_json::from_str(words).unwrap_or_else(|_| words.into())
}
