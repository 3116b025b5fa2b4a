//! What is attached to an image.
//!
//! Turns an [`Image`] into [`Raw`] evidence, each piece with the carrier that it was found in:
//! 1. attestation manifests in an index (BuildKit's attestation storage: `vnd.docker.reference.type` and `.digest`), in
//!    their first form and as OCI artifacts with a subject; only those for this image's manifest;
//! 2. referrers of the manifest and of every index between it and what was asked for (distribution-spec v1.1, "Listing
//!    Referrers"), by API or tag; what a list says about them is a hint, so each is fetched, and counts only if
//!    its own `subject` is what it was listed for;
//! 3. the tags that cosign derives from those digests: `.sig`, `.att`, `.sbom`;
//! 4. labels and annotations `org.opencontainers.image.*` that say where the image comes from: hints;
//! 5. bundles in files that whoever asked has named ([`super::handed`]).
//!
//! Everything found is untrusted: `trust` judges it. What is not there is no finding here, policy asks for it; what
//! could not be listed or read is one, and so is what goes beyond a limit. Files in the image are found elsewhere.
//!
//! Limits are spent on what may be proven first (attacks H35 and H41): what the image's own index lists, then what is under the
//! tags that cosign derives and referrers of kinds that hold signatures. Statements and documents that nobody signed prove
//! nothing outside the index, and come last. The rest take turns: tags, lists, kinds and sizes ([`places`]), the first piece of
//! each manifest before the second of any, and large ones later. Equal pieces are one, whatever carries them. Manifests are
//! counted by the sizes that lists state before they are fetched, and dropped when they are read (attack C24): what is left
//! of one are its pieces.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use futures_util::{StreamExt, future, stream};

use super::{
    Meter, Referrers, Source, SourceError, StoredManifest,
    budget::{Share, weight},
    images::{CONCURRENT, together},
    manifest_digest,
    marks::attestation_entries,
    places::{self, Claimant, Rank, claimant, kind_class, rank_of_kind, size_class},
};
use crate::{
    amount::plural,
    attest::{Carrier, Listing, Raw},
    digest::{BlobDigest, ManifestDigest},
    finding::{Code, Finding, Key, Severity, Subject},
    image::{Descriptor, FormatError, Image, Index, Manifest, MediaType},
    limits::{self, Limits},
};

/// What cosign appends to the digest.
const COSIGN_SUFFIXES: [&str; 3] = ["sig", "att", "sbom"];
/// Labels and annotations that hint at an image's origin (image-spec v1.1, annotations.md).
const HINTS: [&str; 5] = [
    "org.opencontainers.image.base.digest",
    "org.opencontainers.image.base.name",
    "org.opencontainers.image.created",
    "org.opencontainers.image.revision",
    "org.opencontainers.image.source",
];
/// All evidence of one image together may be this many times as large as one piece, and so may all manifests that carry it.
const TOTAL_FACTOR: u64 = 4;

/// What was found.
#[derive(Debug, Default)]
pub struct Discovered {
    /// What is counted of it beside the bytes of the pieces themselves.
    pub shares: Vec<Share>,
    /// Evidence, in a fixed order.
    pub raws: Vec<Raw>,
    /// What could not be listed or read.
    pub findings: Vec<Finding>,
}

/// Finds what is attached to an image. Never fails: what goes wrong is a finding.
pub async fn discover(source: &dyn Source, image: &Image, limits: &Limits) -> Discovered {
    let mut discovery = Discovery { source, image, limits, found: Discovered::default() };
    discovery.names();
    discovery.hints();
    discovery.handed();
    let pieces = discovery.carried().await;
    discovery.fetch(pieces).await;
    discovery.found
}

