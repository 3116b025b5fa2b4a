//! The ladder: on which rung two images agree.
//!
//! Turns two images into a [`Comparison`], with the exact tests of the ladder from the top down. Where a test cannot be
//! made, the images are not compared at all: there is no rung for "probably". What each rung relies on is recomputed:
//!
//! - R5 needs the manifest digests only. The manifests are then the same bytes, name the same stored layers and the same
//!   configuration, and there is no second image that could differ. Whether the configuration lies about the layers is a
//!   question about that one image, which [`verify_diff_ids`] answers.
//! - R4 needs every diffID recomputed, on both sides; layers with equal stored digests are one layer and hashed once.
//! - R3 needs equal recomputed diffIDs. Layers with equal stored digests inflate to equal bytes and are not read, unless
//!   the configurations claim different things about them.
//! - R2 needs, layer by layer, equal entries for every path, in the same order; in another order, or with another number
//!   of layers, the root filesystems must be equal as well, because entries may overwrite each other.
//! - R1 needs an explanation for each single difference, between entries and between the root filesystems; differences
//!   that were not kept are not explained.
//!
//! A diffID that is not the digest of its layer, on either side, is R0, and so is a configuration that differs with effect
//! at run time.

use std::collections::BTreeSet;

use super::{
    Allowance, Class, CompareError, Comparison, Difference, LayerFacts, LayerPair, Level, Place,
    Side, Which, config,
    entry::differences,
    layer::{EntryDiff, Layer},
    manifest, normalize,
    parallel::each,
    squash::Squashed,
};
use crate::{digest::DiffId, limits::Limits};

/// Compares two images; `left` is the published one, `right` the rebuilt one.
///
/// # Errors
/// [`CompareError`] when one of them cannot be read; never because they differ.
pub fn compare(
    left: Side<'_>,
    right: Side<'_>,
    allow: &[Allowance],
    limits: &Limits,
) -> Result<Comparison, CompareError> {
    require_image(Which::Published, left)?;
    require_image(Which::Rebuilt, right)?;
    let mut run = Run::new(left, right, limits);
    if left.manifest.document.digest == right.manifest.document.digest {
        return Ok(run.finish(Level::ManifestIdentical));
    }
    run.add_all(manifest::differences(left.manifest, right.manifest));
    let config = config::differences(&left.config.json, &right.config.json);
    let same_runtime = config.iter().all(|d| d.class == Class::ConfigBenign);
    run.add_all(config);
    let same_config = left.config.document.digest == right.config.document.digest;
    let content = if run.left.len() == run.right.len() {
        run.pair_by_pair(same_config, allow)?
    } else {
        run.as_a_whole(allow)?
    };
    let level = match content {
        _ if run.lying || !same_runtime => Level::Different,
        Content::SameLayers if same_config => Level::ConfigIdentical,
        Content::SameLayers => Level::LayersIdentical,
        Content::SameEntries => Level::ContentIdentical,
        Content::Differs if run.all_explained() => Level::Explained,
        Content::Differs => Level::Different,
    };
    Ok(run.finish(level))
}

/// Recomputes every diffID of one image and tells those that its configuration states wrongly, as published.
///
/// # Errors
/// [`CompareError`] when a layer cannot be read.
pub fn verify_diff_ids(side: Side<'_>, limits: &Limits) -> Result<Vec<Difference>, CompareError> {
    require_image(Which::Published, side)?;
    let layers = layers(Which::Published, side, limits);
    let found = each(&layers, |layer| layer.diff_id().map(|id| lie(layer, &id)));
    found.into_iter().filter_map(Result::transpose).collect()
}

fn require_image(which: Which, side: Side<'_>) -> Result<(), CompareError> {
    side.manifest.require_image(side.config).map_err(|error| CompareError::Format { which, error })
}

fn layers<'a>(which: Which, side: Side<'a>, limits: &'a Limits) -> Vec<Layer<'a>> {
    let descriptors = side.manifest.layers.iter().enumerate();
    descriptors
        .map(|(position, descriptor)| Layer { which, side, position, descriptor, limits })
        .collect()
}

/// The difference between a diffID and what its configuration claims.
fn lie(layer: &Layer<'_>, found: &DiffId) -> Option<Difference> {
    let claimed = layer.claimed()?;
    let told = format!("claimed {claimed}, is {found}");
    let (left, right) = match layer.which {
        Which::Published => (Some(told), None),
        Which::Rebuilt => (None, Some(told)),
    };
    (claimed != found).then(|| Difference {
        place: Place::Layer(layer.position),
        class: Class::LyingDiffId,
        what: "diffID".to_owned(),
        left,
        right,
        explained_by: None,
        cause: None,
    })
}

/// How the layers compare.
enum Content {
    SameLayers,
    SameEntries,
    Differs,
}

/// What is read of a pair of layers.
enum Job<'a> {
    /// Nothing: one blob, and nothing depends on its diffID.
    Skip,
    /// One blob: its diffID, for both claims.
    Hash(Layer<'a>, Layer<'a>),
    /// Two blobs, one after the other.
    Scan(Layer<'a>, Layer<'a>),
}

