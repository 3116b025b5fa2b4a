//! Google Cloud Build.
//!
//! Fills in the source, the branch and the tag from the substitutions of the trigger (cloud.google.com/build,
//! "gcb-buildtypes"; slsa.dev/spec/v0.1/provenance). Refuses a recipe that the version of the worker does not have, and a
//! commit in a URL that contradicts the digest beside it.

use serde_json::Value;

use super::{
    Commit, Provenance, ProvenanceError, SourceCode,
    buildkit::Dependency,
    github::commit_of,
    material::{self, DigestSet},
};

const WORKER: &str = "https://cloudbuild.googleapis.com/GoogleHostedWorker";
const RECIPES: [&str; 2] = [
    "https://cloudbuild.googleapis.com/CloudBuildYaml@v0.1",
    "https://cloudbuild.googleapis.com/CloudBuildSteps@v0.1",
];

/// Whether the recipe is one of the worker's: version 0.2 gave its own name to it, 0.3 knows two.
pub(super) fn check_recipe(builder_id: &str, recipe: &str) -> Result<(), ProvenanceError> {
    let Some(version) = builder_id.strip_prefix(WORKER) else { return Ok(()) };
    let known = match version {
        "@v0.2" => recipe == builder_id,
        "@v0.3" => RECIPES.contains(&recipe),
        _ => {
            let expected = "GoogleHostedWorker@v0.2 or @v0.3";
            return Err(ProvenanceError::field("builder.id", builder_id, expected));
        }
    };
    if known {
        return Ok(());
    }
    Err(ProvenanceError::field("recipe.type", recipe, "a recipe of this version of the worker"))
}

/// The source of a v0.1 predicate: `URL/commit/COMMIT` in version 0.2, a plain or storage URL in 0.3.
pub(super) fn source_v01(material: &Dependency) -> Result<SourceCode, ProvenanceError> {
    let mut source = material::source(&material.uri, &material.digest);
    let Some((url, commit)) = material.uri.rsplit_once("/commit/") else { return Ok(source) };
    let Some(commit) = Commit::new(commit) else { return Ok(source) };
    if source.commit.as_ref().is_some_and(|beside| *beside != commit) {
        let expected = "the commit beside it";
        return Err(ProvenanceError::field("materials[0].uri", &material.uri, expected));
    }
    source.url = url.strip_prefix("git+").unwrap_or(url).to_owned();
    source.commit = Some(commit);
    Ok(source)
}

/// What the trigger substituted.
pub(super) fn substitutions(into: &mut Provenance, substitutions: &Value) {
    let text = |name: &str| {
        let text = substitutions.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    into.tag = text("TAG_NAME");
    into.branch = text("BRANCH_NAME");
}

/// A v1 predicate: what is built is `sourceToBuild`, and where the configuration is where there is none.
pub(super) fn complete(
    into: &mut Provenance,
    external: &Value,
    internal: &Value,
    dependencies: &[Dependency],
) {
    let part = |name: &str| external.get(name).filter(|value| value.is_object());
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let config = part("buildConfigSource");
    if let Some(place) = part("sourceToBuild").or(config)
        && let Some(repository) = text(place, "repository")
    {
        let mut source = material::source(&repository, &DigestSet::new());
        source.reference = text(place, "ref");
        source.folder = text(place, "dir").filter(|dir| dir != "/" && !dir.is_empty());
        source.commit = commit_of(&source.url, dependencies);
        into.source = Some(source);
    }
    into.entry_point = config.and_then(|config| text(config, "path"));
    substitutions(into, internal.get("systemSubstitutions").unwrap_or(&Value::Null));
    into.name_refs();
}
