//! From untrusted evidence to proofs about one image.
//!
//! [`prove`] is pure and does its steps in this order for each piece of evidence:
//!
//! 1. *Open* it: [`attest::open`] reads what it says, or it is a finding. A signature over bytes that it does not bring along
//!    is taken for one over the manifest or index to which it is attached, and over nothing else.
//! 2. *Subject*: one subject's digests all have to be those of the platform's manifest or of an index on the way to it from
//!    the reference (in-toto attestation v1, "validation model"; attacks B4, A23). Anything else speaks about another image.
//! 3. *Signature*: every configured key is tried on every signature, as far as the checks of one image go and in the order of
//!    [`checks`](super::checks); hints in the evidence only order the tries and explain a failure (A3). A
//!    log entry beside the signature of a key has to record it, and to be in a log where the signer's root asks for one (A1); a
//!    certificate beside the signature is held against every keyless signer, by the steps of `trust::sigstore`.
//! 4. *Claim*: signatures over the same payload are put together, whatever envelope and carrier it came in. A payload keeps
//!    exactly the signers who signed it: what one signer wrote beside a digest is not the word of another (H31).
//! 5. *Rule*: one trust rule has to let enough distinct signers vouch for this predicate on this image (A7, A24, B1). For plain
//!    signatures the signers of all payloads over one digest are counted together: each says "this is ours", and whatever it
//!    says besides stays its own.
//! 6. *Coverage*: a bare statement in an attestation manifest of the index is proven when a proven plain signature is over
//!    that index or one around it, the index lists the manifest, the statement names the platform's manifest, and a rule lets the signers
//!    of the index vouch for this predicate.
//!
//! More evidence never proves less, and evidence that no key made proves nothing more: a bad envelope, or a bad signature
//! beside a good one, adds a finding and changes no proof (A15). Evidence counts once however often it is found, and its
//! order changes nothing.
//!
//! Bare statements that nothing covers come out as [`Unproven`] without a finding: what that means depends on what they
//! are about, and the code that reads provenance and SBOMs says it. The repository in a cosign payload decides
//! nothing: mirrors are honest, the digest binds. Another one than `location` is worth a word.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Basis, Claimed, Known, Proof, Signer, TrustRules, Unproven, Verified, Work,
    checks::{Makers, Signers},
    complaint::{self, Failure},
    layout::CarriedLink,
    rules::{Standing, names},
    work::Left,
};
use crate::{
    attest::{
        self, Carrier, Envelope, Raw, Signed, Statement, in_toto::Document, statement::SIGNATURE,
    },
    digest::{Digest, ManifestDigest},
    finding::Finding,
    image::{Checked, Image, Index},
    limits::Limits,
    reference::Location,
};

/// What was proven about one image, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proofs {
    /// Plain signatures, one proof for each claim.
    pub signatures: Vec<Proof<Claimed>>,
    /// Everything else, one proof for each claim.
    pub attestations: Vec<Proof<Claimed>>,
    /// What turned out to be a document and no statement, sorted by carrier: nothing is proven of it.
    pub documents: Vec<Raw>,
    /// Links and layouts of in-toto, sorted by carrier: `trust::layout` judges them.
    pub links: Vec<CarriedLink>,
    /// What was wrong with the evidence, sorted; never of severity error: bad evidence cannot fail an image that good
    /// evidence passes, it only proves nothing.
    pub findings: Vec<Finding>,
}

/// Judges all evidence that was found for `image` by the operator's rules for `location`.
pub fn prove(
    raws: &[Raw],
    image: &Image,
    rules: &TrustRules,
    location: &Location,
    limits: &Limits,
) -> Proofs {
    let (known, go_on) = (&mut Known::default(), &mut || true);
    prove_within(raws, image, rules, location, &mut Work { limits, known, go_on })
}

