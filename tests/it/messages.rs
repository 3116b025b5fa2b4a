//! Messages that used to mislead: each says what was seen and what to type.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use crate::{
    server::{Registry, Reply, World},
    sign::Keys,
    support::{Answer, Hallmark},
};

/// What goes wrong, how hallmark is called, with which exit code, what it says, and what it must not say any more.
type Case<'a> = (&'a str, Answer, i32, &'a [&'a str], &'a [&'a str]);

fn verify(arguments: &[&str]) -> Hallmark {
    Hallmark::new(["verify"].iter().chain(arguments).copied())
}

/// A server that answers whatever comes in as HTTP without TLS does.
fn plain_http() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    host
}

fn check(cases: &[Case<'_>]) {
    for (what, answer, code, says, not) in cases {
        assert_eq!(answer.code, *code, "{what}\n{}", answer.all());
        let all = answer.all();
        says.iter().for_each(|words| assert!(all.contains(words), "{what}: no {words:?}\n{all}"));
        not.iter().for_each(|words| assert!(!all.contains(words), "{what}: {words:?}\n{all}"));
    }
}

#[test]
fn a_place_that_cannot_be_read_is_named_with_what_to_type() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let plain = plain_http();
    let tls = format!("version: 1\nregistries: [{{host: \"{plain}\", plainHttp: false}}]\n");
    let locked = Registry::start(
        world.store.clone(),
        Box::new(|request, _| {
            let login = || Reply::new(401).with("WWW-Authenticate", "Basic realm=\"x\"");
            request.authorization().is_none().then(login)
        }),
    );
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), "{\"auths\": ").unwrap();
    let key = world.key.write(world.folder.path()).display().to_string();
    let full = Hallmark::new(["verify", "--key", &key, "--policy", "slsa", &image]);
    let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$@\"", "sh"];
    check(&[
        (
            "a registry without TLS",
            verify(&[&format!("{plain}/app:1")]).config(&tls).run(),
            3,
            &["answers without TLS", "plainHttp: true}] in hallmark.yaml", &plain],
            &["corrupt message"],
        ),
        (
            "a temporary folder in which nothing can be written",
            full.run_by(&limited),
            3,
            &["source-unreadable", "TMPDIR=DIR"],
            &["the registry could not be read", "kinds of error", "layers were not read"],
        ),
        (
            "a temporary folder that is not there",
            verify(&["--key", &key, "--policy", "slsa", &image]).env("TMPDIR", "/nowhere").run(),
            3,
            &["/nowhere", "TMPDIR=DIR"],
            &["the registry could not be read"],
        ),
        (
            "a machine without certificate authorities, as a folder with one program is",
            verify(&[&format!("{plain}/app:1")])
                .config(&tls)
                .env("SSL_CERT_FILE", "/nowhere")
                .run(),
            2,
            &["no certificate authorities", "install ca-certificates", "SSL_CERT_FILE"],
            &["builder error", "No CA certificates"],
        ),
        (
            "a login that cannot be read",
            verify(&[&locked.image(&world.image)]).env("DOCKER_CONFIG", folder.path()).run(),
            3,
            &["config.json is not what docker login writes", "log in again"],
            &[],
        ),
    ]);
}

#[test]
fn a_name_of_another_program_is_told_as_hallmark_takes_it() {
    check(&[
        (
            "docker://",
            verify(&["docker://nginx:1"]).run(),
            2,
            &["images have no docker:// here; type nginx:1"],
            &["a port from"],
        ),
        (
            "https://",
            verify(&["https://r.example/app:1"]).run(),
            2,
            &["type r.example/app:1"],
            &["a port from"],
        ),
        (
            "a file without its kind",
            verify(&["./image.tar"]).run(),
            2,
            &["oci-archive:./image.tar, docker-archive:./image.tar, or oci:./image.tar"],
            &["registry host"],
        ),
        (
            "a folder without its kind",
            Hallmark::new(["diff", "/tmp/a", "/tmp/b"]).run(),
            2,
            &["oci:/tmp/a for a folder"],
            &["is not valid"],
        ),
        (
            "docker-daemon:",
            Hallmark::new(["inspect", "docker-daemon:nginx"]).run(),
            2,
            &["docker save -o image.tar nginx", "docker-archive:image.tar"],
            &["is not valid"],
        ),
        (
            "containers-storage:",
            Hallmark::new(["rebuild", "containers-storage:x"]).run(),
            2,
            &["podman save --format oci-archive -o image.tar x"],
            &["is not valid"],
        ),
    ]);
}

