//! The documents: links lead somewhere, pages of commands are what `--help` says, and what they tell people to type works.
//!
//! Commands are the blocks of `sh` and `console`. The README's have a test of their own (`readme.rs`). Each document
//! has a desk: an empty home, a folder with the keys and files that its commands name, and repositories of its own in the lab's
//! registry, which it calls `registry.example`. Its commands run one after the other, as they are written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use regex::{Captures, Regex};

use crate::support::{Hallmark, Lab, near};

/// Commands that no test can run: document, words of the command, and why.
const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "cargo install", "compiles for minutes what is compiled already"),
    ("README.md", "make demo", "scripts/test brings up the same lab and verifies the same images"),
    ("README.md", "make test", "is what runs this"),
    (
        "docs/commands/provenance.md",
        "provenance attest",
        "takes a push in between; docs/provenance.md has all of it",
    ),
    (
        "docs/commands/serve.md",
        "hallmark serve",
        "ends by a signal alone; docs/guides/run-the-gate.md has it",
    ),
    ("docs/commands/provenance.md", "gcloud", "asks Google"),
    ("docs/commands/provenance.md", "provenance check", "takes an answer of Google Cloud Build"),
    ("docs/commands/trust.md", "hallmark trust update", "asks the internet"),
    ("docs/provenance.md", "provenance check", "takes an answer of Google Cloud Build"),
    ("docs/guides/run-the-gate.md", "kubectl", "needs a cluster; scripts/cluster-smoke has one"),
    ("docs/provenance.md", "buildah build", "scripts/demo-images builds with buildah"),
    ("docs/release.md", "docker buildx", "scripts/release-image makes these builds"),
    (
        "docs/signing.md",
        "cosign",
        "tests/it/sign.rs runs cosign 3 in these ways; cosign 2 is another program",
    ),
    ("docs/verify.md", "kubectl", "needs a cluster"),
];

/// Commands that are shown for another answer than yes: document, words of the command, exit code, and why.
const ANSWERED: &[(&str, &str, i32, &str)] = &[
    ("README.md", "--certificate-identity", 1, "nobody there signed keyless"),
    ("README.md", "registry.example/legacy:1", 1, "is there to be refused"),
    ("README.md", "registry.example/demo/swapped", 1, "is there to be refused"),
    ("docs/ci.md", "--certificate-identity", 1, "nobody there signed keyless"),
    (
        "docs/commands/sbom.md",
        "--profile ntia-2021",
        1,
        "no file of an image says who supplies a package",
    ),
    ("docs/commands/verify.md", "--policy signed", 1, "names nobody who may sign"),
    ("docs/commands/verify.md", "-f images.txt", 1, "names nobody who may sign"),
    ("docs/commands/policy.md", "hallmark policy eval", 1, "the image has no such label"),
    ("docs/commands/policy.md", "hallmark policy explain", 1, "the image has no such label"),
    ("docs/guides/write-a-rule.md", "hallmark policy eval", 1, "the image has no such label"),
    ("docs/guides/write-a-rule.md", "hallmark verify", 1, "the image has no such label"),
    ("docs/guides/only-our-builds.md", "hallmark verify", 1, "nobody there signed keyless"),
    ("docs/verify.md", "--certificate-identity", 1, "nobody there signed keyless"),
];

/// A key to sign with.
const KEY: &str =
    "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out release.key 2> /dev/null
openssl pkey -in release.key -pubout -out release.pub
cp release.key verifier.key";

/// The source of the lab's images, checked out where commands run; what else lies there is none of its affair.
const SOURCE: &str =
    "git init -q . && git fetch -q https://git.example/app.git main && git checkout -q FETCH_HEAD
echo '*' > .git/info/exclude";

/// An image that buildah has just built.
const BUILT: &str = "skopeo copy -q docker://$BUILDAH_PLAIN oci:built
skopeo copy -q docker://$BUILDAH_PLAIN oci:build:1.4.2";

/// A folder with a rule, and tests of it.
const RULE: &str = r#"mkdir policies
cat > policies/label.rego << 'EOF'
package hallmark.label

# METADATA
# title: The image has a label
# custom:
#   code: label-missing
deny contains {"code": "label-missing", "msg": "no label"} if not input.image.labels.app
EOF
cat > policies/label_test.rego << 'EOF'
package hallmark.label_test

