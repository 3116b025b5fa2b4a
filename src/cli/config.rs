//! `hallmark config`: whether the configuration can be used, and what is in force.

use std::path::Path;

use super::{
    Answer, Failure,
    args::{Global, Settings},
    context::{self, Overrides},
};
use crate::{
    config::{Config, Written, defaults},
    digest::Digest,
    report::text::plural,
    untrusted::{Page, line},
    verify::Context,
};

/// Runs the command.
pub fn run(command: &Settings, global: &Global) -> Result<Answer, Failure> {
    match command {
        Settings::Check => check(global),
        Settings::Show => show(global),
    }
}

fn check(global: &Global) -> Result<Answer, Failure> {
    let (config, ctx) = context::build(global, Overrides::default())?;
    let mut page = origin(&config);
    let trust = &ctx.trust;
    let sets = [
        plural(trust.signers().len(), "signer"),
        plural(trust.rules().len(), "rule"),
        plural(trust.layouts().len(), "layout"),
        plural(trust.sources().len(), "source"),
        plural(trust.delegates().len(), "delegate"),
    ];
    line!(page, "trust          {}; {}", sets.join(", "), trust.digest());
    trust.idle_signers().iter().for_each(|name| {
        line!(page, "  warning: no rule names the signer {name}: its word counts for nothing");
    });
    policies(&mut page, &config, &ctx);
    for (name, found) in
        config.roots.all().map_err(|error| Failure::of_operator(&error.to_string()))?
    {
        let as_of = found.root.date().map(|dated| format!(" as of {}", dated.as_of));
        line!(page, "root           {name}{}", as_of.unwrap_or_default());
    }
    line!(page, "the configuration can be used");
    Ok(Answer::data(page.into_text()))
}

fn policies(page: &mut Page, config: &Config, ctx: &Context) {
    let selection = &config.policy.selection;
    let folders = plural(selection.bundles.len(), "folder");
    let exceptions = plural(config.policy.exceptions.len(), "exception");
    let digest = ctx.policies.digest(&ctx.exceptions);
    line!(page, "policy         {}, {folders} more, {exceptions}; {digest}", selection.preset);
}

/// Which file it is.
fn origin(config: &Config) -> Page {
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
    let here = Path::new("hallmark.yaml");
    if here.exists() && config.file.as_deref() != Some(here) && !is_here(config) {
        line!(
            page,
            "  ./hallmark.yaml is not read: it may belong to who made the folder; --config hallmark.yaml reads it"
        );
    }
    page
}

/// Whether the file is that of the working directory, by whatever name.
fn is_here(config: &Config) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let file = config.file.as_deref().and_then(real);
    file.is_some() && file == real(Path::new("hallmark.yaml"))
}

fn show(global: &Global) -> Result<Answer, Failure> {
    let config = context::configuration(global)?;
    let mut page = origin(&config);
    line!(page);
    let written = config.written();
    for Written { key, value, place } in &written {
        let place = place.as_ref().map(ToString::to_string).unwrap_or_default();
        line!(page, "{key}: {value}  ({place})");
    }
    let is_written = |name: &str| {
        written.iter().any(|written| {
            let key = written.key.to_string();
            key == name || key.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']))
        })
    };
    for (name, value) in defaults().filter(|(name, _)| !is_written(name)) {
        line!(page, "{name}: {value}  (default)");
    }
    for (name, value) in context::variables() {
        line!(page, "{name}: {value}  (environment)");
    }
    Ok(Answer::data(page.into_text()))
}
