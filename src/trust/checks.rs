//! Signature checks: how many, which come first, and each once.
//!
//! Whoever may push to a repository can attach thousands of envelopes with many signatures by nobody, and each has to be tried
//! with each key before it is known to be junk. So one image has so many checks (`limits.signatureChecks`), and they are spent
//! in turns (attacks C22 and H41): the first signature of every piece before the second of any, what is cheap before what is not,
//! and of one signature first the key that its hint names, then those of signers whom a rule about the image names, then the
//! rest. A hint only orders the tries; what proves a signature is the operator's key.
//!
//! What came of a check is [`Known`](super::Known) to the other platforms of one index, so that evidence which is attached to
//! the index is checked once.

use std::collections::HashMap;

use super::{
    Keyless, PublicKey, Signer, SignerIdentity, TrustRules,
    sigstore::{self, SigstoreError},
    work::{Known, Left, Work, signature_id, unit},
};
use crate::{
    attest::{Content, Signature, Signed, VerificationMaterial},
    digest::Digest,
    limits::Limits,
    reference::Location,
};

/// Everybody who may have signed.
pub(super) struct Signers<'r> {
    keys: Vec<SignersKey<'r>>,
    keyless: Vec<(&'r str, &'r Keyless)>,
    /// Places of keys, by the texts that name them.
    hints: HashMap<String, Vec<usize>>,
}

struct SignersKey<'r> {
    signer: Signer,
    key: &'r PublicKey,
    /// Whether some rule about the image names the signer.
    named: bool,
}

/// What is known of who made a signature.
#[derive(Debug, Default)]
pub(super) struct Makers {
    /// The configured signers who made it.
    pub(super) signers: Vec<Signer>,
    /// A configured key made it, and what lies beside it says otherwise.
    pub(super) contradicted: Option<SigstoreError>,
    /// Why no keyless signer made it, where there is a certificate.
    pub(super) fault: Option<SigstoreError>,
    /// Whether somebody was not asked, because the checks were used up.
    unasked: bool,
    /// The fingerprint of the key that made it.
    made_by: Option<String>,
}

impl Makers {
    /// Whether nobody is known to have made it, and not everybody was asked.
    pub(super) fn is_unasked(&self) -> bool {
        self.unasked && self.signers.is_empty()
    }
}

/// How likely it is that these keys made a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// Those that its hint names; identities, where a certificate lies beside it.
    Hinted,
    /// Those of signers whom a rule about the image names.
    Named,
    /// The rest.
    Other,
}

const TIERS: [Tier; 3] = [Tier::Hinted, Tier::Named, Tier::Other];

/// Some checks of one signature, or all of one piece; in the order in which they are made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visit {
    /// How many signatures come before it in its piece.
    round: usize,
    tier: Tier,
    cost: u64,
    /// The piece, by its place.
    pub(super) piece: usize,
    which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Which {
    One,
    /// Every signature by every key: of pieces that are too large to be held until their next turn.
    All,
}

impl Visit {
    /// Notes that it was not made.
    pub(super) fn missed(&self, makers: &mut [Makers]) {
        for (_, makers) in makers.iter_mut().enumerate().filter(|(place, _)| self.is_of(*place)) {
            makers.unasked = true;
        }
    }

    fn is_of(&self, signature: usize) -> bool {
        self.which == Which::All || self.round == signature
    }
}

