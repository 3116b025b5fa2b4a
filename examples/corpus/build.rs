//! Real builders, each fed a case.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::Value;

use crate::{
    Outcome,
    case::{Attested, Build, Builder, Context, MediaTypes, Network},
    lab::{EPOCH, Lab, Repository},
};

/// The builders that are here, and BuildKit's daemon while this lives.
pub(crate) struct Builders<'a> {
    lab: &'a Lab,
    buildkitd: Option<Daemon>,
}

struct Daemon {
    child: Child,
    address: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").arg(id).status();
        let _ = self.child.wait();
    }
}

fn here(program: &str) -> bool {
    hallmark::engine::host::find_program(program).is_some()
}

impl<'a> Builders<'a> {
    pub(crate) fn start(lab: &'a Lab) -> Outcome<Builders<'a>> {
        let buildkitd = (here("buildkitd") && here("buildctl")).then(|| start(lab)).transpose()?;
        if let Some(daemon) = buildkitd.as_ref().filter(|_| here("dockerfile-frontend")) {
            publish_frontend(lab, daemon)?;
        }
        lab.publish("library", "library")?;
        Ok(Builders { lab, buildkitd })
    }

    /// Says what a build would need and this machine does not have.
    pub(crate) fn suffice(&self, build: &Build) -> Result<(), &'static str> {
        match build.builder {
            Builder::Buildkitd if self.buildkitd.is_none() => Err("no buildkitd"),
            Builder::Buildah if !here("buildah") => Err("no buildah"),
            _ if build.dockerfile.starts_with("syntax") && !here("dockerfile-frontend") => {
                Err("no dockerfile-frontend")
            }
            _ => Ok(()),
        }
    }

    /// Builds and publishes.
    pub(crate) fn make(&self, name: &str, build: &Build) -> Outcome<()> {
        let repository = self.lab.publish(&build.source, name)?;
        if build.afterwards.is_some() {
            self.lab.own_base(name)?;
            let http = self.lab.corpus.join("http");
            fs::copy(http.join("tool.txt"), http.join(format!("{name}.txt")))?;
        }
        let layout = self.lab.layout(name);
        let _ = fs::remove_dir_all(&layout);
        fs::create_dir_all(&layout)?;
        match (build.builder, build.media_types) {
            (Builder::Buildah, _) => return self.buildah(name, build, &repository),
            (Builder::Docker, _) => self.buildx(name, build, &repository)?,
            (Builder::Buildkitd, MediaTypes::Oci) => {
                self.buildctl(build, &repository, &self.oci(name), true, name)?;
            }
            (Builder::Buildkitd, MediaTypes::Docker) => {
                return self.docker_types(name, build, &repository);
            }
        }
        let _ = fs::remove_dir(layout.join("ingest"));
        self.lab.push(name)
    }

    fn buildctl(
        &self,
        build: &Build,
        repository: &Repository,
        output: &str,
        attested: bool,
        case: &str,
    ) -> Outcome<()> {
        let daemon = self.buildkitd.as_ref().ok_or("no buildkitd")?;
        let mut command = Command::new("buildctl");
        command.args(["--addr", &daemon.address, "build", "--progress=plain", "--no-cache"]);
        command.arg("--frontend=dockerfile.v0").env_remove("SOURCE_DATE_EPOCH");
        let mut options = vec![("filename".to_owned(), build.dockerfile.clone())];
        match build.context {
            Context::Git | Context::Archive | Context::Dockerfile => {
                options.push(("context".to_owned(), self.context(build, repository, case)?));
            }
            Context::Local => {
                for name in ["context", "dockerfile"] {
                    command.arg("--local").arg(format!("{name}={}", repository.tree.display()));
                }
            }
        }
        match build.network {
            Network::None => options.push(("force-network-mode".to_owned(), "none".to_owned())),
            Network::Host => {
                options.push(("force-network-mode".to_owned(), "host".to_owned()));
                command.args(["--allow", "network.host"]);
            }
            Network::Default => {}
        }
        if !build.platforms.is_empty() {
            options.push(("platform".to_owned(), build.platforms.join(",")));
        }
        options.extend(build.target.iter().map(|target| ("target".to_owned(), target.clone())));
        let arguments = self.arguments(build, case)?;
        options.extend(arguments.into_iter().map(|(k, v)| (format!("build-arg:{k}"), v)));
        options.extend(build.labels.iter().map(|(k, v)| (format!("label:{k}"), v.clone())));
        for (key, value) in &build.options {
            options.push((key.clone(), self.lab.fill(value, case)?));
        }
        if attested {
            options
                .push(("attest:provenance".to_owned(), attestation(build.provenance).to_owned()));
        }
        for (key, value) in options {
            command.arg("--opt").arg(format!("{key}={value}"));
        }
        if build.secret {
            command
                .arg("--secret")
                .arg(format!("id=token,src={}", self.lab.work.join("empty").display()));
        }
        command.arg("--output").arg(format!("{output}{}", exporter(build)));
        self.lab.finish(&mut command)?;
        Ok(())
    }