/// The Sigstore bundles whose subject is `digest`, each with its carrier. For a look before signing: what cannot be read is
/// passed over, because it proves nothing either way.
///
/// # Errors
/// Where the referrers cannot be listed.
pub async fn bundles(
    source: &dyn Source,
    digest: &ManifestDigest,
    limits: &Limits,
) -> Result<Vec<(Carrier, Bytes)>, SourceError> {
    let list = source.referrers(digest).await?;
    let via = list.via.unwrap_or(Listing::Api);
    let mut left = (limits.attestation_bytes as u64).saturating_mul(TOTAL_FACTOR);
    let mut found = Vec::new();
    for descriptor in list.descriptors.iter().take(limits.attestations) {
        let name = manifest_digest(descriptor);
        let Ok(stored) = source.manifest(&name).await else { continue };
        let parsed = Manifest::parse(stored.document, stored.media_type.as_ref(), limits);
        let Ok(manifest) = parsed else { continue };
        let about = manifest.subject.as_ref().map(manifest_digest);
        for layer in manifest.layers.iter().filter(|_| about.as_ref() == Some(digest)) {
            let is_bundle = layer.media_type.as_str().starts_with(MediaType::SIGSTORE_BUNDLE);
            if !is_bundle || layer.size > left {
                continue;
            }
            left = left.saturating_sub(layer.size);
            if let Ok(bytes) = source.small_blob(layer, limits.attestation_bytes).await {
                found.push((Carrier::Referrer { manifest: name.clone(), via }, bytes));
            }
        }
    }
    Ok(found)
}

/// What is left of a manifest that was read.
#[derive(Default)]
struct Read {
    pieces: Vec<Piece>,
    /// Bytes of memory, at most.
    weight: u64,
    share: Option<Share>,
}

/// What came of reading one manifest, or which one it was and what was wrong.
type OfOne = Result<Read, (String, SourceError)>;

/// A manifest that carries evidence.
struct Carried {
    carrier: Carrier,
    attached_to: ManifestDigest,
    manifest: Manifest,
}

/// A manifest that is to be fetched because an index or a list names it.
struct Named {
    descriptor: Descriptor,
    carrier: Carrier,
    /// The digest that its `subject` has to be.
    subject: ManifestDigest,
    /// Whether it may have no subject.
    subject_rule: SubjectRule,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum SubjectRule {
    /// A referrer is one by its subject.
    Required,
    /// The index already says what an attestation manifest is about; a subject must not contradict it.
    Consistent,
}

struct Discovery<'a> {
    source: &'a dyn Source,
    image: &'a Image,
    limits: &'a Limits,
    found: Discovered,
}

