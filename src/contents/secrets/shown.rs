//! Commands and lines of text as they may be shown: without the secrets in them.
//!
//! Turns text of an image's configuration, history and files into the same text with a mark in the place of each secret. What it
//! is taken for is what the search takes it for, so that nothing is shown that is told as a secret elsewhere.

use serde_json::Value;

use super::{
    configured::{shown_command, shown_value, shown_variable},
    files, named, settings,
};

/// What stands in the place of a secret.
pub const MARK: &str = "[secret]";
/// Bytes of a line that are looked at; the rest is left out. People are shown far less of it.
const LINE_BYTES: usize = 64 << 10;

/// How a key in PEM begins and ends, and what follows the words.
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Bytes behind `BEGIN` in which its words end.
const MARKER_BYTES: usize = 64;

/// Whether a file at this path holds credentials and little else, so that nothing of its text is to be shown. The path may be
/// that of a member of an archive.
pub fn holds_credentials(path: &str) -> bool {
    files::reader(&format!("/{path}")).is_some()
}

/// Of the lines of a text, those that are parts of private keys, which nothing tells of one line alone. A key without an end
/// goes on to the end of the text.
pub fn in_keys(text: &str) -> Vec<bool> {
    let mut keys = KeyLines::default();
    text.lines().map(|line| keys.is_part(line)).collect()
}

/// The lines of a text, one after the other, as they come: [`in_keys`] for a text that has no end yet.
#[derive(Debug, Default)]
pub struct KeyLines {
    open: bool,
}

impl KeyLines {
    /// Whether the next line is a part of a private key.
    pub fn is_part(&mut self, line: &str) -> bool {
        let before = self.open;
        if key_at(line).is_some() {
            self.open = line.rfind(BEGIN) > line.rfind(END);
        } else if line.trim_start().starts_with("Private-Lines:") {
            // As PuTTY writes it.
            self.open = true;
        } else if line.contains(END) || line.trim_start().starts_with("Private-MAC:") {
            self.open = false;
        }
        before || self.open
    }
}

/// Where the first private key begins.
fn key_at(text: &str) -> Option<usize> {
    let mut begins = text.match_indices(BEGIN);
    let found = begins.find(|(at, begin)| {
        let rest = text.get(at + begin.len()..).unwrap_or_default();
        let words = rest.get(..rest.floor_char_boundary(MARKER_BYTES)).unwrap_or_default();
        words.split(DASHES).next().is_some_and(|words| words.contains("PRIVATE KEY"))
    });
    found.map(|(at, _)| at)
}

/// A text with a mark in the place of each private key, whether it is whole or not.
fn without_keys(text: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(at) = key_at(rest) {
        let (before, key) = rest.split_at(at);
        shown.push_str(before);
        shown.push_str(MARK);
        let end = key.split_once(END).and_then(|(_, end)| end.split_once(DASHES));
        rest = end.map_or("", |(_, behind)| behind);
    }
    shown.push_str(rest);
    shown
}

/// A line that gives a secret to a name, as settings are written, without it: `name: word`, `name = "word"`.
fn without_setting(line: &str) -> Option<String> {
    let (name, value) = line.split_at(line.find(['=', ':'])? + 1);
    let word = name.trim_end_matches(['=', ':']).trim().trim_start_matches("- ");
    let word = word.trim_matches(['"', '\'']);
    let given = value.split(" #").next().unwrap_or_default().trim().trim_end_matches([',', ';']);
    let plain = !word.contains(char::is_whitespace);
    let is_secret = plain && named::says_secret(word) && named::is_secret_value(given);
    let space = value.get(..value.len() - value.trim_start().len()).unwrap_or_default();
    is_secret.then(|| format!("{name}{space}{MARK}"))
}

/// The words of a command. A secret is left where only several words together tell it, and others beside it are told by
/// themselves: so what is left is looked at once more.
pub fn shown_words(words: &[String]) -> Vec<String> {
    shown_command(&shown_command(words))
}

/// A line of text, as a command in the history or a line of a file. Its spaces stay as they are.
pub fn shown_line(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(LINE_BYTES)).unwrap_or_default();
    let text = without_keys(text);
    let text = without_setting(&text).or_else(|| settings::without(&text, MARK)).unwrap_or(text);
    let parts: Vec<(&str, &str)> = text
        .split_inclusive(char::is_whitespace)
        .map(|part| part.split_at(part.trim_end().len()))
        .collect();
    // Of `NAME=secret` the name stays.
    let words: Vec<String> = parts.iter().map(|(word, _)| shown_variable(word)).collect();
    let (mut line, mut before, mut hidden) = (String::new(), "", false);
    for (word, (_, space)) in shown_words(&words).iter().zip(&parts) {
        // Several words that are one secret are one mark.
        if !(word == MARK && hidden) {
            line.push_str(before);
            line.push_str(word);
        }
        hidden = word == MARK;
        before = space;
    }
    line.push_str(before);
    line
}

/// A text that has a name, as a build argument, a label or a member of a document.
pub fn shown_named(name: &str, text: &str) -> String {
    if named::says_secret(name) && named::is_secret_text(text) {
        return MARK.to_owned();
    }
    // Parts of a line first: what its name or its form as a whole tells is hidden whole.
    shown_value(name, &shown_line(text))
}

