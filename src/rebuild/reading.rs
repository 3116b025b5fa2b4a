//! A Dockerfile, read once for everybody who asks something of it.
//!
//! Turns the text into its stages: on what each stands, what its instructions take from elsewhere, and what they
//! download, each with its line. What a name means, and what is refused, is for who asks: [`super::dockerfile`] finds
//! what a builder would fetch, [`super::stages`] what somebody approves. Variables are expanded as the Dockerfile
//! reference says for `FROM`: from global `ARG`s and the platform's own. Reading takes time by the length of the text;
//! stages, sources and what variables become have bounds, since few letters can ask for much of them.

use std::collections::BTreeMap;

use parse_dockerfile::{Dockerfile, Flag, Instruction, Source};

use crate::{image::Platform, untrusted::unmarked_text};

/// Longest Dockerfile that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// Most stages of a Dockerfile.
const MAX_STAGES: usize = 1000;
/// Most sources of all `COPY --from` and mounts, and downloads, together.
const MAX_PATHS: usize = 10_000;
/// Bytes of everything that variables are expanded in, together.
const MAX_EXPANDED: usize = 4 * MAX_BYTES;

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
    /// Variables whose values add up to more than is held.
    #[error("its variables expand to more than {MAX_EXPANDED} bytes")]
    Expanded,
    /// The target names no stage.
    #[error("no stage {0:?}")]
    NoStage(String),
    /// More than is followed.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are followed.
        limit: usize,
    },
}

/// A Dockerfile.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Its stages, in its order.
    pub(super) stages: Vec<ReadStage>,
    /// Whether an instruction of it may unpack an archive: `ADD` does that with those of the context.
    pub(super) unpacks: bool,
    /// The stages of each name in lower case, in their order.
    names: BTreeMap<String, Vec<usize>>,
    /// The words of global `ARG`s.
    globals: Vec<String>,
    /// Sources and downloads so far.
    paths: usize,
}

/// A stage.
#[derive(Debug)]
pub(super) struct ReadStage {
    /// Its name, as written.
    pub(super) name: Option<String>,
    /// On what it stands, as written.
    pub(super) image: String,
    /// The line of its `FROM`, counted from 1.
    pub(super) line: usize,
    /// What its instructions take from elsewhere.
    pub(super) takings: Vec<Taking>,
    /// The URLs that `ADD` downloads or clones, where they stand there without variables, and their lines.
    pub(super) downloads: Vec<(String, usize)>,
}

/// By what something is taken, which decides the stages that it can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `COPY --from` and `ADD --from`: any stage, by name or number.
    Copy,
    /// `RUN --mount`: any stage, by its name.
    Mount,
}

/// What one instruction takes from elsewhere, as written: variables are not expanded there (Dockerfile reference,
/// "COPY --from").
#[derive(Debug)]
pub(super) struct Taking {
    /// By what.
    pub(super) by: By,
    /// The value of the flag.
    pub(super) written: String,
    /// From where; there is one source for each time that the instruction says it, and none for a mount that names
    /// none.
    pub(super) from: Vec<String>,
    /// Its paths there; none for a here-document.
    pub(super) paths: Vec<Option<String>>,
    /// The line of the flag, counted from 1.
    pub(super) line: usize,
}

/// The text of a Dockerfile, where it is not too long. BuildKit passes over a byte order mark, too.
///
/// # Errors
/// It is.
pub(super) fn bounded(text: &str) -> Result<&str, DockerfileError> {
    match text.len() > MAX_BYTES {
        true => Err(DockerfileError::TooLong { found: text.len() }),
        false => Ok(unmarked_text(text)),
    }
}

/// Reads a Dockerfile.
///
/// # Errors
/// It is none, is too long, or has more than is followed.
pub(super) fn read(text: &str) -> Result<Reading, DockerfileError> {
    let text = bounded(text)?;
    Reading::of(&parsed(text)?, &Lines::of(text))
}

/// The instructions of a text that is not too long.
///
/// # Errors
/// It is no Dockerfile.
pub(super) fn parsed(text: &str) -> Result<Dockerfile<'_>, DockerfileError> {
    parse_dockerfile::parse(text).map_err(|e| DockerfileError::Syntax(e.to_string()))
}

/// Where each line ends, so that an offset's line is found without reading the text again.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// The lines of a text.
    pub(super) fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The line of an offset, counted from 1.
    pub(super) fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

impl Reading {
    /// What instructions say.
    ///
    /// # Errors
    /// They have more than is followed.
    pub(super) fn of(read: &Dockerfile<'_>, lines: &Lines) -> Result<Self, DockerfileError> {
        let mut reading = Self::default();
        for instruction in &read.instructions {
            reading.take(lines, instruction)?;
        }
        Ok(reading)
    }

