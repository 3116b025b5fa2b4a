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
//! A diffID that is not the digest of its layer, on either side, is R0, and so is what differs with effect at run time in
//! configuration, annotations, or the parts of a compressed stream that only lazily pulling runtimes read.

use std::collections::BTreeSet;

use super::{
    Allowance, Class, CompareError, Comparison, Difference, Hint, LayerFacts, LayerPair, Level,
    PackageChange, Place, Side, Which, allow, config, drift, entry::HARD_LINK, hint::Stored,
    layer::Layer, manifest, pair, pair::Pair, parallel::each, residue, squash::Squashed,
};
use crate::{digest::DiffId, image::gzip::GzipHeader, limits::Limits, progress::Work};

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
    compare_watched(left, right, allow, limits, &Work::new("comparing layers"))
}

/// [`compare`], with counters for whoever wants to know how far it is: pairs of layers, and stored bytes of both sides.
///
/// # Errors
/// As [`compare`], and [`CompareError::Layer`] where nobody waits for the result any more.
pub fn compare_watched(
    left: Side<'_>,
    right: Side<'_>,
    allow: &[Allowance],
    limits: &Limits,
    work: &Work,
) -> Result<Comparison, CompareError> {
    require_image(Which::Published, left)?;
    require_image(Which::Rebuilt, right)?;
    let mut run = Run::new(left, right, (allow, limits), work);
    if left.manifest.document.digest == right.manifest.document.digest {
        return Ok(run.finish(Level::ManifestIdentical));
    }
    let mut around = manifest::differences(left.manifest, right.manifest);
    around.extend(config::differences(&left.config.json(), &right.config.json()));
    let same_runtime = around.iter().all(|d| d.class != Class::ConfigRuntime);
    run.add_all(around);
    let same_config = left.config.document.digest == right.config.document.digest;
    let content = if run.left.len() == run.right.len() {
        run.pair_by_pair(same_config)?
    } else {
        run.as_a_whole()?
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

/// Positions of the layers that [`compare`] reads on each side, whatever is in them. What it finds may make it read the
/// others as well; a blob that both sides have is among those of the left side alone.
pub fn needed(left: Side<'_>, right: Side<'_>, limits: &Limits) -> (Vec<usize>, Vec<usize>) {
    if left.manifest.document.digest == right.manifest.document.digest {
        return (Vec::new(), Vec::new());
    }
    let work = Work::new("nothing");
    let left_layers = layers(Which::Published, left, limits, &work);
    let right_layers = layers(Which::Rebuilt, right, limits, &work);
    if left_layers.len() != right_layers.len() {
        return ((0..left_layers.len()).collect(), (0..right_layers.len()).collect());
    }
    let same_config = left.config.document.digest == right.config.document.digest;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (position, (left, right)) in left_layers.into_iter().zip(right_layers).enumerate() {
        match job(left, right, same_config) {
            Job::Skip => {}
            Job::Hash(..) => ours.push(position),
            Job::Compare(..) => {
                ours.push(position);
                theirs.push(position);
            }
        }
    }
    (ours, theirs)
}

/// Recomputes every diffID of one image and tells those that its configuration states wrongly, as published.
///
/// # Errors
/// [`CompareError`] when a layer cannot be read.
pub fn verify_diff_ids(side: Side<'_>, limits: &Limits) -> Result<Vec<Difference>, CompareError> {
    require_image(Which::Published, side)?;
    let work = Work::new("reading layers");
    let layers = layers(Which::Published, side, limits, &work);
    let found = each(&layers, 1, |layer| layer.diff_id().map(|id| lie(layer, &id)));
    found.into_iter().filter_map(Result::transpose).collect()
}

fn require_image(which: Which, side: Side<'_>) -> Result<(), CompareError> {
    side.manifest.require_image(side.config).map_err(|error| CompareError::Format { which, error })
}

fn layers<'a>(which: Which, side: Side<'a>, limits: &'a Limits, work: &'a Work) -> Vec<Layer<'a>> {
    let descriptors = side.manifest.layers.iter().enumerate();
    descriptors
        .map(|(position, descriptor)| Layer { which, side, position, descriptor, limits, work })
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
    let place = Place::Layer(layer.position);
    let lie = || Difference::new(place, Class::LyingDiffId, "diffID").between(left, right);
    (claimed != found).then(lie)
}