/// A value of JSON under this key, of whose lists and objects so many elements at most: texts by the keys that they stand under,
/// lists of texts as variables (`env`) or as the words of a command.
pub fn shown_json(key: &str, value: &Value, most: usize) -> Value {
    match value {
        Value::String(text) => Value::String(shown_named(key, text)),
        Value::Array(list) => {
            let list = list.get(..most).unwrap_or(list);
            let one = |element| shown_json(key, element, most);
            Value::Array(shown_texts(key, list).unwrap_or_else(|| list.iter().map(one).collect()))
        }
        Value::Object(map) => {
            let all = map.iter().take(most);
            Value::Object(all.map(|(k, v)| (shown_line(k), shown_json(k, v, most))).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// A list of texts alone: variables, or the words of a command, of which one may tell that the next one is a secret.
pub fn shown_texts(key: &str, list: &[Value]) -> Option<Vec<Value>> {
    let texts: Option<Vec<String>> =
        list.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    let texts = texts?;
    // Readers in Go take keys of any case.
    let shown: Vec<String> = match key.eq_ignore_ascii_case("Env") {
        true => texts.iter().map(|entry| shown_variable(entry)).collect(),
        false => shown_words(&texts),
    };
    Some(shown.iter().map(|text| Value::String(shown_line(text))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g26_nothing_of_a_secret_is_left_in_a_line() {
        for (text, want) in [
            ("ENV DB_PASSWORD=s9df8sdf", "ENV DB_PASSWORD=[secret]"),
            (
                "RUN |2 NPM_TOKEN=s9df8sdf V=1 /bin/sh -c make # buildkit",
                "RUN |2 NPM_TOKEN=[secret] V=1 /bin/sh -c make # buildkit",
            ),
            ("RUN git clone https://bot:s9df8sdf@git.corp/a.git", "RUN git clone [secret]"),
            ("RUN login --password s9df8sdf registry.corp", "RUN [secret]"),
            ("RUN echo 'root:s9df8sdf' | chpasswd", "RUN [secret]"),
            // One that is told by itself hides none that is not.
            ("RUN TOKEN=s9df8sdf login --password a8Jz0fq", "RUN [secret]"),
            ("export API_KEY='s9df8sdf' && make", "export API_KEY=[secret] && make"),
            ("a  b\tc ", "a  b\tc "),
            ("", ""),
            ("RUN make  install", "RUN make  install"),
            ("  password: s9df8sdf", "  password: [secret]"),
            ("- password: 's9df8sdf' # of the database", "- password: [secret]"),
            ("password = \"s9df8sdf\"", "password = [secret]"),
            ("\"db_password\": \"s9df8sdf\",", "\"db_password\": [secret]"),
            ("<password>s9df8sdf</password>", "<password>[secret]</password>"),
            ("password_file: /run/secrets/db", "password_file: /run/secrets/db"),
            ("password: ${PASSWORD}", "password: ${PASSWORD}"),
            ("<name>s9df</name>", "<name>s9df</name>"),
            ("ENV DB_PASSWORD_FILE=/run/secrets/db", "ENV DB_PASSWORD_FILE=/run/secrets/db"),
        ] {
            assert_eq!(shown_line(text), want);
            assert!(
                !shown_line(text).contains("s9df8sdf") && !shown_line(text).contains("a8Jz0fq")
            );
        }
        let long = format!("{}é", "x".repeat(LINE_BYTES - 1));
        assert_eq!(shown_line(&long).len(), LINE_BYTES - 1);
    }

    #[test]
    fn g26_what_is_left_of_a_command_is_looked_at_again() {
        let words = ["/app", "--token=s9df8sdf", "--password", "a8Jz0fq"].map(str::to_owned);
        assert_eq!(shown_words(&words).join(" "), "/app [secret] [secret] [secret]");
    }

    #[test]
    fn g27_no_line_of_a_private_key_is_shown() {
        let key =
            "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIs9df8sdf\n-----END RSA PRIVATE KEY-----\nb\n";
        assert_eq!(in_keys(key), [false, true, true, true, false]);
        let open = "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nMIIs9df8sdf";
        assert_eq!(in_keys(open), [true, true, true]);
        let one = "{\"key\": \"-----BEGIN PRIVATE KEY-----\\nMII\\n-----END PRIVATE KEY-----\"}\nb";
        assert_eq!(in_keys(one), [false, false]);
        assert_eq!(shown_line(one.lines().next().unwrap()), "{\"key\": \"[secret]\"}");
        let public = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----";
        assert_eq!(in_keys(public), [false, false, false]);
        let putty = "Private-Lines: 1\nMIIs9df8sdf\nPrivate-MAC: 1\nb";
        assert_eq!(in_keys(putty), [true, true, true, false]);
        for (text, want) in [
            ("K=-----BEGIN PRIVATE KEY-----\nMIIs9df8sdf", "K=[secret]"),
            ("-----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY----- b", "[secret] b"),
            ("-----BEGIN PUBLIC KEY----- MII", "-----BEGIN PUBLIC KEY----- MII"),
        ] {
            assert_eq!(shown_line(text), want);
        }
        for path in ["/root/.netrc", ".pgpass", "/root/.docker/config.json", "home/a/.env"] {
            assert!(holds_credentials(path), "{path}");
        }
        assert!(!holds_credentials("/etc/app/config.json") && !holds_credentials(""));
    }
}
