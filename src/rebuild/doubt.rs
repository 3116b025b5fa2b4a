//! Whether two readers of Dockerfiles take a text for the same instructions.
//!
//! Holds what the parser here made of a text against the text as BuildKit joins it ([`super::joined`]): the same instructions in the
//! same lines, the same flags, and in `FROM`, `COPY` and `ADD` the same words. Refuses besides what BuildKit reads by rules that are not followed
//! here: quotation marks and escapes in flags, and global `ARG`s whose values need more than plain variables. One difference hides an
//! instruction, and with it a stage, a base or an edge, from whoever approves a build (attacks I28, H75 to H79).

use std::collections::{BTreeMap, BTreeSet};

use parse_dockerfile::{Dockerfile, Flag, Instruction, Source, UnescapedString};

use super::{
    joined::{Doubt, Joined, JoinedText},
    reading::Lines,
};

/// The first doubt about a text that was read.
pub(super) fn first(
    joined: &JoinedText,
    read: &Dockerfile<'_>,
    lines: &Lines,
    build_args: &BTreeMap<String, String>,
) -> Option<Doubt> {
    let one = joined.instructions.iter().find_map(|instruction| one(instruction, joined.escape));
    one.or_else(|| agreement(joined, read, lines)).or_else(|| globals(joined, build_args))
}

fn blanks(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(blanks).filter(|word| !word.is_empty())
}

/// The words of an instruction's flags, and what follows them.
fn flags(rest: &str) -> (Vec<&str>, &str) {
    let (mut flags, mut rest) = (Vec::new(), rest);
    while rest.starts_with("--") {
        let (flag, left) = rest.split_once(blanks).unwrap_or((rest, ""));
        flags.push(flag);
        rest = left.trim_start_matches(blanks);
    }
    (flags, rest)
}

/// A doubt about an instruction by itself.
fn one(instruction: &Joined, escape: char) -> Option<Doubt> {
    let odd = |c: char| matches!(c, '"' | '\'') || c == escape || !c.is_ascii();
    let (flags, rest) = flags(&instruction.rest);
    let is = |keyword: &str| instruction.keyword.eq_ignore_ascii_case(keyword);
    let why = if is("ONBUILD") {
        "what ONBUILD adds to later stages is not followed"
    } else if flags.iter().any(|flag| flag.contains(odd)) {
        "a flag with quotation marks, escapes or letters outside of ASCII ends elsewhere for some readers"
    } else if flags.contains(&"--") {
        "-- ends flags for some readers alone"
    } else if flags.iter().any(|flag| flag.starts_with("--from=+") || flag.starts_with("--from=-"))
    {
        "a number with a sign is the number of a stage for some readers alone"
    } else if is("FROM") && is_odd_base(rest, odd) {
        "FROM is followed without quotation marks, escapes and letters outside of ASCII"
    } else if (is("COPY") || is("ADD")) && is_odd_list(rest) {
        "a list of paths is followed where it is JSON without escapes"
    } else {
        return None;
    };
    Some((instruction.line, why))
}

/// Whether the words of a `FROM` are not plain; the image may be in double quotation marks as a whole.
fn is_odd_base(rest: &str, odd: impl Fn(char) -> bool + Copy) -> bool {
    let mut words = words(rest);
    let image = words.next().unwrap_or_default();
    unquoted(image).contains(odd) || words.any(|word| word.contains(odd))
}

/// A word without the double quotation marks around the whole of it.
fn unquoted(word: &str) -> &str {
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word)
}

/// Whether paths look like a JSON list, and are none of plain texts.
fn is_odd_list(rest: &str) -> bool {
    rest.starts_with('[') && (rest.contains('\\') || listed(rest).is_none())
}

/// The texts of a JSON list.
fn listed(rest: &str) -> Option<Vec<String>> {
    serde_json::from_str(rest).ok()
}

/// Where the parser here and BuildKit see different instructions, flags or words.
fn agreement(joined: &JoinedText, read: &Dockerfile<'_>, lines: &Lines) -> Option<Doubt> {
    const WHY: &str = "readers of Dockerfiles take what begins here for different instructions";
    let mut theirs = read.instructions.iter();
    for ours in &joined.instructions {
        match theirs.next() {
            Some(theirs) if is_same(ours, theirs, lines) => {}
            _ => return Some((ours.line, WHY)),
        }
    }
    theirs.next().map(|more| (keyword(more).map_or(1, |(_, at)| lines.at(at)), WHY))
}