/// As [`prove`], with what is known of the same evidence already, and for as long as somebody waits for it.
pub fn prove_within(
    raws: &[Raw],
    image: &Image,
    rules: &TrustRules,
    location: &Location,
    work: &mut Work<'_>,
) -> Proofs {
    let judge = Judge { image, names: Names::of(image), rules, location };
    let mut opened = Opened::default();
    for raw in raws {
        if !(work.go_on)() {
            opened.findings.push(complaint::left_out(image, "nobody waited any more"));
            break;
        }
        judge.take_in(raw, work.limits, &mut opened);
    }
    judge.check(&mut opened, work);
    judge.conclude(opened, work.limits)
}

/// What does not change while one image is judged.
struct Judge<'a> {
    image: &'a Image,
    names: Names,
    rules: &'a TrustRules,
    location: &'a Location,
}

/// Signed bytes that are held from one of their turns to the next; what is larger is opened again for its only one.
const HELD_BYTES: usize = 16 << 10;

/// Evidence after steps 1 and 2, and after step 3 the signed statements.
#[derive(Default)]
struct Opened<'r> {
    pending: Vec<Pending<'r>>,
    signed: Vec<Candidate>,
    bare: Vec<Bare>,
    documents: Vec<Raw>,
    links: Vec<CarriedLink>,
    findings: Vec<Finding>,
}

/// A signed statement before step 3.
struct Pending<'r> {
    raw: &'r Raw,
    /// Without its message where that is large.
    signed: Signed,
    message_bytes: usize,
    subjects: Vec<ManifestDigest>,
    held: Held,
}

/// Whether the signed bytes are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Message,
    Nothing,
}

/// A signed statement.
struct Candidate {
    carrier: Carrier,
    payload: Digest,
    statement: Statement,
    /// Which of the image's digests it names; empty when it speaks about another image.
    subjects: Vec<ManifestDigest>,
    signed_by: BTreeSet<Signer>,
    failures: Vec<Failure>,
}

impl Candidate {
    /// Whether it says no more than "this is ours".
    fn is_plain(&self) -> bool {
        self.statement.predicate_type == SIGNATURE
    }
}

/// A statement that nobody signed by itself.
struct Bare {
    carrier: Carrier,
    payload: Digest,
    statement: Statement,
}

/// What is claimed about what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// These very bytes, about a digest.
    Payload(ManifestDigest, Digest),
    /// These very bytes, about something else.
    Elsewhere(Digest),
}

/// Everybody who signed a digest plainly, by digest.
type Pools = BTreeMap<ManifestDigest, BTreeSet<Signer>>;

/// The digests by which a statement can name the image.
pub(in crate::trust) struct Names {
    /// The indexes on the ways to the manifest, the outermost first.
    indexes: Vec<Name>,
    manifest: Name,
}

pub(super) struct Name {
    digest: ManifestDigest,
    sha256: Digest,
    sha512: Digest,
}

impl Names {
    pub(in crate::trust) fn of(image: &Image) -> Self {
        Self {
            indexes: image.indexes().map(|index| Name::of(&index.document)).collect(),
            manifest: Name::of(&image.manifest.document),
        }
    }

    /// The digests that a statement names, the outermost index first.
    pub(in crate::trust) fn in_statement(&self, statement: &Statement) -> Vec<ManifestDigest> {
        let all = self.indexes.iter().chain([&self.manifest]);
        all.filter(|name| name.is_in(statement)).map(|name| name.digest.clone()).collect()
    }
}

impl Name {
    pub(super) fn of(document: &Checked<ManifestDigest>) -> Self {
        let [sha256, sha512] = document.digests();
        Self { digest: document.digest.clone(), sha256, sha512 }
    }

    /// Whether one subject has a digest and all its digests are of this document.
    pub(super) fn is_in(&self, statement: &Statement) -> bool {
        statement.subjects.iter().any(|subject| {
            let mut digests = subject.digests.iter();
            !subject.digests.is_empty() && digests.all(|d| *d == self.sha256 || *d == self.sha512)
        })
    }
}

