//! Policies of Kyverno and Conforma that are translated, left out in part, and refused.

use serde_json::json;

use super::*;
use crate::{
    config::{Config, Surroundings},
    trust::Force,
};

const KEY: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaEOVJCFtduYr3xqTxeRWSW32CY/s
TBNZj4oIUPl8JvhVPJ1TKDPlNcuT4YphSt6t3yOmMvkdQbCj8broX6vijw==
-----END PUBLIC KEY-----
";
/// Another one: the generator of the curve.
const OTHER: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
";

fn wish(lossy: bool) -> Wish {
    Wish { lossy, now: "2026-11-30T12:00:00Z".parse().unwrap() }
}

fn imported(text: &str, lossy: bool) -> Imported {
    import(text, wish(lossy)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    import(text, wish(false)).expect_err(text).at
}

/// Places that are left out and change what is accepted.
fn places(imported: &Imported) -> Vec<&str> {
    let counts = |lost: &&Lost| lost.effect != Effect::Same;
    imported.lost.iter().filter(counts).map(|lost| lost.at.as_str()).collect()
}

fn config(imported: &Imported) -> Config {
    let yaml = imported.yaml.as_ref().unwrap_or_else(|| panic!("{imported:#?}"));
    Config::of_text("hallmark.yaml".as_ref(), yaml, &Surroundings::default()).unwrap()
}

/// Rules, each as its images, predicates, how many signers of how many, and whether it is required.
fn rules(imported: &Imported) -> Vec<String> {
    let config = config(imported);
    let list = |texts: Vec<String>| texts.join(",");
    let one = |rule: &crate::trust::Rule| {
        let images = list(rule.images.iter().map(ToString::to_string).collect());
        let predicates = list(rule.predicates.iter().map(ToString::to_string).collect());
        let force = if rule.force == Force::Require { " required" } else { "" };
        format!("{images} {predicates} {} of {}{force}", rule.threshold, rule.signers.len())
    };
    config.trust.rules().iter().map(one).collect()
}

fn entry(of: &Value) -> Value {
    let mut entry = json!({ "imageReferences": ["r.example/team/*"] });
    entry.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
    entry
}

fn cluster_policy(name: &str, entries: &Value) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": { "name": name },
        "spec": {
            "validationFailureAction": "Enforce",
            "rules": [{
                "name": "check",
                "match": { "any": [{ "resources": { "kinds": ["Pod"] } }] },
                "verifyImages": entries,
            }],
        },
    })
}

fn signed_by(attestors: Value) -> Value {
    entry(&json!({ "attestors": attestors }))
}

fn one(attestors: Value) -> String {
    cluster_policy("p", &json!([signed_by(attestors)])).to_string()
}

fn plain_key(pem: &str) -> Value {
    json!({ "keys": { "publicKeys": pem, "rekor": { "ignoreTlog": true } } })
}

#[test]
fn sets_of_attestors_become_rules() {
    let cases = [
        (json!([{ "entries": [plain_key(KEY)] }]), vec!["r.example/team/** signature 1 of 1"]),
        // All of them where no number is named.
        (
            json!([{ "entries": [plain_key(KEY), plain_key(OTHER)] }]),
            vec!["r.example/team/** signature 2 of 2"],
        ),
        (
            json!([{ "count": 1, "entries": [plain_key(KEY), plain_key(OTHER)] }]),
            vec!["r.example/team/** signature 1 of 2"],
        ),
        (
            json!([{ "count": 1, "entries": [plain_key(&format!("{KEY}{OTHER}"))] }]),
            vec!["r.example/team/** signature 1 of 2"],
        ),
        // One key is one signer, however often it is named.
        (
            json!([{ "entries": [plain_key(KEY), plain_key(KEY)] }]),
            vec!["r.example/team/** signature 1 of 1"],
        ),
        // All sets have to hold.
        (
            json!([{ "entries": [plain_key(KEY)] }, { "entries": [plain_key(OTHER)] }]),
            vec![
                "r.example/team/** signature 1 of 1 required",
                "r.example/team/** signature 1 of 1 required",
            ],
        ),
    ];
    for (attestors, want) in cases {
        let imported = imported(&one(attestors.clone()), false);
        assert_eq!(rules(&imported), want, "{attestors}");
        assert_eq!(places(&imported), Vec::<&str>::new(), "{attestors}");
    }
}

