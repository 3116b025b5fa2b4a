//! Downloads of steps that BuildKit's proxy recorded (`rebuild.network: recorded`), with a real BuildKit: row G29 of
//! `docs/attacks.md`.
//!
//! Whoever writes a provenance writes what its steps downloaded. Each test records something that no rebuild may ask for, or
//! has a step try more than was recorded. What hallmark's own clients do is also in `src/engine/store/fetch/tests.rs`, without
//! a builder.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use hallmark::{
    attest::provenance::{Material, MaterialKind, Network, Pin},
    digest::Digest,
    engine::{EngineChoice, EngineSettings, buildkit::grpc::Address, host::find_program},
    limits::Limits,
    progress::Silent,
    rebuild::{FailureKind, Plan},
};

use crate::{
    builder::{own_address, start},
    cage::Ears,
    rebuild::Lab,
    robust::{At, Heard, plan_of, run},
    server::{Body, Registry, Reply, Request, Store},
    support,
};

const CHOICE: EngineChoice = EngineChoice::Buildkitd;

/// The lab, where it has a BuildKit.
fn lab(test: &str) -> Option<Lab> {
    let lab = Lab::find()?;
    if find_program("buildkitd").is_none() {
        eprintln!("SKIPPED {test}: buildkitd is not on PATH");
        return None;
    }
    Some(lab)
}

/// A plan whose steps downloaded these bytes from there, if one believes its provenance.
async fn recorded(lab: &Lab, name: &str, dockerfile: &str, url: &str, bytes: &[u8]) -> Plan {
    let mut plan = plan_of(lab, name, dockerfile).await;
    plan.fetched = [url.to_owned()].into();
    plan.recorded_network = Network::Proxy;
    plan.materials.push(Material {
        kind: MaterialKind::Http,
        uri: url.to_owned(),
        pin: Pin::Content(Digest::sha256(bytes)),
        role: None,
    });
    plan
}

/// A server in this machine's network, and what it was asked for.
fn server(script: &Arc<Mutex<String>>) -> Option<Registry> {
    let served = Arc::clone(script);
    let handler = move |request: &Request, _| {
        let text = match request.target.as_str() {
            "/script" => served.lock().unwrap().clone(),
            _ => "other".to_owned(),
        };
        Some(Reply::new(200).body(Body::Whole(text.into_bytes())))
    };
    Some(Registry::start_at(own_address()?, Store::default(), Box::new(handler)))
}

#[tokio::test]
async fn g29_no_record_leads_to_this_machine_or_its_networks() {
    const TEST: &str = "g29_no_record_leads_to_this_machine_or_its_networks";
    let Some(lab) = lab(TEST) else { return };
    let ears = Ears::open();
    let at = ears.loopback.local_addr().unwrap();
    let script = Arc::new(Mutex::new("x".to_owned()));
    let near = server(&script);
    let mut urls = vec![format!("http://{at}/x"), format!("http://localhost:{}/x", at.port())];
    urls.extend(
        ears.link_local.iter().map(|ear| format!("http://{}/x", ear.local_addr().unwrap())),
    );
    urls.extend(near.iter().map(|server| format!("http://{}/script", server.host)));
    // A builder at an address downloads by itself, so that hallmark asks first.
    let folder = tempfile::tempdir().unwrap();
    let of_others = support::Lab::here(TEST).expect("the same lab");
    let _daemon = start(&of_others, folder.path(), &[]);
    let address = Some(Address::Unix(folder.path().join("s")));
    for url in urls {
        let dockerfile =
            format!("ARG BUILD\nFROM ${{BUILD}}\nRUN wget -T 2 -O /x {url}; echo step run''s\n");
        for address in [None, address.clone()] {
            let plan = recorded(&lab, "inside", &dockerfile, &url, b"x").await;
            let settings = EngineSettings { address: address.clone(), ..lab.settings() };
            let ran = Arc::new(AtomicBool::new(false));
            let note = ran.clone();
            let sink = At::new("step runs", move || note.store(true, Ordering::SeqCst));
            let result = run(&plan, settings, CHOICE, &Limits::default(), &sink).await;
            let failure = result.expect_err("it was built");
            // What the operator could allow is told apart from what is nobody's.
            let refused = [FailureKind::SourceForbidden, FailureKind::SourceGone];
            assert!(refused.contains(&failure.kind), "{url}: {}", failure.why);
            assert!(failure.why.contains("may not be reached"), "{url}: {}", failure.why);
            assert!(!ran.load(Ordering::SeqCst), "{url}: a step ran");
            assert_eq!(ears.heard(), [""; 0], "{url}");
        }
    }
    assert!(near.is_none_or(|server| server.requests().is_empty()), "a network's server was asked");
}