    /// The last stage of a name.
    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.names.get(&name.to_ascii_lowercase())?.last().copied()
    }

    /// The last stage of a name before another stage.
    pub(super) fn named_before(&self, stage: usize, name: &str) -> Option<usize> {
        let all = self.names.get(&name.to_ascii_lowercase())?;
        let before = all.partition_point(|place| *place < stage);
        all.get(before.checked_sub(1)?).copied()
    }

    /// The last stage of a name, or the stage with that number.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        let numbered = || name.parse().ok().filter(|number| *number < self.stages.len());
        self.named(name).or_else(numbered)
    }

    /// The stage that is the target: the last one, where none is named.
    ///
    /// # Errors
    /// There is no such stage.
    pub(super) fn target(&self, target: Option<&str>) -> Result<usize, DockerfileError> {
        let found = match target {
            None => self.stages.len().checked_sub(1),
            Some(name) => self.position(name),
        };
        found.ok_or_else(|| DockerfileError::NoStage(target.unwrap_or_default().to_owned()))
    }

    fn take(
        &mut self,
        lines: &Lines,
        instruction: &Instruction<'_>,
    ) -> Result<(), DockerfileError> {
        self.unpacks |= matches!(instruction, Instruction::Add(_));
        if let Instruction::From(from) = instruction {
            if self.stages.len() >= MAX_STAGES {
                return Err(DockerfileError::TooMany { what: "stages", limit: MAX_STAGES });
            }
            let name = from.as_.as_ref().map(|(_, name)| name.value.to_string());
            if let Some(name) = &name {
                let places = self.names.entry(name.to_ascii_lowercase()).or_default();
                places.push(self.stages.len());
            }
            self.stages.push(ReadStage {
                name,
                image: from.image.value.to_string(),
                line: lines.at(from.image.span.start),
                takings: Vec::new(),
                downloads: Vec::new(),
            });
            return Ok(());
        }
        let Some(stage) = self.stages.last_mut() else {
            // Nothing but these stands before the first stage.
            if let Instruction::Arg(arg) = instruction {
                self.globals.push(arg.arguments.value.to_string());
            }
            return Ok(());
        };
        let takings = takings(lines, instruction);
        let downloads = downloads(lines, instruction);
        let paths: usize =
            takings.iter().filter(|one| !one.from.is_empty()).map(|one| one.paths.len()).sum();
        self.paths = self.paths.saturating_add(paths).saturating_add(downloads.len());
        stage.takings.extend(takings);
        stage.downloads.extend(downloads);
        match self.paths > MAX_PATHS {
            true => Err(DockerfileError::TooMany { what: "copied paths", limit: MAX_PATHS }),
            false => Ok(()),
        }
    }

    /// The variables that a `FROM` may have: `ARG`s before the first, overridden by build arguments, and the platform's
    /// own.
    ///
    /// # Errors
    /// Their values take more than is held.
    pub(super) fn variables(
        &self,
        build_args: &BTreeMap<String, String>,
        platform: &Platform,
    ) -> Result<Variables, DockerfileError> {
        let mut variables = Variables { values: BTreeMap::new(), left: MAX_EXPANDED };
        for side in ["TARGET", "BUILD"] {
            let mut set =
                |name: &str, value: String| variables.values.insert(format!("{side}{name}"), value);
            set("PLATFORM", platform.to_string());
            set("OS", platform.os.clone());
            set("ARCH", platform.architecture.clone());
            set("VARIANT", platform.variant.clone().unwrap_or_default());
        }
        for word in self.globals.iter().flat_map(|words| words.split_whitespace()) {
            let (name, default) =
                word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let value = match (build_args.get(name), default) {
                (Some(given), _) => variables.spend(given.clone())?,
                // What stands there already goes on: an `ARG` above, or the platform's own.
                (None, None) => {
                    variables.values.entry(name.to_owned()).or_default();
                    continue;
                }
                (None, Some(default)) => {
                    match variables.expand(default.trim_matches(['"', '\'']), 0) {
                        Err(DockerfileError::Expanded) => return Err(DockerfileError::Expanded),
                        expanded => expanded.unwrap_or_default(),
                    }
                }
            };
            variables.values.insert(name.to_owned(), value);
        }
        Ok(variables)
    }
}

/// What an instruction takes from elsewhere.
fn takings(lines: &Lines, instruction: &Instruction<'_>) -> Vec<Taking> {
    match instruction {
        Instruction::Copy(copy) => copied(lines, &copy.options, &copy.src).into_iter().collect(),
        Instruction::Add(add) => copied(lines, &add.options, &add.src).into_iter().collect(),
        Instruction::Run(run) => {
            let mounts = run.options.iter().filter(|flag| flag.name.value == "mount");
            mounts.map(|flag| mounted(lines, flag)).collect()
        }
        _ => Vec::new(),
    }
}