fn is_same(ours: &Joined, theirs: &Instruction<'_>, lines: &Lines) -> bool {
    let Some((keyword, at)) = keyword(theirs) else { return false };
    if !ours.keyword.eq_ignore_ascii_case(keyword) || ours.line != lines.at(at) {
        return false;
    }
    let (flags, rest) = flags(&ours.rest);
    match theirs {
        Instruction::From(from) => {
            let name = from.as_.as_ref().map(|(_, name)| name.value.as_ref());
            let found: Vec<&str> = words(rest).collect();
            are_flags(&flags, &from.options)
                && match found.as_slice() {
                    [image] => *image == from.image.value && name.is_none(),
                    [image, _, as_] => *image == from.image.value && name == Some(*as_),
                    _ => false,
                }
        }
        Instruction::Copy(copy) => {
            are_flags(&flags, &copy.options) && are_paths(rest, &copy.src, &copy.dest)
        }
        Instruction::Add(add) => {
            are_flags(&flags, &add.options) && are_paths(rest, &add.src, &add.dest)
        }
        Instruction::Run(run) => are_flags(&flags, &run.options),
        _ => true,
    }
}

fn are_flags(ours: &[&str], theirs: &[Flag<'_>]) -> bool {
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            let ours = ours.strip_prefix("--").unwrap_or(ours);
            let (name, value) = ours.split_once('=').map_or((ours, None), |(n, v)| (n, Some(v)));
            name == theirs.name.value && value == theirs.value.as_ref().map(|v| v.value.as_ref())
        })
}

fn are_paths(rest: &str, sources: &[Source<'_>], target: &UnescapedString<'_>) -> bool {
    let ours = listed(rest).filter(|_| rest.starts_with('['));
    let theirs = sources.iter().map(|source| match source {
        Source::Path(path) => Some(path.value.as_ref()),
        _ => None,
    });
    let theirs = theirs.chain([Some(target.value.as_ref())]);
    match &ours {
        Some(ours) => ours.iter().map(|path| Some(path.as_str())).eq(theirs),
        None => words(rest).map(Some).eq(theirs),
    }
}

/// The keyword of an instruction, and where it stands.
fn keyword(instruction: &Instruction<'_>) -> Option<(&'static str, usize)> {
    let (name, keyword) = match instruction {
        Instruction::Add(one) => ("ADD", &one.add),
        Instruction::Arg(one) => ("ARG", &one.arg),
        Instruction::Cmd(one) => ("CMD", &one.cmd),
        Instruction::Copy(one) => ("COPY", &one.copy),
        Instruction::Entrypoint(one) => ("ENTRYPOINT", &one.entrypoint),
        Instruction::Env(one) => ("ENV", &one.env),
        Instruction::Expose(one) => ("EXPOSE", &one.expose),
        Instruction::From(one) => ("FROM", &one.from),
        Instruction::Healthcheck(one) => ("HEALTHCHECK", &one.healthcheck),
        Instruction::Label(one) => ("LABEL", &one.label),
        Instruction::Maintainer(one) => ("MAINTAINER", &one.maintainer),
        Instruction::Run(one) => ("RUN", &one.run),
        Instruction::Shell(one) => ("SHELL", &one.shell),
        Instruction::Stopsignal(one) => ("STOPSIGNAL", &one.stopsignal),
        Instruction::User(one) => ("USER", &one.user),
        Instruction::Volume(one) => ("VOLUME", &one.volume),
        Instruction::Workdir(one) => ("WORKDIR", &one.workdir),
        _ => return None,
    };
    Some((name, keyword.span.start))
}

/// A doubt about what variables become in a `FROM`.
fn globals(joined: &JoinedText, build_args: &BTreeMap<String, String>) -> Option<Doubt> {
    let is = |one: &Joined, keyword: &str| one.keyword.eq_ignore_ascii_case(keyword);
    let images = joined.instructions.iter().filter(|one| is(one, "FROM"));
    let images = images.filter_map(|one| {
        let image = unquoted(words(flags(&one.rest).1).next()?);
        image.contains('$').then_some((one.line, image))
    });
    let images: Vec<(usize, &str)> = images.collect();
    if images.is_empty() {
        return None;
    }
    let mut known = Known { build_args, declared: BTreeSet::new(), valued: BTreeSet::new() };
    let before = joined.instructions.iter().take_while(|one| !is(one, "FROM"));
    for argument in before.filter(|one| is(one, "ARG")) {
        if !known.declare(&argument.rest, joined.escape) {
            let why = "a FROM has variables, and this ARG more than names with plain values and known variables";
            return Some((argument.line, why));
        }
    }
    let odd = images.iter().find(|(_, image)| !known.are_plain(image, true));
    odd.map(|(line, _)| (*line, "its variables are not plain ones, or depend on who builds"))
}

/// The variable that may name a stage, a context or an image to BuildKit, which gives it the time of that instead.
const TIME: &str = "SOURCE_DATE_EPOCH";

/// Whether a builder may give this variable a value where nobody else does: the names that BuildKit has for its own platform, for
/// more of the target's than is followed here, and for the target's stage.
fn is_builders(name: &str) -> bool {
    const FOLLOWED: [&str; 4] = ["TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT"];
    const KINDS: [&str; 5] = ["PLATFORM", "OS", "ARCH", "VARIANT", "STAGE"];
    let of = ["TARGET", "BUILD"].iter().find_map(|side| name.strip_prefix(side));
    let is_kind = of.is_some_and(|rest| KINDS.iter().any(|kind| rest.starts_with(kind)));
    is_kind && !FOLLOWED.contains(&name)
}

/// Which variables have a value that does not depend on the reader.
struct Known<'b> {
    build_args: &'b BTreeMap<String, String>,
    declared: BTreeSet<String>,
    valued: BTreeSet<String>,
}

