//! Licences by their texts.
//!
//! Turns the text of a file into the one licence whose text it is, whole: compared are its words, in their order, without what
//! each copy has of its own (lines of copyright, the title, the owner's name in BSD's third clause). A text that says more or
//! less than a licence is none that is known: how much of one is enough nobody can tell. The GPL's texts are the same for whoever
//! allows later versions and whoever does not, so that they leave it open.

use sha2::{Digest as _, Sha256};

use super::expression::{Licence, Unreadable, read};

/// Bytes of the largest file that is read: the GPL has 35 KiB.
pub const FILE_BYTES: u64 = 128 << 10;
/// Words of the longest line that may be a title.
const TITLE: usize = 8;
/// Bytes of the longest owner's name in a clause.
const OWNER_BYTES: usize = 120;

/// The first bytes of the SHA-256 digests of the words, and what has these. They were made from the texts of the crate `spdx` and
/// from Debian's `/usr/share/common-licenses`.
const TEXTS: [(u64, &str); 61] = [
    (0x25a2_74d5_2b30_14d9, "0BSD"),
    (0xe153_b4f1_03dc_380f, "AFL-3.0"),
    (0x1a30_88f4_b85d_edd8, "AGPL-3.0"),
    (0xf619_ce5a_09dd_729e, "Apache-1.1"),
    (0x6432_0a82_d361_5fa7, "Apache-2.0"),
    (0xa853_9d05_b420_81b1, "Apache-2.0"),
    (0x3f09_019e_4850_b035, "Artistic-1.0-Perl"),
    (0xddf2_64e0_0ee0_ff84, "Artistic-1.0-Perl"),
    (0x97a1_1abd_9aaa_9459, "Artistic-2.0"),
    (0x175d_6700_6c38_4e1d, "BSD-1-Clause"),
    (0x9690_9609_5458_619e, "BSD-2-Clause"),
    (0x5853_03ce_d89e_58a9, "BSD-2-Clause-Patent"),
    (0xea02_4e97_a6f9_c995, "BSD-3-Clause"),
    (0x3ccb_9ffe_36e8_552d, "BSD-3-Clause-Clear"),
    (0x7a9a_ad8f_f906_1796, "BSL-1.0"),
    (0x5b5f_9a90_8811_a393, "BlueOak-1.0.0"),
    (0x4cd3_000b_4f21_ebf5, "CC-BY-4.0"),
    (0x0f73_fe7d_d729_2ce0, "CC-BY-SA-4.0"),
    (0x8079_e069_f261_be65, "CC0-1.0"),
    (0x5806_ad93_4f8a_7ab0, "CDDL-1.0"),
    (0xc59a_3ca8_2dc6_2003, "CDDL-1.1"),
    (0x6d23_40dc_770c_e207, "ECL-2.0"),
    (0x4b87_eaf9_18b5_c336, "EPL-1.0"),
    (0x2887_8833_12e0_8b69, "EPL-2.0"),
    (0x9635_746c_1562_8ce9, "FTL"),
    (0x664d_6d9c_cd4d_3606, "GPL-1.0"),
    (0xc809_d27f_0468_d823, "GPL-1.0"),
    (0x6ef7_5b19_26b3_15f2, "GPL-2.0"),
    (0xdc60_d2d8_fc9b_57cd, "GPL-2.0"),
    (0x5bbe_09c2_a3fa_b1fd, "GPL-3.0"),
    (0x8ad6_8b29_c31a_7240, "GPL-3.0"),
    (0x59cb_0975_46c6_d60a, "ICU"),
    (0x425c_43ea_a549_0dc9, "IJG"),
    (0x217d_a074_7cec_63a2, "ISC"),
    (0x8d07_3588_f6ca_4a00, "LGPL-2.0"),
    (0xc311_d5b3_0267_19bc, "LGPL-2.0"),
    (0x286e_895f_5186_0718, "LGPL-2.1"),
    (0xd6a0_2a29_e54b_f987, "LGPL-2.1"),
    (0x54f3_2a64_e12a_5a27, "LGPL-3.0"),
    (0x717c_6672_971d_8ef6, "LGPL-3.0"),
    (0x3346_c203_353b_286e, "MIT"),
    (0x8e1a_f102_eca8_49d0, "MIT-0"),
    (0x3ae5_8ead_e1a7_0cc6, "MPL-1.1"),
    (0x4e4f_d980_e340_2568, "MPL-1.1"),
    (0x66d6_2396_8870_0720, "MPL-2.0"),
    (0xf17f_e3dd_d3ab_a300, "MPL-2.0"),
    (0x2216_6dbe_d667_e1c2, "MS-PL"),
    (0x1010_4a67_4b33_520f, "NCSA"),
    (0x62b7_26f6_94fa_80da, "OFL-1.1"),
    (0xbead_d649_5927_d97e, "PHP-3.01"),
    (0x7996_5c59_af2c_1210, "PSF-2.0"),
    (0xb6a4_6b5e_e005_d153, "PostgreSQL"),
    (0xf2ce_bb84_76d4_8927, "Python-2.0"),
    (0xf7e6_9645_7ba3_7016, "UPL-1.0"),
    (0xf4ab_6ded_b9e0_46a0, "Unicode-3.0"),
    (0x0e71_7768_fb4e_9bee, "Unlicense"),
    (0x0220_c5b5_bb1e_0662, "Vim"),
    (0x158e_a11e_6d96_43a2, "WTFPL"),
    (0xd4d5_6b92_3493_191c, "X11"),
    (0xd7f0_09cf_27ed_e85d, "ZPL-2.1"),
    (0xbc82_daff_3617_37e4, "Zlib"),
];

