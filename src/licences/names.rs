//! Names of licences that are no SPDX identifiers, and identifiers that are no longer.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::Regex;

/// Deprecated identifiers, and what stands for them (SPDX licence list, "Deprecated License Identifiers").
const DEPRECATED: &[(&str, &str)] = &[
    ("AGPL-1.0", "AGPL-1.0-only"),
    ("AGPL-3.0", "AGPL-3.0-only"),
    ("BSD-2-Clause-FreeBSD", "BSD-2-Clause-Views"),
    ("BSD-2-Clause-NetBSD", "BSD-2-Clause"),
    ("bzip2-1.0.5", "bzip2-1.0.6"),
    ("eCos-2.0", "GPL-2.0-or-later WITH eCos-exception-2.0"),
    ("GFDL-1.1", "GFDL-1.1-only"),
    ("GFDL-1.2", "GFDL-1.2-only"),
    ("GFDL-1.3", "GFDL-1.3-only"),
    ("GPL-1.0", "GPL-1.0-only"),
    ("GPL-1.0+", "GPL-1.0-or-later"),
    ("GPL-2.0", "GPL-2.0-only"),
    ("GPL-2.0+", "GPL-2.0-or-later"),
    ("GPL-2.0-with-autoconf-exception", "GPL-2.0-only WITH Autoconf-exception-2.0"),
    ("GPL-2.0-with-bison-exception", "GPL-2.0-only WITH Bison-exception-2.2"),
    ("GPL-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("GPL-2.0-with-font-exception", "GPL-2.0-only WITH Font-exception-2.0"),
    ("GPL-2.0-with-GCC-exception", "GPL-2.0-only WITH GCC-exception-2.0"),
    ("GPL-3.0", "GPL-3.0-only"),
    ("GPL-3.0+", "GPL-3.0-or-later"),
    ("GPL-3.0-with-autoconf-exception", "GPL-3.0-only WITH Autoconf-exception-3.0"),
    ("GPL-3.0-with-GCC-exception", "GPL-3.0-only WITH GCC-exception-3.1"),
    ("LGPL-2.0", "LGPL-2.0-only"),
    ("LGPL-2.0+", "LGPL-2.0-or-later"),
    ("LGPL-2.1", "LGPL-2.1-only"),
    ("LGPL-2.1+", "LGPL-2.1-or-later"),
    ("LGPL-3.0", "LGPL-3.0-only"),
    ("LGPL-3.0+", "LGPL-3.0-or-later"),
    ("Nunit", "zlib-acknowledgement"),
    ("StandardML-NJ", "SMLNJ"),
    ("wxWindows", "LGPL-2.0-or-later WITH WxWindows-exception-3.1"),
];

/// Names that mean one licence wherever they stand, in the form of [`plain`].
const NAMES: &[(&str, &str)] = &[
    ("0bsd", "0BSD"),
    ("2-clause bsd", "BSD-2-Clause"),
    ("3-clause bsd", "BSD-3-Clause"),
    ("4-clause bsd", "BSD-4-Clause"),
    ("apache 1.1", "Apache-1.1"),
    ("apache 2", "Apache-2.0"),
    ("apache 2.0", "Apache-2.0"),
    ("apache2", "Apache-2.0"),
    ("apache2.0", "Apache-2.0"),
    ("apache-2", "Apache-2.0"),
    ("apache-license-2.0", "Apache-2.0"),
    ("asl 1.1", "Apache-1.1"),
    ("asl 2.0", "Apache-2.0"),
    ("asl2.0", "Apache-2.0"),
    ("al2", "Apache-2.0"),
    ("artistic 2.0", "Artistic-2.0"),
    ("artistic2.0", "Artistic-2.0"),
    ("boost", "BSL-1.0"),
    ("boost 1.0", "BSL-1.0"),
    ("boost-1.0", "BSL-1.0"),
    ("bsd 2-clause", "BSD-2-Clause"),
    ("bsd 2 clause", "BSD-2-Clause"),
    ("bsd 2-clause simplified", "BSD-2-Clause"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd 3 clause", "BSD-3-Clause"),
    ("bsd 3-clause new or revised", "BSD-3-Clause"),
    ("bsd-2", "BSD-2-Clause"),
    ("bsd-3", "BSD-3-Clause"),
    ("new bsd", "BSD-3-Clause"),
    ("modified bsd", "BSD-3-Clause"),
    ("revised bsd", "BSD-3-Clause"),
    ("simplified bsd", "BSD-2-Clause"),
    ("freebsd", "BSD-2-Clause"),
    ("bsl", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("cc0 1.0 universal", "CC0-1.0"),
    ("cc0 1.0 universal public domain dedication", "CC0-1.0"),
    ("cddl 1.0", "CDDL-1.0"),
    ("cddl 1.1", "CDDL-1.1"),
    ("common development and distribution 1.0", "CDDL-1.0"),
    ("edl 1.0", "BSD-3-Clause"),
    ("eclipse distribution 1.0", "BSD-3-Clause"),
    ("eclipse public 1.0", "EPL-1.0"),
    ("eclipse public 2.0", "EPL-2.0"),
    ("epl 1.0", "EPL-1.0"),
    ("epl 2.0", "EPL-2.0"),
    ("european union public 1.2", "EUPL-1.2"),
    ("expat", "MIT"),
    ("mit expat", "MIT"),
    ("historical permission notice and disclaimer", "HPND"),
    ("isc l", "ISC"),
    ("isc iscl", "ISC"),
    ("mit", "MIT"),
    ("mit mit", "MIT"),
    ("mit style", "LicenseRef-MIT-style"),
    ("mit-0", "MIT-0"),
    ("mit no attribution", "MIT-0"),
    ("mpl 1.1", "MPL-1.1"),
    ("mpl 2.0", "MPL-2.0"),
    ("mpl2", "MPL-2.0"),
    ("mpl1.1", "MPL-1.1"),
    ("mpl2.0", "MPL-2.0"),
    ("mozilla public 1.1 mpl 1.1", "MPL-1.1"),
    ("mozilla public 2.0", "MPL-2.0"),
    ("mozilla public 2.0 mpl 2.0", "MPL-2.0"),
    ("openssl", "OpenSSL"),
    ("openldap", "OLDAP-2.8"),
    ("ofl", "OFL-1.1"),
    ("sil-1.1", "OFL-1.1"),
    ("sil open font 1.1", "OFL-1.1"),
    ("php 3.0", "PHP-3.0"),
    ("php 3.01", "PHP-3.01"),
    ("psf", "PSF-2.0"),
    ("psf 2.0", "PSF-2.0"),
    ("python foundation", "PSF-2.0"),
    ("public domain", "LicenseRef-public-domain"),
    ("public-domain", "LicenseRef-public-domain"),
    ("publicdomain", "LicenseRef-public-domain"),
    ("pd", "LicenseRef-public-domain"),
    ("unlicense unlicense", "Unlicense"),
    ("unlicensed", "LicenseRef-proprietary"),
    ("proprietary", "LicenseRef-proprietary"),
    ("other proprietary", "LicenseRef-proprietary"),
    ("commercial", "LicenseRef-proprietary"),
    ("wtfpl-2", "WTFPL"),
    ("universal permissive upl", "UPL-1.0"),
    ("zlib libpng", "Zlib"),
    ("zlib/libpng", "Zlib"),
    ("zope public", "ZPL-2.1"),
    ("zpl 2.1", "ZPL-2.1"),
    // Python's classifiers, of which each means one licence.
    ("osi approved apache", "Apache-2.0"),
    ("osi approved mit", "MIT"),
];

/// Names of Debian's copyright files (DEP-5, "License specification"), and of Debian's own packages.
const DEBIAN: &[(&str, &str)] = &[
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-1", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("bsd-2-clauses", "BSD-2-Clause"),
    ("bsd-3-clauses", "BSD-3-Clause"),
    ("bsd-4-clause-uc", "BSD-4-Clause-UC"),
    ("cc-by-sa-3", "CC-BY-SA-3.0"),
    ("cc-by-3", "CC-BY-3.0"),
    ("fsfap", "FSFAP"),
    ("fsful", "FSFUL"),
    ("fsfullr", "FSFULLR"),
    ("gap", "FSFAP"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.2+", "GFDL-1.2-or-later"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gfdl-niv-1.2", "GFDL-1.2-no-invariants-only"),
    ("gfdl-niv-1.2+", "GFDL-1.2-no-invariants-or-later"),
    ("gfdl-niv-1.3", "GFDL-1.3-no-invariants-only"),
    ("gfdl-niv-1.3+", "GFDL-1.3-no-invariants-or-later"),
    ("edl-1", "BSD-3-Clause"),
    ("edl-1.0", "BSD-3-Clause"),
    ("lppl-1.3c+", "LPPL-1.3c"),
    ("mpl-2", "MPL-2.0"),
    ("perl", "(Artistic-1.0-Perl OR GPL-1.0-or-later)"),
    ("python", "PSF-2.0"),
    ("qpl", "QPL-1.0"),
    ("ruby", "Ruby"),
    ("unicode", "Unicode-DFS-2016"),
    ("x11", "X11"),
    ("zope-2.1", "ZPL-2.1"),
];

/// Names of exceptions, in the form of [`plain`] without the word; the GPL's version before it decides between two.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("autoconf", "Autoconf-exception-2.0"),
    ("bison", "Bison-exception-2.2"),
    ("classpath", "Classpath-exception-2.0"),
    ("font", "Font-exception-2.0"),
    ("gcc", "GCC-exception-3.1"),
    ("gcc runtime library", "GCC-exception-3.1"),
    ("gcc-runtime-library", "GCC-exception-3.1"),
    ("libtool", "Libtool-exception"),
    ("linux-syscall-note", "Linux-syscall-note"),
    ("llvm", "LLVM-exception"),
    ("texinfo", "Texinfo-exception"),
    ("wxwindows", "WxWindows-exception-3.1"),
];

/// Parts of addresses, in lower case, and the licence to which they lead.
const ADDRESSES: &[(&str, &str)] = &[
    ("apache.org/licenses/license-2.0", "Apache-2.0"),
    ("apache.org/licenses/license-1.1", "Apache-1.1"),
    ("opensource.org/licenses/mit-license", "MIT"),
    ("eclipse.org/legal/epl-v10", "EPL-1.0"),
    ("eclipse.org/legal/epl-v20", "EPL-2.0"),
    ("eclipse.org/legal/epl-2.0", "EPL-2.0"),
    ("eclipse.org/org/documents/epl-v10", "EPL-1.0"),
    ("eclipse.org/org/documents/edl-v10", "BSD-3-Clause"),
    ("mozilla.org/mpl/2.0", "MPL-2.0"),
    ("creativecommons.org/publicdomain/zero/1.0", "CC0-1.0"),
    ("gnu.org/licenses/old-licenses/lgpl-2.1", "LGPL-2.1-only"),
    ("unlicense.org", "Unlicense"),
];

/// SPDX identifiers by their lower case, without the crate's words for no licence (SPDX 2.3, section 7.13).
static IDS: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let ids = spdx::identifiers::LICENSES.iter().map(|licence| licence.name);
    let ids = ids.filter(|name| !matches!(*name, "NOASSERTION" | "NONE"));
    ids.map(|name| (name.to_ascii_lowercase(), name)).collect()
});
static EXCEPTION_IDS: LazyLock<BTreeMap<String, &'static str>> = LazyLock::new(|| {
    let ids = spdx::identifiers::EXCEPTIONS.iter().map(|exception| exception.name);
    ids.map(|name| (name.to_ascii_lowercase(), name)).collect()
});
/// The GNU licences, as people write them: `GPLv2+`, `GNU Lesser General Public License v3 or later (LGPLv3+)`, `LGPL 2.1`.
static GNU: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?x)\A
        (?:gnu\ )?
        (?P<kind>[al]?gpl|general\ public|(?:lesser|library|library\ or\ lesser)\ general\ public|affero\ general\ public)
        [\ -]?v?(?P<version>[123](?:\.[01])?(?:\.0)?)?
        (?P<later>\+|[\ -]or[\ -](?:later|newer|above)(?:\ versions?)?|-only|\ only)?
        (?:\ [al]?gpl\ ?v?[0-9.]*\+?)?\z";
    Regex::new(pattern).expect("the pattern is a constant")
});

