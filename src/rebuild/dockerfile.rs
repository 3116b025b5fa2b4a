//! Which images a Dockerfile takes from elsewhere.
//!
//! Turns a Dockerfile, build arguments and a target into the external images of the stages that the target needs, with
//! their lines: `FROM`, `COPY --from`, `ADD --from` and `RUN --mount=from=`. Which of these mean a stage is BuildKit's. Variables are expanded as the Dockerfile
//! reference says for `FROM`: from global `ARG`s and the platform's own. Refuses what it cannot expand, instead of
//! guessing. `ONBUILD` triggers of a base are not in the text, so they are not here either: an engine that is given
//! nothing but the recorded images stops at them.

use std::collections::{BTreeMap, BTreeSet};

use parse_dockerfile::{Flag, Instruction, Source};

use crate::image::Platform;

/// Longest Dockerfile that is read, in bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// An image that a Dockerfile takes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct External {
    /// The reference, expanded.
    pub reference: String,
    /// The line of the instruction, counted from 1.
    pub line: usize,
}

/// Why a Dockerfile does not say what it takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerfileError {
    /// Longer than is read.
    #[error("Dockerfile of {found} bytes is longer than {MAX_BYTES} bytes")]
    TooLong {
        /// Length in bytes.
        found: usize,
    },
    /// Not a Dockerfile.
    #[error("Dockerfile cannot be read: {0}")]
    Syntax(String),
    /// A variable form that is not known, or a variable without a value.
    #[error("line {line}: cannot expand {text:?}")]
    Variable {
        /// The line, counted from 1.
        line: usize,
        /// The text as written.
        text: String,
    },
    /// The target names no stage.
    #[error("no stage {0:?}")]
    NoStage(String),
}

/// A stage: what it is made from, and what it copies.
struct Stage {
    name: Option<String>,
    uses: Vec<Used>,
    downloads: Vec<External>,
}

/// What a stage stands on or takes files from: an image, or a stage.
#[derive(Clone)]
struct Used {
    by: By,
    external: External,
}

/// By what something is used, which decides the stages that it can mean.
#[derive(Clone, Copy)]
enum By {
    /// `FROM`: an earlier stage, by its name.
    Base,
    /// `COPY --from` and `ADD --from`: any stage, by name or number.
    Copy,
    /// `RUN --mount`: any stage, by its name.
    Mount,
}

/// The external images that `target` (the last stage where there is none) needs.
///
/// # Errors
/// See [`DockerfileError`].
pub fn externals(
    text: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
    platform: &Platform,
) -> Result<Vec<External>, DockerfileError> {
    fetches(text, target, build_args, platform).map(|fetches| fetches.images)
}

/// What the stages that `target` needs fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetches {
    /// External images, as [`externals`] gives them.
    pub images: Vec<External>,
    /// What `ADD` downloads or clones, where its URL stands there without variables.
    pub downloads: Vec<External>,
}

/// Everything that `target` fetches, from one reading of the text.
///
/// # Errors
/// See [`DockerfileError`].
pub fn fetches(
    text: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
    platform: &Platform,
) -> Result<Fetches, DockerfileError> {
    let (stages, last) = read(text, target, build_args, platform)?;
    let (images, seen) = reachable(&stages, last);
    let stages = stages.into_iter().enumerate().filter(|(index, _)| seen.contains(index));
    let downloads = stages.flat_map(|(_, stage)| stage.downloads).collect();
    Ok(Fetches { images, downloads })
}

/// Whether an instruction may unpack an archive: `ADD` does that with those of the context. Where the text cannot be read, nobody
/// knows.
pub fn may_unpack(text: &str) -> bool {
    let read = (text.len() <= MAX_BYTES).then(|| parse_dockerfile::parse(text).ok()).flatten();
    read.is_none_or(|read| read.instructions.iter().any(|i| matches!(i, Instruction::Add(_))))
}

