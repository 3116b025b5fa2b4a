//! Policies that are translated, left out in part, and refused.

use super::*;

const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaEOVJCFtduYr3xqTxeRWSW32CY/s
TBNZj4oIUPl8JvhVPJ1TKDPlNcuT4YphSt6t3yOmMvkdQbCj8broX6vijw==
-----END PUBLIC KEY-----
";

fn document(spec: &Value) -> String {
    json!({
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": { "name": "p" },
        "spec": spec,
    })
    .to_string()
}

fn spec(authorities: Value) -> String {
    document(&json!({ "images": [{ "glob": "r.example/team/**" }], "authorities": authorities }))
}

fn left_out(text: &str) -> (bool, Vec<String>) {
    let imported = import(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    (imported.yaml.is_some(), imported.left_out.into_iter().map(|one| one.at).collect())
}

#[test]
fn what_can_be_said_is_said_and_read_again() {
    let text = spec(json!([
        { "name": "the release", "key": { "data": KEY } },
        { "key": { "data": KEY }, "ctlog": { "url": "https://rekor.sigstore.dev" } },
        { "keyless": { "url": "https://fulcio.sigstore.dev", "identities": [
            { "issuer": "https://i.example", "subject": "a@x.example" },
            { "issuer": "https://i.example", "subjectRegExp": "^https://g.example/org/.+$" },
        ] } },
    ]));
    let imported = import(&text).unwrap();
    assert_eq!(imported.left_out, []);
    let yaml = imported.yaml.unwrap();
    let config =
        valid::config(Path::new("hallmark.yaml"), &yaml, &Surroundings::default()).unwrap();
    let names: Vec<&str> = config.trust.signers().keys().map(String::as_str).collect();
    assert_eq!(names, ["authority-1", "authority-2-0", "authority-2-1", "the-release"]);
    let [rule] = config.trust.rules() else { panic!("one rule: {yaml}") };
    assert_eq!((rule.signers.len(), rule.threshold), (4, 1));
    assert!(yaml.contains("^https://g.example/org/.+$"), "anchored already: {yaml}");
    assert!(yaml.contains("preset: signed"), "{yaml}");
}

#[test]
fn what_cannot_be_said_is_left_out_and_never_widened() {
    let fine = json!({ "key": { "data": KEY } });
    let with = |authority: Value| left_out(&spec(json!([authority, fine])));
    let cases = [
        (json!({ "static": { "action": "pass" } }), ""),
        (json!({ "static": { "action": "fail" } }), ""),
        (json!({ "key": { "kms": "hashivault://key/path" } }), ".key"),
        (json!({ "key": { "secretRef": { "name": "s" } } }), ".key"),
        (json!({ "key": { "data": KEY, "hashAlgorithm": "sha512" } }), ".key.hashAlgorithm"),
        (json!({ "key": { "data": KEY }, "ctlog": { "url": "https://log.example" } }), ".ctlog"),
        (json!({ "key": { "data": KEY }, "attestations": [{ "name": "a" }] }), ""),
        (json!({ "key": { "data": KEY }, "source": [{ "oci": "r.example/x" }] }), ".source"),
        (
            json!({ "key": { "data": KEY }, "rfc3161timestamp": { "trustRootRef": "t" } }),
            ".rfc3161timestamp",
        ),
        (
            json!({ "keyless": { "url": "https://f.example",
                "identities": [{ "issuer": "i", "subject": "s" }] } }),
            ".keyless.url",
        ),
        (
            json!({ "keyless": { "trustRootRef": "t",
                "identities": [{ "issuer": "i", "subject": "s" }] } }),
            ".keyless",
        ),
        // Everybody, in other words.
        (
            json!({ "keyless": { "identities": [{ "issuerRegExp": ".*", "subject": "s" }] } }),
            ".keyless.identities[0]",
        ),
        (
            json!({ "keyless": { "identities": [{ "issuer": "i", "subjectRegExp": "https://" }] } }),
            ".keyless.identities[0]",
        ),
    ];
    for (authority, place) in cases {
        let (said, places) = with(authority.clone());
        assert!(said, "{authority}");
        assert_eq!(places, [format!("spec.authorities[0]{place}")], "{authority}");
    }
    let nothing = left_out(&spec(json!([{ "static": { "action": "pass" } }])));
    assert_eq!(nothing, (false, vec!["spec.authorities[0]".to_owned()]));
    // A policy about some objects, or with a condition, is not one about all images.
    let narrowed = [
        json!({ "match": [{ "resource": "pods", "version": "v1" }] }),
        json!({ "policy": { "type": "rego", "data": "x" } }),
    ];
    for part in narrowed {
        let mut spec = json!({ "images": [{ "glob": "**" }], "authorities": [fine] });
        spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        assert!(!left_out(&document(&spec)).0, "{part}");
    }
    let globs =
        ["*", "r.example/te*m/x", "r.example/x:1.0", "r.example/x@sha256:00", "r.example/x?"];
    for glob in globs {
        let spec = json!({ "images": [{ "glob": glob }], "authorities": [fine] });
        let found = left_out(&document(&spec));
        assert_eq!(found, (false, vec!["spec.images[0].glob".to_owned()]), "{glob}");
    }
}

#[test]
fn what_the_webhook_refuses_is_refused() {
    let at = |text: &str| import(text).expect_err(text).at;
    let authority = |authority: Value| at(&spec(json!([authority])));
    assert_eq!(at("{"), "document");
    assert_eq!(at(&format!("{}x", " ".repeat(MAX_BYTES))), "document");
    let unknown = spec(json!([{ "key": { "data": KEY } }])).replace("\"images\"", "\"image\"");
    assert_eq!(at(&unknown), "document");
    assert_eq!(at(&spec(json!([]))), "spec.authorities");
    assert_eq!(at(&document(&json!({ "authorities": [] }))), "spec.images");
    assert_eq!(authority(json!({})), "spec.authorities[0]");
    assert_eq!(authority(json!({ "key": {}, "keyless": {} })), "spec.authorities[0]");
    assert_eq!(authority(json!({ "key": {} })), "spec.authorities[0].key");
    let both = json!({ "key": { "data": KEY, "kms": "hashivault://x" } });
    assert_eq!(authority(both), "spec.authorities[0].key");
    assert_eq!(authority(json!({ "key": { "data": "x" } })), "spec.authorities[0].key.data");
    assert_eq!(authority(json!({ "static": {} })), "spec.authorities[0].static.action");
    let kms = |kms: &str| authority(json!({ "key": { "kms": kms } }));
    for bad in [
        "key",
        "awskms:///x",
        "awskms:///alias/x",
        "awskms://h/arn:aws:kms:r:1:alias/",
        "awskms://h/arn:aws:s3:r:1:key/x",
        "awskms://h/arn:aws:kms:r:1a:key/x",
    ] {
        assert_eq!(kms(bad), "spec.authorities[0].key.kms", "{bad}");
    }
    let good = spec(json!([{ "key": { "kms": "awskms://h:1/arn:aws-cn:kms:r:1:key/x-y" } }]));
    assert_eq!(left_out(&good), (false, vec!["spec.authorities[0].key".to_owned()]));
}
