//! Secrets in the image's configuration and history, which everybody reads who can pull the image.
//!
//! Variables and labels are judged by their names and by the forms of their values; commands and history by assignments
//! (`ARG`, `ENV`, `export`, the build arguments that builders write in front), flags that take a secret, URLs with passwords, and
//! what is piped into `chpasswd`.

use super::{Kind, Secret, Source, named, placeholder::is_placeholder, scan::Scan};
use crate::image::config::ImageConfig;

/// Bytes of one text that are looked at.
const TEXT_BYTES: usize = 1 << 20;

/// The secrets in a configuration.
pub fn in_config(config: &ImageConfig) -> Vec<Secret> {
    let mut found = Vec::new();
    let mut say = |part, index, name: Option<&str>, kinds: Vec<(Kind, bool)>| {
        for (kind, encrypted) in kinds {
            let source = Source::Config { part, index, name: name.map(str::to_owned) };
            found.push(Secret { source, kind, encrypted });
        }
    };
    let runtime = &config.runtime;
    for (index, entry) in runtime.env.iter().enumerate() {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        say("env", index, Some(name), in_value(name, value));
    }
    for (index, (name, value)) in runtime.labels.iter().enumerate() {
        say("labels", index, Some(name), in_value(name, value));
    }
    let commands = [
        ("entrypoint", &runtime.entrypoint),
        ("cmd", &runtime.cmd),
        ("healthcheck", &runtime.healthcheck),
    ];
    for (part, words) in commands {
        let text = words.join(" ");
        if !text.is_empty() {
            say(part, 0, None, in_command(&text));
        }
    }
    for (index, step) in config.history.iter().enumerate() {
        say("history", index, None, in_command(&step.created_by));
        say("history", index, None, in_command(&step.comment));
    }
    found.sort();
    found.dedup();
    found
}

/// Whether a variable or label holds a secret.
fn in_value(name: &str, value: &str) -> Vec<(Kind, bool)> {
    let mut found = in_text(value);
    // A pair is known by what stands side by side in one text.
    let named = named::says_secret(name) && named::is_secret_value(value);
    if found.is_empty() && (named || named::has_password(value)) {
        found.push((Kind::Named, false));
    }
    found
}

/// What stands in the place of a secret where the configuration is shown.
const SHOWN: &str = "[secret]";

/// A variable as it may be shown: `NAME=value`, without a secret.
pub fn shown_variable(entry: &str) -> String {
    match entry.split_once('=') {
        Some((name, value)) => format!("{name}={}", shown_value(name, value)),
        None => entry.to_owned(),
    }
}

/// A variable's or label's value as it may be shown.
pub fn shown_value(name: &str, value: &str) -> String {
    if in_value(name, value).is_empty() { value.to_owned() } else { SHOWN.to_owned() }
}

/// The words of a command as they may be shown.
pub fn shown_command(words: &[String]) -> Vec<String> {
    if in_command(&words.join(" ")).is_empty() {
        return words.to_vec();
    }
    let alone = |word: &String| !in_command(word).is_empty();
    let any = words.iter().any(alone);
    // Where no word is a secret by itself, several are together.
    let hides = |at: usize, word: &String| if any { alone(word) } else { at > 0 };
    let shown = words.iter().enumerate();
    shown.map(|(at, word)| if hides(at, word) { SHOWN.to_owned() } else { word.clone() }).collect()
}

/// Secrets by their forms.
fn in_text(text: &str) -> Vec<(Kind, bool)> {
    let bytes = text.as_bytes();
    let mut scan = Scan::new(&[]);
    scan.take(bytes.get(..TEXT_BYTES).unwrap_or(bytes));
    let (hits, _) = scan.finish();
    hits.into_iter().map(|hit| (hit.kind, hit.encrypted)).collect()
}