/// The stages, and which of them is the target.
fn read(
    text: &str,
    target: Option<&str>,
    build_args: &BTreeMap<String, String>,
    platform: &Platform,
) -> Result<(Vec<Stage>, usize), DockerfileError> {
    if text.len() > MAX_BYTES {
        return Err(DockerfileError::TooLong { found: text.len() });
    }
    // BuildKit passes over it, too.
    let text = crate::untrusted::unmarked_text(text);
    let read = parse_dockerfile::parse(text).map_err(|e| DockerfileError::Syntax(e.to_string()))?;
    let variables = globals(&read.instructions, build_args, platform);
    let stages = stages(text, &read.instructions, &variables)?;
    let last = match target {
        None => stages.len().checked_sub(1),
        Some(name) => position(&stages, name),
    };
    let last =
        last.ok_or_else(|| DockerfileError::NoStage(target.unwrap_or_default().to_owned()))?;
    Ok((stages, last))
}

/// Follows stages as BuildKit does; what is neither a stage nor `scratch` is an image. Gives the images, and which stages were
/// followed.
fn reachable(stages: &[Stage], last: usize) -> (Vec<External>, BTreeSet<usize>) {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![last];
    while let Some(index) = open.pop() {
        let Some(stage) = stages.get(index).filter(|_| seen.insert(index)) else { continue };
        for Used { by, external } in &stage.uses {
            match meant(stages, index, *by, &external.reference) {
                Some(other) => open.push(other),
                None if external.reference == "scratch" => {}
                None => {
                    found.insert(external.clone());
                }
            }
        }
    }
    (found.into_iter().collect(), seen)
}

/// The stage that a source of stage `index` means (moby/buildkit, `frontend/dockerfile/dockerfile2llb`).
fn meant(stages: &[Stage], index: usize, by: By, name: &str) -> Option<usize> {
    match by {
        By::Base => named(stages.get(..index)?, name),
        By::Copy => position(stages, name),
        By::Mount => named(stages, name),
    }
}

/// The stage that `name` means: the last one of that name, or the one with that number.
fn position(stages: &[Stage], name: &str) -> Option<usize> {
    named(stages, name).or_else(|| name.parse().ok().filter(|number| *number < stages.len()))
}

fn named(stages: &[Stage], name: &str) -> Option<usize> {
    let is = |s: &Stage| s.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name));
    stages.iter().rposition(is)
}

fn stages(
    text: &str,
    instructions: &[Instruction<'_>],
    variables: &BTreeMap<String, String>,
) -> Result<Vec<Stage>, DockerfileError> {
    let mut stages: Vec<Stage> = Vec::new();
    for instruction in instructions {
        if let Instruction::From(from) = instruction {
            let line = line(text, from.image.span.start);
            let reference = expand(&from.image.value, variables, line)?;
            let name = from.as_.as_ref().map(|(_, name)| name.value.to_string());
            let uses = vec![Used { by: By::Base, external: External { reference, line } }];
            stages.push(Stage { name, uses, downloads: Vec::new() });
            continue;
        }
        let Some(stage) = stages.last_mut() else { continue };
        stage.uses.extend(sources(text, instruction));
        stage.downloads.extend(urls(text, instruction));
    }
    Ok(stages)
}

/// What an instruction copies or mounts from. Variables are not expanded there (Dockerfile reference, "COPY --from").
fn sources(text: &str, instruction: &Instruction<'_>) -> Vec<Used> {
    let flags: &[Flag<'_>] = match instruction {
        Instruction::Copy(copy) => &copy.options,
        Instruction::Add(add) => &add.options,
        Instruction::Run(run) => &run.options,
        _ => &[],
    };
    flags
        .iter()
        .filter_map(|flag| {
            let value = flag.value.as_ref()?;
            let is_from = |(key, value): (String, _)| (key == "from").then_some(value);
            let (by, reference) = match flag.name.value.as_ref() {
                "from" => (By::Copy, value.value.as_ref()),
                "mount" => (By::Mount, mount_options(&value.value).find_map(is_from)?),
                _ => return None,
            };
            let external =
                External { reference: reference.to_owned(), line: line(text, flag.span().start) };
            Some(Used { by, external })
        })
        .collect()
}

/// The options of a mount: their names, which count in whatever case, and values.
pub(super) fn mount_options(value: &str) -> impl Iterator<Item = (String, &str)> {
    value.split(',').map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.trim().to_ascii_lowercase(), value)
    })
}

