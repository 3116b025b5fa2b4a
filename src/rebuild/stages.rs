//! The stages of a Dockerfile, on what each stands, and what is copied or mounted from one into another.
//!
//! Turns a Dockerfile, build arguments and a target into a [`StageGraph`] of the stages that the target needs, as BuildKit
//! resolves them (moby/buildkit, `frontend/dockerfile/dockerfile2llb`): the base of a stage is an earlier stage of that name or
//! an image, a source of `COPY --from` any stage by name or number, or an image, and that of a mount any stage by name, or an image.
//! Refuses what it cannot follow, since a stage that nobody sees is one that nobody approved: variables in sources, paths that leave
//! their root, names that stand twice, and what readers of Dockerfiles take differently ([`doubt`]). What `ONBUILD` of a base adds
//! is not in the text: the base's digest stands for it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    doubt, joined,
    reading::{self, By, DockerfileError, Lines, Reading, Taking},
};
use crate::{attest::blueprint::is_stage_name, image::Platform};

/// The stages that an image was built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageGraph {
    /// The stages that the target needs, in the order of the Dockerfile.
    pub stages: Vec<BuildStage>,
    /// What is copied or mounted between them.
    pub edges: Vec<StageEdge>,
    /// The stage that became the image.
    pub target: String,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildStage {
    /// Its name in lower case, or its number, counted from 0.
    pub name: String,
    /// On what it stands.
    pub base: StageSource,
    /// The line of its `FROM`, counted from 1.
    pub line: usize,
}

/// What a stage stands on, or takes files from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageSource {
    /// Nothing.
    Scratch,
    /// A stage of the same Dockerfile.
    Stage(String),
    /// An image, by its reference as the Dockerfile has it.
    Image(String),
}

/// What one instruction copies or mounts from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEdge {
    /// From where.
    pub from: StageSource,
    /// Into which stage.
    pub to: String,
    /// `copy` or `mount`.
    pub kind: &'static str,
    /// Absolute paths there, as they are written; they may be patterns.
    pub paths: Vec<String>,
    /// The line, counted from 1.
    pub line: usize,
}

/// Why a Dockerfile does not say what its stages are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StagesError {
    /// It cannot be read.
    #[error(transparent)]
    Dockerfile(#[from] DockerfileError),
    /// The name of a stage is none, or stands twice.
    #[error("line {line}: {name:?} is no name of one stage alone")]
    Name {
        /// The line, counted from 1.
        line: usize,
        /// The name as written.
        name: String,
    },
    /// A source that is not known before the build.
    #[error("line {line}: {text:?} is not known before the build, or leaves its root")]
    Source {
        /// The line, counted from 1.
        line: usize,
        /// As written.
        text: String,
    },
    /// Text that two readers of Dockerfiles may take for different instructions.
    #[error("line {line}: {why}")]
    Doubtful {
        /// The line, counted from 1.
        line: usize,
        /// What is in it.
        why: &'static str,
    },
}

/// The stages that `target` (the last stage where there is none) needs.
///
/// # Errors
/// See [`StagesError`].
pub fn graph(
    text: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
    platform: &Platform,
) -> Result<StageGraph, StagesError> {
    let text = reading::bounded(text)?;
    let reading = undoubted(text, build_args)?;
    let mut variables = reading.variables(build_args, platform)?;
    let names = names(&reading)?;
    let last = reading.target(target)?;
    let mut stages = Vec::with_capacity(names.len());
    let mut edges = Vec::new();
    let following = Following { reading: &reading, names: &names };
    for (index, (stage, name)) in reading.stages.iter().zip(&names).enumerate() {
        let line = stage.line;
        let base = following.base(index, variables.expand(&stage.image, line)?, line)?;
        stages.push(BuildStage { name: name.clone(), base, line });
        for taking in &stage.takings {
            edges.extend(following.edge(name, taking)?);
        }
    }
    Ok(needed(stages, edges, names.get(last).cloned().unwrap_or_default()))
}

/// Whether readers of Dockerfiles may take a text for different instructions, or it cannot be read.
pub(super) fn is_doubtful(text: &str, build_args: &BTreeMap<String, String>) -> bool {
    reading::bounded(text).map_or(true, |text| undoubted(text, build_args).is_err())
}