#[test]
fn a_log_is_asked_for_unless_the_policy_says_otherwise() {
    let signer = |entry: Value| {
        let yaml = imported(&one(json!([{ "entries": [entry] }])), false).yaml.unwrap();
        let yaml: Value = yaml_serde::from_str(&yaml).unwrap();
        yaml["trust"]["signers"][0].clone()
    };
    let logged = signer(json!({ "keys": { "publicKeys": KEY } }));
    assert_eq!((&logged["root"], &logged["logs"]), (&json!("public-good"), &json!(1)));
    let logged = signer(
        json!({ "keys": { "publicKeys": KEY, "rekor": { "url": "https://rekor.sigstore.dev/" } } }),
    );
    assert_eq!(logged["logs"], json!(1));
    assert_eq!(signer(plain_key(KEY))["root"], Value::Null);
    let who = signer(
        json!({ "keyless": { "issuer": "https://i.example", "subject": "https://g.example/o/*@refs/heads/main" } }),
    );
    let pattern = r"^https://g\.example/o/.*@refs/heads/main$";
    assert_eq!(who["keyless"]["identityPattern"], json!(pattern), "{who:#}");
    assert_eq!(who["keyless"]["root"], json!("public-good"));
}

#[test]
fn attestations_become_required_rules_about_their_predicate() {
    let attestors = json!([{ "entries": [plain_key(KEY)] }]);
    let with = |attestation: Value| {
        let entry = entry(&json!({ "attestors": attestors, "attestations": [attestation] }));
        cluster_policy("p", &json!([entry])).to_string()
    };
    let said = imported(
        &with(json!({ "type": "https://slsa.dev/provenance/v1", "attestors": attestors })),
        false,
    );
    let want = [
        "r.example/team/** signature 1 of 1 required",
        "r.example/team/** https://slsa.dev/provenance/v1 1 of 1 required",
    ];
    assert_eq!(rules(&said), want);
    let of_image =
        imported(&with(json!({ "predicateType": "https://slsa.dev/provenance/v1" })), false);
    assert_eq!(rules(&of_image), want);
    // What it has to say is not asked here.
    let conditions = json!({ "type": "https://slsa.dev/provenance/v1", "attestors": attestors, "conditions": [{ "all": [] }] });
    let strict = imported(&with(conditions.clone()), false);
    assert_eq!(strict.yaml, None);
    assert!(places(&strict).contains(&"spec.rules[0].verifyImages[0].attestations[0].conditions"));
    let lossy = imported(&with(conditions), true);
    assert!(lossy.yaml.is_some());
    assert!(lossy.lost.iter().any(|lost| lost.effect == Effect::More), "{lossy:#?}");
}

/// What a policy is changed to, and the place of what cannot be said then.
fn unsayable() -> Vec<(String, Value, &'static str)> {
    let entry = "/spec/rules/0/verifyImages/0";
    vec![
        ("/spec/rules/0/exclude".to_owned(), json!({ "any": [] }), "spec.rules[0].exclude"),
        ("/spec/rules/0/preconditions".to_owned(), json!({}), "spec.rules[0].preconditions"),
        ("/spec/rules/0/context".to_owned(), json!([]), "spec.rules[0].context"),
        ("/spec/rules/0/imageExtractors".to_owned(), json!({}), "spec.rules[0].imageExtractors"),
        ("/spec/rules/0/validate".to_owned(), json!({}), "spec.rules[0].validate"),
        (
            "/spec/rules/0/match".to_owned(),
            json!({ "any": [{ "resources": { "kinds": ["Pod"], "namespaces": ["a"] } }] }),
            "spec.rules[0].match",
        ),
        (
            "/spec/rules/0/match".to_owned(),
            json!({ "any": [{ "resources": { "kinds": ["Deployment"] } }] }),
            "spec.rules[0].match",
        ),
        ("/kind".to_owned(), json!("Policy"), "kind"),
        (
            format!("{entry}/annotations"),
            json!({ "a": "b" }),
            "spec.rules[0].verifyImages[0].annotations",
        ),
        (format!("{entry}/validate"), json!({}), "spec.rules[0].verifyImages[0].validate"),
        (format!("{entry}/type"), json!("Notary"), "spec.rules[0].verifyImages[0].type"),
        (
            format!("{entry}/attestors/0/entries/0/annotations"),
            json!({ "a": "b" }),
            "spec.rules[0].verifyImages[0].attestors[0].entries[0].annotations",
        ),
        (
            format!("{entry}/attestors/0/entries/0/keys/kms"),
            json!("awskms://x"),
            "spec.rules[0].verifyImages[0].attestors[0].entries[0].keys.kms",
        ),
        (
            format!("{entry}/attestors/0/entries/0/keys/rekor/url"),
            json!("https://log.example"),
            "spec.rules[0].verifyImages[0].attestors[0].entries[0].keys.rekor.url",
        ),
        (
            format!("{entry}/attestors/0/entries/1"),
            json!({ "certificates": { "cert": "x" } }),
            "spec.rules[0].verifyImages[0].attestors[0].entries[1].certificates",
        ),
        (
            format!("{entry}/attestors/0/entries/1"),
            json!({ "attestor": { "entries": [] } }),
            "spec.rules[0].verifyImages[0].attestors[0].entries[1].attestor",
        ),
        (
            format!("{entry}/attestors/0/entries/1"),
            json!({ "keyless": { "subject": "*", "issuer": "https://i.example" } }),
            "spec.rules[0].verifyImages[0].attestors[0].entries[1].keyless",
        ),
    ]
}

