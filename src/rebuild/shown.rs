//! A plan as people and reports are shown it: without secrets.
//!
//! Whoever publishes an image may have given its build a password as an argument, which provenance repeats, and so may a label or
//! the query of a URL. Turns a [`Plan`] into the same plan with a mark in the place of what the search for secrets takes for one
//! (attack G28). What is built, pinned and hashed is the plan itself, and never this one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Plan, PlannedSource};
use crate::contents::secrets::{MARK, secrets_within, shown_line, shown_named};

impl Plan {
    /// The same plan with a mark in the place of each value that looks like a secret.
    #[must_use]
    pub fn shown(&self) -> Self {
        let mut plan = self.clone();
        for named in [&mut plan.build_args, &mut plan.labels, &mut plan.options] {
            *named = values(named);
        }
        match &mut plan.source {
            PlannedSource::Repository(repository) => repository.url = shown_line(&repository.url),
            PlannedSource::Download { url, .. } => *url = shown_line(url),
        }
        plan.fetched = plan.fetched.iter().map(|url| shown_line(url)).collect();
        for material in &mut plan.materials {
            material.uri = shown_line(&material.uri);
        }
        plan
    }

    /// Its secrets as a builder may repeat them: what is one within the values of arguments, labels and options, within their
    /// names, or within the URL of an input. Of those with several lines, each line.
    pub fn secrets(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (name, value) in [&self.build_args, &self.labels, &self.options].into_iter().flatten() {
            if shown_named(name, value) != *value {
                found.extend(in_value(name, value));
            }
            if shown_line(name) != *name {
                found.extend(secrets_within("", name));
            }
        }
        let source = match &self.source {
            PlannedSource::Repository(repository) => &repository.url,
            PlannedSource::Download { url, .. } => url,
        };
        let materials = self.materials.iter().map(|material| &material.uri);
        let urls = self.fetched.iter().chain(materials).chain([source]);
        found.extend(urls.flat_map(|url| secrets_within("", url)));
        found
    }
}

/// What is secret of a value that is or has a secret: all of it where nothing tells what.
fn in_value(name: &str, value: &str) -> BTreeSet<String> {
    let mut found = secrets_within(name, value);
    let mut longest: Vec<&String> = found.iter().collect();
    longest.sort_by_key(|secret| Reverse(secret.len()));
    let rest = longest.iter().fold(value.to_owned(), |rest, secret| rest.replace(*secret, MARK));
    if found.is_empty() || shown_named(name, &rest) != rest {
        found.insert(value.trim().to_owned());
    }
    let lines =
        found.iter().filter(|secret| secret.contains('\n')).flat_map(|secret| secret.lines());
    let lines: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    found.extend(lines.into_iter().filter(|line| !line.is_empty()));
    found
}

/// Values by names, each as it may be shown.
pub fn values(named: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    named.iter().map(|(name, value)| (shown_line(name), shown_named(name, value))).collect()
}

#[cfg(test)]
mod tests {
    use crate::rebuild::tests::plan;

    #[test]
    fn g28_a_plan_is_shown_without_its_secrets() {
        let plain = plan();
        assert_eq!(plain.shown(), plain, "nothing in it is a secret");
        assert_eq!(plain.secrets().len(), 0);
        let mut plan = plain.clone();
        let mut given = |name: &str, value: &str| {
            plan.build_args.insert(name.to_owned(), value.to_owned());
        };
        given("NPM_TOKEN", "s9df8sdf");
        given("DATABASE", "postgres://app:s9df8sdf@db/app");
        given("FLAGS", "--verbose --password=s9df8sdf");
        given("KEY_FILE", "-----BEGIN PRIVATE KEY-----\nMIIs9df8sdf\n-----END PRIVATE KEY-----");
        given("DB_PASSWD=s9df8sdf", "1");
        given("VERSION", "1.4.2");
        plan.labels.insert("org.corp.api-key".to_owned(), "s9df8sdf".to_owned());
        plan.options.insert("context:PASSWORD".to_owned(), "s9df8sdf".to_owned());
        for material in &mut plan.materials {
            material.uri = material.uri.replace("?v=1", "?token=s9df8sdf");
        }
        let shown = plan.shown();
        assert!(!format!("{shown:?}").contains("s9df8sdf"), "{shown:#?}");
        assert_eq!(shown.build_args["VERSION"], "1.4.2");
        assert_eq!(shown.build_args["NPM_TOKEN"], "[secret]");
        assert_eq!(shown.build_args["FLAGS"], "--verbose --password=[secret]");
        let secrets: Vec<String> = plan.secrets().into_iter().collect();
        assert_eq!(
            secrets,
            [
                "-----BEGIN PRIVATE KEY-----",
                "-----BEGIN PRIVATE KEY-----\nMIIs9df8sdf\n-----END PRIVATE KEY-----",
                "-----END PRIVATE KEY-----",
                "MIIs9df8sdf",
                "s9df8sdf",
            ]
        );
        // What is built is the plan.
        assert_eq!(plan.build_args["NPM_TOKEN"], "s9df8sdf");
        assert_eq!(shown.materials.len(), plain.materials.len());
    }
}