impl Discovery<'_> {
    /// The digests that evidence can be attached to: the manifest's, and those of the indexes on the way to it, the inner
    /// ones first.
    fn digests(&self) -> Vec<ManifestDigest> {
        let documents: Vec<_> = self.image.documents().map(|document| &document.digest).collect();
        let mut seen = BTreeSet::new();
        documents
            .into_iter()
            .rev()
            .chain([&self.image.reference.digest])
            .filter(|digest| seen.insert((*digest).clone()))
            .cloned()
            .collect()
    }

    fn subject(&self) -> Subject {
        Subject::Image(self.image.reference.to_string())
    }

    /// Tells what a list of names around the image calls it, where that is no image: whoever goes by that looks elsewhere,
    /// and runtimes run it.
    fn names(&mut self) {
        let documents = self.image.documents().map(|document| &document.digest);
        let called = documents.filter_map(|digest| Some((digest, self.source.called(digest)?)));
        let subject = || Subject::Image(self.image.reference.to_string());
        let told = called.map(|(digest, called)| {
            Finding::new(Code::ImageEntryMisnamed, subject())
                .with(Key::From, digest.to_string())
                .with(Key::Found, called)
        });
        let told: Vec<Finding> = told.collect();
        self.found.findings.extend(told);
    }

    fn unavailable(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let finding = Finding::new(Code::ImageReferrersUnavailable, self.subject())
            .with(Key::From, what.into())
            .with(Key::Why, why.into());
        self.found.findings.push(finding);
    }

    fn left_out(&mut self, what: impl Into<String>, why: impl Into<String>) {
        let finding = Finding::new(Code::ImageEvidenceLeftOut, self.subject())
            .with(Key::From, what.into())
            .with(Key::Why, why.into());
        self.found.findings.push(finding);
    }

    /// Notes an error about one carrier. Evidence that cannot be had counts as missing, which weighs as a warning; what
    /// is wrong with its bytes keeps its own code.
    fn failed(&mut self, what: impl Into<String>, error: SourceError) {
        match &error {
            SourceError::Format { .. } | SourceError::BlobMissing { .. } => {
                let finding = error.into_finding(Subject::Evidence(what.into()));
                self.found.findings.push(finding.at(Severity::Warning));
            }
            _ => self.unavailable(what, error.to_string()),
        }
    }

    fn hints(&mut self) {
        let image = self.image;
        let manifest = &image.manifest;
        let places = [
            (&image.config.runtime.labels, &manifest.document.digest),
            (&manifest.annotations, &manifest.document.digest),
        ];
        let indexes = image.indexes().map(|index| (&index.annotations, &index.document.digest));
        let indexes: Vec<_> = indexes.collect();
        let mut seen = BTreeSet::new();
        for (texts, attached_to) in places.into_iter().chain(indexes.into_iter().rev()) {
            for key in HINTS {
                let Some(text) = texts.get(key) else { continue };
                if seen.insert((key, text.clone())) {
                    self.found.raws.push(hint(key, text, attached_to));
                }
            }
        }
    }

    /// What whoever asked has named. It is bounded when it is read, and takes no place from what is attached.
    fn handed(&mut self) {
        let digests = self.digests();
        let pieces = self.source.handed().iter().flat_map(|handed| handed.pieces(&digests));
        self.found.raws.extend(pieces);
    }

    /// The pieces of every manifest that carries evidence. Lists, tags and attestation manifests are fetched at the same time,
    /// then the manifests that the lists name.
    async fn carried(&mut self) -> Vec<Piece> {
        let digests = self.digests();
        let listing = self.lists(&digests);
        let tags: Vec<(String, ManifestDigest)> = digests.iter().flat_map(cosign_tags).collect();
        let tagged = self.read_all(tags.into_iter().map(|tag| self.one_tagged(tag)).collect());
        let attestations = self.attestation_manifests();
        let fetching = self.named(attestations);
        let (listed, tagged, carried) = future::join3(listing, tagged, fetching).await;
        let mut referrers = Vec::new();
        for (digest, list) in digests.iter().zip(listed) {
            referrers.extend(self.listed(digest, list));
        }
        let referrers = self.within(referrers);
        let referrers = self.named(referrers).await;
        let mut pieces = Vec::new();
        for one in carried.into_iter().chain(referrers).chain(tagged) {
            match one {
                Ok(read) => {
                    pieces.extend(read.pieces);
                    self.found.shares.extend(read.share);
                }
                Err((what, error)) => self.failed(what, error),
            }
        }
        pieces
    }

    /// The lists of referrers of these digests, as long as there are not too many entries in all.
    async fn lists(&self, digests: &[ManifestDigest]) -> Vec<Result<Referrers, SourceError>> {
        let mut room = self.limits.attestations.saturating_mul(TOTAL_FACTOR as usize);
        let asked: Vec<_> = digests.iter().map(|digest| self.source.referrers(digest)).collect();
        let mut asked = stream::iter(asked).buffered(CONCURRENT);
        let mut all = Vec::new();
        while let Some(list) = asked.next().await {
            let entries = list.as_ref().map_or(0, |list| list.descriptors.len());
            let left = room.checked_sub(entries);
            room = left.unwrap_or(0);
            all.push(list.and_then(|list| match left {
                Some(_) => Ok(list),
                None => Err(SourceError::Limit {
                    place: self.source.location().to_string(),
                    what: format!(
                        "all of its lists, of which {TOTAL_FACTOR} times as much is read,"
                    ),
                    limit_name: "attestations",
                    limit: self.limits.attestations as u64,
                }),
            }));
        }
        all
    }

    /// The pieces of what is under a tag that cosign derives from a digest.
    async fn one_tagged(&self, (tag, attached_to): (String, ManifestDigest)) -> OfOne {
        let what = format!("cosign tag {tag}");
        let read = async {
            let Some(stored) = self.source.tagged(&tag).await? else { return Ok(Read::default()) };
            let (weight, share) = self.weigh(&stored).await;
            let manifest =
                Manifest::parse(stored.document, stored.media_type.as_ref(), self.limits)
                    .map_err(|error| self.format(error))?;
            let digest = manifest.document.digest.clone();
            let carrier = Carrier::CosignTag { tag, manifest: digest };
            let pieces = pieces(&Carried { carrier, attached_to, manifest });
            Ok(Read { pieces, weight, share })
        };
        read.await.map_err(|error| (what, error))
    }

    /// What is left of a manifest when it is read, at most.
    async fn weigh(&self, stored: &StoredManifest) -> (u64, Option<Share>) {
        let bytes = &stored.document.bytes;
        let weight = weight(bytes, self.limits).saturating_add(bytes.len() as u64);
        let mut share = self.source.meter().map(Meter::share);
        if let Some(share) = &mut share {
            share.grow(weight).await;
        }
        (weight, share)
    }

    /// Reads manifests, a few at a time and in their order, as long as there is room for what is left of them.
    async fn read_all(&self, reads: Vec<impl Future<Output = OfOne>>) -> Vec<OfOne> {
        // Beside its text, a manifest holds values.
        let mut room = self.manifest_room().saturating_mul(2);
        let mut reads = stream::iter(reads).buffered(CONCURRENT);
        let mut all = Vec::new();
        while let Some(read) = reads.next().await {
            let weight = read.as_ref().map_or(0, |read| read.weight);
            let Some(left) = room.checked_sub(weight) else {
                let what = "manifests that carry evidence".to_owned();
                all.push(Err((what, self.too_many_manifests())));
                break;
            };
            room = left;
            all.push(read);
        }
        all
    }

    /// Bytes of the manifests that carry evidence.
    fn manifest_room(&self) -> u64 {
        (self.limits.manifest_bytes as u64).saturating_mul(TOTAL_FACTOR)
    }

    /// That there is more in the manifests than is read.
    fn too_many_manifests(&self) -> SourceError {
        SourceError::Limit {
            place: self.source.location().to_string(),
            what: format!(
                "what they hold together, of which {TOTAL_FACTOR} times as much is read,"
            ),
            limit_name: "manifest_bytes",
            limit: self.limits.manifest_bytes as u64,
        }
    }

    fn format(&self, error: FormatError) -> SourceError {
        SourceError::Format { place: self.source.location().to_string(), error }
    }

    /// The attestation manifests that the indexes list for this image's manifest.
    fn attestation_manifests(&self) -> Vec<Named> {
        let subject = &self.image.manifest.document.digest;
        let named = |index: &Index, entry: &Descriptor| Named {
            descriptor: entry.clone(),
            carrier: Carrier::IndexAttestation {
                manifest: manifest_digest(entry),
                index: index.document.digest.clone(),
            },
            subject: subject.clone(),
            subject_rule: SubjectRule::Consistent,
        };
        let of_index =
            |index| attestation_entries(index, subject).map(move |entry| named(index, entry));
        self.image.indexes().flat_map(of_index).collect()
    }

    /// The referrers in a list, each once.
    fn listed(
        &mut self,
        subject: &ManifestDigest,
        list: Result<Referrers, SourceError>,
    ) -> Vec<Named> {
        let what = format!("referrers of {subject}");
        let list = match list {
            Ok(list) => list,
            Err(error) => {
                self.unavailable(what, error.to_string());
                return Vec::new();
            }
        };
        if let Some(why) = &list.incomplete {
            let why = format!("the list is not complete: {why}");
            match list.descriptors.len() >= places::most_entries(self.limits) {
                true => self.left_out(&what, why),
                false => self.unavailable(&what, why),
            }
        }
        let via = list.via.unwrap_or(Listing::Api);
        let (mut seen, mut named) = (BTreeSet::new(), Vec::new());
        for descriptor in list.descriptors {
            if !descriptor.media_type.is_manifest() {
                let kind = descriptor.media_type.as_str().escape_default();
                self.unavailable(&what, format!("{} is a {kind}, not read", descriptor.digest));
                continue;
            }
            let manifest = manifest_digest(&descriptor);
            if !seen.insert(manifest.clone()) {
                continue;
            }
            let carrier = Carrier::Referrer { manifest, via };
            let (subject, subject_rule) = (subject.clone(), SubjectRule::Required);
            named.push(Named { descriptor, carrier, subject, subject_rule });
        }
        named
    }

    /// The referrers that are fetched for one image: so many, of so many bytes in all. The lists take turns, too.
    fn within(&mut self, named: Vec<Named>) -> Vec<Named> {
        let most = places::most_entries(self.limits);
        let most_bytes = (self.limits.manifest_bytes as u64).saturating_mul(TOTAL_FACTOR);
        let claimants: Vec<_> = named
            .iter()
            .map(|one| {
                let Claimant { group, class, turn, .. } = claimant(&one.descriptor);
                let handicap = one.descriptor.size / TURN_BYTES;
                Claimant { group, class: (&one.subject, class), turn, handicap }
            })
            .collect();
        let (mut kept, mut bytes) = (BTreeSet::new(), 0_u64);
        for number in places::in_turns(&claimants) {
            let size = named.get(number).map_or(0, |one| one.descriptor.size);
            let sum = bytes.saturating_add(size);
            if kept.len() < most && sum <= most_bytes {
                kept.insert(number);
                bytes = sum;
            }
        }
        if kept.len() < named.len() {
            let (count, read) = (named.len(), kept.len());
            let (twice, times) = (limits::key("attestations"), limits::key("manifest_bytes"));
            let why = format!(
                "{count} of them, of which {read} were read: twice {twice}, and {TOTAL_FACTOR} times {times} in all"
            );
            self.left_out("referrers", why);
        }
        let all = named.into_iter().enumerate();
        all.filter(|(number, _)| kept.contains(number)).map(|(_, one)| one).collect()
    }

    /// Fetches manifests and checks that they are about what they should be. Those for which there is no room are not fetched.
    async fn named(&self, mut named: Vec<Named>) -> Vec<OfOne> {
        let mut room = self.manifest_room();
        let count = named.len();
        named.retain(|one| {
            let left = room.checked_sub(one.descriptor.size);
            room = left.unwrap_or(room);
            left.is_some()
        });
        let beyond = count.saturating_sub(named.len());
        let one = |named: Named| async move {
            let what = named.carrier.to_string();
            self.one_named(named).await.map_err(|error| (what, error))
        };
        let mut all = self.read_all(named.into_iter().map(one).collect()).await;
        if beyond > 0 {
            let what = format!("{beyond} of {} with evidence", plural(count, "manifest"));
            all.push(Err((what, self.too_many_manifests())));
        }
        all
    }

    async fn one_named(&self, named: Named) -> Result<Read, SourceError> {
        let digest = manifest_digest(&named.descriptor);
        let stored = self.source.manifest(&digest).await.map_err(|error| match error {
            SourceError::NotFound { what, place } => SourceError::BlobMissing { what, place },
            other => other,
        })?;
        let (expected, found) = (named.descriptor.size, stored.document.bytes.len() as u64);
        if expected != found {
            return Err(self.format(FormatError::Size { what: "manifest", expected, found }));
        }
        let (weight, share) = self.weigh(&stored).await;
        let manifest = Manifest::parse(stored.document, stored.media_type.as_ref(), self.limits)
            .map_err(|error| self.format(error))?;
        let subject = manifest.subject.as_ref().map(manifest_digest);
        let fits = match &subject {
            Some(subject) => *subject == named.subject,
            None => named.subject_rule == SubjectRule::Consistent,
        };
        if !fits {
            let says = subject.map_or_else(|| "none".to_owned(), |s| s.to_string());
            let why = format!("its subject is {says}, it is listed for {}", named.subject);
            let what = "manifest of an attestation";
            return Err(self.format(FormatError::Malformed { what, why }));
        }
        let carried = Carried { carrier: named.carrier, attached_to: named.subject, manifest };
        Ok(Read { pieces: pieces(&carried), weight, share })
    }

    /// Fetches what the manifests carry, within the limits. Which pieces are left out when there are too many depends on
    /// their order and stated sizes alone.
    async fn fetch(&mut self, mut all: Vec<Piece>) {
        // The same bytes prove the same, whatever carries them, unless the index vouches for the carrier.
        let mut copies: BTreeMap<_, usize> = BTreeMap::new();
        all.retain(|piece| {
            let copies = copies.entry(piece.content()).or_default();
            *copies = copies.saturating_add(1);
            piece.rank == Rank::Own || *copies <= MOST_COPIES
        });
        let claimants: Vec<_> = all.iter().map(Piece::claimant).collect();
        let order = places::in_turns(&claimants);
        let order = order.into_iter().filter_map(|at| Some((at, all.get(at)?)));
        let mut fits = BTreeSet::new();
        // Where each blob is among those that are fetched: once, however many name it.
        let mut places: BTreeMap<(BlobDigest, u64), usize> = BTreeMap::new();
        let mut blobs: Vec<Descriptor> = Vec::new();
        let (pieces, bytes) = (self.limits.attestations, self.most_bytes());
        let mut room = Room { pieces, bytes, read: bytes.saturating_mul(TOTAL_FACTOR) };
        let mut left_out: Option<String> = None;
        for (at, piece) in order {
            let blob = piece.blob();
            let size = if places.contains_key(&blob) { 0 } else { piece.layer.size };
            match room.take(size, piece.layer.size, self.limits) {
                Err(why) => left_out = left_out.or(Some(format!("{} {why}", piece.carrier))),
                Ok(()) => {
                    fits.insert(at);
                    places.entry(blob).or_insert_with(|| {
                        blobs.push(piece.layer.clone());
                        blobs.len().saturating_sub(1)
                    });
                }
            }
        }
        if let Some(first) = left_out {
            self.left_out("attestations", format!("not all were read; the first that {first}"));
        }
        let source = self.source;
        let limit = self.limits.attestation_bytes;
        let fetched = together(blobs.iter().map(|blob| source.small_blob(blob, limit)).collect());
        let fetched: Vec<Result<Bytes, SourceError>> = fetched.await;
        for (_, piece) in all.into_iter().enumerate().filter(|(at, _)| fits.contains(at)) {
            let place = places.get(&piece.blob());
            let Some(bytes) = place.and_then(|place| fetched.get(*place)) else { continue };
            let Piece { carrier, attached_to, layer, .. } = piece;
            match bytes {
                Ok(bytes) => self.found.raws.push(Raw {
                    carrier,
                    media_type: layer.media_type,
                    bytes: bytes.clone(),
                    annotations: layer.annotations,
                    attached_to,
                }),
                Err(error) => self.failed(carrier.to_string(), error.clone()),
            }
        }
    }

    /// The bytes that all evidence of the image may have: no more than the process gives to one registry, and one piece always.
    fn most_bytes(&self) -> u64 {
        let one = self.limits.attestation_bytes as u64;
        let all = one.saturating_mul(TOTAL_FACTOR);
        self.source.meter().map(Meter::most).map_or(all, |most| all.min(most.max(one)))
    }
}