/// Reads a text that BuildKit and the parser here take for the same instructions ([`doubt`]).
fn undoubted(text: &str, build_args: &BTreeMap<String, String>) -> Result<Reading, StagesError> {
    let doubtful = |(line, why)| StagesError::Doubtful { line, why };
    let joined = joined::join(text).map_err(doubtful)?;
    let read = reading::parsed(text)?;
    let lines = Lines::of(text);
    match doubt::first(&joined, &read, &lines, build_args) {
        Some(doubt) => Err(doubtful(doubt)),
        None => Ok(Reading::of(&read, &lines)?),
    }
}

/// The name of each stage, in lower case; its number where it has none.
fn names(reading: &Reading) -> Result<Vec<String>, StagesError> {
    let mut names: Vec<String> = Vec::with_capacity(reading.stages.len());
    let mut seen = BTreeSet::new();
    for stage in &reading.stages {
        let number = names.len().to_string();
        let name = stage.name.as_ref().map(|name| name.to_ascii_lowercase());
        // A name that looks like a number would be another stage's. BuildKit finds a stage by the name `scratch` where
        // a mount names no source, and keeps `context` for itself.
        let named = |name: &String| {
            is_stage_name(name)
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && !matches!(name.as_str(), "scratch" | "context")
        };
        let wrong = name.as_ref().is_some_and(|name| !named(name));
        let name = name.unwrap_or(number);
        if wrong || !seen.insert(name.clone()) {
            return Err(StagesError::Name { line: stage.line, name });
        }
        names.push(name);
    }
    Ok(names)
}

/// What names mean in a Dockerfile in which each means one stage at most.
struct Following<'r> {
    reading: &'r Reading,
    names: &'r [String],
}

impl Following<'_> {
    /// The base of a stage: an earlier stage of that name, or an image.
    fn base(
        &self,
        stage: usize,
        reference: String,
        line: usize,
    ) -> Result<StageSource, StagesError> {
        // The number of a stage is no name, and hardly that of an image.
        if reference.bytes().all(|b| b.is_ascii_digit()) {
            return Err(StagesError::Source { line, text: shown(&reference) });
        }
        let earlier = self.reading.named_before(stage, &reference);
        // BuildKit finds a base by its name in lower case alone, and the parser here in any.
        if earlier.is_some() && reference.contains(|c: char| c.is_ascii_uppercase()) {
            return Err(StagesError::Source { line, text: shown(&reference) });
        }
        Ok(match earlier.and_then(|place| self.names.get(place)) {
            Some(name) => StageSource::Stage(name.clone()),
            None if reference == "scratch" => StageSource::Scratch,
            None => StageSource::Image(reference),
        })
    }

    /// What a source names: any stage, also a later one.
    fn source(&self, written: &str, line: usize) -> Result<StageSource, StagesError> {
        let unknown = || StagesError::Source { line, text: shown(written) };
        if written.is_empty() || written.contains(['$', '"', '\'', '\\']) {
            return Err(unknown());
        }
        if written.bytes().all(|b| b.is_ascii_digit()) {
            let numbered = written.parse::<usize>().ok().and_then(|number| self.names.get(number));
            return numbered.cloned().map(StageSource::Stage).ok_or_else(unknown);
        }
        Ok(match self.reading.named(written) {
            Some(_) => StageSource::Stage(written.to_ascii_lowercase()),
            None if written == "scratch" => StageSource::Scratch,
            None => StageSource::Image(written.to_owned()),
        })
    }

    /// The edge that an instruction is; none where a mount names no source.
    fn edge(&self, to: &str, taking: &Taking) -> Result<Option<StageEdge>, StagesError> {
        let line = taking.line;
        let unknown = |text: &str| StagesError::Source { line, text: shown(text) };
        let (kind, twice) = match taking.by {
            By::Copy => ("copy", "--from twice"),
            By::Mount => ("mount", "from twice"),
        };
        // A mount may hold commas and quotes that are read otherwise.
        if taking.by == By::Mount && taking.written.contains(['"', '\\']) {
            return Err(unknown(&taking.written));
        }
        let from = match taking.from.as_slice() {
            [] => return Ok(None),
            [from] => from,
            _ => return Err(unknown(twice)),
        };
        // A mount knows stages by their names alone.
        if taking.by == By::Mount && from.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unknown(from));
        }
        let paths = taking.paths.iter().map(|path| match path {
            Some(path) => rooted(path).ok_or_else(|| unknown(path)),
            None => Err(unknown("a here-document")),
        });
        let paths = paths.collect::<Result<Vec<_>, _>>()?;
        let from = self.source(from, line)?;
        Ok(Some(StageEdge { from, to: to.to_owned(), kind, paths, line }))
    }
}