/// Secrets in a command.
fn in_command(text: &str) -> Vec<(Kind, bool)> {
    let mut found = in_text(text);
    let text = text.get(..text.floor_char_boundary(TEXT_BYTES)).unwrap_or_default();
    if found.is_empty() && (named::has_password(text) || assigns(text) || passes(text)) {
        found.push((Kind::Named, false));
    }
    found
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

/// Whether a word gives a secret to a name: `NAME=value`, `--name=value`.
fn assigns(text: &str) -> bool {
    let words = words(text);
    let assigned = |word: &String| {
        let word = word.trim_start_matches('-');
        let Some((name, value)) = word.split_once('=') else { return false };
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        plain && named::says_secret(name) && named::is_secret_value(value)
    };
    words.iter().any(assigned)
}

/// Whether a flag takes a secret: `--password value`, `-u user:value` of curl, `echo user:value | chpasswd`.
fn passes(text: &str) -> bool {
    let words = words(text);
    let fetches = words.iter().any(|word| matches!(word.rsplit('/').next(), Some("curl" | "wget")));
    let changes = words.iter().any(|word| matches!(word.rsplit('/').next(), Some("chpasswd")));
    let account = |word: &str| {
        let part = word.split_once(':');
        part.is_some_and(|(user, password)| {
            !user.is_empty()
                && !user.contains('/')
                && !password.starts_with("//")
                && !is_placeholder(password)
        })
    };
    words.windows(2).any(|pair| {
        let [flag, value] = pair else { return false };
        match flag.strip_prefix("--") {
            Some("user") => fetches && account(value),
            Some(name) => {
                named::says_secret(name) && named::is_secret_value(value) && !value.starts_with('-')
            }
            None if flag == "-u" => fetches && account(value),
            None => changes && matches!(flag.as_str(), "echo" | "printf") && account(value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(found: Vec<(Kind, bool)>) -> String {
        let words: Vec<_> = found.into_iter().map(|(kind, _)| kind.word()).collect();
        words.join(" ")
    }

    #[test]
    fn variables_are_judged_by_name_and_form() {
        let secret = [
            ("DB_PASSWORD", "s9df8sdf"),
            ("PGPASSWORD", "s9df8sdf"),
            ("SSHPASS", "s9df8sdf"),
            ("DBPASS", "s9df8sdf"),
            ("REDISCLI_AUTH", "s9df8sdf"),
            ("DATABASE_URL", "postgres://app:s9df8sdf@db/app"),
            ("API_KEY", "q8Jz0f"),
        ];
        for (name, value) in secret {
            assert_eq!(said(in_value(name, value)), "named-secret", "{name}");
        }
        let none = [
            ("PATH", "/usr/bin"),
            ("GPG_KEY", "A035C8C19219BA821ECEA86B64E628F8D684696D"),
            ("DB_PASSWORD", ""),
            ("DB_PASSWORD", "changeme"),
            ("DB_PASSWORD_FILE", "/run/secrets/db"),
            ("TOKEN", "${TOKEN}"),
            ("DATABASE_URL", "postgres://app@db/app"),
            ("PYTHON_SHA256", "9fjw83kf02bq7z1pLm4c"),
            ("LANG", "C.UTF-8"),
        ];
        for (name, value) in none {
            assert_eq!(said(in_value(name, value)), "", "{name}={value}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        assert_eq!(shown_variable("DB_PASSWORD=s9df8sdf"), "DB_PASSWORD=[secret]");
        assert_eq!(shown_variable("PATH=/bin"), "PATH=/bin");
        assert_eq!(shown_variable("odd"), "odd");
        let shown = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            shown_command(&words).join(" ")
        };
        assert_eq!(shown(&["/app", "--token=s9df8sdf", "-v"]), "/app [secret] -v");
        assert_eq!(shown(&["/app", "--token", "s9df8sdf"]), "/app [secret] [secret]");
        assert_eq!(shown(&["/bin/sh", "-c", "TOKEN=s9df8sdf /app"]), "/bin/sh -c [secret]");
        assert_eq!(shown(&["/app", "-v"]), "/app -v");
    }

    #[test]
    fn commands_are_judged_by_what_they_give_to_whom() {
        for text in [
            "ARG NPM_TOKEN=s9df8sdf",
            "ENV DB_PASSWORD=s9df8sdf",
            "|2 DB_PASSWORD=s9df8sdf VERSION=1 /bin/sh -c make",
            "RUN |1 TOKEN=s9df8sdf /bin/sh -c ./install # buildkit",
            "RUN /bin/sh -c export API_KEY='s9df8sdf' && make",
            "RUN /bin/sh -c curl -u admin:s9df8sdf https://repo.corp/x -o x # buildkit",
            "RUN /bin/sh -c git clone https://bot:s9df8sdf@git.corp/app.git",
            "/bin/sh -c echo 'root:s9df8sdf' | chpasswd",
            "RUN /bin/sh -c login --password s9df8sdf registry.corp",
            "RUN /bin/sh -c tool --api-key=s9df8sdf",
        ] {
            assert_eq!(said(in_command(text)), "named-secret", "{text}");
        }
        for text in [
            "",
            "ARG NPM_TOKEN",
            "ENV DB_PASSWORD=",
            "ENV DB_PASSWORD_FILE=/run/secrets/db",
            "RUN |1 TOKEN= /bin/sh -c ./install",
            "RUN /bin/sh -c curl -fsSL https://deb.nodesource.com/setup | bash -",
            "RUN /bin/sh -c curl -u \"$USER:$TOKEN\" https://repo.corp/x",
            "RUN --mount=type=secret,id=token /bin/sh -c TOKEN=$(cat /run/secrets/token) make",
            "RUN /bin/sh -c adduser --disabled-password --gecos '' app",
            "RUN /bin/sh -c useradd --password '' app",
            "RUN /bin/sh -c echo root:$ROOT_PW | chpasswd",
            "RUN /bin/sh -c chown -R app:app /srv && docker run -u 1000:1000 x",
            "RUN /bin/sh -c apt-get install -y pass passwd libsecret-1-0",
            "RUN /bin/sh -c gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys 94AE36675C464D64BAFA68DD7434390BDBE9B9C5",
            "CMD [\"node\" \"server.js\"]",
        ] {
            assert_eq!(said(in_command(text)), "", "{text}");
        }
    }
}