fn rank(carrier: &Carrier, layer: &Descriptor) -> Rank {
    match carrier {
        Carrier::IndexAttestation { .. } => Rank::Own,
        Carrier::CosignTag { .. } => Rank::Tagged,
        _ => rank_of_kind(layer.media_type.as_str()),
    }
}

/// What takes turns among pieces: a tag; or of one digest's referrers the kind, and the size.
type PieceClass<'a> = (Option<&'a str>, Option<&'a ManifestDigest>, u8, u32);

/// Carriers of equal pieces that are looked at.
const MOST_COPIES: usize = 4;
/// No signature is in fewer bytes: they hold the digest of the image at least.
const LEAST_BYTES: u64 = 128;
/// Bytes of a piece that put it off by one turn.
const TURN_BYTES: u64 = 16 << 10;

/// A layer that is to be read as evidence.
struct Piece {
    carrier: Carrier,
    attached_to: ManifestDigest,
    layer: Descriptor,
    rank: Rank,
    /// How many pieces of its rank come before it in its manifest.
    turn: usize,
}

impl Piece {
    /// What it says, and about what.
    fn content(&self) -> impl Ord + use<> {
        let Descriptor { digest, size, media_type, annotations, .. } = self.layer.clone();
        (digest, size, media_type.as_str().to_owned(), annotations, self.attached_to.clone())
    }