/// Words that say no more than that it is a licence.
const NOISE: [&str; 9] = [
    "the",
    "license",
    "licence",
    "licenses",
    "licences",
    "software",
    "version",
    "agreement",
    "terms",
];

/// A name in lower case, without punctuation and words that mean nothing.
pub(super) fn plain(name: &str) -> String {
    let low = name.to_lowercase();
    let low = low.strip_prefix("license ::").unwrap_or(&low);
    let spaced: String = low
        .chars()
        .map(|c| if matches!(c, ',' | '"' | '\'' | '(' | ')' | '_' | ':' | ';') { ' ' } else { c })
        .collect();
    let words = spaced.split_whitespace().filter(|word| !NOISE.contains(word));
    let parted = words.map(|word| {
        // `v2` is the number alone, and so is that of `mplv2`.
        let letters = word.trim_start_matches(|c: char| c.is_ascii_lowercase());
        let before = word.strip_suffix(letters).unwrap_or_default();
        match before.strip_suffix('v') {
            Some("") if !letters.is_empty() => letters.to_owned(),
            Some(name) if letters.starts_with(|c: char| c.is_ascii_digit()) => {
                format!("{name} {letters}")
            }
            _ => word.to_owned(),
        }
    });
    parted.collect::<Vec<_>>().join(" ")
}

