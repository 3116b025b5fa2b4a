//! Which entries of an index a runtime could take.
//!
//! Follows containerd's `images.Manifest`: an entry whose platform a node does not take is passed over, of the others the
//! one that the node likes best is taken, and an index in an index is gone through in the same way. Whatever is as good as
//! the best is a [`Candidate`] here, because runtimes break ties differently; so is what only some nodes of a platform
//! take, and what names no platform, where the configuration decides. Marks on a descriptor (`artifactType`, BuildKit's
//! annotation) decide nothing: runtimes do not read them. `unknown/unknown` is no node's platform. Refuses indexes that
//! are nested too deep or list themselves.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
};

use super::{SourceError, documents::Documents, manifest_digest, marks::mark};
use crate::{
    digest::ManifestDigest,
    image::{Descriptor, Document, Index, LeftOut, MediaType, Platform},
};

/// Which platforms of an image are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PlatformChoice {
    /// The platform of this machine; an image that has no index is taken as it is.
    #[default]
    Host,
    /// This one.
    One(Platform),
    /// These.
    Listed(Vec<Platform>),
    /// Every one that can be run.
    All,
}

impl fmt::Display for PlatformChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.nodes().unwrap_or_default();
        let nodes: Vec<String> = nodes.iter().map(Platform::to_string).collect();
        f.write_str(if nodes.is_empty() { "any platform" } else { "" })?;
        f.write_str(&nodes.join(" or "))
    }
}

impl PlatformChoice {
    /// The platforms of the nodes that are meant; `None` where all are.
    fn nodes(&self) -> Option<Vec<Platform>> {
        match self {
            Self::Host => Some(vec![Platform::host()]),
            Self::One(platform) => Some(vec![platform.clone()]),
            Self::Listed(platforms) => Some(platforms.clone()),
            Self::All => None,
        }
    }

    /// The platform, where there is just one.
    pub(super) fn single(&self) -> Option<Platform> {
        self.nodes().filter(|nodes| nodes.len() == 1)?.pop()
    }

    /// Whether every node that is meant finds its own platform in an index, written as all runtimes write it: none of them takes an
    /// entry without a platform then.
    pub(super) fn is_found_in(&self, index: &Index) -> bool {
        all_find_themselves(self.nodes().as_deref(), index)
    }

    /// Whether a node that is meant takes an image for this platform.
    pub(super) fn takes(&self, image: &Platform) -> bool {
        let taken = |node: &Platform| node.takes(image).is_some();
        self.nodes().is_none_or(|nodes| nodes.iter().any(taken))
    }

    /// The same for an image without an index, which a node takes whatever it is for.
    pub(super) fn takes_single(&self, image: &Platform) -> bool {
        *self == Self::Host || self.takes(image)
    }
}

/// A manifest that a runtime could take.
pub(super) struct Candidate {
    /// The indexes on the ways to it, the outermost first; the last one lists it.
    pub(super) indexes: Vec<Arc<Index>>,
    pub(super) descriptor: Descriptor,
}

/// What became of the entries of an index, and of the indexes in it.
pub(super) struct Chosen {
    pub(super) candidates: Vec<Candidate>,
    pub(super) left_out: Vec<LeftOut>,
}

/// Goes through an index, and the indexes in it.
pub(super) async fn candidates(
    documents: &Documents<'_>,
    index: Index,
    choice: &PlatformChoice,
) -> Result<Chosen, SourceError> {
    let mut walk = Walk {
        documents,
        nodes: choice.nodes(),
        gone_through: BTreeSet::new(),
        indexes: Vec::new(),
        listed_by: BTreeMap::new(),
        listed: 0,
        seen: BTreeSet::new(),
        candidates: Vec::new(),
        left_out: Vec::new(),
    };
    walk.run(index).await?;
    Ok(walk.end())
}

/// An index whose entries are still to be looked at.
struct Level {
    index: Arc<Index>,
    /// Digests of the indexes around it, and its own.
    path: Vec<ManifestDigest>,
}

/// Everything in a descriptor by which two entries of one digest can differ.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Said {
    digest: ManifestDigest,
    platform: Option<Platform>,
    media_type: MediaType,
    size: u64,
    mark: Option<String>,
}

struct Walk<'l, 'a> {
    documents: &'l Documents<'a>,
    nodes: Option<Vec<Platform>>,
    /// Digests of the indexes inside.
    gone_through: BTreeSet<ManifestDigest>,
    /// Every index, in the order in which they were come to: what is further out is earlier.
    indexes: Vec<Arc<Index>>,
    /// For each manifest or index the indexes that list it.
    listed_by: BTreeMap<ManifestDigest, BTreeSet<ManifestDigest>>,
    /// Entries that were looked at.
    listed: usize,
    /// What a descriptor says, of those that were taken in.
    seen: BTreeSet<Said>,
    candidates: Vec<Descriptor>,
    left_out: Vec<LeftOut>,
}

impl Walk<'_, '_> {
    async fn run(&mut self, index: Index) -> Result<(), SourceError> {
        let path = vec![index.document.digest.clone()];
        let mut levels = VecDeque::from([Level { index: Arc::new(index), path }]);
        while let Some(level) = levels.pop_front() {
            self.indexes.push(Arc::clone(&level.index));
            self.bounded(level.index.manifests.len())?;
            let picked = picked(&level.index, self.nodes.as_deref());
            for (descriptor, is_picked) in level.index.manifests.iter().zip(picked) {
                match is_picked {
                    Picked::Never => {}
                    Picked::No => self.left_out.push(LeftOut {
                        platform: descriptor.platform.clone(),
                        manifest: manifest_digest(descriptor),
                    }),
                    Picked::Yes => levels.extend(self.take(&level, descriptor).await?),
                }
            }
        }
        Ok(())
    }

