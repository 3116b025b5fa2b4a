//! Secrets that a command gives to a program.
//!
//! Turns a command into those that it holds: `NAME=word`, `--password word`, options of programs that are known to take a
//! secret (`mysql -pword`, `redis-cli -a word`), accounts (`curl -u user:word`), settings (`npm config set NAME word`), and what
//! is piped into a program that reads one. What a variable stands for is none.

use super::{account, named, placeholder::is_placeholder};

/// How a short option takes its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `-pword` alone: `-p word` asks, and names something else.
    Attached,
    /// `-pword` and `-p word`.
    Either,
    /// `-u user:word`, `-uuser:word`.
    Account,
}

/// Programs by the end of their paths, and their options that take a secret.
const OPTIONS: [(&[&str], &str, Takes); 9] = [
    (
        &[
            "mysql",
            "mysqldump",
            "mysqladmin",
            "mysqlimport",
            "mysqlcheck",
            "mysqlshow",
            "mariadb",
            "mariadb-dump",
            "mariadb-admin",
        ],
        "-p",
        Takes::Attached,
    ),
    (&["sshpass", "mongo", "mongosh", "mongodump", "mongorestore"], "-p", Takes::Either),
    (&["redis-cli", "valkey-cli", "keydb-cli"], "-a", Takes::Either),
    (&["sqlcmd", "bcp", "osql"], "-P", Takes::Either),
    (&["ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd"], "-w", Takes::Either),
    (&["curl"], "-u", Takes::Account),
    (&["curl"], "-U", Takes::Account),
    (&["curl", "wget"], "--user", Takes::Account),
    (&["curl"], "--proxy-user", Takes::Account),
];
/// Programs whose `login` takes a secret by `-p`.
const LOGINS: [&str; 8] =
    ["docker", "podman", "buildah", "skopeo", "nerdctl", "helm", "oras", "crane"];

/// Words behind a program that are looked at where the place of a word makes it a secret.
const OPERANDS: usize = 64;

/// Whether a command gives a secret to a program.
pub(super) fn gives_secret(text: &str) -> bool {
    !secrets(text, 1).is_empty()
}

/// The first so many secrets that a command gives to programs, as these get them.
pub(super) fn secrets(text: &str, most: usize) -> Vec<String> {
    let words = words(text);
    let assigned = words.iter().filter_map(|word| assigned(word));
    let taken = words.windows(2).filter_map(taken);
    let piped = pipelines(&words).flat_map(|steps| piped(&steps));
    let given = words.split(|word| is_end(word)).flat_map(of_program);
    assigned.chain(taken).chain(piped).chain(given).take(most).map(str::to_owned).collect()
}

/// The words of a command, as a shell would take them apart, as far as a search needs it.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in text.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() || matches!(c, ';' | '|' | '&' | '(' | ')') => {
                words.push(std::mem::take(&mut word));
                if matches!(c, '|' | ';' | '&') {
                    words.push(c.to_string());
                }
            }
            _ => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a word ends a command.
fn is_end(word: &str) -> bool {
    matches!(word, "|" | ";" | "&")
}

fn name_of(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or_default()
}

/// The secret that a word gives to a name: `NAME=word`, `--name=word`, `//host/:name=word`.
fn assigned(word: &str) -> Option<&str> {
    let (name, value) = word.trim_start_matches('-').split_once('=')?;
    let name = name.rsplit(['/', ':']).next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let named = name.bytes().all(is_plain) && named::says_secret(name);
    (named && named::is_secret_value(value)).then_some(value)
}

/// The second of two words, where it is a secret by the first: `--password word`, `-passin pass:word`.
fn taken(pair: &[String]) -> Option<&str> {
    let [flag, value] = pair else { return None };
    if let Some(word) = value.strip_prefix("pass:").filter(|_| flag.starts_with("-pass")) {
        return (!is_placeholder(word)).then_some(word);
    }
    let named = flag.strip_prefix("--").is_some_and(named::says_secret);
    (named && !value.starts_with('-') && named::is_secret_value(value)).then_some(value)
}

/// Commands that are joined by pipes, each with its words.
fn pipelines(words: &[String]) -> impl Iterator<Item = Vec<&[String]>> {
    let apart = words.split(|word| matches!(word.as_str(), ";" | "&"));
    // Of `||` nothing is between both.
    apart.map(|line| line.split(|word| word == "|").filter(|step| !step.is_empty()).collect())
}