/// What reading a pair of layers gave.
#[derive(Default)]
struct Read {
    left: Option<DiffId>,
    right: Option<DiffId>,
    /// How the entries differ, when the diffIDs do.
    entries: Option<EntryDiff>,
}

impl Job<'_> {
    fn run(&self) -> Result<Read, CompareError> {
        match self {
            Self::Skip => Ok(Read::default()),
            Self::Hash(left, right) if left.claimed() == right.claimed() => {
                let id = left.diff_id()?;
                Ok(Read { left: Some(id.clone()), right: Some(id), entries: None })
            }
            Self::Hash(left, right) => {
                let (left, right) = (left.diff_id()?, right.diff_id()?);
                Ok(Read { left: Some(left), right: Some(right), entries: None })
            }
            Self::Scan(left, right) => {
                let most = left.limits.differences;
                let mut scans = each(&[left, right], |layer| layer.scan()).into_iter();
                let (Some(left), Some(right)) = (scans.next(), scans.next()) else {
                    return Ok(Read::default());
                };
                let ((left, left_entries), (right, right_entries)) = (left?, right?);
                let entries = (left != right).then(|| left_entries.diff(&right_entries, most));
                Ok(Read { left: Some(left), right: Some(right), entries })
            }
        }
    }
}

struct Run<'a> {
    left: Vec<Layer<'a>>,
    right: Vec<Layer<'a>>,
    limits: &'a Limits,
    pairs: Vec<LayerPair>,
    differences: Vec<Difference>,
    omitted: u64,
    lying: bool,
}

