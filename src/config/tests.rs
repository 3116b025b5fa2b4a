//! What is read, what is refused, and that docs/configuration.md says the same.

use std::{collections::BTreeSet, time::Duration};

use jiff::SignedDuration;
use serde::Deserialize;

use super::{limits::table as limits_table, *};
use crate::{
    compare::{Allowance, AllowedClass},
    engine::{EngineChoice, Mirror, SharedBuilder, ids::WantedNumbers},
    gate::Tags,
    rebuild::plan::StepNetwork,
    verify::{AllowRule, AttestedOptions, OnMismatch, Uncounted, When},
};

/// A folder with what the examples name, and the example itself as `hallmark.yaml`.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    let pair = rcgen::generate_simple_self_signed(["registry.example".to_owned()]).expect("pair");
    let other = rcgen::KeyPair::generate().expect("pair").public_key_pem();
    let text = text.replace("INLINE", &other.trim_end().replace('\n', "\n        "));
    let files = [
        ("release.pub", pair.signing_key.public_key_pem()),
        ("private.pem", pair.signing_key.serialize_pem()),
        ("ca.pem", pair.cert.pem()),
        ("tls.key", pair.signing_key.serialize_pem()),
        ("app.layout", LAYOUT.to_owned()),
        (
            "app.link",
            r#"{"signed": {"_type": "link", "name": "build"}, "signatures": []}"#.to_owned(),
        ),
        ("hallmark.yaml", text),
    ];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect(name);
    }
    std::fs::create_dir(folder.path().join("policies")).expect("policies");
    folder
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let folder = folder(text);
    Config::load(Some(&folder.path().join("hallmark.yaml")), &Surroundings::default())
}

const LAYOUT: &str = r#"{"signatures": [], "signed": {"_type": "layout", "expires": "2030-01-01T00:00:00Z", "keys": {},
  "steps": [{"name": "build", "threshold": 1}]}}"#;

const FULL: &str = r#"version: 1
repositories: [registry.example/app, "oci:layouts/app", "registry.example:5000/team/app"]
registries:
  - host: registry.example:5000
    ca: ca.pem
    authRealms: [auth.example]
  - {host: "127.0.0.1:5000", plainHttp: true}
trust:
  signers:
    - {name: release, key: release.pub}
    - name: second
      key: |
        INLINE
  rules:
    - images: ["registry.example/app/*"]
      predicates: [signature, provenance, sbom]
      signers: [release, second]
      threshold: 2
policy:
  preset: reproducible
  settings: {rebuild: {minLevel: 4}}
  exceptions:
    - {code: sbom-package-ghost, images: ["registry.example/app/*"], reason: known, owner: team, expires: 2027-01-31}
