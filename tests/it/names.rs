//! Names of images, held against the distribution project's own parser, which Docker, containerd and Kubernetes use.
//!
//! A name that hallmark takes is one that they take, and means the same repository; what hallmark alone refuses is refused
//! for a reason of [`stricter`]. `HALLMARK_SEED` chooses other names.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    process::{Command, Stdio},
};

use hallmark::reference::{Location, Reference, Selector};
use serde_json::{Value, json};

use crate::sign::peer;

const NAMES: usize = 2_000;

/// SplitMix64: the same names for the same seed everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % count as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// One of the good ones, and now and then of the others.
    fn mostly<'a>(&mut self, good: &[&'a str], odd: &[&'a str]) -> &'a str {
        if self.below(8) == 0 { self.one(odd) } else { self.one(good) }
    }

    /// A name that is often good and often almost good.
    fn name(&mut self) -> String {
        let hosts = [
            "",
            "",
            "docker.io",
            "index.docker.io",
            "registry-1.docker.io",
            "localhost",
            "LOCALHOST",
            "r.example",
            "R.Example",
            "ghcr.io",
            "127.0.0.1",
            "[::1]",
            "[::0001]",
            "xn--a.b",
        ];
        let odd_hosts = [
            "DOCKER.IO",
            "Index.docker.io",
            "host",
            "Host",
            "127.1",
            "0x7f.1",
            "127.0.0.01",
            "2130706433",
            "[::ffff:7f00:1]",
            "[::ffff:1.2.3.4]",
            "[1:2]",
            "r_x.example",
            "-a.b",
            "a.b-",
            "a..b",
            "a.b.",
            "a.0x",
            "a.1",
        ];
        let parts =
            ["app", "library", "nginx", "a__b", "a--b", "a.b", "a_b", "v2", "0", "localhost"];
        let odd_parts = ["a___b", "a..b", "App", "a_", "-a", "ü", "", "sha256", "oci"];
        let (long, longer) = (format!(":{}", "t".repeat(128)), format!(":{}", "t".repeat(129)));
        let hex = "0123456789abcdef";
        let digest = |algorithm: &str, digits: String| format!("@{algorithm}:{digits}");
        let (sha256, sha512) = (digest("sha256", hex.repeat(4)), digest("sha512", hex.repeat(8)));
        let odd_digests = [
            digest("sha384", hex.repeat(6)),
            digest("sha256", hex.to_uppercase().repeat(4)),
            digest("sha256", hex.repeat(3)),
            "@".to_owned(),
            format!("{sha256}{sha256}"),
        ];
        let odd_digests = odd_digests.each_ref().map(String::as_str);
        let mut name = self.mostly(&hosts, &odd_hosts).to_owned();
        if !name.is_empty() {
            let ports = ["", "", ":5000", ":05000", ":443", ":0443", ":80"];
            name = format!("{name}{}/", self.mostly(&ports, &[":0", ":65536", ":"]));
        }
        let path: Vec<&str> =
            (0..=self.below(3)).map(|_| self.mostly(&parts, &odd_parts)).collect();
        name.push_str(&path.join("/"));
        match self.below(40) {
            0 => name = hex.repeat(4),
            1 => name.push_str(&format!("/{}", "a".repeat(200 + self.below(60)))),
            _ => {}
        }
        let tags = ["", "", ":latest", ":v1.2-x_y", ":A", &long];
        name.push_str(self.mostly(&tags, &[":.x", ":-x", ":", &longer]));
        name.push_str(self.mostly(&["", "", &sha256, &sha512], &odd_digests));
        if self.below(8) == 0 && !name.is_empty() {
            let mut letters: Vec<char> = name.chars().collect();
            let at = self.below(letters.len());
            let other: Vec<char> = "/:@._-[]A0az \t%".chars().collect();
            letters[at] = other[self.below(other.len())];
            name = letters.into_iter().collect();
        }
        name
    }
}

/// The canonical registry, by the three rules of docs/configuration.md, written once more.
fn registry(domain: &str) -> Option<String> {
    let lower = domain.to_lowercase();
    let end = lower.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match lower[end..].find(':') {
        Some(colon) => (&lower[..end + colon], lower[end + colon + 1..].parse::<u16>().ok()),
        None => (lower.as_str(), None),
    };
    let host = match host.strip_prefix('[') {
        Some(address) => format!("[{}]", address.trim_end_matches(']').parse::<Ipv6Addr>().ok()?),
        None => host.to_owned(),
    };
    let here = host == "localhost"
        || host == "[::1]"
        || host.parse().is_ok_and(|a: Ipv4Addr| a.is_loopback());
    let dotless = !host.contains(['.', ':']) && host != "localhost";
    let default = if here { 80 } else { 443 };
    match port {
        Some(port) if port != default || dotless => Some(format!("{host}:{port}")),
        _ => Some(host),
    }
}

