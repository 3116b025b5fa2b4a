//! Which images a Dockerfile takes from elsewhere.
//!
//! Turns a Dockerfile, build arguments and a target into the external images of the stages that the target needs, with
//! their lines: `FROM`, `COPY --from`, `ADD --from` and `RUN --mount=from=`. Which of these mean a stage is BuildKit's.
//! Refuses what it cannot expand, instead of guessing. `ONBUILD` triggers of a base are not in the text, so they are
//! not here either: an engine that is given nothing but the recorded images stops at them.

use std::collections::{BTreeMap, BTreeSet};

pub use super::reading::DockerfileError;
use super::reading::{self, By, Reading};
use crate::image::Platform;

/// An image that a Dockerfile takes from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct External {
    /// The reference, expanded.
    pub reference: String,
    /// The line of the instruction, counted from 1.
    pub line: usize,
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
    let reading = reading::read(text)?;
    let mut variables = reading.variables(build_args, platform)?;
    let bases = reading.stages.iter().map(|stage| variables.expand(&stage.image, stage.line));
    let bases = bases.collect::<Result<Vec<_>, _>>()?;
    let (images, seen) = reachable(&reading, &bases, reading.target(target)?);
    let stages = reading.stages.into_iter().enumerate().filter(|(index, _)| seen.contains(index));
    let downloads = stages.flat_map(|(_, stage)| stage.downloads);
    let downloads = downloads.map(|(reference, line)| External { reference, line }).collect();
    Ok(Fetches { images, downloads })
}

/// Whether an instruction may unpack an archive: `ADD` does that with those of the context. Where the text cannot be read, nobody
/// knows.
pub fn may_unpack(text: &str) -> bool {
    reading::read(text).map_or(true, |reading| reading.unpacks)
}

/// The first thing that a step mounts at a path which begins so, where that stands there without variables.
pub fn mount_at(text: &str, beginning: &str) -> Option<External> {
    let reading = reading::read(text).ok()?;
    let takings = reading.stages.iter().flat_map(|stage| &stage.takings);
    let mut mounts = takings.filter(|taking| taking.by == By::Mount).filter_map(|taking| {
        let reference = reading::mounted_at(&taking.written)?.to_owned();
        Some(External { reference, line: taking.line })
    });
    mounts.find(|mount| mount.reference.starts_with(beginning))
}

/// Follows stages as BuildKit does (moby/buildkit, `frontend/dockerfile/dockerfile2llb`): a base is an earlier stage by
/// its name, a source of `COPY` any stage by name or number, that of a mount any stage by its name. What is neither a
/// stage nor `scratch` is an image. Gives the images, and which stages were followed.
fn reachable(reading: &Reading, bases: &[String], last: usize) -> (Vec<External>, BTreeSet<usize>) {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open = vec![last];
    while let Some(index) = open.pop() {
        let whole = reading.stages.get(index).zip(bases.get(index));
        let Some((stage, base)) = whole.filter(|_| seen.insert(index)) else { continue };
        let base = (reading.named_before(index, base), base, stage.line);
        let taken = stage.takings.iter().flat_map(|taking| {
            let named = taking.from.iter().filter(|name| !name.is_empty());
            named.map(move |name| match taking.by {
                By::Copy => (reading.position(name), name, taking.line),
                By::Mount => (reading.named(name), name, taking.line),
            })
        });
        for (meant, reference, line) in std::iter::once(base).chain(taken) {
            match meant {
                Some(other) => open.push(other),
                None if reference == "scratch" => {}
                None => {
                    found.insert(External { reference: reference.clone(), line });
                }
            }
        }
    }
    (found.into_iter().collect(), seen)
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
    fn g49_where_a_step_mounts_something_is_known() {
        for (text, want) in [
            (
                "FROM a\nRUN --mount=type=tmpfs,target=/sys/fs/cgroup x\n",
                Some(("/sys/fs/cgroup", 2)),
            ),
            ("FROM a\nRUN x\nRUN --mount=type=cache,DST=/sysroot \\\n x\n", Some(("/sysroot", 3))),
            ("FROM a\nRUN --mount=target=/x,\"destination=/sys\" x\n", Some(("/sys", 2))),
            (
                "FROM a\nRUN --mount=type=tmpfs,target=/x --mount=from=b,target=/sys/x y\n",
                Some(("/sys/x", 2)),
            ),
            ("FROM a\nRUN --mount=type=tmpfs,target=/x/sys,source=/sys x\n", None),
            ("FROM a\nRUN --mount=target=/sys,target=/x x\n", None),
            ("FROM a\nRUN x --mount=target=/sys\n", None),
        ] {
            let found = mount_at(text, "/sys");
            let found = found.as_ref().map(|mount| (mount.reference.as_str(), mount.line));
            assert_eq!(found, want, "{text}");
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
    fn h73_each_source_that_a_mount_may_name_is_looked_at() {
        for (text, want) in [
            // Options are fields of CSV, and of two the last one counts.
            (
                "FROM a\nRUN --mount=type=bind,\"from=evil\",target=/t x\n",
                &[("a", 1), ("evil", 2)][..],
            ),
            ("FROM a\nRUN --mount=from=b,from=evil x\n", &[("a", 1), ("b", 2), ("evil", 2)]),
            // What is empty is the context.
            ("FROM a\nRUN --mount=type=bind,from=,target=/t x\n", &[("a", 1)]),
        ] {
            let found = read(text, None, &[]).unwrap();
            let found: Vec<_> = found.iter().map(|(name, line)| (name.as_str(), *line)).collect();
            assert_eq!(found, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(ARG [A-Z]=[$a-z{}]{0,6}\n)?(FROM|COPY|RUN|ARG|ONBUILD|HEALTHCHECK|#)?[ -~\n\\\\]{0,120}") {
            let _ = read(&text, None, &[("A", "x")]);
        }
    }
}