/// The licence whose text a file is.
///
/// # Errors
/// It is the text of none that is known, or of one that leaves open which.
pub fn of_text(bytes: &[u8]) -> Result<Licence, Unreadable> {
    let text = String::from_utf8_lossy(bytes);
    let words = words(&text);
    if words.is_empty() {
        return Err(Unreadable::Nothing);
    }
    let hash = Sha256::digest(&words);
    let first = hash.first_chunk::<8>().map(|first| u64::from_be_bytes(*first));
    let found = TEXTS.iter().find(|(hash, _)| Some(*hash) == first).map(|(_, name)| *name);
    match found {
        None => Err(Unreadable::Text),
        Some(name) if name.contains("GPL-") => Err(Unreadable::Later(name)),
        Some(name) => read("npm", name),
    }
}

/// The words of a text, in small letters, with one blank between them.
fn words(text: &str) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut title = true;
    for line in text.lines().map(str::trim).filter(|line| !is_notice(line)) {
        let line: Vec<String> = line
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() > 1)
            .map(str::to_ascii_lowercase)
            .collect();
        let named =
            line.iter().any(|word| matches!(word.as_str(), "license" | "licence" | "licenses"));
        if line.is_empty() || title && named && line.len() <= TITLE {
            continue;
        }
        title = false;
        all.extend(line);
    }
    without_owner(&all.join(" "))
}

/// Whether a line says whose copyright it is. What goes on with a sentence begins with another letter.
fn is_notice(line: &str) -> bool {
    let low = line.to_ascii_lowercase();
    let year = low.strip_prefix("(c) ").and_then(|rest| rest.get(..4));
    line.starts_with("Copyright")
        || line.starts_with('\u{a9}')
        || low.starts_with("all rights reserved")
        || year.is_some_and(|year| year.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Without the owner's name in "neither the name of … nor the names of its contributors".
fn without_owner(words: &str) -> String {
    const BEFORE: &str = "neither the name of ";
    const AFTER: [&str; 2] =
        [" nor the names of its contributors", " nor the names of contributors"];
    let Some((start, rest)) = words.split_once(BEFORE) else { return words.to_owned() };
    let ends = AFTER.iter().filter_map(|after| Some((rest.find(after)?, after.len())));
    match ends.min().filter(|(at, _)| (1..=OWNER_BYTES).contains(at)) {
        Some((at, length)) => {
            let end = rest.get(at + length..).unwrap_or_default();
            format!("{start}{BEFORE}nor the names of its contributors{end}")
        }
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIT: &str = "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:\n\nThe above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n";
    const BSD: [&str; 2] = [
        "Redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met:\n\n1. Redistributions of source code must retain the above copyright notice, this list of conditions and the following disclaimer.\n2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions and the following disclaimer in the documentation and/or other materials provided with the distribution.\n3. Neither the name of ",
        " nor the names of its contributors may be used to endorse or promote products derived from this software without specific prior written permission.\n\nTHIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS \"AS IS\" AND ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.\n",
    ];

    fn said(text: &str) -> String {
        match of_text(text.as_bytes()) {
            Ok(licence) => licence.expression,
            Err(why) => format!("error: {why}"),
        }
    }

    #[test]
    fn a_licence_is_known_by_its_whole_text() {
        let wrapped = MIT.replace(", ", ",\n   ");
        let bsd = |owner: &str| BSD.join(owner);
        let none = "error: its text is that of no licence that is known";
        let more = format!("{MIT}\nThe Software shall be used for Good, not Evil.\n");
        let less = MIT.replace("publish, ", "");
        let cases = [
            (MIT.to_owned(), "MIT"),
            (format!("The MIT License (MIT)\n\nCopyright (c) 2024 Somebody\n\n{MIT}"), "MIT"),
            (format!("(c) 2024 Somebody\nAll rights reserved.\n\n{wrapped}"), "MIT"),
            (bsd("the copyright holder"), "BSD-3-Clause"),
            (bsd("Some Company, Inc."), "BSD-3-Clause"),
            (bsd("the holder nor its friends, or anybody"), "BSD-3-Clause"),
            (more, none),
            (less, none),
            (format!("{MIT}{}", bsd("X Y")), none),
            ("MIT".to_owned(), none),
            ("See the file LICENSE of the parent".to_owned(), "error: no licence is said"),
            ("See the file LICENSE in the folder above, where all of it is".to_owned(), none),
            ("\n".to_owned(), "error: no licence is said"),
        ];
        for (text, want) in cases {
            assert_eq!(said(&text), want, "{text}");
        }
    }

    #[test]
    fn every_name_is_an_identifier_and_every_text_has_one() {
        let hashes: std::collections::BTreeSet<u64> = TEXTS.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(hashes.len(), TEXTS.len());
        for (_, name) in TEXTS {
            assert!(spdx::license_id(name).is_some() || name.contains("GPL-"), "{name}");
        }
        // Where the machine has the texts of Debian, they are known.
        let Ok(gpl) = std::fs::read("/usr/share/common-licenses/GPL-2") else { return };
        let want = "error: it is the text of GPL-2.0, which leaves open whether later versions may be chosen";
        assert_eq!(said(&String::from_utf8_lossy(&gpl)), want);
        let apache = std::fs::read_to_string("/usr/share/common-licenses/Apache-2.0").unwrap();
        assert_eq!(said(&apache), "Apache-2.0");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = of_text(&bytes);
            let text = format!("neither the name of {} nor the names of its contributors", String::from_utf8_lossy(&bytes));
            let _ = of_text(text.as_bytes());
        }
    }
}
