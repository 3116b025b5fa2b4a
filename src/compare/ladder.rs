//! The ladder: on which rung two images agree.
//!
//! Turns two images into a [`Comparison`], with the exact tests of the ladder from the top down. Where a test cannot be
//! made, the images are not compared at all: there is no rung for "probably". What each rung relies on is recomputed:
//!
//! - R5 needs the manifest digests only, and indexes that lead to them by the same `urls`. The manifests are then the same bytes, name the same stored layers and the same
//!   configuration, and there is no second image that could differ. Whether the configuration lies about the layers is a
//!   question about that one image, which [`verify_diff_ids`] answers.
//! - R4 needs every diffID recomputed, on both sides; layers with equal stored digests are one layer and hashed once.
//! - R3 needs equal recomputed diffIDs. Layers with equal stored digests inflate to equal bytes and are not read, unless
//!   the configurations claim different things about them.
//! - R2 needs, layer by layer, equal entries for every path, in the same order, or else equal root filesystems: in another
//!   order entries may overwrite each other, and in other layers they may come to the same. What Python runs of a source and
//!   its compiled module, which hangs on times, is a fact of the root filesystem.
//! - R1 needs an explanation for each single difference between the root filesystems; differences that were not kept are not
//!   explained.
//!
//! A diffID that is not the digest of its layer, on either side, is R0, and so is what differs with effect at run time in
//! configuration, annotations, or the parts of a compressed stream that only lazily pulling runtimes read.

use std::collections::BTreeSet;

use super::{
    Account, Allowance, Class, CompareError, Comparison, Difference, Explanation, LayerFacts,
    LayerPair, Level, LikelyCause, PackageChange, Place, Side, SideValue, Stored, StoredLayer,
    What, Which, allow, config,
    flattened::{Flattened, Whole},
    layer::Layer,
    manifest, package_updates, pair,
    pair::Pair,
    parallel::each,
};
use crate::{
    digest::DiffId,
    image::{Compression, gzip::GzipHeader},
    limits::Limits,
    progress::Work,
};

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
    let listings = manifest::listings(left, right);
    let same_listing = listings.is_empty();
    run.add_all(listings);
    if left.manifest.document.digest == right.manifest.document.digest {
        let level = if same_listing { Level::ManifestIdentical } else { Level::Different };
        return Ok(run.finish(level));
    }
    let mut around = manifest::differences(left.manifest, right.manifest);
    around.extend(config::differences(&left.config.json(), &right.config.json()));
    let same_runtime = same_listing && around.iter().all(|d| d.class != Class::ConfigRuntime);
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
        Content::Explained if run.all_explained() => Level::Explained,
        Content::Explained | Content::Differs => Level::Different,
    };
    if run.differences.is_empty() && run.omitted == 0 {
        run.add(manifest::form(left.manifest, right.manifest));
    }
    Ok(run.finish(level))
}

/// Positions of the layers that [`compare`] reads on each side, whatever is in them. What it finds may make it read the
/// others as well; a blob that both sides have is among those of the left side alone.
pub fn needed(left: Side<'_>, right: Side<'_>, limits: &Limits) -> (Vec<usize>, Vec<usize>) {
    if left.manifest.document.digest == right.manifest.document.digest {
        return (Vec::new(), Vec::new());
    }
    let work = Work::new("nothing");
    let left_layers = Layer::all(Which::Published, left, limits, &work);
    let right_layers = Layer::all(Which::Rebuilt, right, limits, &work);
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
    let layers = Layer::all(Which::Published, side, limits, &work);
    let found = each(&layers, 1, |layer| layer.diff_id().map(|id| lie(layer, &id)));
    found.into_iter().filter_map(Result::transpose).collect()
}

fn require_image(which: Which, side: Side<'_>) -> Result<(), CompareError> {
    side.manifest.require_image(side.config).map_err(|error| CompareError::Format { which, error })
}

/// The difference between a diffID and what its configuration claims.
fn lie(layer: &Layer<'_>, found: &DiffId) -> Option<Difference> {
    let claimed = layer.claimed()?;
    let told = SideValue::Lie { claimed: claimed.clone(), found: found.clone() };
    let (left, right) = match layer.which {
        Which::Published => (Some(told), None),
        Which::Rebuilt => (None, Some(told)),
    };
    let place = Place::Layer(layer.position);
    let lie = || Difference::new(place, Class::LyingDiffId, What::DiffId).between(left, right);
    (claimed != found).then(lie)
}

/// Pairs of layers between which what is kept is taken up.
const BATCH: usize = 16;

