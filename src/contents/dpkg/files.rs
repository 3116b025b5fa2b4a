//! Files of Debian packages (dpkg(1), dpkg-divert(1), deb-md5sums(5), deb-conffiles(5)).
//!
//! Turns `info/NAME[:ARCH].list`, `info/NAME[:ARCH].md5sums`, `status.d/NAME.md5sums` of distroless images, `Conffiles` of
//! `status`, and `diversions` into claims. `.list` has every path, folders among them, and no checksum; `.md5sums` leaves out
//! links and conffiles. Refuses lines of another form.

use super::{INFO, ORIGIN, STATUS_FOLDER, STATUS_PATH};
use crate::contents::{
    catalogue::{Garbled, Origin},
    claims::{Checksum, Claim, Claims, Content, Diversion, FileList, Most, Owner, Role, Told},
};

/// A list of files that cannot be read is left out, and said: the packages are known without it.
const FILES: Origin = Origin { name: "dpkg-files", managed: false, ..ORIGIN };
const FILE_BYTES: u64 = 32 << 20;

/// Paths of one package.
pub(in crate::contents) const LISTS: FileList = FileList {
    origin: FILES,
    wants: |path| stem(path, ".list").is_some(),
    file_bytes: FILE_BYTES,
    read: |path, bytes, most| {
        let lines = text(bytes)?;
        let paths = lines.lines().filter(|line| !line.is_empty() && *line != "/.");
        let claims = paths.map(|line| Claim::new(line, Content::Unknown));
        told(owner(path, ".list"), claims, most)
    },
};

/// Checksums of one package.
pub(in crate::contents) const SUMS: FileList = FileList {
    origin: FILES,
    wants: |path| owner(path, ".md5sums").is_some(),
    file_bytes: FILE_BYTES,
    read: |path, bytes, most| {
        let lines = text(bytes)?;
        let lines = lines.lines().enumerate().filter(|(_, line)| !line.is_empty());
        let claims =
            lines.map(|(at, line)| sum(line).unwrap_or(Err(Garbled::Line { line: at + 1 })));
        told(owner(path, ".md5sums"), claims, most)
    },
};

/// Configuration files with the checksums that packages brought.
pub(in crate::contents) const CONFFILES: FileList = FileList {
    origin: FILES,
    wants: |path| path == STATUS_PATH,
    file_bytes: u64::MAX,
    read: |_, bytes, most| conffiles(bytes, most),
};

/// Diversions.
pub(in crate::contents) const DIVERSIONS: FileList = FileList {
    origin: FILES,
    wants: |path| path == "/var/lib/dpkg/diversions",
    file_bytes: FILE_BYTES,
    read: |_, bytes, most| diversions(bytes, most),
};

fn text(bytes: &[u8]) -> Result<std::borrow::Cow<'_, str>, Garbled> {
    // Names that are no UTF-8 occur, and match nothing of a tree whose names are.
    Ok(String::from_utf8_lossy(bytes))
}

/// `NAME` or `NAME:ARCH` of a file in the folder of information.
fn stem<'p>(path: &'p str, suffix: &str) -> Option<&'p str> {
    let stem = path.strip_prefix(INFO)?.strip_suffix(suffix)?;
    (!stem.is_empty() && !stem.contains('/')).then_some(stem)
}

/// Whose files the file at a path lists.
fn owner(path: &str, suffix: &str) -> Option<Owner> {
    if let Some(stem) = stem(path, suffix) {
        let (name, architecture) = match stem.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture.to_owned())),
            None => (stem, None),
        };
        return Some(Owner::Named { name: name.to_owned(), architecture });
    }
    let name = path.strip_prefix(STATUS_FOLDER)?.strip_suffix(suffix)?;
    let fine = !name.is_empty() && !name.contains('/');
    fine.then(|| Owner::ListedAt(format!("{STATUS_FOLDER}{name}")))
}

/// A line of a checksum, two blanks and a path without its slash.
fn sum(line: &str) -> Option<Result<Claim, Garbled>> {
    let (digits, path) = line.split_once(' ')?;
    let path = path.strip_prefix([' ', '*'])?;
    let path = path.strip_prefix("./").unwrap_or(path);
    let sum @ Checksum::Md5(_) = Checksum::from_hex(digits)? else { return None };
    Some(Claim::new(format!("/{}", path.trim_start_matches('/')), Content::Sum(sum)))
}

fn told(
    owner: Option<Owner>,
    claims: impl Iterator<Item = Result<Claim, Garbled>>,
    most: Most,
) -> Result<Told, Garbled> {
    let Some(owner) = owner else { return Ok(Told::default()) };
    let files: Vec<Claim> = claims.take(most.saturating_add(1)).collect::<Result<_, _>>()?;
    if files.len() > most {
        return Err(Garbled::TooMany);
    }
    Ok(Told { claims: vec![Claims { owner, files }], ..Told::default() })
}

/// `Conffiles:` of each stanza: lines of a blank, a path, a checksum, and words that say it is obsolete.
fn conffiles(bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let text = text(bytes)?;
    let (mut told, mut named, mut open) = (Told::default(), 0, false);
    let mut stanza: Stanza = Stanza::default();
    for line in text.lines().chain([""]) {
        if line.trim().is_empty() {
            told.claims.extend(std::mem::take(&mut stanza).close());
            open = false;
        } else if let Some(folded) = line.strip_prefix([' ', '\t']) {
            if open && let Some(claim) = conffile(folded) {
                named += 1;
                if named > most {
                    return Err(Garbled::TooMany);
                }
                stanza.files.push(claim);
            }
        } else if let Some((field, value)) = line.split_once(':') {
            open = field.eq_ignore_ascii_case("conffiles");
            if field.eq_ignore_ascii_case("package") {
                stanza.name = Some(value.trim().to_owned());
            } else if field.eq_ignore_ascii_case("architecture") {
                stanza.architecture = Some(value.trim().to_owned());
            }
        }
    }
    Ok(told)
}