impl Pending<'_> {
    /// The statement with who signed it.
    fn made_by(self, makers: Vec<Makers>, signers: &Signers<'_>) -> Candidate {
        let Self { raw, signed, subjects, .. } = self;
        let (mut signed_by, mut failures) = (BTreeSet::new(), Vec::new());
        let all = signed.signatures.iter().zip(makers).filter(|_| !subjects.is_empty());
        for (signature, makers) in all {
            let unasked = makers.is_unasked();
            let Makers { signers: found, contradicted, fault, .. } = makers;
            if let Some(fault) = contradicted {
                failures.push(Failure::beside(signature, fault));
            } else if found.is_empty() && !unasked {
                let hinted = signers.name_of_hint(signature.key_hint.as_deref());
                failures.push(Failure::new(signature, fault, hinted));
            }
            signed_by.extend(found);
        }
        Candidate {
            carrier: raw.carrier.clone(),
            payload: signed.payload,
            statement: signed.statement,
            subjects,
            signed_by,
            failures,
        }
    }
}

impl Judge<'_> {
    /// Steps 1 and 2 for one piece of evidence.
    fn take_in<'r>(&self, raw: &'r Raw, limits: &Limits, opened: &mut Opened<'r>) {
        // A label is a hint that no signature could be in.
        if matches!(raw.carrier, Carrier::Label { .. }) {
            return;
        }
        let envelopes = match attest::open(raw, limits) {
            Ok(envelopes) => envelopes,
            Err(error) => return opened.findings.push(complaint::malformed(raw, &error)),
        };
        for envelope in envelopes {
            match envelope {
                Envelope::Signed(signed) => {
                    match Document::of_statement(&signed, limits) {
                        Ok(document) => opened.links.extend(document.map(|d| carried(raw, d))),
                        Err(error) => opened.findings.push(complaint::malformed(raw, &error)),
                    }
                    opened.pending.push(self.pending(raw, *signed));
                }
                Envelope::Message(message) => match document(self.image, &raw.attached_to) {
                    Some(document) if complaint::states_other(raw, &message, document) => {
                        opened.findings.push(complaint::about_other(raw, &message, self.image));
                    }
                    Some(document) => {
                        opened.pending.push(self.pending(raw, message.over(document)));
                    }
                    None => opened.findings.push(complaint::about_nothing(raw, self.image)),
                },
                Envelope::Bare(statement) => opened.bare.push(Bare {
                    carrier: raw.carrier.clone(),
                    payload: Digest::sha256(&raw.bytes),
                    statement,
                }),
                Envelope::InToto(document) => opened.links.push(carried(raw, *document)),
                Envelope::Document => opened.documents.push(raw.clone()),
                Envelope::Unsupported(kind) => {
                    opened.findings.push(complaint::unsupported(raw, &kind));
                }
            }
        }
    }

    /// Step 2.
    fn pending<'r>(&self, raw: &'r Raw, mut signed: Signed) -> Pending<'r> {
        let subjects = self.names.in_statement(&signed.statement);
        let (message_bytes, mut held) = (signed.message.len(), Held::Message);
        if message_bytes > HELD_BYTES {
            (signed.message, held) = (Vec::new(), Held::Nothing);
        }
        Pending { raw, signed, message_bytes, subjects, held }
    }

    /// Step 3. Who signed a statement about another image does not matter and is not looked at.
    fn check(&self, opened: &mut Opened<'_>, work: &mut Work<'_>) {
        let mut pending = std::mem::take(&mut opened.pending);
        // Whichever order they were found in.
        pending.sort_by(|a, b| {
            (&a.raw.carrier, &a.signed.payload).cmp(&(&b.raw.carrier, &b.signed.payload))
        });
        let signers = Signers::of(self.rules, self.location);
        let mut visits = Vec::new();
        for (place, piece) in pending.iter().enumerate().filter(|(_, p)| !p.subjects.is_empty()) {
            let large = piece.held == Held::Nothing;
            visits.extend(signers.visits(&piece.signed, piece.message_bytes, place, large));
        }
        visits.sort();
        let none = |piece: &Pending<'_>| {
            piece.signed.signatures.iter().map(|_| Makers::default()).collect()
        };
        let mut makers: Vec<Vec<Makers>> = pending.iter().map(none).collect();
        let mut left = Left::of(work.limits);
        for visit in &visits {
            let (Some(piece), Some(makers)) =
                (pending.get(visit.piece), makers.get_mut(visit.piece))
            else {
                continue;
            };
            if left.is_short() {
                visit.missed(makers);
                continue;
            }
            let again = match piece.held {
                Held::Message => None,
                Held::Nothing => self.again(piece, work.limits),
            };
            let signed = again.as_ref().unwrap_or(&piece.signed);
            signers.visit(visit, signed, makers, self.rules, &mut left, work);
        }
        let unasked = makers.iter().flatten().filter(|makers| makers.is_unasked()).count();
        if unasked > 0 {
            let why = left.why(work.limits, unasked);
            opened.findings.push(complaint::left_out(self.image, why));
        }
        let made = pending.into_iter().zip(makers);
        opened.signed.extend(made.map(|(piece, makers)| piece.made_by(makers, &signers)));
    }

    /// A large piece as it was opened first.
    fn again(&self, piece: &Pending<'_>, limits: &Limits) -> Option<Signed> {
        let envelopes = attest::open(piece.raw, limits).ok()?;
        envelopes.into_iter().find_map(|envelope| match envelope {
            Envelope::Signed(signed) => Some(*signed),
            Envelope::Message(message) => {
                Some(message.over(document(self.image, &piece.raw.attached_to)?))
            }
            _ => None,
        })
    }

    /// Steps 4 to 6, and everything that has to be said.
    fn conclude(&self, opened: Opened<'_>, limits: &Limits) -> Proofs {
        let Opened { mut signed, mut bare, mut documents, mut links, mut findings, .. } = opened;
        links.sort_by(|a, b| {
            let key = |link: &CarriedLink| (link.carrier.clone(), link.document.payload.clone());
            (key(a), &a.document.message).cmp(&(key(b), &b.document.message))
        });
        links.dedup();
        signed.sort_by(|a, b| (&a.carrier, &a.payload).cmp(&(&b.carrier, &b.payload)));
        bare.sort_by(|a, b| (&a.carrier, &a.payload).cmp(&(&b.carrier, &b.payload)));
        bare.dedup_by(|a, b| (&a.carrier, &a.payload) == (&b.carrier, &b.payload));
        documents.sort_by(|a, b| (&a.carrier, &a.bytes).cmp(&(&b.carrier, &b.bytes)));
        documents.dedup();
        let mut proofs = Proofs { documents, links, ..Proofs::default() };
        let pools = pools(&signed);
        let all = claims(&signed).into_iter().flat_map(|(claim, readings)| {
            readings.into_iter().map(move |candidates| (claim.clone(), candidates))
        });
        for (claim, candidates) in all {
            let Some(first) = candidates.first() else { continue };
            let list = match first.is_plain() {
                true => &mut proofs.signatures,
                false => &mut proofs.attestations,
            };
            list.extend(self.settle(&claim, &candidates, &pools, &mut findings, limits));
        }
        let index_signers = self.index_signers(&proofs.signatures);
        let covered = bare.into_iter().map(|bare| self.cover(bare, &index_signers, limits));
        proofs.attestations.extend(covered);
        let all = proofs.signatures.iter().chain(&proofs.attestations);
        let proven: BTreeSet<&str> =
            all.filter_map(|proof| Some(proof.proven()?.value().predicate_type.as_str())).collect();
        for candidate in &signed {
            let settled = proven.contains(candidate.statement.predicate_type.as_str());
            findings.extend(self.complaints(candidate, settled));
        }
        if proofs.signatures.iter().all(|proof| proof.proven().is_none()) {
            findings.push(complaint::no_signature(self.image));
        }
        if !self.rules.speaks_about(self.location) {
            findings.push(complaint::no_rule(self.image, self.location));
        }
        findings.sort();
        findings.dedup();
        Proofs { findings, ..proofs }
    }

    /// Step 5 for one claim; its candidates are sorted. `None` only for no candidates.
    fn settle(
        &self,
        claim: &Claim,
        candidates: &[&Candidate],
        pools: &Pools,
        findings: &mut Vec<Finding>,
        limits: &Limits,
    ) -> Option<Proof<Claimed>> {
        let first = candidates.first()?;
        let unproven = |why| {
            let (value, carrier) = (first.statement.clone().into(), first.carrier.clone());
            Some(Proof::Unproven { value, carrier, payload: first.payload.clone(), why })
        };
        let subject = match claim {
            Claim::Payload(subject, _) => subject,
            Claim::Elsewhere(_) => return unproven(Unproven::OtherSubject),
        };
        let signed_by: BTreeSet<Signer> =
            candidates.iter().flat_map(|c| c.signed_by.iter().cloned()).collect();
        if signed_by.is_empty() {
            return unproven(Unproven::UnknownSigner);
        }
        let counted = pools.get(subject).filter(|_| first.is_plain()).unwrap_or(&signed_by);
        let predicate_type = &first.statement.predicate_type;
        let why = match self.rules.standing(self.location, predicate_type, counted) {
            Standing::Enough(mut signers) => {
                signers.retain(|signer| signed_by.contains(signer));
                let made = |c: &&&Candidate| signers.iter().any(|s| c.signed_by.contains(s));
                match candidates.iter().find(made) {
                    Some(chosen) => {
                        return Some(Proof::Proven(Verified::new(
                            Claimed::proven(chosen.statement.clone(), limits),
                            subject.clone(),
                            signers,
                            Basis::Signed,
                            chosen.carrier.clone(),
                            chosen.payload.clone(),
                        )));
                    }
                    None => Unproven::NotAllowed { signers: names(&signed_by) },
                }
            }
            Standing::NotAllowed => Unproven::NotAllowed { signers: names(&signed_by) },
            Standing::Below { signers, threshold } => {
                Unproven::BelowThreshold { signers, threshold }
            }
        };
        findings.extend(complaint::not_enough(&first.carrier, predicate_type, self.location, &why));
        unproven(why)
    }

    /// The signers who vouch for a whole index, by its digest: a signature over an index covers what it lists, so those over
    /// it and those over any index that lists it.
    fn index_signers(
        &self,
        signatures: &[Proof<Claimed>],
    ) -> BTreeMap<ManifestDigest, BTreeSet<Signer>> {
        let signers = |index: &ManifestDigest| {
            let around = self.around(index);
            let proven = signatures.iter().filter_map(Proof::proven);
            let over = proven.filter(|verified| around.contains(verified.subject()));
            over.flat_map(|verified| verified.signers().iter().cloned()).collect()
        };
        let digests = self.names.indexes.iter().map(|name| name.digest.clone());
        digests.map(|digest| (digest.clone(), signers(&digest))).collect()
    }

    /// An index, and every index on the way to the image that lists it, directly or through others.
    fn around(&self, index: &ManifestDigest) -> BTreeSet<ManifestDigest> {
        let mut around = BTreeSet::from([index.clone()]);
        let mut next = vec![index.clone()];
        while let Some(inner) = next.pop() {
            let lists = |outer: &&Index| {
                outer.manifests.iter().any(|entry| entry.digest.digest() == inner.digest())
            };
            for outer in self.image.indexes().filter(lists) {
                if around.insert(outer.document.digest.clone()) {
                    next.push(outer.document.digest.clone());
                }
            }
        }
        around
    }

    /// Step 6 for one bare statement.
    fn cover(
        &self,
        bare: Bare,
        vouched: &BTreeMap<ManifestDigest, BTreeSet<Signer>>,
        limits: &Limits,
    ) -> Proof<Claimed> {
        let Bare { carrier, payload, statement } = bare;
        let why = if !self.names.manifest.is_in(&statement) {
            Unproven::OtherSubject
        } else if let Some((index, index_signers)) = self
            .index_that_lists(&carrier)
            .and_then(|index| Some((index.clone(), vouched.get(&index)?)))
            .filter(|(_, signers)| !signers.is_empty())
        {
            match self.rules.standing(self.location, &statement.predicate_type, index_signers) {
                Standing::Enough(signers) => {
                    let subject = self.names.manifest.digest.clone();
                    let basis = Basis::CoveredByIndex(index);
                    let claimed = Claimed::proven(statement, limits);
                    return Proof::Proven(Verified::new(
                        claimed, subject, signers, basis, carrier, payload,
                    ));
                }
                Standing::NotAllowed => Unproven::NotAllowed { signers: names(index_signers) },
                Standing::Below { signers, threshold } => {
                    Unproven::BelowThreshold { signers, threshold }
                }
            }
        } else {
            Unproven::Unsigned
        };
        Proof::Unproven { value: statement.into(), carrier, payload, why }
    }

    /// The digest of the image's index, where the carrier is an attestation manifest that this very index lists.
    fn index_that_lists(&self, carrier: &Carrier) -> Option<ManifestDigest> {
        let Carrier::IndexAttestation { manifest, index } = carrier else { return None };
        let ours = self.image.indexes().find(|ours| ours.document.digest == *index)?;
        let mut listed = ours.manifests.iter();
        listed.any(|entry| entry.digest.digest() == manifest.digest()).then(|| index.clone())
    }

    /// What is wrong with one signed statement, whether or not its claim is proven by others.
    fn complaints(&self, candidate: &Candidate, settled: bool) -> Vec<Finding> {
        if candidate.subjects.is_empty() {
            return vec![complaint::other_subject(
                &candidate.carrier,
                &candidate.statement,
                self.image,
            )];
        }
        let failures = complaint::failures(&candidate.carrier, &candidate.failures, settled);
        let named = (!candidate.signed_by.is_empty()).then(|| {
            complaint::other_repository(&candidate.carrier, &candidate.statement, self.location)
        });
        failures.into_iter().chain(named.flatten()).collect()
    }
}