/// The identifier, or expression, that a name stands for.
pub(super) fn licence(name: &str, debian: bool) -> Option<String> {
    let name = name.trim();
    if let Some(found) = address(name) {
        return Some(found.to_owned());
    }
    if debian
        && let Some((_, found)) =
            DEBIAN.iter().find(|(known, _)| *known == name.to_ascii_lowercase())
    {
        return Some((*found).to_owned());
    }
    if let Some(found) = identifier(name) {
        return Some(found);
    }
    if name.starts_with("LicenseRef-") || name.starts_with("DocumentRef-") {
        let reference = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
        return name.chars().all(reference).then(|| name.to_owned());
    }
    let plain = plain(name);
    let classifier = plain.strip_prefix("osi approved ").unwrap_or(&plain);
    let known = |wanted: &str| {
        NAMES.iter().find(|(known, _)| *known == wanted).map(|(_, found)| (*found).to_owned())
    };
    known(&plain)
        .or_else(|| known(classifier))
        .or_else(|| gnu(classifier))
        .or_else(|| identifier(classifier))
}

/// An SPDX identifier in any case, with or without `+`, current or deprecated.
fn identifier(name: &str) -> Option<String> {
    let low = name.to_ascii_lowercase();
    let replaced = |wanted: &str| {
        let found = DEPRECATED.iter().find(|(old, _)| old.eq_ignore_ascii_case(wanted));
        found.map(|(_, new)| (*new).to_owned())
    };
    if let Some(found) = replaced(&low) {
        return Some(found);
    }
    if let Some(found) = IDS.get(&low) {
        return Some((*found).to_owned());
    }
    let base = low.strip_suffix('+')?;
    let found = IDS.get(base)?;
    // GNU's have a name of their own for it.
    let gnu = found.starts_with("GPL")
        || found.starts_with("LGPL")
        || found.starts_with("AGPL")
        || found.starts_with("GFDL");
    (!gnu).then(|| format!("{found}+"))
}

