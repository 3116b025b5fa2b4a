//! Bundles with certificates of a CA of its own, which trusted roots made here do trust: what Fulcio would never issue, and times
//! that one would have to wait for.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, TryStreamExt, stream};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use serde_json::{Value, json};

use crate::crafted::{AT_ONCE, Draft, assemble, pae, statement};
use crate::services::{Key, Lab};
use crate::{Expect, Outcome, Sink};
use Expect::{Fail, Pass};

const USER: &str = "user@example.com";
const MINUTE: Duration = Duration::from_secs(60);
/// Fulcio's certificate extensions: the issuer as it was written first (raw), and as a UTF8String.
const ISSUER_V1: &[u64] = &[1, 3, 6, 1, 4, 1, 57264, 1, 1];
const ISSUER_V2: &[u64] = &[1, 3, 6, 1, 4, 1, 57264, 1, 8];

/// Which trusted root of those made here verifies the case.
#[derive(Clone, Copy)]
enum Root {
    /// The root signs leaves itself
    Plain,
    /// The root and its intermediate
    Chain,
    /// The root without its intermediate
    Short,
    /// A root with the same name and another key
    Namesake,
}

/// name, what to expect, why, signed by the intermediate or the root, verified with, and what to change of an honest leaf.
type Row = (&'static str, Expect, &'static str, By, Root, fn(&mut CertificateParams, &str));

#[derive(Clone, Copy)]
enum By {
    Root,
    Intermediate,
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("own-ca", Pass, "a CA of its own", By::Root, Root::Plain, |_, _| ()),
    ("own-ca-chain", Pass, "a CA with an intermediate", By::Intermediate, Root::Chain, |_, _| ()),
    ("own-ca-issuer-v1", Pass, "issuer in the older extension only", By::Root, Root::Plain, |p, issuer| p.custom_extensions = vec![issuer_v1(issuer)]),
    ("own-ca-chain-short", Fail, "the intermediate is in neither bundle nor root", By::Intermediate, Root::Short, |_, _| ()),
    ("own-ca-namesake", Fail, "a root with the right name and another key", By::Root, Root::Namesake, |_, _| ()),
    ("own-ca-expired", Fail, "signed an hour after the certificate ended", By::Root, Root::Plain, |p, _| { p.not_before = ago(70); p.not_after = ago(60); }),
    ("own-ca-future", Fail, "signed an hour before the certificate began", By::Root, Root::Plain, |p, _| { p.not_before = ahead(60); p.not_after = ahead(70); }),
    ("own-ca-no-purpose", Fail, "no extended key usage", By::Root, Root::Plain, |p, _| p.extended_key_usages.clear()),
    ("own-ca-server", Fail, "a certificate for servers", By::Root, Root::Plain, |p, _| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
    ("own-ca-stamping", Fail, "a certificate for timestamps", By::Root, Root::Plain, |p, _| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping]),
    ("own-ca-usage", Fail, "a key that may not sign", By::Root, Root::Plain, |p, _| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
    ("own-ca-authority", Fail, "a certificate of a CA", By::Root, Root::Plain, |p, _| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
    ("own-ca-san-none", Fail, "no identity", By::Root, Root::Plain, |p, _| p.subject_alt_names.clear()),
    ("own-ca-subject-only", Fail, "identity in the subject's common name only", By::Root, Root::Plain, |p, _| { p.subject_alt_names.clear(); p.distinguished_name.push(DnType::CommonName, USER); }),
    ("own-ca-san-two", Fail, "two identities, of which the wanted one is the second", By::Root, Root::Plain, |p, _| p.subject_alt_names.insert(0, email("evil@example.org"))),
    ("own-ca-san-nul", Fail, "identity with a NUL after the wanted one", By::Root, Root::Plain, |p, _| p.subject_alt_names = vec![email("user@example.com\0.example.org")]),
    ("own-ca-san-case", Fail, "identity in upper case", By::Root, Root::Plain, |p, _| p.subject_alt_names = vec![email("USER@EXAMPLE.COM")]),
    ("own-ca-issuer-none", Fail, "nothing says who vouched for the identity", By::Root, Root::Plain, |p, _| p.custom_extensions.clear()),
    ("own-ca-issuer-other", Fail, "another issuer", By::Root, Root::Plain, |p, issuer| p.custom_extensions = vec![issuer_v2(&format!("{issuer}/other"))]),
    ("own-ca-issuers-disagree", Fail, "the older extension names another issuer than the newer", By::Root, Root::Plain, |p, issuer| p.custom_extensions = vec![issuer_v1(issuer), issuer_v2(&format!("{issuer}/other"))]),
    ("own-ca-critical-unknown", Fail, "a critical extension that nobody knows", By::Root, Root::Plain, |p, _| { let mut unknown = CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]); unknown.set_criticality(true); p.custom_extensions.push(unknown); }),
];

