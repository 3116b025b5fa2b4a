//! Builds on GitHub Actions: plain workflows, slsa-github-generator and npm.
//!
//! Fills in what these builders write into the parts that SLSA leaves open: `invocation.environment` in v0.2, with names in
//! either case; `externalParameters` and `internalParameters` in v1
//! (actions.github.io/buildtypes/workflow/v1; slsa-framework/slsa-github-generator, internal/builders). Refuses to take the
//! branch of a release from its form: it is what somebody typed, and GitHub ignores it where the tag is there already.

use serde_json::Value;

use super::{
    Provenance, SourceCode,
    buildkit::Dependency,
    material::{self, DigestSet},
};

/// What GitHub's runner says about a run, whatever the names are called.
pub(super) struct Context<'a>(pub &'a Value);

impl<'a> Context<'a> {
    /// The variable with this name of the runner, as `GITHUB_REF`, or the same in lower case.
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).or_else(|| self.0.get(name.to_ascii_lowercase()))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Path of the workflow in `ORG/REPO/PATH@REF`.
    fn workflow_path(&self) -> Option<&'a str> {
        let (path, _) = self.text("GITHUB_WORKFLOW_REF")?.split_once('@')?;
        path.splitn(3, '/').nth(2)
    }

    /// The branch that a tag was pushed from.
    fn base_branch(&self) -> Option<&'a str> {
        let reference = self.get("GITHUB_EVENT_PAYLOAD")?.get("base_ref")?.as_str()?;
        reference.strip_prefix("refs/heads/").filter(|branch| !branch.is_empty())
    }
}

/// What the context of the run adds, in v0.2 and v1 alike.
pub(super) fn complete(into: &mut Provenance, context: &Context<'_>) {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    into.event = into.event.take().or_else(|| owned(context.text("GITHUB_EVENT_NAME")));
    into.entry_point = into.entry_point.take().or_else(|| owned(context.workflow_path()));
    if let Some(source) = &mut into.source
        && source.reference.is_none()
    {
        source.reference = owned(context.text("GITHUB_REF"));
    }
    into.name_refs();
    if into.branch.is_none() {
        into.branch = owned(context.base_branch());
    }
}

/// A v1 predicate of a workflow.
pub(super) fn complete_workflow(
    into: &mut Provenance,
    external: &Value,
    internal: &Value,
    dependencies: &[Dependency],
) {
    let workflow =
        |name: &str| external.pointer(&format!("/workflow/{name}")).and_then(Value::as_str);
    if let Some(repository) = workflow("repository") {
        let mut source = material::source(repository, &DigestSet::new());
        source.reference = workflow("ref").map(str::to_owned);
        source.commit = commit_of(&source.url, dependencies);
        into.source = Some(source);
    }
    into.entry_point = workflow("path").map(str::to_owned);
    into.event = internal.pointer("/github/event_name").and_then(Value::as_str).map(str::to_owned);
    into.name_refs();
}

/// A v1 predicate of slsa-github-generator. The source is the one that the caller named, else the dependency that is the
/// repository in which the workflow runs: tools are dependencies too.
pub(super) fn complete_generator(
    into: &mut Provenance,
    external: &Value,
    internal: &Value,
    dependencies: &[Dependency],
) {
    let context = Context(internal);
    let named = external.get("source").and_then(dependency);
    let repository =
        context.text("GITHUB_REPOSITORY").map(|name| format!("https://github.com/{name}"));
    let found = repository.and_then(|repository| {
        dependencies
            .iter()
            .map(|d| material::source(&d.uri, &d.digest))
            .find(|s| s.url == repository)
    });
    into.source = named.or(found);
    complete(into, &context);
}

fn dependency(value: &Value) -> Option<SourceCode> {
    let uri = value.get("uri")?.as_str()?;
    let digest = value.get("digest").cloned().unwrap_or_default();
    Some(material::source(uri, &crate::json::from_value(&digest).unwrap_or_default()))
}

/// The commit of the dependency that is this repository.
pub(super) fn commit_of(url: &str, dependencies: &[Dependency]) -> Option<super::Commit> {
    let sources = dependencies.iter().map(|d| material::source(&d.uri, &d.digest));
    let mut commits = sources.filter(|s| s.url == url).filter_map(|s| s.commit);
    let first = commits.next()?;
    commits.all(|other| other == first).then_some(first)
}
