//! Secrets that a command gives to a program.
//!
//! Turns a command into whether it holds one: `NAME=word`, `--password word`, options of programs that are known to take a
//! secret (`mysql -pword`, `redis-cli -a word`), accounts (`curl -u user:word`), settings (`npm config set NAME word`), and what
//! is piped into a program that reads one. What a variable stands for is none.

use super::{named, placeholder::is_placeholder};

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
    let words = words(text);
    words.iter().any(|word| assigns(word))
        || words.windows(2).any(takes)
        || pipelines(&words).any(|steps| pipes(&steps))
        || words.split(|word| is_end(word)).any(of_program)
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

/// Whether a word gives a secret to a name: `NAME=word`, `--name=word`, `//host/:name=word`.
fn assigns(word: &str) -> bool {
    let Some((name, value)) = word.trim_start_matches('-').split_once('=') else { return false };
    let name = name.rsplit(['/', ':']).next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.bytes().all(is_plain) && named::says_secret(name) && named::is_secret_value(value)
}

/// Whether the second of two words is a secret by the first: `--password word`, `-passin pass:word`.
fn takes(pair: &[String]) -> bool {
    let [flag, value] = pair else { return false };
    if let Some(word) = value.strip_prefix("pass:").filter(|_| flag.starts_with("-pass")) {
        return !is_placeholder(word);
    }
    let named = flag.strip_prefix("--").is_some_and(named::says_secret);
    named && !value.starts_with('-') && named::is_secret_value(value)
}

/// `user:word`.
fn is_account(word: &str) -> bool {
    word.split_once(':').is_some_and(|(user, password)| {
        !user.is_empty()
            && !user.contains('/')
            && !password.starts_with("//")
            && !is_placeholder(password)
    })
}

/// Commands that are joined by pipes, each with its words.
fn pipelines(words: &[String]) -> impl Iterator<Item = Vec<&[String]>> {
    let apart = words.split(|word| matches!(word.as_str(), ";" | "&"));
    // Of `||` nothing is between both.
    apart.map(|line| line.split(|word| word == "|").filter(|step| !step.is_empty()).collect())
}

/// Whether a secret is written into a program that reads one: `echo root:word | chpasswd`, `… | passwd --stdin`.
fn pipes(steps: &[&[String]]) -> bool {
    let calls = |step: &&[String], name: &str| step.iter().any(|word| name_of(word) == name);
    let written = |step: &[String]| -> Vec<String> {
        let at = step.iter().position(|word| matches!(name_of(word), "echo" | "printf"));
        let behind = at.and_then(|at| step.get(at + 1..)).unwrap_or_default();
        behind.iter().filter(|word| !word.starts_with('-')).cloned().collect()
    };
    let piped = steps.windows(2).any(|pair| {
        let [from, to] = pair else { return false };
        let stdin = to.iter().any(|word| word == "--password-stdin")
            || calls(to, "passwd") && to.iter().any(|word| word == "--stdin");
        let written = written(from);
        calls(to, "chpasswd") && written.iter().any(|word| is_account(word))
            || stdin && written.iter().any(|word| !is_placeholder(word))
    });
    // `chpasswd <<< user:word`.
    let here = steps.iter().any(|step| {
        let at = step.iter().position(|word| word == "<<<");
        let given = at.and_then(|at| step.get(at + 1));
        calls(step, "chpasswd") && given.is_some_and(|word| is_account(word))
    });
    piped || here
}

/// Whether an option of a known program takes a secret. A text may be the name of a program many thousand times: behind the
/// first stands all that is behind the others, so that each option is looked for once.
fn of_program(words: &[String]) -> bool {
    let mut options = OPTIONS.iter();
    options.any(|(names, flag, takes)| option(behind(words, names), flag, *takes))
        || is_login(words)
        || has_operand(words)
}

/// The words behind the first that calls one of these programs.
fn behind<'w>(words: &'w [String], names: &[&str]) -> &'w [String] {
    let at = words.iter().position(|word| names.contains(&name_of(word)));
    at.and_then(|at| words.get(at + 1..)).unwrap_or_default()
}

/// Whether a program takes a secret by its place. Behind each call the places are others, so few words are looked at.
fn has_operand(words: &[String]) -> bool {
    words.iter().enumerate().any(|(at, word)| {
        let rest = words.get(at + 1..).unwrap_or_default();
        let rest = rest.get(..OPERANDS).unwrap_or(rest);
        match name_of(word) {
            "htpasswd" => is_batch(rest),
            "config" | "configure" => is_setting(rest),
            _ => false,
        }
    })
}

/// What is written behind an option, in one word with it.
fn attached<'w>(word: &'w str, flag: &str) -> Option<&'w str> {
    let value = word.strip_prefix(flag)?;
    Some(value.strip_prefix('=').unwrap_or(value)).filter(|value| !value.is_empty())
}

fn option(words: &[String], flag: &str, takes: Takes) -> bool {
    let is_secret = |value: &str| match takes {
        Takes::Account => is_account(value),
        Takes::Attached | Takes::Either => !is_placeholder(value),
    };
    let long = flag.starts_with("--");
    let joined = words
        .iter()
        .filter(|word| !long || word.contains('='))
        .any(|word| attached(word, flag).is_some_and(is_secret));
    let apart = takes != Takes::Attached
        && words.windows(2).any(|pair| match pair {
            [name, value] => name == flag && !value.starts_with('-') && is_secret(value),
            _ => false,
        });
    joined || apart
}

/// `docker login -u user -p word`.
fn is_login(words: &[String]) -> bool {
    let login = words.iter().enumerate().position(|(at, word)| {
        LOGINS.contains(&name_of(word))
            && words.iter().skip(at + 1).take(3).any(|word| word == "login")
    });
    let rest = login.and_then(|at| words.get(at + 1..)).unwrap_or_default();
    option(rest, "-p", Takes::Either)
}

/// `htpasswd -bc FILE user word`.
fn is_batch(words: &[String]) -> bool {
    let batch = words
        .iter()
        .any(|word| word.starts_with('-') && !word.starts_with("--") && word.contains('b'));
    let mut operands = words.iter().filter(|word| !word.starts_with('-'));
    batch && operands.nth(2).is_some_and(|word| !is_placeholder(word))
}

/// `config set NAME word`, `config http-basic.NAME user word`.
fn is_setting(words: &[String]) -> bool {
    let mut words = words.iter().filter(|word| !word.starts_with("--")).peekable();
    if words.peek().is_some_and(|word| *word == "set") {
        words.next();
    }
    let Some(name) = words.next() else { return false };
    let value = if name.starts_with("http-basic.") { words.nth(1) } else { words.next() };
    let last = name.rsplit(['/', ':']).next().unwrap_or_default();
    let named = name.starts_with("http-basic.") || named::says_secret(last);
    named && value.is_some_and(|value| named::is_secret_value(value))
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