/// The image's index or manifest with this digest: what a signature over bytes that is attached to it has to be over.
pub(in crate::trust) fn document<'i>(
    image: &'i Image,
    digest: &ManifestDigest,
) -> Option<&'i Checked<ManifestDigest>> {
    image.documents().find(|document| document.digest == *digest)
}

/// A link and the name of its file, which is a hint as in in-toto itself.
fn carried(raw: &Raw, document: Document) -> CarriedLink {
    const TITLE: &str = "org.opencontainers.image.title";
    let file = raw.annotations.get(TITLE).cloned();
    CarriedLink { carrier: raw.carrier.clone(), file, document }
}

/// Step 5 for plain signatures: who signed each digest.
fn pools(signed: &[Candidate]) -> Pools {
    let mut pools = Pools::new();
    for candidate in signed.iter().filter(|candidate| candidate.is_plain()) {
        for subject in &candidate.subjects {
            let pool = pools.entry(subject.clone()).or_default();
            pool.extend(candidate.signed_by.iter().cloned());
        }
    }
    pools
}

/// Step 4: candidates by what they claim. Bytes that two formats read differently are two claims (B3).
fn claims(signed: &[Candidate]) -> BTreeMap<Claim, Vec<Vec<&Candidate>>> {
    let mut claims: BTreeMap<Claim, Vec<Vec<&Candidate>>> = BTreeMap::new();
    for candidate in signed {
        let payload = candidate.payload.clone();
        let about = |subject: &ManifestDigest| Claim::Payload(subject.clone(), payload.clone());
        let made: Vec<Claim> = if candidate.subjects.is_empty() {
            vec![Claim::Elsewhere(payload)]
        } else if candidate.is_plain() {
            candidate.subjects.iter().map(about).collect()
        } else {
            // An attestation is one claim; the platform's manifest, named last, is the narrower subject.
            candidate.subjects.last().map(about).into_iter().collect()
        };
        for claim in made {
            let readings = claims.entry(claim).or_default();
            let same = |reading: &&mut Vec<&Candidate>| {
                reading.first().is_some_and(|first| first.statement == candidate.statement)
            };
            match readings.iter_mut().find(same) {
                Some(reading) => reading.push(candidate),
                None => readings.push(vec![candidate]),
            }
        }
    }
    claims
}

#[cfg(test)]
mod tests;