test_none_is_denied if count(data.hallmark.label.deny) == 1 with input as {}

test_one_passes if count(data.hallmark.label.deny) == 0 with input as {"image": {"labels": {"app": "app"}}}
EOF"#;

/// The report of a scanner, in cosign's form.
const SCAN: &str = "cat > scan.json << 'EOF'
{\"scanner\": {\"uri\": \"https://scanner.example\", \"result\": {}}, \"metadata\": {}}
EOF";

/// A policy of policy-controller.
const CLUSTER_IMAGE_POLICY: &str = "cat > policy.yaml << EOF
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: app}
spec:
  images: [{glob: registry.example/app}]
  authorities:
    - key:
        data: |
$(sed 's/^/          /' cosign.pub)
EOF";

/// One advisory, CISA's catalogue and a table of scores that know it, and the database of the import before.
const ADVISORIES: &str = r##"mkdir osv
cat > osv/DEBIAN-CVE-2026-1.json << 'EOF'
{"schema_version": "1.7.3", "id": "DEBIAN-CVE-2026-1", "modified": "2026-11-01T00:00:00Z", "upstream": ["CVE-2026-1"],
 "affected": [{"package": {"ecosystem": "Debian:12", "name": "zlib"},
               "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1:1.3.1"}]}]}]}
EOF
cat > kev.json << 'EOF'
{"title": "t", "catalogVersion": "2026.11.01", "dateReleased": "2026-11-01T00:00:00Z", "count": 1,
 "vulnerabilities": [{"cveID": "CVE-2026-1", "dateAdded": "2026-11-01", "knownRansomwareCampaignUse": "Unknown"}]}
EOF
printf '#model_version:v1,score_date:2026-11-01T00:00:00+0000\ncve,epss,percentile\nCVE-2026-1,0.5,0.9\n' \
  | gzip > epss_scores.csv.gz
cp kev.json known_exploited_vulnerabilities.json
hallmark vulns import osv/ --out vulns.db"##;

/// Bills of materials, of one image in both formats.
const SBOMS: &str =
    "hallmark sbom generate --author ACME --format spdx-2.3 registry.example/app:1 -o app.spdx.json
hallmark sbom generate --author ACME --format cyclonedx-1.6 registry.example/app:1 -o app.cdx.json
cp app.spdx.json before.spdx.json; cp app.cdx.json after.cdx.json";

/// What stands on a desk before the first command of a document.
const PREPARED: &[(&str, &str)] = &[
    ("docs/commands/config.md", "echo 'version: 1' > hallmark.yaml"),
    (
        "docs/commands/diff.md",
        "for name in before after; do skopeo copy -q docker://$BARE oci:$name; done",
    ),
    ("docs/commands/policy.md", RULE),
    ("docs/commands/policy.md", CLUSTER_IMAGE_POLICY),
    ("docs/commands/policy.md", "hallmark policy input registry.example/app:1 > input.json"),
    ("docs/commands/provenance.md", KEY),
    ("docs/commands/provenance.md", SOURCE),
    ("docs/commands/provenance.md", BUILT),
    ("docs/commands/rebuild.md", "hallmark materials fetch --to store/ registry.example/app:1"),
    ("docs/commands/sign.md", KEY),
    ("docs/commands/sign.md", SCAN),
    ("docs/commands/trust.md", CLUSTER_IMAGE_POLICY),
    ("docs/commands/sbom.md", SBOMS),
    ("docs/commands/vulns.md", ADVISORIES),
    ("docs/commands/verify.md", "echo registry.example/app:1 > images.txt"),
    ("docs/policy.md", CLUSTER_IMAGE_POLICY),
    ("docs/policy.md", KEY),
    ("docs/provenance.md", KEY),
    ("docs/provenance.md", SOURCE),
    ("docs/provenance.md", BUILT),
    ("docs/release.md", KEY),
    ("docs/signing.md", KEY),
    ("docs/summaries.md", KEY),
    ("docs/vulnerabilities.md", ADVISORIES),
    ("docs/verify.md", KEY),
    ("docs/verify.md", "echo registry.example/app:1 > images.txt"),
];

