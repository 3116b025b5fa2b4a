//! The ready-made steps of `deploy/ci`: their shell is taken out of their YAML, and run as each system runs it, with what a
//! stranger may put into a pull request, a branch or a variable.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use regex::Regex;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::{
    layouts::Parts,
    server::{Registry, World},
    support::Lab,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents of a YAML file, in which nothing is read differently by different readers.
fn yaml(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join("deploy/ci").join(path)).unwrap();
    let documents = yaml_serde::Deserializer::from_str(&text);
    let documents = documents.map(|d| yaml_serde::Value::deserialize(d).unwrap());
    let plain = |d| hallmark::json::yaml::plain(&d, hallmark::json::yaml::Form::Settings);
    documents.map(|d| plain(d).unwrap_or_else(|e| panic!("{path}: {e}"))).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

/// Texts that would do something where they became part of a program, or an option; each leaves a file `pwned` then.
const HOSTILE: [&str; 9] = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "'; touch pwned; '",
    "\"; touch pwned; \"",
    "x\ntouch pwned",
    "$(shell touch pwned)",
    "--output=json=pwned",
    "-o",
];

/// A registry with a signed image under `1` and one that nobody signed under `bare`, and a folder to work in.
struct Scene {
    registry: Registry,
    folder: tempfile::TempDir,
}

