//! `hallmark policy blueprint`: a first blueprint from an image, to be looked at and signed.
//!
//! Gathers what is known of the image as `inspect` does, and writes down its stages, bases, edges and how it starts. Approves nothing:
//! the text is a draft until somebody signs it. Where nobody proved the provenance, that is said.

use super::{
    Answer, Failure,
    args::{Global, PolicyBlueprint},
    context,
};
use crate::{
    attest::blueprint::{
        BUILT_IN, Blueprint, BlueprintEdge, BlueprintImage, BlueprintRuntime, BlueprintSource,
        BlueprintStage, StageRole,
    },
    contents::secrets::{shown_named, shown_words},
    image::RuntimeConfig,
    policy::input::{StagesInput, TakenInput},
    source::PlatformChoice,
    untrusted, verify,
};

/// Runs the command.
pub(super) async fn run(args: &PolicyBlueprint, global: &Global) -> Result<Answer, Failure> {
    let platforms = args.platform.clone().map_or(PlatformChoice::Host, PlatformChoice::One);
    let (config, inquiry) =
        context::inquiry(global, platforms, Some(&args.vouch), "hallmark policy blueprint")?;
    let pinned = context::pin(&args.image, &config, &inquiry.world).await?;
    let opened = verify::open(&pinned, &inquiry.world).await;
    let (source, images) = opened.map_err(|error| Failure::unresolved(error, &args.image))?;
    let Some(image) = images.into_iter().next() else {
        return Err(Failure::usage("the image has no platform"));
    };
    let now = jiff::Timestamp::now();
    let (evidence, _) = verify::gather(&*source, image, &inquiry, now).await;
    let Some(provenance) = evidence.provenance.value() else {
        return Err(Failure::refused("the image has no provenance that could tell its stages"));
    };
    if evidence.provenance.proven().is_none() {
        inquiry
            .world
            .sink
            .line("nobody proved this provenance: look at every line before you sign it");
    }
    let build = StagesInput::built(provenance, &evidence.image.platform);
    if let Some(why) = build.why {
        return Err(Failure::refused(why));
    }
    let runtime = &evidence.image.config.runtime;
    no_secret_in(runtime)?;
    let drafted = Blueprint { runtime: start(runtime), ..draft(build)? };
    let value = serde_json::to_value(&drafted).map_err(|e| Failure::usage(e.to_string()))?;
    // What is written can be read.
    Blueprint::parse(&value).map_err(|error| Failure::refused(error.to_string()))?;
    let text = serde_json::to_string_pretty(&value).map_err(|e| Failure::usage(e.to_string()))?;
    Ok(Answer::data(untrusted::json(&text) + "\n"))
}

fn draft(build: StagesInput) -> Result<Blueprint, Failure> {
    let target = build.target.unwrap_or_default();
    let frontend = build.frontend.map(|frontend| match frontend.kind.as_str() {
        BUILT_IN => vec![BUILT_IN.to_owned()],
        _ => frontend.digests,
    });
    let stages = build.stages.into_iter().map(|stage| {
        let role = if stage.name == target { StageRole::Runtime } else { StageRole::Build };
        Ok(BlueprintStage { name: stage.name, role, base: source(stage.base)? })
    });
    let edges = build
        .edges
        .into_iter()
        .map(|edge| Ok(BlueprintEdge { from: source(edge.from)?, to: edge.to, paths: edge.paths }));
    let tools = build.other_images.into_iter().map(|tool| match source(tool)? {
        BlueprintSource::Image { repository, digests } => {
            Ok(BlueprintImage { repository, digests })
        }
        BlueprintSource::Stage { .. } | BlueprintSource::Scratch => Err(unpinned()),
    });
    Ok(Blueprint {
        stages: stages.collect::<Result<_, Failure>>()?,
        edges: edges.collect::<Result<_, Failure>>()?,
        frontends: frontend.unwrap_or_default(),
        dockerfiles: build.dockerfile.into_iter().collect(),
        tools: tools.collect::<Result<_, Failure>>()?,
        runtime: BlueprintRuntime::default(),
    })
}

fn unpinned() -> Failure {
    Failure::refused("an image that the build took has no digest, so that none can be approved")
}

fn source(taken: TakenInput) -> Result<BlueprintSource, Failure> {
    match (taken.kind.as_str(), taken.stage, taken.repository) {
        ("scratch", ..) => Ok(BlueprintSource::Scratch),
        ("stage", Some(stage), _) => Ok(BlueprintSource::Stage { stage }),
        ("image", _, Some(repository)) if !taken.digests.is_empty() => {
            Ok(BlueprintSource::Image { repository, digests: taken.digests })
        }
        _ => Err(unpinned()),
    }
}

/// Whether a container starts without a secret in its command: everybody who reads a blueprint would read it.
///
/// # Errors
/// Which setting has one.
fn no_secret_in(runtime: &RuntimeConfig) -> Result<(), Failure> {
    let settings = [
        ("ENTRYPOINT", shown_words(&runtime.entrypoint) != runtime.entrypoint),
        ("CMD", shown_words(&runtime.cmd) != runtime.cmd),
        ("USER", shown_named("User", &runtime.user) != runtime.user),
    ];
    match settings.iter().find(|(_, has_secret)| *has_secret) {
        Some((setting, _)) => Err(Failure::refused(format!(
            "the image's {setting} holds a secret, which everybody would read in a blueprint\n  \
             help: hand the secret over when the container starts, as a variable or a mounted file, and draft again from that image"
        ))),
        None => Ok(()),
    }
}

/// How a container of the image starts; of variables and labels the names.
fn start(runtime: &RuntimeConfig) -> BlueprintRuntime {
    let name = |entry: &String| entry.split('=').next().unwrap_or_default().to_owned();
    BlueprintRuntime {
        user: Some(runtime.user.clone()),
        entrypoint: Some(runtime.entrypoint.clone()),
        cmd: Some(runtime.cmd.clone()),
        env: Some(runtime.env.iter().map(name).collect()),
        ports: Some(runtime.exposed_ports.clone()),
        volumes: Some(runtime.volumes.clone()),
        labels: Some(runtime.labels.keys().cloned().collect()),
    }
}