fn value(flag: &Flag<'_>) -> String {
    flag.value.as_ref().map(|value| value.value.to_string()).unwrap_or_default()
}

fn copied(lines: &Lines, flags: &[Flag<'_>], sources: &[Source<'_>]) -> Option<Taking> {
    let flags: Vec<_> = flags.iter().filter(|flag| flag.name.value == "from").collect();
    let first = flags.first()?;
    let path = |source: &Source<'_>| match source {
        Source::Path(path) => Some(path.value.to_string()),
        _ => None,
    };
    Some(Taking {
        by: By::Copy,
        written: value(first),
        from: flags.iter().map(|flag| value(flag)).collect(),
        paths: sources.iter().map(path).collect(),
        line: lines.at(first.span().start),
    })
}

fn mounted(lines: &Lines, flag: &Flag<'_>) -> Taking {
    let written = value(flag);
    let (mut from, mut path) = (Vec::new(), "/".to_owned());
    for (name, value) in options(&written) {
        match name.as_str() {
            "from" => from.push(value.to_owned()),
            "source" | "src" => value.clone_into(&mut path),
            _ => {}
        }
    }
    let line = lines.at(flag.span().start);
    Taking { by: By::Mount, from, paths: vec![Some(path)], line, written }
}

/// Where a mount is mounted, as written.
pub(super) fn mounted_at(written: &str) -> Option<&str> {
    let target = |name: &str| matches!(name, "target" | "dst" | "destination");
    options(written).filter(|(name, _)| target(name)).map(|(_, value)| value).last()
}

/// The options of a mount: their names, which count in whatever case, and values. They are fields of CSV, which may be
/// quoted.
fn options(value: &str) -> impl Iterator<Item = (String, &str)> {
    value.split(',').map(|part| {
        let part = part.trim().trim_matches('"');
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name.trim().to_ascii_lowercase(), value)
    })
}

/// The URLs among what an `ADD` adds.
fn downloads(lines: &Lines, instruction: &Instruction<'_>) -> Vec<(String, usize)> {
    const SCHEMES: [&str; 4] = ["http://", "https://", "git://", "git@"];
    let Instruction::Add(add) = instruction else { return Vec::new() };
    let sources = add.src.iter().filter_map(|source| match source {
        Source::Path(path) => Some((path.value.as_ref(), path.span.start)),
        _ => None,
    });
    let plain = sources.filter(|(url, _)| {
        SCHEMES.iter().any(|scheme| url.starts_with(scheme)) && !url.contains('$')
    });
    plain.map(|(url, at)| (url.to_owned(), lines.at(at))).collect()
}

/// Values of variables, and how many bytes may still be made of them.
#[derive(Debug)]
pub(super) struct Variables {
    values: BTreeMap<String, String>,
    left: usize,
}