/// What a step left.
struct Done {
    code: i32,
    said: String,
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        let signed = world.image.clone();
        world.store.tag("1", &signed);
        let other = world.store.image(&Parts::new(&[("bin/app", b"#!/bin/sh\necho other\n")]));
        world.store.tag("bare", &other);
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "work", "bin", "runner"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let key = world.key.write(folder.path());
        fs::rename(key, folder.path().join("work/cosign.pub")).unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_hallmark"),
            folder.path().join("bin/hallmark"),
        )
        .unwrap();
        Self { registry: Registry::honest(world.store), folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a program with these variables and no others but those that every job has.
    fn run(&self, program: &str, arguments: &[&str], variables: &BTreeMap<String, String>) -> Done {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.at("bin").display());
        let output = Command::new(program)
            .args(arguments)
            .current_dir(self.at("work"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.at("home"))
            .envs(variables)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        let said = [output.stdout, output.stderr].concat();
        Done {
            code: output.status.code().unwrap_or(-1),
            said: String::from_utf8_lossy(&said).into_owned(),
        }
    }

    fn json(&self, file: &Path) -> Value {
        let text = fs::read_to_string(self.at("work").join(file))
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// No text of a stranger has become a program or an option.
    #[track_caller]
    fn is_untouched(&self, by: &str) {
        for folder in ["work", "home", "bin", "runner"] {
            assert!(!self.at(folder).join("pwned").exists(), "{by:?} was run");
        }
    }
}

/// A call that runs a system's step with what each input is.
type Step<'a> = &'a dyn Fn(&Scene, &BTreeMap<&str, String>) -> Done;

/// What holds for every system: exit codes, reports, and texts of strangers that stay texts.
fn holds(
    step: Step<'_>,
    code_of: impl Fn(i32) -> i32,
    inputs: &[&str],
    json_file: impl Fn(&Scene) -> PathBuf,
) {
    let scene = Scene::new();
    let (good, bare) = (scene.registry.image("1"), scene.registry.image("bare"));
    let gone = scene.registry.image("gone");
    let key = || ("key", "cosign.pub".to_owned());
    for (images, code) in [
        (good.clone(), 0),
        (format!("{good}\n{good}"), 0),
        (bare.clone(), 1),
        (format!("{good}\n{bare}"), 1),
        (gone, 3),
    ] {
        let done = step(&scene, &BTreeMap::from([key(), ("images", images.clone())]));
        assert_eq!(done.code, code_of(code), "{images}\n{}", done.said);
        let report = scene.json(&json_file(&scene));
        assert_eq!(report["exitCode"], code, "{report:#}");
    }
    // Half an identity, or a key that is not there, is a mistake and no pass.
    let half = BTreeMap::from([("identity", "a@x.example".to_owned()), ("images", good.clone())]);
    let done = step(&scene, &half);
    assert_eq!(done.code, code_of(2), "{}", done.said);
    assert!(done.said.contains("--certificate-oidc-issuer"), "{}", done.said);
    for text in HOSTILE {
        for input in inputs {
            let mut given = BTreeMap::from([key(), ("images", good.clone())]);
            given.insert(input, text.to_owned());
            let done = step(&scene, &given);
            assert_ne!(done.code, 0, "{input} is {text:?}\n{}", done.said);
            scene.is_untouched(text);
        }
    }
}

const INPUTS: [&str; 7] = ["images", "key", "identity", "issuer", "root", "config", "policy"];

/// The variables of a step by what its inputs are, `${{ inputs.NAME }}` or `$[[ inputs.NAME ]]`.
fn variables(
    of: &Value,
    opening: &str,
    closing: &str,
    given: &BTreeMap<&str, String>,
) -> BTreeMap<String, String> {
    let names = BTreeMap::from([
        ("identity", ["certificate-identity", "certificate_identity"]),
        ("issuer", ["certificate-oidc-issuer", "certificate_oidc_issuer"]),
        ("root", ["trusted-root", "trusted_root"]),
    ]);
    let mut found = BTreeMap::new();
    for (variable, value) in of.as_object().unwrap() {
        let input =
            value.as_str().unwrap().strip_prefix(opening).and_then(|v| v.strip_suffix(closing));
        let input =
            input.unwrap_or_else(|| panic!("{variable} is {value}: one input and nothing else"));
        let kind =
            names.iter().find(|(_, all)| all.contains(&input)).map_or(input, |(kind, _)| kind);
        found.insert(variable.clone(), given.get(kind).cloned().unwrap_or_default());
    }
    found
}

/// A step of the composite action, as the runner starts it: `bash --noprofile --norc -eo pipefail FILE`.
fn github(scene: &Scene, at: usize, given: &BTreeMap<&str, String>) -> Done {
    let action = &yaml("github/action.yml")[0];
    let step = &action["runs"]["steps"][at];
    assert_eq!(step["shell"], "bash");
    let file = scene.at("runner/step.sh");
    fs::write(&file, text(step, "/run")).unwrap();
    let mut all = variables(&step["env"], "${{ inputs.", " }}", given);
    for name in ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"] {
        let file = scene.at("runner").join(name);
        fs::write(&file, "").unwrap();
        all.insert(name.to_owned(), file.display().to_string());
    }
    all.insert("RUNNER_TEMP".to_owned(), scene.at("runner").display().to_string());
    all.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    let file = file.display().to_string();
    scene.run("bash", &["--noprofile", "--norc", "-eo", "pipefail", &file], &all)
}

