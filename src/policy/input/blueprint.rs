//! What rules see of the stages of a build, and of the blueprint that it is held against.
//!
//! Turns proven provenance and the Dockerfile that it recorded into stages, bases and edges, each image with the digests that a
//! material pins it to. What cannot be known is `unknown` with its reason, never empty.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    attest::{
        blueprint::{BUILT_IN, Blueprint},
        provenance::{Frontend, Material, MaterialKind, Pin, Provenance},
    },
    contents::secrets::{MARK, shown_words},
    digest::Digest,
    image::{Platform, RuntimeConfig},
    rebuild::{
        pins::Base,
        stages::{StageSource, graph},
    },
    reference::Repository,
    trust::ApprovedBuild,
    verdict::Evidence,
};

/// What stands in the place of a secret that the image has not.
const OTHER_SECRET: &str = "[another secret]";

/// What somebody approved of images of this name.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlueprintInput {
    /// The file, as `hallmark.yaml` names it.
    pub file: String,
    /// Who signed it, of those who have to.
    pub signers: Vec<String>,
    /// Digest of the signed payload.
    pub payload: String,
    /// The build that is approved.
    pub approved: Blueprint,
}

/// The stages of the build.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StagesInput {
    /// `known` or `unknown`.
    pub state: String,
    /// Why they are not known.
    pub why: Option<String>,
    /// SHA-256 of the Dockerfile that the provenance recorded.
    pub dockerfile: Option<String>,
    /// What read it; null where that is not known.
    pub frontend: Option<TakenInput>,
    /// The stage that became the image.
    pub target: Option<String>,
    /// The stages that it needs.
    pub stages: Vec<StageInput>,
    /// What is copied or mounted between them.
    pub edges: Vec<EdgeInput>,
    /// Images that the build took beside those in the Dockerfile.
    pub other_images: Vec<TakenInput>,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageInput {
    /// Its name in lower case, or its number, counted from 0.
    pub name: String,
    /// On what it stands.
    pub base: TakenInput,
    /// The line of its `FROM`, counted from 1.
    pub line: usize,
}

/// What is copied or mounted from elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EdgeInput {
    /// From where.
    pub from: TakenInput,
    /// Into which stage.
    pub to: String,
    /// `copy` or `mount`.
    pub kind: String,
    /// Absolute paths, as the Dockerfile has them; they may be patterns.
    pub paths: Vec<String>,
    /// The line, counted from 1.
    pub line: usize,
}

/// An image, a stage, or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TakenInput {
    /// `image`, `stage`, `scratch` or `builtin`, the frontend that is part of BuildKit.
    pub kind: String,
    /// Name of the stage.
    pub stage: Option<String>,
    /// `registry/path` of the image.
    pub repository: Option<String>,
    /// Every digest that its name is pinned to, sorted; none where nothing pins it.
    pub digests: Vec<String>,
}

impl BlueprintInput {
    /// The blueprint that an image is held against.
    pub(super) fn of(approved: &ApprovedBuild, image: &RuntimeConfig) -> Self {
        let mut blueprint = approved.blueprint().clone();
        let runtime = &mut blueprint.runtime;
        hide_secrets(&mut runtime.entrypoint, &image.entrypoint);
        hide_secrets(&mut runtime.cmd, &image.cmd);
        Self {
            file: approved.file().to_owned(),
            signers: approved.signers().to_vec(),
            payload: approved.payload().to_string(),
            approved: blueprint,
        }
    }
}

/// The words of an approved command as rules see those of an image: with a mark in the place of a secret. Whether both are the same is
/// decided by the words themselves, so that another secret is a deviation, and so is the mark where a blueprint holds it.
fn hide_secrets(approved: &mut Option<Vec<String>>, image: &[String]) {
    let Some(words) = approved else { return };
    let shown = shown_words(words);
    let hidden = shown == shown_words(image) && words != image;
    *words = match hidden {
        true => shown.into_iter().map(|word| word.replace(MARK, OTHER_SECRET)).collect(),
        false => shown,
    };
}

impl StagesInput {
    /// The stages of what is proven of the build.
    pub(super) fn of(evidence: &Evidence) -> Self {
        match evidence.provenance.proven() {
            Some(proven) => Self::built(proven.value(), &evidence.image.platform),
            None => Self::unknown("no provenance is proven that could tell the build's stages"),
        }
    }

    /// The stages of a build.
    pub fn built(provenance: &Provenance, platform: &Platform) -> Self {
        Self::read(provenance, platform).unwrap_or_else(|why| Self::unknown(&why))
    }

    fn unknown(why: &str) -> Self {
        Self {
            state: "unknown".to_owned(),
            why: Some(why.to_owned()),
            dockerfile: None,
            frontend: None,
            target: None,
            stages: Vec::new(),
            edges: Vec::new(),
            other_images: Vec::new(),
        }
    }