/// The URLs among what an `ADD` adds.
fn urls(text: &str, instruction: &Instruction<'_>) -> Vec<External> {
    const SCHEMES: [&str; 4] = ["http://", "https://", "git://", "git@"];
    let Instruction::Add(add) = instruction else { return Vec::new() };
    let sources = add.src.iter().filter_map(|source| match source {
        Source::Path(path) => Some((path.value.as_ref(), path.span.start)),
        _ => None,
    });
    let plain = sources.filter(|(url, _)| {
        SCHEMES.iter().any(|scheme| url.starts_with(scheme)) && !url.contains('$')
    });
    plain.map(|(url, at)| External { reference: url.to_owned(), line: line(text, at) }).collect()
}

fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}

/// `ARG`s before the first `FROM`, overridden by build arguments, and the platform's own.
pub(super) fn globals(
    instructions: &[Instruction<'_>],
    build_args: &BTreeMap<String, String>,
    platform: &Platform,
) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    for side in ["TARGET", "BUILD"] {
        let mut set = |name: &str, value: String| variables.insert(format!("{side}{name}"), value);
        set("PLATFORM", platform.to_string());
        set("OS", platform.os.clone());
        set("ARCH", platform.architecture.clone());
        set("VARIANT", platform.variant.clone().unwrap_or_default());
    }
    for instruction in instructions {
        let Instruction::Arg(arg) = instruction else { break };
        for word in arg.arguments.value.split_whitespace() {
            let (name, default) = word.split_once('=').unwrap_or((word, ""));
            let default =
                expand(default.trim_matches(['"', '\'']), &variables, 0).unwrap_or_default();
            variables.insert(name.to_owned(), build_args.get(name).cloned().unwrap_or(default));
        }
    }
    variables
}