/// The outputs that a step has set.
fn outputs(scene: &Scene) -> BTreeMap<String, String> {
    let text = fs::read_to_string(scene.at("runner/GITHUB_OUTPUT")).unwrap();
    let lines = text.lines().map(|line| line.split_once('=').unwrap());
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_action_of_github_verifies() {
    let step = |scene: &Scene, given: &BTreeMap<&str, String>| github(scene, 1, given);
    holds(&step, |code| code, &INPUTS, |scene| PathBuf::from(&outputs(scene)["json"]));
    let scene = Scene::new();
    let given = |tag: &str| {
        let image = scene.registry.image(tag);
        BTreeMap::from([("key", "cosign.pub".to_owned()), ("images", image)])
    };
    let done = step(&scene, &given("bare"));
    assert!(done.said.contains("::error title=hallmark"), "{}", done.said);
    let outputs = outputs(&scene);
    assert_eq!(outputs["exit-code"], "1");
    assert_eq!(scene.json(Path::new(&outputs["sarif"]))["version"], "2.1.0");
    assert!(fs::read_to_string(&outputs["junit"]).unwrap().contains("<testsuite "));
    let summary = fs::read_to_string(scene.at("runner/GITHUB_STEP_SUMMARY")).unwrap();
    assert!(summary.contains("hallmark verify: FAIL"), "{summary}");
}

/// The first step of the action takes a program by digest alone.
#[test]
fn the_action_of_github_takes_no_program_by_tag() {
    let scene = Scene::new();
    let digest = format!("sha256:{}", "0".repeat(64));
    for named in HOSTILE.into_iter().chain([
        "registry.example/hallmark:1",
        &format!("registry.example/hallmark@{}", &digest[..70]),
        &format!("-v/:/@{digest}"),
        &format!("registry.example/hallmark@{digest} --privileged"),
    ]) {
        let done = github(&scene, 0, &BTreeMap::from([("hallmark-image", named.to_owned())]));
        assert_eq!(done.code, 2, "{named}\n{}", done.said);
        assert!(done.said.starts_with("::error title=hallmark::"), "{}", done.said);
        scene.is_untouched(named);
    }
}

/// The program comes out of an image that a daemon has fetched.
#[test]
fn the_action_of_github_takes_the_program_out_of_its_image() {
    let test = "the_action_of_github_takes_the_program_out_of_its_image";
    let Some(lab) = Lab::here(test) else { return };
    let scene = Scene::new();
    let program = scene.at("work/hallmark");
    fs::write(&program, "#!/bin/sh\necho the program\n").unwrap();
    fs::write(scene.at("work/Dockerfile"), "FROM scratch\nCOPY --chmod=755 hallmark /usr/bin/hallmark\nENTRYPOINT [\"/usr/bin/hallmark\"]\n").unwrap();
    let name = format!("{}/pipelines/hallmark", lab.get("REGISTRY"));
    let folder = scene.at("work").display().to_string();
    let output = format!("type=image,name={name}:1,push=true");
    lab.tool("docker", &["buildx", "build", "--provenance=false", "--output", &output, &folder]);
    let raw = lab.tool(
        "skopeo",
        &[
            "inspect",
            "--tls-verify=false",
            "--format",
            "{{.Digest}}",
            &format!("docker://{name}:1"),
        ],
    );
    let docker = lab.tool("sh", &["-c", "command -v docker"]);
    let script = format!(
        "#!/bin/sh\nDOCKER_HOST='{}' exec '{}' \"$@\"\n",
        lab.get("DOCKER_HOST"),
        docker.trim()
    );
    fs::write(scene.at("bin/docker"), script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scene.at("bin/docker"), mode).unwrap();
    let image = format!("{name}@{}", raw.trim());
    let done = github(&scene, 0, &BTreeMap::from([("hallmark-image", image)]));
    assert_eq!(done.code, 0, "{}", done.said);
    let path = fs::read_to_string(scene.at("runner/GITHUB_PATH")).unwrap();
    let taken = fs::read_to_string(Path::new(path.trim()).join("hallmark")).unwrap();
    assert!(taken.ends_with("echo the program\n"), "{taken}");
}

/// The job of the component, as a runner starts it: variables, and the script by the shell of its image.
fn gitlab(scene: &Scene, given: &BTreeMap<&str, String>) -> Done {
    let job = &yaml("gitlab/templates/verify.yml")[1]["$[[ inputs.job_name ]]"];
    let mut all = variables(&job["variables"], "$[[ inputs.", " ]]", given);
    all.insert("CI".to_owned(), "true".to_owned());
    all.insert("CI_REGISTRY".to_owned(), "registry.example".to_owned());
    all.insert("CI_REGISTRY_USER".to_owned(), "gitlab-ci-token".to_owned());
    all.insert("CI_REGISTRY_PASSWORD".to_owned(), "a \"secret".to_owned());
    all.insert("TMPDIR".to_owned(), scene.at("runner").display().to_string());
    if let Some(auth) = given.get("auth") {
        all.insert("DOCKER_AUTH_CONFIG".to_owned(), auth.clone());
    }
    scene.run("sh", &["-e", "-c", text(job, "/script/0")], &all)
}

#[test]
fn the_component_of_gitlab_verifies() {
    holds(&gitlab, |code| code, &INPUTS, |_| PathBuf::from("hallmark.json"));
    let scene = Scene::new();
    let image = scene.registry.image("bare");
    let given = BTreeMap::from([
        ("key", "cosign.pub".to_owned()),
        ("images", image),
        ("auth", json!({"auths": {}}).to_string()),
    ]);
    let done = gitlab(&scene, &given);
    assert_eq!(done.code, 1, "{}", done.said);
    assert!(done.said.contains("FAIL"), "{}", done.said);
    let job = &yaml("gitlab/templates/verify.yml")[1]["$[[ inputs.job_name ]]"];
    let quality = scene.json(Path::new(text(job, "/artifacts/reports/codequality")));
    assert_eq!(quality[0]["severity"], "critical", "{quality:#}");
    let junit = scene.at("work").join(text(job, "/artifacts/reports/junit"));
    assert!(fs::read_to_string(junit).unwrap().contains("<testsuite "));
    assert_eq!(job["artifacts"]["when"], "always");
    let scanning = Path::new(text(job, "/artifacts/reports/container_scanning"));
    assert!(!scene.at("work").join(scanning).exists(), "nobody asked for it");
    let mut given = given;
    given.insert("container_scanning", "yes".to_owned());
    gitlab(&scene, &given);
    assert_eq!(scene.json(scanning)["scan"]["type"], "container_scanning");
    // Credentials are gone with the job.
    let left: Vec<_> =
        fs::read_dir(scene.at("runner")).unwrap().flatten().map(|f| f.path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The task's step, with parameters and workspaces in the place of their names, as Tekton puts them.
fn tekton(scene: &Scene, given: &BTreeMap<&str, String>) -> Done {
    let task = &yaml("tekton/verify.yaml")[0];
    let step = &task["spec"]["steps"][0];
    assert_eq!(step["command"], json!(["/usr/bin/hallmark"]), "no shell");
    let lines =
        |name: &str| given.get(name).map(|t| t.lines().map(ToOwned::to_owned).collect::<Vec<_>>());
    let mut options = Vec::new();
    for (name, option) in [
        ("key", "--key"),
        ("identity", "--certificate-identity"),
        ("issuer", "--certificate-oidc-issuer"),
        ("root", "--trusted-root"),
        ("config", "--config"),
        ("policy", "--policy"),
    ] {
        options.extend(given.get(name).map(|value| format!("{option}={value}")));
    }
    let images = lines("images").unwrap_or_default();
    let mut arguments = Vec::new();
    for argument in step["args"].as_array().unwrap() {
        match argument.as_str().unwrap() {
            "$(params.options[*])" => arguments.extend(options.iter().cloned()),
            "$(params.images[*])" => arguments.extend(images.iter().cloned()),
            other => arguments.push(other.replace("$(workspaces.reports.path)", ".")),
        }
    }
    assert!(
        arguments.iter().all(|a| !a.contains("$(params.") && !a.contains("$(workspaces.")),
        "{arguments:?}"
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let program = scene.at("bin/hallmark").display().to_string();
    scene.run(&program, &arguments, &BTreeMap::new())
}

#[test]
fn the_task_of_tekton_verifies() {
    // One image alone has a document without an exit code of its own, so the images are given twice.
    let twice = |scene: &Scene, given: &BTreeMap<&str, String>| {
        let mut given = given.clone();
        let images = given["images"].clone();
        given.insert("images", format!("{images}\n{images}"));
        tekton(scene, &given)
    };
    holds(&twice, |code| code, &INPUTS, |_| PathBuf::from("hallmark.json"));
    let task = &yaml("tekton/verify.yaml")[0];
    let context = &task["spec"]["steps"][0]["securityContext"];
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
}

/// `make verify-images`, with values from the command line, which make would expand.
fn make(scene: &Scene, given: &BTreeMap<&str, String>) -> Done {
    let fragment = root().join("deploy/ci/hallmark.mk");
    fs::write(scene.at("work/Makefile"), format!("include {}\n", fragment.display())).unwrap();
    let names = [
        ("images", "HALLMARK_IMAGES"),
        ("key", "HALLMARK_KEY"),
        ("identity", "HALLMARK_IDENTITY"),
        ("issuer", "HALLMARK_ISSUER"),
        ("config", "HALLMARK_YAML"),
        ("policy", "HALLMARK_POLICY"),
    ];
    let values = names.iter().filter_map(|(name, variable)| Some((*variable, given.get(name)?)));
    let words: Vec<String> =
        values.clone().map(|(variable, value)| format!("{variable}={value}")).collect();
    let mut arguments = vec!["verify-images"];
    arguments.extend(words.iter().map(String::as_str));
    let told = scene.run("make", &arguments, &BTreeMap::new());
    // The environment says the same.
    let environment =
        values.map(|(variable, value)| (variable.to_owned(), value.clone())).collect();
    let inherited = scene.run("make", &["verify-images"], &environment);
    assert_eq!(told.code, inherited.code, "{}\n{}", told.said, inherited.said);
    told
}

#[test]
fn the_fragment_of_make_verifies() {
    let inputs: Vec<&str> = INPUTS.into_iter().filter(|input| *input != "root").collect();
    let code = |code| if code == 0 { 0 } else { 2 };
    holds(&make, code, &inputs, |_| PathBuf::from("hallmark-reports/hallmark.json"));
}

#[test]
fn the_fragment_of_make_names_the_variable_that_lists_nothing() {
    let scene = Scene::new();
    for images in ["", " \n"] {
        let done = make(&scene, &BTreeMap::from([("images", images.to_owned())]));
        assert!(
            done.code != 0 && done.said.contains("HALLMARK_IMAGES names no image"),
            "{}",
            done.said
        );
    }
}

/// What each file may not hold, whatever else it does.
#[test]
fn steps_take_nothing_unpinned_and_put_no_input_into_shell() {
    let digest = Regex::new(r"@sha256:[0-9a-f]{64}$").unwrap();
    let commit = Regex::new(r"@[0-9a-f]{40}$").unwrap();
    fn walk(value: &Value, key: &str, found: &mut Vec<(String, String)>) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, v)| walk(v, name, found)),
            Value::Array(items) => items.iter().for_each(|v| walk(v, key, found)),
            Value::String(text) => found.push((key.to_owned(), text.clone())),
            _ => {}
        }
    }
    let files = ["github/action.yml", "gitlab/templates/verify.yml", "tekton/verify.yaml"];
    let mut scripts = 0;
    for file in files {
        let mut texts = Vec::new();
        yaml(file).iter().for_each(|document| walk(document, "", &mut texts));
        for (key, text) in texts {
            match key.as_str() {
                "run" | "script" => {
                    scripts += 1;
                    for part in ["${{", "$[[", "$(params", "$(workspaces", "curl", "wget", "eval"] {
                        assert!(!text.contains(part), "{file}: {part} in {text}");
                    }
                }
                "uses" => assert!(commit.is_match(&text), "{file}: {text}"),
                "image" => assert!(digest.is_match(&text), "{file}: {text}"),
                _ => {}
            }
        }
    }
    assert_eq!(scripts, 3);
    // GitLab's job has its image from an input, which names a digest or is refused.
    let inputs = &yaml("gitlab/templates/verify.yml")[0]["spec"]["inputs"];
    let pattern = Regex::new(text(inputs, "/hallmark_image/regex")).unwrap();
    assert!(pattern.is_match(&format!("r.example/hallmark@sha256:{}", "0".repeat(64))));
    for wrong in ["r.example/hallmark:1", "r.example/hallmark", "r.example/hallmark@sha256:00"] {
        assert!(!pattern.is_match(wrong), "{wrong}");
    }
    let dockerfile = fs::read_to_string(root().join("deploy/ci/Dockerfile")).unwrap();
    let bases: Vec<&str> = dockerfile.lines().filter(|l| l.starts_with("FROM ")).collect();
    assert_eq!(bases, ["FROM ${HALLMARK} AS hallmark", "FROM ${BASE}"]);
}
