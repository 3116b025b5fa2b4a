//! A BuildKit that runs already, asked over its own API: by a socket, and by TCP with certificates on both sides.

use std::{
    net::{IpAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use hallmark::{engine::host::find_program, reach::Reach};

use crate::{
    rebuild,
    robust::publish,
    server::{Body, Registry, Reply, Request, Store},
    support::{Answer, Hallmark, Lab, trusting},
};

/// A daemon of this test, ended with it.
pub struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Starts a buildkitd in a folder and waits for its socket there.
pub fn start(lab: &Lab, folder: &Path, more: &[&str]) -> Daemon {
    let registry = lab.get("REGISTRY");
    let toml = format!(
        "[worker.oci]\nenabled = true\nnetworkMode = \"host\"\n[worker.containerd]\nenabled = false\n\
         [registry.\"{registry}\"]\nhttp = true\n"
    );
    std::fs::write(folder.join("buildkitd.toml"), toml).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let child = Command::new("buildkitd")
        .arg("--config")
        .arg(folder.join("buildkitd.toml"))
        .arg("--root")
        .arg(folder.join("root"))
        .args(["--addr", &format!("unix://{}", folder.join("s").display())])
        .args(more)
        .env("PATH", lab.get("PATH"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let daemon = Daemon(child);
    for _ in 0..600 {
        if std::os::unix::net::UnixStream::connect(folder.join("s")).is_ok() {
            return daemon;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{}", std::fs::read_to_string(folder.join("log")).unwrap());
}

pub fn lab_with_builder(name: &str) -> Option<(Lab, String)> {
    let lab = Lab::here(name)?;
    let image = lab.built("BUILDKIT", name)?;
    if find_program("buildkitd").is_none() {
        eprintln!("SKIPPED {name}: buildkitd is not on PATH");
        return None;
    }
    Some((lab, image))
}

fn reproduced(lab: &Lab, image: &str, settings: &str) {
    let config = trusting(Path::new(lab.get("KEY_A")), "reproducible") + settings;
    reproduced_by("buildkit api", lab.hallmark(["verify", image, "-o", "json"]).config(&config));
}

fn reproduced_by(driver: &str, command: Hallmark) {
    let answer = command.run();
    answer.exits(0);
    let rebuild = &answer.json()["platforms"][0]["evidence"]["rebuild"];
    assert_eq!(rebuild["level"], 5, "{rebuild:#}");
    assert_eq!(rebuild["engine"]["driver"], driver, "{rebuild:#}");
    assert_eq!(rebuild["engine"]["ephemeral"], false, "{rebuild:#}");
}

#[test]
fn a_daemon_of_others_is_asked_where_that_is_allowed() {
    let name = "a_daemon_of_others_is_asked_where_that_is_allowed";
    let Some((lab, image)) = lab_with_builder(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    // Without TLS, which the API's own driver does not speak: the daemon's client does.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tcp = format!("tcp://127.0.0.1:{port}");
    let _daemon = start(&lab, folder.path(), &["--addr", &tcp]);
    let socket = format!("unix://{}", folder.path().join("s").display());
    let config = trusting(Path::new(lab.get("KEY_A")), "reproducible");
    let config = config + "rebuild: {sharedDaemon: true}\n";
    for (address, driver) in [(&socket, "buildkit api"), (&tcp, "buildctl")] {
        let command = lab.hallmark(["verify", &image, "-o", "json"]).config(&config);
        reproduced_by(driver, command.env("BUILDKIT_HOST", address));
    }
}

#[test]
fn a_builder_at_a_socket_rebuilds_the_image() {
    let Some((lab, image)) = lab_with_builder("a_builder_at_a_socket_rebuilds_the_image") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let _daemon = start(&lab, folder.path(), &[]);
    let address =
        format!("rebuild: {{address: \"unix://{}\"}}\n", folder.path().join("s").display());
    // Twice: the second build finds what the first one left, and uses none of it.
    reproduced(&lab, &image, &address);
    reproduced(&lab, &image, &address);
}

#[test]
fn a_builder_behind_tls_needs_certificates_on_both_sides() {
    let name = "a_builder_behind_tls_needs_certificates_on_both_sides";
    let Some((lab, image)) = lab_with_builder(name) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let authority = |cn: &str| {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, cn);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        (pem, rcgen::Issuer::new(params, key))
    };
    let (ca, issuer) = authority("lab");
    let (_, stranger) = authority("stranger");
    let certificate = |issuer: &rcgen::Issuer<'_, rcgen::KeyPair>, who: &str| {
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, issuer).unwrap().pem();
        (file(&format!("{who}.pem"), pem), file(&format!("{who}.key"), key.serialize_pem()))
    };
    let ca = file("ca.pem", ca);
    let (server, server_key) = certificate(&issuer, "server");
    let (client, client_key) = certificate(&issuer, "client");
    let (other, other_key) = certificate(&stranger, "other");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tcp = format!("tcp://127.0.0.1:{port}");
    let tls = ["--tlscert", &server, "--tlskey", &server_key, "--tlscacert", &ca];
    let _daemon = start(&lab, folder.path(), &[&["--addr", &tcp][..], &tls[..]].concat());
    let settings = |certificate: &str, key: &str| {
        format!(
            "rebuild: {{address: \"{tcp}\", tls: {{ca: \"{ca}\", certificate: \"{certificate}\", key: \"{key}\"}}}}\n"
        )
    };
    reproduced(&lab, &image, &settings(&client, &client_key));
    let config = trusting(Path::new(lab.get("KEY_A")), "reproducible");
    let config = config + &settings(&other, &other_key);
    let answer = lab.hallmark(["verify", &image]).config(&config).run();
    answer.exits(3).says("engine-error");
}

#[test]
fn a_mirror_is_asked_first_and_its_registry_where_it_has_nothing() {
    let name = "a_mirror_is_asked_first_and_its_registry_where_it_has_nothing";
    let Some((lab, image)) = lab_with_builder(name) else { return };
    for (engine, image) in [("buildkitd", image.as_str()), ("buildah", lab.get("BUILDAH"))] {
        // A registry, and nothing in it.
        let empty = |request: &Request, _| {
            Some(Reply::new(if request.target == "/v2/" { 200 } else { 404 }))
        };
        let mirror = Registry::start(Store::default(), Box::new(empty));
        let settings = format!(
            "rebuild: {{engine: {engine}, twice: false, mirrors: [{{registry: \"{}\", at: \"{}/copies\"}}]}}\n",
            lab.get("REGISTRY"),
            mirror.host
        );
        let config = trusting(Path::new(lab.get("KEY_A")), "baseline") + &settings;
        let answer = lab.hallmark(["rebuild", image, "-o", "json"]).config(&config).run();
        answer.exits(0);
        assert_eq!(answer.json()["rebuild"]["level"], 5, "{engine}: {}", answer.all());
        let asked: Vec<String> = mirror.requests().into_iter().map(|r| r.target).collect();
        let wanted = |target: &String| {
            target.contains("/v2/copies/base/") && target.contains("/manifests/sha256:")
        };
        assert!(asked.iter().any(wanted), "{engine}: {asked:?}");
        assert!(!asked.iter().any(|target| target.contains("/manifests/1")), "{engine}: {asked:?}");
    }
}

/// An address of this machine that steps of a build reach: the proxy is in a network of its own, where loopback is another.
pub fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only says from where it would be.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

/// Builds as a producer would; the reference by digest.
pub fn built(lab: &Lab, folder: &Path, context: &str, name: &str, more: &[&str]) -> String {
    let image = format!("{}/{name}:1", lab.get("REGISTRY"));
    let metadata = folder.join("metadata.json");
    let output = Command::new("buildctl")
        .args(["--addr", &format!("unix://{}", folder.join("s").display()), "build"])
        .args(["--frontend=dockerfile.v0", "--no-cache"])
        .args(more)
        .args(["--opt", &format!("context={context}"), "--opt", "attest:provenance=mode=max"])
        .args(["--opt", "build-arg:SOURCE_DATE_EPOCH=1735689600", "--output"])
        .arg(format!("type=image,name={image},push=true,registry.insecure=true,rewrite-timestamp=true,oci-mediatypes=true"))
        .arg("--metadata-file")
        .arg(&metadata)
        .env("PATH", lab.get("PATH"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: serde_json::Value =
        serde_json::from_slice(&std::fs::read(metadata).unwrap()).unwrap();
    format!("{image}@{}", said["containerimage.digest"].as_str().unwrap())
}

#[test]
fn steps_download_what_was_recorded_and_nothing_else() {
    let name = "steps_download_what_was_recorded_and_nothing_else";
    let Some((lab, _)) = lab_with_builder(name) else { return };
    let Some(address) = own_address() else {
        eprintln!("SKIPPED {name}: this machine has no address but loopback");
        return;
    };
    let script = Arc::new(Mutex::new("echo one > /data".to_owned()));
    let served = Arc::clone(&script);
    let handler = move |request: &Request, _| {
        let text = match request.target.as_str() {
            "/script" => served.lock().unwrap().clone(),
            _ => "other".to_owned(),
        };
        Some(Reply::new(200).body(Body::Whole(text.into_bytes())))
    };
    let server = Registry::start_at(address, Store::default(), Box::new(handler));
    let dockerfile = format!(
        "FROM {}\nRUN wget -q -O /s http://{}/script && sh /s && rm /s\n",
        lab.get("BASE_BUILD"),
        server.host
    );
    let Some(sources) = rebuild::Lab::find() else { return };
    let (url, commit) = publish(&sources, "recorded", &[("Dockerfile", &dockerfile)]);
    let folder = tempfile::tempdir().unwrap();
    let image = {
        let _daemon = start(&lab, folder.path(), &[]);
        let context = format!("{url}#{}", commit.as_str());
        built(&lab, folder.path(), &context, "recorded", &["--proxy-network"])
    };

    let rebuilt = |settings: &str| {
        let settings = format!("rebuild: {{twice: false, {settings}}}\n");
        let config = trusting(Path::new(lab.get("KEY_A")), "baseline") + &settings;
        lab.hallmark(["rebuild", &image, "-o", "json"]).config(&config).run()
    };
    // A host of this machine's network, which only who lists it has downloads fetched from.
    let listed = format!("registries: [{{host: \"{}\", plainHttp: true}}]\n", server.host);
    // Nobody allowed it.
    let (none, recorded) =
        ("engine: buildkitd, network: none", "engine: buildkitd, network: recorded");
    rebuilt(none).exits(1).says("recorded-network").says("rebuild.network: recorded");
    // Allowed, and the same bytes come.
    let there = tempfile::tempdir().unwrap();
    let _daemon = start(&lab, there.path(), &[]);
    let socket = there.path().join("s");
    let elsewhere = format!("address: \"unix://{}\", network: recorded", socket.display());
    for (settings, network) in [(recorded, "proxy"), (&elsewhere, "unknown")] {
        let same = rebuilt(&format!("{settings}}}\n{listed}#"));
        same.exits(0);
        let report = &same.json()["rebuild"];
        assert_eq!(report["level"], 5, "{settings}: {report:#}");
        assert_eq!(report["engine"]["network"], network, "{settings}: {report:#}");
    }
    // Nothing is fetched for a step from a private address that nobody listed.
    if Reach::of(address) != Reach::Public {
        let asked = server.requests().len();
        rebuilt(recorded).says("may not be reached");
        assert_eq!(server.requests().len(), asked, "it was asked for");
    }
    // Other bytes come: no step sees them.
    *script.lock().unwrap() = "echo two > /data".to_owned();
    let drifted = rebuilt(&format!("{recorded}}}\n{listed}#"));
    assert_ne!(drifted.code, 0, "{}", drifted.all());
    drifted.says("not the recorded sha256:");
}

/// BuildKit takes an archive for a context, by its URL. What was recorded of it is a digest, by which a store keeps it.
#[test]
fn an_archive_by_its_url_is_a_context_that_a_store_keeps() {
    let name = "an_archive_by_its_url_is_a_context_that_a_store_keeps";
    let Some((lab, _)) = lab_with_builder(name) else { return };
    let dockerfile =
        format!("FROM {}\nCOPY data.txt /srv/\nRUN echo one > /srv/one\n", lab.get("BASE_BUILD"));
    let archive = {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, text) in [("Dockerfile", dockerfile.as_str()), ("data.txt", "data\n")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap()
    };
    let served = Arc::new(Mutex::new(Some(archive)));
    let serving = Arc::clone(&served);
    let handler = move |_: &Request, _| {
        Some(match serving.lock().unwrap().clone() {
            Some(archive) => Reply::new(200).body(Body::Whole(archive)),
            None => Reply::new(404),
        })
    };
    let server = Registry::start(Store::default(), Box::new(handler));
    let folder = tempfile::tempdir().unwrap();
    let context = format!("http://{}/context.tar", server.host);
    let image = {
        let _daemon = start(&lab, folder.path(), &[]);
        let none = ["--opt", "force-network-mode=none"];
        built(&lab, folder.path(), &context, "archive", &none)
    };
    let store = folder.path().join("store").display().to_string();
    let config = trusting(Path::new(lab.get("KEY_A")), "baseline") + "rebuild: {twice: false}\n";
    let run = |arguments: &[&str]| lab.hallmark(arguments.iter().copied()).config(&config).run();
    let level = |answer: &Answer| answer.json()["rebuild"]["level"].clone();

    run(&["rebuild", "--plan", &image]).exits(0).says(&context).says("digest");
    assert_eq!(level(run(&["rebuild", &image, "-o", "json"]).exits(0)), 5);
    run(&["materials", "fetch", &image, "--to", &store]).exits(0);
    // Another archive is no difference of the image's: it is refused, as one that is gone.
    for next in [Some(b"another".to_vec()), None] {
        *served.lock().unwrap() = next;
        run(&["rebuild", &image]).exits(1).says("rebuild-source-gone");
    }
    let kept = run(&["rebuild", &image, "--materials", &store, "-o", "json"]);
    assert_eq!(level(kept.exits(0)), 5, "{}", kept.all());
}