impl<'a> Run<'a> {
    fn new(left: Side<'a>, right: Side<'a>, limits: &'a Limits) -> Self {
        let left = layers(Which::Published, left, limits);
        let right = layers(Which::Rebuilt, right, limits);
        let facts = |layer: Option<&Layer<'_>>| {
            layer.map(|layer| LayerFacts {
                blob: layer.descriptor.digest.clone(),
                size: layer.descriptor.size,
                diff_id: None,
            })
        };
        let pairs = (0..left.len().max(right.len()))
            .map(|position| LayerPair {
                position,
                left: facts(left.get(position)),
                right: facts(right.get(position)),
            })
            .collect();
        Self { left, right, limits, pairs, differences: Vec::new(), omitted: 0, lying: false }
    }

    fn add(&mut self, difference: Difference) {
        if self.differences.len() < self.limits.differences {
            self.differences.push(difference);
            return;
        }
        self.omitted = self.omitted.saturating_add(1);
        // What matters takes the place of what does not.
        let mut kept = self.differences.iter_mut().rev();
        if !difference.class.is_benign()
            && let Some(benign) = kept.find(|kept| kept.class.is_benign())
        {
            *benign = difference;
        }
    }

    fn add_all(&mut self, differences: Vec<Difference>) {
        differences.into_iter().for_each(|difference| self.add(difference));
    }

    fn finish(mut self, level: Level) -> Comparison {
        self.differences.sort();
        let Self { differences, omitted, pairs: layers, .. } = self;
        Comparison { level, differences, omitted, layers }
    }

    fn all_explained(&self) -> bool {
        self.omitted == 0
            && self.differences.iter().all(|d| d.class.is_benign() || d.explained_by.is_some())
    }

    /// Compares layers by position.
    fn pair_by_pair(
        &mut self,
        same_config: bool,
        allow: &[Allowance],
    ) -> Result<Content, CompareError> {
        let pairs: Vec<_> = self.left.iter().copied().zip(self.right.iter().copied()).collect();
        let jobs: Vec<Job<'_>> =
            pairs.iter().map(|(left, right)| job(*left, *right, same_config)).collect();
        let reads = each(&jobs, Job::run).into_iter().collect::<Result<Vec<Read>, _>>()?;
        let (mut same, mut same_order) = (true, true);
        let mut unlike = Vec::new();
        for ((left, right), read) in pairs.iter().zip(reads) {
            self.note(left, read.left.as_ref());
            self.note(right, read.right.as_ref());
            match read.entries {
                None => self.note_stored(left, right),
                Some(diff) => {
                    same = false;
                    same_order &= diff.same_order;
                    if diff.paths.is_empty() && diff.more == 0 {
                        let what = if diff.same_order {
                            "times or format of entries"
                        } else {
                            "order of entries"
                        };
                        self.add(whole(left.position, Class::TarBenign, what));
                    } else {
                        unlike.push((*left, *right, diff));
                    }
                }
            }
        }
        if same {
            return Ok(Content::SameLayers);
        }
        let differs = !unlike.is_empty();
        self.add_entries(unlike, allow)?;
        if differs {
            if self.all_explained() {
                // Explained entries, too, may overwrite others in another order.
                self.as_a_whole(allow)?;
            }
            return Ok(Content::Differs);
        }
        if same_order { Ok(Content::SameEntries) } else { self.as_a_whole(allow) }
    }

    /// Compares the root filesystems.
    fn as_a_whole(&mut self, allow: &[Allowance]) -> Result<Content, CompareError> {
        let sides = [(Which::Published, &self.left), (Which::Rebuilt, &self.right)];
        let mut read =
            each(&sides, |(which, layers)| Squashed::of(*which, layers, self.limits)).into_iter();
        let (Some(left), Some(right)) = (read.next(), read.next()) else {
            return Ok(Content::Differs);
        };
        let (left, right) = (left?, right?);
        let noted: Vec<(Layer<'_>, DiffId)> = [(&self.left, &left), (&self.right, &right)]
            .into_iter()
            .flat_map(|(layers, squashed)| layers.iter().copied().zip(squashed.diff_ids.clone()))
            .collect();
        for (layer, id) in noted {
            self.note(&layer, Some(&id));
        }
        if self.left.len() != self.right.len() {
            let mut counts = whole(0, Class::TarBenign, "number of layers");
            counts.left = Some(self.left.len().to_string());
            counts.right = Some(self.right.len().to_string());
            self.add(counts);
        }
        let known = self.explained_paths();
        let mut same = true;
        left.compare(&right, |mut difference| {
            same = false;
            normalize::explain(&mut difference, allow);
            if !is_known(&difference, &known) {
                self.add(difference);
            }
        });
        Ok(if same { Content::SameEntries } else { Content::Differs })
    }

    /// Paths whose content is explained to differ.
    fn explained_paths(&self) -> BTreeSet<String> {
        let explained = self.differences.iter().filter(|d| d.explained_by.is_some());
        explained
            .filter_map(|difference| match &difference.place {
                Place::Entry { path, .. } => Some(path.clone()),
                Place::Manifest(_) | Place::Config(_) | Place::Layer(_) => None,
            })
            .collect()
    }

    /// Keeps a recomputed diffID, and says when it is not the claimed one. A layer may be noted twice.
    fn note(&mut self, layer: &Layer<'_>, id: Option<&DiffId>) {
        let Some(id) = id else { return };
        if let Some(pair) = self.pairs.get_mut(layer.position) {
            let facts = match layer.which {
                Which::Published => &mut pair.left,
                Which::Rebuilt => &mut pair.right,
            };
            let known = facts.as_mut().and_then(|facts| facts.diff_id.replace(id.clone()));
            if known.is_some() {
                return;
            }
        }
        if let Some(lie) = lie(layer, id) {
            self.lying = true;
            self.add(lie);
        }
    }

    /// Says how two layers with the same content are stored, where they differ in it.
    fn note_stored(&mut self, left: &Layer<'_>, right: &Layer<'_>) {
        if left.descriptor.digest != right.descriptor.digest {
            let words = |layer: &Layer<'_>| {
                let how = layer.descriptor.media_type.layer_compression();
                let how = how.map_or("unknown", |how| how.name());
                Some(format!("{how}, {} bytes", layer.descriptor.size))
            };
            let mut difference = whole(left.position, Class::Compression, "compression");
            (difference.left, difference.right) = (words(left), words(right));
            self.add(difference);
        }
    }

    /// Reads unlike layers again for the facts of their differing entries.
    fn add_entries(
        &mut self,
        unlike: Vec<(Layer<'_>, Layer<'_>, EntryDiff)>,
        allow: &[Allowance],
    ) -> Result<(), CompareError> {
        let found = each(&unlike, |(left, right, diff)| {
            let (left_facts, right_facts) = (left.facts(&diff.paths)?, right.facts(&diff.paths)?);
            let names: BTreeSet<&String> = left_facts.keys().chain(right_facts.keys()).collect();
            let differences: Vec<Difference> = names
                .into_iter()
                .flat_map(|path| {
                    let (l, r) = (left_facts.get(path), right_facts.get(path));
                    differences(left.position, path, l, r)
                })
                .collect();
            Ok((differences, diff.more))
        });
        for result in found {
            let (differences, omitted) = result?;
            self.omitted = self.omitted.saturating_add(omitted);
            for mut difference in differences {
                normalize::explain(&mut difference, allow);
                self.add(difference);
            }
        }
        Ok(())
    }
}

fn job<'a>(left: Layer<'a>, right: Layer<'a>, same_config: bool) -> Job<'a> {
    let how = |layer: &Layer<'_>| layer.descriptor.media_type.layer_compression();
    let one_blob = left.descriptor.digest == right.descriptor.digest && how(&left) == how(&right);
    match one_blob {
        false => Job::Scan(left, right),
        true if same_config || left.claimed() != right.claimed() => Job::Hash(left, right),
        true => Job::Skip,
    }
}

/// Whether a difference between root filesystems repeats one that was explained for the entry.
fn is_known(difference: &Difference, explained: &BTreeSet<String>) -> bool {
    let is_content = matches!(difference.class, Class::Content | Class::Cache | Class::NestedTime);
    is_content && matches!(&difference.place, Place::Entry { path, .. } if explained.contains(path))
}

fn whole(position: usize, class: Class, what: &str) -> Difference {
    Difference {
        place: Place::Layer(position),
        class,
        what: what.to_owned(),
        left: None,
        right: None,
        explained_by: None,
        cause: None,
    }
}

#[cfg(test)]
mod tests;