/// An absolute path in its normal form, where it is known and stays below its root.
fn rooted(written: &str) -> Option<String> {
    if written.contains(['$', '\\', '`', '"', '\'']) || written.split('/').any(|part| part == "..")
    {
        return None;
    }
    let parts = written.split('/').filter(|part| !matches!(*part, "" | "."));
    Some(format!("/{}", parts.collect::<Vec<_>>().join("/")))
}

fn shown(text: &str) -> String {
    text.chars().take(200).collect()
}

/// What the target needs, and nothing else: BuildKit does not build the rest.
fn needed(stages: Vec<BuildStage>, edges: Vec<StageEdge>, target: String) -> StageGraph {
    let mut seen = BTreeSet::new();
    let mut open = vec![target.clone()];
    let mut uses: BTreeMap<&str, Vec<&StageSource>> = BTreeMap::new();
    for stage in &stages {
        uses.entry(&stage.name).or_default().push(&stage.base);
    }
    for edge in &edges {
        uses.entry(&edge.to).or_default().push(&edge.from);
    }
    while let Some(name) = open.pop() {
        let of_it = uses.get(name.as_str()).into_iter().flatten();
        let of_it = of_it.filter_map(|source| match source {
            StageSource::Stage(stage) => Some(stage.clone()),
            StageSource::Scratch | StageSource::Image(_) => None,
        });
        if !seen.contains(&name) {
            open.extend(of_it);
            seen.insert(name);
        }
    }
    drop(uses);
    StageGraph {
        stages: stages.into_iter().filter(|stage| seen.contains(&stage.name)).collect(),
        edges: edges.into_iter().filter(|edge| seen.contains(&edge.to)).collect(),
        target,
    }
}

