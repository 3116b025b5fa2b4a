//! Inputs of a build as provenance names them.
//!
//! Turns a URI and its digests into a [`Material`], and the URI of a source into [`SourceCode`]. Images are package URLs
//! (purl-spec, types `docker` and `oci`); BuildKit has written the colons of ports and digests both escaped and plain, so
//! both are read. Refuses a package URL whose own digest contradicts the digest beside it; what is pinned by a weak
//! algorithm alone is pinned to nothing.

use std::collections::BTreeMap;

use super::{Commit, Material, MaterialKind, Pin, ProvenanceError, SourceCode};
use crate::{digest::Digest, image::Platform, reference::Repository};

/// Digests as in-toto writes them: algorithm to hex.
pub type DigestSet = BTreeMap<String, String>;

/// What belongs where an image is named.
const PURL: &str = "pkg:docker/NAME[@TAG][?digest=DIGEST&platform=PLATFORM]";

/// Reads one material.
///
/// # Errors
/// A package URL of an image that is none, or one that contradicts `digests`.
pub fn material(uri: &str, digests: &DigestSet) -> Result<Material, ProvenanceError> {
    let (kind, pin) = match uri.strip_prefix("pkg:") {
        Some(rest) => package(uri, rest, digests)?,
        None => location(uri, digests),
    };
    Ok(Material { kind, uri: uri.to_owned(), pin, role: None })
}

/// Reads where the source came from: `URL[#ref[:folder]]`.
pub fn source(uri: &str, digests: &DigestSet) -> SourceCode {
    // SPDX download locations, which SLSA's examples use, write `git+URL@ref`.
    let plain = uri.strip_prefix("git+").unwrap_or(uri);
    let (url, fragment) = plain.split_once('#').unwrap_or((plain, ""));
    let (url, at) = url.split_once("@refs/").map_or((url, None), |(u, r)| (u, Some(r)));
    let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
    let spelled = at.map(|rest| format!("refs/{rest}"));
    let reference = spelled.as_deref().unwrap_or(reference);
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let commit = is_git(uri, digests).then(|| commit(digests)).flatten();
    SourceCode { url: url.to_owned(), reference: some(reference), folder: some(folder), commit }
}

fn location(uri: &str, digests: &DigestSet) -> (MaterialKind, Pin) {
    if is_git(uri, digests) {
        return (MaterialKind::Git, commit(digests).map_or(Pin::Nothing, Pin::Commit));
    }
    let kind = if uri.starts_with("http://") || uri.starts_with("https://") {
        MaterialKind::Http
    } else {
        MaterialKind::Other
    };
    (kind, content(digests).map_or(Pin::Nothing, Pin::Content))
}

/// A repository shows itself by its scheme, by a fragment, by `.git`, or by being pinned to a commit.
fn is_git(uri: &str, digests: &DigestSet) -> bool {
    let schemes = ["git://", "git+", "git@", "ssh://"];
    let path = uri.split(['#', '?']).next().unwrap_or_default();
    schemes.iter().any(|scheme| uri.starts_with(scheme))
        || digests.contains_key("sha1")
        || digests.contains_key("gitCommit")
        || (uri.starts_with("http") && (uri.contains('#') || path.ends_with(".git")))
}

/// The commit: BuildKit writes 40 digits as `sha1` and 64 digits as `sha256`, others write `gitCommit`.
fn commit(digests: &DigestSet) -> Option<Commit> {
    ["gitCommit", "sha1", "sha256"].iter().find_map(|name| Commit::new(digests.get(*name)?))
}

fn content(digests: &DigestSet) -> Option<Digest> {
    ["sha512", "sha256"]
        .iter()
        .find_map(|name| format!("{name}:{}", digests.get(*name)?).parse().ok())
}

fn package(
    uri: &str,
    rest: &str,
    digests: &DigestSet,
) -> Result<(MaterialKind, Pin), ProvenanceError> {
    let purl = Purl::parse(rest).ok_or_else(|| ProvenanceError::field("material", uri, PURL))?;
    let beside = content(digests);
    let inside = purl.digest();
    if let (Some(a), Some(b)) = (&beside, &inside)
        && a.algorithm() == b.algorithm()
        && a != b
    {
        return Err(ProvenanceError::field("material", uri, "the digest beside the package URL"));
    }
    let pin = beside.or(inside).map_or(Pin::Nothing, Pin::Content);
    let Some(name) = purl.repository() else { return Ok((MaterialKind::Other, pin)) };
    let name: Repository =
        name.parse().map_err(|_| ProvenanceError::field("material", uri, PURL))?;
    let platform = purl.qualifiers.get("platform").and_then(|p| p.parse::<Platform>().ok());
    Ok((MaterialKind::Image { name: name.to_string(), tag: purl.tag(), platform }, pin))
}

/// A package URL: `TYPE/NAME[@VERSION][?QUALIFIERS][#SUBPATH]`, with everything unescaped.
struct Purl {
    kind: String,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
}