impl<'r> Signers<'r> {
    pub(super) fn of(rules: &'r TrustRules, location: &Location) -> Self {
        let named = rules.names_about(location);
        let keys = rules.keys().map(|(signer, key)| {
            let named = named.contains(signer.name.as_str());
            SignersKey { signer, key, named }
        });
        let keys: Vec<SignersKey<'_>> = keys.collect();
        let mut hints: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, one) in keys.iter().enumerate() {
            for name in one.key.hint_forms() {
                hints.entry(name).or_default().push(place);
            }
        }
        let mut keyless: Vec<(&str, &Keyless)> = rules.keyless().collect();
        keyless.sort_by_key(|(name, _)| !named.contains(name));
        Self { keys, keyless, hints }
    }

    /// The places of the keys that a hint names.
    fn hinted(&self, hint: Option<&str>) -> &[usize] {
        let form = hint.and_then(PublicKey::hint_form);
        form.and_then(|form| self.hints.get(&form)).map(Vec::as_slice).unwrap_or_default()
    }

    /// The name of the signer whose key a hint names.
    pub(super) fn name_of_hint(&self, hint: Option<&str>) -> Option<String> {
        let place = self.hinted(hint).first()?;
        self.keys.get(*place).map(|one| one.signer.name.clone())
    }

    fn places(&self, tier: Tier, hint: Option<&str>) -> Vec<usize> {
        let hinted = self.hinted(hint);
        if tier == Tier::Hinted {
            return hinted.to_vec();
        }
        let of_tier = |(place, one): &(usize, &SignersKey<'_>)| {
            one.named == (tier == Tier::Named) && !hinted.contains(place)
        };
        self.keys.iter().enumerate().filter(of_tier).map(|(place, _)| place).collect()
    }

    /// The visits to the signatures of a piece, which are over so many bytes; `large` where those are not held between them.
    pub(super) fn visits(
        &self,
        signed: &Signed,
        bytes: usize,
        piece: usize,
        large: bool,
    ) -> Vec<Visit> {
        let unit = unit(bytes);
        let certified = is_certified(signed);
        let keyless = if self.keyless.is_empty() { 0 } else { beside(signed, bytes) };
        if large {
            let keys = if certified { 0 } else { self.keys.len() as u64 };
            let each =
                unit.saturating_mul(keys).saturating_add(if certified { keyless } else { 0 });
            let cost = each.saturating_mul(signed.signatures.len() as u64);
            return vec![Visit { round: 0, tier: Tier::Named, cost, piece, which: Which::All }];
        }
        let mut visits = Vec::new();
        for (round, signature) in signed.signatures.iter().enumerate() {
            let hint = signature.key_hint.as_deref();
            for tier in TIERS {
                let cost = match (certified, tier) {
                    (true, Tier::Hinted) => keyless,
                    (true, _) => 0,
                    (false, _) => unit.saturating_mul(self.places(tier, hint).len() as u64),
                };
                if cost > 0 {
                    visits.push(Visit { round, tier, cost, piece, which: Which::One });
                }
            }
        }
        visits
    }

    /// Makes the checks of a visit. `makers` are what is known of each signature of the piece so far.
    pub(super) fn visit(
        &self,
        visit: &Visit,
        signed: &Signed,
        makers: &mut [Makers],
        rules: &TrustRules,
        left: &mut Left,
        work: &mut Work<'_>,
    ) {
        let message = Digest::sha256(&signed.message);
        let tiers = match visit.which {
            Which::All => &TIERS[..],
            Which::One => std::slice::from_ref(&visit.tier),
        };
        let all = signed.signatures.iter().zip(makers).enumerate();
        for (_, (signature, makers)) in all.filter(|(place, _)| visit.is_of(*place)) {
            let turn = Turn { signed, signature, message: &message, rules };
            tiers.iter().for_each(|tier| self.turn(*tier, &turn, makers, left, work));
        }
    }

    /// Everybody who made one signature, however many have to be asked.
    pub(super) fn makers(
        &self,
        signed: &Signed,
        signature: &Signature,
        rules: &TrustRules,
        limits: &Limits,
    ) -> Makers {
        let mut left = Left::endless();
        let mut work = Work { limits, known: &mut Known::default(), go_on: &mut || true };
        let (message, mut makers) = (Digest::sha256(&signed.message), Makers::default());
        let turn = Turn { signed, signature, message: &message, rules };
        TIERS.iter().for_each(|tier| self.turn(*tier, &turn, &mut makers, &mut left, &mut work));
        makers
    }

    fn turn(
        &self,
        tier: Tier,
        turn: &Turn<'_>,
        makers: &mut Makers,
        left: &mut Left,
        work: &mut Work<'_>,
    ) {
        match is_certified(turn.signed) {
            true if tier == Tier::Hinted => self.by_identity(turn, makers, left, work),
            // Beside a certificate only keyless signers are meant: what says that one key signed is not read as another.
            true => {}
            false => self.by_key(tier, turn, makers, left, work),
        }
    }

    fn by_key(
        &self,
        tier: Tier,
        turn: &Turn<'_>,
        makers: &mut Makers,
        left: &mut Left,
        work: &mut Work<'_>,
    ) {
        let Turn { signed, signature, rules, .. } = turn;
        let id = turn.id();
        for place in self.places(tier, signature.key_hint.as_deref()) {
            let Some(SignersKey { signer, key, .. }) = self.keys.get(place) else { continue };
            // One key made it: others did not, and the same may be of several signers.
            let other = |made_by: &String| !is_key(signer, made_by);
            if makers.made_by.as_ref().is_some_and(other) {
                continue;
            }
            let known = work.known.made.get(&(id.clone(), place)).copied();
            let made = match known {
                Some(made) => made,
                None if !left.take(unit(signed.message.len()), work.go_on) => {
                    makers.unasked |= makers.made_by.is_none();
                    return;
                }
                None => {
                    let made = key.verifies(&signed.message, &signature.bytes);
                    work.known.made.insert((id.clone(), place), made);
                    made
                }
            };
            if !made {
                continue;
            }
            if !left.take(beside(signed, signed.message.len()), work.go_on) {
                makers.unasked = true;
                return;
            }
            makers.made_by = fingerprint(signer);
            let maker = std::iter::once((signer.clone(), *key));
            let (found, fault) = consistent(signed, signature, maker, rules);
            makers.signers.extend(found);
            makers.contradicted = fault.or(makers.contradicted.take());
        }
    }

    /// Identities that a trusted root vouches for, else what is wrong. That the certificate is somebody else's says least, so any
    /// other reason goes before it.
    fn by_identity(
        &self,
        turn: &Turn<'_>,
        makers: &mut Makers,
        left: &mut Left,
        work: &mut Work<'_>,
    ) {
        let Some(claim) = sigstore::Claim::of(turn.signed, turn.signature) else { return };
        let id = turn.id_with_material();
        for (place, (name, keyless)) in self.keyless.iter().enumerate() {
            let Keyless { identity, root, demands } = keyless;
            let known = work.known.vouched.get(&(id.clone(), place)).cloned();
            let vouched = match known {
                Some(vouched) => vouched,
                // The first reads the certificate, which is all that strangers cost.
                None if place == 0 && !left.take(1, work.go_on) => {
                    makers.unasked = true;
                    return;
                }
                None if !left.take(0, work.go_on) => {
                    makers.unasked = true;
                    return;
                }
                None => {
                    let vouched = sigstore::verify(&claim, identity, root, demands);
                    if !matches!(vouched, Err(SigstoreError::Identity(_))) {
                        // It was looked at in full: whoever comes next has so much less.
                        let _ =
                            left.take(beside(turn.signed, turn.signed.message.len()), work.go_on);
                        work.known.vouched.insert((id.clone(), place), vouched.clone());
                    }
                    vouched
                }
            };
            match vouched {
                Ok(vouched) => makers.signers.push(Signer {
                    name: (*name).to_owned(),
                    identity: SignerIdentity::Keyless(Box::new(vouched)),
                }),
                Err(error) if matches!(makers.fault, None | Some(SigstoreError::Identity(_))) => {
                    makers.fault = Some(error);
                }
                Err(_) => {}
            }
        }
    }
}