#[test]
fn a_word_that_cannot_be_meant_is_told_with_one_that_can() {
    let world = World::new();
    let image = Registry::honest(world.store.clone()).image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let (keys, no_key) = (Keys::new(), folder.path().join("no-key"));
    let (private, no_key) = (keys.p256("k").display().to_string(), no_key.display().to_string());
    fs::write(&no_key, "ssh-ed25519 AAAA").unwrap();
    check(&[
        (
            "a misspelt preset",
            verify(&["--policy", "signd", &image]).run(),
            2,
            &["--policy signd: there is no such preset", "did you mean signed?", "baseline"],
            &["No such file"],
        ),
        (
            "a policy that is nothing near",
            verify(&["--policy", "./rules", &image]).run(),
            2,
            &["--policy ./rules: there is no such preset, and no folder"],
            &["did you mean"],
        ),
        (
            "a key that is not there",
            verify(&["--key", "/nowhere.pub", &image]).run(),
            2,
            &["--key /nowhere.pub: No such file", "help: it takes a public key in PEM"],
            &[],
        ),
        (
            "a private key",
            verify(&["--key", &private, &image]).run(),
            2,
            &["private", "cosign public-key --key KEY"],
            &[],
        ),
        (
            "a key of another program",
            verify(&["--key", &no_key, &image]).run(),
            2,
            &["help: it takes a public key in PEM", "openssl pkey -pubout"],
            &[],
        ),
        (
            "an explanation that points to itself",
            Hallmark::new(["explain", "rebuild-differs"]).run(),
            0,
            &["help: see the differences"],
            &["hallmark explain"],
        ),
        (
            "a misspelt code",
            Hallmark::new(["explain", "rebuild-difers"]).run(),
            2,
            &["no finding code \"rebuild-difers\"", "did you mean rebuild-differs?", "--list"],
            &[],
        ),
        ("a misspelt option", verify(&["--polcy", "signed", &image]).run(), 2, &["--policy"], &[]),
    ]);
}

#[test]
fn i1_what_no_rule_reads_is_told_though_the_image_is_not_there() {
    let gone = "127.0.0.1:1/app";
    let digest = format!("{gone}@sha256:{}", "0".repeat(64));
    let tag = format!("{gone}:1");
    let config = |policy: &str| {
        format!("version: 1\nlimits: {{attempts: 1}}\npolicy: {{preset: baseline, {policy}}}\n")
    };
    let ask = |images: &[&str], policy: &str| verify(images).config(&config(policy)).run();
    let misspelt = "settings: {signature: {revokd: []}}";
    let misplaced = "settings: {signature: {signers: []}}";
    let idle = "exceptions: [{code: sbom-missing, images: ['127.0.0.1:1/app'], reason: r, owner: o, expires: 2026-12-31}]";
    let read = "policy.settings.signature.revokd is no setting of the shipped rules; did you mean signature.revoked?";
    let folder = tempfile::tempdir().unwrap();
    let rule = "{\"code\": \"a\", \"msg\": \"m\"} if input.image.digest == \"\"\n";
    let rules = format!("package hallmark.own\ndeny contains {rule}deny_x contains {rule}");
    std::fs::write(folder.path().join("own.rego"), rules).unwrap();
    let unasked = format!("bundles: [{:?}]", folder.path());
    check(&[
        ("misspelt, by tag", ask(&[&tag], misspelt), 2, &[read, ":3:"], &["Connection refused"]),
        ("misspelt, by digest", ask(&[&digest], misspelt), 2, &[read], &["Connection refused"]),
        ("misspelt, a list", ask(&[&tag, &digest], misspelt), 2, &[read], &["Connection refused"]),
        ("in JSON", ask(&["-o", "json", &tag], misspelt), 2, &[read], &["Connection refused"]),
        ("misplaced", ask(&[&tag], misplaced), 2, &["signature.signers is read by no"], &[]),
        (
            "a rule that nobody asks for",
            ask(&[&tag], &unasked),
            2,
            &["own.rego:3: nothing asks for data.hallmark.own.deny_x"],
            &["Connection refused"],
        ),
        ("an exception that is idle", ask(&[&tag], idle), 2, &["sbom-missing"], &["refused"]),
        ("nothing wrong", ask(&[&tag], "settings: {}"), 3, &["Connection refused"], &["settings"]),
    ]);
}