impl Purl {
    fn parse(rest: &str) -> Option<Self> {
        let rest = rest.split('#').next()?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (kind, path) = path.split_once('/')?;
        let (name, version) = match path.rsplit_once('@') {
            Some((name, version)) => (name, Some(unescape(version)?)),
            None => (path, None),
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let qualifiers = pairs
            .map(|pair| {
                let (key, value) = pair.split_once('=')?;
                Some((key.to_owned(), unescape(value)?))
            })
            .collect::<Option<_>>()?;
        let name = unescape(name)?;
        (!name.is_empty()).then_some(Self { kind: kind.to_owned(), name, version, qualifiers })
    }

    /// The repository of an image: `pkg:oci` names one only in a qualifier, and a local layout has none.
    fn repository(&self) -> Option<&str> {
        match self.kind.as_str() {
            "docker" => Some(&self.name),
            "oci" => self.qualifiers.get("repository_url").map(String::as_str),
            _ => None,
        }
    }

    fn digest(&self) -> Option<Digest> {
        let version = self.version.as_deref().filter(|v| v.contains(':'));
        self.qualifiers.get("digest").map(String::as_str).or(version)?.parse().ok()
    }

    fn tag(&self) -> Option<String> {
        let version = self.version.clone().filter(|v| !v.contains(':'));
        version.or_else(|| self.qualifiers.get("tag").cloned())
    }
}

/// Percent-decoding (RFC 3986 section 2.1); `None` for a broken escape or bytes that are no UTF-8.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let pair = [rest.next()?, rest.next()?];
        bytes.push(hex::decode(pair).ok()?.first().copied()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn digests(pairs: &[(&str, &str)]) -> DigestSet {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn images_are_read_escaped_and_plain() {
        let a = "a".repeat(64);
        let escaped = format!(
            "pkg:docker/127.0.0.1%3A5000/base/gcc?digest=sha256:{a}&platform=linux%2Famd64"
        );
        let plain =
            format!("pkg:docker/127.0.0.1:5000/base/gcc?digest=sha256:{a}&platform=linux%2Famd64");
        let oci = format!("pkg:oci/static@sha256%3A{a}?repository_url=r.example/x/static&tag=1");
        let cases: [(&str, &str, Option<&str>); 6] = [
            (&escaped, "127.0.0.1:5000/base/gcc", None),
            (&plain, "127.0.0.1:5000/base/gcc", None),
            (
                "pkg:docker/golang@1.24-alpine?platform=linux%2Famd64",
                "docker.io/library/golang",
                Some("1.24-alpine"),
            ),
            ("pkg:docker/docker/dockerfile@1", "docker.io/docker/dockerfile", Some("1")),
            (
                "pkg:docker/127.0.0.1:5000/base/bb@1?platform=linux%2Famd64",
                "127.0.0.1:5000/base/bb",
                Some("1"),
            ),
            (&oci, "r.example/x/static", Some("1")),
        ];
        for (uri, want, want_tag) in cases {
            let read =
                material(uri, &digests(&[("sha256", &a)])).unwrap_or_else(|e| panic!("{uri}: {e}"));
            let MaterialKind::Image { name, tag, .. } = read.kind else {
                panic!("{uri}: no image")
            };
            assert_eq!((name.as_str(), tag.as_deref()), (want, want_tag), "{uri}");
            assert_eq!(read.pin, Pin::Content(format!("sha256:{a}").parse().unwrap()), "{uri}");
        }
    }

    #[test]
    fn a_purl_that_contradicts_its_digest_is_refused() {
        let uri = format!("pkg:docker/x/y?digest=sha256:{}", "a".repeat(64));
        assert!(material(&uri, &digests(&[("sha256", &"b".repeat(64))])).is_err());
        assert!(material("pkg:docker/UPPER", &DigestSet::new()).is_err());
        assert!(material("pkg:docker/", &DigestSet::new()).is_err());
        assert!(material("pkg:docker/a%zz", &DigestSet::new()).is_err());
    }

    #[test]
    fn weak_or_missing_digests_pin_nothing() {
        let cases = [
            ("pkg:docker/x/y@1", digests(&[("sha1", &"a".repeat(40))])),
            ("https://example.com/tool.tgz", digests(&[("md5", &"a".repeat(32))])),
            ("https://example.com/tool.tgz", digests(&[("sha256", "zz")])),
            ("https://example.com/app.git#main", DigestSet::new()),
        ];
        for (uri, digests) in cases {
            assert_eq!(material(uri, &digests).map(|m| m.pin), Ok(Pin::Nothing), "{uri}");
        }
    }

    #[test]
    fn sources_and_downloads_are_told_apart() {
        let commit = "c".repeat(40);
        let git = material("https://example.com/app", &digests(&[("sha1", &commit)])).unwrap();
        assert_eq!(git.kind, MaterialKind::Git);
        assert_eq!(git.pin, Pin::Commit(Commit::new(&commit).unwrap()));
        let file = material("https://example.com/t.tgz", &digests(&[("sha256", &"a".repeat(64))]))
            .unwrap();
        assert_eq!(file.kind, MaterialKind::Http);
        let read = source(
            "https://example.com/app.git#refs/tags/v1:sub/dir",
            &digests(&[("sha1", &commit)]),
        );
        assert_eq!(read.url, "https://example.com/app.git");
        assert_eq!(read.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!(read.folder.as_deref(), Some("sub/dir"));
        assert!(read.commit.is_some());
        let archive =
            source("https://example.com/app.tar.gz", &digests(&[("sha256", &"a".repeat(64))]));
        assert_eq!(archive.commit, None, "an archive has no commit");
    }

    proptest! {
        #[test]
        fn never_panics(uri in "(pkg:)?\\PC{0,80}", key in "sha256|sha1|gitCommit", hex in "[0-9a-f]{0,64}") {
            let set = digests(&[(&key, &hex)]);
            let _ = material(&uri, &set);
            let _ = source(&uri, &set);
        }
    }
}
