//! Claims: which files a package says are its own, and what their content should be.
//!
//! Turns lists of files of every package manager into one form: [`Claims`] of an [`Owner`], each with a path, the expected
//! content where the list has one, and a role. Paths are absolute and plain: a list that names `..`, or a place outside of its
//! package's own, is refused. dpkg records MD5 and apk SHA-1: whoever changes a file without having made the package needs a
//! second preimage, which neither gives; whoever made it could have prepared two files of one checksum. So the algorithm is
//! told with every claim, and rules may ask for a stronger one.

use std::collections::BTreeSet;

use super::{
    catalogue::{Garbled, Origin},
    parts::form,
};

/// Files of one list, beyond which none is believed.
pub(super) type Most = usize;

/// How a checksum was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checksum {
    /// MD5, which dpkg records.
    Md5([u8; 16]),
    /// SHA-1, which apk records.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Checksum {
    /// The checksum that hexadecimal digits are, by their number.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        Self::of(&bytes)
    }

    /// The checksum of so many bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.len() {
            16 => bytes.try_into().ok().map(Self::Md5),
            20 => bytes.try_into().ok().map(Self::Sha1),
            32 => bytes.try_into().ok().map(Self::Sha256),
            _ => None,
        }
    }

    /// The algorithm's word.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Md5(_) => "md5",
            Self::Sha1(_) => "sha1",
            Self::Sha256(_) => "sha256",
        }
    }

    /// Hexadecimal digits.
    pub fn hex(&self) -> String {
        match self {
            Self::Md5(bytes) => hex::encode(bytes),
            Self::Sha1(bytes) => hex::encode(bytes),
            Self::Sha256(bytes) => hex::encode(bytes),
        }
    }
}

/// What a list says of a file's content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// Its checksum.
    Sum(Checksum),
    /// The target of a symbolic link.
    Link(Box<str>),
    /// Nothing that can be held against the bytes.
    Unknown,
}

/// What a file is to its package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Part of it.
    Plain,
    /// Configuration, which administrators change.
    Configuration,
    /// Documentation or translations, which installers may be told to leave out.
    Documentation,
    /// Owned where it exists, and made by others: logs, caches.
    Ghost,
}

/// One file that a package says is its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Path from the root, as the package writes it: diversions and links of folders are not applied yet.
    pub path: Box<str>,
    /// Expected content.
    pub content: Content,
    /// What it is to the package.
    pub role: Role,
}

impl Claim {
    /// A claim of a file in its plain place.
    ///
    /// # Errors
    /// The path is not absolute and plain.
    pub(super) fn new(path: impl Into<Box<str>>, content: Content) -> Result<Self, Garbled> {
        let path: Box<str> = path.into();
        if !is_plain(&path) {
            return Err(form("it names a file by a path that is not absolute and plain"));
        }
        let role = if is_documentation(&path) { Role::Documentation } else { Role::Plain };
        Ok(Self { path, content, role })
    }

    /// With another role.
    pub(super) fn with(self, role: Role) -> Self {
        Self { role, ..self }
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let link = if let Content::Link(target) = &self.content { target.len() } else { 0 };
        (CLAIM_BYTES + self.path.len() + link) as u64
    }
}

/// What a claim takes in memory beside its words.
const CLAIM_BYTES: usize = 96;

/// Whose files a list names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The package of this name; of this architecture, where the list says one.
    Named {
        /// Name.
        name: String,
        /// Architecture.
        architecture: Option<String>,
    },
    /// The package that the file at this path lists.
    ListedAt(String),
}

/// The files of one package by one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose they are.
    pub owner: Owner,
    /// The files.
    pub files: Vec<Claim>,
}

impl Claims {
    /// Forgets the files of which a newer list of the same owner says the same.
    pub(super) fn forget(&mut self, newer: &[Claim]) {
        if self.files == newer {
            self.files.clear();
            return;
        }
        let newer: BTreeSet<(&str, &Content)> =
            newer.iter().map(|claim| (&*claim.path, &claim.content)).collect();
        self.files.retain(|claim| !newer.contains(&(&*claim.path, &claim.content)));
    }
}