    /// For what it claims a place. A tag is a class of its own: nobody can add to it and leave what is there.
    fn claimant(&self) -> Claimant<PieceClass<'_>> {
        let Descriptor { size, media_type, .. } = &self.layer;
        let class = match &self.carrier {
            Carrier::CosignTag { tag, .. } => (Some(tag.as_str()), None, 0, 0),
            _ => {
                (None, Some(&self.attached_to), kind_class(media_type.as_str()), size_class(*size))
            }
        };
        // What nothing can be proven with has no turn before what may be.
        let tiny = *size < LEAST_BYTES && self.rank != Rank::Own;
        let group = match self.rank {
            _ if tiny => 2,
            Rank::Own => 0,
            // Statements that nobody signed lie under a type that may hold signatures, and are of use where sources are trusted.
            Rank::Tagged | Rank::Signed | Rank::MayBeSigned => 1,
            Rank::Bare => 2,
        };
        Claimant { group, class, turn: self.turn, handicap: size / TURN_BYTES }
    }

    /// The bytes that it is made of: the same for whoever names them.
    fn blob(&self) -> (BlobDigest, u64) {
        (self.layer.digest.clone(), self.layer.size)
    }
}

/// The pieces of a manifest. Layers that say the same are one piece: signatures by cosign share their bytes, and differ in what
/// is said of them.
fn pieces(carried: &Carried) -> Vec<Piece> {
    let mut turns: BTreeMap<Rank, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut pieces = Vec::new();
    for layer in evidence(&carried.manifest) {
        if !seen.insert((&layer.digest, layer.size, &layer.media_type, &layer.annotations)) {
            continue;
        }
        let rank = rank(&carried.carrier, layer);
        let next = turns.entry(rank).or_default();
        let turn = *next;
        *next = turn.saturating_add(1);
        pieces.push(Piece {
            carrier: carried.carrier.clone(),
            attached_to: carried.attached_to.clone(),
            layer: layer.clone(),
            rank,
            turn,
        });
    }
    pieces
}

