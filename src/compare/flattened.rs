//! Root filesystems side by side, for images whose layers cannot be paired.
//!
//! Turns all layers of an image into the tree that a container sees and compares two of those: what an extra empty layer,
//! a squashed image or another order of entries comes down to. Facts are as strict as for entries; which names share a
//! file counts too. Where runtimes could build different trees on either side, nothing is proven. Files that differ are
//! explained as those of paired layers are: their bytes are looked for in a second pass over as few layers as hold them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::{
    Class, CompareError, Difference, Place, PythonRuns, SideLayers, SideValue, What, Which,
    content::{Hash, text},
    entry::{Facts, differences},
    layer::{KEPT_BYTES, Layer, Wanted},
    normalize::pyc,
    package_updates::{self, Kept},
    pair::FIRST,
    parallel::each,
};
use crate::{
    digest::DiffId,
    image::{
        rootfs::{self, Node, Rootfs, RootfsBuilder},
        tar::{Entry, EntryKind},
    },
    limits::Limits,
};

/// How two trees compare.
pub(super) struct Whole {
    /// What differs, in order of paths.
    pub(super) differences: Vec<Difference>,
    /// Paths that differ beyond those.
    pub(super) more: u64,
    /// Files that tell something about packages.
    pub(super) kept: Vec<Kept>,
}

/// Bytes by what they hash to.
type Contents = BTreeMap<Hash, Vec<u8>>;

/// An image's tree and the diffIDs recomputed on the way.
pub(super) struct Flattened {
    pub(super) diff_ids: Vec<DiffId>,
    /// What the compressed streams say beside their content.
    pub(super) asides: BTreeSet<Hash>,
    rootfs: Rootfs,
    /// The first name, in order of paths, of each file that has several.
    shared: BTreeMap<u64, String>,
    recorded: Recorded,
}

/// What compiled modules of Python say of their sources, and which have one beside them that is as old as they say.
#[derive(Default)]
struct Recorded {
    /// A hash over the paths of the modules that say so.
    all: BTreeMap<pyc::CompiledFrom, Hash>,
    /// The same, of modules that have no source where Python looks for it first.
    strays: BTreeMap<pyc::CompiledFrom, Hash>,
    /// Sources of modules beside them.
    own: BTreeSet<String>,
}

/// Which modules a file may be the source of, by its time and size. Python finds modules through links as well, and by settings
/// that name another folder for all of them, and takes files of any name for sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Of the one beside it, and of these strays.
    Own([Option<Hash>; 2]),
    /// It is empty, as many sources are: of some, and of these strays.
    Empty([Option<Hash>; 2]),
    /// Of these.
    Modules([Option<Hash>; 2]),
}

