//! Files of apk's packages (apk-tools, "installed db format": `F:`, `R:`, `Z:`), and its `world`.
//!
//! Turns the database into claims: `F:` names a folder, `R:` a file in it, and `Z:` the checksum of the file before it, `Q1`
//! and SHA-1 or `Q2` and SHA-256 in base64; of a symbolic link, that of its target. What lies in `/etc` is configuration, as
//! apk protects it. `world` names what somebody asked for: a package of it that is not installed was taken out by hand.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{ORIGIN, PATHS};
use crate::contents::{
    catalogue::{Garbled, Origin},
    claims::{Checksum, Claim, Claims, Content, FileList, Most, Owner, Role, Told},
};

const FILES: Origin = Origin { name: "apk-files", managed: false, ..ORIGIN };

/// The database, once more.
pub(in crate::contents) const LISTS: FileList = FileList {
    origin: FILES,
    wants: |path| PATHS.contains(&path),
    file_bytes: u64::MAX,
    read: |_, bytes, most| claims(bytes, most),
};

/// Packages that somebody asked for.
pub(in crate::contents) const WORLD: FileList = FileList {
    origin: FILES,
    wants: |path| path == "/etc/apk/world",
    file_bytes: 1 << 20,
    read: |_, bytes, _| {
        let text = String::from_utf8_lossy(bytes);
        let asked = text.split_whitespace().filter_map(asked).map(str::to_owned).collect();
        Ok(Told { asked, ..Told::default() })
    },
};

/// The name in `NAME`, `NAME=VERSION`, `NAME@TAG`; none of what must not be there.
fn asked(word: &str) -> Option<&str> {
    let name = word.split(['=', '<', '>', '~', '@']).next()?;
    (!name.is_empty() && !name.starts_with('!')).then_some(name)
}

#[derive(Default)]
struct Entry {
    name: Option<String>,
    architecture: Option<String>,
    files: Vec<Claim>,
}

impl Entry {
    fn close(self) -> Option<Claims> {
        let Self { name: Some(name), architecture, files } = self else { return None };
        Some(Claims { owner: Owner::Named { name, architecture }, files })
    }
}

fn claims(bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let text = String::from_utf8_lossy(bytes);
    let (mut told, mut entry, mut folder, mut named) = (Told::default(), Entry::default(), "", 0);
    for (at, line) in text.lines().chain([""]).enumerate() {
        let Some((field, value)) = line.split_once(':') else {
            told.claims.extend(std::mem::take(&mut entry).close());
            folder = "";
            continue;
        };
        match field {
            "P" => entry.name = Some(value.to_owned()),
            "A" => entry.architecture = Some(value.to_owned()),
            "p" => {
                let names = value.split_whitespace().filter_map(asked);
                told.provided.extend(names.map(str::to_owned));
            }
            "F" => folder = value,
            "R" => {
                named += 1;
                if named > most {
                    return Err(Garbled::TooMany);
                }
                let slash = if folder.is_empty() { "" } else { "/" };
                let claim = Claim::new(format!("/{folder}{slash}{value}"), Content::Unknown)?;
                let protected = claim.path.starts_with("/etc/");
                let role = if protected { Role::Configuration } else { claim.role };
                entry.files.push(claim.with(role));
            }
            "Z" => {
                let sum = checksum(value).ok_or(Garbled::Line { line: at + 1 })?;
                if let Some(last) = entry.files.last_mut() {
                    last.content = Content::Sum(sum);
                }
            }
            _ => {}
        }
    }
    Ok(told)
}

fn checksum(text: &str) -> Option<Checksum> {
    let (form, digits) = text.split_at_checked(2)?;
    let sum = Checksum::of(&STANDARD.decode(digits).ok()?)?;
    match (form, sum) {
        ("Q1", Checksum::Sha1(_)) | ("Q2", Checksum::Sha256(_)) => Some(sum),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::claimed;

    #[test]
    fn entries_own_files() {
        let sha1 = format!("Q1{}", STANDARD.encode([1; 20]));
        let sha256 = format!("Q2{}", STANDARD.encode([2; 32]));
        let whole = format!(
            "P:musl\nV:1\nA:x86_64\np:so:libc.so=1 cmd:ldd=1\nF:lib\nR:ld.so\na:0:0:755\nZ:{sha1}\nR:libc.so\nZ:{sha256}\nF:etc\nR:m.conf\n\nP:b\nV:1\nF:\nR:readme\n\n"
        );
        let cases = [
            (
                whole.as_str(),
                "musl:x86_64: /lib/ld.so sha1, /lib/libc.so sha256, /etc/m.conf - configuration; b: /readme -",
            ),
            (
                "P:a\nV:1\nF:usr\nF:usr/bin\nR:../x\n",
                "error: it names a file by a path that is not absolute and plain",
            ),
            ("P:a\nF:bin\nR:x\nZ:Q1AA==\n", "error: line 4 is not of the form \"field:value\""),
            ("F:bin\nR:x\n", ""),
            ("", ""),
        ];
        for (text, want) in cases {
            assert_eq!(claimed((LISTS.read)("", text.as_bytes(), 9)), want, "{text}");
        }
        let provided = (LISTS.read)("", whole.as_bytes(), 4).unwrap().provided;
        assert_eq!(provided, ["so:libc.so", "cmd:ldd"]);
        assert_eq!((LISTS.read)("", whole.as_bytes(), 3), Err(Garbled::TooMany));
    }

    #[test]
    fn world_is_what_was_asked_for() {
        let told = (WORLD.read)("", b"alpine-base\nmusl=1.2 curl@edge !x so:y>=1\n", 9).unwrap();
        assert_eq!(told.asked, ["alpine-base", "musl", "curl", "so:y"]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = (LISTS.read)("", &bytes, 9);
            let _ = (WORLD.read)("", &bytes, 9);
        }
    }
}