    fn read(provenance: &Provenance, platform: &Platform) -> Result<Self, String> {
        let text = provenance.dockerfile.as_ref();
        let text = text.ok_or("the provenance has no Dockerfile: build with mode=max")?;
        named_context(provenance)?;
        let mut taken = Taken { materials: &provenance.materials, used: BTreeSet::new() };
        let frontend = match &provenance.frontend {
            Frontend::BuiltIn => TakenInput::bare(BUILT_IN),
            Frontend::Image { reference } => taken.image(reference),
            Frontend::Unknown => {
                return Err("the provenance does not say what read the Dockerfile".into());
            }
        };
        let (target, arguments) = (provenance.target.as_deref(), &provenance.build_args);
        let graph = graph(text, target, arguments, platform);
        let graph = graph.map_err(|error| format!("the Dockerfile cannot be followed: {error}"))?;
        let stages = graph.stages.into_iter().map(|stage| StageInput {
            name: stage.name,
            base: taken.source(&stage.base),
            line: stage.line,
        });
        let stages = stages.collect();
        let edges = graph.edges.into_iter().map(|edge| EdgeInput {
            from: taken.source(&edge.from),
            to: edge.to,
            kind: edge.kind.to_owned(),
            paths: edge.paths,
            line: edge.line,
        });
        let edges = edges.collect();
        Ok(Self {
            state: "known".to_owned(),
            why: None,
            dockerfile: Some(Digest::sha256(text.as_bytes()).to_string()),
            frontend: Some(frontend),
            target: Some(graph.target),
            stages,
            edges,
            other_images: taken.rest(),
        })
    }
}

/// A named context takes the place of a stage or image of its name, and the Dockerfile does not show it.
fn named_context(provenance: &Provenance) -> Result<(), String> {
    let options = provenance.other_options.keys().map(String::as_str);
    let options = options.filter(|key| key.starts_with("context:") || key.starts_with("input"));
    let folders = provenance.local_inputs.iter().map(String::as_str);
    let folders = folders.filter(|name| !matches!(*name, "context" | "dockerfile"));
    match options.chain(folders).next() {
        Some(name) => Err(format!(
            "the build had the named context {:?}, which may stand for a stage or an image",
            name.chars().take(200).collect::<String>()
        )),
        None => Ok(()),
    }
}

impl TakenInput {
    fn bare(kind: &str) -> Self {
        Self { kind: kind.to_owned(), stage: None, repository: None, digests: Vec::new() }
    }
}

/// The images that a build took, and which of them the Dockerfile names.
struct Taken<'m> {
    materials: &'m [Material],
    used: BTreeSet<usize>,
}

