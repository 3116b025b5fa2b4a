//! Messages that used to mislead: each says what was seen and what to type.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use crate::{
    layouts::{Layout, Parts},
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
            "a list without its option",
            verify(&["images.txt"]).run(),
            2,
            &["type -f images.txt, or images.txt:latest where"],
            &["docker.io"],
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
fn a_file_that_is_not_there_is_told_with_where_and_what_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::new();
    let name = |name: &str| folder.path().join(name).display().to_string();
    fs::write(name("cosign.pub"), "x").unwrap();
    fs::write(name("hallmark.yaml"), "version: 1\n").unwrap();
    fs::write(name("images.txt"), "r.example/a:1\n").unwrap();
    fs::create_dir(name("rules")).unwrap();
    let image = "r.example/app:1";
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let there = layout.reference();
    let key = keys.p256("k").display().to_string();
    let call = |words: &[&str]| Hallmark::new(words.iter().copied()).run();
    let here = folder.path().display().to_string();
    let cases: [(Answer, &str, &str); 10] = [
        (
            call(&["verify", "--key", &name("cosing.pub"), image]),
            "cosign.pub?",
            "it takes a public key",
        ),
        (call(&["verify", "-f", &name("image.txt")]), "images.txt?", "one image a line"),
        (call(&["verify", "-c", &name("halmark.yaml"), image]), "hallmark.yaml?", "hallmark init"),
        (call(&["verify", "--policy", &name("rule"), image]), "rules?", "presets are baseline"),
        (call(&["vulns", "info", &name("image.txt")]), "images.txt?", "hallmark vulns import"),
        (call(&["vulns", "import", &name("image.txt"), "--out", &name("o")]), "images.txt?", "OSV"),
        (
            call(&["verify", "--bundle", &name("image.txt"), image]),
            "images.txt?",
            "Sigstore bundle",
        ),
        (
            call(&[
                "sign",
                &there,
                "--key",
                &key,
                "--predicate",
                &name("image.txt"),
                "--type",
                "spdx",
            ]),
            "images.txt?",
            "it takes the predicate in JSON",
        ),
        (call(&["trust", "import", &name("image.txt")]), "images.txt?", "ClusterImagePolicy"),
        (call(&["policy", "import", &name("image.txt")]), "images.txt?", "ImageValidatingPolicy"),
    ];
    for (answer, near, form) in &cases {
        answer.exits(2).says(&format!("did you mean {near}")).says(form);
        answer.says(&format!("is in {here}"));
    }
    // A relative path starts somewhere.
    let relative = call(&["verify", "--key", "no-such.pub", image]);
    relative.exits(2).says("a relative path starts at the working folder");
}

/// Whatever takes a file says of another one what it is, and repeats nothing of it.
#[test]
fn a_file_of_another_kind_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Keys::new();
    let name = |name: &str| folder.path().join(name).display().to_string();
    let private = keys.p256("k");
    let secret = fs::read_to_string(&private).unwrap();
    let secret = secret.lines().nth(1).unwrap();
    let private = private.display().to_string();
    fs::write(name("empty"), "").unwrap();
    fs::write(name("program"), b"\x7fELF\x02\x01\x01\0").unwrap();
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let image = layout.reference();
    let (out, digest) = (name("o"), format!("--digest=sha256:{}", "0".repeat(64)));
    let source = "--source=github.com/a/b";
    let identity =
        ["--certificate-identity=a@b.example", "--certificate-oidc-issuer=https://i.example"];
    let cases: [(&[&str], i32, &str); 15] = [
        (&["verify", &image, "--config", "@"], 2, "hallmark init IMAGE"),
        (
            &["verify", &image, "--trusted-root", "@", identity[0], identity[1]],
            2,
            "trusted_root.json",
        ),
        (&["verify", &image, "--bundle", "@"], 2, "Sigstore bundle"),
        (&["verify", &image, "--sbom", "@"], 2, "read are SPDX 2.2"),
        (&["sbom", "check", "@"], 1, "read are SPDX 2.2"),
        (&["sbom", "diff", "--vulns", "@", &image, &image], 2, "hallmark vulns import --out"),
        (&["vulns", "info", "@"], 2, "hallmark vulns import --out"),
        (&["vulns", "import", "@", "--out", &out], 2, "records of OSV"),
        (&["trust", "import", "@"], 2, "ClusterImagePolicy"),
        (&["policy", "eval", "@"], 2, "hallmark policy input IMAGE"),
        (&["policy", "explain", "@"], 2, "hallmark policy input IMAGE"),
        (&["provenance", "embed", &image, "@"], 2, "hallmark provenance create"),
        (&["provenance", "check", "@", &digest, source, "--npm-keys=x"], 1, "gcloud artifacts"),
        (&["sign", &image, "--key", &private, "--statement", "@"], 2, "in-toto statement"),
        (
            &["sign", &image, "--key", &private, "--predicate", "@", "--type=spdx"],
            2,
            "the predicate",
        ),
    ];
    let files = [
        (name("empty"), "the file is empty"),
        (name("program"), "this is a program"),
        (private.clone(), "this is a PEM file ("),
    ];
    for (words, code, form) in cases {
        for (file, what) in &files {
            let call = words.iter().map(|word| if *word == "@" { file.as_str() } else { *word });
            let answer = Hallmark::new(call).run();
            answer.exits(code).says(what).says("help: ").says(form);
            assert!(!answer.all().contains(secret), "{words:?}");
        }
    }
    // A list of images, where an empty file has words of its own.
    verify(&["-f", &private]).run().exits(2).says("this is a PEM file (").says("one image a line");
    verify(&["-f", &name("empty")]).run().exits(2).says("lists no image").says("one image a line");
    verify(&["--key", &name("empty"), &image]).run().exits(2).says("the file is empty");
}

