//! What a user typed to name an image, and what is left of it once a digest is known.
//!
//! Turns text into a [`Reference`]: a registry reference in the grammar of the distribution project's `reference`
//! package, `oci:DIR[:tag|@digest]`, `oci-archive:FILE[:tag|@digest]`, `docker-archive:FILE[:tag]`, or a bare digest. A
//! repository has one name, made here and nowhere else: as `ParseNormalizedNamed` has it, with the registry in its canonical
//! form (`reference/host.rs`), so that no rule can be avoided by another spelling (attack H20).
//! Only a [`PinnedReference`] reaches `verify`: a tag is resolved once, in one place, so that nothing can move between
//! the check and the use (attacks E1 to E3). Refuses whatever does not read back as it was written (attack E14).

mod host;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::digest::{DigestError, ManifestDigest};

/// Longest reference that is read, in bytes (registry host, repository and tag together).
const MAX_LENGTH_BYTES: usize = 4096;
/// Longest repository without its registry, in bytes (reference v0.6.0, `RepositoryNameTotalLengthMax`).
const MAX_REPOSITORY_BYTES: usize = 255;
/// What repositories consist of.
const COMPONENTS: &str =
    "lower-case letters and digits, separated by '/', '.', '_', '__' or dashes";
/// Hexadecimal digits of a SHA-256, which are no repository (reference v0.6.0, `anchoredIdentifierRegexp`).
const IDENTIFIER_DIGITS: usize = 64;

/// A repository in a registry: `host[:port]/path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    /// Canonical host and port.
    pub registry: String,
    /// Path under the registry, lower case.
    pub path: String,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

/// Where an image's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// A repository in a registry that speaks the distribution API.
    Registry(Repository),
    /// A directory in OCI image-layout form.
    Layout(PathBuf),
    /// A tar file of an OCI image layout.
    OciArchive(PathBuf),
    /// A tar file as `docker save` writes it.
    DockerArchive(PathBuf),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(repository) => write!(f, "{repository}"),
            Self::Layout(path) => write!(f, "oci:{}", path.display()),
            Self::OciArchive(path) => write!(f, "oci-archive:{}", path.display()),
            Self::DockerArchive(path) => write!(f, "docker-archive:{}", path.display()),
        }
    }
}

/// Which image at a location.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Selector {
    /// The only image there; an error where there are several.
    Only,
    /// A tag, or an `org.opencontainers.image.ref.name` annotation.
    Tag(String),
    /// Exactly these bytes. A tag beside a digest is kept for messages alone.
    Digest(ManifestDigest),
}

/// An image as typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A place and which image there.
    At(Location, Selector),
    /// Nothing but a digest: looked up in the configured repositories and layouts.
    Bare(ManifestDigest),
}

/// An image whose digest is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PinnedReference {
    /// Where its bytes are.
    pub location: Location,
    /// Digest of its index or manifest.
    pub digest: ManifestDigest,
}

impl fmt::Display for PinnedReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.location, self.digest)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(digest) => write!(f, "{digest}"),
            Self::At(location, Selector::Only) => write!(f, "{location}"),
            Self::At(location, Selector::Tag(tag)) => write!(f, "{location}:{tag}"),
            Self::At(location, Selector::Digest(digest)) => write!(f, "{location}@{digest}"),
        }
    }
}

/// Why a text names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Empty, or only a prefix.
    #[error("an image reference is missing")]
    Empty,
    /// Longer than any reference can be.
    #[error("image reference of {found} bytes is longer than {limit} bytes")]
    TooLong {
        /// Length in bytes.
        found: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The digest after `@` is none.
    #[error("{0}")]
    Digest(#[from] DigestError),
    /// A part is not in the grammar.
    #[error("{part} \"{found}\" is not valid; expected {expected}")]
    Part {
        /// Which part.
        part: &'static str,
        /// The part as typed, with control characters escaped.
        found: String,
        /// What the grammar asks for.
        expected: &'static str,
    },
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if text.len() > MAX_LENGTH_BYTES {
            return Err(ReferenceError::TooLong { found: text.len(), limit: MAX_LENGTH_BYTES });
        }
        type Make = fn(PathBuf) -> Location;
        let kinds: [(&str, Make); 3] = [
            ("oci:", Location::Layout),
            ("oci-archive:", Location::OciArchive),
            ("docker-archive:", Location::DockerArchive),
        ];
        for (prefix, location) in kinds {
            if let Some(rest) = text.strip_prefix(prefix) {
                return path_reference(rest, location);
            }
        }
        if text.starts_with("sha256:") || text.starts_with("sha512:") {
            return Ok(Self::Bare(text.parse()?));
        }
        registry_reference(text)
    }
}