#[test]
fn i27_what_cannot_be_said_takes_with_it_what_it_belongs_to() {
    let fine = json!([{ "entries": [plain_key(KEY)] }]);
    let with = |path: &str, value: Value| {
        let mut policy = cluster_policy("p", &json!([signed_by(fine.clone())]));
        let (parent, key) = path.rsplit_once('/').unwrap();
        let parent = policy.pointer_mut(parent).unwrap();
        match (parent, key.parse::<usize>()) {
            (Value::Array(list), Ok(_)) => list.push(value),
            (parent, _) => parent[key] = value,
        }
        policy.to_string()
    };
    for (path, value, place) in unsayable() {
        let imported = imported(&with(&path, value.clone()), false);
        assert_eq!(imported.yaml, None, "{path} {value}: {imported:#?}");
        assert!(places(&imported).contains(&place), "{path} {value}: {imported:#?}");
    }
    // Of several that each suffice one may be left out.
    let any =
        json!([{ "count": 1, "entries": [plain_key(KEY), { "keys": { "kms": "awskms://x" } }] }]);
    let any = imported(&one(any), false);
    assert_eq!(rules(&any), ["r.example/team/** signature 1 of 1"]);
    // What Kyverno lets pass is denied here.
    let entry = "/spec/rules/0/verifyImages/0";
    for (path, value, place) in [
        (
            format!("{entry}/skipImageReferences"),
            json!(["r.example/team/x"]),
            "skipImageReferences[0]",
        ),
        (format!("{entry}/required"), json!(false), "required"),
        (format!("{entry}/failureAction"), json!("Audit"), "failureAction"),
        (format!("{entry}/repository"), json!("r.example/sigs"), "repository"),
    ] {
        let imported = imported(&with(&path, value), false);
        assert_eq!(rules(&imported), ["r.example/team/** signature 1 of 1"], "{path}");
        assert_eq!(places(&imported), [format!("spec.rules[0].verifyImages[0].{place}")], "{path}");
    }
}

#[test]
fn h25_images_of_a_policy_that_cannot_be_said_are_granted_by_no_other() {
    let good =
        cluster_policy("good", &json!([signed_by(json!([{ "entries": [plain_key(KEY)] }]))]));
    let mut bad = cluster_policy(
        "bad",
        &json!([signed_by(json!([{ "entries": [{ "keys": { "kms": "x://y" } }] }]))]),
    );
    let both = |bad: &Value| format!("{good}\n---\n{bad}\n");
    let said = imported(&both(&bad), false);
    assert_eq!(said.yaml, None, "{said:#?}");
    assert!(
        places(&said).contains(&"good: spec.rules[0].verifyImages[0].imageReferences[0]"),
        "{said:#?}"
    );
    // One that only warns denies nothing there.
    bad["spec"]["validationFailureAction"] = "Audit".into();
    assert_eq!(rules(&imported(&both(&bad), false)), ["r.example/team/** signature 1 of 1"]);
    // The beginning of a name is about names that go on, too: the first policy is not said of these, and so nothing is of either.
    let begun = json!([{ "imageReferences": ["r.example/team/app*"], "attestors": [{ "entries": [plain_key(OTHER)] }] }]);
    let begun = imported(&both(&cluster_policy("begun", &begun)), false);
    assert_eq!(begun.yaml, None, "{begun:#?}");
}