/// The secrets that are written into programs that read one: `echo root:word | chpasswd`, `… | passwd --stdin`.
fn piped<'w>(steps: &[&'w [String]]) -> Vec<&'w str> {
    let calls = |step: &&[String], name: &str| step.iter().any(|word| name_of(word) == name);
    let written = |step: &'w [String]| {
        let at = step.iter().position(|word| matches!(name_of(word), "echo" | "printf"));
        let behind = at.and_then(|at| step.get(at + 1..)).unwrap_or_default();
        behind.iter().map(String::as_str).filter(|word| !word.starts_with('-'))
    };
    let mut found = Vec::new();
    for pair in steps.windows(2) {
        let [from, to] = pair else { continue };
        let stdin = to.iter().any(|word| word == "--password-stdin")
            || calls(to, "passwd") && to.iter().any(|word| word == "--stdin");
        if calls(to, "chpasswd") {
            found.extend(written(from).filter_map(account::password));
        }
        if stdin {
            found.extend(written(from).filter(|word| !is_placeholder(word)));
        }
    }
    // `chpasswd <<< user:word`.
    for step in steps.iter().filter(|step| calls(step, "chpasswd")) {
        let at = step.iter().position(|word| word == "<<<");
        let given = at.and_then(|at| step.get(at + 1));
        found.extend(given.and_then(|word| account::password(word)));
    }
    found
}

/// What options of known programs take. A text may be the name of a program many thousand times: behind the first stands all
/// that is behind the others, so that each option is looked for once.
fn of_program(words: &[String]) -> impl Iterator<Item = &str> {
    let options = OPTIONS.iter();
    options
        .flat_map(move |(names, flag, takes)| option(behind(words, names), flag, *takes))
        .chain(login(words))
        .chain(operands(words))
}

/// The words behind the first that calls one of these programs.
fn behind<'w>(words: &'w [String], names: &[&str]) -> &'w [String] {
    let at = words.iter().position(|word| names.contains(&name_of(word)));
    at.and_then(|at| words.get(at + 1..)).unwrap_or_default()
}

/// What programs take by its place. Behind each call the places are others, so few words are looked at.
fn operands(words: &[String]) -> impl Iterator<Item = &str> {
    words.iter().enumerate().filter_map(|(at, word)| {
        let rest = words.get(at + 1..).unwrap_or_default();
        let rest = rest.get(..OPERANDS).unwrap_or(rest);
        match name_of(word) {
            "htpasswd" => batch(rest),
            "config" | "configure" => setting(rest),
            _ => None,
        }
    })
}

/// What is written behind an option, in one word with it.
fn attached<'w>(word: &'w str, flag: &str) -> Option<&'w str> {
    let value = word.strip_prefix(flag)?;
    Some(value.strip_prefix('=').unwrap_or(value)).filter(|value| !value.is_empty())
}

fn option<'w>(
    words: &'w [String],
    flag: &'static str,
    takes: Takes,
) -> impl Iterator<Item = &'w str> {
    let secret = move |value: &'w str| match takes {
        Takes::Account => account::password(value),
        Takes::Attached | Takes::Either => (!is_placeholder(value)).then_some(value),
    };
    let long = flag.starts_with("--");
    let joined = words
        .iter()
        .filter(move |word| !long || word.contains('='))
        .filter_map(move |word| attached(word, flag).and_then(secret));
    let pairs: &[String] = if takes == Takes::Attached { &[] } else { words };
    let apart = pairs.windows(2).filter_map(move |pair| match pair {
        [name, value] if name == flag && !value.starts_with('-') => secret(value),
        _ => None,
    });
    joined.chain(apart)
}

/// `docker login -u user -p word`.
fn login(words: &[String]) -> impl Iterator<Item = &str> {
    let login = words.iter().enumerate().position(|(at, word)| {
        LOGINS.contains(&name_of(word))
            && words.iter().skip(at + 1).take(3).any(|word| word == "login")
    });
    let rest = login.and_then(|at| words.get(at + 1..)).unwrap_or_default();
    option(rest, "-p", Takes::Either)
}

/// `htpasswd -bc FILE user word`.
fn batch(words: &[String]) -> Option<&str> {
    let batch = words
        .iter()
        .any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('b'));
    let mut operands = words.iter().filter(|word| !word.starts_with('-'));
    operands.nth(2).map(String::as_str).filter(|word| batch && !is_placeholder(word))
}

/// `config set NAME word`, `config http-basic.NAME user word`.
fn setting(words: &[String]) -> Option<&str> {
    let mut words = words.iter().filter(|word| !word.starts_with("--")).peekable();
    if words.peek().is_some_and(|word| *word == "set") {
        words.next();
    }
    let name = words.next()?;
    let value = if name.starts_with("http-basic.") { words.nth(1) } else { words.next() };
    let last = name.rsplit(['/', ':']).next().unwrap_or_default();
    let named = name.starts_with("http-basic.") || named::says_secret(last);
    value.map(String::as_str).filter(|value| named && named::is_secret_value(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a look at all other words for each of them, this test does not end within an hour.
    #[test]
    fn c56_a_text_of_names_of_programs_is_read_once() {
        for word in ["curl ", "docker ", "docker login ", "htpasswd -x ", "config ", "config --x "]
        {
            let many = word.repeat((1 << 20) / word.len());
            assert!(!gives_secret(&many), "{word}");
        }
        let many = "curl docker ".repeat(1 << 16);
        assert!(gives_secret(&format!("{many} -u admin:s9df8sdf https://repo.corp")));
        assert!(gives_secret(&format!("{many} login -u bot -p s9df8sdf")));
        assert!(gives_secret(&format!("{many} config set auth-token s9df8sdf")));
    }
}
