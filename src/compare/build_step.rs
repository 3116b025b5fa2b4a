//! Where in the build a difference comes from.
//!
//! Gives each difference in a layer the instruction that made the layer, from the configuration's history, and the line of
//! the Dockerfile, from the builder's own records where it kept them, else by finding the instruction's text in the
//! Dockerfile. All of this is what the image says about itself: good for a hint to a person, never for a judgement.

use std::collections::{BTreeMap, BTreeSet};

use super::{Account, BuildStep, Comparison, Difference, LikelyCause, Place, Repeats, What};
use crate::{attest::provenance::Provenance, contents::secrets::shown_line, image::ImageConfig};

/// Longest Dockerfile that is searched, in bytes.
const DOCKERFILE_BYTES: usize = 1 << 20;
/// Longest path of a Dockerfile in a cause, in characters.
const PATH_CHARS: usize = 200;
/// Longest instruction in a cause, in characters.
const INSTRUCTION_CHARS: usize = 200;

/// Fills in the cause of every difference in a layer, as far as it is known.
pub fn explain(
    comparison: &mut Comparison,
    published: &ImageConfig,
    provenance: Option<&Provenance>,
) {
    let instructions = instructions(published);
    let mut lines = match provenance.and_then(|provenance| provenance.dockerfile.as_deref()) {
        Some(text) if text.len() <= DOCKERFILE_BYTES => find_lines(&instructions, text),
        _ => BTreeMap::new(),
    };
    lines.extend(recorded_lines(comparison, provenance));
    let path = provenance.and_then(|provenance| provenance.dockerfile_path.as_deref());
    let file: String = path.unwrap_or("Dockerfile").chars().take(PATH_CHARS).collect();
    for difference in &mut comparison.differences {
        let (Place::Layer(layer) | Place::Entry { layer, .. }) = &difference.place else {
            continue;
        };
        // What only the rebuilt image has was made by a step of that one.
        let layer = difference.layers.map_or(Some(*layer), |layers| layers.left);
        let Some(layer) = layer.filter(|_| !is_of_no_layer(&difference.what)) else {
            continue;
        };
        difference.cause = instructions.get(layer).map(|created_by| BuildStep {
            file: file.clone(),
            line: lines.get(&layer).copied(),
            instruction: shown_line(&readable(created_by))
                .chars()
                .take(INSTRUCTION_CHARS)
                .collect(),
        });
    }
}

/// Whether it is no affair of any one layer.
fn is_of_no_layer(what: &What) -> bool {
    matches!(what, What::LayerCount | What::LayerSpread)
}

/// Says of each difference whether a second rebuild differs from the published image in the same way. `between` compares
/// the two rebuilds.
pub fn note_repeats(comparison: &mut Comparison, between: &Comparison) {
    let varies: BTreeSet<Place> =
        between.differences.iter().map(|d| d.place.in_any_layer()).collect();
    for difference in &mut comparison.differences {
        difference.repeats = match varies.contains(&difference.place.in_any_layer()) {
            true => Repeats::No,
            // What is not listed may be among those that are only counted.
            false if between.omitted > 0 => Repeats::Unknown,
            false => Repeats::Yes,
        };
        difference.hint = LikelyCause::of(difference);
    }
}

/// Whether something that nothing explains came out the same in both rebuilds, and so is not chance.
pub fn is_consistent(comparison: &Comparison) -> bool {
    let open = |d: &&Difference| d.account() == Account::Open;
    comparison.differences.iter().filter(open).any(|d| d.repeats == Repeats::Yes)
}

/// The instruction of each layer; empty where the history does not tell (image-spec v1.1, config.md, "history").
fn instructions(config: &ImageConfig) -> Vec<&str> {
    let made: Vec<&str> = config
        .history
        .iter()
        .filter(|entry| !entry.empty_layer)
        .map(|entry| entry.created_by.as_str())
        .collect();
    if made.len() == config.diff_ids.len() { made } else { Vec::new() }
}