/// A policy with everything in it that is translated.
fn whole() -> Vec<Value> {
    let keyless = json!({ "keyless": {
        "issuer": "https://i.example", "subjectRegExp": "^https://g.example/o/.+$",
        "rekor": { "url": "https://rekor.sigstore.dev" }, "ctlog": { "ignoreSCT": false },
    } });
    let attestors = json!([{ "count": 1, "entries": [plain_key(KEY), keyless] }]);
    let attestation = json!({ "type": "https://slsa.dev/provenance/v1", "attestors": attestors });
    let entry = entry(&json!({
        "type": "Cosign", "mutateDigest": true, "verifyDigest": true, "required": true,
        "attestors": attestors, "attestations": [attestation],
    }));
    let validating = json!({
        "apiVersion": "policies.kyverno.io/v1",
        "kind": "ImageValidatingPolicy",
        "metadata": { "name": "v" },
        "spec": {
            "validationActions": ["Deny"],
            "failurePolicy": "Fail",
            "validationConfigurations": { "required": true, "mutateDigest": false },
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"],
            }] },
            "matchImageReferences": [{ "glob": "r.example/team/*" }],
            "attestors": [
                { "name": "a", "cosign": { "key": { "data": KEY, "hashAlgorithm": "sha256" }, "ctlog": { "insecureIgnoreTlog": true } } },
                { "name": "b", "cosign": { "keyless": { "identities": [
                    { "issuer": "https://i.example", "subject": "ci@corp.example" },
                ] } } },
            ],
            "attestations": [{ "name": "slsa", "intoto": { "type": "https://slsa.dev/provenance/v1" } }],
            "validations": [
                { "expression": "images.containers.map(i, verifyImageSignatures(i, [attestors.a, attestors.b])).all(e, e > 0)" },
                { "expression": "images.containers.map(i, verifyAttestationSignatures(i, attestations.slsa, [attestors.a])).all(e, e > 0)" },
            ],
        },
    });
    vec![cluster_policy("p", &json!([entry])), validating]
}

#[test]
fn a_validating_policy_becomes_rules() {
    let [_, policy]: [Value; 2] = whole().try_into().unwrap();
    let said = imported(&policy.to_string(), false);
    let want = [
        "r.example/team/** signature 1 of 2 required",
        "r.example/team/** https://slsa.dev/provenance/v1 1 of 1 required",
    ];
    assert_eq!(rules(&said), want);
    assert_eq!(places(&said), Vec::<&str>::new());
    let with = |path: &str, value: Value| {
        let mut policy = policy.clone();
        *policy.pointer_mut(path).unwrap() = value;
        imported(&policy.to_string(), false)
    };
    let cases = [
        ("/spec/validations/0/expression", json!("true"), "spec.validations[0].expression"),
        (
            "/spec/matchConstraints/resourceRules/0/resources",
            json!(["deployments"]),
            "spec.matchConstraints",
        ),
        (
            "/spec/matchConstraints/resourceRules/0/operations",
            json!(["CREATE"]),
            "spec.matchConstraints",
        ),
        (
            "/spec/attestors/0/cosign/ctlog",
            json!({ "tsaCertChain": "x" }),
            "spec.attestors[0].cosign.ctlog.tsaCertChain",
        ),
        ("/spec/attestors/0/cosign", json!({ "tuf": {} }), "spec.attestors[0].cosign.tuf"),
        ("/spec/attestors/0", json!({ "name": "a", "notary": {} }), "spec.attestors[0].notary"),
        (
            "/spec/attestations/0",
            json!({ "name": "slsa", "referrer": { "type": "x/y" } }),
            "spec.attestations[0].referrer",
        ),
        ("/kind", json!("NamespacedImageValidatingPolicy"), "kind"),
    ];
    for (path, value, place) in cases {
        let found = with(path, value.clone());
        assert_eq!(found.yaml, None, "{path} {value}: {found:#?}");
        assert!(places(&found).contains(&place), "{path} {value}: {found:#?}");
    }
    let audit = with("/spec/validationActions", json!(["Audit"]));
    assert_eq!((rules(&audit).len(), places(&audit)), (2, vec!["spec.validationActions"]));
    let all = with("/spec/matchImageReferences", json!([]));
    assert_eq!(rules(&all)[0], "** signature 1 of 2 required");
}