impl Flattened {
    /// Adds up the layers of one image.
    pub(super) fn of(
        which: Which,
        layers: &[Layer<'_>],
        limits: &Limits,
    ) -> Result<Self, CompareError> {
        let mut builder = RootfsBuilder::hashing(limits);
        let mut diff_ids = Vec::with_capacity(layers.len());
        let mut asides = BTreeSet::new();
        for layer in layers {
            let mut reader = layer.open()?;
            let added = builder.add_layer(layer.position, &mut reader);
            let finished = layer.finish(reader)?;
            diff_ids.push(finished.diff_id);
            asides.extend(finished.asides);
            added.map_err(|error| CompareError::Rootfs { which, error })?;
            layer.work.finish_item();
        }
        let rootfs = builder.finish();
        let shared = shared(&rootfs);
        let recorded = Recorded::of(&rootfs);
        Ok(Self { diff_ids, asides, rootfs, shared, recorded })
    }

    /// What differs from another tree; the layers are those of both.
    pub(super) fn compare(
        &self,
        other: &Self,
        layers: (&[Layer<'_>], &[Layer<'_>]),
        limits: &Limits,
    ) -> Result<Whole, CompareError> {
        let paths: BTreeSet<&str> = self.rootfs.paths().chain(other.rootfs.paths()).collect();
        let unlike = |path: &&str| {
            let (ours, theirs) = (self.facts(path), other.facts(path));
            ours != theirs
                || ours.is_some()
                    && (self.shares(path) != other.shares(path)
                        || self.runs(path) != other.runs(path)
                        || self.origin(path) != other.origin(path))
        };
        let unlike: BTreeSet<&str> = paths.into_iter().filter(unlike).collect();
        let databases = FIRST.into_iter().filter(|path| unlike.contains(path));
        let picked: BTreeSet<&str> =
            databases.chain(unlike.iter().copied()).take(limits.differences).collect();
        let more = unlike.len().saturating_sub(picked.len()) as u64;
        let sides = [(self, other, layers.0), (other, self, layers.1)];
        let mut contents = each(&sides, 1, |(own, held_against, layers)| {
            own.contents(&picked, held_against, layers, limits)
        })
        .into_iter();
        let (ours, theirs) = (contents.next().transpose()?, contents.next().transpose()?);
        let (ours, theirs) = (ours.unwrap_or_default(), theirs.unwrap_or_default());
        let mut whole = Whole { differences: Vec::new(), more, kept: Vec::new() };
        for path in picked {
            self.unlike(path, other, (&ours, &theirs), limits, &mut whole);
        }
        self.ambiguities(other, limits, &mut whole);
        self.idle_whiteouts(other, limits, &mut whole);
        Ok(whole)
    }

    /// What differs at one path.
    fn unlike(
        &self,
        path: &str,
        other: &Self,
        (ours, theirs): (&Contents, &Contents),
        limits: &Limits,
        whole: &mut Whole,
    ) {
        let with_bytes = |side: &Self, contents: &Contents| {
            let mut facts = side.facts(path)?;
            facts.bytes = contents.get(&facts.content).cloned();
            Some(facts)
        };
        let (left, right) = (with_bytes(self, ours), with_bytes(other, theirs));
        let mut found =
            differences(self.place(path, other), path, (left.as_ref(), right.as_ref()), limits);
        let runs = [self, other].map(|side| (side.runs(path), side.origin(path)));
        if runs[0] != runs[1] && left.is_some() && right.is_some() {
            let origins = runs.map(|(_, origin)| origin);
            let [ours, theirs] = runs.map(|(runs, origin)| {
                let by_origin = || match origins {
                    [None, None] => PythonRuns::Either,
                    _ if origin.is_some() => PythonRuns::Module,
                    _ => PythonRuns::Source,
                };
                let runs = if runs == PythonRuns::Either { by_origin() } else { runs };
                Some(SideValue::PythonRuns(runs))
            });
            found.push(self.security(other, path, What::PythonRuns).between(ours, theirs));
        }
        let [ours, theirs] = [self, other].map(|side| side.shares(path).map(SideValue::Text));
        if ours != theirs && left.is_some() && right.is_some() {
            found.push(self.security(other, path, What::SharedFile).between(ours, theirs));
        }
        let layers = SideLayers { left: self.layer(path), right: other.layer(path) };
        found.iter_mut().for_each(|difference| difference.layers = Some(layers));
        whole.differences.append(&mut found);
        if package_updates::is_wanted(path)
            && let (Some(left), Some(right)) =
                (left.and_then(|facts| facts.bytes), right.and_then(|facts| facts.bytes))
        {
            whole.kept.push(Kept { path: path.to_owned(), left, right });
        }
    }

    /// Places where runtimes could build different trees: equal ones on both sides say nothing about those trees.
    fn ambiguities(&self, other: &Self, limits: &Limits, whole: &mut Whole) {
        let told = |side: &Self| -> BTreeSet<(String, &'static str)> {
            side.rootfs.ambiguities().iter().map(|a| (a.path.clone(), a.why)).collect()
        };
        let (left, right) = (told(self), told(other));
        for (path, why) in left.union(&right) {
            let there = |side: &BTreeSet<_>| side.contains(&(path.clone(), *why));
            let both = there(&left) && there(&right);
            let what = What::Ambiguity { both, why };
            whole.differences.push(self.security(other, path, what));
        }
        // A folder that a layer writes into and has no entry for keeps its mode and owner with one runtime and loses them with
        // another. Where one side's layers do that and the other's do not, there are runtimes that make two trees of them.
        fn unsure(side: &Flattened) -> BTreeMap<&str, &'static str> {
            side.rootfs.unsure_folders().iter().map(|a| (a.path.as_str(), a.why)).collect()
        }
        let (left, right) = (unsure(self), unsure(other));
        let only = |these: &BTreeMap<&str, _>, path: &&str| !these.contains_key(path);
        let left_only = left.iter().filter(|(path, _)| only(&right, path));
        let mut odd = left_only.chain(right.iter().filter(|(path, _)| only(&left, path)));
        for (path, why) in odd.by_ref().take(limits.differences) {
            let what = What::Ambiguity { both: false, why };
            whole.differences.push(self.security(other, path, what));
        }
        whole.more = whole.more.saturating_add(odd.count() as u64);
    }