struct Authority {
    root: (Vec<u8>, Issuer<'static, KeyPair>),
    intermediate: (Vec<u8>, Issuer<'static, KeyPair>),
    namesake: Vec<u8>,
}

impl Authority {
    fn new() -> Outcome<Authority> {
        let (namesake, _) = authority("lab root", None)?;
        let root = authority("lab root", None)?;
        let intermediate = authority("lab intermediate", Some(&root.1))?;
        Ok(Authority { root, intermediate, namesake })
    }

    fn chain(&self, root: Root) -> Vec<&[u8]> {
        match root {
            Root::Plain | Root::Short => vec![&self.root.0],
            Root::Chain => vec![&self.intermediate.0, &self.root.0],
            Root::Namesake => vec![&self.namesake],
        }
    }
}

pub(crate) async fn write_all(lab: &Lab, image: &str, dir: &Path, sink: &Sink) -> Outcome<()> {
    let authority = Authority::new()?;
    for root in [Root::Plain, Root::Chain, Root::Short, Root::Namesake] {
        write_root(lab, &authority.chain(root), &dir.join(root.file()))?;
    }
    let made = ROWS.iter().map(|row| {
        let authority = &authority;
        async move {
            make(lab, authority, image, row)
                .await
                .map_err(|error| format!("{}: {error}", row.0).into())
        }
    });
    let made: Outcome<Vec<_>> = stream::iter(made).buffered(AT_ONCE).try_collect().await;
    for ((name, expect, reason, _, root, _), bundle) in ROWS.iter().zip(made?) {
        let root = dir.join(root.file());
        let who = format!("{USER}\t{}\tkeyless\t{}", lab.issuer, root.display());
        sink.put_as(name, *expect, reason, &who, &bundle.to_string())?;
    }
    Ok(())
}

async fn make(lab: &Lab, authority: &Authority, image: &str, row: &Row) -> Outcome<Value> {
    let (_, _, _, by, _, change) = row;
    let pair = KeyPair::generate()?;
    let mut params = leaf(&lab.issuer)?;
    change(&mut params, &lab.issuer);
    let signer = match by {
        By::Root => &authority.root.1,
        By::Intermediate => &authority.intermediate.1,
    };
    let certificate = params.signed_by(&pair, signer)?;
    let key = Key::from_pkcs8(&pair.serialize_der())?;
    let draft = Draft::of(&statement(image));
    let signature = key.sign(&pae(draft.payload_type, &draft.payload))?;
    assemble(lab, &draft, &key, certificate.der(), &signature).await
}

impl Root {
    fn file(self) -> &'static str {
        match self {
            Root::Plain => "root-own.json",
            Root::Chain => "root-own-chain.json",
            Root::Short => "root-own-short.json",
            Root::Namesake => "root-own-namesake.json",
        }
    }
}

/// The lab's trusted root with the CA in the place of Fulcio's.
fn write_root(lab: &Lab, chain: &[&[u8]], path: &Path) -> Outcome<()> {
    let mut root: Value = serde_json::from_slice(&fs::read(&lab.trusted_root)?)?;
    let certificates: Vec<_> =
        chain.iter().map(|der| json!({"rawBytes": STANDARD.encode(der)})).collect();
    let place =
        root.pointer_mut("/certificateAuthorities/0").ok_or("no authority in the trusted root")?;
    place["certChain"]["certificates"] = json!(certificates);
    place["validFor"]["start"] = json!("2020-01-01T00:00:00Z");
    Ok(fs::write(path, root.to_string())?)
}

fn authority(
    name: &str,
    above: Option<&Issuer<'static, KeyPair>>,
) -> Outcome<(Vec<u8>, Issuer<'static, KeyPair>)> {
    let pair = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = ago(24 * 60);
    params.not_after = ahead(24 * 60);
    let certificate = match above {
        Some(issuer) => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
            params.signed_by(&pair, issuer)?
        }
        None => params.self_signed(&pair)?,
    };
    Ok((certificate.der().to_vec(), Issuer::new(params, pair)))
}

/// What Fulcio would issue to the user.
fn leaf(issuer: &str) -> Outcome<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![email(USER)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.use_authority_key_identifier_extension = true;
    params.not_before = ago(1);
    params.not_after = ahead(9);
    params.custom_extensions = vec![issuer_v1(issuer), issuer_v2(issuer)];
    Ok(params)
}

fn email(address: &str) -> SanType {
    address.try_into().map(SanType::Rfc822Name).expect("the addresses above are ASCII")
}

fn issuer_v1(issuer: &str) -> CustomExtension {
    CustomExtension::from_oid_content(ISSUER_V1, issuer.as_bytes().to_vec())
}

fn issuer_v2(issuer: &str) -> CustomExtension {
    let length = u8::try_from(issuer.len()).expect("an address on loopback is short");
    let mut content = vec![0x0c, length];
    content.extend_from_slice(issuer.as_bytes());
    CustomExtension::from_oid_content(ISSUER_V2, content)
}

fn ago<T: From<SystemTime>>(minutes: u32) -> T {
    (SystemTime::now() - MINUTE * minutes).into()
}

fn ahead<T: From<SystemTime>>(minutes: u32) -> T {
    (SystemTime::now() + MINUTE * minutes).into()
}
