//! The collector of secrets: searches every file of every layer while it passes by.
//!
//! Text is searched for all that is known, other files for keys and for tokens that a checksum proves. `limits.secretBytes`
//! bounds how much of an image is searched; what is beyond, and a file whose search ended early, is said.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Kind, Secret, Secrets, Source, Unsearched, entries,
    files::{self, Reader},
    fixtures,
    scan::{SCAN_BYTES, Scan},
    stores::{Ended, Store},
    words,
};
use crate::{
    contents::{
        accounts::Vouchers,
        facts::{Bounded, Spot},
        sums::{FileHash, FileSums},
    },
    image::{
        collect::{Collector, Seen},
        rootfs::Rootfs,
        tar::Entry,
    },
    limits::{self, Limits},
};

/// What a secret takes in memory beside its path.
const SECRET_BYTES: u64 = 160;
/// Said of a file with more places where something may begin than are looked at.
const MANY: &str = "it has more places where a secret may begin than are looked at";
/// Said of a store of keys that is not looked at to its end.
const LARGE_STORE: &str = "it is a store that is larger than stores of keys are";
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
    /// Secrets beside the content of files, by the path of the entry.
    beside: Vec<(String, Secret)>,
    /// Secrets in what looks like test data, with the checksums of the file: they are none where a package recorded these.
    apart: Vec<(u64, FileSums, Vec<Secret>)>,
    /// How many of them there are.
    kept_apart: usize,
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
    /// What it holds, where it may be a key or a store of keys as a whole.
    store: Option<Store>,
    /// Its checksums, where its path looks like test data.
    hash: Option<FileHash>,
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
            beside: Vec::new(),
            apart: Vec::new(),
            kept_apart: 0,
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

    /// Keeps secrets apart until it is known whether a package recorded the file.
    fn keep_apart(&mut self, inode: u64, sums: FileSums, mut secrets: Vec<Secret>) {
        let room = self.limits.facts.saturating_sub(self.kept_apart);
        self.left_out = self.left_out.saturating_add(secrets.len().saturating_sub(room));
        secrets.truncate(room);
        self.kept_apart += secrets.len();
        let words = |secret: &Secret| match &secret.source {
            Source::File { spot, .. } => SECRET_BYTES + spot.path.len() as u64,
            Source::Config { .. } => SECRET_BYTES,
        };
        let bytes: u64 = secrets.iter().map(words).sum();
        self.held = self.held.saturating_add(bytes + size_of::<FileSums>() as u64);
        if !secrets.is_empty() {
            self.apart.push((inode, sums, secrets));
        }
    }

    /// Keeps what was found beside the content of a file.
    fn keep_beside(&mut self, path: &str, layer: usize, found: entries::Field) {
        if self.found.len() + self.beside.len() >= self.limits.facts {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let entries::Field { name, kind, encrypted } = found;
        let spot = Spot { path: words::shown_path(path), layer: Some(layer) };
        let words = (path.len() + spot.path.len() + name.len()) as u64;
        self.held = self.held.saturating_add(SECRET_BYTES + words);
        let source =
            Source::File { spot, offset: None, line: None, field: Some(name), hidden: false };
        self.beside.push((path.to_owned(), Secret { source, kind, encrypted }));
    }

    /// Decides what was kept apart; gives how many secrets are none.
    fn decide<'v>(&mut self, vouchers: impl FnOnce() -> Option<Vouchers<'v>>) -> usize {
        let apart = std::mem::take(&mut self.apart);
        let vouchers = if apart.is_empty() { None } else { vouchers() };
        let mut fixtures = 0_usize;
        for (inode, sums, secrets) in apart {
            let path = secrets.iter().find_map(|secret| match &secret.source {
                Source::File { spot, .. } => Some(spot.path.clone()),
                Source::Config { .. } => None,
            });
            let recorded = vouchers
                .as_ref()
                .zip(path)
                .is_some_and(|(vouchers, path)| vouchers.distribution(&path, &sums).is_some());
            if recorded {
                fixtures = fixtures.saturating_add(secrets.len());
            } else {
                secrets.into_iter().for_each(|secret| self.keep(inode, secret));
            }
        }
        fixtures
    }

    /// What was found, with what of it the finished tree does not have. `vouchers` say which files packages recorded.
    pub fn finish<'v>(
        mut self,
        rootfs: &Rootfs,
        vouchers: impl FnOnce() -> Option<Vouchers<'v>>,
    ) -> Secrets {
        let fixtures = self.decide(vouchers);
        let wanted: BTreeSet<u64> = self.found.iter().map(|(inode, _)| *inode).collect();
        let nodes = rootfs.nodes().map(|(_, node)| node.inode);
        let there: BTreeSet<u64> = nodes.filter(|inode| wanted.contains(inode)).collect();
        let found = self.found.into_iter().map(|(inode, mut secret)| {
            if let Source::File { hidden, .. } = &mut secret.source {
                *hidden = !there.contains(&inode);
            }
            secret
        });
        let beside = self.beside.into_iter().map(|(path, mut secret)| {
            if let Source::File { spot, hidden, .. } = &mut secret.source {
                let real = || rootfs.get(&rootfs.resolve(&path)?);
                let node = rootfs.get(&path).or_else(real);
                *hidden = node.is_none_or(|node| Some(node.layer) != spot.layer);
            }
            secret
        });
        let mut items: Vec<Secret> = found.chain(beside).collect();
        items.sort();
        let unsearched = self.unsearched.into_iter();
        Secrets {
            found: Bounded { items, left_out: self.left_out },
            unsearched: unsearched
                .map(|(why, (path, files))| Unsearched { path, why, files })
                .collect(),
            fixtures,
        }
    }

    /// What was found so far.
    #[cfg(test)]
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        let apart = self.apart.iter().flat_map(|(_, _, secrets)| secrets);
        let beside = self.beside.iter().map(|(_, secret)| secret);
        self.found.iter().map(|(_, secret)| secret).chain(apart).chain(beside)
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
        let Open { inode, spot, scan, fields, store, hash, .. } = open;
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
        match store.filter(|_| all.is_empty()).map(Store::finish) {
            Some(Ended::Key(key)) => all.push((Some(0), None, key.kind, key.encrypted)),
            Some(Ended::Cut) => self.not_searched(&spot.path, LARGE_STORE),
            Some(Ended::Other) | None => {}
        }
        let secrets = all.into_iter().map(|(offset, line, kind, encrypted)| {
            let (spot, field) = (spot.clone(), None);
            let source = Source::File { spot, offset, line, field, hidden: false };
            Secret { source, kind, encrypted }
        });
        match hash {
            Some(hash) => self.keep_apart(inode, hash.finish(), secrets.collect()),
            None => secrets.for_each(|secret| self.keep(inode, secret)),
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
    fn entry(&mut self, layer: usize, entry: &Entry) {
        for found in entries::of(entry) {
            self.keep_beside(&entry.path, layer, found);
        }
    }

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
        let store = Store::of(file.head, file.size);
        let of_store = store.as_ref().map_or(0, Store::needs);
        let hash = fixtures::is_test_data(file.path).then(|| FileHash::new(file));
        self.open = Some(Open {
            inode: file.inode,
            spot: Spot { path: file.path.to_owned(), layer: Some(file.layer) },
            scan: Box::new(Scan::new(file.head)),
            fields,
            store,
            hash,
            needs: SCAN_BYTES + of_fields + of_store,
        });
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        let Some(open) = &mut self.open else { return };
        open.scan.take(bytes);
        open.hash.iter_mut().for_each(|hash| hash.take(bytes));
        if let Some((_, held)) = &mut open.fields {
            held.extend_from_slice(bytes);
        }
        open.store.iter_mut().for_each(|store| store.take(bytes));
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
