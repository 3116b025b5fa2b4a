//! Sources that the operator trusts by name.
//!
//! A rebuild proves that an image came out of its inputs. Where every input is one that the operator names here, nobody has to
//! sign the provenance that tells how: it is a hint, and a false one gives another image. Each entry is one build, of one
//! repository: where the commit has to be from, and all that a stranger could choose besides it. What an entry does not name is
//! not trusted. A name alone says little of a commit, since servers hand out commits of forks under the parent's name: the history
//! of a branch or tag that is listed has to hold it, which the world is asked for.

use std::collections::BTreeSet;

use super::ImagePattern;
use crate::reference::Location;

/// A build whose every input is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedSource {
    /// Images that may come out of it: any of these.
    pub images: Vec<ImagePattern>,
    /// URL of the repository, without fragment.
    pub repository: String,
    /// Full names of branches and tags, one of which has to hold the commit.
    pub references: Vec<String>,
    /// Folder of the repository that is built; the whole where there is none.
    pub folder: Option<String>,
    /// Path of the Dockerfile.
    pub dockerfile: String,
    /// The stage that is built; the last where there is none.
    pub target: Option<String>,
    /// Names of build arguments that may have any value.
    pub build_args: BTreeSet<String>,
    /// Repositories of images that the build may start from or copy from.
    pub bases: Vec<ImagePattern>,
    /// Repositories of images that may read the Dockerfile.
    pub frontends: Vec<ImagePattern>,
    /// URLs that may be downloaded; one that ends with a slash stands for all below it.
    pub downloads: Vec<String>,
}

impl TrustedSource {
    /// Whether images at this location may come out of it.
    pub fn is_for(&self, location: &Location) -> bool {
        self.images.iter().any(|images| images.matches(location))
    }

    /// Whether a URL names the repository: git servers take it with and without `.git`.
    pub fn is_at(&self, url: &str) -> bool {
        bare(url) == bare(&self.repository)
    }

    /// Whether a URL may be downloaded.
    pub fn gives(&self, url: &str) -> bool {
        self.downloads.iter().any(|listed| match listed.ends_with('/') {
            true => url.starts_with(listed.as_str()) && !leaves(url),
            false => url == listed,
        })
    }

    /// Everything that it says, each in its place.
    pub(in crate::trust) fn canonical(&self) -> String {
        format!("{self:?}")
    }
}

/// Whether a server could read a URL as one in another folder: by dots, or by dots and separators in another spelling.
fn leaves(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    ["..", "\\", "%2e", "%2f", "%5c", "%25"].iter().any(|part| url.contains(part))
}

fn bare(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An entry for the plan of `rebuild::tests`.
    pub(crate) fn source() -> TrustedSource {
        TrustedSource {
            images: vec!["**".parse().unwrap()],
            repository: "https://git.example/app".to_owned(),
            references: vec!["refs/heads/main".to_owned()],
            folder: None,
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            build_args: BTreeSet::new(),
            bases: Vec::new(),
            frontends: Vec::new(),
            downloads: Vec::new(),
        }
    }

    #[test]
    fn h34_names_are_compared_whole() {
        let mut source = source();
        for (url, same) in [
            ("https://git.example/app", true),
            ("https://git.example/app.git", true),
            ("https://git.example/app/", true),
            ("https://git.example/app2", false),
            ("https://git.example/App", false),
            ("https://git.example.evil/app", false),
            ("http://git.example/app", false),
        ] {
            assert_eq!(source.is_at(url), same, "{url}");
        }
        source.downloads =
            vec!["https://f.example/a/".to_owned(), "https://f.example/b".to_owned()];
        for (url, listed) in [
            ("https://f.example/a/x", true),
            ("https://f.example/a/x-1.2%2B3.tar", true),
            ("https://f.example/a/../c", false),
            ("https://f.example/a/%2e%2E/c", false),
            ("https://f.example/a/.%2e/c", false),
            ("https://f.example/a/%252e%252e/c", false),
            ("https://f.example/a/..%2fc", false),
            ("https://f.example/a/x%5C..%5cc", false),
            ("https://f.example/a/x..", false),
            ("https://f.example/a/x\\c", false),
            ("https://f.example/a/%2e", false),
            ("https://f.example/a/x%2Fc", false),
            ("https://f.example/a/x%5cc", false),
            ("https://f.example/a/x%25c", false),
            ("https://f.example/a", false),
            ("https://f.example/b", true),
            ("https://f.example/b/c", false),
        ] {
            assert_eq!(source.gives(url), listed, "{url}");
        }
    }

    #[test]
    fn h34_an_entry_is_about_its_images_and_every_word_of_it_counts() {
        let source = TrustedSource {
            images: vec!["r.example/a".parse().unwrap(), "r.example/team/*".parse().unwrap()],
            ..source()
        };
        for (image, is_for) in
            [("r.example/a", true), ("r.example/team/x", true), ("r.example/b", false)]
        {
            let location = Location::Registry(image.parse().unwrap());
            assert_eq!(source.is_for(&location), is_for, "{image}");
        }
        let others = [
            TrustedSource { images: Vec::new(), ..source.clone() },
            TrustedSource { repository: "https://git.example/b".to_owned(), ..source.clone() },
            TrustedSource { references: Vec::new(), ..source.clone() },
            TrustedSource { folder: Some("x".to_owned()), ..source.clone() },
            TrustedSource { dockerfile: "x".to_owned(), ..source.clone() },
            TrustedSource { target: Some("x".to_owned()), ..source.clone() },
            TrustedSource { build_args: BTreeSet::from(["x".to_owned()]), ..source.clone() },
            TrustedSource { bases: vec!["**".parse().unwrap()], ..source.clone() },
            TrustedSource { frontends: vec!["**".parse().unwrap()], ..source.clone() },
            TrustedSource { downloads: vec!["https://x.example/".to_owned()], ..source.clone() },
        ];
        for other in others {
            assert_ne!(other.canonical(), source.canonical(), "{other:?}");
        }
    }
}