/// Expands `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME-word}`, `${NAME:+word}` and `${NAME+word}`.
pub(super) fn expand(
    text: &str,
    variables: &BTreeMap<String, String>,
    line: usize,
) -> Result<String, DockerfileError> {
    let fail = || DockerfileError::Variable { line, text: text.chars().take(200).collect() };
    let mut out = String::new();
    let mut rest = text.trim_matches('"');
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (value, left) = match after.strip_prefix('{') {
            Some(braced) => {
                let (inside, left) = braced.split_once('}').ok_or_else(fail)?;
                (braces(inside, variables).ok_or_else(fail)?, left)
            }
            None => {
                let end = after.find(|c: char| !is_word(c)).unwrap_or(after.len());
                let (name, left) = after.split_at_checked(end).ok_or_else(fail)?;
                (variables.get(name).cloned().ok_or_else(fail)?, left)
            }
        };
        out.push_str(&value);
        rest = left;
    }
    out.push_str(rest);
    if out.len() > MAX_BYTES { Err(fail()) } else { Ok(out) }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn braces(inside: &str, variables: &BTreeMap<String, String>) -> Option<String> {
    let end = inside.find(|c| !is_word(c)).unwrap_or(inside.len());
    let (name, modifier) = inside.split_at_checked(end)?;
    let value = variables.get(name);
    let full = value.filter(|v| !v.is_empty());
    let word = |text: &str| (!text.contains('$')).then(|| text.to_owned());
    match modifier {
        "" => value.cloned(),
        m if m.starts_with(":-") => full.cloned().or_else(|| word(m.get(2..)?)),
        m if m.starts_with('-') => value.cloned().or_else(|| word(m.get(1..)?)),
        m if m.starts_with(":+") => full.map_or(Some(String::new()), |_| word(m.get(2..)?)),
        m if m.starts_with('+') => value.map_or(Some(String::new()), |_| word(m.get(1..)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(
        text: &str,
        target: Option<&str>,
        args: &[(&str, &str)],
    ) -> Result<Vec<(String, usize)>, DockerfileError> {
        let args = args.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let platform = "linux/arm64".parse().unwrap();
        externals(text, target, &args, &platform)
            .map(|list| list.into_iter().map(|e| (e.reference, e.line)).collect())
    }

    #[test]
    fn g25_what_may_unpack_an_archive_is_known() {
        for (text, want) in [
            ("FROM a\nCOPY b /b\nRUN add x\n", false),
            ("FROM a\nADD root.tar /\n", true),
            ("FROM a AS b\nadd https://h.example/x /x\nFROM c\n", true),
            ("FROM a\nFETCH b\n", true),
        ] {
            assert_eq!(may_unpack(text), want, "{text}");
        }
    }

    #[test]
    fn finds_what_the_target_needs() {
        let text = "# syntax=docker/dockerfile:1\nARG BASE=alpine:3\nARG V=1\n\
            FROM --platform=$BUILDPLATFORM golang:${V} AS build\nRUN --mount=type=bind,from=tools:2,target=/t go\n\
            FROM unused:1 AS other\nRUN x\n\
            FROM ${BASE}\nCOPY --from=build /a /a\nCOPY --from=busybox:1 /b /b\nCOPY --from=0 /c /c\n\
            FROM scratch AS last\nCOPY --from=build /a /\n";
        let own = |list: &[(&str, usize)]| {
            Ok(list.iter().map(|(n, l)| ((*n).to_owned(), *l)).collect::<Vec<_>>())
        };
        assert_eq!(read(text, None, &[]), own(&[("golang:1", 4), ("tools:2", 5)]));
        assert_eq!(
            read(text, Some("2"), &[("BASE", "debian:12"), ("V", "1.24")]),
            own(&[("busybox:1", 10), ("debian:12", 8), ("golang:1.24", 4), ("tools:2", 5)])
        );
        assert_eq!(read(text, Some("other"), &[]), own(&[("unused:1", 6)]));
        assert_eq!(read(text, Some("none"), &[]), Err(DockerfileError::NoStage("none".to_owned())));
    }

    #[test]
    fn h67_stages_and_mounts_are_those_that_buildkit_follows() {
        for (text, want) in [
            // A later stage is a source of COPY and of mounts, and no base.
            ("FROM a\nCOPY --from=late /x /\nFROM b AS late\n", &[("a", 1), ("b", 3)][..]),
            ("FROM a\nRUN --mount=from=Late x\nFROM b AS late\n", &[("a", 1), ("b", 3)]),
            ("FROM a\nCOPY --from=1 /x /\nFROM b\n", &[("a", 1), ("b", 3)]),
            ("FROM late\nFROM b AS late\n", &[("late", 1)]),
            // A mount and a base know no numbers.
            ("FROM a\nRUN --mount=type=bind,from=1 x\nFROM b\n", &[("1", 2), ("a", 1)]),
            ("FROM a\nFROM 0\n", &[("a", 1)]),
            // Names of options count in whatever case.
            ("FROM a\nRUN --mount=type=bind,FROM=evil,target=/t x\n", &[("a", 1), ("evil", 2)]),
        ] {
            let found = read(text, Some("0"), &[]).unwrap();
            let found: Vec<_> = found.iter().map(|(name, line)| (name.as_str(), *line)).collect();
            assert_eq!(found, want, "{text}");
        }
        assert_eq!(read("FROM a\nFROM 0\n", None, &[]), Ok(vec![("0".to_owned(), 2)]));
    }

    #[test]
    fn expands_as_the_reference_says_or_refuses() {
        let cases = [
            ("${A:-x}", Some("x")),
            ("${A-x}", Some("")),
            ("${B:-x}", Some("b")),
            ("${B:+x}", Some("x")),
            ("${A:+x}", Some("")),
            ("p$B.q", Some("pb.q")),
            ("${NONE}", None),
            ("${B#x}", None),
            ("${B", None),
            ("${A:-$B}", None),
        ];
        let variables =
            BTreeMap::from([("A".to_owned(), String::new()), ("B".to_owned(), "b".to_owned())]);
        for (text, want) in cases {
            assert_eq!(expand(text, &variables, 1).ok().as_deref(), want, "{text}");
        }
    }

    #[test]
    fn the_length_limit_holds() {
        let line = "FROM a\n";
        let fits = format!("{line}{}", "#".repeat(MAX_BYTES - line.len()));
        assert!(read(&fits, None, &[]).is_ok());
        assert!(matches!(
            read(&format!("{fits}#"), None, &[]),
            Err(DockerfileError::TooLong { .. })
        ));
    }

    proptest! {
        #[test]
        fn never_panics(text in "(ARG [A-Z]=[$a-z{}]{0,6}\n)?(FROM|COPY|RUN|ARG|ONBUILD|HEALTHCHECK|#)?[ -~\n\\\\]{0,120}") {
            let _ = read(&text, None, &[("A", "x")]);
        }
    }
}
