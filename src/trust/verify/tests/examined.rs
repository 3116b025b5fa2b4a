//! What is shown of evidence that nobody judged, from what cosign 3.1.3 wrote.

use super::{captured::folder, *};
use crate::trust::{
    examine::{Look, Maker, examine},
    sigstore::TrustedRoot,
};

const BUNDLE_FILE: &str = "cosign-3.1.3-keyless-rekor2-tsa-bundle-v0.3.json";

#[test]
fn a_signature_without_a_configured_signer_says_whose_it_is() {
    let Some(folder) = folder("HALLMARK_CAPTURED", "../shared/captured") else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let image = image_with(&read("cosign-3.1.3-keyless-subject-index.json"));
    let root = read("cosign-3.1.3-keyless-trusted-root.json");
    let limits = Limits::default();
    let root = TrustedRoot::from_json(root.as_bytes(), &limits).unwrap();
    let public_good = TrustedRoot::public_good(&limits).unwrap();
    let bundle = read(BUNDLE_FILE);
    let mut edited: Value = serde_json::from_str(&bundle).unwrap();
    edited["verificationMaterial"]["tlogEntries"] = json!([]);
    let raws = [
        raw("good", BUNDLE, bundle),
        raw("edited", BUNDLE, edited.to_string()),
        raw("garbage", BUNDLE, "{".to_owned()),
    ];
    let known = [("public-good".to_owned(), &public_good), ("the lab".to_owned(), &root)];
    let examined = examine(&raws, &image, &TrustRules::default(), &known, &limits);
    let [good, edited, garbage] = examined.as_slice() else { panic!("{examined:?}") };
    let Look::Signed { said, signatures, .. } = &good.look else { panic!("{good:?}") };
    assert_eq!(said.subjects, [image.index.as_ref().unwrap().document.digest.clone()]);
    assert_eq!(said.others, 0);
    let [seen] = signatures.as_slice() else { panic!("{signatures:?}") };
    let certificate = seen.certificate.as_ref().unwrap();
    assert_eq!(certificate.names, ["alice@lab.example"]);
    let [entry] = seen.entries.as_slice() else { panic!("{seen:?}") };
    assert_eq!((entry.index, entry.proof, entry.promise), (0, true, false));
    let Maker::Stranger { root, vouched } = &seen.maker else { panic!("{seen:?}") };
    assert_eq!((root.as_str(), vouched.subject.as_str()), ("the lab", "alice@lab.example"));
    assert_eq!((vouched.log_indices.as_slice(), vouched.times.len()), (&[0][..], 1));
    // What the certificate says is shown, and nothing of it is proven.
    let Look::Signed { signatures, .. } = &edited.look else { panic!("{edited:?}") };
    assert_eq!(signatures[0].certificate.as_ref().unwrap().names, ["alice@lab.example"]);
    assert!(matches!(signatures[0].maker, Maker::Unknown { why: Some(_) }), "{signatures:?}");
    assert!(matches!(garbage.look, Look::Malformed(_)), "{garbage:?}");
}

#[test]
fn configured_keys_are_named_and_other_images_are_said() {
    let (ours, other) = (TestKey::p256(), TestKey::p256());
    let rules = rules(&[("release", &[&ours])], &[("**", "provenance", "release", 1)]);
    let image = image();
    let about = |digest: ManifestDigest| {
        statement_about(
            SLSA,
            json!([{ "digest": { "sha256": digest.digest().hex() } },
            { "digest": { "sha256": "0".repeat(64) } }]),
        )
    };
    let raws = [
        attested("ours", &about(manifest()), &[&ours]),
        attested("theirs", &about(manifest()), &[&other]),
        attested("elsewhere", &about(ManifestDigest::of(b"elsewhere")), &[&ours]),
    ];
    let examined = examine(&raws, &image, &rules, &[], &Limits::default());
    let shown: Vec<_> = examined
        .iter()
        .map(|examined| match &examined.look {
            Look::Signed { said, signatures, .. } => (
                said.subjects.len(),
                said.others,
                matches!(signatures[0].maker, Maker::Configured(_)),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, [(1, 1, true), (1, 1, false), (0, 2, true)]);
}
