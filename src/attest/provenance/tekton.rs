//! Tekton Chains: task and pipeline runs.
//!
//! Finds the source among the materials (tektoncd/chains, docs/slsa-provenance.md): what `configSource` and the
//! dependencies called `task`, `pipeline` and `pipelineTask` name is the definition of the build, not what was built.
//! Refuses to choose among several repositories.

use super::{Provenance, SourceCode, buildkit::Dependency, material};

/// Names that Chains gives to definitions.
const DEFINITIONS: [&str; 3] = ["task", "pipeline", "pipelineTask"];

/// Fills in the source, `definition` being where the build's definition came from.
pub(super) fn complete(into: &mut Provenance, definition: &str, dependencies: &[Dependency]) {
    let results = |d: &&Dependency| d.name.as_deref() == Some("inputs/result");
    let any = |d: &&Dependency| {
        !d.name.as_deref().is_some_and(|name| DEFINITIONS.contains(&name)) && d.uri != definition
    };
    // From version 2 on the parameters and results that name a source have a name of their own.
    into.source = only_repository(dependencies.iter().filter(results))
        .or_else(|| only_repository(dependencies.iter().filter(any)));
    into.name_refs();
}

/// The one repository at one commit.
fn only_repository<'a>(dependencies: impl Iterator<Item = &'a Dependency>) -> Option<SourceCode> {
    let sources = dependencies.map(|d| material::source(&d.uri, &d.digest));
    let mut repositories = sources.filter(|source| source.commit.is_some());
    let first = repositories.next()?;
    let same = |other: SourceCode| other.url == first.url && other.commit == first.commit;
    repositories.all(same).then_some(first)
}