/// The lines that the builder recorded for the stored layers.
fn recorded_lines(
    comparison: &Comparison,
    provenance: Option<&Provenance>,
) -> BTreeMap<usize, u32> {
    let steps = provenance.map(|provenance| provenance.steps.as_slice()).unwrap_or_default();
    let line_of = |position: usize| {
        let blob = &comparison.layers.get(position)?.left.as_ref()?.blob;
        steps.iter().find(|step| step.layers.contains(blob))?.line
    };
    let positions = 0..comparison.layers.len();
    positions.filter_map(|position| Some((position, line_of(position)?))).collect()
}

/// Finds the instructions in a Dockerfile. From the last to the first, each line is used once and lines only go up: what
/// the base image made is not in there.
fn find_lines(instructions: &[&str], dockerfile: &str) -> BTreeMap<usize, u32> {
    let written = logical_lines(dockerfile);
    let mut rest = written.as_slice();
    let mut found = BTreeMap::new();
    for (layer, created_by) in instructions.iter().enumerate().rev() {
        let wanted = normal(&readable(created_by));
        let hit = rest.iter().rposition(|(_, text)| alike(&normal(text), &wanted));
        if let Some((at, (line, _))) = hit.and_then(|at| Some((at, rest.get(at)?))) {
            found.insert(layer, *line);
            rest = rest.get(..at).unwrap_or_default();
        }
    }
    found
}

/// The instructions of a Dockerfile with the line on which each starts. Continuation lines are joined, comments and empty
/// lines dropped, bodies of here-documents skipped. Read here and not by `parse-dockerfile`, as plans are: that ends at the
/// first instruction that it does not know, and gives the text of a step with its continuations.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let (mut open, mut here): (Option<(u32, String)>, Option<String>) = (None, None);
    for (line, raw) in (1_u32..).zip(text.lines()) {
        let trimmed = raw.trim();
        if let Some(end) = &here {
            if trimmed == end {
                here = None;
            }
            continue;
        }
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let (start, mut joined) = open.take().unwrap_or((line, String::new()));
        let part = trimmed.strip_suffix('\\');
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(part.unwrap_or(trimmed).trim());
        if part.is_some() {
            open = Some((start, joined));
        } else {
            here = here_document(&joined);
            found.push((start, joined));
        }
    }
    found.extend(open);
    found
}

/// The word that ends the here-document that an instruction opens.
fn here_document(instruction: &str) -> Option<String> {
    let (_, after) = instruction.split_once("<<")?;
    let word = after.trim_start_matches('-').split_whitespace().next()?;
    let word = word.trim_matches(|c| c == '"' || c == '\'');
    let is_name = word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_name && !word.is_empty()).then(|| word.to_owned())
}

/// An instruction as the history has it, without what builders add around it.
fn readable(created_by: &str) -> String {
    let text = created_by.trim();
    let text = text.strip_suffix("# buildkit").unwrap_or(text).trim();
    if let Some(legacy) = text.strip_prefix("/bin/sh -c #(nop)") {
        return legacy.trim().to_owned();
    }
    if let Some(run) = text.strip_prefix("/bin/sh -c ") {
        return format!("RUN {}", run.trim());
    }
    let Some(run) = text.strip_prefix("RUN ") else { return text.to_owned() };
    // `|2 A=1 B=2 /bin/sh -c …`: the build arguments that were in effect.
    let command = run.strip_prefix('|').and_then(|_| run.split_once("/bin/sh -c "));
    let command = command.map(|(_, command)| command);
    format!("RUN {}", command.or_else(|| run.strip_prefix("/bin/sh -c ")).unwrap_or(run))
}

/// An instruction with single spaces, its keyword in capitals, without flags and brackets.
fn normal(instruction: &str) -> String {
    let mut words = instruction.split_whitespace();
    let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
    let arguments: Vec<&str> = words.skip_while(|word| word.starts_with("--")).collect();
    let arguments = arguments.join(" ");
    let list = serde_json::from_str::<Vec<String>>(&arguments);
    format!("{keyword} {}", list.map_or(arguments, |list| list.join(" ")))
}

