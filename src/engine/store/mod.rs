//! Inputs of builds, kept so that they can be built again when nobody else has them any more.
//!
//! Turns a folder into a store of base images, git commits and files, each under the digest that the plan pins it to
//! ([`fetch`] fills it), and gives the store to engines without a network ([`serve`]): images as a registry on loopback that
//! is the only mirror, repositories by a rewritten address, files by a rewritten pin. What the plan pins stays what is
//! built from: the engine checks the same digests as ever, so a store can be old, shared and of any origin.

pub mod fetch;
pub mod serve;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{host, sandbox::Environment};
use crate::{
    attest::provenance::{MaterialKind, Pin},
    digest::Digest,
    environment,
    rebuild::{Plan, pins},
};

/// Inputs that are named where a store lacks them; the rest is counted.
const MISSING_NAMED: usize = 5;
/// How BuildKit names an image.
const IMAGE: &str = "docker-image://";

/// The folder of a job whose programs come before the machine's.
pub(super) const PROGRAMS: &str = "bin";

/// A folder with inputs of builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    folder: PathBuf,
    /// Where repositories are, instead of in the folder.
    lent: Option<PathBuf>,
}

impl Store {
    /// The store in this folder, which need not exist yet.
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), lent: None }
    }

    /// The same store with copies of a plan's repositories in another folder, for programs that may not read the operator's or
    /// take them for somebody else's. Nothing but plain files is copied.
    ///
    /// # Errors
    /// A repository cannot be read, or there is no room for it.
    pub fn lend(&self, plan: &Plan, to: &Path) -> io::Result<Self> {
        let lent = Self { lent: Some(to.to_owned()), ..self.clone() };
        for (url, from) in self.repositories(plan) {
            if from.exists() {
                copy(&from, &lent.repository(&url))?;
            }
        }
        Ok(lent)
    }

    /// The folder, which is an OCI layout of the images.
    pub fn layout(&self) -> &Path {
        &self.folder
    }

    /// The file of an image's manifest, configuration or layer.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().name()).join(digest.hex())
    }

    /// The bare repository of a URL.
    pub fn repository(&self, url: &str) -> PathBuf {
        let folder = self.lent.clone().unwrap_or_else(|| self.folder.join("git"));
        folder.join(Digest::sha256(url.as_bytes()).hex())
    }

    /// The file that a plan downloads.
    pub fn download(&self, digest: &Digest) -> PathBuf {
        self.folder.join("http").join(digest.algorithm().name()).join(digest.hex())
    }

    /// Whether there is something for each input of a plan. What it is, is held against the digests where it is used.
    ///
    /// # Errors
    /// Names what is not there.
    pub fn holds(&self, plan: &Plan) -> Result<(), String> {
        let bases = pins::bases(plan).into_iter().filter(|base| !self.blob(&base.digest).exists());
        let bases = bases.map(|base| format!("the base image {}", base.pinned()));
        let repositories = self.repositories(plan).into_iter().filter(|(_, at)| !at.exists());
        let repositories = repositories.map(|(url, _)| format!("the repository {url}"));
        let downloads = plan.materials.iter().filter_map(|material| match &material.pin {
            Pin::Content(digest) if matches!(material.kind, MaterialKind::Http) => {
                let missing = !self.download(digest).exists();
                missing.then(|| format!("the download {}", material.uri))
            }
            _ => None,
        });
        let missing: Vec<String> = repositories.chain(bases).chain(downloads).collect();
        let more = missing.len().saturating_sub(MISSING_NAMED);
        let named = missing.get(..MISSING_NAMED).unwrap_or(&missing).join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        match missing.is_empty() {
            true => Ok(()),
            false => Err(format!("{} does not hold {named}{more}", self.folder.display())),
        }
    }

    /// Repositories of the plan: URL, and folder in the store.
    pub fn repositories(&self, plan: &Plan) -> Vec<(String, PathBuf)> {
        let mut all: Vec<(String, PathBuf)> = fetch::repositories(plan)
            .map(|(url, _)| (url.to_owned(), self.repository(url)))
            .collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Copies the plain files of a folder, and those of the folders in it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut open = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = open.pop() {
        fs::create_dir_all(&to)?;
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (kind, place) = (entry.file_type()?, to.join(entry.file_name()));
            if kind.is_dir() {
                open.push((entry.path(), place));
            } else if kind.is_file() {
                fs::copy(entry.path(), place)?;
            }
        }
    }
    Ok(())
}

