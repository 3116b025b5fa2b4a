//! Files that hold credentials and little else: their fields say what is one.
//!
//! Turns `.netrc`, `.npmrc`, `.docker/config.json` and their like into the lines at which a password or token stands. Values that
//! refer to something else, and those that stand for a secret, are none.

use base64::Engine as _;
use serde_json::Value;

use super::{
    named::{has_password, is_secret_value, says_secret, unquoted},
    pem::LENIENT,
    placeholder::is_placeholder,
};

/// Bytes of the largest that is read.
pub(super) const FILE_BYTES: u64 = 256 << 10;
/// Memory that reading one takes, in times of its size.
pub(super) const COPIES: u64 = 24;

/// Reads a file: the lines at which credentials stand, from 1; 0 where lines mean nothing.
pub(super) type Reader = fn(&str) -> Vec<u64>;

/// Who reads the file at a path, if it is of a kind that holds credentials.
pub(super) fn reader(path: &str) -> Option<Reader> {
    let (folder, name) = path.rsplit_once('/')?;
    let parent = folder.rsplit('/').next().unwrap_or_default();
    let low = name.to_ascii_lowercase();
    Some(match (parent, low.as_str()) {
        (".docker" | "docker", "config.json") | (_, ".dockercfg" | ".dockerconfigjson") => docker,
        ("containers" | "0", "auth.json") => docker,
        (".composer" | "composer", "auth.json") => fields,
        (_, ".netrc" | "_netrc") => netrc,
        (
            _,
            ".npmrc" | ".yarnrc" | ".yarnrc.yml" | ".pypirc" | "pip.conf" | "pip.ini" | ".my.cnf",
        ) => fields,
        (_, ".git-credentials") => urls,
        (_, ".pgpass" | "pgpass.conf") => pgpass,
        (".cargo" | "cargo", "credentials" | "credentials.toml") => fields,
        (".gem", "credentials") | (".aws", "credentials") => fields,
        (".kube", "config")
        | ("kubernetes", "admin.conf" | "kubelet.conf" | "controller-manager.conf") => fields,
        (".gradle", "gradle.properties") => fields,
        (_, "kubeconfig" | "kubeconfig.yaml") => fields,
        (_, ".vault-token") => whole,
        (".m2", "settings.xml") | (_, "nuget.config") => markup,
        (_, name) if name.ends_with(".tfstate") || name.ends_with(".tfstate.backup") => fields,
        (_, name) if is_environment(name) => fields,
        _ => return None,
    })
}

/// `.env`, `.env.production`; what ends as a template does is none.
fn is_environment(name: &str) -> bool {
    let template = ["example", "sample", "template", "dist", "defaults", "test"];
    let kind = name.strip_prefix(".env");
    kind.is_some_and(|kind| {
        kind.is_empty() || kind.starts_with('.') && !template.iter().any(|end| kind.ends_with(end))
    })
}

fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()))
}

/// Lines that are wrong by a test.
fn which(text: &str, is: impl Fn(&str) -> bool) -> Vec<u64> {
    let found = lines(text).filter(|(_, line)| !line.starts_with(['#', ';']) && is(line));
    found.map(|(number, _)| number).collect()
}

/// `name = value`, `name: value`, `"name": "value",`, `export NAME=value`.
fn fields(text: &str) -> Vec<u64> {
    which(text, |line| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        // The registry of an npm token has a colon in it.
        let at = match line.strip_prefix("//") {
            Some(_) => line.find('='),
            None => line
                .trim_start_matches([':', '-', ' '])
                .find(['=', ':'])
                .map(|at| at + line.len() - line.trim_start_matches([':', '-', ' ']).len()),
        };
        let Some((name, value)) = at.and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?)))
        else {
            return has_password(line);
        };
        let value = unquoted(value.trim().trim_end_matches(','));
        let value = value.split(" #").next().unwrap_or_default().trim();
        let name = name.trim_matches(['"', '\'', ' ', '-', ':']);
        let auth = name.ends_with("_auth") || name == "_auth";
        (says_secret(name) || auth) && is_secret_value(value) || has_password(line)
    })
}

fn urls(text: &str) -> Vec<u64> {
    which(text, has_password)
}

/// One word that is the token.
fn whole(text: &str) -> Vec<u64> {
    let word = text.trim();
    let one = word.len() >= 16 && !word.contains(char::is_whitespace) && !is_placeholder(word);
    if one { vec![1] } else { Vec::new() }
}

/// `machine HOST login USER password WORD`, over one or more lines.
fn netrc(text: &str) -> Vec<u64> {
    let words = lines(text).filter(|(_, line)| !line.starts_with('#'));
    let words =
        words.flat_map(|(number, line)| line.split_whitespace().map(move |word| (number, word)));
    let words: Vec<_> = words.collect();
    let pairs = words.windows(2).filter_map(|pair| match pair {
        [(_, "password"), (number, value)] if !is_placeholder(value) => Some(*number),
        _ => None,
    });
    pairs.collect()
}

/// `host:port:database:user:password`.
fn pgpass(text: &str) -> Vec<u64> {
    which(text, |line| {
        let mut fields = line.splitn(5, ':');
        fields.nth(4).is_some_and(|password| !is_placeholder(password))
    })
}

/// `<password>word</password>`, `<add key="ClearTextPassword" value="word" />`.
fn markup(text: &str) -> Vec<u64> {
    which(text, |line| {
        let low = line.to_ascii_lowercase();
        let between = |open: &str, close: &str| {
            let from = low.find(open)? + open.len();
            let rest = line.get(from..)?;
            rest.get(..rest.find(close)?)
        };
        let element = between("<password>", "<").or_else(|| between("<passphrase>", "<"));
        let clear = low.contains("cleartextpassword").then(|| between("value=\"", "\"")).flatten();
        element.or(clear).is_some_and(|value| !is_placeholder(value))
    })
}

/// Accounts of registries.
fn docker(text: &str) -> Vec<u64> {
    let Ok(json) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let accounts = json.get("auths").unwrap_or(&json);
    let accounts = accounts.as_object().into_iter().flat_map(|accounts| accounts.values());
    let word = |account: &Value, name: &str| {
        let value = account.get(name).and_then(Value::as_str)?;
        (!is_placeholder(value)).then_some(())
    };
    let secret = |account: &Value| {
        let auth = account.get("auth").and_then(Value::as_str).unwrap_or_default();
        let decoded = LENIENT.decode(auth).unwrap_or_default();
        let decoded = String::from_utf8_lossy(&decoded);
        let password = decoded.split_once(':').map_or("", |(_, password)| password);
        let direct = ["password", "identitytoken", "registrytoken"];
        !is_placeholder(password) || direct.iter().any(|name| word(account, name).is_some())
    };
    accounts.filter(|account| secret(account)).map(|_| 0).take(1).collect()
}