impl Taken<'_> {
    fn source(&mut self, source: &StageSource) -> TakenInput {
        match source {
            StageSource::Scratch => TakenInput::bare("scratch"),
            StageSource::Stage(name) => {
                TakenInput { stage: Some(name.clone()), ..TakenInput::bare("stage") }
            }
            StageSource::Image(reference) => self.image(reference),
        }
    }

    /// What a reference means: every material of its name, so that of two that differ neither hides the other.
    fn image(&mut self, reference: &str) -> TakenInput {
        let (name, digest) = reference.split_once('@').unwrap_or((reference, ""));
        let mut digests: BTreeSet<String> = BTreeSet::new();
        digests.extend(digest.parse::<Digest>().ok().map(|digest| digest.to_string()));
        for (index, material) in self.materials.iter().enumerate() {
            let MaterialKind::Image { name, tag, .. } = &material.kind else { continue };
            let Pin::Content(digest) = &material.pin else { continue };
            let base = Base { repository: name.clone(), tag: tag.clone(), digest: digest.clone() };
            if base.answers(reference) {
                digests.insert(digest.to_string());
                self.used.insert(index);
            }
        }
        let bare = match name.rsplit_once(':') {
            Some((left, right)) if !right.contains('/') => left,
            _ => name,
        };
        TakenInput {
            repository: bare.parse::<Repository>().ok().map(|repository| repository.to_string()),
            digests: digests.into_iter().collect(),
            ..TakenInput::bare("image")
        }
    }

    /// Images that no reference means.
    fn rest(&self) -> Vec<TakenInput> {
        let others = self.materials.iter().enumerate().filter(|(at, _)| !self.used.contains(at));
        let images = others.filter_map(|(_, material)| {
            let MaterialKind::Image { name, .. } = &material.kind else { return None };
            let digest = match &material.pin {
                Pin::Content(digest) => Some(digest.to_string()),
                Pin::Commit(_) | Pin::Nothing => None,
            };
            Some(TakenInput {
                repository: Some(name.clone()),
                digests: digest.into_iter().collect(),
                ..TakenInput::bare("image")
            })
        });
        images.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        attest::provenance::Producer,
        trust::{approved::tests::approved, testing::image},
    };

    fn hex(letter: &str) -> String {
        format!("sha256:{}", letter.repeat(64))
    }

    fn material(name: &str, tag: &str, letter: &str) -> Material {
        Material {
            kind: MaterialKind::Image {
                name: name.to_owned(),
                tag: Some(tag.to_owned()),
                platform: None,
            },
            uri: format!("pkg:docker/{name}@{tag}"),
            pin: Pin::Content(hex(letter).parse().unwrap()),
            role: None,
        }
    }

    fn provenance() -> Provenance {
        Provenance {
            dockerfile: Some(
                "FROM golang:1 AS build\nFROM scratch\nCOPY --from=build /a /\n".into(),
            ),
            frontend: Frontend::Image { reference: "docker/dockerfile:1".to_owned() },
            materials: vec![
                material("docker.io/library/golang", "1", "a"),
                material("docker.io/docker/dockerfile", "1", "b"),
            ],
            local_inputs: vec!["context".to_owned(), "dockerfile".to_owned()],
            ..Provenance::empty(Producer::BuildkitV1, "t")
        }
    }

    fn built(provenance: &Provenance) -> StagesInput {
        StagesInput::built(provenance, &"linux/amd64".parse().unwrap())
    }

    #[test]
    fn stages_have_the_digests_that_materials_pin_them_to() {
        let known = built(&provenance());
        assert_eq!((known.state.as_str(), known.why), ("known", None));
        let base = &known.stages[0].base;
        assert_eq!(base.repository.as_deref(), Some("docker.io/library/golang"));
        assert_eq!(base.digests, [hex("a")]);
        assert_eq!(known.stages[1].base.kind, "scratch");
        assert_eq!(known.edges[0].from.stage.as_deref(), Some("build"));
        assert_eq!(known.frontend.unwrap().digests, [hex("b")]);
        assert_eq!((known.target.as_deref(), known.other_images), (Some("1"), vec![]));

        // Neither of two that differ hides the other, and what no line names is there all the same.
        let mut more = provenance();
        more.materials.push(material("docker.io/library/golang", "1", "c"));
        more.materials.push(material("r.example/tool", "1", "d"));
        let known = built(&more);
        assert_eq!(known.stages[0].base.digests, [hex("a"), hex("c")]);
        assert_eq!(known.other_images[0].repository.as_deref(), Some("r.example/tool"));
        more.materials.clear();
        assert!(built(&more).stages[0].base.digests.is_empty());
        more.dockerfile = Some(format!("FROM golang@{}\n", hex("e")));
        assert_eq!(built(&more).stages[0].base.digests, [hex("e")]);
    }

    #[test]
    fn a_secret_in_an_approved_command_is_compared_and_not_shown() {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let secret = |it: &str| words(&["/app", "--token", it]);
        let (first, second) = (
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "ghp_16C7e42F292c6912E7710c838347Ae178B4b",
        );
        let same = |approved: &[String], image: &[String]| {
            let mut approved = Some(approved.to_vec());
            hide_secrets(&mut approved, image);
            let text = format!("{approved:?}");
            assert!(!text.contains("ghp_"), "{text}");
            // What rules compare.
            approved.unwrap() == shown_words(image)
        };
        assert_ne!(shown_words(&secret(first)), secret(first), "it is taken for a secret");
        assert!(same(&secret(first), &secret(first)));
        assert!(!same(&secret(first), &secret(second)), "another secret");
        assert!(!same(&secret(MARK), &secret(first)), "the mark stands for no secret");
        assert!(!same(&words(&["/app"]), &secret(first)));
        assert!(same(&words(&["/app", "x"]), &words(&["/app", "x"])));
        let mut nothing = None;
        hide_secrets(&mut nothing, &secret(first));
        assert_eq!(nothing, None, "nothing is approved of it");
    }

    #[test]
    fn nothing_is_known_of_stages_that_nobody_proved() {
        let evidence = Evidence::of_nothing(image());
        let unknown = StagesInput::of(&evidence);
        assert_eq!(unknown.state, "unknown");
        assert!(unknown.why.unwrap().contains("no provenance is proven"));
        let input = BlueprintInput::of(&approved(), &evidence.image.config.runtime);
        assert_eq!((input.file.as_str(), input.signers), ("app.json", vec!["team".to_owned()]));
        assert_eq!(input.approved.stages.len(), 2);
    }

    #[test]
    fn what_the_dockerfile_does_not_show_makes_the_stages_unknown() {
        type Change = fn(&mut Provenance);
        let cases: [(Change, &str); 6] = [
            (|p| p.dockerfile = None, "mode=max"),
            (|p| p.frontend = Frontend::Unknown, "what read the Dockerfile"),
            (|p| drop(p.other_options.insert("context:build".into(), "x".into())), "named context"),
            (|p| drop(p.other_options.insert("input:x".into(), "x".into())), "named context"),
            (|p| p.local_inputs.push("build".into()), "named context"),
            (|p| p.dockerfile = Some("FROM a\nCOPY --from=$X /a /\n".into()), "line 2"),
        ];
        for (change, words) in cases {
            let mut changed = provenance();
            change(&mut changed);
            let unknown = built(&changed);
            assert_eq!(unknown.state, "unknown");
            assert!(unknown.why.as_ref().unwrap().contains(words), "{unknown:?}");
            assert!(unknown.stages.is_empty());
        }
    }
}