fn gnu(plain: &str) -> Option<String> {
    let found = GNU.captures(plain)?;
    let kind = match found.name("kind")?.as_str() {
        "gpl" | "general public" => "GPL",
        "agpl" | "affero general public" => "AGPL",
        _ => "LGPL",
    };
    let later = found.name("later").is_some_and(|later| !later.as_str().ends_with("only"));
    let version = match (found.name("version").map(|version| version.as_str()), kind) {
        // `GPL+` is any version; without a sign nobody knows which one is meant.
        (None, "GPL") if later => "1.0",
        (None, _) => return None,
        (Some("1" | "1.0"), "GPL" | "AGPL") => "1.0",
        (Some("2" | "2.0"), "GPL" | "LGPL") => "2.0",
        (Some("2.1" | "2.1.0"), "LGPL") => "2.1",
        (Some("3" | "3.0"), _) => "3.0",
        _ => return None,
    };
    Some(format!("{kind}-{version}-{}", if later { "or-later" } else { "only" }))
}

fn address(name: &str) -> Option<&'static str> {
    let low = name.to_ascii_lowercase();
    let behind = low.split_once("://")?.1;
    let behind = behind.strip_prefix("www.").unwrap_or(behind);
    let known =
        ADDRESSES.iter().find(|(part, _)| behind.starts_with(part)).map(|(_, found)| *found);
    known.or_else(|| {
        let rest = behind
            .strip_prefix("opensource.org/licenses/")
            .or_else(|| behind.strip_prefix("spdx.org/licenses/"))?;
        let word = rest.split(['/', '?', '#', ';', ' ']).next()?;
        IDS.get(word.strip_suffix(".html").unwrap_or(word)).copied()
    })
}