/// What differs where layers cannot be paired; it is no affair of any one of them.
pub(super) const NUMBER_OF_LAYERS: &str = "number of layers";
/// Pairs of layers between which what is kept is taken up.
const BATCH: usize = 16;

/// What is known of all pairs of layers so far.
struct SoFar {
    /// All diffIDs are the same.
    same: bool,
    /// All paths come in the same order.
    same_order: bool,
    /// Some entry differs.
    differs: bool,
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
    /// Two blobs, at the same time.
    Compare(Layer<'a>, Layer<'a>),
}

impl Job<'_> {
    /// Stored bytes that it reads.
    fn bytes(&self) -> u64 {
        match self {
            Self::Skip => 0,
            Self::Hash(left, right) if left.claimed() == right.claimed() => left.descriptor.size,
            Self::Hash(left, right) | Self::Compare(left, right) => {
                left.descriptor.size.saturating_add(right.descriptor.size)
            }
        }
    }

    fn run(&self) -> Result<Option<Pair>, CompareError> {
        match self {
            Self::Skip => Ok(None),
            Self::Hash(left, right) => {
                let id = left.diff_id()?;
                // Claims of other algorithms are about the same bytes.
                let other =
                    if left.claimed() == right.claimed() { id.clone() } else { right.diff_id()? };
                Ok(Some(Pair { left: id, right: other, entries: None, asides: None }))
            }
            Self::Compare(left, right) => pair::compare(left, right).map(Some),
        }
    }
}

struct Run<'a> {
    left: Vec<Layer<'a>>,
    right: Vec<Layer<'a>>,
    allow: &'a [Allowance],
    limits: &'a Limits,
    work: &'a Work,
    pairs: Vec<LayerPair>,
    differences: Vec<Difference>,
    omitted: u64,
    lying: bool,
    packages: BTreeSet<PackageChange>,
}

impl<'a> Run<'a> {
    fn new(
        left: Side<'a>,
        right: Side<'a>,
        (allow, limits): (&'a [Allowance], &'a Limits),
        work: &'a Work,
    ) -> Self {
        let left = layers(Which::Published, left, limits, work);
        let right = layers(Which::Rebuilt, right, limits, work);
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
        Self {
            left,
            right,
            allow,
            limits,
            work,
            pairs,
            differences: Vec::new(),
            omitted: 0,
            lying: false,
            packages: BTreeSet::new(),
        }
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
        for difference in &mut self.differences {
            difference.hint = Hint::of(difference);
        }
        self.differences.sort();
        let Self { differences, omitted, pairs: layers, packages, allow, .. } = self;
        let packages = packages.into_iter().collect();
        let allowed = allow.iter().filter(|a| a.uses(&differences) > 0).cloned().collect();
        Comparison { level, differences, omitted, layers, packages, allowed }
    }

    /// Once something is left out nothing can be explained any more, and hostile layers do not get to try each pattern.
    fn explain(&self, difference: &mut Difference) {
        if self.omitted == 0 {
            allow::explain(difference, self.allow);
        }
    }

    fn all_explained(&self) -> bool {
        self.omitted == 0
            && self.differences.iter().all(|d| d.class.is_benign() || d.explained_by.is_some())
    }

