//! The collector of secrets: searches every file of every layer while it passes by.
//!
//! Text is searched for all that is known, other files for keys and for tokens that a checksum proves. `limits.secretBytes`
//! bounds how much of an image is searched; what is beyond, and a file whose search ended early, is said.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Kind, Secret, Secrets, Source, Unsearched,
    files::{self, Reader},
    fixtures,
    scan::{SCAN_BYTES, Scan},
};
use crate::{
    contents::facts::{Bounded, Spot},
    image::{
        collect::{Collector, Seen},
        rootfs::Rootfs,
    },
    limits::{self, Limits},
};

/// What a secret takes in memory beside its path.
const SECRET_BYTES: u64 = 160;
/// Said of a file with more places where something may begin than are looked at.
const MANY: &str = "it has more places where a secret may begin than are looked at";
/// Said of a file of credentials that is larger than any.
const LARGE: &str = "it is larger than files of credentials are";

/// Searches files.
#[derive(Debug)]
pub struct SecretsCollector {
    limits: Limits,
    open: Option<Open>,
    /// By the number of the file.
    found: Vec<(u64, Secret)>,
    left_out: usize,
    fixtures: usize,
    /// By why.
    unsearched: BTreeMap<String, (String, usize)>,
    searched: u64,
    held: u64,
}

/// The file that passes by.
#[derive(Debug)]
struct Open {
    inode: u64,
    spot: Spot,
    scan: Box<Scan>,
    /// Its bytes, where its fields say what is a secret.
    fields: Option<(Reader, Vec<u8>)>,
    /// Bytes of memory that this takes.
    needs: u64,
}

impl SecretsCollector {
    /// Nothing is found yet.
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            open: None,
            found: Vec::new(),
            left_out: 0,
            fixtures: 0,
            unsearched: BTreeMap::new(),
            searched: 0,
            held: 0,
        }
    }

    fn not_searched(&mut self, path: &str, why: &str) {
        let entry = self.unsearched.entry(why.to_owned());
        entry.or_insert_with(|| (path.to_owned(), 0)).1 += 1;
    }

    fn keep(&mut self, inode: u64, secret: Secret) {
        if self.found.len() >= self.limits.facts {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        if let Source::File { spot, .. } = &secret.source {
            self.held = self.held.saturating_add(SECRET_BYTES + spot.path.len() as u64);
        }
        self.found.push((inode, secret));
    }

    /// What was found, with what of it the finished tree does not have.
    pub fn finish(self, rootfs: &Rootfs) -> Secrets {
        let wanted: BTreeSet<u64> = self.found.iter().map(|(inode, _)| *inode).collect();
        let nodes = rootfs.nodes().map(|(_, node)| node.inode);
        let there: BTreeSet<u64> = nodes.filter(|inode| wanted.contains(inode)).collect();
        let found = self.found.into_iter().map(|(inode, mut secret)| {
            if let Source::File { hidden, .. } = &mut secret.source {
                *hidden = !there.contains(&inode);
            }
            secret
        });
        let mut items: Vec<Secret> = found.collect();
        items.sort();
        let unsearched = self.unsearched.into_iter();
        Secrets {
            found: Bounded { items, left_out: self.left_out },
            unsearched: unsearched
                .map(|(why, (path, files))| Unsearched { path, why, files })
                .collect(),
            fixtures: self.fixtures,
        }
    }

    /// What was found so far.
    #[cfg(test)]
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.found.iter().map(|(_, secret)| secret)
    }

    /// What was not searched so far.
    #[cfg(test)]
    pub(super) fn unsearched(&self) -> impl Iterator<Item = &String> {
        self.unsearched.keys()
    }

    /// How many are not kept.
    #[cfg(test)]
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    fn finish_file(&mut self, open: Open) {
        let Open { inode, spot, scan, fields, .. } = open;
        let (hits, early) = scan.finish();
        if early {
            self.not_searched(&spot.path, MANY);
        }
        let host = is_host_key(&spot.path);
        let hits = hits.into_iter().map(|hit| {
            let kind =
                if host && hit.kind == Kind::PrivateKey { Kind::SshHostKey } else { hit.kind };
            (Some(hit.offset), hit.line, kind, hit.encrypted)
        });
        let mut all: Vec<_> = hits.collect();
        if let Some((read, bytes)) = fields.filter(|_| all.is_empty()) {
            let line = |line: u64| (line > 0).then_some(line);
            let lines = read(&text(&bytes)).into_iter();
            all.extend(lines.map(|at| (None, line(at), Kind::Credentials, false)));
        }
        if fixtures::is_fixture(&spot.path) {
            self.fixtures = self.fixtures.saturating_add(all.len());
            return;
        }
        for (offset, line, kind, encrypted) in all {
            let source = Source::File { spot: spot.clone(), offset, line, hidden: false };
            self.keep(inode, Secret { source, kind, encrypted });
        }
    }
}

/// The text of a file, in whichever encoding its mark says.
fn text(bytes: &[u8]) -> String {
    let units = |from: fn([u8; 2]) -> u16| {
        let (pairs, _) = bytes.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().skip(1).map(|pair| from(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// `ssh_host_ed25519_key` and its like.
fn is_host_key(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with("ssh_host_") && name.ends_with("_key")
}

impl Collector for SecretsCollector {
    fn wants(&mut self, file: &Seen<'_>) -> bool {
        self.open = None;
        if file.size == 0 {
            return false;
        }
        let limit = self.limits.secret_bytes;
        self.searched = self.searched.saturating_add(file.size);
        if self.searched > limit {
            let key = limits::key("secret_bytes");
            self.not_searched(
                file.path,
                &format!("what was searched before takes all of {key}, {limit}"),
            );
            return false;
        }
        let reader = files::reader(file.path);
        let fits = file.size <= files::FILE_BYTES;
        if reader.is_some() && !fits {
            self.not_searched(file.path, LARGE);
        }
        let fields = reader.filter(|_| fits).map(|read| (read, Vec::new()));
        let of_fields = if fields.is_some() { file.size * files::COPIES } else { 0 };
        self.open = Some(Open {
            inode: file.inode,
            spot: Spot { path: file.path.to_owned(), layer: Some(file.layer) },
            scan: Box::new(Scan::new(file.head)),
            fields,
            needs: SCAN_BYTES + of_fields,
        });
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(open) = &mut self.open else { return };
        open.scan.take(bytes);
        if let Some((_, held)) = &mut open.fields {
            held.extend_from_slice(bytes);
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.finish_file(open);
        }
    }

    fn held(&self) -> u64 {
        let unsearched = self.unsearched.len() as u64 * SECRET_BYTES;
        let open = self.open.as_ref().map_or(0, |open| open.needs);
        self.held.saturating_add(unsearched).saturating_add(open)
    }
}
