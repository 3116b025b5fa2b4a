//! Credentials from the files that `docker login` and `podman login` write.
//!
//! Turns the files that the operator has, in their order, into the [`Credentials`] for one repository, read as Docker,
//! Kubernetes and podman read them: the scheme of a key, a slash at its end and the paths `/v1` and `/v2` mean nothing; a further
//! path is a prefix of repositories, in whole segments, and the longest one wins; base64 may have line ends; an entry without
//! content is none. Hosts are canonical on both sides. What is chosen and cannot be read is an error: it is not absent.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;

use super::auth::{AuthError, Credentials, Secret};
use crate::{
    json,
    reference::{Repository, canonical_host},
};

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The name under which Docker's helpers keep the credentials of Docker Hub.
const HUB: [&str; 2] = ["https://index.docker.io/v1/", "index.docker.io"];
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
    #[serde(default)]
    cred_helpers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// The credentials for a repository in the first of these files that has some, `None` where none has. Runs a credential
/// helper where one is configured, so it blocks.
///
/// # Errors
/// [`AuthError`] when a file or a helper's answer cannot be read: unreadable is not the same as absent.
pub fn lookup(
    files: &[impl AsRef<Path>],
    repository: &Repository,
) -> Result<Option<Credentials>, AuthError> {
    for file in files {
        if let Some(found) = in_file(file.as_ref(), repository)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn in_file(config: &Path, repository: &Repository) -> Result<Option<Credentials>, AuthError> {
    let file = if config.is_dir() { config.join("config.json") } else { config.to_path_buf() };
    let Some(bytes) = read(&file)? else { return Ok(None) };
    let host = &repository.registry;
    let unreadable = |why: String| AuthError::Retrieval { host: host.clone(), why };
    // The parser's message may quote the file, which holds passwords.
    let wire: Wire = json::from_slice(&bytes, bytes.len()).map_err(|_| {
        unreadable(format!(
            "{} is not what docker login writes; mend it, or move it away and log in again",
            file.display()
        ))
    })?;
    let is_host = |key: &str| canonical_host(key).is_ok_and(|key| key == *host);
    let helpers = wire.cred_helpers.unwrap_or_default();
    let helper = helpers.iter().find(|(key, name)| is_host(key) && !name.is_empty());
    if let Some((key, name)) = helper {
        return by_helper(name, &[key], host);
    }
    let entries = wire.auths.unwrap_or_default().into_iter();
    // Programs in Go read null as an entry without content.
    let entries = entries.filter_map(|(key, entry)| Some((key, entry?))).collect();
    if let Some((key, entry)) = chosen(&entries, repository) {
        return entry.credentials().map(Some).ok_or_else(|| {
            unreadable(format!(
                "the entry {key:?} in {} is no base64 of USER:PASSWORD",
                file.display()
            ))
        });
    }
    match wire.creds_store.filter(|name| !name.is_empty()) {
        Some(name) if host == "docker.io" => by_helper(&name, &HUB, host),
        Some(name) => by_helper(&name, &[host], host),
        None => Ok(None),
    }
}

/// A file's content; `None` where there is none.
fn read(file: &Path) -> Result<Option<Vec<u8>>, AuthError> {
    let failed = |error| AuthError::Config { path: file.display().to_string(), error };
    let open = match File::open(file) {
        Ok(open) => open,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let why = format!("it has more than {MAX_FILE_BYTES} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, why)));
    }
    Ok(Some(bytes))
}

/// The entry with content whose key has the longest path that holds the repository; of several such, the first as sorted.
fn chosen<'a>(
    entries: &'a BTreeMap<String, Entry>,
    repository: &Repository,
) -> Option<(&'a str, &'a Entry)> {
    let holds = |path: &str| {
        let rest = repository.path.strip_prefix(path);
        path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut best: Option<(usize, &str, &Entry)> = None;
    for (key, entry) in entries.iter().filter(|(_, entry)| entry.has_content()) {
        let Some((host, path)) = parts(key) else { continue };
        let longer = best.is_none_or(|(bytes, ..)| path.len() > bytes);
        if host == repository.registry && holds(path) && longer {
            best = Some((path.len(), key, entry));
        }
    }
    best.map(|(_, key, entry)| (key, entry))
}

/// Canonical host and path of a key.
fn parts(key: &str) -> Option<(String, &str)> {
    let bare = key.strip_prefix("https://").or(key.strip_prefix("http://")).unwrap_or(key);
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    let path = path.trim_matches('/');
    let versioned = ["v1", "v2"].iter().find_map(|version| path.strip_prefix(version));
    let path = match versioned {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => path,
    };
    Some((canonical_host(host).ok()?, path))
}

impl Entry {
    /// Docker writes entries without content where a helper has the credentials.
    fn has_content(&self) -> bool {
        let there = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let nobody = self.auth.as_deref().and_then(pair) == Some((String::new(), String::new()));
        there(&self.identitytoken) || there(&self.auth) && !nobody || there(&self.username)
    }

    fn credentials(&self) -> Option<Credentials> {
        if let Some(token) = self.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Some(Credentials::IdentityToken(Secret::new(token.clone())));
        }
        let (user, password) = match self.auth.as_deref().filter(|auth| !auth.is_empty()) {
            Some(auth) => pair(auth)?,
            None => (self.username.clone()?, self.password.clone().unwrap_or_default()),
        };
        Some(Credentials::Password { user, password: Secret::new(password) })
    }
}

/// User and password in base64, which programs for the console wrap.
fn pair(auth: &str) -> Option<(String, String)> {
    let text: String = auth.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let decoded = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    // Docker pads passwords with zeros in old files, and takes them off.
    Some((user.to_owned(), password.trim_matches('\0').to_owned()))
}

fn by_helper(name: &str, servers: &[&str], host: &str) -> Result<Option<Credentials>, AuthError> {
    for server in servers {
        let config = serde_json::json!({ "credHelpers": { *server: name } }).to_string();
        match docker_credential::get_credential_from_reader(config.as_bytes(), server) {
            Ok(credential) => return Ok(Some(credential.into())),
            Err(error) => match retrieval_failure(&error) {
                None => {}
                Some(why) => {
                    // What is missing is a program of this name.
                    let why = match why.contains(name) {
                        true => why,
                        false => format!("docker-credential-{name}: {why}"),
                    };
                    return Err(AuthError::Retrieval { host: host.to_owned(), why });
                }
            },
        }
    }
    Ok(None)
}

/// What went wrong, in words without secrets; `None` where the helper says that it has no credentials.
fn retrieval_failure(error: &CredentialRetrievalError) -> Option<String> {
    match error {
        CredentialRetrievalError::HelperFailure { helper, stdout, stderr } => {
            let absent = ["credentials not found", "no credentials"];
            if absent.iter().any(|text| stdout.contains(text) || stderr.contains(text)) {
                return None;
            }
            // Helpers print credentials on success only, but nothing obliges a failing one to print none.
            Some(format!("credential helper {helper} failed; run it by hand to see why"))
        }
        other => Some(other.to_string()),
    }
}

impl From<DockerCredential> for Credentials {
    fn from(credential: DockerCredential) -> Self {
        match credential {
            DockerCredential::IdentityToken(token) => Self::IdentityToken(Secret::new(token)),
            DockerCredential::UsernamePassword(user, password) => {
                Self::Password { user, password: Secret::new(password) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::{Value, json};

    use super::*;

    /// The user for a repository under these entries; `Err` where they cannot be used.
    fn user(auths: &Value, repository: &str) -> Result<Option<String>, AuthError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.json");
        std::fs::write(&file, json!({ "auths": auths }).to_string()).unwrap();
        let found = lookup(&[folder.path()], &repository.parse().unwrap())?;
        Ok(found.map(|credentials| match credentials {
            Credentials::Password { user, password } => format!("{user}/{}", password.expose()),
            Credentials::IdentityToken(token) => format!("token/{}", token.expose()),
        }))
    }

    fn pair_of(user: &str) -> String {
        STANDARD.encode(format!("{user}:pass:word"))
    }

    #[test]
    fn an_entry_is_found_as_other_tools_find_it() {
        let auth = pair_of("me");
        let one = |key: &str| json!({ key: { "auth": auth } });
        let (yes, no) = (Some("me/pass:word".to_owned()), None);
        for (key, repository, want) in [
            ("r.example", "r.example/team/app", &yes),
            ("https://r.example", "r.example/team/app", &yes),
            ("http://r.example/", "r.example/team/app", &yes),
            ("r.example/", "r.example/team/app", &yes),
            ("r.example/v1/", "r.example/team/app", &yes),
            ("r.example/v2", "r.example/team/app", &yes),
            ("https://r.example/v2/team", "r.example/team/app", &yes),
            ("r.example/v2x", "r.example/team/app", &no),
            ("r.example/team", "r.example/team/app", &yes),
            ("r.example/team/", "r.example/team/app", &yes),
            ("r.example/team/app", "r.example/team/app", &yes),
            ("r.example/te", "r.example/team/app", &no),
            ("r.example/team/app/x", "r.example/team/app", &no),
            ("R.Example:443", "r.example/app", &yes),
            ("r.example:5000", "r.example/app", &no),
            ("https://index.docker.io/v1/", "nginx", &yes),
            ("index.docker.io", "nginx", &yes),
            ("docker.io", "team/app", &yes),
            ("docker.io/team", "team/app", &yes),
            ("docker.io/team", "nginx", &no),
            ("r.example.evil.example", "r.example/app", &no),
            ("evil-r.example", "r.example/app", &no),
            ("example", "r.example/app", &no),
        ] {
            assert_eq!(&user(&one(key), repository).unwrap(), want, "{key} for {repository}");
        }
    }

    #[test]
    fn the_longest_path_with_content_wins() {
        let auths = json!({
            "r.example": { "auth": pair_of("all") },
            "r.example/team": { "auth": pair_of("team") },
            "r.example/team/app": {},
            "r.example/none": { "auth": "" },
        });
        for (repository, want) in [
            ("r.example/team/app", "team/pass:word"),
            ("r.example/team/other", "team/pass:word"),
            ("r.example/teams", "all/pass:word"),
            ("r.example/none/x", "all/pass:word"),
        ] {
            assert_eq!(user(&auths, repository).unwrap().as_deref(), Some(want), "{repository}");
        }
    }

    #[test]
    fn the_forms_of_an_entry() {
        let auth = pair_of("me");
        let wrapped = format!("{}\r\n{}\n", &auth[..8], &auth[8..]);
        for (entry, want) in [
            (json!({ "auth": wrapped }), Some("me/pass:word")),
            (json!({ "auth": auth.trim_end_matches('=') }), Some("me/pass:word")),
            (json!({ "username": "me", "password": "x" }), Some("me/x")),
            (json!({ "identitytoken": "t", "auth": auth }), Some("token/t")),
            (json!({ "identitytoken": "", "auth": auth }), Some("me/pass:word")),
            (json!({}), None),
            (json!(null), None),
            (json!({ "auth": null, "username": null }), None),
            (json!({ "auth": "" }), None),
            (json!({ "auth": STANDARD.encode(":") }), None),
            (json!({ "email": "me@r.example" }), None),
        ] {
            let found = user(&json!({ "r.example": entry }), "r.example/app").unwrap();
            assert_eq!(found.as_deref(), want, "{entry}");
        }
        for bad in ["%%%", "bm9jb2xvbg=="] {
            let error = user(&json!({ "r.example": { "auth": bad } }), "r.example/app");
            assert!(error.unwrap_err().to_string().contains("r.example"), "{bad}");
            assert_eq!(
                user(&json!({ "x.example": { "auth": bad } }), "r.example/app").unwrap(),
                None
            );
        }
    }

    #[test]
    fn the_first_file_with_an_entry_counts() {
        let folder = tempfile::tempdir().unwrap();
        let repository: Repository = "r.example/app".parse().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, auths: Value| {
            std::fs::write(path(name), json!({ "auths": auths }).to_string()).unwrap();
        };
        write("a.json", json!({ "other.example": { "auth": pair_of("other") } }));
        write("b.json", json!({ "r.example": { "auth": pair_of("b") } }));
        write("c.json", json!({ "r.example": { "auth": pair_of("c") } }));
        let files = ["none.json", "a.json", "b.json", "c.json"].map(path);
        let Some(Credentials::Password { user, .. }) = lookup(&files, &repository).unwrap() else {
            panic!("no password")
        };
        assert_eq!(user, "b");
        std::fs::write(path("a.json"), "{").unwrap();
        assert!(lookup(&files, &repository).is_err(), "unreadable is not absent");
    }

    #[test]
    fn a_missing_helper_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{"credHelpers":{"r.example":"hallmark-test-that-is-nowhere"}}"#;
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let find = |name: &str| lookup(&[folder.path()], &name.parse().unwrap());
        let error = find("r.example/app").unwrap_err().to_string();
        assert!(error.contains("docker-credential-hallmark-test-that-is-nowhere"), "{error}");
        assert_eq!(find("other.example/app").unwrap(), None);
    }

    #[test]
    fn a_helpers_failure_tells_no_secret() {
        let failure = CredentialRetrievalError::HelperFailure {
            helper: "helper".to_owned(),
            stdout: "hunter2".to_owned(),
            stderr: "hunter2".to_owned(),
        };
        assert!(!format!("{:?}", retrieval_failure(&failure)).contains("hunter2"));
    }
}