#[tokio::test]
async fn g29_a_step_that_downloads_reaches_nothing_else() {
    const TEST: &str = "g29_a_step_that_downloads_reaches_nothing_else";
    let Some(lab) = lab(TEST) else { return };
    let script = Arc::new(Mutex::new("echo one > /data".to_owned()));
    let Some(server) = server(&script) else {
        return eprintln!("SKIPPED {TEST}: this machine has no address but loopback");
    };
    let (ears, url) = (Ears::open(), format!("http://{}/script", server.host));
    let more = format!("wget -T 2 -O /dev/null http://{}/other", server.host);
    let knock = format!("{}; {more}", ears.knock());
    let past = "unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY";
    let dockerfile = format!(
        "ARG BUILD\nFROM ${{BUILD}}\n\
         RUN wget -q -O /s {url} && sh /s && rm /s\n\
         RUN ({knock}); ({past}; {knock}); echo tried > /x\n"
    );
    let plan = recorded(&lab, "more", &dockerfile, &url, b"echo one > /data").await;
    let settings = EngineSettings { listed: vec![server.host.clone()], ..lab.settings() };
    let result = run(&plan, settings, CHOICE, &Limits::default(), &Silent).await;
    assert_eq!(ears.heard(), [""; 0]);
    let asked: Vec<String> = server.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(asked, ["/script"], "hallmark asks once, and no step does");
    let built = result.unwrap_or_else(|failure| panic!("{}\n{}", failure.why, failure.log)).built;
    assert_eq!(built.report.network, Network::Proxy);
    assert!(!built.report.is_pinned());
    let served = built.report.served.expect("it is started here");
    assert!(served.contains(&Digest::sha256(b"echo one > /data")), "{served:?}");
}

#[tokio::test]
async fn g29_a_step_is_given_no_other_bytes_than_the_recorded() {
    const TEST: &str = "g29_a_step_is_given_no_other_bytes_than_the_recorded";
    let Some(lab) = lab(TEST) else { return };
    let script = Arc::new(Mutex::new("echo two > /data".to_owned()));
    let Some(server) = server(&script) else {
        return eprintln!("SKIPPED {TEST}: this machine has no address but loopback");
    };
    let url = format!("http://{}/script", server.host);
    let dockerfile =
        format!("ARG BUILD\nFROM ${{BUILD}}\nRUN wget -q -O /s {url} && sh /s; echo step run''s\n");
    let folder = tempfile::tempdir().unwrap();
    let of_others = support::Lab::here(TEST).expect("the same lab");
    let _daemon = start(&of_others, folder.path(), &[]);
    for address in [None, Some(Address::Unix(folder.path().join("s")))] {
        let plan = recorded(&lab, "other", &dockerfile, &url, b"echo one > /data").await;
        let listed = vec![server.host.clone()];
        let settings = EngineSettings { address, listed, ..lab.settings() };
        let ran = Arc::new(AtomicBool::new(false));
        let note = ran.clone();
        let sink = At::new("step runs", move || note.store(true, Ordering::SeqCst));
        let failure = run(&plan, settings, CHOICE, &Limits::default(), &sink).await;
        let failure = failure.expect_err("it was built");
        assert_eq!(failure.kind, FailureKind::SourceGone, "{}", failure.why);
        assert!(failure.why.contains("not the recorded sha256:"), "{}", failure.why);
        assert!(!ran.load(Ordering::SeqCst), "a step ran");
    }
}

/// G28: a builder repeats its arguments, and a step prints them.
#[tokio::test]
async fn g28_no_builder_s_words_show_a_secret_argument() {
    let Some(lab) = Lab::find() else { return };
    let dockerfile = "ARG BUILD\nFROM ${BUILD}\nARG NPM_TOKEN\nENV COPIED=${NPM_TOKEN}\n\
        RUN echo begun $NPM_TOKEN; set -x; echo $NPM_TOKEN; exit 7\n";
    for choice in crate::robust::engines() {
        let mut plan = crate::robust::for_engine(plan_of(&lab, "masked", dockerfile).await, choice);
        plan.build_args.insert("NPM_TOKEN".to_owned(), "s9df8sdf".to_owned());
        let notes = Heard::default();
        let result = run(&plan, lab.settings(), choice, &Limits::default(), &notes).await;
        let failure = result.expect_err("its last step fails");
        assert_eq!(failure.kind, FailureKind::BuildFailed, "{choice:?}: {}", failure.why);
        let said = format!("{}\n{}\n{:?}", failure.why, failure.log, notes.0.into_inner().unwrap());
        assert!(said.contains("begun [secret]"), "{choice:?}: {said}");
        assert!(!said.contains("s9df8sdf"), "{choice:?}: {said}");
    }
}