/// How much may still be read.
struct Room {
    pieces: usize,
    bytes: u64,
    /// Bytes that are read as evidence, again for each piece that they are.
    read: u64,
}

impl Room {
    /// Takes a piece of which so many bytes are fetched and so many read, or says why not.
    fn take(&mut self, size: u64, read: u64, limits: &Limits) -> Result<(), String> {
        let size_limit = limits.attestation_bytes as u64;
        if read > size_limit {
            let key = limits::key("attestation_bytes");
            return Err(format!("has {read} bytes, {key} is {size_limit}"));
        }
        let key = limits::key("attestations");
        let beyond = || format!("goes beyond {key} of {}", limits.attestations);
        let pieces = self.pieces.checked_sub(1).ok_or_else(beyond)?;
        let key = limits::key("attestation_bytes");
        let half = limits::key("process_evidence_bytes");
        let beyond = || format!("goes beyond {TOTAL_FACTOR} times {key} in all, or half of {half}");
        let bytes = self.bytes.checked_sub(size).ok_or_else(beyond)?;
        self.read = self.read.checked_sub(read).ok_or_else(beyond)?;
        (self.bytes, self.pieces) = (bytes, pieces);
        Ok(())
    }
}

fn hint(key: &str, text: &str, attached_to: &ManifestDigest) -> Raw {
    Raw {
        carrier: Carrier::Label { key: key.to_owned() },
        media_type: MediaType::new("text/plain"),
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        annotations: BTreeMap::new(),
        attached_to: attached_to.clone(),
    }
}

/// The tags under which cosign attaches to `digest`.
pub(super) fn cosign_tags(
    digest: &ManifestDigest,
) -> impl Iterator<Item = (String, ManifestDigest)> {
    let name = format!("{}-{}", digest.digest().algorithm().name(), digest.hex());
    let digest = digest.clone();
    COSIGN_SUFFIXES.iter().map(move |suffix| (format!("{name}.{suffix}"), digest.clone()))
}

/// The layers of an attestation manifest that can be evidence: all but file systems and the empty descriptor.
fn evidence(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    let is_nothing = |layer: &&Descriptor| {
        layer.media_type.layer_compression().is_some()
            || layer.media_type.as_str() == MediaType::OCI_EMPTY
    };
    manifest.layers.iter().filter(move |layer| !is_nothing(layer))
}
