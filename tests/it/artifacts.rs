//! Rules that lie in a registry: `policy.bundles: [oci: …]`.

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use crate::{
    server::{Key, Registry, Reply, Store, World},
    support::{Answer, Hallmark},
};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const RULE: &str = "package hallmark.own\n\ndeny contains {\"code\": \"own-rule\", \"msg\": \"no\"} if input.image\n";

/// A bundle as `opa build` writes it, with one rule that denies every image.
fn packed(name: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, text) in [(name, RULE), (".manifest", "{\"roots\": [\"hallmark/own\"]}")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// Puts an artifact of these layers into a store, and gives its digest.
fn push(store: &mut Store, layers: &[Value]) -> String {
    let config = store.blob("application/vnd.oci.empty.v1+json", "{}");
    let document = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "artifactType": "application/vnd.cncf.openpolicyagent.config.v1+json",
        "config": config, "layers": layers,
    });
    store.manifest(&document, Some("rules"))["digest"].as_str().unwrap().to_owned()
}

/// Signs an artifact as `cosign sign` of version 3 does, and lists the bundle as a referrer.
fn sign(store: &mut Store, key: &Key, about: &str, of: &str) {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": of.trim_start_matches("sha256:")}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {},
    });
    let bundle = json!({
        "mediaType": BUNDLE, "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": key.envelope(statement.to_string().as_bytes()),
    });
    let (kind, subject) = store.manifests[about].clone();
    let layer = store.blob(BUNDLE, bundle.to_string());
    let config = store.blob("application/vnd.oci.empty.v1+json", "{}");
    let document = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": BUNDLE, "config": config, "layers": [layer],
        "subject": {"mediaType": kind, "digest": about, "size": subject.len()},
    });
    let mut listed = store.manifest(&document, None);
    listed["artifactType"] = BUNDLE.into();
    store.referrers.get_or_insert_default().push(listed);
}

/// Verifies the world's image by `signed` and the rules of an artifact, which this registry has.
fn verify(
    world: &World,
    registry: &Registry,
    artifact: &str,
    more: &str,
    options: &[&str],
) -> Answer {
    let policy = format!(
        "policy: {{preset: signed, bundles: [oci: \"{}\"]{more}}}",
        registry.image(artifact)
    );
    let config = world.config("signed").replace("policy: {preset: signed}", &policy);
    let image = registry.image(&world.image);
    Hallmark::new([&["verify", image.as_str()], options].concat()).config(&config).run()
}

#[test]
fn rules_of_an_artifact_are_those_of_its_digest() {
    let mut world = World::new();
    let layer = world.store.blob(LAYER, packed("own.rego"));
    let artifact = push(&mut world.store, std::slice::from_ref(&layer));
    let registry = Registry::honest(world.store.clone());
    verify(&world, &registry, &artifact, "", &[]).exits(1).says("own-rule").says("hallmark.own");
    let tagged = verify(&world, &registry, "rules", "", &[]);
    tagged.exits(2).says("a tag can be moved").says("oras resolve").says("policy.bundles[0].oci");

    // Saved with all that was judged by, and judged again without the registry.
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let answer = verify(&world, &registry, &artifact, "", &["--save", saved.to_str().unwrap()]);
    answer.exits(1).says("own-rule");
    let line = answer.stderr.lines().find_map(|l| l.split_once("verify it again with --from "));
    let named = line.unwrap_or_else(|| panic!("{}", answer.all())).1.trim();
    let (asked, image) = (registry.requests().len(), registry.image(&world.image));
    let again = Hallmark::new(["verify", &image, "--from", named, "--with-saved-configuration"]);
    let again = again.run();
    assert_eq!((again.code, &again.stdout), (1, &answer.stdout), "{}", again.all());
    assert_eq!(registry.requests().len(), asked, "nobody was asked again");
}

#[test]
fn i16_what_a_registry_puts_in_the_place_of_rules_is_refused() {
    let mut world = World::new();
    let good = world.store.blob(LAYER, packed("own.rego"));
    let (digest, size) = (good["digest"].as_str().unwrap().to_owned(), good["size"].clone());
    let artifact = push(&mut world.store, std::slice::from_ref(&good));
    // Others of the same size, and another document under the manifest's digest.
    let other = vec![b'x'; usize::try_from(size.as_u64().unwrap()).unwrap()];
    let swap = |path: String, bytes: Vec<u8>| {
        let answer = move |request: &crate::server::Request, _: usize| {
            let reply = Reply::new(200).with("Content-Type", MANIFEST).bytes(bytes.clone());
            request.path().ends_with(&path).then_some(reply)
        };
        Registry::start(world.store.clone(), Box::new(answer))
    };
    for registry in [swap(digest, other), swap(artifact.clone(), b"{}".to_vec())] {
        verify(&world, &registry, &artifact, "", &[])
            .exits(2)
            .says("policy.bundles: ")
            .says("sha256:");
    }
    let mut refused = |layers: &[Value], want: &str| {
        let artifact = push(&mut world.store, layers);
        let registry = Registry::honest(world.store.clone());
        verify(&world, &registry, &artifact, "", &[]).exits(2).says("policy.bundles: ").says(want);
    };
    refused(&[good.clone(), good.clone()], "2 layers; a bundle is one layer");
    let mut rego = good.clone();
    rego["mediaType"] = "application/vnd.cncf.openpolicyagent.policy.layer.v1+rego".into();
    refused(&[rego], "a bundle is application/vnd.oci.image.layer.v1.tar+gzip");
    let mut large = good.clone();
    large["size"] = json!(1_u64 << 40);
    refused(&[large], "at most 16777216 are read");
    let missing = Registry::honest(world.store.clone());
    let nobody = format!("sha256:{}", "0".repeat(64));
    verify(&world, &missing, &nobody, "", &[]).exits(2).says("policy.bundles: ").says(&nobody);
}

#[test]
fn i17_a_signature_that_is_attached_to_an_artifact_counts_as_one_beside_a_file() {
    let signers = ", bundleSigners: [release]";
    let run = |sign_it: &dyn Fn(&mut World, &str)| {
        let mut world = World::new();
        let layer = world.store.blob(LAYER, packed("own.rego"));
        let artifact = push(&mut world.store, &[layer]);
        sign_it(&mut world, &artifact);
        let registry = Registry::honest(world.store.clone());
        verify(&world, &registry, &artifact, signers, &[])
    };
    let nobody = run(&|_, _| {});
    nobody.exits(2).says("bundleSigners asks for a signature by release").says("cosign sign --key");
    let own = |world: &mut World, about: &str, of: &str| {
        let World { store, key, .. } = world;
        sign(store, key, about, of);
    };
    run(&|world, artifact| own(world, artifact, artifact)).exits(1).says("own-rule");
    run(&|world, artifact| sign(&mut world.store, &Key::new(), artifact, artifact)).exits(2);
    // One of the right key about something else.
    run(&|world, artifact| {
        let image = world.image.clone();
        own(world, artifact, &image);
    })
    .exits(2)
    .says("none is attached");
    // Junk beside it changes nothing.
    run(&|world, artifact| {
        sign(&mut world.store, &Key::new(), artifact, artifact);
        own(world, artifact, artifact);
    })
    .exits(1)
    .says("own-rule");
}