    /// Whiteouts of names that are not there are in no tree, and no build comes to one: they would hide what gets there later,
    /// from whoever builds on the image (attack D7).
    fn idle_whiteouts(&self, other: &Self, limits: &Limits, whole: &mut Whole) {
        let (left, right) = (self.rootfs.idle_whiteouts(), other.rootfs.idle_whiteouts());
        let mut odd = left.symmetric_difference(right);
        for path in odd.by_ref().take(limits.differences) {
            let which = if left.contains(path) { Which::Published } else { Which::Rebuilt };
            let what = What::IdleWhiteout(which);
            whole.differences.push(self.security(other, path, what));
        }
        whole.more = whole.more.saturating_add(odd.count() as u64);
    }

    fn security(&self, other: &Self, path: &str, what: What) -> Difference {
        let place = Place::Entry { layer: self.place(path, other), path: path.to_owned() };
        Difference::new(place, Class::TarSecurity, what)
    }

    /// The layer by which a path is listed: the left side's where it has it.
    fn place(&self, path: &str, other: &Self) -> usize {
        self.layer(path).or_else(|| other.layer(path)).unwrap_or_default()
    }

    /// The bytes of the picked files whose content differs from the other side's, as far as they may be looked into. What
    /// differs is mostly in the upper layers.
    fn contents(
        &self,
        picked: &BTreeSet<&str>,
        other: &Self,
        layers: &[Layer<'_>],
        limits: &Limits,
    ) -> Result<Contents, CompareError> {
        let file = |side: &Self, path: &str| {
            let facts = side.facts(path)?;
            let small = facts.entry.size <= limits.explain_bytes;
            (facts.entry.kind == EntryKind::File && small)
                .then_some((facts.content, facts.entry.size))
        };
        let wanted: BTreeMap<Hash, u64> = picked
            .iter()
            .filter_map(|path| {
                file(self, path).filter(|own| file(other, path).is_some_and(|o| o != *own))
            })
            .collect();
        let mut wanted = Wanted {
            sizes: wanted.values().copied().collect(),
            missing: wanted.into_keys().collect(),
            found: Contents::new(),
            room: KEPT_BYTES,
        };
        for layer in layers.iter().rev() {
            if wanted.missing.is_empty() {
                break;
            }
            layer.contents(&mut wanted)?;
        }
        Ok(wanted.found)
    }

    /// What is run of a compiled module and its source: the time inside the module decides it.
    fn runs(&self, path: &str) -> PythonRuns {
        match module(&self.rootfs, path) {
            Some((from, Some(source))) if from.is(source.mtime, source.size) => PythonRuns::Module,
            Some((_, Some(_))) => PythonRuns::Source,
            Some((_, None)) => PythonRuns::Either,
            None => PythonRuns::Either,
        }
    }

    /// The modules that a file may be the source of, where there are some.
    fn origin(&self, path: &str) -> Option<Origin> {
        let file = self.rootfs.get(path).filter(|node| node.kind == EntryKind::File)?;
        let from = pyc::CompiledFrom::of(file.mtime, file.size);
        let said =
            |by: &BTreeMap<_, Hash>| [from, from.without_size()].map(|key| by.get(&key).copied());
        let all = said(&self.recorded.all);
        let strays = || said(&self.recorded.strays);
        match () {
            () if all == [None, None] => None,
            // The module tells what is run of the one beside it.
            () if self.recorded.own.contains(path) => {
                Some(strays()).filter(|strays| *strays != [None, None]).map(Origin::Own)
            }
            () if file.size == 0 => Some(Origin::Empty(strays())),
            () => Some(Origin::Modules(all)),
        }
    }

    fn layer(&self, path: &str) -> Option<usize> {
        self.rootfs.get(path).map(|node| node.layer)
    }

    fn shares(&self, path: &str) -> Option<String> {
        self.shared.get(&self.rootfs.get(path)?.inode).cloned()
    }

    fn facts(&self, path: &str) -> Option<Facts> {
        self.rootfs.get(path).map(|node| facts(path, node))
    }
}

/// What a compiled module says of its source, and the source where Python looks for it.
fn module<'r>(rootfs: &'r Rootfs, path: &str) -> Option<(pyc::CompiledFrom, Option<&'r Node>)> {
    let source = pyc::source(path)?;
    let from = compiled_from(rootfs.get(path)?)?;
    Some((from, rootfs.resolve(&source).and_then(|source| rootfs.get(&source))))
}