    /// Takes in an entry; gives the index that it is, if it is one that was not seen before.
    async fn take(
        &mut self,
        level: &Level,
        descriptor: &Descriptor,
    ) -> Result<Option<Level>, SourceError> {
        let digest = manifest_digest(descriptor);
        if level.path.contains(&digest) {
            return Err(self.index_loop(format!("index {digest} lists itself")));
        }
        let above = level.index.document.digest.clone();
        self.listed_by.entry(digest.clone()).or_default().insert(above);
        if descriptor.media_type.is_index() {
            return match self.gone_through.insert(digest) {
                true => self.deeper(level, descriptor).await.map(Some),
                false => Ok(None),
            };
        }
        let said = Said {
            digest,
            platform: descriptor.platform.clone(),
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
            mark: mark(descriptor),
        };
        if self.seen.insert(said) {
            self.candidates.push(descriptor.clone());
        }
        Ok(None)
    }

    async fn deeper(&self, level: &Level, descriptor: &Descriptor) -> Result<Level, SourceError> {
        let limit = self.documents.limits.index_depth;
        if level.path.len() >= limit {
            let name = crate::limits::key("index_depth");
            return Err(
                self.index_loop(format!("indexes are nested more than {limit} deep ({name})"))
            );
        }
        let digest = manifest_digest(descriptor);
        match self.documents.document(&digest, Some(descriptor)).await? {
            Document::Index(index) => {
                let path = level.path.iter().cloned().chain([digest]).collect();
                Ok(Level { index: Arc::new(index), path })
            }
            // Unreachable: the descriptor's media type is the document's own.
            Document::Manifest(_) => {
                Err(self.documents.malformed("image index", format!("{digest} is no index")))
            }
        }
    }

    fn index_loop(&self, why: String) -> SourceError {
        SourceError::IndexLoop { place: self.documents.place(), why }
    }

    fn bounded(&mut self, entries: usize) -> Result<(), SourceError> {
        self.listed = self.listed.saturating_add(entries);
        let limit = self.documents.limits.index_manifests;
        if self.listed <= limit {
            return Ok(());
        }
        Err(SourceError::Limit {
            place: self.documents.place(),
            what: "the number of manifests in its indexes".to_owned(),
            limit_name: "index_manifests",
            limit: limit as u64,
        })
    }

    fn end(self) -> Chosen {
        let candidate = |descriptor: &Descriptor| Candidate {
            indexes: self.ways_to(&manifest_digest(descriptor)),
            descriptor: descriptor.clone(),
        };
        let candidates = self.candidates.iter().map(candidate).collect();
        Chosen { candidates, left_out: self.left_out }
    }

    /// Every index on the ways to a manifest, the outermost first; the last one lists it.
    fn ways_to(&self, manifest: &ManifestDigest) -> Vec<Arc<Index>> {
        let mut around = BTreeSet::new();
        let mut next = vec![manifest];
        while let Some(listed) = next.pop() {
            for above in self.listed_by.get(listed).into_iter().flatten() {
                if around.insert(above) {
                    next.push(above);
                }
            }
        }
        let of_them = self.indexes.iter().filter(|index| around.contains(&index.document.digest));
        let mut ways: Vec<Arc<Index>> = of_them.cloned().collect();
        let direct = self.listed_by.get(manifest);
        let lists = |index: &Arc<Index>| direct.is_some_and(|d| d.contains(&index.document.digest));
        if let Some(at) = ways.iter().position(lists) {
            let last = ways.remove(at);
            ways.push(last);
        }
        ways
    }
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Picked {
    /// A runtime could take it for a platform that is asked for.
    Yes,
    /// A runtime could take it for another platform only.
    No,
    /// No runtime takes it.
    Never,
}

/// What becomes of each entry of one index.
fn picked(index: &Index, nodes: Option<&[Platform]>) -> Vec<Picked> {
    let entries = &index.manifests;
    let best: Vec<Option<usize>> =
        nodes.into_iter().flatten().map(|node| best_rank(entries, node)).collect();
    let one = |entry: &Descriptor| {
        let Some(platform) = &entry.platform else {
            // containers/image takes the first of these where a node finds nothing of its own, whatever its type is said to be.
            let known = entry.media_type.is_index() || entry.media_type.is_manifest();
            return if known || !all_find_themselves(nodes, index) {
                Picked::Yes
            } else {
                Picked::Never
            };
        };
        if platform.is_unknown() {
            return Picked::Never;
        }
        let Some(nodes) = nodes else { return Picked::Yes };
        let taken = nodes.iter().zip(&best).any(|(node, best)| {
            let fit = node.takes(platform);
            fit.is_some_and(|fit| best.is_none_or(|best| fit.rank <= best))
        });
        if taken { Picked::Yes } else { Picked::No }
    };
    entries.iter().map(one).collect()
}

/// Whether each of these nodes, which are not all that there are, has an entry of exactly its platform.
fn all_find_themselves(nodes: Option<&[Platform]>, index: &Index) -> bool {
    let there = |node: &Platform| {
        let mut plain = index.manifests.iter().filter(|entry| !entry.selective);
        plain.any(|entry| entry.platform.as_ref() == Some(node))
    };
    nodes.is_some_and(|nodes| nodes.iter().all(there))
}

/// The rank of the best entry that every node of this platform takes: what is worse is taken by none.
fn best_rank(entries: &[Descriptor], node: &Platform) -> Option<usize> {
    let fits = entries.iter().filter(|entry| !entry.selective).filter_map(|entry| {
        let platform = entry.platform.as_ref().filter(|platform| !platform.is_unknown())?;
        node.takes(platform).filter(|fit| fit.certain)
    });
    fits.map(|fit| fit.rank).min()
}