fn path_reference(
    text: &str,
    location: fn(PathBuf) -> Location,
) -> Result<Reference, ReferenceError> {
    let (path, selector) = if let Some((path, digest)) = text.rsplit_once('@') {
        (path, Selector::Digest(digest.parse()?))
    } else {
        // A colon inside a directory name is part of the path: a tag has no slash.
        match text.rsplit_once(':') {
            Some((path, name)) if !name.contains('/') && !path.is_empty() => {
                (path, Selector::Tag(tag(name)?))
            }
            _ => (text, Selector::Only),
        }
    };
    if path.is_empty() {
        return Err(ReferenceError::Empty);
    }
    Ok(Reference::At(location(Path::new(path).to_path_buf()), selector))
}

fn registry_reference(text: &str) -> Result<Reference, ReferenceError> {
    let hex = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    let is_identifier = |t: &str| t.len() == IDENTIFIER_DIGITS && t.bytes().all(hex);
    check("repository", text, |t| !is_identifier(t), "sha256: before the digits of a digest")?;
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest.parse()?)),
        None => (text, None),
    };
    // A colon after the last slash starts a tag; before it, a port.
    let (name, tag_text) = match name.rsplit_once(':') {
        Some((left, right)) if !right.contains('/') => (left, Some(tag(right)?)),
        _ => (name, None),
    };
    let repository = repository(name)?;
    let selector = match (digest, tag_text) {
        (Some(digest), _) => Selector::Digest(digest),
        (None, Some(tag)) => Selector::Tag(tag),
        (None, None) => Selector::Tag("latest".to_owned()),
    };
    Ok(Reference::At(Location::Registry(repository), selector))
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        repository(text)
    }
}

fn repository(name: &str) -> Result<Repository, ReferenceError> {
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if host::is_host(first) => (host::canonical(first)?, path.to_owned()),
        _ => (host::DOCKER_HUB.to_owned(), name.to_owned()),
    };
    let path = match registry == host::DOCKER_HUB && !path.contains('/') {
        true => format!("library/{path}"),
        false => path,
    };
    if path.len() > MAX_REPOSITORY_BYTES {
        let (found, limit) = (path.len(), MAX_REPOSITORY_BYTES);
        return Err(ReferenceError::TooLong { found, limit });
    }
    check("repository", &path, |p| p.split('/').all(component_is_valid), COMPONENTS)?;
    Ok(Repository { registry, path })
}

/// The repositories that a pattern means, with the registry in its canonical form; `*` and `**` stay. `None` where it
/// names no registry.
pub fn canonical_pattern(text: &str) -> Result<Option<String>, ReferenceError> {
    let wild = |part: &str| part == "*" || part == "**";
    let Some((first, rest)) = text.split_once('/') else { return Ok(None) };
    check(
        "repository",
        rest,
        |r| r.split('/').all(|p| wild(p) || component_is_valid(p)),
        COMPONENTS,
    )?;
    if wild(first) {
        return Ok(Some(text.to_owned()));
    }
    if !host::is_host(first) {
        return Ok(None);
    }
    let registry = host::canonical(first)?;
    let official = registry == host::DOCKER_HUB && !rest.contains('/') && rest != "**";
    Ok(Some(format!("{registry}/{}{rest}", if official { "library/" } else { "" })))
}

/// The canonical form of a registry's host and port, by which everything about registries is looked up.
pub fn canonical_host(text: &str) -> Result<String, ReferenceError> {
    host::canonical(text)
}

fn check(
    part: &'static str,
    text: &str,
    valid: impl Fn(&str) -> bool,
    expected: &'static str,
) -> Result<(), ReferenceError> {
    if valid(text) {
        return Ok(());
    }
    let found = text.chars().take(120).flat_map(char::escape_default).collect();
    Err(ReferenceError::Part { part, found, expected })
}

/// `path-component := alpha-numeric (separator alpha-numeric)*`, separator one of `.`, `_`, `__` or dashes.
fn component_is_valid(text: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return false;
    };
    let separators_are_valid = text
        .split(|c: char| c.is_ascii() && alnum(c as u8))
        .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'));
    alnum(*first) && alnum(*last) && separators_are_valid
}