    fn arguments(&self, build: &Build, case: &str) -> Outcome<Vec<(String, String)>> {
        let epoch = build.epoch.then(|| ("SOURCE_DATE_EPOCH".to_owned(), EPOCH.to_owned()));
        let mut arguments: Vec<(String, String)> = epoch.into_iter().collect();
        for (name, value) in &build.args {
            arguments.push((name.clone(), self.lab.fill(value, case)?));
        }
        Ok(arguments)
    }

    /// What the builder is given, made where it is a file to download.
    fn context(&self, build: &Build, repository: &Repository, case: &str) -> Outcome<String> {
        let http = self.lab.corpus.join("http");
        match build.context {
            Context::Git => {
                // A branch that moves is given by its name, as people do.
                let moves = build.afterwards == Some(crate::case::Afterwards::BranchMoves);
                let reference = if moves { "main" } else { &repository.commit };
                let folder = build.folder.as_ref().map(|f| format!(":{f}")).unwrap_or_default();
                Ok(format!("{}#{reference}{folder}", repository.url))
            }
            Context::Local => Ok(repository.tree.to_string_lossy().into_owned()),
            Context::Archive => {
                let mut git = Command::new("git");
                git.arg("-C").arg(&repository.tree).args(["archive", "--format=tar.gz"]);
                git.arg("--output").arg(http.join(format!("{case}.tar.gz")));
                self.lab.finish(git.arg(&repository.commit))?;
                Ok(format!("http://{}/{case}.tar.gz", self.lab.http))
            }
            Context::Dockerfile => {
                let from = repository.tree.join(&build.dockerfile);
                fs::copy(from, http.join(format!("{case}.Dockerfile")))?;
                Ok(format!("http://{}/{case}.Dockerfile", self.lab.http))
            }
        }
    }