/// What is known of all pairs of layers so far.
struct SoFar {
    /// All diffIDs are the same.
    same: bool,
    /// All paths come in the same order.
    same_order: bool,
    /// Equal files have different times.
    other_times: bool,
    /// There may be compiled modules of Python, in some layer of some side: equal layers are not looked into.
    modules: bool,
    /// Some entry differs.
    differs: bool,
}

/// How the layers compare.
enum Content {
    SameLayers,
    SameEntries,
    /// Unlike where an explanation stands beside each difference that is listed.
    Explained,
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
                let read = left.finish(left.open()?)?;
                let (id, stored) = (read.diff_id, [read.compression; 2]);
                // Claims of other algorithms are about the same bytes.
                let other =
                    if left.claimed() == right.claimed() { id.clone() } else { right.diff_id()? };
                Ok(Some(Pair { left: id, right: other, entries: None, stored, asides: None }))
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
    /// First layers of the right side that come from a pinned base.
    pinned: usize,
}

impl<'a> Run<'a> {
    fn new(
        left: Side<'a>,
        right: Side<'a>,
        (allow, limits): (&'a [Allowance], &'a Limits),
        work: &'a Work,
    ) -> Self {
        let pinned = right.pinned;
        let left = Layer::all(Which::Published, left, limits, work);
        let right = Layer::all(Which::Rebuilt, right, limits, work);
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
            pinned,
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
            difference.hint = LikelyCause::of(difference);
        }
        self.differences.sort_by(Difference::in_reports);
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
        self.omitted == 0 && self.differences.iter().all(|d| d.account() != Account::Open)
    }

    /// Compares layers by position.
    fn pair_by_pair(&mut self, same_config: bool) -> Result<Content, CompareError> {
        let around = self.omitted;
        let pairs: Vec<_> = self.left.iter().copied().zip(self.right.iter().copied()).collect();
        let jobs: Vec<Job<'_>> =
            pairs.iter().map(|(left, right)| job(*left, *right, same_config)).collect();
        jobs.iter().for_each(|job| self.work.expect(1, job.bytes()));
        let work = self.work;
        let run = |job: &Job<'_>| job.run().inspect(|_| work.finish_item());
        let mut seen = SoFar {
            same: true,
            same_order: true,
            other_times: false,
            modules: false,
            differs: false,
        };
        // A batch at a time, so that what is kept of unlike layers does not add up.
        for (pairs, jobs) in pairs.chunks(BATCH).zip(jobs.chunks(BATCH)) {
            for ((left, right), read) in pairs.iter().zip(each(jobs, 2, run)) {
                self.add_pair((left, right), read?, &mut seen);
            }
        }
        if seen.same {
            return Ok(Content::SameLayers);
        }
        if !seen.differs && seen.same_order {
            let decides = seen.other_times && seen.modules;
            return if decides { self.by_times() } else { Ok(Content::SameEntries) };
        }
        if self.lying || self.surely_differs() {
            return Ok(Content::Differs);
        }
        self.by_trees(around)
    }

    /// Whether the last layers hold other contents at one path: nothing comes after them, and the trees need not be read.
    fn surely_differs(&self) -> bool {
        let last = self.left.len().saturating_sub(1);
        self.differences.iter().any(|d| {
            let Place::Entry { layer, path } = &d.place else { return false };
            let name = path.rsplit('/').next().unwrap_or_default();
            let file = *layer == last && d.what == What::Content && !name.starts_with(".wh.");
            file && d.explained_by.is_none()
        })
    }

    /// Takes up what reading a pair of layers gave.
    fn add_pair(
        &mut self,
        (left, right): (&Layer<'_>, &Layer<'_>),
        read: Option<Pair>,
        seen: &mut SoFar,
    ) {
        let Some(read) = read else {
            seen.modules = true;
            return;
        };
        self.note(left, Some(&read.left));
        self.note(right, Some(&read.right));
        if let Some(sides) = read.asides {
            (seen.same, seen.differs) = (false, true);
            self.add(asides(left.position, sides.map(|side| usize::from(side.is_some()))));
        }
        let Some(mut entries) = read.entries else {
            seen.modules = true;
            return self.note_stored([left, right], read.stored);
        };
        seen.same = false;
        seen.same_order &= entries.same_order;
        seen.other_times |= entries.other_times;
        seen.modules |= entries.modules;
        if entries.differences.is_empty() && entries.more == 0 {
            let what = match entries.same_order {
                true => What::EntryForm,
                false => What::EntryOrder,
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
    fn note_packages(&mut self, differences: &mut [Difference], kept: &[package_updates::Kept]) {
        let packages = package_updates::packages(kept, self.limits);
        package_updates::sort(differences, kept, &packages);
        self.packages.extend(packages.into_iter().take(self.limits.differences));
    }

    /// Looks in the trees for times that decide what Python runs, in layers that are equal but for times: sources and modules may
    /// be in any of them.
    fn by_times(&mut self) -> Result<Content, CompareError> {
        let mut whole = self.trees()?.whole;
        whole.differences.retain(|difference| difference.what == What::PythonRuns);
        if whole.differences.is_empty() && whole.more == 0 {
            return Ok(Content::SameEntries);
        }
        self.omitted = self.omitted.saturating_add(whole.more);
        self.add_all(whole.differences);
        Ok(Content::Differs)
    }

    /// Compares what unlike layers add up to, which decides: the same tree may be spread over layers in many ways, and entries
    /// that are explained may overwrite others in another order. `around` is what was left out before layers were compared.
    fn by_trees(&mut self, around: u64) -> Result<Content, CompareError> {
        let mut trees = self.trees()?;
        let (found, known) = (std::mem::take(&mut self.differences), self.omitted);
        let entry = |d: &Difference| matches!(d.place, Place::Entry { .. });
        let (entries, rest): (Vec<_>, Vec<_>) = found.into_iter().partition(entry);
        let odd = |d: &Difference| matches!(d.place, Place::Layer(_)) && !d.class.is_benign();
        let whole_layers = !rest.iter().any(odd) && trees.asides.is_none();
        self.omitted = around;
        self.note_packages(&mut trees.whole.differences, &trees.whole.kept);
        trees.whole.differences.iter_mut().for_each(|difference| self.explain(difference));
        let explained: BTreeSet<_> =
            entries.iter().filter(|d| d.explained_by.is_some()).filter_map(told).collect();
        let settled = |d: &Difference| d.account() != Account::Open || is_known(d, &explained);
        // The base that was asked for is not the one that is there, be it hidden or not.
        let form = |d: &Difference| is_link(d) || d.class == Class::OpaqueWhiteout;
        let other_base = entries.iter().any(|d| self.is_pinned(d) && !settled(d) && !form(d));
        let settled = whole_layers
            && !other_base
            && trees.whole.more == 0
            && trees.whole.differences.iter().all(settled);
        self.differences = rest;
        if !settled {
            self.differ(entries, trees, known);
            return Ok(Content::Differs);
        }
        let same = trees.whole.differences.is_empty();
        let trees: Vec<_> = trees.whole.differences;
        let still: BTreeSet<_> = trees.iter().filter_map(told).collect();
        let (mut listed, mut spread) = (BTreeSet::new(), false);
        for mut difference in entries {
            if is_link(&difference) {
                difference.class = Class::TarBenign;
            } else if difference.class == Class::OpaqueWhiteout {
                difference.explained_by = Some(Explanation::OpaqueWhiteout);
            } else if difference.explained_by.is_none()
                || !told(&difference).is_some_and(|told| still.contains(&told))
            {
                spread = true;
                continue;
            }
            listed.extend(told(&difference));
            self.add(difference);
        }
        if spread {
            self.add(whole(0, Class::TarBenign, What::LayerSpread));
        }
        for difference in trees {
            if told(&difference).is_none_or(|told| !listed.contains(&told)) {
                self.add(difference);
            }
        }
        Ok(if same { Content::SameEntries } else { Content::Explained })
    }

    /// Whether it is in a layer that comes from a pinned base.
    fn is_pinned(&self, difference: &Difference) -> bool {
        matches!(difference.place, Place::Entry { layer, .. } if layer < self.pinned)
    }

    /// Lists what differs between layers; and what that adds up to, where none of it says so and nothing was left out.
    fn differ(&mut self, entries: Vec<Difference>, trees: Trees, omitted: u64) {
        let path = |d: &Difference| match &d.place {
            Place::Entry { path, .. } => Some(path.clone()),
            Place::Manifest(_) | Place::Config(_) | Place::Layer(_) => None,
        };
        let unlike: BTreeSet<String> = trees.whole.differences.iter().filter_map(path).collect();
        let open = entries.iter().filter(|d| d.explained_by.is_none() && !is_link(d));
        let says_so = open.filter_map(path).any(|path| unlike.contains(&hidden_by(&path)));
        let listed: BTreeSet<_> = entries.iter().filter_map(told).collect();
        let complete = omitted == self.omitted;
        self.omitted = omitted;
        self.add_all(entries);
        if !complete || says_so {
            return;
        }
        for difference in trees.whole.differences {
            if told(&difference).is_none_or(|told| !listed.contains(&told)) {
                self.add(difference);
            }
        }
    }

    /// Compares the root filesystems of images whose layers cannot be paired.
    fn as_a_whole(&mut self) -> Result<Content, CompareError> {
        let mut trees = self.trees()?;
        let mut counts = whole(0, Class::TarBenign, What::LayerCount);
        counts.left = Some(SideValue::Count(self.left.len() as u64));
        counts.right = Some(SideValue::Count(self.right.len() as u64));
        self.add(counts);
        if let Some(counts) = trees.asides {
            self.add(asides(0, counts));
        }
        if trees.asides.is_none() && trees.whole.differences.is_empty() && trees.whole.more == 0 {
            return Ok(Content::SameEntries);
        }
        self.omitted = self.omitted.saturating_add(trees.whole.more);
        self.note_packages(&mut trees.whole.differences, &trees.whole.kept);
        for mut difference in trees.whole.differences {
            self.explain(&mut difference);
            self.add(difference);
        }
        Ok(Content::Explained)
    }

    /// What the layers of both sides add up to, held against each other.
    fn trees(&mut self) -> Result<Trees, CompareError> {
        let sides = [(Which::Published, &self.left), (Which::Rebuilt, &self.right)];
        let layers = self.left.iter().chain(&self.right);
        layers.for_each(|layer| self.work.expect(1, layer.descriptor.size));
        let mut read =
            each(&sides, 1, |(which, layers)| Flattened::of(*which, layers, self.limits));
        let (right, left) = (read.pop(), read.pop());
        let (Some(left), Some(right)) = (left.transpose()?, right.transpose()?) else {
            // Two jobs give two results.
            return Ok(Trees::unread());
        };
        let noted: Vec<(Layer<'_>, DiffId)> = [(&self.left, &left), (&self.right, &right)]
            .into_iter()
            .flat_map(|(layers, squashed)| layers.iter().copied().zip(squashed.diff_ids.clone()))
            .collect();
        for (layer, id) in noted {
            self.note(&layer, Some(&id));
        }
        let asides =
            (left.asides != right.asides).then_some([left.asides.len(), right.asides.len()]);
        let whole = left.compare(&right, (&self.left, &self.right), self.limits)?;
        Ok(Trees { asides, whole })
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
    fn note_stored(&mut self, [left, right]: [&Layer<'_>; 2], found: [Compression; 2]) {
        if left.descriptor.digest != right.descriptor.digest {
            let headers = [left.gzip_header(found[0]), right.gzip_header(found[1])];
            let side = |layer: &Layer<'_>, compression, header: Option<GzipHeader>| {
                let size = layer.descriptor.size;
                Some(SideValue::Stored(StoredLayer { compression, size, header }))
            };
            let what = What::Stored(Stored::of(headers));
            let mut difference = whole(left.position, Class::Compression, what);
            let [ours, theirs] = headers;
            (difference.left, difference.right) =
                (side(left, found[0], ours), side(right, found[1], theirs));
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

/// How root filesystems compare.
struct Trees {
    /// How many compressed streams say something beside their content, where they do not say the same.
    asides: Option<[usize; 2]>,
    whole: Whole,
}

impl Trees {
    /// Nothing is known, and nothing proven.
    fn unread() -> Self {
        let whole = Whole { differences: Vec::new(), more: 1, kept: Vec::new() };
        Self { asides: None, whole }
    }
}

/// The path that an entry is about: a whiteout is about what it hides.
fn hidden_by(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    format!("{folder}/{}", name.strip_prefix(".wh.").unwrap_or(name))
}

fn is_link(difference: &Difference) -> bool {
    difference.class == Class::TarSecurity && difference.what == What::HardLink
}

/// Path, what differs there, and both sides, which hold digests and sizes in full.
type Told = (String, What, Option<SideValue>, Option<SideValue>);

fn told(difference: &Difference) -> Option<Told> {
    let Place::Entry { path, .. } = &difference.place else { return None };
    let Difference { what, left, right, .. } = difference;
    Some((path.clone(), what.clone(), left.clone(), right.clone()))
}

/// Whether a difference between root filesystems repeats one that was explained for the entry.
fn is_known(difference: &Difference, known: &BTreeSet<Told>) -> bool {
    difference.may_be_allowed && told(difference).is_some_and(|found| known.contains(&found))
}

/// What only lazily pulling runtimes read: it can make them run something else.
fn asides(position: usize, counts: [usize; 2]) -> Difference {
    let [left, right] = counts.map(|count| Some(SideValue::Asides(count > 0)));
    whole(position, Class::TarSecurity, What::StreamAsides).between(left, right)
}

fn whole(position: usize, class: Class, what: What) -> Difference {
    Difference::new(Place::Layer(position), class, what)
}

#[cfg(test)]
mod tests;