/// The exception of this name, behind a licence.
pub(super) fn exception(name: &str, licence: &str) -> Option<String> {
    if let Some(found) = EXCEPTION_IDS.get(&name.trim().to_ascii_lowercase()) {
        return Some((*found).to_owned());
    }
    let plain = plain(name);
    let word = plain
        .strip_suffix(" exception")
        .or_else(|| plain.strip_suffix("-exception"))
        .unwrap_or(&plain);
    let found = EXCEPTIONS.iter().find(|(known, _)| *known == word).map(|(_, found)| *found)?;
    let third = licence.contains("GPL-3.0");
    Some(
        if found.starts_with("Autoconf") && third { "Autoconf-exception-3.0" } else { found }
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_tables_is_in_its_form_and_stands_for_something() {
        for (name, stands) in NAMES {
            assert_eq!(plain(name), *name);
            assert!(spdx::Expression::parse(stands).is_ok(), "{stands}");
        }
        for (name, stands) in DEBIAN {
            assert_eq!(name.to_lowercase(), *name);
            assert!(spdx::Expression::parse(stands).is_ok(), "{stands}");
        }
        for (old, new) in DEPRECATED {
            assert!(spdx::license_id(old).is_none_or(|id| id.is_deprecated()), "{old}");
            assert!(spdx::Expression::parse(new).is_ok(), "{new}");
        }
        for (_, exception) in EXCEPTIONS {
            assert!(spdx::exception_id(exception).is_some(), "{exception}");
        }
        let all = spdx::identifiers::LICENSES.iter().map(|licence| licence.name);
        let old = all.filter(|name| spdx::license_id(name).is_some_and(|id| id.is_deprecated()));
        let missing: Vec<_> =
            old.filter(|name| !DEPRECATED.iter().any(|(known, _)| known == name)).collect();
        assert!(missing.len() < 4, "{missing:?}");
    }
}
