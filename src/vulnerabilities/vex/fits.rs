//! Whether package URLs and digests of a statement mean an image, or a package in it.
//!
//! Turns an identity and what is judged into how well it fits. What a package URL says beyond that narrows it: a part of a package
//! (`#sub/path`), a tag or platform of a repository. What suppresses needs all of that to fit.

use std::str::FromStr as _;

use packageurl::PackageUrl;

use super::{Identity, Judged, Misfit, platform};
use crate::{contents::is_distribution, vulnerabilities::csaf::products::stream};

/// Whether an identity is the image: 2 by digest, 1 by repository alone, 0 not.
///
/// # Errors
/// It suppresses, and is about a tag or a platform of the repository: nobody can tell whether the image is that one.
pub(super) fn image_fit(
    identity: &Identity,
    judged: &Judged,
    suppresses: bool,
) -> Result<u8, Misfit> {
    let is_digest =
        |digest: &str| judged.digests.iter().any(|own| own.eq_ignore_ascii_case(digest));
    let mut best = if identity.digests.iter().any(|digest| is_digest(digest)) { 2 } else { 0 };
    let mut is_narrow = false;
    for purl in identity.purls.iter().filter_map(|text| PackageUrl::from_str(text).ok()) {
        if purl.ty() != "oci" {
            continue;
        }
        let place = purl.qualifiers().get("repository_url").map(|url| canonical(url));
        let same_place = place.as_ref().is_none_or(|place| *place == canonical(&judged.repository));
        let digest = purl.version();
        match digest.map(|version| version.split_once(':').map_or(version, |(_, hex)| hex)) {
            Some(digest) if is_digest(digest) && same_place => best = 2,
            Some(_) => {}
            None if place.is_some_and(|place| is_named(&place, purl.name())) && same_place => {
                let narrow = purl.qualifiers().keys().any(|key| key != "repository_url");
                is_narrow |= narrow && suppresses;
                best = best.max(u8::from(!(narrow && suppresses)));
            }
            None => {}
        }
    }
    if best == 0 && is_narrow { Err(Misfit::Narrow) } else { Ok(best) }
}

/// Whether a repository's last part is this, as that of a package URL of its images is.
fn is_named(place: &str, name: &str) -> bool {
    place.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name))
}

/// One spelling of a repository.
fn canonical(repository: &str) -> String {
    let repository = repository.trim_start_matches("https://").trim_end_matches('/');
    match repository.strip_prefix("index.docker.io/") {
        Some(rest) => format!("docker.io/{rest}"),
        None => repository.to_owned(),
    }
}

/// Whether a package URL of a statement means a package: 2 with its version, 1 without one. Qualifiers of the statement
/// have to be among those of the package; `distro` is held against the image elsewhere. What says affected of a part of it, or of a
/// version without its epoch, means the package in doubt; what suppresses does not.
pub(super) fn purl_fit(
    own: &PackageUrl<'_>,
    other: &PackageUrl<'_>,
    suppresses: bool,
) -> Option<u8> {
    let spaces = match (own.namespace(), other.namespace()) {
        (None, _) => own.namespace() == other.namespace() || is_distribution(own.ty()),
        (Some(own), Some(id)) => own == id || other.ty() == "rpm" && own == platform::vendor(id),
        (Some(_), None) => false,
    };
    let same = own.ty() == other.ty() && own.name() == other.name() && spaces;
    let within = own.qualifiers().iter().all(|(key, value)| {
        let found = other.qualifiers().get(key);
        match (key.as_ref(), found) {
            ("distro", _) => true,
            // It is spelt in several ways, and only narrows where both say it.
            ("upstream", found) => found.is_none_or(|found| **found == **value),
            ("rpmmod", Some(found)) => {
                stream(found).is_some_and(|found| stream(value) == Some(found))
            }
            (_, found) => found.is_some_and(|found| **found == **value),
        }
    });
    let epoch = |of: &PackageUrl<'_>| {
        let said = of.qualifiers().get("epoch").map(|epoch| epoch.to_string());
        said.filter(|epoch| epoch != "0")
    };
    let is_whole = own.subpath().is_none_or(|own| other.subpath() == Some(own));
    let same_epoch = own.version().is_none() || epoch(own) == epoch(other);
    let surely = !suppresses || is_whole && same_epoch;
    match (same && within && surely, own.version()) {
        (false, _) => None,
        (true, None) => Some(1),
        (true, Some(version)) => (other.version() == Some(version)).then_some(2),
    }
}