/// git's arguments that take repositories from the store.
pub fn git_arguments(repositories: &[(String, PathBuf)]) -> Vec<String> {
    let rewrite = |(url, folder): &(String, PathBuf)| {
        ["-c".to_owned(), format!("url.file://{}.insteadOf={url}", folder.display())]
    };
    repositories.iter().flat_map(rewrite).collect()
}

/// The store has single commits, and whoever fetches one has to say that its parents may be missing.
const SHALLOW: &str = r#"for word do
  shift
  set -- "$@" "$word"
  if [ "$word" = fetch ]; then set -- "$@" --update-shallow; fi
done
"#;

/// Puts a `git` before the real one that takes repositories from the store: BuildKit gives its git no other setting than
/// `PATH`.
///
/// # Errors
/// The file cannot be written, or there is no git.
pub fn wrap_git(
    environment: Environment,
    work: &Path,
    repositories: &[(String, PathBuf)],
) -> io::Result<Environment> {
    use std::os::unix::fs::PermissionsExt as _;
    let git = host::find_program("git")
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "git is not on PATH"))?;
    let folder = work.join(PROGRAMS);
    fs::create_dir_all(&folder)?;
    let words: Vec<String> = git_arguments(repositories).iter().map(|word| quoted(word)).collect();
    let script = format!(
        "#!/bin/sh\nexport GIT_ALLOW_PROTOCOL=file\n{SHALLOW}exec {} {} \"$@\"\n",
        quoted(&git.to_string_lossy()),
        words.join(" ")
    );
    let file = folder.join("git");
    fs::write(&file, script)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    let mut path = folder.into_os_string();
    path.push(":");
    path.push(environment::variable("PATH").unwrap_or_default());
    Ok(environment.with("PATH", path))
}

/// A word as a shell reads it literally.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The source policy with every download taken from the store's own address; the checksums stay as they are. What steps download
/// has none in the policy, since BuildKit's proxy knows none: there the address alone is exchanged, and the store gives bytes of
/// the recorded digest only.
pub fn downloads_from(policy: &mut Value, address: &str, plan: &Plan) {
    let Some(rules) = policy.get_mut("rules").and_then(Value::as_array_mut) else { return };
    let mut allowed = Vec::new();
    for rule in rules.iter_mut() {
        let checksum = rule.pointer("/updates/attrs/http.checksum").and_then(Value::as_str);
        let Some(digest) = checksum.and_then(|text| text.parse::<Digest>().ok()) else { continue };
        let here = download_address(address, &digest);
        if let Some(updates) = rule.get_mut("updates").and_then(Value::as_object_mut) {
            updates.insert("identifier".to_owned(), json!(here));
        }
        let equal =
            json!({ "condition": "EQUAL", "key": "http.checksum", "value": digest.to_string() });
        allowed.push(json!({
            "action": "ALLOW",
            "selector": { "constraints": [equal], "identifier": here, "match_type": "EXACT" },
        }));
    }
    for (url, digest) in stepwise(plan) {
        let here = download_address(address, digest);
        convert(&mut allowed, url, &here);
    }
    rules.extend(allowed);
}

/// What steps download, with the digests that were recorded.
fn stepwise(plan: &Plan) -> impl Iterator<Item = (&str, &Digest)> {
    plan.materials.iter().filter_map(|material| match (&material.kind, &material.pin) {
        (MaterialKind::Http, Pin::Content(digest)) if plan.fetched.contains(&material.uri) => {
            Some((material.uri.as_str(), digest))
        }
        _ => None,
    })
}

/// The source policy with every image taken from the store's own address: for a daemon that has mirrors for one registry alone.
pub fn images_from(policy: &mut Value, address: &str) {
    let Some(rules) = policy.get_mut("rules").and_then(Value::as_array_mut) else { return };
    let mut more = Vec::new();
    for rule in rules.iter().filter(|rule| rule["action"] == "ALLOW") {
        let identifier = rule.pointer("/selector/identifier").and_then(Value::as_str);
        let name = identifier.and_then(|identifier| identifier.strip_prefix(IMAGE));
        let Some((registry, path)) = name.and_then(|name| name.split_once('/')) else { continue };
        if registry != address {
            convert(
                &mut more,
                &format!("{IMAGE}{registry}/{path}"),
                &format!("{IMAGE}{address}/{path}"),
            );
        }
    }
    rules.extend(more);
}