contents: {bases: [{layers: ["sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}]}
rebuild: {when: always, engine: docker, sharedDaemon: true, twice: false, network: recorded, numbers: machine, frontends: ["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], privateSources: [Git.example], mirrors: [{registry: docker.io, at: "mirror.example:5000/hub"}], attested: {accept: true, maxAge: 24h}, allow: [{class: host, paths: [/etc/hostname], reason: known, owner: team, expires: 2027-01-31}]}
limits: {rebuild: 5m, layerBytes: 1GiB, attempts: 2}
gate: {listen: "[::]:9443", certificate: ca.pem, key: tls.key, namespacesExempt: [kube-system, a, a], budget: 4s, tags: resolve}
"#;

#[test]
fn reads_every_section() {
    let folder = folder(FULL);
    let config = Config::load(Some(&folder.path().join("hallmark.yaml")), &Surroundings::default())
        .expect("valid");
    let names: Vec<_> = config.repositories.iter().map(ToString::to_string).collect();
    let layout = format!("oci:{}", folder.path().join("layouts/app").display());
    assert_eq!(names, ["registry.example/app", layout.as_str(), "registry.example:5000/team/app"]);
    let [first, second] = config.registries.as_slice() else { panic!("two registries") };
    assert_eq!(first.ca, Some(folder.path().join("ca.pem")));
    assert_eq!((first.plain_http, second.plain_http), (false, true));
    assert_eq!(first.auth_hosts, ["auth.example"]);
    assert_eq!(config.trust.signers().keys().collect::<Vec<_>>(), ["release", "second"]);
    assert_eq!(config.trust.rules().first().map(|rule| rule.threshold), Some(2));
    assert_eq!(
        config.policy.selection,
        PolicySelection { preset: "reproducible", ..PolicySelection::default() }
    );
    assert_eq!(config.policy.settings.get("rebuild"), Some(&serde_json::json!({"minLevel": 4})));
    let expires = config.policy.exceptions.first().and_then(|entry| Some(entry.first()?.expires));
    assert_eq!(expires, Some(jiff::civil::date(2027, 1, 31)));
    let base = format!("sha256:{}", "b".repeat(64)).parse().expect("a digest");
    assert_eq!(config.bases, [vec![base]]);
    let rebuild = config.rebuild;
    assert_eq!((rebuild.when, rebuild.engine), (When::Always, EngineChoice::Docker));
    assert_eq!(
        (rebuild.plan.network, rebuild.on_mismatch),
        (StepNetwork::Recorded, OnMismatch::Accept)
    );
    assert_eq!(rebuild.uncounted, Uncounted::Skip, "a file asks for no such build");
    let frontend = format!("sha256:{}", "a".repeat(64)).parse().expect("a digest");
    assert_eq!(rebuild.plan.frontends, [frontend].into());
    let attested = AttestedOptions { accept: true, max_age: SignedDuration::from_hours(24) };
    assert_eq!(rebuild.attested, attested);
    let allow = AllowRule {
        images: vec!["**".parse().expect("a pattern")],
        allowance: Allowance {
            class: AllowedClass::Host,
            pattern: "/etc/hostname".parse().expect("a path"),
            reason: "known".to_owned(),
            owner: "team".to_owned(),
            expires: jiff::civil::date(2027, 1, 31),
        },
    };
    assert_eq!(rebuild.allow, [allow]);
    let engine = rebuild.settings;
    assert_eq!(engine.shared_builder, SharedBuilder::Allowed);
    assert_eq!(engine.numbers, WantedNumbers::Machine);
    assert_eq!(engine.private_sources, ["git.example"]);
    let (registry, at) = ("docker.io".to_owned(), "mirror.example:5000/hub".to_owned());
    assert_eq!(engine.mirrors, [Mirror { registry, at }]);
    assert_eq!(engine.address, None);
    assert_eq!(engine.plain_http, ["127.0.0.1:5000"]);
    assert_eq!(engine.listed, ["registry.example:5000", "127.0.0.1:5000"]);
    let own_ca = ("registry.example:5000".to_owned(), folder.path().join("ca.pem"));
    assert_eq!(engine.certificate_authorities, [own_ca]);
    assert_eq!(config.limits.attempts, 2);
    let gate = config.gate.expect("gate");
    assert_eq!(gate.listen.to_string(), "[::]:9443");
    assert_eq!(gate.namespaces_exempt, ["a", "kube-system"]);
    assert_eq!((gate.budget, gate.tags), (Duration::from_secs(4), Tags::Resolve));
}

#[test]
fn without_a_file_nobody_is_trusted() {
    for config in [Config::load(None, &Surroundings::default()), load("version: 1\n")] {
        let config = config.expect("valid");
        assert!(config.trust.signers().is_empty() && config.trust.rules().is_empty());
        assert_eq!(config.policy.selection, PolicySelection::default());
        assert_eq!(config.rebuild.when, When::PolicyAsks);
        assert_eq!(config.rebuild.attested.max_age, SignedDuration::from_hours(90 * 24));
        assert_eq!(config.limits, Limits::default());
        assert!(config.gate.is_none());
    }
}

/// A keyless signer.
const WHO: &str = "issuer: https://i.example, identity: a@x.example";

/// What is refused: the file, the place and the words of the complaint. `|` starts a line, `+` stands for a first line
/// `version: 1`, and `+T` also for a section `trust` with the signer `a`, up to its rules, and `+D` for one up to the first key of a delegate.
const REFUSALS: &str = r#"
# nothing => hallmark.yaml => missing field `version`
version: 2 => :1:10: version: => expected 1, found 2
+version: 1 => :2:1 => the key version is there already, at line 1: keep one of the two
+surprise: 1 => :2:1 => unknown field `surprise`
+repositories: x => :2:15 => expected a list
+---|version: 1 =>  => more than one document
+repositories: [ => :3:1 => did not find
+repositories: [r.example/App] => :2:16: repositories[0]: => App
+repositories: ["r.example/app:tag"] => :2:16: => without tag
+repositories: ["oci:x:tag"] => :2:16: => without tag
+contents: {bases: [{layers: []}]} => :2:29: contents.bases[0].layers: => at least one diffID
+contents: {bases: [{layers: [x]}]} => contents.bases[0].layers[0] => a diffID
+contents: {bases: [{layers: ["sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}, {layers: ["sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]}]} => contents.bases[1].layers => each base once
+registries: [{host: plain}] => :2:21: registries[0].host: => a host
+registries: [{host: "https://r.example"}] => :2:21: => a host
+registries: [{host: r.example}, {host: r.example}] => :2:40: => each host once
+registries: [{host: r.example, ca: absent.pem}] => :2:36: => absent.pem
+registries: [{host: r.example, ca: release.pub}] => :2:36: => certificates in PEM
+registries: [{host: r.example, plainHttp: true, ca: ca.pem}] => :2:53: => either plainHttp or ca
+registries: [{host: r.example, authRealms: ["a b"]}] => authRealms[0] => a host
+registries: [{host: r.example, plainhttp: true}] => :2:32 => unknown field
+trust: {signers: [{name: a, key: private.pem}]} => :2:34: trust.signers[0].key: => a PRIVATE key
+trust: {signers: [{name: a, key: ca.pem}]} => :2:34: => this is a certificate
+trust: {signers: [{name: a, key: absent}]} => :2:34: => can be read
+trust: {signers: [{name: "a b", key: release.pub}]} => signers[0].name => letters
+trust: {signers: [{name: a, key: release.pub}, {name: a, key: release.pub}]} => signers[1].name => each name once
+T     - {images: [], predicates: [sbom], signers: [a]} => :5:16: trust.rules[0].images: => at least one
+T     - {images: [""], predicates: [sbom], signers: [a]} => trust.rules[0].images[0] => a word
+T     - {images: [plain], predicates: [sbom], signers: [a]} => :5:17: trust.rules[0].images[0]: => registry.example/** or **, found "plain"
+T     - {images: [library/nginx], predicates: [sbom], signers: [a]} => trust.rules[0].images[0] => names no registry
+T     - {images: [r.example/App], predicates: [sbom], signers: [a]} => trust.rules[0].images[0] => can match nothing
+T     - {images: ["docker.io:443/x"], predicates: [sbom], signers: [a]} => trust.rules[0].images[0] => docker.io, in exactly this form
+vulnerabilities: {database: absent} => vulnerabilities.database: => a database of vulnerabilities
+vulnerabilities: {database: release.pub} => :2:29: => it is no database
+trust: {unmatched: refuse} => trust.unmatched => one of report, deny
+trust: {unmatchedLayouts: deny} => trust.unmatchedLayouts => a list of layouts
+registries: [{host: r.example}, {host: "R.EXAMPLE:443", plainHttp: true}] => :2:40: => each host once
+T     - {images: ["r.example/a*"], predicates: [sbom], signers: [a]} => trust.rules[0].images[0] => whole segments
+trust:|  signers: [{name: a, key: release.pub}, {name: b, key: release.pub}]|  rules: [{images: ["**"], predicates: [sbom], signers: [a, b], threshold: 2}] => :4:76: trust.rules[0].threshold: => share a key
+T     - {images: [r.example/x], predicates: [love], signers: [a]} => predicates[0] => expected one of signature, provenance, sbom
+T     - {images: [r.example/x], predicates: [sbom], signers: [b]} => signers[0] => add the signer
+T     - {images: [r.example/x], predicates: [sbom], signers: [a, a]} => trust.rules[0].signers[1] => each signer once
+T     - {images: [r.example/x], predicates: [sbom], signers: [a], threshold: 0} => threshold => a rule that can be satisfied
+T     - {images: [r.example/x], predicates: [sbom], signers: [a], threshold: 2} => threshold => a rule that can be satisfied
+policy: {preset: strict} => :2:18: policy.preset: => one of baseline
+policy: {preset: } => policy.preset: => found nothing
+policy: => :2: => found nothing
+policy: ~ => policy: => found nothing
+rebuild: null => rebuild: => found nothing
+trust: {signers: } => trust.signers: => found nothing
+policy: {preset: ""} => policy.preset: => one of baseline
+policy: {preset: basline} => policy.preset: => help: did you mean baseline? rules of your own
+policy: {presets: [{images: ["**"], preset: reproducable}]} => policy.presets[0].preset: => did you mean reproducible?
+rebuild: {when: nevre} => rebuild.when: => did you mean never?
+policy: {preset: !x signed} => policy.preset: => the tag !x
+policy: {preset: Baseline} => policy.preset: => one of baseline
+policy: {settings: {<<: {a: 1}}} => policy.settings => the merge key <<
+policy: {settings: {a: {1: b}}} => policy.settings.a => the key
+policy: {settings: } => policy.settings: => found nothing
+policy: {settings: {signature: {signers: }}} => policy.settings.signature.signers: => found nothing
+policy: {settings: {signature: {signers: !set [a]}}} => policy.settings.signature.signers: => the tag !set
+policy: {settings: {signature: {signers: {a: true}}}} => policy.settings.signature.signers: => a list of different names
+policy: {settings: {signature: {revoked: ["sha256:AA"]}}} => policy.settings.signature.revoked[0]: => lower-case
+policy: {settings: {rebuild: {minLevel: high}}} => policy.settings.rebuild.minLevel: => from 1 to 5
+T     - {images: ["**"], predicates: [signature], signers: [a]}|policy: {preset: signed, settings: {signature: {maxAgeDays: 30}}} => :6:61: policy.settings.signature.maxAgeDays: => every signer of trust.rules[0] has keys alone
+T     - {images: ["**"], predicates: [sbom], signers: [a]}|policy: {preset: signed, settings: {signature: {maxAgeDays: 30, signers: [a]}}} => policy.settings.signature.maxAgeDays: => the signer "a" of policy.settings.signature.signers has keys alone
+T     - {images: ["**"], predicates: [sbom], signers: [a]}|policy: {preset: signed, settings: {signature: {signers: [a, nobody]}}} => policy.settings.signature.signers[1]: => the name of a signer of trust.signers, found nobody
+policy: {settings: {mine: {limit: 0.10000000000000001}}} => policy.settings: => numbers that 64 bits hold exactly
+policy: {settings: {signature: [signers]}} => policy.settings.signature: => a mapping of names
+policy: {bundles: [policies, policies]} => policy.bundles[1] => each folder once
+policy: {rules: []} => policy.rules => one of attestations
+policy: {rules: [sbom, sbom]} => policy.rules[1] => each name once
+policy: {rules: [secret]} => policy.rules[0] => one of attestations
+policy: {rules: [vulnerabilites]} => policy.rules[0] => did you mean vulnerabilities?
+D signer: aa, levels: []} => delegates[0].signer: => one of a, found aa
+D signer: a, levels: [SLSA_BUILD_LEVL_2]} => delegates[0].levels[0]: => help: did you mean SLSA_BUILD_LEVEL_2?
+D signer: a, levels: [ACME_SCANNED, slsa_build_level_3]} => delegates[0].levels[1]: => SLSA_BUILD_LEVEL_1, SLSA_BUILD_LEVEL_2
+D signer: a, levels: [SLSA_BUILD_LEVEL_7]} => delegates[0].levels[0]: => or a level of the verifier's own, found "SLSA_BUILD_LEVEL_7"
+D signer: a, levels: [HALLMARK_REPRODUCED_R3]} => delegates[0].levels[0]: => did you mean HALLMARK_REPRODUCED_R
+D signer: a, policies: ["sha256:abc"]} => delegates[0].policies[0]: => expected a digest of a policy, found "sha256:abc"
+D signer: a, policies: ["sha256:abc"]} => delegates[0].policies[0]: => help: a sha256 digest has 64 lower-case hex digits; found "abc"; the policy.digest
+policy: {bundles: [oci: "r.example/rules:1"]} => policy.bundles[0].oci => oras resolve r.example/rules:1
+policy: {bundles: [oci: "r.example/rules"]} => policy.bundles[0].oci => r.example/rules@sha256:
+policy: {bundles: [oci: "oci:/tmp/x"]} => policy.bundles[0].oci => a repository of a registry
+policy: {bundles: [oci: "r.example/rules@sha256:00"]} => policy.bundles[0].oci => as oras push prints it
+policy: {bundles: [{oci: "r.example/a@sha256:0000000000000000000000000000000000000000000000000000000000000000"}, {oci: "r.example/a@sha256:0000000000000000000000000000000000000000000000000000000000000000"}]} => policy.bundles[1] => each folder once
+policy: {bundles: [{oci: r.example/x, tag: y}]} => policy.bundles[0] => a path, or oci:
+policy: {bundles: []} => policy.bundles => at least one folder
+policy: {bundleSigners: []} => policy.bundleSigners => at least one entry
+policy: {bundleSigners: [nobody]} => policy.bundleSigners[0] => the name of a signer
+policy: {bundles: [release.pub]} => policy.bundles[0] => a folder
+policy: {settings: [1]} => policy.settings => a mapping
+policy: {settings: {a: 1, a: 2}} => :2:27 => the key policy.settings.a is there already, at line 2
+trust:|  signers:|  - {name: x, key: k}|  - name: y|    key: k|    name: z => :7:5 => the key trust.signers[1].name is there already, at line 5
+policy: {presets: []} => policy.presets => at least one entry
+policy: {presets: [{images: [], preset: signed}]} => policy.presets[0].images => at least one
+policy: {presets: [{preset: signed}]} => policy.presets[0].images => at least one
+policy: {presets: [{namespaces: {}, preset: signed}]} => policy.presets[0].namespaces => names or labels
+policy: {presets: [{namespaces: {labels: {}}, preset: signed}]} => policy.presets[0].namespaces => names or labels
+policy: {presets: [{namespaces: {names: []}, preset: signed}]} => policy.presets[0].namespaces.names => at least one entry
+policy: {presets: [{namespaces: {names: [Pay]}, preset: signed}]} => policy.presets[0].namespaces.names[0] => the name of a namespace
+policy: {presets: [{namespaces: {labels: {"a b": c}}, preset: signed}]} => policy.presets[0].namespaces.labels => the key of a label
+policy: {presets: [{namespaces: {labels: {a: []}}, preset: signed}]} => policy.presets[0].namespaces.labels.a => an empty list
+policy: {presets: [{namespaces: {labels: {a: true}}, preset: signed}]} => policy.presets[0].namespaces.labels.a => values of a label, found true
+policy: {presets: [{namespaces: {labels: {a: [b, "c d"]}}, preset: signed}]} => policy.presets[0].namespaces.labels.a => values of a label, found "c d"
+policy: {presets: [{namespaces: {labels: {a: b}}, preset: signed}]} => policy.presets[0].namespaces.labels: => gate.apiserver, where labels of namespaces are read
+policy: {presets: [{images: [r.example/x], preset: signd}]} => policy.presets[0].preset => baseline, signed
+policy: {presets: [{images: [x*], preset: signed}]} => policy.presets[0].images[0] => whole segments
+policy: {presets: [{images: [r.example/x], preset: signed, settings: {base: {images: x}}}]} => policy.presets[0].settings.base.images => a list
+policy: {presets: [{images: [r.example/x], preset: signed, settings: {signature: {signers: [a]}}}]} => policy.presets[0].settings.signature.signers[0] => the name of a signer
+policy: {effective: {a: soon}} => policy.effective.a => a day such as
+policy: {effective: {a: {}}} => policy.effective.a => a day
+policy: {effective: {a: {base: soon}}} => policy.effective.a => a day such as
+policy: {effective: {a: 2027-02-30}} => policy.effective.a => help: write a day of the calendar
+policy: {effective: {a: {bass: 2027-01-31}}} => policy.effective.a.bass => base or own
+policy: {effective: {a: 2027}} => policy.effective.a => a day such as 2027-01-31, found 2027
+policy: {effective: {a: {own: [x]}}} => policy.effective.a => a day such as
+policy: {blueprints: [{images: [r.example/x], file: b.json, signers: [a]}]} => policy.blueprints: => a rule that holds images against them
+policy: {rules: [blueprint], blueprints: [{images: [], file: b.json, signers: [a]}]} => blueprints[0].images => at least one
+policy: {rules: [blueprint], blueprints: [{images: [r.example/x], file: b.json, signers: [a]}]} => blueprints[0].signers => names of signers
+policy: {exceptionFiles: [e.yaml]} => policy.exceptionFiles: => those who may sign
+policy: {exceptionSigners: [nobody]} => policy.exceptionSigners => names of signers
+T     - {images: [r.example/x], predicates: [sbom], signers: [a]}|policy: {exceptionSigners: [a], exceptions: [{code: c, images: [r.example/x], reason: r, owner: o, expires: 2027-01-31}]} => policy.exceptions: => no entry here
+T     - {images: [r.example/x], predicates: [sbom], signers: [a]}|policy: {exceptionSigners: [a], exceptionFiles: [release.pub]} => policy.exceptionFiles[0] => exceptions that a signed
+policy: {approvals: {signers: []}} => policy.approvals.signers => at least one
+policy: {approvals: {signers: [nobody]}} => policy.approvals.signers => names of signers
+policy: {approvals: {files: [a.json]}} => :2: => missing field `signers`
+T     - {images: [r.example/x], predicates: [sbom], signers: [a]}|policy: {rules: [blueprint], blueprints: [{images: [r.example/x], file: absent.json, signers: [a]}]} => blueprints[0].file => a signed blueprint
+T     - {images: [r.example/x], predicates: [sbom], signers: [a]}|policy: {rules: [blueprint], blueprints: [{images: [r.example/x], file: release.pub, signers: [a]}]} => blueprints[0].file => a signed blueprint
+T     - {images: [r.example/x], predicates: [sbom], signers: [a]}|policy: {approvals: {files: [release.pub], signers: [a]}} => policy.approvals.files[0] => a signed approval
+policy: {exceptions: [{code: c, images: [x], reason: r, owner: o}]} => :2:23 => missing field `expires`
+policy: {exceptions: [{code: c, images: [r.example/x], reason: r, owner: o, expires: never}]} => exceptions[0].expires => a day such as
+policy: {exceptions: [{code: c, images: [r.example/x], reason: r, owner: o, expires: "2027-01-31T10:00"}]} => exceptions[0].expires => a day such as
+policy: {exceptions: [{code: c, images: [x*], reason: r, owner: o, expires: 2027-01-31}]} => exceptions[0].images[0] => whole segments
+policy: {exceptions: [{code: c, package: "", images: [r.example/x], reason: r, owner: o, expires: 2027-01-31}]} => exceptions[0].package => a package such as
+policy: {exceptions: [{code: c, images: [x], reason: " ", owner: o, expires: 2027-01-31}]} => exceptions[0].reason => some words
+policy: {exceptions: [{code: c, images: [r.example/x], component: "**", reason: r, owner: o, expires: 2027-01-31}]} => exceptions[0].component => a pattern of components
+policy: {exceptions: [{code: c, images: [r.example/x], path: x, reason: r, owner: o, expires: 2027-01-31}]} => exceptions[0].path => a pattern of paths
+policy: {exceptions: [{code: c, images: [r.example/x], component: x, path: /x, reason: r, owner: o, expires: 2027-01-31}]} => exceptions[0].path => either component or path
+policy: {exceptions: [{code: c, images: [], reason: r, owner: o, expires: 2027-01-31}]} => exceptions[0].images => at least one
+rebuild: {when: sometimes} => :2:17: rebuild.when: => one of policy, always, never
+rebuild: {allow: [{class: mode, paths: [/a], reason: r, owner: o, expires: 2027-01-31}]} => :2:27: rebuild.allow[0].class: => can never be allowed
+rebuild: {mirrors: [{registry: library, at: m.example}]} => rebuild.mirrors[0].registry: => a host
+rebuild: {mirrors: [{registry: docker.io, at: "https://m.example"}]} => rebuild.mirrors[0].at: => m.example
+rebuild: {mirrors: [{registry: docker.io, at: m.example/A}]} => rebuild.mirrors[0].at: => a host
+rebuild: {numbers: root} => rebuild.numbers => one of own
+rebuild: {engine: kaniko} => rebuild.engine => one of auto
+rebuild: {tls: {ca: ca.pem, certificate: ca.pem, key: tls.key}} => rebuild.tls => address beside it
+rebuild: {engine: buildah, sharedDaemon: true} => rebuild.sharedDaemon => another engine
+rebuild: {engine: buildah, network: recorded} => rebuild.network => another engine
+limits: {layers: 0} => :2:18: limits.layers: => above 0
+limits: {layerBytes: 16GB} => limits.layerBytes => 16GiB
+rebuild: {attested: {maxAge: 30}} => rebuild.attested.maxAge => 30m
+limits: {rebuild: 30} => limits.rebuild => 30m
+limits: {layer_bytes: 1} => limits.layer_bytes => did you mean layerBytes?
+limits: {layers: 1, layers: 2} => :2:21 => the key limits.layers is there already
+gate: {key: tls.key} => :2:7 => missing field `certificate`
+gate: {certificate: ca.pem, key: absent} => gate.key => can be read
+gate: {certificate: ca.pem, key: tls.key, listen: "8443"} => gate.listen => an address
+gate: {certificate: ca.pem, key: tls.key, objectPresets: []} => gate.objectPresets => at least one entry
+gate: {certificate: ca.pem, key: tls.key, objectPresets: [signd]} => gate.objectPresets[0] => one of baseline
+gate: {certificate: ca.pem, key: tls.key, objectPresets: [signed, signed]} => gate.objectPresets[1] => each preset once
+gate: {certificate: ca.pem, key: tls.key, apiserver: {server: "http://a"}} => gate.apiserver.server => https://
+gate: {certificate: ca.pem, key: tls.key, apiserver: {server: "https://u:p@a"}} => gate.apiserver.server => without path and user
+gate: {certificate: ca.pem, key: tls.key, apiserver: {server: "https://a/b"}} => gate.apiserver.server => without path and user
+gate: {certificate: ca.pem, key: tls.key, apiserver: {server: a}} => gate.apiserver.server => https://
+gate: {certificate: ca.pem, key: tls.key, budget: 31s} => gate.budget => to 30s
+gate: {certificate: ca.pem, key: tls.key, budget: 499ms} => gate.budget => from 500ms
+gate: {certificate: ca.pem, key: tls.key, tags: allow} => gate.tags => one of deny
+gate: {certificate: ca.pem, key: tls.key, namespacesExempt: ["kube-*"]} => gate.namespacesExempt[0] => exact name
"#;

#[test]
fn refuses_with_place_and_key() {
    let rules = "+trust:|  signers: [{name: a, key: release.pub}]|  rules:|";
    let delegates = "+trust:|  signers: [{name: a, key: release.pub}]|  delegates:|    - {images: [\"**\"], verifier: \"https://v.example\", maxAge: 168h, ";
    for case in REFUSALS.trim().lines() {
        let [text, place, words] = case.split(" => ").collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let text = text
            .replace("+T ", rules)
            .replace("+D ", delegates)
            .replace('+', "version: 1|")
            .replace('|', "\n");
        let error = load(&format!("{text}\n")).expect_err(&text).to_string();
        assert!(error.contains("hallmark.yaml"), "{text}\n{error}");
        assert!(error.contains(place), "{text}\nwanted {place:?} in\n{error}");
        assert!(error.contains(words), "{text}\nwanted {words:?} in\n{error}");
        assert!(error.contains("\n  help: "), "{text}\n{error}");
    }
}

/// The age of signatures is asked for where a certificate can prove it, in the rule itself or in another one for the same images.
#[test]
fn h37_an_age_is_asked_of_those_who_have_certificates() {
    let with = |rules: &str, days: u64| {
        load(&format!(
            "version: 1\ntrust:\n  signers:\n    - {{name: key, key: release.pub}}\n    - {{name: person, keyless: \
             {{{WHO}, root: public-good}}}}\n  rules:\n{rules}policy: {{preset: signed, settings: \
             {{signature: {{maxAgeDays: {days}}}}}}}\n"
        ))
    };
    let rule = |images: &str, signers: &str| {
        format!("    - {{images: [\"{images}\"], predicates: [signature], signers: [{signers}]}}\n")
    };
    let cases = [
        (rule("**", "person"), true),
        (rule("**", "key, person"), true),
        (rule("**", "key"), false),
        (rule("r.example/*", "key") + &rule("r.example/app", "person"), true),
        (rule("r.example/a", "key") + &rule("r.example/b", "person"), false),
    ];
    for (rules, fine) in cases {
        assert_eq!(with(&rules, 30).is_ok(), fine, "{rules}");
        assert!(with(&rules, 0).is_ok(), "{rules}");
    }
}

#[test]
fn the_budget_may_be_as_long_and_as_short_as_it_says() {
    for budget in ["500ms", "30s"] {
        let text =
            format!("version: 1\ngate: {{certificate: ca.pem, key: tls.key, budget: {budget}}}\n");
        assert!(load(&text).is_ok(), "{budget}");
    }
}

#[test]
fn a_file_is_looked_for_in_fixed_folders_only() {
    let user = candidates(Some(Path::new("/home/u/.config")));
    let want = ["/home/u/.config/hallmark/hallmark.yaml", "/etc/hallmark/hallmark.yaml"];
    assert_eq!(user, want.map(PathBuf::from));
    // A relative folder would be one below the working directory (attack B6).
    assert_eq!(candidates(Some(Path::new("."))), [PathBuf::from("/etc/hallmark/hallmark.yaml")]);
    assert_eq!(candidates(None), [PathBuf::from("/etc/hallmark/hallmark.yaml")]);
}

#[test]
fn the_first_candidate_that_is_there_counts() {
    let folder = folder("version: 1\nlimits: {layers: 7}\n");
    let absent = folder.path().join("absent/hallmark.yaml");
    let present = folder.path().join("hallmark.yaml");
    let load = |path| Config::load(path, &Surroundings::default());
    let both = [absent.clone(), present.clone()];
    let config = load(first(&both)).expect("valid");
    assert_eq!((config.limits.layers, config.file.as_ref()), (7, Some(&present)));
    let error = load(Some(&absent)).expect_err("named but absent");
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
    // A folder where the file should be is no reason to go on to the next one.
    let broken = [folder.path().join("policies"), present];
    assert!(load(first(&broken)).is_err());
    assert!(first(&[absent]).is_none());
}

#[test]
fn the_size_of_the_file_is_bounded() {
    let head = "version: 1\n#";
    let fill = |length: u64| format!("{head}{}", "x".repeat(length as usize - head.len()));
    assert!(load(&fill(MAX_FILE_BYTES)).is_ok());
    assert!(matches!(load(&fill(MAX_FILE_BYTES + 1)), Err(ConfigError::TooLarge { .. })));
}

#[test]
fn the_configuration_in_deploy_is_valid() {
    let text = include_str!("../../deploy/webhook.yaml");
    let documents = yaml_serde::Deserializer::from_str(text);
    let mut documents =
        documents.map(|document| serde_json::Value::deserialize(document).expect("YAML"));
    let found = documents.find(|object| object["kind"] == "ConfigMap").expect("ConfigMap");
    let file = found["data"]["hallmark.yaml"].as_str().expect("hallmark.yaml");
    let local = file.replace("/tls/tls.crt", "ca.pem").replace("/tls/tls.key", "tls.key");
    let config = load(&local).expect("valid");
    let gate = config.gate.expect("gate");
    assert_eq!((gate.budget, gate.tags), (Duration::from_secs(9), Tags::Deny));
    assert!(gate.namespaces_exempt.is_empty());
}

#[test]
fn b9_keyless_signers_say_whom_they_mean() {
    let with = |keyless: &str| {
        load(&format!("version: 1\ntrust: {{signers: [{{name: a, {keyless}}}]}}\n"))
    };
    let good = [
        format!("keyless: {{{WHO}, root: public-good}}"),
        format!("keyless: {{{WHO}, root: public-good, logs: 2, times: 2}}"),
        format!("keyless: {{{WHO}, root: github, noCtLog: allow}}"),
        format!("keyless: {{{WHO}, root: github, noCtLog: allow, logs: 0}}"),
        r"keyless: {issuer: https://i.example, identityPattern: '^[a-z]+@x\.example$', root: public-good}".to_owned(),
        "keyless: {issuer: https://i.example, unsafe_anyIdentity: true, root: public-good}".to_owned(),
    ];
    for text in good {
        let config = with(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(config.trust.signers().len(), 1, "{text}");
    }
    let bad = [
        (format!("key: release.pub, keyless: {{{WHO}, root: public-good}}"), "found both"),
        ("keyless: {issuer: i, identity: x, root: absent}".to_owned(), "can be read"),
        ("keyless: {issuer: i, identity: x, root: ca.pem}".to_owned(), "no trusted_root.json"),
        ("keyless: {issuer: i, root: public-good}".to_owned(), "keyless.identity: expected a text"),
        ("keyless: {identity: x, root: public-good}".to_owned(), "keyless.issuer: expected a text"),
        ("keyless: {issuer: '', identity: x, root: public-good}".to_owned(), "empty"),
        (
            "keyless: {issuer: i, identity: x, identityPattern: '^x$', root: public-good}"
                .to_owned(),
            "several",
        ),
        (
            "keyless: {issuer: i, identityPattern: 'x$', root: public-good}".to_owned(),
            "begin with ^",
        ),
        (
            "keyless: {issuer: i, identityPattern: '^.*$', root: public-good}".to_owned(),
            "strangers",
        ),
        (
            "keyless: {issuerPattern: '^https://.*$', identity: x, root: public-good}".to_owned(),
            "strangers",
        ),
        (
            "keyless: {issuer: i, unsafe_anyIdentity: false, root: public-good}".to_owned(),
            "expected true",
        ),
        (
            "keyless: {unsafe_anyIssuer: true, unsafe_anyIdentity: true, root: public-good}"
                .to_owned(),
            "any of any",
        ),
        (format!("keyless: {{{WHO}, root: public-good, logs: 0}}"), "from 1 to 8"),
        (format!("keyless: {{{WHO}, root: public-good, logs: 9}}"), "from 1 to 8"),
        (format!("keyless: {{{WHO}, root: public-good, times: 0}}"), "from 1 to 8"),
        (format!("keyless: {{{WHO}, root: github}}"), "noCtLog: allow"),
        (format!("keyless: {{{WHO}, root: public-good, skipLog: true}}"), "skipLog"),
    ];
    for (text, want) in bad {
        let error = with(&text).err().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
    let neither = with("x: y").err().map(|error| error.to_string());
    assert!(neither.is_some());
}

#[test]
fn authorities_of_ones_own_and_recorded_keys_say_what_counts() {
    let with = |trust: &str| {
        load(&format!(
            "version: 1\ntrust:\n  roots:\n    - {{name: own, ca: ca.pem}}\n    - {{name: log, logKeys: [release.pub]}}\n{trust}\n"
        ))
    };
    let signer = |text: &str| with(&format!("  signers: [{{name: a, {text}}}]"));
    let good = [
        "keyless: {identity: a@x.example, root: own, noCtLog: allow}",
        "keyless: {identity: a@x.example, root: own, noCtLog: allow, times: 0}",
        "keyless: {issuer: i, identity: a@x.example, root: own, noCtLog: allow}",
        "key: release.pub, root: log",
        "key: release.pub, root: public-good, logs: 1, times: 1",
        "key: release.pub, root: public-good, validFrom: '2026-01-01T00:00:00Z'",
    ];
    for text in good {
        signer(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let bad = [
        ("keyless: {identity: a, root: own}", "noCtLog: allow"),
        ("keyless: {unsafe_anyIdentity: true, root: own, noCtLog: allow}", "any of any"),
        ("keyless: {identity: a, root: absent, noCtLog: allow}", "can be read"),
        (
            "keyless: {issuer: i, identity: a, root: public-good}, logs: 1",
            "logs: expected it under",
        ),
        ("key: release.pub, logs: 1", "expected root beside it"),
        ("key: release.pub, validUntil: '2026-01-01T00:00:00Z'", "expected root beside it"),
        ("key: release.pub, root: log, logs: 0", "logs or times"),
        ("key: release.pub, root: log, validFrom: soon", "a time such as"),
        (
            "key: release.pub, root: public-good, times: 0, validFrom: '2026-01-01T00:00:00Z'",
            "from 1 to 8",
        ),
        (
            "key: release.pub, root: public-good, validFrom: '2026-01-02T00:00:00Z', validUntil: '2026-01-01T00:00:00Z'",
            "after validFrom",
        ),
    ];
    for (text, want) in bad {
        let error = signer(text).err().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
    let roots = [
        ("    - {name: own, ca: ca.pem}", "a name of its own"),
        ("    - {name: github, ca: ca.pem}", "a name of its own"),
        ("    - {name: ../x, ca: ca.pem}", "a name of its own"),
        ("    - {name: x}", "files in PEM"),
        ("    - {name: x, ca: release.pub}", "files in PEM"),
        ("    - {name: x, logKeys: [ca.pem]}", "files in PEM"),
        ("    - {name: x, timestampAuthorities: [absent]}", "can be read"),
        ("    - {name: x, ca: ca.pem, tuf: {url: u, root: ca.pem}}", "name and tuf alone"),
        ("    - {name: x, tuf: {url: u, root: ca.pem}}", "a root.json of TUF"),
        ("  maxRootAge: 0d", "90d"),
        ("  maxRootAge: 1w", "90d"),
        ("  {maxRootAge: 10d, warnRootAge: 11d}", ""),
    ];
    for (text, want) in roots {
        let error = with(text).err().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
    let ages = with("  maxRootAge: 10d\n  warnRootAge: 11d").expect_err("a warning after the end");
    assert!(ages.to_string().contains("at most maxRootAge"), "{ages}");
    let ages = with("  maxRootAge: 10d").expect("valid").roots.age;
    assert_eq!((ages.warn_days, ages.max_days), (10, 10));
}

/// Every key below `schema`, as it is written in the documentation: `trust.signers[].name`.
fn keys(
    root: &serde_json::Value,
    schema: &serde_json::Value,
    path: &str,
    out: &mut BTreeSet<String>,
) {
    let alternatives = schema.get("anyOf").and_then(|a| a.as_array()).into_iter().flatten();
    for schema in alternatives {
        keys(root, schema, path, out);
    }
    if let Some(name) =
        schema.get("$ref").and_then(|r| r.as_str()).and_then(|r| r.strip_prefix("#/$defs/"))
    {
        keys(root, &root["$defs"][name], path, out);
    }
    if let Some(items) = schema.get("items") {
        keys(root, items, &format!("{path}[]"), out);
    }
    if path == "policy.effective"
        && let Some(days) = schema.get("additionalProperties")
    {
        let path = format!("{path}.*");
        keys(root, days, &path, out);
        out.insert(path);
    }
    for (name, schema) in schema.get("properties").and_then(|p| p.as_object()).into_iter().flatten()
    {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        keys(root, schema, &path, out);
        out.insert(path);
    }
}

#[test]
fn the_documentation_has_every_key_and_no_other() {
    let schema = serde_json::to_value(schemars::schema_for!(file::Raw)).expect("schema");
    let mut known = BTreeSet::new();
    keys(&schema, &schema, "", &mut known);
    for (name, ..) in limits_table() {
        known.insert(format!("limits.{name}"));
    }
    assert!(known.contains("trust.signers[].name") && known.contains("gate.tags"), "{known:?}");
    let rows: BTreeSet<_> = documented().map(|(key, _)| key.to_owned()).collect();
    let sections = [
        "registries",
        "contents",
        "contents.bases",
        "trust",
        "trust.signers",
        "trust.rules",
        "trust.layouts",
        "trust.delegates",
        "trust.sources",
        "trust.roots",
        "policy",
        "policy.exceptions",
        "policy.blueprints",
        "policy.approvals",
        "policy.presets",
        "policy.presets[].namespaces",
        "policy.effective",
        "rebuild",
        "rebuild.allow",
        "rebuild.mirrors",
        "vulnerabilities",
        "limits",
        "gate",
        "gate.apiserver",
    ];
    for section in sections {
        known.remove(section);
    }
    assert_eq!(rows, known);
}

#[test]
fn the_documentation_has_the_table_of_limits() {
    let text = include_str!("../../docs/configuration.md");
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `limits.")).collect();
    let table = limits_table();
    assert_eq!(rows.len(), table.len());
    for (row, (name, default, most)) in rows.iter().zip(table) {
        let wanted = format!("| `limits.{name}` | `{default}` | ");
        assert!(row.starts_with(&wanted), "the rows are those of src/limits.rs: {row}, {wanted}");
        let says = row.contains("; at most ");
        match most {
            Some(most) => assert!(row.contains(&format!("; at most {most}")), "{row}"),
            None => assert!(!says, "{row}"),
        }
    }
}

#[test]
fn the_example_in_the_documentation_is_valid() {
    let text = include_str!("../../docs/configuration.md");
    let example = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    load(example.expect("an example")).expect("valid");
    let rebuild = text.split("```yaml\nrebuild:").nth(1).and_then(|rest| rest.split("```").next());
    let config = load(&format!("version: 1\nrebuild:{}", rebuild.expect("an example")));
    assert_eq!(config.expect("valid").rebuild.allow.len(), 1);
}

proptest::proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(text in "[a-z0-9:{}\\[\\],&*!|>\"'\n -]{0,200}") {
        let text = format!("version: 1\n{text}");
        let _ = file::config(Path::new("/nowhere/hallmark.yaml"), &text, &Surroundings::default());
    }
}

#[test]
fn every_preset_that_ships_may_be_named() {
    for name in crate::policy::bundle::Preset::names() {
        let config = load(&format!("version: 1\npolicy: {{preset: {name}}}\n"));
        assert_eq!(
            config.expect(name).policy.selection,
            PolicySelection { preset: name, ..PolicySelection::default() }
        );
    }
}

#[test]
fn presets_for_some_images_and_days_are_read() {
    let config = load(
        "version: 1\npolicy:\n  presets:\n    - {images: [r.example/pay/**], preset: regulated}\n    \
         - {images: [r.example/x], preset: slsa-l2, settings: {signature: {maxAgeDays: 0}}}\n  \
         effective: {b: 2027-01-31, a: {base: 2027-01-30, own: 2027-01-29}}\n",
    );
    let policy = config.expect("valid").policy;
    let presets: Vec<_> = policy.presets.iter().map(|c| (c.preset, c.settings.len())).collect();
    assert_eq!(presets, [("regulated", 0), ("slsa-l2", 1)]);
    let days: Vec<_> = policy
        .effective
        .iter()
        .map(|e| {
            (e.code.as_str(), e.side.map(crate::contents::accounts::Side::word), e.on.to_string())
        })
        .collect();
    let want = [
        ("a", Some("base"), "2027-01-30".to_owned()),
        ("a", Some("own"), "2027-01-29".to_owned()),
        ("b", None, "2027-01-31".to_owned()),
    ];
    assert_eq!(days, want);
}

#[test]
fn presets_for_some_namespaces_are_read() {
    let config = load(
        "version: 1\npolicy:\n  presets:\n    \
         - {namespaces: {names: [pay, \"team-*\"], labels: {env: prod, tier: [gold, silver]}}, preset: regulated}\n\
         gate: {certificate: ca.pem, key: tls.key, apiserver: {}, objectPresets: [slsa-l3]}\n",
    );
    let config = config.expect("valid");
    let [choice] = config.policy.presets.as_slice() else { panic!("one entry") };
    let namespaces = choice.namespaces.as_ref().expect("some");
    assert!(choice.images.iter().any(|image| image.matches_written("r.example/any")));
    assert!(namespaces.has_name("team-a") && !namespaces.has_name("paying"));
    let labels = |tier: &str| {
        let all = [("env", "prod"), ("tier", tier)];
        all.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    };
    assert!(namespaces.has_labels(&labels("silver")) && !namespaces.has_labels(&labels("lead")));
    let gate = config.gate.expect("a gate");
    let apiserver = gate.apiserver.expect("the defaults");
    assert_eq!(apiserver.server.as_str(), "https://kubernetes.default.svc/");
    assert!(apiserver.token.ends_with("serviceaccount/token"), "{apiserver:?}");
    assert_eq!(gate.object_presets, ["slsa-l3"]);
}

#[test]
fn an_exception_whose_pattern_cannot_be_read_stops_the_start() {
    let with = |images: &str| {
        let exception = format!(
            "{{code: a, images: [\"{images}\"], reason: r, owner: o, expires: 2027-01-31}}"
        );
        load(&format!("version: 1\npolicy: {{exceptions: [{exception}]}}\n"))
    };
    assert!(with("r.example/*").is_ok());
    for images in ["r.example/a*", "plain", "r.example//x", ""] {
        assert!(with(images).is_err(), "{images}");
    }
}

#[test]
fn a_listed_registry_on_this_machine_needs_no_tls_unless_the_operator_says_so() {
    let cases = [
        ("{host: \"127.0.0.1:5000\", authRealms: [auth.example]}", true),
        ("{host: \"localhost:5000\"}", true),
        ("{host: \"[::1]:5000\"}", true),
        ("{host: \"127.0.0.1:5000\", plainHttp: false}", false),
        ("{host: \"127.0.0.1:5000\", ca: ca.pem}", false),
        ("{host: \"127.0.0.1.example:5000\"}", false),
        ("{host: r.example}", false),
        ("{host: r.example, plainHttp: true}", true),
    ];
    for (entry, plain) in cases {
        let config = load(&format!("version: 1\nregistries: [{entry}]\n")).expect(entry);
        assert_eq!(config.registries[0].plain_http, plain, "{entry}");
    }
}

#[test]
fn h34_trusted_sources_say_whose_history_counts() {
    let with = |entry: &str| load(&format!("version: 1\ntrust: {{sources: [{{{entry}}}]}}\n"));
    let base = "images: [\"r.example/a\"], repository: \"https://g.example/a.git\"";
    let config = with(&format!("{base}, branches: [main], tags: [v1]")).expect("valid");
    let [source] = config.trust.sources() else { panic!("one") };
    assert_eq!(config.rebuild.settings.private_sources, ["g.example"], "it may be anywhere");
    assert_eq!(source.references, ["refs/heads/main", "refs/tags/v1"]);
    assert_eq!(source.dockerfile, "Dockerfile");
    let folder = with(&format!("{base}, branches: [main], downloads: [\"https://f.example/a/\"]"));
    let folder = folder.expect("a folder stands for all below it");
    assert_eq!(folder.trust.sources()[0].downloads, ["https://f.example/a/"]);
    for refused in [
        format!("{base}, branches: [main], downloads: [\"https://f.example/a//\"]"),
        format!("{base}, branches: [main], downloads: [\"https://f.example/a/../\"]"),
        format!("{base}, branches: [main], downloads: [\"file:///srv/\"]"),
        base.to_owned(),
        format!("{base}, branches: [\"*\"]"),
        format!("{base}, branches: [\"refs/pull/1/head\"]"),
        format!("{base}, branches: [main], folder: ../x"),
        format!("{base}, branches: [main], bases: [alpine]"),
        format!("{base}, branches: [main], downloads: [\"file:///etc/passwd\"]"),
        "images: [\"r.example/a\"], repository: \"git@g.example:a\", branches: [main]".to_owned(),
        "images: [], repository: \"https://g.example/a\", branches: [main]".to_owned(),
    ] {
        assert!(with(&refused).is_err(), "{refused}");
    }
}

#[test]
fn layouts_have_owners_and_images() {
    let with = |layouts: &str| load(&format!("version: 1\ntrust: {{layouts: [{layouts}]}}\n"));
    const APP: &str = "name: app, images: ['**'], layout: app.layout, keys: [release.pub]";
    let digest = |text: &str| {
        let config = with(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        (config.trust.layouts().len(), config.trust.digest())
    };
    let (count, plain) = digest(&format!("{{{APP}}}"));
    assert_eq!(count, 1);
    let (_, skipping) = digest(&format!("{{{APP}, unsafe_skipInspections: true}}"));
    let (_, none) = digest("");
    assert!(plain != skipping && plain != none, "layouts count into the digest of what is trusted");
    let bad = [
        (format!("{{{APP}}}, {{{APP}}}"), "each name once"),
        (APP.replace("name: app", "name: 'a b'"), "layouts[0].name"),
        (APP.replace("['**']", "[]"), "layouts[0].images"),
        (APP.replace("['**']", "['a b']"), "layouts[0].images[0]"),
        (APP.replace("app.layout", "absent"), "layouts[0].layout"),
        (APP.replace("app.layout", "release.pub"), "a signed in-toto layout"),
        (APP.replace("app.layout", "app.link"), "it is a link"),
        (APP.replace("[release.pub]", "[]"), "layouts[0].keys"),
        (APP.replace("release.pub", "private.pem"), "PRIVATE key"),
        (format!("{APP}, parameters: {{}}"), "parameters"),
    ];
    for (text, want) in bad {
        let text = if text.starts_with('{') { text } else { format!("{{{text}}}") };
        let error = with(&text).err().unwrap_or_else(|| panic!("accepted: {text}")).to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

/// Something of a schema's type.
fn sample(root: &serde_json::Value, schema: &serde_json::Value) -> serde_json::Value {
    use serde_json::json;
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        return sample(root, &root["$defs"][name]);
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        return alternatives.first().map(|schema| sample(root, schema)).unwrap_or_default();
    }
    let kind = match &schema["type"] {
        serde_json::Value::Array(kinds) => kinds.first().and_then(|kind| kind.as_str()),
        kind => kind.as_str(),
    };
    match kind {
        Some("object") => {
            let required = schema["required"].as_array().into_iter().flatten();
            let required = required.filter_map(|name| name.as_str());
            let of = |name| sample(root, &schema["properties"][name]);
            required.map(|name| (name.to_owned(), of(name))).collect()
        }
        Some("array") => json!([sample(root, &schema["items"])]),
        Some("integer") => json!(1),
        Some("boolean") => json!(false),
        _ => json!("x"),
    }
}

/// Words that are one letter away.
fn neighbours(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, letter) in name.char_indices() {
        let (before, after) = (&name[..at], &name[at + letter.len_utf8()..]);
        let cased = match letter.is_ascii_lowercase() {
            true => letter.to_ascii_uppercase(),
            false => letter.to_ascii_lowercase(),
        };
        words.extend([
            format!("{before}{after}"),
            format!("{before}x{letter}{after}"),
            format!("{before}x{after}"),
            format!("{before}{cased}{after}"),
        ]);
    }
    let letters: Vec<char> = name.chars().collect();
    for at in 1..letters.len() {
        let (mut swapped, mut doubled) = (letters.clone(), letters.clone());
        swapped.swap(at - 1, at);
        doubled.insert(at, letters[at]);
        words.extend([swapped.into_iter().collect(), doubled.into_iter().collect()]);
    }
    words.push(format!("{name}s"));
    words.retain(|word| word != name && !word.is_empty());
    words
}

type Document = serde_json::Value;

/// Documents in which one key is another word, for each key of the schema and each such word.
fn misspelt(
    root: &Document,
    schema: &Document,
    wrap: &dyn Fn(Document) -> Document,
    out: &mut Vec<(String, Document)>,
) {
    for schema in schema["anyOf"].as_array().into_iter().flatten() {
        misspelt(root, schema, wrap, out);
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|r| r.strip_prefix("#/$defs/")) {
        misspelt(root, &root["$defs"][name], wrap, out);
    }
    if schema["items"].is_object() {
        misspelt(root, &schema["items"], &|inner| wrap(serde_json::json!([inner])), out);
    }
    let own = sample(root, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let with = |key: &str, value: Document| {
            let mut object = own.as_object().cloned().unwrap_or_default();
            object.remove(name);
            object.insert(key.to_owned(), value);
            wrap(Document::Object(object))
        };
        for wrong in neighbours(name) {
            if wrong != *name && schema["properties"][&wrong].is_null() {
                out.push((wrong.clone(), with(&wrong, sample(root, inner))));
            }
        }
        misspelt(root, inner, &|value| with(name, value), out);
    }
}

/// Full names of all keys of a document, as in the schema.
fn places(document: &Document, at: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (key, inner) in document.as_object().into_iter().flatten() {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        found.extend(places(inner, &path));
        for item in inner.as_array().into_iter().flatten() {
            found.extend(places(item, &format!("{path}[]")));
        }
        found.push(path);
    }
    found
}

#[test]
fn i1_every_key_misspelt_by_one_letter_is_refused() {
    let schema = serde_json::to_value(schemars::schema_for!(file::Raw)).expect("schema");
    let mut documents = Vec::new();
    misspelt(&schema, &schema, &|document| document, &mut documents);
    assert!(documents.len() > 2000, "{}", documents.len());
    // Every key is tried in its own place, however deep.
    let mut known = BTreeSet::new();
    keys(&schema, &schema, "", &mut known);
    let mut tried = BTreeSet::new();
    for (wrong, document) in &documents {
        tried.extend(
            places(document, "").into_iter().filter(|place| place.ends_with(wrong.as_str())),
        );
    }
    // The keys of a map of codes are the operator's own words.
    for key in known.iter().filter(|key| !key.contains('*')) {
        let (parent, name) = key.rsplit_once('.').map_or(("", key.as_str()), |(p, n)| (p, n));
        let name = name.trim_end_matches("[]");
        let wrong = match parent {
            "" => format!("{name}s"),
            parent => format!("{parent}.{name}s"),
        };
        let is_there = known.iter().any(|other| other.trim_end_matches("[]") == wrong);
        assert!(is_there || tried.contains(&wrong), "{key} is never misspelt");
    }
    for (wrong, document) in documents {
        let file = Path::new("hallmark.yaml");
        let read = file::config(file, &document.to_string(), &Surroundings::default());
        let error = read.err().map(|error| error.to_string());
        let named = error.as_ref().is_some_and(|e| e.contains(&format!("unknown field `{wrong}`")));
        assert!(named, "{wrong:?} in {document}: {error:?}");
    }
}

/// The limits are a table of their own.
#[test]
fn i1_every_limit_misspelt_by_one_letter_is_refused() {
    let mut tried = 0;
    for (name, value, _) in limits_table() {
        let with = |key: &str| load(&format!("version: 1\nlimits: {{{key}: {value}}}\n"));
        assert!(with(&name).is_ok(), "{name}: {value}");
        for wrong in neighbours(&name) {
            let error = with(&wrong).expect_err(&wrong).to_string();
            assert!(error.contains(&format!("limits.{wrong}")), "{wrong}: {error}");
            tried += 1;
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn i2_an_exception_ends_within_a_year() {
    let now = Some("2026-11-25T08:00:00Z".parse().expect("a time"));
    let read = |expires: &str| {
        let entry = "code: c, images: [r.example/x], reason: r, owner: o";
        let text =
            format!("version: 1\npolicy: {{exceptions: [{{{entry}, expires: {expires}}}]}}\n");
        let surroundings = Surroundings { now, ..Surroundings::default() };
        let config = file::config(Path::new("hallmark.yaml"), &text, &surroundings);
        config.map(drop).map_err(|error| error.to_string())
    };
    for good in ["2026-11-25", "2027-11-26", "2020-01-01"] {
        assert_eq!(read(good), Ok(()), "{good}");
    }
    let error = read("2027-11-27").expect_err("too far away");
    assert!(
        error.contains("policy.exceptions[0].expires: expected a day within 366 days"),
        "{error}"
    );
}

/// What is expected is said once, in words of YAML, with the word that may have been meant and the place of what is wrong.
#[test]
fn complaints_say_one_thing_once() {
    let rule = |rest: &str| {
        format!(
            "version: 1\ntrust:\n  signers: [{{name: a, key: release.pub}}]\n  rules: [{{images: ['**'], signers: [a], {rest}}}]\n"
        )
    };
    let cases = [
        (
            "version: 1\nlimits: {layerByts: 3}\n".to_owned(),
            "did you mean layerBytes?",
            "manifestBytes",
        ),
        ("version: 1\nregistrys: []\n".to_owned(), "did you mean registries?", "struct"),
        ("version: one\n".to_owned(), "expected a whole number", "u64"),
        ("hello\n".to_owned(), "expected a mapping of keys", "struct"),
        ("- a\n".to_owned(), "found a list, expected a mapping", "sequence"),
        ("version: 1\ntrust: hello\n".to_owned(), "expected a mapping of keys", "struct"),
        (
            "version: 1\nrepositories: {a: b}\n".to_owned(),
            "found a mapping, expected a list",
            "map,",
        ),
        (rule("predicates: [signatur]"), "did you mean signature?", "no predicate"),
        (rule("predicates: [signature], threshold: 2"), "found 2, but its signers", "found trust"),
        (rule("predicates: [signature], threshold: 0"), "found 0; at least", "found trust"),
        (
            "version: 1\ngate:\n  listen: 127.0.0.1:1\n  certificate: a\n  listen: b\n".to_owned(),
            "hallmark.yaml:5:3",
            "3:3",
        ),
        ("version: 1\ntrust: {}\nversion: 1\n".to_owned(), "hallmark.yaml:3:1", "1:1"),
    ];
    for (text, wanted, unwanted) in cases {
        let error = load(&text).expect_err(&text).to_string();
        assert!(error.contains(wanted) && !error.contains(unwanted), "{text}: {error}");
        for said in ["expected", "trust.rules[0]"] {
            assert!(error.matches(said).count() <= 1, "{text}: {error}");
        }
    }
}