    /// Compares layers by position.
    fn pair_by_pair(&mut self, same_config: bool) -> Result<Content, CompareError> {
        let pairs: Vec<_> = self.left.iter().copied().zip(self.right.iter().copied()).collect();
        let jobs: Vec<Job<'_>> =
            pairs.iter().map(|(left, right)| job(*left, *right, same_config)).collect();
        jobs.iter().for_each(|job| self.work.expect(1, job.bytes()));
        let work = self.work;
        let run = |job: &Job<'_>| job.run().inspect(|_| work.finish_item());
        let mut seen = SoFar { same: true, same_order: true, differs: false };
        // A batch at a time, so that what is kept of unlike layers does not add up.
        for (pairs, jobs) in pairs.chunks(BATCH).zip(jobs.chunks(BATCH)) {
            for ((left, right), read) in pairs.iter().zip(each(jobs, 2, run)) {
                self.add_pair((left, right), read?, &mut seen);
            }
        }
        if seen.same {
            return Ok(Content::SameLayers);
        }
        if !seen.differs {
            let same = seen.same_order;
            return if same { Ok(Content::SameEntries) } else { self.as_a_whole() };
        }
        self.prove_whiteouts()
    }

    /// Takes up what reading a pair of layers gave.
    fn add_pair(
        &mut self,
        (left, right): (&Layer<'_>, &Layer<'_>),
        read: Option<Pair>,
        seen: &mut SoFar,
    ) {
        let Some(read) = read else { return self.note_stored(left, right) };
        self.note(left, Some(&read.left));
        self.note(right, Some(&read.right));
        if let Some(sides) = read.asides {
            (seen.same, seen.differs) = (false, true);
            self.add(asides(left.position, sides.map(|side| usize::from(side.is_some()))));
        }
        let Some(mut entries) = read.entries else { return self.note_stored(left, right) };
        seen.same = false;
        seen.same_order &= entries.same_order;
        if entries.differences.is_empty() && entries.more == 0 {
            let what = match entries.same_order {
                true => "times or format of entries",
                false => "order of entries",
            };
            return self.add(whole(left.position, Class::TarBenign, what));
        }
        seen.differs = true;
        self.omitted = self.omitted.saturating_add(entries.more);
        self.note_packages(&mut entries.differences, &entries.kept);
        for mut difference in entries.differences {
            self.explain(&mut difference);
            self.add(difference);
        }
    }

    /// Tells files of packages that moved on from others, and keeps which packages did.
    fn note_packages(&mut self, differences: &mut [Difference], kept: &[drift::Kept]) {
        let packages = drift::packages(kept, self.limits);
        drift::sort(differences, kept, &packages);
        self.packages.extend(packages.into_iter().take(self.limits.differences));
    }

    /// Where nothing is left but opaque whiteouts, other forms of hard links and what is explained, compares what the layers
    /// add up to: explained entries, too, may overwrite others in another order.
    fn prove_whiteouts(&mut self) -> Result<Content, CompareError> {
        let link = |d: &Difference| d.class == Class::TarSecurity && d.what == HARD_LINK;
        let open = |d: &Difference| {
            d.class == Class::OpaqueWhiteout && d.explained_by.is_none() || link(d)
        };
        let settled = |d: &Difference| d.class.is_benign() || d.explained_by.is_some() || open(d);
        if self.omitted != 0 || !self.differences.iter().all(settled) {
            return Ok(Content::Differs);
        }
        let before = self.differences.len();
        self.as_a_whole()?;
        if self.differences.len() == before && self.omitted == 0 {
            for difference in self.differences.iter_mut().filter(|d| open(d)) {
                match link(difference) {
                    true => difference.class = Class::TarBenign,
                    false => difference.explained_by = Some(residue::OPAQUE_WHITEOUT.to_owned()),
                }
            }
            if self.differences.iter().all(|d| d.class.is_benign()) {
                return Ok(Content::SameEntries);
            }
        }
        Ok(Content::Differs)
    }