    fn buildx(&self, name: &str, build: &Build, repository: &Repository) -> Outcome<()> {
        let mut command = Command::new("docker");
        command.args(["buildx", "build", "--progress=plain", "--no-cache"]);
        command.env_remove("SOURCE_DATE_EPOCH");
        command.arg("--network").arg(match build.network {
            Network::None => "none",
            Network::Default => "default",
            Network::Host => "host",
        });
        command.arg("--attest").arg(format!(
            "type=provenance,{}",
            match build.provenance {
                Attested::Min => "mode=min",
                _ => "mode=max",
            }
        ));
        for (name, value) in self.arguments(build, name)? {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        for (name, value) in &build.labels {
            command.arg("--label").arg(format!("{name}={value}"));
        }
        if let Some(target) = &build.target {
            command.args(["--target", target]);
        }
        if !build.platforms.is_empty() {
            command.arg("--platform").arg(build.platforms.join(","));
        }
        for (key, value) in &build.options {
            let name = key
                .strip_prefix("context:")
                .ok_or("docker: named contexts are the only options")?;
            command.arg("--build-context").arg(format!("{name}={}", self.lab.fill(value, "")?));
        }
        // Within the context, unless that is on the disk.
        if build.context == Context::Local {
            command.arg("--file").arg(repository.tree.join(&build.dockerfile));
        } else {
            command.args(["--file", &build.dockerfile]);
        }
        command.arg("--output").arg(format!("{}{}", self.oci(name), exporter(build)));
        command.arg(self.context(build, repository, name)?);
        self.lab.finish(&mut command)?;
        Ok(())
    }

    /// An image without a name would get statements without a subject.
    fn oci(&self, name: &str) -> String {
        let (layout, repository) = (self.lab.layout(name), self.lab.repository(name));
        format!("type=oci,tar=false,dest={},name={repository}:1", layout.display())
    }

    /// Published without attestations; those of a second build are attached to it.
    fn docker_types(&self, name: &str, build: &Build, repository: &Repository) -> Outcome<()> {
        let target = self.lab.repository(name);
        let push = format!("type=image,push=true,oci-mediatypes=false,name={target}:1");
        self.buildctl(build, repository, &push, false, name)?;
        let layout = self.lab.layout(name);
        self.buildctl(build, repository, &self.oci(name), true, name)?;
        let statement = provenance_in(&layout)?;
        let predicate = self.lab.work.join("predicate.json");
        fs::write(&predicate, statement["predicate"].to_string())?;
        let key = self.lab.work.join("key");
        if !key.with_extension("key").is_file() {
            let prefix = key.to_string_lossy().into_owned();
            let arguments = ["generate-key-pair", "--output-key-prefix", &prefix];
            self.lab.finish(Command::new("cosign").args(arguments).env("COSIGN_PASSWORD", ""))?;
        }
        let mut command = Command::new("cosign");
        command.args(["attest", "--tlog-upload=false", "--allow-http-registry"]);
        command.args(["--allow-insecure-registry", "-y"]).env("COSIGN_PASSWORD", "");
        command.arg("--key").arg(key.with_extension("key")).arg("--predicate").arg(&predicate);
        command.arg("--type").arg(statement["predicateType"].as_str().unwrap_or_default());
        command.arg(self.lab.reference(name)?.trim());
        self.lab.finish(&mut command)?;
        Ok(())
    }

    /// buildah records nothing: hallmark writes down what was built from what, and puts it into the image.
    fn buildah(&self, name: &str, build: &Build, repository: &Repository) -> Outcome<()> {
        let docker = build.media_types == MediaTypes::Docker;
        let tag = format!("{}:1", self.lab.repository(name));
        let mut command = Command::new("buildah");
        command.args(["bud", "--no-cache", "--network=none", "--isolation=oci", "--runtime=runc"]);
        command.args(["--format", if docker { "docker" } else { "oci" }, "--tag", &tag]);
        command.arg(format!("--layers={}", build.layers)).env_remove("SOURCE_DATE_EPOCH");
        if build.rewrite {
            command.args(["--timestamp", EPOCH]);
        }
        let arguments = self.arguments(build, name)?;
        for (name, value) in &arguments {
            command.arg("--build-arg").arg(format!("{name}={value}"));
        }
        command.arg("--file").arg(repository.tree.join(&build.dockerfile)).arg(&repository.tree);
        self.lab.finish(&mut command)?;

        let layout = self.lab.layout(name);
        let image = format!("oci:{}:1", layout.display());
        self.lab.run("buildah", ["push", &tag, &image])?;
        let manifest = self.lab.work.join("manifest.json");
        let config = self.lab.work.join("hallmark.yaml");
        let hallmark = || {
            let mut command = Command::new(&self.lab.hallmark);
            command.arg("--config").arg(&config).arg("provenance");
            command
        };
        let version = self.lab.run("buildah", ["--version"])?;
        let version = version.split_whitespace().nth(2).unwrap_or_default();
        let mut create = hallmark();
        create.args([
            "create",
            &image,
            "--source",
            &repository.url,
            "--network=none",
            "--epoch",
            EPOCH,
        ]);
        create.arg("--checkout").arg(&repository.tree).arg("--dockerfile").arg(&build.dockerfile);
        create.args(["--engine", &format!("buildah={version}")]);
        create.args(["--exporter", &format!("layers={}", build.layers)]);
        create.args(["--exporter", &format!("rewriteTimestamp={}", build.rewrite)]);
        for (name, value) in &arguments {
            create.arg("--build-arg").arg(format!("{name}={value}"));
            if value.contains("@sha256:") {
                create.args(["--base", value]);
            }
        }
        self.lab.finish(create.arg("--output").arg(&manifest))?;
        self.lab.finish(hallmark().args(["embed", &image]).arg(&manifest))?;
        self.lab.push(name)
    }
}

fn start(lab: &Lab) -> Outcome<Daemon> {
    let folder = lab.work.join("buildkit");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let overlay = hallmark::engine::host::is_on_overlay(&folder);
    let snapshotter = if overlay { "native" } else { "overlayfs" };
    let config = format!(
        "insecure-entitlements = [\"network.host\"]\n\
         [worker.oci]\nenabled = true\nnetworkMode = \"host\"\nsnapshotter = \"{snapshotter}\"\n\
         [worker.containerd]\nenabled = false\n[registry.\"{}\"]\nhttp = true\ninsecure = true\n",
        lab.registry
    );
    let file = folder.join("buildkitd.toml");
    fs::write(&file, config)?;
    let address = format!("unix://{}", folder.join("s").display());
    let log = fs::File::create(folder.join("log"))?;
    let mut command = Command::new("buildkitd");
    command.arg("--config").arg(file).arg("--root").arg(folder.join("root"));
    command.args(["--addr", &address]).stdin(Stdio::null());
    let child = command.stdout(log.try_clone()?).stderr(log).spawn()?;
    let daemon = Daemon { child, address };
    for _ in 0..300 {
        let workers = lab.run("buildctl", ["--addr", &daemon.address, "debug", "workers"]);
        if workers.is_ok() {
            return Ok(daemon);
        }
        sleep(Duration::from_millis(100));
    }
    Err("buildkitd did not start".into())
}

/// A frontend image, from the program that BuildKit's own is made of.
fn publish_frontend(lab: &Lab, daemon: &Daemon) -> Outcome<()> {
    let program =
        hallmark::engine::host::find_program("dockerfile-frontend").ok_or("no frontend")?;
    let context = lab.work.join("frontend");
    fs::create_dir_all(&context)?;
    fs::copy(program, context.join("dockerfile-frontend"))?;
    let text = "FROM scratch\nCOPY dockerfile-frontend /bin/dockerfile-frontend\n\
        LABEL moby.buildkit.frontend.network.none=true\nENTRYPOINT [\"/bin/dockerfile-frontend\"]\n";
    fs::write(context.join("Dockerfile"), text)?;
    let mut command = Command::new("buildctl");
    command.args(["--addr", &daemon.address, "build", "--frontend=dockerfile.v0"]);
    for name in ["context", "dockerfile"] {
        command.arg("--local").arg(format!("{name}={}", context.display()));
    }
    let image = format!("type=image,push=true,name={}/base/dockerfile:1", lab.registry);
    lab.finish(command.arg("--output").arg(image))?;
    Ok(())
}

fn exporter(build: &Build) -> String {
    let rewrite = if build.rewrite { ",rewrite-timestamp=true" } else { "" };
    let compression = build.compression.as_ref().map(|c| format!(",compression={c}"));
    let more: String = build.exporter.iter().map(|(k, v)| format!(",{k}={v}")).collect();
    format!("{rewrite}{}{more}", compression.unwrap_or_default())
}

fn attestation(attested: Attested) -> &'static str {
    match attested {
        Attested::V1 => "mode=max,version=v1",
        Attested::V02 => "mode=max,version=v0.2",
        Attested::Min => "mode=min,version=v1",
    }
}

/// The provenance that BuildKit put beside the image in a layout.
fn provenance_in(layout: &Path) -> Outcome<Value> {
    let blob = |descriptor: &Value| -> Outcome<Value> {
        let digest = descriptor["digest"].as_str().ok_or("no digest")?.replace("sha256:", "");
        let file: PathBuf = layout.join("blobs/sha256").join(digest);
        Ok(serde_json::from_slice(&fs::read(file)?)?)
    };
    let root: Value = serde_json::from_slice(&fs::read(layout.join("index.json"))?)?;
    let index = blob(&root["manifests"][0])?;
    let manifests = index["manifests"].as_array().ok_or("no index")?;
    let kind = |m: &&Value| m["annotations"]["vnd.docker.reference.type"] == "attestation-manifest";
    let manifest = blob(manifests.iter().find(kind).ok_or("no attestations")?)?;
    blob(&manifest["layers"][0])
}