/// A file that packages are kept from bringing to its place (dpkg-divert(1)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diversion {
    /// The place.
    pub from: String,
    /// Where it is brought instead.
    pub to: String,
    /// The package that may have the place; `None` where nobody may.
    pub by: Option<String>,
}

/// What a list tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Claims of packages.
    pub claims: Vec<Claims>,
    /// Diversions.
    pub diversions: Vec<Diversion>,
    /// Names of packages that were asked for and so have to be installed (apk's `world`).
    pub asked: Vec<String>,
    /// Names that installed packages provide beside their own.
    pub provided: Vec<String>,
}

impl Told {
    /// With claims of the paths alone that somebody asks about.
    pub(super) fn of_paths(mut self, kept: impl Fn(&str) -> bool) -> Self {
        for claims in &mut self.claims {
            claims.files.retain(|claim| kept(&claim.path));
            claims.files.shrink_to_fit();
        }
        self.claims.retain(|claims| !claims.files.is_empty());
        self
    }

    /// How many files it names.
    pub(super) fn files(&self) -> usize {
        self.claims.iter().map(|claims| claims.files.len()).fold(0, usize::saturating_add)
    }

    /// Bytes of memory that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.claims.iter().flat_map(|claims| &claims.files).map(Claim::bytes);
        let words = self.asked.iter().chain(&self.provided).map(|word| word.len() as u64 + 24);
        let diverted =
            self.diversions.iter().map(|one| (one.from.len() + one.to.len()) as u64 + 96);
        files.chain(words).chain(diverted).fold(64, u64::saturating_add)
    }
}

/// A kind of files that say which files packages own.
#[derive(Debug, Clone, Copy)]
pub struct FileList {
    /// Who writes them.
    pub origin: Origin,
    /// Whether the file at a path is one.
    pub wants: fn(&str) -> bool,
    /// Bytes of one file beyond which it is none that its tools write.
    pub file_bytes: u64,
    /// Reads the file at this path, of which no more than so many files are named.
    pub read: fn(&str, &[u8], Most) -> Result<Told, Garbled>,
}

/// Whether a path is absolute, and has no empty part, `.` or `..`.
pub(super) fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| !matches!(part, "" | "." | "..")) && !rest.contains('\0')
    })
}

/// Places of documentation and translations that minimal images leave out.
const DOCUMENTATION: [&str; 9] = [
    "/usr/share/doc/",
    "/usr/share/doc-base/",
    "/usr/share/man/",
    "/usr/share/info/",
    "/usr/share/locale/",
    "/usr/share/lintian/",
    "/usr/share/linda/",
    "/usr/share/gtk-doc/",
    "/usr/share/help/",
];

fn is_documentation(path: &str) -> bool {
    DOCUMENTATION.iter().any(|place| path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_plain_and_documentation_is_known() {
        let cases = [
            ("/usr/bin/x", Some(Role::Plain)),
            ("/usr/share/doc/x/copyright", Some(Role::Documentation)),
            ("/usr/share/man/man1/x.1.gz", Some(Role::Documentation)),
            ("/usr/share/docs/x", Some(Role::Plain)),
            ("usr/bin/x", None),
            ("/usr//bin/x", None),
            ("/usr/../etc/shadow", None),
            ("/usr/./x", None),
            ("/a\0b", None),
            ("/", None),
            ("", None),
        ];
        for (path, want) in cases {
            let found = Claim::new(path, Content::Unknown).ok().map(|claim| claim.role);
            assert_eq!(found, want, "{path:?}");
        }
    }

    #[test]
    fn checksums_are_known_by_their_length() {
        let cases = [(32, "md5"), (40, "sha1"), (64, "sha256")];
        for (digits, name) in cases {
            let sum = Checksum::from_hex(&"ab".repeat(digits / 2)).unwrap();
            assert_eq!((sum.algorithm(), sum.hex().len()), (name, digits));
        }
        for text in ["", "ab", &"ab".repeat(64), &"zz".repeat(16)] {
            assert_eq!(Checksum::from_hex(text), None, "{text}");
        }
    }
}