    /// Compares the root filesystems.
    fn as_a_whole(&mut self) -> Result<Content, CompareError> {
        let sides = [(Which::Published, &self.left), (Which::Rebuilt, &self.right)];
        let layers = self.left.iter().chain(&self.right);
        layers.for_each(|layer| self.work.expect(1, layer.descriptor.size));
        let mut read = each(&sides, 1, |(which, layers)| Squashed::of(*which, layers, self.limits))
            .into_iter();
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
            let mut counts = whole(0, Class::TarBenign, NUMBER_OF_LAYERS);
            counts.left = Some(self.left.len().to_string());
            counts.right = Some(self.right.len().to_string());
            self.add(counts);
        }
        let same_asides = left.asides == right.asides;
        if !same_asides {
            self.add(asides(0, [left.asides.len(), right.asides.len()]));
        }
        let known = self.explained();
        let mut whole = left.compare(&right, (&self.left, &self.right), self.limits)?;
        if same_asides && whole.differences.is_empty() && whole.more == 0 {
            return Ok(Content::SameEntries);
        }
        self.omitted = self.omitted.saturating_add(whole.more);
        self.note_packages(&mut whole.differences, &whole.kept);
        for mut difference in whole.differences {
            self.explain(&mut difference);
            if !is_known(&difference, &known) {
                self.add(difference);
            }
        }
        Ok(Content::Differs)
    }

    /// What is explained to differ, with both sides of it: an explanation is about a pair of contents, whatever else comes to
    /// stand at their path.
    fn explained(&self) -> BTreeSet<Explained> {
        self.differences.iter().filter(|d| d.explained_by.is_some()).filter_map(explained).collect()
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
            let headers = [left.gzip_header(), right.gzip_header()];
            let words = |layer: &Layer<'_>, header: Option<GzipHeader>| {
                let how = layer.descriptor.media_type.layer_compression();
                let how = how.map_or("unknown", |how| how.name());
                let header = header.map(|header| format!(", {header}")).unwrap_or_default();
                Some(format!("{how}, {} bytes{header}", layer.descriptor.size))
            };
            let what = Stored::of(headers).name();
            let mut difference = whole(left.position, Class::Compression, what);
            let [ours, theirs] = headers;
            (difference.left, difference.right) = (words(left, ours), words(right, theirs));
            self.add(difference);
        }
    }
}

fn job<'a>(left: Layer<'a>, right: Layer<'a>, same_config: bool) -> Job<'a> {
    let how = |layer: &Layer<'_>| layer.descriptor.media_type.layer_compression();
    let one_blob = left.descriptor.digest == right.descriptor.digest && how(&left) == how(&right);
    match one_blob {
        false => Job::Compare(left, right),
        true if same_config || left.claimed() != right.claimed() => Job::Hash(left, right),
        true => Job::Skip,
    }
}

/// Path, what differs there, and both sides in words, which hold digests and sizes in full.
type Explained = (String, String, Option<String>, Option<String>);

fn explained(difference: &Difference) -> Option<Explained> {
    let Place::Entry { path, .. } = &difference.place else { return None };
    let Difference { what, left, right, .. } = difference;
    Some((path.clone(), what.clone(), left.clone(), right.clone()))
}

/// Whether a difference between root filesystems repeats one that was explained for the entry.
fn is_known(difference: &Difference, known: &BTreeSet<Explained>) -> bool {
    difference.may_be_allowed && explained(difference).is_some_and(|found| known.contains(&found))
}

/// What only lazily pulling runtimes read: it can make them run something else.
fn asides(position: usize, counts: [usize; 2]) -> Difference {
    let what = "bytes beside the content of a compressed stream";
    let words = counts.map(|count| Some(if count == 0 { "none" } else { "some" }.to_owned()));
    let [left, right] = words;
    whole(position, Class::TarSecurity, what).between(left, right)
}

fn whole(position: usize, class: Class, what: &str) -> Difference {
    Difference::new(Place::Layer(position), class, what)
}

#[cfg(test)]
mod tests;