/// Of `makers`, which made the signature, those where what lies beside it is about that very signature;
/// else why not.
fn consistent<'k>(
    signed: &Signed,
    signature: &Signature,
    makers: impl Iterator<Item = (Signer, &'k PublicKey)>,
    rules: &TrustRules,
) -> (Vec<Signer>, Option<SigstoreError>) {
    let claim = sigstore::Claim::of(signed, signature);
    let (mut found, mut fault) = (Vec::new(), None);
    for (mut signer, key) in makers {
        let beside = match rules.recording(&signer) {
            Some(recording) => sigstore::verify_recorded(claim.as_ref(), key, recording).map(Some),
            None => claim
                .as_ref()
                .map_or(Ok(()), |claim| sigstore::consistent_beside(claim, key))
                .map(|()| None),
        };
        match beside {
            Ok(proven) => {
                if let SignerIdentity::Key { recorded, .. } = &mut signer.identity {
                    *recorded = proven.map(Box::new);
                }
                found.push(signer);
            }
            Err(error) => fault = Some(error),
        }
    }
    (found, fault)
}

/// One signature, and what it is over.
struct Turn<'t> {
    signed: &'t Signed,
    signature: &'t Signature,
    message: &'t Digest,
    rules: &'t TrustRules,
}

impl Turn<'_> {
    /// The same for equal signatures over equal bytes.
    fn id(&self) -> Digest {
        signature_id(self.message, &self.signature.bytes)
    }

    /// The same where what lies beside them is equal, too.
    fn id_with_material(&self) -> Digest {
        let beside = format!("{:?} {:?}", self.signed.material, self.signed.stated_digest);
        let document = match &self.signed.content {
            Content::Envelope { document, .. } => Digest::sha256(document).to_string(),
            Content::Payload => String::new(),
        };
        Digest::sha256(format!("{} {document} {beside}", self.id()).as_bytes())
    }
}

fn is_certified(signed: &Signed) -> bool {
    signed.material.as_ref().is_some_and(|material| !material.certificates.is_empty())
}

/// What it costs to check everything that lies beside a signature, and the signature over so many bytes again.
fn beside(signed: &Signed, bytes: usize) -> u64 {
    signed.material.as_ref().map_or(0, |material| {
        let VerificationMaterial { certificates, entries, timestamps, .. } = material;
        let count = certificates.len() + entries.len() + timestamps.len();
        unit(bytes).saturating_add(count as u64)
    })
}

fn fingerprint(signer: &Signer) -> Option<String> {
    match &signer.identity {
        SignerIdentity::Key { fingerprint, .. } => Some(fingerprint.clone()),
        SignerIdentity::Keyless(_) => None,
    }
}

fn is_key(signer: &Signer, print: &str) -> bool {
    matches!(&signer.identity, SignerIdentity::Key { fingerprint, .. } if fingerprint == print)
}