#[derive(Default)]
struct Stanza {
    name: Option<String>,
    architecture: Option<String>,
    files: Vec<Claim>,
}

impl Stanza {
    fn close(self) -> Option<Claims> {
        let Self { name: Some(name), architecture, files } = self else { return None };
        let owner = Owner::Named { name, architecture };
        (!files.is_empty()).then_some(Claims { owner, files })
    }
}

/// A conffile; none where it has no checksum, as one that is only announced (`newconffile`).
fn conffile(line: &str) -> Option<Claim> {
    let mut words = line.rsplit(' ').filter(|word| !word.is_empty());
    let flags = ["obsolete", "remove-on-upgrade"];
    let digits = words.find(|word| !flags.contains(word))?;
    let (path, _) = line.split_once(&format!(" {digits}"))?;
    let sum @ Checksum::Md5(_) = Checksum::from_hex(digits)? else { return None };
    Claim::new(path, Content::Sum(sum)).ok().map(|claim| claim.with(Role::Configuration))
}

/// Three lines each: the place, where it goes, and whose it is; `:` is the administrator.
fn diversions(bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let text = text(bytes)?;
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() / 3 > most {
        return Err(Garbled::TooMany);
    }
    let mut told = Told::default();
    for (at, three) in lines.chunks(3).enumerate() {
        let [from, to, by] = three else {
            return Err(Garbled::Line { line: 3 * at + three.len() });
        };
        if !from.starts_with('/') || !to.starts_with('/') {
            return Err(Garbled::Line { line: 3 * at + 1 });
        }
        let by = (*by != ":").then(|| (*by).to_owned());
        told.diversions.push(Diversion { from: (*from).to_owned(), to: (*to).to_owned(), by });
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::claimed;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn lists_name_files_of_their_package() {
        let sums = format!("{MD5}  usr/bin/a\n{MD5}  ./usr/bin/b\n");
        let plain = "/.\n/usr\n/usr/bin/a\n";
        let cases: Vec<(&FileList, &str, &str, &str)> = vec![
            (&LISTS, "/var/lib/dpkg/info/a.list", plain, "a: /usr -, /usr/bin/a -"),
            (&LISTS, "/var/lib/dpkg/info/a:amd64.list", "/.\n", "a:amd64:"),
            (
                &LISTS,
                "/var/lib/dpkg/info/a.list",
                "usr\n",
                "error: it names a file by a path that is not absolute and plain",
            ),
            (
                &SUMS,
                "/var/lib/dpkg/info/a:amd64.md5sums",
                &sums,
                "a:amd64: /usr/bin/a md5, /usr/bin/b md5",
            ),
            (
                &SUMS,
                "/var/lib/dpkg/status.d/a.md5sums",
                &sums,
                "/var/lib/dpkg/status.d/a: /usr/bin/a md5, /usr/bin/b md5",
            ),
            (
                &SUMS,
                "/var/lib/dpkg/info/a.md5sums",
                "no line\n",
                "error: line 1 is not of the form \"field:value\"",
            ),
            (&SUMS, "/var/lib/dpkg/info/a.md5sums", "", "a:"),
        ];
        for (list, path, text, want) in cases {
            assert!((list.wants)(path), "{path}");
            assert_eq!(claimed((list.read)(path, text.as_bytes(), 9)), want, "{path}: {text}");
        }
        for path in [
            "/var/lib/dpkg/info/.list",
            "/var/lib/dpkg/info/a/b.list",
            "/srv/a.list",
            "/var/lib/dpkg/status.d/.md5sums",
        ] {
            assert!(!(LISTS.wants)(path) && !(SUMS.wants)(path), "{path}");
        }
        let two = b"/a\n/b\n";
        let at = |most| (LISTS.read)("/var/lib/dpkg/info/a.list", two, most);
        assert!(at(2).is_ok());
        assert_eq!(at(1), Err(Garbled::TooMany));
    }

    #[test]
    fn conffiles_are_of_their_stanza() {
        let status = format!(
            "Package: a\nStatus: install ok installed\nArchitecture: amd64\nConffiles:\n /etc/a {MD5}\n /etc/b c {MD5} obsolete\n /etc/new newconffile\nVersion: 1\nDescription: x\n /etc/no {MD5}\n\nPackage: b\n"
        );
        let found = (CONFFILES.read)(STATUS_PATH, status.as_bytes(), 9);
        assert_eq!(claimed(found), "a:amd64: /etc/a md5 configuration, /etc/b c md5 configuration");
        assert_eq!((CONFFILES.read)(STATUS_PATH, status.as_bytes(), 1), Err(Garbled::TooMany));
    }

    #[test]
    fn diversions_have_three_lines() {
        let read = |text: &str| (DIVERSIONS.read)("/var/lib/dpkg/diversions", text.as_bytes(), 9);
        let found = read("/bin/sh\n/bin/sh.distrib\ndash\n/a\n/b\n:\n").unwrap().diversions;
        let by: Vec<_> = found.iter().map(|one| (one.from.as_str(), one.by.as_deref())).collect();
        assert_eq!(by, [("/bin/sh", Some("dash")), ("/a", None)]);
        for text in ["/a\n/b\n", "a\nb\nc\n"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(read(""), Ok(Told::default()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            for list in [LISTS, SUMS, CONFFILES, DIVERSIONS] {
                let _ = (list.read)("/var/lib/dpkg/info/a.md5sums", &bytes, 9);
                let _ = (list.read)("/var/lib/dpkg/info/a.list", &bytes, 9);
            }
        }
    }
}