fn convert(rules: &mut Vec<Value>, from: &str, to: &str) {
    rules.push(json!({
        "action": "CONVERT",
        "selector": { "identifier": from, "match_type": "WILDCARD" },
        "updates": { "identifier": to },
    }));
    rules.push(json!({
        "action": "ALLOW",
        "selector": { "identifier": to, "match_type": "EXACT" },
    }));
}

/// Where [`serve`] gives a download.
fn download_address(address: &str, digest: &Digest) -> String {
    format!("http://{address}/http/{}/{}", digest.algorithm().name(), digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebuild::{pins, tests::plan};

    #[test]
    fn downloads_come_from_the_store_with_their_checksums() {
        let mut policy = pins::buildkit_policy(&plan());
        let before = policy["rules"].as_array().unwrap().len();
        downloads_from(&mut policy, "127.0.0.1:1", &plan());
        let rules = policy["rules"].as_array().unwrap();
        assert_eq!(rules.len(), before + 1, "one download, one address");
        let last = rules.last().unwrap();
        let identifier = last["selector"]["identifier"].as_str().unwrap();
        assert!(identifier.starts_with("http://127.0.0.1:1/http/sha256/"), "{identifier}");
        let checksum = last["selector"]["constraints"][0]["value"].as_str().unwrap();
        assert!(identifier.ends_with(checksum.strip_prefix("sha256:").unwrap()));
        let converted = rules.iter().find(|r| r["updates"]["identifier"] == identifier);
        assert_eq!(converted.unwrap()["updates"]["attrs"]["http.checksum"], checksum);
    }

    #[test]
    fn a_store_says_what_it_lacks() {
        let folder = tempfile::tempdir().unwrap();
        let (store, plan) = (Store::at(folder.path()), plan());
        let said = store.holds(&plan).expect_err("it is empty");
        assert!(said.starts_with(&format!("{} does not hold ", folder.path().display())), "{said}");
        let source = plan.source.repository().unwrap();
        assert!(said.contains(&format!("the repository {}", source.url)), "{said}");
        let make = |path: &Path| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        store.repositories(&plan).iter().for_each(|(_, at)| fs::create_dir_all(at).unwrap());
        let said = store.holds(&plan).expect_err("it has no bases");
        assert!(!said.contains("the repository") && said.contains("the base image "), "{said}");
        pins::bases(&plan).iter().for_each(|base| make(&store.blob(&base.digest)));
        let said = store.holds(&plan).expect_err("it has no downloads");
        assert!(!said.contains("the base image") && said.contains("the download "), "{said}");
        for material in &plan.materials {
            if let (MaterialKind::Http, Pin::Content(digest)) = (&material.kind, &material.pin) {
                make(&store.download(digest));
            }
        }
        assert_eq!(store.holds(&plan), Ok(()));
    }

    #[test]
    fn a_fetch_is_told_that_parents_may_be_missing() {
        let script = format!("{SHALLOW}printf '%s|' \"$@\"");
        let said = |words: &[&str]| {
            let mut sh = std::process::Command::new("sh");
            let output = sh.args(["-c", &script, "sh"]).args(words).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(
            said(&["-C", "a b", "fetch", "-f", "x y"]),
            "-C|a b|fetch|--update-shallow|-f|x y|"
        );
        assert_eq!(said(&["cat-file", "-e", "x"]), "cat-file|-e|x|");
    }

    #[test]
    fn g5_an_address_is_one_word_to_the_shell() {
        let evil = vec![("https://h/$(x)'`y`.git".to_owned(), PathBuf::from("/s t/'r"))];
        let words: Vec<String> = git_arguments(&evil).iter().map(|w| quoted(w)).collect();
        let script = format!("printf '%s|' {}", words.join(" "));
        let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, "-c|url.file:///s t/'r.insteadOf=https://h/$(x)'`y`.git|");
    }
}