impl Variables {
    /// Expands `$NAME`, `${NAME}`, `${NAME:-word}`, `${NAME-word}`, `${NAME:+word}` and `${NAME+word}`.
    ///
    /// # Errors
    /// Another form, a variable without a value, or more bytes than are held.
    pub(super) fn expand(&mut self, text: &str, line: usize) -> Result<String, DockerfileError> {
        let fail = || DockerfileError::Variable { line, text: text.chars().take(200).collect() };
        let mut out = String::new();
        let mut rest = text.trim_matches('"');
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (value, left) = match after.strip_prefix('{') {
                Some(braced) => {
                    let (inside, left) = braced.split_once('}').ok_or_else(fail)?;
                    (self.braces(inside).ok_or_else(fail)?, left)
                }
                None => {
                    let end = after.find(|c: char| !is_word(c)).unwrap_or(after.len());
                    let (name, left) = after.split_at_checked(end).ok_or_else(fail)?;
                    (self.values.get(name).map(String::as_str).ok_or_else(fail)?, left)
                }
            };
            if out.len() + value.len() > self.left {
                return Err(DockerfileError::Expanded);
            }
            out.push_str(value);
            rest = left;
        }
        out.push_str(rest);
        self.spend(out)
    }

    /// Gives a value away, if there is room for it.
    fn spend(&mut self, value: String) -> Result<String, DockerfileError> {
        self.left = self.left.checked_sub(value.len()).ok_or(DockerfileError::Expanded)?;
        Ok(value)
    }

    fn braces<'v>(&'v self, inside: &'v str) -> Option<&'v str> {
        let end = inside.find(|c| !is_word(c)).unwrap_or(inside.len());
        let (name, modifier) = inside.split_at_checked(end)?;
        let value = self.values.get(name).map(String::as_str);
        let full = value.filter(|v| !v.is_empty());
        let word = |length: usize| modifier.get(length..).filter(|word| !word.contains('$'));
        match modifier {
            "" => value,
            m if m.starts_with(":-") => full.or_else(|| word(2)),
            m if m.starts_with('-') => value.or_else(|| word(1)),
            m if m.starts_with(":+") => full.map_or(Some(""), |_| word(2)),
            m if m.starts_with('+') => value.map_or(Some(""), |_| word(1)),
            _ => None,
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(text: &str) -> Result<Variables, DockerfileError> {
        read(text)?.variables(&BTreeMap::new(), &"linux/amd64".parse().unwrap())
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
        let mut variables = variables("ARG A=\nARG B=b\nFROM a\n").unwrap();
        for (text, want) in cases {
            assert_eq!(variables.expand(text, 1).ok().as_deref(), want, "{text}");
        }
    }

    #[test]
    fn h79_an_argument_without_a_value_leaves_the_one_above() {
        for (text, want) in [
            ("ARG B=a\nARG B\nFROM $B\n", "a"),
            ("ARG B=a\nARG B=\nFROM $B\n", ""),
            ("ARG B\nFROM $B\n", ""),
            ("ARG TARGETARCH\nFROM $TARGETARCH\n", "amd64"),
        ] {
            let image = &read(text).unwrap().stages[0].image;
            let expanded = variables(text).and_then(|mut values| values.expand(image, 1));
            assert_eq!(expanded.as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn the_length_limit_holds() {
        let line = "FROM a\n";
        let fits = format!("{line}{}", "#".repeat(MAX_BYTES - line.len()));
        assert!(read(&fits).is_ok());
        assert!(matches!(read(&format!("{fits}#")), Err(DockerfileError::TooLong { .. })));
    }

    #[test]
    fn h71_what_is_followed_ends_at_n_and_n_plus_one() {
        let stages = |count: usize| "FROM a\n".repeat(count);
        assert!(read(&stages(MAX_STAGES)).is_ok());
        let error = DockerfileError::TooMany { what: "stages", limit: MAX_STAGES };
        assert_eq!(read(&stages(MAX_STAGES + 1)).map(drop), Err(error));
        for source in
            ["COPY --from=x /a /\n", "RUN --mount=from=x a\n", "ADD https://h.example/a /\n"]
        {
            let sources = |count: usize| format!("FROM a AS x\n{}", source.repeat(count));
            assert!(read(&sources(MAX_PATHS)).is_ok(), "{source}");
            let error = DockerfileError::TooMany { what: "copied paths", limit: MAX_PATHS };
            assert_eq!(read(&sources(MAX_PATHS + 1)).map(drop), Err(error), "{source}");
        }
    }

    #[test]
    fn h71_a_hundred_thousand_instructions_have_their_lines() {
        let text = format!("FROM a\n{}COPY --from=c /d /e\n", "RUN b\n".repeat(100_000));
        let reading = read(&text).unwrap();
        let [stage] = reading.stages.as_slice() else { panic!("one stage") };
        assert_eq!(stage.takings.first().map(|one| one.line), Some(100_002));
        let text = "FROM a\nRUN b\n".to_owned() + &"\n".repeat(MAX_BYTES - 40) + "FROM c\n";
        assert_eq!(read(&text).unwrap().stages[1].line, MAX_BYTES - 37);
    }

    #[test]
    fn h72_variables_that_grow_are_refused_before_they_are_held() {
        let long = "x".repeat(1 << 19);
        let refused = [
            // One that is named many times, in one place and in many.
            (format!("ARG A={long}\nFROM {}\n", "$A".repeat(100_000)), true),
            (format!("ARG A={long}\n{}", "FROM $A\n".repeat(9)), true),
            (format!("ARG A={long}\n{}FROM a\n", "ARG B=$A\n".repeat(9)), true),
            (format!("ARG A={long}\nARG B=$A$A\nARG C=$B$B$B$B$B$B$B$B$B\nFROM a\n"), true),
            (format!("ARG A={long}\n{}", "FROM $A\n".repeat(6)), false),
        ];
        for (text, is_refused) in refused {
            let reading = read(&text).unwrap();
            let expanded = variables(&text).and_then(|mut variables| {
                reading
                    .stages
                    .iter()
                    .try_for_each(|stage| variables.expand(&stage.image, stage.line).map(drop))
            });
            let want = if is_refused { Err(DockerfileError::Expanded) } else { Ok(()) };
            assert_eq!(expanded, want, "{}", &text[text.len() - 20..]);
        }
        // A build argument is held for each variable that it gives a value.
        let arguments = BTreeMap::from([("A".to_owned(), long)]);
        let reading = read(&format!("{}FROM a\n", "ARG A\n".repeat(9))).unwrap();
        let found = reading.variables(&arguments, &"linux/amd64".parse().unwrap());
        assert_eq!(found.map(drop), Err(DockerfileError::Expanded));
    }
}
