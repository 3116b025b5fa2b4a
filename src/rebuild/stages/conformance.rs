//! What BuildKit's own frontend makes of hostile Dockerfiles, held against what is read here.
//!
//! `fixtures/dockerfiles/buildkit.jsonl` has a Dockerfile in each line, with the build arguments and the target where there are some,
//! and what `dockerfile2llb` of BuildKit 0.34.2 makes of it for `linux/amd64`: the images that are fetched, the image that
//! the target stands on in the end, and what is copied or mounted, by the image under it and its path. Some were thought up, the others are
//! of 170,000 that a generator made of honest ones, by an instruction, a flag, a continuation, a quotation mark or a directive more.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{StageGraph, StageSource, graph};

const JUDGED: &str = include_str!("../../../fixtures/dockerfiles/buildkit.jsonl");
/// How many of them are read: those that are not are refused.
const READ: usize = 127;

/// The image under a source.
fn under(graph: &StageGraph, source: &StageSource) -> String {
    match source {
        StageSource::Scratch => "scratch".to_owned(),
        StageSource::Image(image) => image.split('@').next().unwrap().to_owned(),
        StageSource::Stage(name) => {
            let stage = graph.stages.iter().find(|stage| stage.name == *name);
            under(graph, &stage.unwrap().base)
        }
    }
}

/// Images, edges and the base of the target, as the table has them.
fn shape(graph: &StageGraph) -> (BTreeSet<String>, BTreeSet<String>, String) {
    let bases = graph.stages.iter().map(|stage| &stage.base);
    let taken = bases.chain(graph.edges.iter().map(|edge| &edge.from));
    let images = taken.filter(|source| matches!(source, StageSource::Image(_)));
    let edges = graph.edges.iter().flat_map(|edge| {
        let from = under(graph, &edge.from);
        edge.paths.iter().map(move |path| format!("{} {from} {path}", edge.kind))
    });
    let edges = edges.filter(|edge| !edge.contains(" scratch "));
    let target = StageSource::Stage(graph.target.clone());
    (images.map(|image| under(graph, image)).collect(), edges.collect(), under(graph, &target))
}

#[test]
fn h80_what_is_read_is_what_buildkit_builds() {
    let mut read = 0;
    for line in JUDGED.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = row["text"].as_str().unwrap();
        let all = |key: &str| -> BTreeSet<String> {
            let all = row[key].as_array().unwrap().iter();
            all.map(|one| one.as_str().unwrap().to_owned()).collect()
        };
        let args: BTreeMap<String, String> =
            serde_json::from_value(row["args"].clone()).unwrap_or_default();
        let platform = "linux/amd64".parse().unwrap();
        if let Ok(graph) = graph(text, row["target"].as_str(), &args, &platform) {
            let want = (all("images"), all("edges"), row["base"].as_str().unwrap().to_owned());
            assert_eq!(shape(&graph), want, "{text}");
            read += 1;
        }
    }
    assert_eq!(read, READ, "of {}", JUDGED.lines().count());
}