/// Why hallmark refuses what the others take, by the canonical form that they give it.
fn stricter(name: &str, theirs: &Value) -> Option<&'static str> {
    let domain = theirs["domain"].as_str().unwrap_or_default();
    let (host, port) = match domain.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host.to_lowercase(), Some(port)),
        None => (domain.to_lowercase(), None),
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let number =
        last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(hex);
    let address = host.strip_prefix('[').map(|host| host.trim_end_matches(']').parse::<Ipv6Addr>());
    let digest = theirs["digest"].as_str().unwrap_or_default();
    let reasons = [
        ("a first part that is neither a host nor a repository of Docker Hub", domain.is_empty()),
        ("a port that cannot be dialled", port.is_some_and(|p| p.parse::<u16>().unwrap_or(0) == 0)),
        (
            "numbers that some resolvers take for an address",
            number && host.parse::<Ipv4Addr>().is_err(),
        ),
        (
            "brackets without an IPv6 address, or with an IPv4 address in it",
            address.is_some_and(|a| a.is_err() || a.is_ok_and(|a| a.to_ipv4_mapped().is_some())),
        ),
        (
            "Docker Hub's name in a form that runtimes dial as another host",
            ["docker.io", "index.docker.io"].contains(&host.as_str()) && domain != "docker.io",
        ),
        (
            "a repository of Docker Hub in capitals, or a host without dot and port",
            !domain.contains(['.', ':']) && host != domain && host != "localhost",
        ),
        ("a digest of an algorithm that is not computed here", digest.starts_with("sha384:")),
        ("longer than any reference", name.len() > 4096),
    ];
    reasons.into_iter().find(|(_, holds)| *holds).map(|(reason, _)| reason)
}

/// The answers of the distribution project's parser.
fn asked(program: &Path, names: &[String]) -> Vec<Value> {
    let questions: String =
        names.iter().map(|name| format!("{}\n", json!({ "name": name }))).collect();
    let mut child = Command::new(program)
        .arg("names")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(questions.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is wrong with hallmark's reading of a name, or how it came out.
fn compared(name: &str, theirs: &Value) -> Result<&'static str, String> {
    let ours = name.parse::<Reference>();
    let refused = theirs["error"].as_str();
    let own = ["oci:", "oci-archive:", "docker-archive:", "sha256:", "sha512:"];
    if own.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok("a form of hallmark's own");
    }
    match (ours, refused) {
        (Err(_), Some(_)) => Ok("refused by both"),
        (Err(error), None) => stricter(name, theirs).ok_or(format!("refused here alone: {error}")),
        (Ok(ours), Some(why)) => Err(format!("taken here alone, as {ours}: {why}")),
        (Ok(Reference::At(Location::Registry(repository), selector)), None) => {
            let text = |key: &str| theirs[key].as_str().unwrap_or_default().to_owned();
            let want = (registry(&text("domain")), text("path"), text("tag"), text("digest"));
            let (tag, digest) = match selector {
                Selector::Tag(tag) => (tag, String::new()),
                Selector::Digest(digest) => (String::new(), digest.to_string()),
                Selector::Only => (String::new(), String::new()),
            };
            let got = (Some(repository.registry), repository.path, tag, digest);
            if got == want { Ok("equal") } else { Err(format!("here {got:?}, there {want:?}")) }
        }
        (Ok(other), None) => Err(format!("no registry here: {other}")),
    }
}

#[test]
fn h20_a_name_means_here_what_it_means_to_runtimes() {
    let test = "h20_a_name_means_here_what_it_means_to_runtimes";
    let Some(program) = peer("runtime-judge", test) else { return };
    let seed = std::env::var("HALLMARK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(16);
    println!("{test}: HALLMARK_SEED={seed}");
    let mut dice = Dice(seed);
    let names: Vec<String> = (0..NAMES).map(|_| dice.name()).collect();
    let answers = asked(&program, &names);
    assert_eq!(answers.len(), names.len());
    let (mut counts, mut wrong) = (BTreeMap::<&str, usize>::new(), Vec::new());
    for (name, theirs) in names.iter().zip(&answers) {
        match compared(name, theirs) {
            Ok(outcome) => *counts.entry(outcome).or_default() += 1,
            Err(why) => wrong.push(format!("{name:?}: {why}")),
        }
    }
    println!("{counts:#?}");
    assert!(wrong.is_empty(), "seed {seed}: {} names:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts["equal"] > NAMES / 8, "too few good names: {counts:?}");
    assert!(counts["refused by both"] > NAMES / 8, "too few bad names: {counts:?}");
}