impl Known<'_> {
    /// Takes the words of a global `ARG`; whether all readers take them alike.
    fn declare(&mut self, rest: &str, escape: char) -> bool {
        if rest.contains(|c: char| c == escape || !c.is_ascii()) {
            return false;
        }
        let mut several = words(rest)
            .map(|word| word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v))));
        several.all(|(name, value)| {
            let is_given = self.build_args.contains_key(name);
            let is_plain = is_name(name)
                && value.is_none_or(|value| self.is_plain_value(value, is_given))
                // What stands there already goes on where no value is given, and a platform's variable has one.
                && self.declared.insert(name.to_owned());
            if is_plain && (is_given || value.is_some()) {
                self.valued.insert(name.to_owned());
            }
            is_plain
        })
    }

    fn is_plain_value(&self, value: &str, is_given: bool) -> bool {
        let single = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\''));
        let inner = single.unwrap_or_else(|| unquoted(value));
        let is_literal = single.is_some() && inner.contains('$');
        !inner.contains(['"', '\'']) && !is_literal && (is_given || self.are_plain(inner, false))
    }

    /// Whether each variable in a text is `$NAME` or `${NAME}` with a known value. Of an image, one without a value and
    /// the forms that put a word in its place are plain, too, where they mean the same for every reader.
    fn are_plain(&self, text: &str, is_image: bool) -> bool {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('$') {
            let (name, form, left) = match after.strip_prefix('{') {
                Some(braced) => {
                    let Some((inside, left)) = braced.split_once('}') else { return false };
                    let end = inside.find(|c| !is_word(c)).unwrap_or(inside.len());
                    let (name, form) = inside.split_at(end);
                    (name, form, left)
                }
                None => {
                    let (name, left) =
                        after.split_at(after.find(|c| !is_word(c)).unwrap_or(after.len()));
                    (name, "", left)
                }
            };
            let is_valued = self.valued.contains(name) || self.is_platform(name);
            let is_empty = is_image && self.declared.contains(name) && !is_builders(name);
            let is_known = is_name(name) && name != TIME && (is_valued || is_empty);
            let is_form = match form.strip_prefix(':').unwrap_or(form) {
                "" => form.is_empty(),
                word => {
                    is_image
                        && (is_valued || form.starts_with(':'))
                        && word.starts_with(['-', '+'])
                        && !word.contains(['$', '{', '<'])
                }
            };
            if !is_known || !is_form {
                return false;
            }
            rest = left;
        }
        true
    }

    /// Whether a name is a variable of the platform that is built for, and nobody gave it another value.
    fn is_platform(&self, name: &str) -> bool {
        matches!(name, "TARGETPLATFORM" | "TARGETOS" | "TARGETARCH" | "TARGETVARIANT")
            && !self.declared.contains(name)
            && !self.build_args.contains_key(name)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(is_word)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