fn conforma() -> Value {
    json!({
        "name": "Release", "description": "d", "publicKey": KEY,
        "sources": [{
            "name": "Default",
            "policy": ["github.com/conforma/policy//policy/release"],
            "data": ["oci::r.example/data:1"],
            "ruleData": {
                "allowed_registry_prefixes": ["r.example/base/"],
                "restrict_cve_security_levels": ["critical", "high"],
                "required_tasks": [],
            },
            "config": { "include": ["@slsa3"], "exclude": ["labels.required"] },
            "volatileConfig": { "exclude": [
                { "value": "cve.cve_blockers", "imageUrl": "r.example/team/app", "effectiveUntil": "2027-01-01T00:00:00Z" },
                { "value": "cve.cve_blockers", "imageRef": "sha256:00", "effectiveUntil": "2027-01-01T00:00:00Z" },
                { "value": "cve.cve_blockers", "imageUrl": "r.example/team/app", "effectiveUntil": "2020-01-01T00:00:00Z" },
                { "value": "cve.cve_blockers", "imageUrl": "r.example/team/app" },
                { "value": "labels.required", "imageUrl": "r.example/team/app", "effectiveUntil": "2027-01-01T00:00:00Z" },
                { "value": "base_image_registries.base_image_permitted", "imageUrl": "r.example/old/app",
                  "effectiveUntil": "2031-01-01T00:00:00Z", "reference": "https://tickets.example/1" },
            ] },
        }],
    })
}

#[test]
fn a_policy_of_conforma_is_said_in_a_lossy_import_alone() {
    let text = conforma().to_string();
    let strict = imported(&text, false);
    assert_eq!((strict.tool, &strict.yaml), (Tool::Conforma, &None));
    let source = "sources[0]";
    for place in [
        "policy[0]",
        "data[0]",
        "ruleData.required_tasks",
        "config.include[0]",
        "config.exclude[0]",
        "volatileConfig.exclude[1]",
        "volatileConfig.exclude[2]",
        "volatileConfig.exclude[3]",
        "volatileConfig.exclude[4]",
        "volatileConfig.exclude[5]",
    ] {
        assert!(
            places(&strict).contains(&format!("{source}.{place}").as_str()),
            "{place}: {strict:#?}"
        );
    }
    let lossy = imported(&text, true);
    let want = ["** signature 1 of 1 required", "** provenance 1 of 1 required"];
    assert_eq!(rules(&lossy), want);
    let config = config(&lossy);
    assert_eq!(config.policy.selection.preset, "slsa-l2");
    assert_eq!(config.policy.settings["vulnerabilities"]["deny"], json!("high"));
    assert_eq!(config.policy.settings["base"]["images"], json!(["r.example/base/**"]));
    let exceptions: Vec<_> = config.policy.exceptions.iter().flatten().collect();
    let of = |e: &&crate::policy::Exception| format!("{} {} {}", e.code, e.images, e.expires);
    let told: Vec<String> = exceptions.iter().map(of).collect();
    let want = [
        // The day on which it ends is not whole.
        "vulnerability-severe r.example/team/app 2026-12-31",
        "base-not-allowed r.example/old/app 2027-11-29",
    ];
    assert_eq!(told, want, "{lossy:#?}");
    let object = json!({
        "apiVersion": "appstudio.redhat.com/v1alpha1", "kind": "EnterpriseContractPolicy",
        "metadata": { "name": "p" }, "spec": conforma(),
    });
    assert_eq!(
        imported(&object.to_string(), true).yaml,
        lossy.yaml.map(|yaml| yaml.replace("# publicKey", "# spec.publicKey"))
    );
    // Without a key or with one that is elsewhere nothing can be said.
    for key in [json!("k8s://ns/key"), Value::Null] {
        let mut policy = conforma();
        policy["publicKey"] = key;
        let found = imported(&policy.to_string(), true);
        assert!(found.yaml.is_none() && places(&found).contains(&"publicKey"), "{found:#?}");
    }
    let mut keyless = conforma();
    keyless["publicKey"] = Value::Null;
    keyless["identity"] =
        json!({ "issuer": "https://i.example", "subjectRegExp": "^https://g.example/o/.+$" });
    assert_eq!(rules(&imported(&keyless.to_string(), true)).len(), 2);
}