/// What is in the repositories that documents name. All others have the honest image.
const IMAGES: &[(&str, &str)] =
    &[("demo/swapped", "SWAPPED"), ("legacy", "BARE"), ("unsigned", "BARE")];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents of the repository by their path in it.
fn documents() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                let skipped = name == "target" || name.to_string_lossy().starts_with('.');
                folders.extend((!skipped).then_some(path));
            } else if path.extension().is_some_and(|e| e == "md") {
                found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap()
}

/// A fenced block.
pub struct Block {
    pub language: String,
    pub text: String,
}

/// The fenced blocks of a document, and what is left without them.
pub fn blocks(text: &str) -> (Vec<Block>, String) {
    let (mut found, mut rest) = (Vec::new(), String::new());
    let mut open: Option<(String, Block)> = None;
    for line in text.lines() {
        let fence: String = line.trim_start().chars().take_while(|c| *c == '`').collect();
        match &mut open {
            None if fence.len() >= 3 => {
                let language = line.trim_start()[fence.len()..].trim().to_owned();
                open = Some((fence, Block { language, text: String::new() }));
            }
            None => {
                rest.push_str(line);
                rest.push('\n');
            }
            Some((begun, _)) if fence == *begun && line.trim() == fence => {
                found.extend(open.take().map(|(_, block)| block));
            }
            Some((_, block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
    }
    assert!(open.is_none(), "a block has no end");
    (found, rest)
}

/// The commands of a block, in their order, comments and answers left out.
pub fn commands(block: &Block) -> Vec<String> {
    let console = match block.language.as_str() {
        "sh" => false,
        "console" => true,
        _ => return Vec::new(),
    };
    let (mut found, mut lines) = (Vec::new(), block.text.lines());
    while let Some(line) = lines.next() {
        let line = if console { line.strip_prefix("$ ").unwrap_or("") } else { line };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut command = line.to_owned();
        while !is_whole(&command) {
            let next = lines.next().unwrap_or_else(|| panic!("a command has no end: {command}"));
            command.push('\n');
            command.push_str(next);
        }
        found.push(command);
    }
    found
}

/// Whether no line is to follow: no backslash, quotation mark or document is open.
fn is_whole(command: &str) -> bool {
    if command.ends_with('\\') {
        return false;
    }
    let here = Regex::new(r"<< ?'?(\w+)'?").unwrap();
    if let Some(end) = here.captures(command) {
        return command.lines().skip(1).any(|line| line == &end[1]);
    }
    let comment = Regex::new(r"(?m)\s#\s.*$").unwrap();
    comment.replace_all(command, "").matches('\'').count().is_multiple_of(2)
}

/// What the tables say of a command.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    Yes,
    NotRun(&'static str),
    Answered(i32, &'static str),
}

pub fn told(document: &str, command: &str) -> Told {
    let not_run = NOT_RUN.iter().find(|row| row.0 == document && command.contains(row.1));
    let answered = ANSWERED.iter().find(|row| row.0 == document && command.contains(row.1));
    match (not_run, answered) {
        (Some(row), _) => Told::NotRun(row.2),
        (None, Some(row)) => Told::Answered(row.2, row.3),
        (None, None) => Told::Yes,
    }
}

/// A row that speaks of no command would hide one that is written later.
#[test]
fn every_exception_is_about_a_command() {
    let rows = NOT_RUN.iter().map(|row| (row.0, row.1));
    let rows = rows.chain(ANSWERED.iter().map(|row| (row.0, row.1)));
    for (document, part) in rows {
        let all: Vec<String> = blocks(&read(document)).0.iter().flat_map(commands).collect();
        let there = all.iter().any(|command| command.contains(part));
        assert!(there, "{document} has no command with {part:?}");
    }
    for (document, _) in PREPARED {
        let any = blocks(&read(document)).0.iter().any(|block| !commands(block).is_empty());
        assert!(any, "{document} has no command");
    }
}

/// Where commands of one document run.
pub struct Desk {
    folder: tempfile::TempDir,
    lab: Lab,
    /// Repository that `registry.example` stands for.
    place: String,
    port: u16,
    digests: BTreeMap<String, String>,
    groups: Vec<rustix::process::Pid>,
    configured: bool,
}

impl Desk {
    /// A desk for a document. A configured one has a configuration that lets sources lie on this machine.
    pub fn new(lab: Lab, document: &str, configured: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "home",
            "work",
            "bin",
            "t",
            "root/etc/bash_completion.d",
            "root/usr/local/share/man/man1",
        ] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let name: String = document
            .to_lowercase()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let stamp = std::process::id();
        let place = format!("{}/docs{stamp}-{name}", lab.get("REGISTRY"));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let desk = Self {
            folder,
            lab,
            place,
            port,
            digests: BTreeMap::new(),
            groups: Vec::new(),
            configured,
        };
        let bin = desk.folder.path().join("bin/hallmark");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_hallmark"), bin).unwrap();
        fs::copy(desk.lab.get("KEY_A"), desk.work().join("cosign.pub")).unwrap();
        desk
    }

    fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Puts the images where commands look for them.
    fn bring(&mut self, text: &str) {
        let named = Regex::new(r"registry\.example/([a-z0-9/_-]+)(?::([\w.-]+))?").unwrap();
        for found in named.captures_iter(text) {
            let (name, tag) = (&found[1], found.get(2).map_or("1", |t| t.as_str()));
            // A pattern of images, as registry.example/team/**, is none.
            if name.ends_with('/') {
                continue;
            }
            if self.digests.contains_key(&format!("{name}:{tag}")) {
                continue;
            }
            let image =
                IMAGES.iter().find(|(n, _)| *n == name).map_or("HONEST", |(_, image)| image);
            let (from, digest) = self.lab.get(image).split_once('@').unwrap();
            let (from, digest) = (from.to_owned(), digest.to_owned());
            let to = format!("{}/{name}", self.place);
            self.copy(&format!("{from}@{digest}"), &format!("{to}:{tag}"));
            let hex = digest.trim_start_matches("sha256:");
            for kind in ["sig", "att"].iter().filter(|_| image != "BARE") {
                let evidence = format!("sha256-{hex}.{kind}");
                self.copy(&format!("{from}:{evidence}"), &format!("{to}:{evidence}"));
            }
            self.digests.insert(format!("{name}:{tag}"), digest.clone());
            self.digests.insert(name.to_owned(), digest);
        }
    }

    fn copy(&self, from: &str, to: &str) {
        let (from, to) = (format!("docker://{from}"), format!("docker://{to}"));
        let plain = ["--src-tls-verify=false", "--dest-tls-verify=false"];
        let arguments =
            [&["copy", "--all", "--preserve-digests"][..], &plain, &[&from, &to]].concat();
        self.lab.tool("skopeo", &arguments);
    }

    /// The command as it is run: with the lab's names and addresses in the place of made-up ones.
    fn real(&self, command: &str) -> String {
        let pinned = Regex::new(r"registry\.example/([a-z0-9/_-]+)@sha256:…").unwrap();
        let text = pinned.replace_all(command, |c: &Captures<'_>| {
            format!("registry.example/{}@{}", &c[1], self.digests[&c[1]])
        });
        // A base of nobody's is one of the images.
        let text = text.replace("registry.example/bases/debian", "registry.example/app:1");
        let text = text.replace("registry.example/", &format!("{}/", self.place));
        let any = self.digests.values().next().map_or("sha256:…", String::as_str);
        let (source, port) = (format!("{}/app.git", self.lab.get("GIT")), self.port.to_string());
        let files = format!("> {}/root/", self.folder.path().display());
        // The lab's registry speaks HTTP.
        let text = text
            .replace("skopeo copy", "skopeo copy --src-tls-verify=false --dest-tls-verify=false")
            .replace("skopeo inspect", "skopeo inspect --tls-verify=false");
        Regex::new(r"https://git\.example/[a-z/]+\.git")
            .unwrap()
            .replace_all(&text, source.as_str())
            .replace("sha256:…", any)
            .replace("8443", &port)
            .replace("> /etc/", &format!("{files}etc/"))
            .replace("> /usr/", &format!("{files}usr/"))
    }

    /// Runs a command as somebody with an empty home does, and gives exit code, standard output and standard error.
    pub fn run(&mut self, command: &str) -> (i32, String, String) {
        self.bring(command);
        let (top, work) = (self.folder.path().to_path_buf(), self.work());
        let path = format!(
            "{}:{}:/usr/sbin:/usr/bin:/bin",
            top.join("bin").display(),
            self.lab.get("PATH")
        );
        let script = format!("set -euo pipefail; fpath=(. .)\n{}", self.real(command));
        let mut call = Command::new("bash");
        call.args(["-c", &script]).current_dir(&work).env_clear().envs(&self.lab.variables);
        call.env("HOME", top.join("home")).env("TMPDIR", top.join("t")).env("PATH", path);
        if self.configured {
            fs::write(top.join("lab.yaml"), near("version: 1\n", self.lab.get("REGISTRY")))
                .unwrap();
            call.env("HALLMARK_CONFIG", top.join("lab.yaml"));
        }
        let (output, errors) = (top.join("stdout"), top.join("stderr"));
        call.stdin(Stdio::null()).stdout(fs::File::create(&output).unwrap());
        call.stderr(fs::File::create(&errors).unwrap()).process_group(0);
        let mut child = call.spawn().unwrap();
        self.groups.push(rustix::process::Pid::from_child(&child));
        let code = child.wait().unwrap().code().unwrap_or(-1);
        // The lab's sources are on this machine, which a configuration has to allow.
        if let Ok(config) = fs::read_to_string(work.join("hallmark.yaml"))
            && !config.contains("privateSources")
        {
            let text = near(&config, self.lab.get("REGISTRY"));
            fs::write(work.join("hallmark.yaml"), text).unwrap();
        }
        let read = |file: &Path| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        (code, read(&output), read(&errors))
    }

    /// A file that a command has written.
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.work().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Text of an answer with the document's own names in it.
    pub fn as_written(&self, text: &str) -> String {
        text.replace(&self.place, "registry.example")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        for group in &self.groups {
            let _ = rustix::process::kill_process_group(*group, rustix::process::Signal::TERM);
        }
    }
}

#[test]
fn every_command_of_every_document_works() {
    let test = "every_command_of_every_document_works";
    let mut wrong = Vec::new();
    let only = std::env::var("HALLMARK_DOCUMENT").unwrap_or_default();
    for document in documents().iter().filter(|d| d.contains(&only) && *d != "README.md") {
        let all: Vec<String> = blocks(&read(document)).0.iter().flat_map(commands).collect();
        if all.is_empty() {
            continue;
        }
        let Some(lab) = Lab::here(test) else { return };
        let mut desk = Desk::new(lab, document, true);
        let prepared = PREPARED.iter().filter(|(d, _)| d == document).map(|(_, script)| *script);
        for script in prepared {
            let (code, said, errors) = desk.run(script);
            if code != 0 {
                wrong.push(format!("{document}: exit {code}\n{script}\n{said}{errors}"));
            }
        }
        for command in &all {
            let wanted = match told(document, command) {
                Told::NotRun(_) => continue,
                Told::Answered(code, _) => code,
                Told::Yes => 0,
            };
            let (code, said, errors) = desk.run(command);
            if code != wanted {
                wrong.push(format!(
                    "{document}: exit {code}, not {wanted}\n$ {command}\n{said}{errors}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A command in a block of another kind would be run by nobody.
#[test]
fn every_block_with_a_command_is_one_of_commands() {
    let told = Regex::new(r"(?m)^(?: {4})?(?:\$ )?hallmark (?:[a-z]+ )?.*(?:--|registry\.example)")
        .unwrap();
    let indented = Regex::new(r"(?m)^ {4}(?:\$ )?hallmark .*").unwrap();
    for document in documents().iter().filter(|d| !d.starts_with("docs/commands/")) {
        let (all, rest) = blocks(&read(document));
        for block in all.iter().filter(|b| !["sh", "console"].contains(&b.language.as_str())) {
            let found = told.find(&block.text).map(|m| m.as_str());
            assert_eq!(found, None, "{document}: a block of {:?} has commands", block.language);
        }
        let found = indented.find(&rest).map(|m| m.as_str().to_owned());
        assert_eq!(found, None, "{document}: an indented block has commands");
    }
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let text = heading.replace('`', "");
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    link.replace_all(&text, "$1")
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let (mut found, mut seen) = (BTreeSet::new(), BTreeMap::new());
    for line in blocks(text).1.lines() {
        let Some(heading) =
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        else {
            continue;
        };
        let name = anchor(heading.trim());
        let count: &mut u32 = seen.entry(name.clone()).or_default();
        found.insert(if *count == 0 { name } else { format!("{name}-{count}") });
        *count += 1;
    }
    found
}

/// Links of a document to files and headings: how many there are, and those that lead nowhere.
fn links(document: &str, text: &str) -> (usize, Vec<String>) {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let code = Regex::new(r"`[^`\n]*`").unwrap();
    // A link's own text may be code; what looks like a link inside code is none.
    let rest = code.replace_all(&blocks(text).1, "code").into_owned();
    let (mut count, mut dead) = (0, Vec::new());
    for target in link.captures_iter(&rest).map(|c| c[1].to_owned()) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        count += 1;
        let (path, place) = target.split_once('#').unwrap_or((&target, ""));
        let folder = root().join(document).parent().unwrap().to_path_buf();
        let file = if path.is_empty() { root().join(document) } else { folder.join(path) };
        let there = || match path.is_empty() {
            true => anchors(text).contains(place),
            false => fs::read_to_string(&file).is_ok_and(|text| anchors(&text).contains(place)),
        };
        if !file.exists() || (!place.is_empty() && !there()) {
            dead.push(target);
        }
    }
    (count, dead)
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for document in documents() {
        let (links, dead) = links(&document, &read(&document));
        assert!(dead.is_empty(), "{document}: {dead:?} lead nowhere");
        count += links;
    }
    assert!(count > 20, "{count} links");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let heading = "# One `thing`\n\n## One thing\n";
    let cases = [
        ("[a](#one-thing)", true),
        ("[a](#one-thing-1)", true),
        ("[a](#one-thing-2)", false),
        ("[a](../README.md#what-a-pass-proves)", true),
        ("[a](../README.md#what-a-pass-prove)", false),
        ("[a](verify.md)", true),
        ("[a](verfy.md)", false),
        ("[a](verify.md#)", true),
        ("[`a`](../docs/policy.md#no-such-heading)", false),
        ("`[a](verfy.md)`", true),
        ("[a](https://example.com/x#y)", true),
    ];
    for (text, good) in cases {
        let dead = links("docs/README.md", &format!("{heading}\n{text}\n")).1;
        assert_eq!(dead.is_empty(), good, "{text}: {dead:?}");
    }
}

/// Every page under `docs` is on the list that begins there.
#[test]
fn every_page_is_listed() {
    let index = read("docs/README.md");
    for document in documents() {
        let Some(page) = document.strip_prefix("docs/").filter(|p| *p != "README.md") else {
            continue;
        };
        let listed = index.contains(&format!("]({page})")) || page.starts_with("commands/");
        assert!(listed, "docs/README.md has no link to {page}");
    }
}

/// What `hallmark COMMAND --help` says, without blanks at the ends of lines.
fn help(command: &[String]) -> String {
    let arguments = command.iter().map(String::as_str).chain(["--help"]);
    let said = Hallmark::new(arguments).run().exits(0).stdout.clone();
    said.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The commands below one, as its help lists them.
fn below(help: &str) -> Vec<String> {
    let list = help.split("\nCommands:\n").nth(1).and_then(|rest| rest.split("\n\n").next());
    let names = list.unwrap_or_default().lines().filter_map(|line| {
        let name = line.strip_prefix("  ").filter(|l| !l.starts_with(' '))?;
        name.split(' ').next()
    });
    names.filter(|name| *name != "help").map(ToOwned::to_owned).collect()
}

/// A help text in parts: what it says, the global options, and the examples.
fn parts(help: &str) -> (String, String, String) {
    let (rest, examples) = help.split_once("\nExamples:\n").unwrap_or((help, ""));
    let (own, global) = rest.split_once("\nGlobal options:\n").unwrap_or((rest, ""));
    let examples: Vec<&str> =
        examples.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
    (
        own.trim_end().to_owned(),
        global.trim_end().to_owned(),
        examples.join("\n").trim_end().to_owned(),
    )
}

fn section(page: &mut String, mark: &str, command: &[String]) {
    let text = help(command);
    let (own, _, examples) = parts(&text);
    let (about, usage) = own.split_once("\n\n").unwrap_or((&own, ""));
    let _ = write!(
        page,
        "{mark} hallmark {}\n\n{about}.\n\n```text\n{usage}\n```\n",
        command.join(" ")
    );
    if !examples.is_empty() {
        let _ = write!(page, "\n```sh\n{examples}\n```\n");
    }
    for name in below(&text) {
        let deeper = [command, &[name]].concat();
        page.push('\n');
        section(page, &format!("{mark}#"), &deeper);
    }
}

/// The pages of `docs/commands`, by file name.
fn pages() -> BTreeMap<String, String> {
    let top = help(&[]);
    let mut pages = BTreeMap::new();
    let mut list = "# Commands\n\nWhat `--help` says of each command.\n\n| command | what it does |\n|---|---|\n".to_owned();
    for name in below(&top) {
        let mut page = String::new();
        section(&mut page, "#", std::slice::from_ref(&name));
        page.push_str("\nOptions of every command are on the [list of commands](README.md#options-of-every-command).\n");
        let about = page.lines().nth(2).unwrap_or_default().trim_end_matches('.').to_owned();
        let _ = writeln!(list, "| [`hallmark {name}`]({name}.md) | {about} |");
        pages.insert(format!("{name}.md"), page);
    }
    let (_, global, _) = parts(&top);
    let (options, codes) = global.split_once("\n\nExit codes:").unwrap_or((&global, ""));
    let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = write!(
        list,
        "\n## Options of every command\n\n```text\n{options}\n```\n\nExit codes: {codes}.\n"
    );
    pages.insert("README.md".to_owned(), list);
    pages
}

#[test]
fn pages_of_commands_are_what_help_says() {
    let folder = root().join("docs/commands");
    let pages = pages();
    if std::env::var_os("HALLMARK_WRITE_DOCS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for (name, page) in &pages {
            fs::write(folder.join(name), page).unwrap();
        }
    }
    let there: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .flatten()
        .map(|f| f.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, pages.keys().cloned().collect(), "docs/commands has a page for each command");
    for (name, page) in pages {
        let written = fs::read_to_string(folder.join(&name)).unwrap();
        assert!(written == page, "docs/commands/{name}: HALLMARK_WRITE_DOCS=1 writes it again");
    }
}

/// An example that is broken by a narrow terminal could not be typed as it stands there.
#[test]
fn examples_fit_sixty_columns() {
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    let mut count = 0;
    while let Some(command) = waiting.pop() {
        let text = help(&command);
        waiting.extend(below(&text).into_iter().map(|name| [&command[..], &[name]].concat()));
        let (_, _, examples) = parts(&text);
        for line in examples.lines() {
            count += 1;
            assert!(line.chars().count() <= 58, "hallmark {}: {line}", command.join(" "));
        }
    }
    assert!(count > 30, "{count} lines");
}

/// Commands in running text are not run; their names and options exist.
#[test]
fn commands_in_running_text_exist() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let option = Regex::new(r"--[a-z][a-z-]+").unwrap();
    let mut waiting: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(command) = waiting.pop() {
        let text = help(&command);
        waiting.extend(below(&text).into_iter().map(|name| [&command[..], &[name]].concat()));
        let options = option.find_iter(&text).map(|m| m.as_str().to_owned());
        known.insert(command.join(" "), options.chain(["--help".to_owned()]).collect());
    }
    let spans = Regex::new(r"`hallmark ([^`]+)`").unwrap();
    let mut count = 0;
    for document in documents() {
        for span in spans.captures_iter(&blocks(&read(&document)).1) {
            let words: Vec<&str> = span[1].split_whitespace().collect();
            let depth =
                (0..=words.len().min(2)).rev().find(|n| known.contains_key(&words[..*n].join(" ")));
            let depth = depth.unwrap_or_default();
            let name = words[..depth].join(" ");
            let flag = words.first().is_some_and(|word| word.starts_with('-'));
            assert!(depth > 0 || flag, "{document}: there is no `hallmark {}`", &span[1]);
            for found in option.find_iter(&span[1]) {
                let there = known[&name].contains(found.as_str()) || found.as_str() == "--version";
                assert!(there, "{document}: `hallmark {name}` has no {}", found.as_str());
            }
            count += 1;
        }
    }
    assert!(count > 30, "{count} commands");
}