/// Whether two normal instructions are the same one. Builders rewrite the sources of COPY and ADD, so for these the
/// destination decides.
fn alike(written: &str, made: &str) -> bool {
    let copies = |text: &str| text.starts_with("COPY ") || text.starts_with("ADD ");
    let keyword = |text: &str| text.split(' ').next().map(str::to_owned);
    let last =
        |text: &str| text.rsplit(' ').next().map(|word| word.trim_end_matches('/').to_owned());
    written == made
        || copies(written) && keyword(written) == keyword(made) && last(written) == last(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Class, Explanation};

    const DOCKERFILE: &str = "# syntax=docker/dockerfile:1\n\
        FROM base AS build\n\
        RUN make\n\
        \n\
        FROM base\n\
        COPY --from=build --chown=1:1 /out /usr/bin/hello\n\
        RUN --mount=type=cache,target=/x echo built > /etc/built \\\n\
        # why\n\
        \x20   && mkdir -p /var/lib/hello\n\
        RUN <<EOF\n\
        RUN make\n\
        EOF\n\
        run [\"make\", \"install\"]\n\
        LABEL a=b\n";

    #[test]
    fn instructions_are_found_in_the_dockerfile() {
        let made = [
            "/bin/sh -c #(nop) ADD file:0123 in / ",
            "COPY /out /usr/bin/hello # buildkit",
            "RUN |1 V=2 /bin/sh -c echo built > /etc/built && mkdir -p /var/lib/hello # buildkit",
            "RUN make install # buildkit",
        ];
        let found = find_lines(&made, DOCKERFILE);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(1, 6), (2, 7), (3, 13)]);
        assert_eq!(find_lines(&["/bin/sh -c make"], DOCKERFILE).get(&0), Some(&3));
    }

    #[test]
    fn what_varies_between_rebuilds_is_told_from_what_repeats() {
        let entry = |layer, path: &str, class| {
            Difference::new(Place::Entry { layer, path: path.to_owned() }, class, What::Content)
        };
        let comparison = |differences, omitted| Comparison {
            level: crate::compare::Level::Different,
            differences,
            omitted,
            layers: Vec::new(),
            packages: Vec::new(),
            allowed: Vec::new(),
        };
        let all =
            || vec![entry(1, "/swapped", Class::Content), entry(1, "/random", Class::Content)];
        let of = |found: &Comparison| -> Vec<_> {
            found.differences.iter().map(|d| (d.repeats, d.class, d.hint)).collect()
        };
        let mut found = comparison(all(), 0);
        note_repeats(&mut found, &comparison(vec![entry(0, "/random", Class::Content)], 0));
        let swapped = (Repeats::Yes, Class::Content, Some(LikelyCause::OtherContent));
        assert_eq!(
            of(&found),
            [swapped, (Repeats::No, Class::Content, Some(LikelyCause::Unstable))]
        );
        assert!(is_consistent(&found), "a swapped file does not hide behind an unsteady build");
        let mut found = comparison(vec![entry(1, "/random", Class::Content)], 0);
        note_repeats(&mut found, &comparison(vec![entry(1, "/random", Class::Content)], 0));
        assert!(!is_consistent(&found));
        let mut found = comparison(all(), 0);
        note_repeats(&mut found, &comparison(vec![entry(1, "/random", Class::Content)], 3));
        assert_eq!(found.differences.first().map(|d| d.repeats), Some(Repeats::Unknown));
        assert!(!is_consistent(&found), "nobody knows");
        let mut benign = entry(1, "/a", Class::NestedTime);
        benign.explained_by = Some(Explanation::Normalizers(vec!["pyc@2"]));
        let mut found = comparison(vec![benign], 0);
        note_repeats(&mut found, &comparison(Vec::new(), 0));
        assert!(!is_consistent(&found), "explained");
    }

    #[test]
    fn logical_lines_start_where_they_are_written() {
        let lines: Vec<u32> = logical_lines(DOCKERFILE).into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [2, 3, 5, 6, 7, 10, 13, 14]);
        assert_eq!(logical_lines("RUN a \\"), [(1, "RUN a".to_owned())]);
    }
}