/// All places of objects in a document.
fn objects(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, inner) in object {
                objects(inner, format!("{at}/{key}"), found);
            }
            found.push(at);
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(i, inner)| objects(inner, format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

/// Whatever a newer version adds, and wherever: it is told, and nothing is said as if it were not there.
#[test]
fn i27_every_key_is_translated_or_told() {
    let mut documents = whole();
    documents.push(conforma());
    for document in documents {
        let (before, mut found) = (imported(&document.to_string(), true), Vec::new());
        objects(&document, String::new(), &mut found);
        assert!(found.len() > 5, "{found:?}");
        for at in found {
            let mut changed = document.clone();
            changed.pointer_mut(&at).unwrap()["addedKey"] = json!("x");
            let text = changed.to_string();
            let lossy = imported(&text, true);
            let new: Vec<&Lost> =
                lossy.lost.iter().filter(|lost| !before.lost.contains(lost)).collect();
            assert!(!new.is_empty(), "{at}");
            let strict = imported(&text, false);
            let asked =
                before.yaml.is_some() && imported(&document.to_string(), false).yaml.is_some();
            let weaker = strict.yaml.is_some() && strict.yaml == before.yaml;
            assert!(!asked || !weaker, "{at}: {strict:#?}");
        }
    }
}

/// Another form at any place is an answer, never a panic.
#[test]
fn other_forms_are_refused_or_told() {
    let mut documents = whole();
    documents.push(conforma());
    for document in documents {
        let text = document.to_string();
        let mut pointers = Vec::new();
        leaves(&document, String::new(), &mut pointers);
        for at in pointers {
            for other in [json!(7), json!({ "x": {} })] {
                let mut changed = document.clone();
                *changed.pointer_mut(&at).unwrap() = other;
                let changed = changed.to_string();
                if changed != text {
                    let _ = import(&changed, wish(true));
                }
            }
        }
    }
}

fn leaves(value: &Value, at: String, found: &mut Vec<String>) {
    found.push(at.clone());
    match value {
        Value::Object(object) => {
            object.iter().for_each(|(key, inner)| leaves(inner, format!("{at}/{key}"), found));
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(i, inner)| leaves(inner, format!("{at}/{i}"), found));
        }
        _ => {}
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let kinds = [
        ("", "document"),
        ("---\n---\n", "document"),
        ("{", "document"),
        ("a: 1\n", "kind"),
        ("a: &x {b: 1}\nc: {<<: *x}\n", "document"),
        ("kind: !!str ClusterPolicy\n", "document"),
        ("apiVersion: v1\nkind: Pod\n", "kind"),
        ("apiVersion: kyverno.io/v3\nkind: ClusterPolicy\n", "apiVersion"),
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\n", "metadata"),
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: a}\n", "spec"),
        (
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: a}\nspec: {rules: []}\n",
            "spec.rules",
        ),
        (
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: a}\nspec: {rules: 1}\n",
            "spec.rules",
        ),
        ("sources: []\n---\napiVersion: kyverno.io/v1\nkind: ClusterPolicy\n", "document"),
        ("sources: []\n---\nsources: []\n", "document"),
    ];
    for (text, place) in kinds {
        assert_eq!(refused(text), place, "{text}");
    }
    assert_eq!(refused(&" ".repeat(MAX_BYTES + 1)), "document");
    let many = "---\nsources: []\n".repeat(MAX_DOCUMENTS + 1);
    assert!(import(&many, wish(false)).unwrap_err().why.contains("more than 500"), "{many:.20}");
    let references: Vec<String> = (0..1001).map(|n| format!("r.example/a{n}")).collect();
    let entry =
        json!([{ "imageReferences": references, "attestors": [{ "entries": [plain_key(KEY)] }] }]);
    let error = import(&cluster_policy("p", &entry).to_string(), wish(false)).unwrap_err();
    assert!(error.why.contains("more than 1000"), "{error}");
}
