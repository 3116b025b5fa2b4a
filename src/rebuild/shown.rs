//! A plan as people and reports are shown it: without secrets.
//!
//! Whoever publishes an image may have given its build a password as an argument, which provenance repeats, and so may a label or
//! the query of a URL. Turns a [`Plan`] into the same plan with a mark in the place of what the search for secrets takes for one
//! (attack G28). What is built, pinned and hashed is the plan itself, and never this one.

use std::collections::BTreeMap;

use super::{Plan, PlannedSource};
use crate::contents::secrets::{shown_line, shown_named};

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

    /// The values of arguments, labels and options that look like secrets, whole.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let named = [&self.build_args, &self.labels, &self.options].into_iter().flatten();
        named.filter(|(name, value)| shown_named(name, value) != **value).map(|(_, v)| v.as_str())
    }
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
        assert_eq!(plain.secrets().count(), 0);
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
        assert_eq!(plan.secrets().count(), 6);
        // What is built is the plan.
        assert_eq!(plan.build_args["NPM_TOKEN"], "s9df8sdf");
        assert_eq!(shown.materials.len(), plain.materials.len());
    }
}
