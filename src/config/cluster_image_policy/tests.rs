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
    let config = file::config(Path::new("hallmark.yaml"), &yaml, &Surroundings::default()).unwrap();
    let names: Vec<&str> = config.trust.signers().keys().map(String::as_str).collect();
    assert_eq!(names, ["authority-1", "authority-2-0", "authority-2-1", "the-release"]);
    let [rule] = config.trust.rules() else { panic!("one rule: {yaml}") };
    assert_eq!((rule.signers.len(), rule.threshold), (4, 1));
    assert!(yaml.contains(r"^https://g\.example/org/.+$"), "anchored already: {yaml}");
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
    let globs = ["r.example/te*m/x", "r.example/x:1.0", "r.example/App", "r.example/"];
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
    let many: Vec<Value> = (0..=MOST_GLOBS).map(|_| json!({ "glob": "r.example/x" })).collect();
    let many = json!({ "images": many, "authorities": [{ "key": { "data": KEY } }] });
    assert_eq!(at(&document(&many)), "document");
    for glob in
        ["r.example/[ab]", "r.example/x?", "r.example/{a,b}", "r.example/x@sha256:00", "a b"]
    {
        let fine = json!([{ "key": { "data": KEY } }]);
        let spec = json!({ "images": [{ "glob": glob }], "authorities": fine });
        assert_eq!(at(&document(&spec)), "spec.images[0].glob", "{glob}");
    }
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

/// The rules that a file means: images, how many signers, and whether each is required.
fn rules(text: &str) -> Vec<(Vec<String>, usize, bool)> {
    let yaml = import(text).unwrap_or_else(|error| panic!("{text}: {error}")).yaml.unwrap();
    let config = file::config(Path::new("hallmark.yaml"), &yaml, &Surroundings::default());
    let rules = config.unwrap().trust.rules().to_vec();
    let images = |rule: &crate::trust::Rule| rule.images.iter().map(ToString::to_string).collect();
    let required = |rule: &crate::trust::Rule| rule.force == crate::trust::Force::Require;
    rules.iter().map(|rule| (images(rule), rule.signers.len(), required(rule))).collect()
}

#[test]
fn globs_of_docker_hub_speak_about_docker_hub() {
    for (glob, want) in [
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("index.docker.io/**", "docker.io/**"),
        ("index.docker.io/team/*", "docker.io/team/*"),
        ("docker.io/library/nginx", "docker.io/library/nginx"),
        ("*/*", "docker.io/*/*"),
        ("*", "docker.io/library/*"),
        ("nginx", "docker.io/library/nginx"),
        ("team/app", "docker.io/team/app"),
        ("team/**", "docker.io/team/**"),
        ("LOCALHOST:05000/app", "localhost:5000/app"),
        ("**", "**"),
    ] {
        let fine = json!([{ "key": { "data": KEY } }]);
        let spec = json!({ "images": [{ "glob": glob }], "authorities": fine });
        assert_eq!(rules(&document(&spec)), [(vec![want.to_owned()], 1, false)], "{glob}");
    }
}

#[test]
fn what_an_apiserver_adds_is_read() {
    let mut policy: Value =
        serde_json::from_str(&spec(json!([{ "key": { "data": KEY } }]))).unwrap();
    policy["metadata"] = json!({
        "name": "p", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "7",
        "generation": 2, "managedFields": [{ "manager": "kubectl" }], "labels": { "a": "b" },
        "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
        "finalizers": ["f"], "ownerReferences": [{ "uid": "x" }],
    });
    policy["status"] = json!({ "conditions": [{ "type": "Ready", "status": "True" }] });
    assert_eq!(rules(&policy.to_string()).len(), 1);
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [policy] });
    assert_eq!(rules(&list.to_string()).len(), 1);
    assert_eq!(rules(&format!("\u{feff}{list}")).len(), 1, "as editors write it");
    policy["metadata"]["lables"] = json!({});
    assert_eq!(import(&policy.to_string()).unwrap_err().at, "document");
}

fn policy(name: &str, spec: &Value) -> String {
    let (api, kind) = ("policy.sigstore.dev/v1beta1", "ClusterImagePolicy");
    json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name }, "spec": spec })
        .to_string()
}

fn file(policies: &[String]) -> String {
    format!("---\n{}\n---\n", policies.join("\n---\n"))
}

