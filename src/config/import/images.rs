//! Image references with wildcards, as Kyverno matches them, into image patterns.
//!
//! There `*` stands for any characters, slashes among them, and `?` for one; a reference is matched with its registry and its tag or
//! digest. Here a wildcard is a whole segment, and tags are not read.

use crate::trust::ImagePattern;

/// What is made of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Read {
    /// The same images.
    Same(ImagePattern),
    /// Some of them, why, and a pattern for more than all of them.
    Some(ImagePattern, String, Option<ImagePattern>),
    /// None can be said: why, and a pattern for more than all of them.
    None(String, Option<ImagePattern>),
}

/// Reads a reference.
///
/// # Errors
/// It can match no image.
pub(super) fn read(text: &str) -> Result<Read, String> {
    if text == "*" || text == "**" {
        return Ok(Read::Same(parsed("**")?));
    }
    let (name, digest) =
        text.split_once('@').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let last = name.rsplit('/').next().unwrap_or(name);
    let (last_name, tag) = match last.split_once(':') {
        Some((front, tag)) => (front, Some(tag)),
        None => (last, None),
    };
    let name = format!("{}{last_name}", name.strip_suffix(last).unwrap_or_default());
    let every_tag = tag.is_none_or(|tag| tag == "*")
        && digest.is_none_or(|digest| digest == "*" || digest == "sha256:*");
    let wider = wider(&name);
    if !every_tag {
        return Ok(Read::None(
            "rules are about repositories; tags and digests are not read".to_owned(),
            wider,
        ));
    }
    // A wildcard at the end goes on over slashes and the tag.
    let (front, open) = match name.strip_suffix('*') {
        Some(front) if tag.is_none() => (front.trim_end_matches('*'), true),
        _ => (name.as_str(), false),
    };
    if front.contains(['*', '?']) {
        let why = "a wildcard stands for whole segments here; list the repositories";
        return Ok(Read::None(why.to_owned(), wider));
    }
    if !open {
        return Ok(Read::Same(parsed(front)?));
    }
    if let Some(folder) = front.strip_suffix('/') {
        return Ok(Read::Same(parsed(&format!("{folder}/**"))?));
    }
    let why = format!(
        "a wildcard stands for whole segments here: {front} alone is accepted; list what else begins so"
    );
    match (front.contains('/'), parsed(front)) {
        (true, Ok(pattern)) => Ok(Read::Some(pattern, why, wider)),
        _ => Ok(Read::None("a wildcard stands for whole segments here".to_owned(), wider)),
    }
}

/// A pattern, of Docker Hub where no registry is named.
fn parsed(text: &str) -> Result<ImagePattern, String> {
    let first = text.split('/').next().unwrap_or(text);
    let names_registry = text.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    let whole = match names_registry || text == "**" {
        true => text.to_owned(),
        false if text.contains('/') => format!("docker.io/{text}"),
        false => format!("docker.io/library/{text}"),
    };
    whole.parse().map_err(|error: crate::trust::PatternError| error.to_string())
}

/// A pattern for all images that a reference may match, and others.
fn wider(name: &str) -> Option<ImagePattern> {
    let fixed = name.split(['*', '?']).next().unwrap_or_default();
    let folder = match fixed.len() == name.len() {
        true => parsed(name).ok(),
        false => {
            fixed.rsplit_once('/').and_then(|(folder, _)| parsed(&format!("{folder}/**")).ok())
        }
    };
    folder.or_else(|| "**".parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_kyverno_matches_them() {
        let cases = [
            ("*", "same **"),
            ("ghcr.io/org/app", "same ghcr.io/org/app"),
            ("ghcr.io/org/app:*", "same ghcr.io/org/app"),
            ("ghcr.io/org/app:*@*", "same ghcr.io/org/app"),
            ("ghcr.io/org/*", "same ghcr.io/org/**"),
            ("ghcr.io/*", "same ghcr.io/**"),
            ("docker.io/*", "same docker.io/**"),
            ("localhost:5000/*", "same localhost:5000/**"),
            ("nginx", "same docker.io/library/nginx"),
            ("team/app:*", "same docker.io/team/app"),
            ("ghcr.io/org/app*", "some ghcr.io/org/app of ghcr.io/org/**"),
            ("ghcr.io/org/app:v1", "none of ghcr.io/org/app"),
            ("ghcr.io/org/app:v*", "none of ghcr.io/org/app"),
            ("ghcr.io/org/app@sha256:00", "none of ghcr.io/org/app"),
            ("ghcr.io/*/app", "none of ghcr.io/**"),
            ("ghcr.io/o?g/app", "none of ghcr.io/**"),
            ("*.example/app", "none of **"),
            ("*/app:*", "none of **"),
            ("ghcr.io*", "none of **"),
        ];
        for (text, want) in cases {
            let found = match read(text) {
                Ok(Read::Same(pattern)) => format!("same {pattern}"),
                Ok(Read::Some(pattern, _, wider)) => {
                    format!("some {pattern} of {}", wider.unwrap())
                }
                Ok(Read::None(_, wider)) => format!("none of {}", wider.unwrap()),
                Err(error) => format!("error {error}"),
            };
            assert_eq!(found, want, "{text}");
        }
        assert!(read("ghcr.io/UPPER/x").is_err());
    }
}
