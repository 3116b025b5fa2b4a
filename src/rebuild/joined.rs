//! A Dockerfile as BuildKit joins its lines (moby/buildkit, `frontend/dockerfile/parser`), where that is beyond doubt.
//!
//! Turns the text into instructions, each as one line without comments, continuations and here-documents. Refuses, as [`Doubt`], what
//! versions of BuildKit and other readers are known to take differently: characters that only some take for blanks or ends of lines,
//! directives that only some see, and continuations that split a keyword or end the file. Knows nothing of what instructions mean.

use std::collections::BTreeSet;

/// Text that two readers may take for different instructions: its line, counted from 1, and what is in it.
pub(super) type Doubt = (usize, &'static str);

/// An instruction on one line.
#[derive(Debug)]
pub(super) struct Joined {
    /// The line on which it begins, counted from 1.
    pub(super) line: usize,
    /// Its keyword, as written.
    pub(super) keyword: String,
    /// What follows the keyword, without blanks around it.
    pub(super) rest: String,
}

/// A Dockerfile in joined lines.
#[derive(Debug)]
pub(super) struct JoinedText {
    /// The character that escapes, and continues lines.
    pub(super) escape: char,
    /// Its instructions, in its order.
    pub(super) instructions: Vec<Joined>,
}

/// Joins the lines of a Dockerfile.
///
/// # Errors
/// The first doubt.
pub(super) fn join(text: &str) -> Result<JoinedText, Doubt> {
    let lines: Vec<&str> = text.split_inclusive('\n').map(unended).collect();
    for (at, line) in lines.iter().enumerate() {
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return Err((
                at + 1,
                "it holds a control character, which some readers take for a blank or an end",
            ));
        }
    }
    let escape = directives(&lines)?;
    let mut joining = Joining { lines: &lines, at: 0, escape };
    let mut instructions = Vec::new();
    while let Some(instruction) = joining.next()? {
        instructions.push(instruction);
    }
    Ok(JoinedText { escape, instructions })
}

/// A line without its end, which is `\n` or `\r\n`.
fn unended(line: &str) -> &str {
    line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
}

/// The escape character. Directives are the first lines, as long as each is one (parser directives of the Dockerfile reference).
fn directives(lines: &[&str]) -> Result<char, Doubt> {
    let mut escape = '\\';
    let mut seen = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let doubt = |why| Err((at + 1, why));
        // Frontends pass over it to find a directive, and the parser does not.
        if at == 0 && line.starts_with("#!") {
            return doubt("a line that begins with #! hides directives from some readers");
        }
        let Some((name, value)) = directive(line) else { break };
        if !line.starts_with('#') || line.contains(is_foreign) {
            return doubt("blanks hide this directive from some readers");
        }
        if value.is_empty() || !seen.insert(name.clone()) {
            return doubt("a directive that is empty, or stands twice, is none for some readers");
        }
        if name == "escape" {
            escape = match value {
                "\\" => '\\',
                "`" => '`',
                _ => return doubt("the escape character is \\ or `"),
            };
        }
    }
    Ok(escape)
}

/// The name of a directive in lower case, and its value, by the widest reading.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let name = name.trim().to_ascii_lowercase();
    matches!(name.as_str(), "syntax" | "escape" | "check").then(|| (name, value.trim()))
}

/// Whether a character is a blank for some readers alone, or stands for bytes that are no text.
fn is_foreign(c: char) -> bool {
    !c.is_ascii() && c.is_whitespace() || matches!(c, '\u{feff}' | char::REPLACEMENT_CHARACTER)
}

fn blanks(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

/// Lines on the way to instructions.
struct Joining<'l> {
    lines: &'l [&'l str],
    at: usize,
    escape: char,
}

impl Joining<'_> {
    /// The next line that is neither empty nor a comment, and its number.
    fn line(&mut self) -> Result<Option<(usize, &str)>, Doubt> {
        while let Some(line) = self.lines.get(self.at) {
            self.at += 1;
            let bare = line.trim_matches(blanks);
            if bare.is_empty() || bare.starts_with('#') {
                continue;
            }
            if line.contains(is_foreign) {
                return Err((
                    self.at,
                    "it holds a blank outside of ASCII, or bytes that are no text",
                ));
            }
            let mut last = bare.chars().rev();
            if last.next() == Some(self.escape) && last.next() == Some(self.escape) {
                return Err((
                    self.at,
                    "it ends with two escape characters, which not every reader takes for the end of an instruction",
                ));
            }
            return Ok(Some((self.at, line)));
        }
        Ok(None)
    }

    fn next(&mut self) -> Result<Option<Joined>, Doubt> {
        let escape = self.escape;
        let Some((line, mut part)) = self.line()? else { return Ok(None) };
        let first = part.trim_matches(blanks).strip_suffix(escape).unwrap_or(part);
        let first =
            first.split(blanks).find(|word| !word.is_empty()).unwrap_or_default().to_owned();
        let (mut text, mut parts) = (String::new(), 1);
        while let Some(begun) = part.trim_end_matches(blanks).strip_suffix(escape) {
            text.push_str(begun);
            let ends = "the file ends in a continued line";
            part = self.line()?.ok_or((line, ends))?.1;
            parts += 1;
        }
        text.push_str(part);
        let text = text.trim_matches(blanks);
        let (keyword, rest) = text.split_once(blanks).unwrap_or((text, ""));
        if keyword != first {
            return Err((line, "its keyword goes on in another line"));
        }
        if text.contains("<<") {
            let name = here_document(text).filter(|_| parts == 1);
            let name = name.ok_or((
                line,
                "`<<` is followed only as one here-document behind RUN: RUN <<EOF",
            ))?;
            self.pass_over(name).ok_or((line, "its here-document has no end"))?;
        }
        let rest = rest.trim_matches(blanks).to_owned();
        Ok(Some(Joined { line, keyword: keyword.to_owned(), rest }))
    }

    /// Passes over a here-document and its end.
    fn pass_over(&mut self, (name, is_stripped): (&str, bool)) -> Option<()> {
        let lines = self.lines.get(self.at..)?;
        let end = lines.iter().position(|line| match is_stripped {
            true => line.trim_start_matches('\t') == name,
            false => *line == name,
        })?;
        self.at += end + 1;
        Some(())
    }
}

/// The name of the here-document of `RUN <<WORD` and nothing else, and whether tabs are stripped before its end.
fn here_document(text: &str) -> Option<(&str, bool)> {
    let mut words = text.split(blanks).filter(|word| !word.is_empty());
    let is_run = words.next().is_some_and(|word| word.eq_ignore_ascii_case("RUN"));
    let written = words.next().and_then(|word| word.strip_prefix("<<"))?;
    let name = written.strip_prefix('-').unwrap_or(written);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (is_run && is_name && words.next().is_none()).then_some((name, name.len() < written.len()))
}