fn compiled_from(node: &Node) -> Option<pyc::CompiledFrom> {
    match &node.contents {
        rootfs::Contents::Hashed { head: Some(head), .. } => pyc::compiled_from(head),
        _ => None,
    }
}

impl Recorded {
    fn of(rootfs: &Rootfs) -> Self {
        let (mut all, mut strays) = (BTreeMap::new(), BTreeMap::new());
        let mut own = BTreeSet::new();
        for (path, node) in rootfs.nodes() {
            let Some(from) = compiled_from(node) else { continue };
            let source = pyc::source(path).and_then(|source| rootfs.resolve(&source));
            let said =
                |by: &mut BTreeMap<_, Sha256>| text(by.entry(from).or_default(), path.as_bytes());
            said(&mut all);
            match source.and_then(|path| rootfs.get(&path).map(|node| (path, node))) {
                None => said(&mut strays),
                Some((path, source)) if from.is(source.mtime, source.size) => {
                    own.insert(path);
                }
                Some(_) => {}
            }
        }
        let [all, strays] = [all, strays].map(|by: BTreeMap<_, Sha256>| {
            by.into_iter().map(|(from, paths)| (from, paths.finalize().into())).collect()
        });
        Self { all, strays, own }
    }
}

/// The strict facts of a node, in the form of those of an entry.
fn facts(path: &str, node: &Node) -> Facts {
    let content: Hash = match node.contents {
        rootfs::Contents::Hashed { hash, .. } => hash,
        rootfs::Contents::NotWanted | rootfs::Contents::TooLarge | rootfs::Contents::Kept(_) => {
            Hash::default()
        }
    };
    let entry = Entry {
        path: path.to_owned(),
        kind: node.kind,
        mode: node.mode,
        odd_type_bits: node.odd_type_bits,
        uid: node.uid,
        gid: node.gid,
        uname: String::new(),
        gname: String::new(),
        size: node.size,
        mtime: 0,
        link: node.link.clone(),
        device: node.device,
        xattrs: node.xattrs.clone(),
        pax: node.pax.clone(),
        global: Default::default(),
        offset: 0,
    };
    Facts { entry, content, bytes: None, count: 1 }
}

fn shared(rootfs: &Rootfs) -> BTreeMap<u64, String> {
    let mut names: BTreeMap<u64, (&str, usize)> = BTreeMap::new();
    for (path, node) in rootfs.nodes().filter(|(_, node)| node.inode != 0) {
        names.entry(node.inode).or_insert((path, 0)).1 += 1;
    }
    let several = names.into_iter().filter(|(_, (_, count))| *count > 1);
    several.map(|(inode, (path, _))| (inode, path.to_owned())).collect()
}