#[test]
fn a_folder_that_is_none_is_told_with_what_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let name = |name: &str| folder.path().join(name).display().to_string();
    fs::write(name("file"), "x").unwrap();
    fs::create_dir(name("empty")).unwrap();
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let image = layout.reference();
    let cases: [(&[&str], &str); 5] = [
        (&["verify", &image, "--from", "@"], "hallmark verify --save DIR"),
        (&["rebuild", &image, "--materials", "@"], "hallmark materials fetch --to DIR"),
        (&["policy", "test", "@"], "hallmark policy new NAME"),
        (&["policy", "check", "@"], "hallmark policy new NAME"),
        (&["policy", "docs", "@"], "hallmark policy new NAME"),
    ];
    for (words, form) in cases {
        let call = |file: &str| {
            let file = name(file);
            let call = words
                .iter()
                .map(|word| if *word == "@" { file.clone() } else { (*word).to_owned() });
            Hallmark::new(call).run()
        };
        call("nosuch").exits(2).says("nothing of this name is in").says(form);
        call("file").exits(2).says("it is a file, and no folder").says(form);
    }
    let from = name("empty");
    verify(&["--from", &from, &image])
        .run()
        .exits(2)
        .says("it has no evidence.json")
        .says("--save");
}

#[test]
fn a_document_or_an_archive_that_is_not_there_is_asked_of_no_registry() {
    let call = |words: &[&str]| Hallmark::new(words.iter().copied()).run();
    for words in [&["sbom", "check", "nosuch.json"][..], &["sbom", "diff", "a.json", "nosuch.json"]]
    {
        call(words).exits(2).says("No such file").says("a document in SPDX or CycloneDX");
    }
    verify(&["image.tar"]).run().exits(2).says("oci-archive:image.tar, docker-archive:image.tar");
    verify(&["-o", "vsa", "r.example/a:1"]).run().exits(2).says("-o vsa needs --verifier URI");
}

#[test]
fn a_key_in_another_form_is_read_or_named_with_what_converts_it() {
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let (keys, image) = (Keys::new(), layout.reference());
    let key = keys.p256("release");
    let private = key.to_str().unwrap();
    Hallmark::new(["sign", &image, "--key", private]).run().exits(0);
    let pem = format!("{private}.pub");
    let at = |name: &str| keys.path(name).display().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}");
        output.stdout
    };
    run("openssl", &["pkey", "-pubin", "-in", &pem, "-outform", "DER", "-out", &at("der")]);
    verify(&["--key", &at("der"), &image]).run().exits(0).says("PASS");
    let config = format!(
        "version: 1\ntrust:\n  signers: [{{name: a, key: {:?}}}]\n  \
         rules: [{{images: ['**'], predicates: [signature], signers: [a]}}]\n",
        at("der")
    );
    verify(&[&image]).config(&config).run().exits(0).says("PASS");
    run("openssl", &["pkey", "-in", private, "-outform", "DER", "-out", &at("private.der")]);
    let jwk = r#"{"kty": "EC", "crv": "P-256", "x": "zFaVfnrdWo59xmEF-cMJNkZ_WCXCe42gB9MatVeP910", "y": "De23A7LwP36fNL8VHc75l9En9AkaIDoncVP1-b81zD8"}"#;
    fs::write(at("jwk"), jwk).unwrap();
    fs::write(at("ssh"), "ecdsa-sha2-nistp256 AAAA me\n").unwrap();
    let der = fs::read(at("der")).unwrap();
    fs::write(at("cut.der"), &der[..40]).unwrap();
    for (name, said) in [
        ("cut.der", "it has 40 of 91 bytes; copy the whole file"),
        ("private.der", "openssl pkey -inform DER -in FILE -pubout"),
        ("jwk", "this is a JSON Web Key; node -p"),
        ("ssh", "ssh-keygen -e -m PKCS8 -f FILE"),
    ] {
        verify(&["--key", &at(name), &image]).run().exits(2).says(said);
    }
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
