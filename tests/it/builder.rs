//! A BuildKit that runs already, asked over its own API: by a socket, and by TCP with certificates on both sides.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use hallmark::engine::sandbox::find_program;

use crate::support::{Lab, trusting};

/// A daemon of this test, ended with it.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

/// Starts a buildkitd in a folder and waits for its socket there.
fn start(lab: &Lab, folder: &Path, more: &[&str]) -> Daemon {
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

fn lab_with_builder(name: &str) -> Option<(Lab, String)> {
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
    let answer = lab.hallmark(["verify", image, "-o", "json"]).config(&config).run();
    answer.exits(0);
    let rebuild = &answer.json()["platforms"][0]["evidence"]["rebuild"];
    assert_eq!(rebuild["level"], 5, "{rebuild:#}");
    assert_eq!(rebuild["engine"]["driver"], "buildkit api", "{rebuild:#}");
    assert_eq!(rebuild["engine"]["ephemeral"], false, "{rebuild:#}");
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
    answer.exits(1).says("engine-error");
}
