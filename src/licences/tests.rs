//! What ecosystems write, and the licence that it is.

use super::*;

fn said(ecosystem: &str, text: &str) -> String {
    match read(ecosystem, text) {
        Ok(licence) => {
            let choice = |terms: &std::collections::BTreeSet<String>| {
                terms.iter().cloned().collect::<Vec<_>>().join("+")
            };
            licence.choices.iter().map(choice).collect::<Vec<_>>().join(" | ")
        }
        Err(why) => format!("unknown: {why}"),
    }
}

/// Ecosystem, what is written, and the choices that it leaves.
const WORDS: &[(&str, &str, &str)] = &[
    // SPDX, in any case, with deprecated identifiers.
    ("apk", "MIT", "MIT"),
    ("cargo", "mit", "MIT"),
    ("cargo", "MIT OR Apache-2.0", "Apache-2.0 | MIT"),
    ("cargo", "MIT/Apache-2.0", "Apache-2.0 | MIT"),
    ("cargo", "Apache-2.0 WITH LLVM-exception OR MIT", "Apache-2.0 WITH LLVM-exception | MIT"),
    ("apk", "GPL-2.0-or-later AND MIT", "GPL-2.0-or-later+MIT"),
    ("apk", "MIT AND (BSD-2-Clause OR ISC)", "BSD-2-Clause+MIT | ISC+MIT"),
    ("apk", "MIT AND BSD-2-Clause OR ISC", "BSD-2-Clause+MIT | ISC"),
    ("apk", "MIT OR BSD-2-Clause AND ISC", "BSD-2-Clause+ISC | MIT"),
    ("apk", "GPL-2.0", "GPL-2.0-only"),
    ("apk", "GPL-2.0+", "GPL-2.0-or-later"),
    ("apk", "LGPL-2.1+", "LGPL-2.1-or-later"),
    ("apk", "gpl-2.0-with-classpath-exception", "GPL-2.0-only WITH Classpath-exception-2.0"),
    ("apk", "GPL-2.0-with-GCC-exception AND MIT", "GPL-2.0-only WITH GCC-exception-2.0+MIT"),
    ("apk", "Apache-1.1+", "Apache-1.1+"),
    ("apk", "LicenseRef-corp", "LicenseRef-corp"),
    ("apk", "DocumentRef-a:LicenseRef-corp AND MIT", "DocumentRef-a:LicenseRef-corp+MIT"),
    ("apk", "MIT BSD-2-Clause", "BSD-2-Clause+MIT"),
    ("apk", "GPL2 MIT", "GPL-2.0-only+MIT"),
    ("apk", "wxWindows", "LGPL-2.0-or-later WITH WxWindows-exception-3.1"),
    // Names.
    ("pypi", "MIT License", "MIT"),
    ("pypi", "The MIT License (MIT)", "MIT"),
    ("pypi", "Apache License, Version 2.0", "Apache-2.0"),
    ("pypi", "Apache Software License 2.0", "Apache-2.0"),
    ("pypi", "Apache 2.0", "Apache-2.0"),
    ("pypi", "BSD 3-Clause \"New\" or \"Revised\" License", "BSD-3-Clause"),
    ("pypi", "License :: OSI Approved :: MIT License", "MIT"),
    ("pypi", "License :: OSI Approved :: Apache Software License", "Apache-2.0"),
    (
        "pypi",
        "License :: OSI Approved :: GNU General Public License v2 or later (GPLv2+)",
        "GPL-2.0-or-later",
    ),
    (
        "pypi",
        "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)",
        "LGPL-3.0-only",
    ),
    ("pypi", "License :: OSI Approved :: Python Software Foundation License", "PSF-2.0"),
    ("pypi", "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("pypi", "GPLv3+", "GPL-3.0-or-later"),
    ("pypi", "GNU GPL v3", "GPL-3.0-only"),
    ("pypi", "LGPL 2.1", "LGPL-2.1-only"),
    ("pypi", "AGPLv3", "AGPL-3.0-only"),
    ("npm", "(MIT OR GPL-3.0)", "GPL-3.0-only | MIT"),
    ("npm", "MIT, ISC", "ISC | MIT"),
    ("npm", "UNLICENSED", "LicenseRef-proprietary"),
    ("gem", "Ruby, BSD-2-Clause", "BSD-2-Clause | Ruby"),
    ("composer", "GPL-2.0-or-later, MIT", "GPL-2.0-or-later | MIT"),
    ("maven", "https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
    ("maven", "http://www.eclipse.org/legal/epl-v10.html", "EPL-1.0"),
    ("maven", "https://opensource.org/licenses/BSD-3-Clause", "BSD-3-Clause"),
    ("maven", "Eclipse Public License 2.0", "EPL-2.0"),
    // rpm, of today and of before.
    ("rpm", "GPLv2+ and LGPLv2+", "GPL-2.0-or-later+LGPL-2.0-or-later"),
    ("rpm", "ASL 2.0", "Apache-2.0"),
    (
        "rpm",
        "(GPLv2 or MPLv1.1) and Public Domain",
        "GPL-2.0-only+LicenseRef-public-domain | LicenseRef-public-domain+MPL-1.1",
    ),
    ("rpm", "GPL+", "GPL-1.0-or-later"),
    (
        "rpm",
        "MIT AND Apache-2.0 AND (GPL-2.0-only OR ISC)",
        "Apache-2.0+GPL-2.0-only+MIT | Apache-2.0+ISC+MIT",
    ),
    // Debian's.
    ("deb", "Expat", "MIT"),
    ("deb", "GPL-2+ and BSD-3-clause", "BSD-3-Clause+GPL-2.0-or-later"),
    ("deb", "GPL-3+ with Autoconf exception", "GPL-3.0-or-later WITH Autoconf-exception-3.0"),
    ("deb", "GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf-exception-2.0"),
    ("deb", "Artistic or GPL-1+", "Artistic-1.0-Perl | GPL-1.0-or-later"),
    ("deb", "Perl", "Artistic-1.0-Perl | GPL-1.0-or-later"),
    ("deb", "GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
    ("deb", "GPL-2+ or MIT, and BSD-2-clause", "BSD-2-Clause+MIT | GPL-2.0-or-later"),
    ("deb", "public-domain", "LicenseRef-public-domain"),
    // One known branch suffices, whatever the other is.
    ("apk", "MIT OR custom", "LicenseRef-unknown-custom | MIT"),
    // Unknown.
    ("apk", "", "unknown: no licence is said"),
    ("npm", "NOASSERTION", "unknown: no licence is said"),
    ("npm", "SEE LICENSE IN LICENSE", "unknown: no licence is said"),
    ("pypi", "\"NOASSERTION\"", "unknown: no licence is said"),
    ("pypi", "License: NONE", "unknown: no licence is said"),
    ("apk", "MIT AND NOASSERTION", "unknown: it names no licence that is known: NOASSERTION"),
    ("apk", "MIT OR NONE", "LicenseRef-unknown-NONE | MIT"),
    ("apk", "custom", "unknown: it names no licence that is known: custom"),
    ("apk", "MIT AND custom", "unknown: it names no licence that is known: custom"),
    ("pypi", "BSD", "unknown: it names no licence that is known: BSD"),
    ("pypi", "GPL", "unknown: it names no licence that is known: GPL"),
    (
        "pypi",
        "License :: OSI Approved :: BSD License",
        "unknown: it names no licence that is known: License----OSI-Approved----BSD-License",
    ),
    (
        "deb",
        "GPL-2+ with OpenSSL exception",
        "unknown: it names no licence that is known: GPL-2.0-or-later-with-OpenSSL-exception",
    ),
    (
        "rpm",
        "GPLv2+ with exceptions",
        "unknown: it names no licence that is known: GPL-2.0-or-later-with-exceptions",
    ),
    ("apk", "MIT AND", "MIT"),
    ("apk", "AND MIT", "unknown: it is no licence expression"),
    ("apk", "MIT (ISC", "unknown: it is no licence expression"),
    ("apk", "MIT WITH", "unknown: it is no licence expression"),
    ("apk", "WITH MIT", "unknown: it is no licence expression"),
    ("apk", "()", "unknown: it is no licence expression"),
    ("pypi", "MIT\u{202e}TIM", "unknown: it names no licence that is known: MITTIM"),
];

#[test]
fn words_become_terms_and_choices() {
    for &(ecosystem, text, want) in WORDS {
        assert_eq!(said(ecosystem, text), want, "{ecosystem}: {text}");
    }
}

#[test]
fn what_is_too_much_is_not_read() {
    let doubled = ["(MIT OR ISC)"; 7].join(" AND ");
    let why = "unknown: it is longer than licence expressions are, or leaves more choices than are looked at";
    assert_eq!(said("apk", &doubled), why);
    assert!(said("apk", &["(MIT OR ISC)"; 6].join(" AND ")).contains("ISC+MIT"));
    assert_eq!(said("apk", &vec!["MIT"; 900].join(" AND ")), why);
    assert_eq!(said("apk", &"x".repeat(5000)), why);
    // Its own form is longer than what was written.
    let names: Vec<_> = (100..220).map(|number| format!("a-licence-named-{number}")).collect();
    assert_eq!(said("apk", &format!("MIT OR {}", names.join(" AND "))), why);
    assert_eq!(said("apk", &format!("{}MIT AND ISC{}", "(".repeat(500), ")".repeat(500))), why);
}

const COPYRIGHT: &str = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\n\
    Files: *\nCopyright: 2020 A\nLicense: Expat\n Permission is hereby granted\n .\n License: none of it\n\n\
    Files: debian/*\nCopyright: 2021 B\nLicense: GPL-2+ or Apache-2.0\n\nFiles: m4/*\nLicense: Expat\n\n\
    License: GPL-2+\n The text.\n";

#[test]
fn copyright_files_say_the_licences_of_all_files() {
    let said = |text: &[u8]| {
        of_copyright(text).map(|licence| licence.expression).map_err(|why| why.to_string())
    };
    assert_eq!(
        said(COPYRIGHT.as_bytes()),
        Ok("MIT AND ( GPL-2.0-or-later OR Apache-2.0 )".to_owned())
    );
    assert_eq!(said(COPYRIGHT.replace('\n', "\r\n").as_bytes()), said(COPYRIGHT.as_bytes()));
    let latin =
        [COPYRIGHT.as_bytes(), b"\nFiles: a\nCopyright: J\xfcrgen\nLicense: ISC\n"].concat();
    assert_eq!(said(&latin), Ok("MIT AND ( GPL-2.0-or-later OR Apache-2.0 ) AND ISC".to_owned()));
    for (text, why) in [
        ("This package was debianized by A.\nLicense: MIT\n", "it is no licence expression"),
        ("", "it is no licence expression"),
        (
            "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n",
            "no licence is said",
        ),
    ] {
        assert_eq!(said(text.as_bytes()), Err(why.to_owned()), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(MIT|GPL-2.0|Apache|with|and|or|[ ()+,/|&;:]|LicenseRef-a|\\PC){0,40}", ecosystem in 0..4_usize) {
        let ecosystem = ["deb", "apk", "npm", "rpm"][ecosystem];
        if let Ok(licence) = read(ecosystem, &text) {
            proptest::prop_assert!(!licence.choices.is_empty());
            // What was read is read again as the same.
            let again = read("cargo", &licence.expression);
            proptest::prop_assert_eq!(again.map(|again| again.choices), Ok(licence.choices));
        }
        let copyright = format!("Format: copyright-format\n\nFiles: *\nLicense: {text}\n");
        let _ = of_copyright(copyright.as_bytes());
    }
}