#[test]
fn policies_that_both_match_both_have_to_hold() {
    let key = json!([{ "key": { "data": KEY } }]);
    let images = |glob: &str, authorities: &Value| json!({ "images": [{ "glob": glob }], "authorities": authorities });
    let both = file(&[
        policy("a", &images("r.example/**", &key)),
        policy("b", &images("r.example/team/*", &key)),
    ]);
    let want = |glob: &str| (vec![glob.to_owned()], 1, true);
    assert_eq!(rules(&both), [want("r.example/**"), want("r.example/team/*")]);

    // One of them cannot be said: what it may be about is not accepted for the other's sake.
    let kms = json!([{ "key": { "kms": "hashivault://x" } }]);
    let fail = json!([{ "static": { "action": "fail" } }]);
    for unsaid in [
        images("r.example/team/*", &kms),
        images("r.example/te*m/app:v1", &key),
        images("r.example/**app", &key),
        images("r.example/team/app", &fail),
        json!({ "images": [{ "glob": "**" }], "authorities": key, "match": [{ "resource": "pods" }] }),
    ] {
        let both = file(&[
            policy(
                "a",
                &json!({ "images": [{ "glob": "r.example/team/app" }, { "glob": "other.example/app" }], "authorities": key }),
            ),
            policy("b", &unsaid),
        ]);
        let imported = import(&both).unwrap();
        let places: Vec<&str> = imported.left_out.iter().map(|one| one.at.as_str()).collect();
        assert!(places.contains(&"a: spec.images[0].glob"), "{unsaid}: {places:?}");
    }
    // What one has to leave out for another's sake is granted by no third part, be it of that other one.
    let begun = json!({ "images": [{ "glob": "r.example/team/app" }, { "glob": "r.example/team/x*y" }], "authorities": key });
    let both = file(&[policy("a", &images("r.example/team/*", &key)), policy("b", &begun)]);
    assert_eq!(import(&both).unwrap().yaml, None);
    // One that lets everything pass asks for nothing, and so does one that only warns.
    let pass = json!([{ "static": { "action": "pass" } }]);
    let mut warns = images("**", &kms);
    warns["mode"] = json!("warn");
    for harmless in [images("**", &pass), warns, images("other.example/**", &kms)] {
        let both =
            file(&[policy("a", &images("r.example/team/app", &key)), policy("b", &harmless)]);
        assert_eq!(rules(&both), [want("r.example/team/app")], "{harmless}");
    }
    assert_eq!(import("---\n---\n").unwrap_err().at, "document");
    let broken =
        file(&[policy("a", &images("r.example/x", &key)), policy("b", &images("[", &key))]);
    assert_eq!(import(&broken).unwrap_err().at, "b: spec.images[0].glob");
}

#[test]
fn i4_expressions_are_translated_into_the_dialect_that_is_read_here() {
    let cases = [
        (r"^https://github\.com/o/\w+$", Some(r"^https://github\.com/o/[0-9A-Za-z_]+$")),
        (r"^ci-\d{2}@corp\.example$", Some(r"^ci-[0-9]{2}@corp\.example$")),
        (r"^[\w.-]+@corp\.example$", Some(r"^[0-9A-Za-z_\.\-]+@corp\.example$")),
        (r"^\Qci+x\E@corp\.example$", Some(r"^ci\+x@corp\.example$")),
        (r"^ci\B@corp\.example$", None),
    ];
    for (theirs, ours) in cases {
        let identities = json!([{ "issuer": "https://i.example", "subjectRegExp": theirs }]);
        let found = import(&spec(json!([{ "keyless": { "identities": identities } }])));
        let text = found.unwrap().yaml.unwrap_or_default();
        match ours {
            Some(ours) => assert!(text.contains(ours), "{theirs}: {text}"),
            None => assert!(!text.contains("identityPattern"), "{theirs}: {text}"),
        }
    }
}

/// There an expression is found anywhere in a name. Whoever may have a name around it would be anybody.
#[test]
fn b8_expressions_become_patterns_that_name_their_host_or_are_left_out() {
    let cases = [
        (r"^https://github\.com/org/.*$", Some(r"^https://github\.com/org/.*$"), false),
        (r"https://github\.com/org/.*", Some(r"^https://github\.com/org/.*$"), true),
        (r"^https://github\.com/org/", Some(r"^https://github\.com/org/(?s:.*)$"), false),
        (r"https://github.com/org/.*", Some(r"^https://github\.com/org/.*$"), true),
        (r"@example\.com$", Some(r"^(?s:.*)@example\.com$"), false),
        (r"@example\.com", Some(r"^(?s:.*)@example\.com$"), true),
        (r"^(a|b)@example\.com$", Some(r"^(a|b)@example\.com$"), false),
        (r"https://github\.com/org", Some(r"^https://github\.com/org(?s:/.*)$"), true),
        (r"github\.com/org/.*x", Some(r"^https://github\.com/org/.*x(?s:.*)$"), true),
        (r"https://.*", None, false),
        (r".*example\.com$", None, false),
    ];
    for (theirs, ours, narrowed) in cases {
        let identities = json!([{ "issuer": "https://i.example", "subjectRegExp": theirs }]);
        let found = import(&spec(json!([{ "keyless": { "identities": identities } }]))).unwrap();
        let yaml = found.yaml.map(|text| yaml_serde::from_str::<Value>(&text).unwrap());
        let pattern = yaml.map(|yaml| {
            let keyless = &yaml["trust"]["signers"][0]["keyless"];
            keyless["identityPattern"].as_str().unwrap().to_owned()
        });
        assert_eq!(pattern.as_deref(), ours, "{theirs}");
        assert_eq!(found.left_out.len(), usize::from(narrowed || ours.is_none()), "{theirs}");
    }
}