#[cfg(test)]
mod conformance;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str, target: Option<&str>) -> Result<StageGraph, StagesError> {
        let args = BTreeMap::from([("BASE".to_owned(), "debian:12".to_owned())]);
        graph(text, target, &args, &"linux/amd64".parse().unwrap())
    }

    fn image(name: &str) -> StageSource {
        StageSource::Image(name.to_owned())
    }

    fn stage(name: &str) -> StageSource {
        StageSource::Stage(name.to_owned())
    }

    const BUILD: &str = "# syntax=docker/dockerfile:1\nARG BASE\nFROM golang:1 AS Build\n\
        RUN --mount=type=bind,from=tools:2,source=/t,target=/t --mount=type=cache,target=/c go\n\
        FROM unused:1 AS other\nCOPY --from=build /x /x\n\
        FROM build AS more\nRUN x\n\
        FROM ${BASE}\nCOPY --link --from=more out/a ./b/ /\nCOPY --from=0 [\"/c\", \"/\"]\nCOPY plain /plain\n\
        COPY --from=late /l /l\nFROM scratch AS late\nCOPY --from=busybox:1 /* /\n";

    #[test]
    fn i28_what_readers_take_differently_is_refused() {
        let head =
            "FROM registry.example/base AS build\nRUN true\nFROM registry.example/base AS final\n";
        let hidden = "COPY --from=build /evil /usr/bin/evil\n";
        let cases = [
            (format!("RUN true \\\\\n{hidden}"), 4),
            (format!("RUN cat <<\"#b\" > /dev/null\nFROM scratch AS junk\n#b\n{hidden}"), 4),
            (format!("RUN <<A cat <<B\nx\nA\ny\nB\n{hidden}"), 4),
            (format!("RUN cat <<<x\n{hidden}"), 4),
            (format!("onbuild {hidden}"), 4),
            (format!("COPY <<EOF /x\nEOF\n{hidden}"), 4),
        ];
        for (text, want) in cases {
            let text = format!("{head}{text}");
            let found = of(&text, Some("final"));
            assert!(
                matches!(found, Err(StagesError::Doubtful { line, .. }) if line == want),
                "{text}: {found:?}"
            );
        }
        let honest = format!("{head}# a << b\nRUN <<EOF\ntrue\nEOF\n{hidden}");
        let found = of(&honest, Some("final"));
        assert_eq!(found.map(|graph| graph.edges.len()), Ok(1));
    }

    const HEAD: &str =
        "FROM registry.example/base AS build\nRUN true\nFROM registry.example/base AS final\n";
    const HIDDEN: &str = "COPY --from=build /evil /usr/bin/evil\n";

    /// Each text is refused as doubtful in its line; none is behind a head where it has its own.
    fn doubtful(cases: &[(&str, usize)]) {
        for (text, want) in cases {
            let whole = match text.contains("FROM r") {
                true => (*text).to_owned(),
                false => format!("{HEAD}{text}\n{HIDDEN}"),
            };
            let found = of(&whole, None);
            assert!(
                matches!(found, Err(StagesError::Doubtful { line, .. }) if line == *want),
                "{whole:?}: {found:?}"
            );
        }
    }

    #[test]
    fn h75_flags_that_end_elsewhere_for_some_readers_are_refused() {
        doubtful(&[
            (r"COPY --fr\om=build /evil /e", 4),
            (r#"COPY --fr"om"=build /evil /e"#, 4),
            (r#"COPY --fr'om'=build /evil /e"#, 4),
            (r#"COPY --chown="a b" --from=build /evil /e"#, 4),
            (r"COPY --chown=a\ b --from=build /evil /e", 4),
            (r#"RUN --mount="type=cache,target=/a b" --mount=from=build,target=/m x"#, 4),
            (r"RUN --mo\unt=from=build,target=/m x", 4),
            (r#"RUN --mount=from=build,target=/m,"x=y" x"#, 4),
            ("COPY --chown=\u{e0} --from=build /evil /e", 4),
            ("COPY --link -- --from=build /evil /e", 4),
            ("COPY --from=+0 /evil /e", 4),
            ("COPY --from=-1 /evil /e", 4),
            ("COPY --link \\\n--fr\\om=build /evil /e", 4),
            ("# escape=`\nFROM r AS build\nFROM r\nCOPY --fr`om=build /evil /e\n", 4),
            (r#"COPY --from=build ["/out/app", "/ev\u0069l", "/e"]"#, 4),
            (r#"COPY --from=build ["/out/app" "/e"]"#, 4),
        ]);
    }

    #[test]
    fn h76_directives_that_some_readers_do_not_see_are_refused() {
        doubtful(&[
            (" # escape=`\nFROM r\n", 1),
            ("\u{a0}# escape=`\nFROM r\n", 1),
            ("#\u{a0}escape=`\nFROM r\n", 1),
            ("# syntax=a\n\t# Escape = `\nFROM r\n", 2),
            ("# syntax=\n# escape=`\nFROM r\n", 1),
            ("# check=skip=all\n# check=skip=all\nFROM r\n", 2),
            ("# escape=x\nFROM r\n", 1),
            ("#!/usr/bin/env x\n# syntax=evil\nFROM r\n", 1),
            ("\u{feff}\u{feff}# escape=`\nFROM r\n", 1),
        ]);
    }

    #[test]
    fn h77_lines_that_some_readers_join_are_refused() {
        doubtful(&[
            ("O\\\nNBUILD ", 4),
            ("\\\nONBUILD ", 4),
            ("CO\\\nPY --from=build /evil /e\n", 4),
            ("ONBUILD\\\n ", 4),
            ("RUN cat <\\\n<\"#b\" >/dev/null\nFROM scratch AS junk\n#b\n", 4),
            ("RUN <\\\n<CMD\ntrue\nCMD\n", 4),
            ("RUN \\\n <<CMD\ntrue\nCMD\n", 4),
            ("RUN <<CMD\ntrue\nCMD\r\r\n", 6),
            ("RUN <<CMD\ntrue\nCMD \n", 4),
            ("RUN : \rFROM scratch AS junk\n", 4),
            ("RUN true \\\u{c}\n", 4),
            ("RUN : \\\n\u{c}\nFROM scratch AS junk\n", 5),
            ("RUN : \\\n\u{b}# x\nFROM scratch AS junk\n", 5),
            ("RUN : \\\n\u{2003}\nFROM scratch AS junk\n", 5),
            ("RUN : \\\n\u{a0}# x\nFROM scratch AS junk\n", 5),
            ("RUN true \\\u{a0}\n", 4),
            ("COPY\u{b}--from=build /evil /e\n", 4),
            ("COPY \u{fffd}--from=build /evil /e\n", 4),
            ("RUN a\0b\n", 4),
            ("FROM r\nCOPY a b \\\n", 2),
            ("FROM r\nRUN a\r", 2),
        ]);
    }

    #[test]
    fn h78_names_by_which_only_some_readers_find_a_stage_are_refused() {
        for text in [
            // BuildKit takes this stage for what a cache stands on.
            "FROM r AS scratch\nFROM r\nRUN --mount=type=cache,target=/m x\n",
            "FROM r AS context\nFROM r\n",
            "FROM r AS build\nFROM BUILD\n",
            "FROM 'r' AS build\n",
            "FROM r\\x AS build\n",
            "FROM \u{212a}\n",
            "FROM r AS build\nFROM r\nCOPY --from=build /out/'..'/evil /e\n",
            "FROM r AS build\nFROM r\nCOPY --from=build '/evil' /e\n",
            "# escape=`\nFROM r AS build\nFROM r\nCOPY --from=build /out/`../evil /e\n",
        ] {
            assert!(of(text, None).is_err(), "{text}: {:?}", of(text, None));
        }
    }

    #[test]
    fn h79_variables_whose_value_depends_on_the_reader_are_refused() {
        doubtful(&[
            ("ARG B=build\nARG B\nFROM r AS build\nFROM ${B:-r}\n", 2),
            ("ARG B=build\nARG X=\"a B=r\"\nFROM r AS build\nFROM $B\n", 2),
            ("ARG A=build\nARG X=\"\\\" A=r\"\nFROM r AS build\nFROM $A\n", 2),
            ("ARG A='$Z'\nFROM r AS build\nFROM $A\n", 1),
            ("ARG A='bui'ld\nFROM r AS build\nFROM $A\n", 1),
            ("ARG U=xbuild\nARG B=${U#x}\nFROM r AS build\nFROM ${B:-r}\n", 2),
            ("ARG U=build\nARG B=${Z:-$U}\nFROM r AS build\nFROM ${B:-r}\n", 2),
            ("ARG B=$NOBODY\nFROM r AS build\nFROM ${B:-r}\n", 1),
            ("ARG B\nARG C=$B\nFROM r AS build\nFROM ${C:-r}\n", 2),
            ("ARG B=build\nARG C=\"x\\\n B=r\"\nFROM r AS build\nFROM ${B}\n", 2),
            ("ARG TARGETARCH\nFROM r AS amd64\nFROM ${TARGETARCH-r}\n", 3),
            ("ARG B\nFROM r AS build\nFROM ${B-r}\n", 3),
            ("FROM r AS amd64\nFROM $BUILDARCH\n", 2),
            ("ARG 1=a\nFROM r AS build\nFROM $1\n", 1),
            ("ARG B=b\nFROM r AS build\nFROM ${B:?r}\n", 3),
            ("ARG B=b\nFROM r AS build\nFROM ${B/b/r}\n", 3),
        ]);
        let given = |text: &str| {
            let args = BTreeMap::from([("TARGETARCH".to_owned(), "build".to_owned())]);
            graph(text, None, &args, &"linux/amd64".parse().unwrap())
        };
        let found = given("FROM r AS build\nFROM $TARGETARCH\n");
        assert!(matches!(found, Err(StagesError::Doubtful { line: 2, .. })), "{found:?}");
    }

    #[test]
    fn h80_variables_that_a_builder_gives_a_value_are_refused() {
        doubtful(&[
            // The stage that is the target, which is called `default` where none is named.
            (
                "ARG TARGETSTAGE\nFROM r AS build\nFROM r AS default\nFROM ${TARGETSTAGE:-build}\n",
                4,
            ),
            ("ARG BUILDARCH\nFROM r AS amd64\nFROM r AS arm64\nFROM $BUILDARCH\n", 4),
            ("ARG BUILDPLATFORM\nFROM r AS build\nFROM ${BUILDPLATFORM:+build}\n", 3),
            ("ARG TARGETOSVERSION\nFROM r AS build\nFROM r${TARGETOSVERSION}\n", 3),
            ("ARG TARGETSTAGE\nARG B=$TARGETSTAGE\nFROM r AS build\nFROM ${B:-build}\n", 2),
        ]);
        // Those that a Dockerfile or whoever builds gives a value are that for every reader.
        for text in [
            "ARG TARGETSTAGE=build\nFROM r AS build\nFROM ${TARGETSTAGE}\n",
            "ARG BUILD_IMAGE\nFROM r AS build\nFROM ${BUILD_IMAGE:-build}\n",
            "ARG BUILD\nFROM r AS build\nFROM ${BUILD:-build}\n",
            "ARG BUILDER\nFROM r AS build\nFROM ${BUILDER:-build}\n",
            "ARG TARGETARCH\nFROM r AS amd64\nFROM $TARGETARCH\n",
        ] {
            let base = of(text, None).map(|graph| graph.stages.last().map(|s| s.base.clone()));
            let name = if text.contains("amd64") { "amd64" } else { "build" };
            assert_eq!(base, Ok(Some(stage(name))), "{text}");
        }
        let args = BTreeMap::from([("TARGETSTAGE".to_owned(), "build".to_owned())]);
        let text = "ARG TARGETSTAGE\nFROM r AS build\nFROM $TARGETSTAGE\n";
        assert!(graph(text, None, &args, &"linux/amd64".parse().unwrap()).is_ok());
    }

    #[test]
    fn h81_a_time_that_names_a_source_is_no_variable_of_a_base() {
        // BuildKit puts the time of the stage or context in its place, or nothing.
        doubtful(&[
            (
                "ARG SOURCE_DATE_EPOCH=x\nFROM scratch AS x\nADD https://h.example/f /f\nFROM r AS build\nFROM ${SOURCE_DATE_EPOCH:-r}\n",
                5,
            ),
            (
                "ARG SOURCE_DATE_EPOCH=build\nARG B=${SOURCE_DATE_EPOCH}\nFROM r AS build\nFROM ${B:-r}\n",
                2,
            ),
        ]);
        let args = BTreeMap::from([("SOURCE_DATE_EPOCH".to_owned(), "context".to_owned())]);
        let text = "ARG SOURCE_DATE_EPOCH\nFROM r:${SOURCE_DATE_EPOCH:-1}\n";
        let found = graph(text, None, &args, &"linux/amd64".parse().unwrap());
        assert!(matches!(found, Err(StagesError::Doubtful { line: 2, .. })), "{found:?}");
        // A base that does not depend on it is followed.
        let text = "ARG SOURCE_DATE_EPOCH=1735689600\nARG B=r\nFROM $B\n";
        assert!(of(text, None).is_ok());
    }

    #[test]
    fn what_all_readers_take_alike_is_read() {
        let edges = |text: &str| of(text, None).map(|graph| graph.edges.len());
        for (text, want) in [
            (
                "# escape=`\n# syntax=a\nFROM r AS build\nFROM r\nRUN a `\n b\nCOPY --from=build C:\\x /\n",
                None,
            ),
            (
                "# escape=`\nFROM r AS build\nFROM r\nRUN a `\n b\nCOPY --from=build /x `\n\n # y `\n /\n",
                Some(1),
            ),
            (
                "FROM r AS build\r\nFROM r\r\nRUN <<A\r\n\\\\\r\nONBUILD << B\r\nA\r\nCOPY --from=build \\\r\n /x /\r\n",
                Some(1),
            ),
            ("FROM r AS build\nFROM r\nRUN <<-A\n\u{a0}\n\t\tA\nCOPY --from=build /x /\n", Some(1)),
            (
                "# \u{a0}\u{e0} \\\\\nFROM r AS build\nFROM r\nCOPY --link\t\\ \n  --from=build \\\n# a\n\n [\"/x\", \\\n\"/y y\"]",
                Some(1),
            ),
            (
                "FROM r AS build\nFROM r\nRUN\\\n --mount=from=build,target=/m x\nCMD [\"a\", \"\\\\b\"]\n",
                Some(1),
            ),
            (
                "FROM r\nRUN echo \"a 'b\" \u{e0} && [ -f x ] \\\n  && echo \\\"\nLABEL a=\"b c\" \\\n d='e'\nENV A b\nEXPOSE 1 2\nVOLUME [\"/a\"]\nSHELL [\"sh\"]\nUSER a\nSTOPSIGNAL 9\nHEALTHCHECK --interval=5s CMD a \"b\"\nENTRYPOINT a\nWORKDIR /a\nMAINTAINER a\nADD a /\nARG A=\"b c\"",
                Some(0),
            ),
            (
                "ARG VERSION=\"1.2\"\nARG A='b' C=d\nARG R=\"r/${A}:$VERSION\"\nARG E=\nARG F\nFROM --platform=$BUILDPLATFORM \"$R\" AS build\nFROM ${E:-r}${F:+x}/${TARGETARCH}\nCOPY --from=build /x /\n",
                Some(1),
            ),
            // Where no FROM has a variable, nothing depends on them.
            ("ARG X=\"a b\"\nFROM r AS build\nFROM r\nCOPY --from=build /x /\n", Some(1)),
        ] {
            let found = edges(text);
            assert_eq!(found.as_ref().ok().copied(), want, "{text}: {found:?}");
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/rebuild/sources");
        for name in ["hello/Dockerfile", "small/settings.Dockerfile", "small/secret.Dockerfile"] {
            let text = std::fs::read_to_string(format!("{folder}/{name}")).unwrap();
            assert!(of(&text, None).is_ok(), "{name}: {:?}", of(&text, None));
        }
    }

    #[test]
    fn stages_bases_and_edges_are_those_that_the_target_needs() {
        let found = of(BUILD, Some("3")).unwrap();
        assert_eq!(found.target, "3");
        let stages: Vec<_> =
            found.stages.iter().map(|s| (s.name.as_str(), s.base.clone(), s.line)).collect();
        let want = [
            ("build", image("golang:1"), 3),
            ("more", stage("build"), 7),
            ("3", image("debian:12"), 9),
            ("late", StageSource::Scratch, 14),
        ];
        assert_eq!(stages, want);
        let edges: Vec<_> = found
            .edges
            .iter()
            .map(|e| (e.from.clone(), e.to.as_str(), e.kind, e.paths.join(" "), e.line))
            .collect();
        let want = [
            (image("tools:2"), "build", "mount", "/t".to_owned(), 4),
            (stage("more"), "3", "copy", "/out/a /b".to_owned(), 10),
            (stage("build"), "3", "copy", "/c".to_owned(), 11),
            (stage("late"), "3", "copy", "/l".to_owned(), 13),
            (image("busybox:1"), "late", "copy", "/*".to_owned(), 15),
        ];
        assert_eq!(edges, want);
        let last = of(BUILD, None).unwrap();
        assert_eq!((last.target.as_str(), last.stages.len(), last.edges.len()), ("late", 1, 1));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let cases = [
            "FROM a AS x\nFROM b AS X\n",
            "FROM a AS 1\nFROM b\n",
            "FROM a AS x\nFROM 0\n",
            "FROM ${NOBODY}\n",
            "FROM a AS x\nFROM b\nCOPY --from=$X /a /\n",
            "FROM a AS x\nFROM b\nCOPY --from=x ${A}/b /\n",
            "FROM a AS x\nFROM b\nCOPY --from=x /out/../etc /\n",
            "FROM a AS x\nFROM b\nCOPY --from=9 /a /\n",
            "FROM a AS x\nFROM b\nCOPY --from=x --from=c /a /\n",
            "FROM a AS x\nFROM b\nRUN --mount=type=bind,from=$X go\n",
            "FROM a AS x\nFROM b\nRUN --mount=type=bind,from=0 go\n",
            "FROM a AS x\nFROM b\nRUN --mount=from=x,source=$A go\n",
            "FROM a AS x\nFROM b\nRUN --mount=from=x,from=c go\n",
            "FROM a\nFETCH b\n",
            "",
        ];
        for text in cases {
            assert!(of(text, None).is_err(), "{text}: {:?}", of(text, None));
        }
        // An option's case is nobody's way around.
        let found = of("FROM a AS x\nFROM b\nRUN --mount=type=bind,From=X go\n", None).unwrap();
        assert_eq!(found.edges[0].from, stage("x"));
        assert!(of("FROM a AS x\n", Some("y")).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(text in "(FROM [a-z]{0,2}( AS [a-z])?\n)?(FROM|COPY|RUN|ARG|ADD)?[ -~\n\\\\]{0,120}") {
            let _ = of(&text, None);
        }
    }
}