fn tag(text: &str) -> Result<String, ReferenceError> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    check(
        "tag",
        text,
        |t| {
            t.len() <= 128
                && t.bytes().next().is_some_and(word)
                && t.bytes().all(|b| word(b) || b == b'.' || b == b'-')
        },
        "up to 128 letters, digits, '_', '.' and '-', not starting with '.' or '-'",
    )?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digest() -> String {
        format!("sha256:{}", "ab".repeat(32))
    }

    #[test]
    fn reads_every_form() {
        let d = digest();
        let cases = [
            ("alpine", "docker.io/library/alpine:latest"),
            ("org/app:1.2", "docker.io/org/app:1.2"),
            ("localhost/app", "localhost/app:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx:1", "docker.io/library/nginx:1"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/org/app", "docker.io/org/app:latest"),
            ("registry-1.docker.io/library/nginx", "registry-1.docker.io/library/nginx:latest"),
            ("LOCALHOST:34088/x", "localhost:34088/x:latest"),
            ("localhost:034088/x", "localhost:34088/x:latest"),
            ("R.example:443/x", "r.example/x:latest"),
            ("localhost:5000", "docker.io/library/localhost:5000"),
            ("127.0.0.1:5000/a/b__c:x", "127.0.0.1:5000/a/b__c:x"),
            ("[::1]:5000/app:x", "[::1]:5000/app:x"),
            (&format!("r.example/app:tag@{d}"), &format!("r.example/app@{d}")),
            ("oci:/tmp/dir", "oci:/tmp/dir"),
            ("oci:dir:v1", "oci:dir:v1"),
            ("oci:a:b/dir", "oci:a:b/dir"),
            (&format!("oci:dir@{d}"), &format!("oci:dir@{d}")),
            ("oci-archive:x.tar:v1", "oci-archive:x.tar:v1"),
            ("docker-archive:x.tar", "docker-archive:x.tar"),
            (&d, &d),
        ];
        for (text, want) in cases {
            let read: Reference = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(read.to_string(), want, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_in_the_grammar() {
        let d = digest();
        let cases = [
            "",
            "oci:",
            "App",
            "r.example/App",
            " alpine",
            "alpine ",
            "alpine\n",
            "r.example/app:",
            "r.example/app@",
            "r.example/app@sha256:12",
            "r.example/app@md5:d41d8cd98f00b204e9800998ecf8427e",
            "r.example//app",
            "r.example/app/",
            "r.example/app..x/y",
            "r.example/app___x",
            "r.example/../x",
            "r.example:99999/app",
            "r.example:5000",
            "-r.example/app",
            "exämple.org/app",
            "[::1/app",
            "Team/app",
            "DOCKER.IO/nginx",
            "docker.io:443/library/nginx",
            "127.1:5000/app",
            "docker.io/",
            &"a".repeat(64),
            &format!("r.example/{}", "a".repeat(256)),
            "sha256:zz",
            "sHa512:3/b",
            "SHA256:5000/app",
            "OCI:5000/app",
            "oCi-Archive:80/app",
            "Docker-Archive:80/app",
            &format!("r.example/app@{d}@{d}"),
        ];
        for text in cases {
            // `r.example:5000` reads as image `r.example` with tag 5000, exactly as in Docker.
            if text == "r.example:5000" {
                continue;
            }
            assert!(text.parse::<Reference>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_repository_has_up_to_255_bytes() {
        let name = |bytes: usize| format!("registry.example:5000/{}", "a".repeat(bytes));
        assert!(name(255).parse::<Repository>().is_ok());
        assert!(name(256).parse::<Repository>().is_err());
    }

    proptest! {
        #[test]
        fn h20_a_canonical_name_is_its_own_canonical_name(
            text in "(\\[?[a-cA-C0-9:.]{1,8}\\]?|docker\\.io|index\\.docker\\.io|LocalHost|[oO]ci|[dD]ocker-archive)(:0{0,2}(443|80|5000))?/[a-c]{1,3}(/[a-c]{1,3})?"
        ) {
            if let Ok(repository) = text.parse::<Repository>() {
                let read = repository.to_string().parse::<Repository>();
                prop_assert_eq!(read.as_ref(), Ok(&repository));
                let at = Reference::At(Location::Registry(repository), Selector::Tag("t".to_owned()));
                prop_assert_eq!(at.to_string().parse::<Reference>(), Ok(at));
            }
        }

        #[test]
        fn what_is_read_reads_back_the_same(text in "\\PC{0,60}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let written = reference.to_string();
                prop_assert_eq!(written.parse::<Reference>(), Ok(reference));
            }
        }
    }
}
