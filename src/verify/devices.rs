//! Device nodes of a published image that its rebuild lacks.
//!
//! A builder with numbers of its own makes no device nodes: a step that makes one fails, and those of bases and archives are left out
//! without a word. Turns a comparison in which nothing else differs into what can be told of it: a difference, as any other, where
//! the inputs that the builder was given hold no such node and nothing unpacks an archive, so that the build could not have come to
//! one (attack G25); and otherwise a gap, which names the nodes.

use std::collections::BTreeSet;

use super::{
    Inquiry, recorded,
    sides::{given_bases, side},
};
use crate::{
    attest::provenance::{Frontend, Provenance},
    compare::{self, Comparison, DeviceNode, MissingNode},
    engine::Finished,
    rebuild::{EngineReport, Failure, FailureKind, Gap, Numbers, Plan, dockerfile},
    saved::Access,
    source::{self, images::StoredLayers},
};

/// Nodes that are named.
const NAMED: usize = 10;

/// Whether a build may unpack archives, in which there may be nodes that nobody sees. What is built from an archive is one.
pub(super) fn may_unpack(provenance: &Provenance, plan: &Plan) -> bool {
    let text = provenance.dockerfile.as_deref();
    plan.source.repository().is_none()
        || plan.frontend != Frontend::BuiltIn
        || text.is_none_or(dockerfile::may_unpack)
}

/// Nothing, where what was found is what it looks like.
///
/// # Errors
/// [`FailureKind::DeviceNodes`], where the builder may have left out each of the nodes.
pub(super) async fn judge(
    comparison: &Comparison,
    (plan, pinned, unpacks): (&Plan, usize, bool),
    (engine, finished): (&EngineReport, Option<&Finished>),
    inquiry: &Inquiry,
) -> Result<(), Failure> {
    let missing = comparison.lacks_only_devices();
    if engine.numbers != Numbers::Own || missing.is_empty() {
        return Ok(());
    }
    // Layers of a base are those of its digest, nodes and all.
    if missing.iter().any(|missing| missing.layer < pinned) {
        return Ok(());
    }
    let held = if unpacks { None } else { held(plan, finished, inquiry).await };
    if !may_be_left_out(&missing, held.as_ref()) {
        return Ok(());
    }
    let engine = Some(Box::new(engine.clone()));
    Err(Failure { kind: FailureKind::DeviceNodes, why: why(&missing), log: String::new(), engine })
}

/// Whether each of the nodes may come from an input. `None` is an input of which nobody knows.
fn may_be_left_out(missing: &[MissingNode], held: Option<&BTreeSet<DeviceNode>>) -> bool {
    held.is_none_or(|held| missing.iter().all(|missing| held.contains(&missing.node)))
}

fn why(missing: &[MissingNode]) -> String {
    let named = missing.iter().take(NAMED).map(|missing| {
        let MissingNode { node, layer, path } = missing;
        format!("{path} ({node}, layer {layer})")
    });
    let mut nodes = named.collect::<Vec<_>>().join(", ");
    if let Some(more @ 1..) = missing.len().checked_sub(NAMED) {
        nodes.push_str(&format!(" and {more} more"));
    }
    format!(
        "the published image has device nodes that the rebuilt one lacks: {nodes}; builders with numbers of their own make none and leave out those of bases and archives, so that it is not known whether the source has them or somebody added them"
    )
}

/// The gap that such a failure is.
pub(super) fn gap(failure: Failure) -> Gap {
    Gap {
        code: "device-node",
        field: "layers".to_owned(),
        why: failure.why,
        fix: "rebuild with rebuild.numbers: machine, where steps have the root of the machine, or \
              build the image without device nodes: runtimes make those that programs need in /dev"
            .to_owned(),
    }
}

/// The device nodes of all bases; `None` where nobody knows them.
async fn held(
    plan: &Plan,
    finished: Option<&Finished>,
    inquiry: &Inquiry,
) -> Option<BTreeSet<DeviceNode>> {
    match (&inquiry.world.sources.access, finished) {
        (Access::Saved(saved), _) => {
            saved.answer(&recorded::of_nodes(plan)).and_then(recorded::nodes)
        }
        (access, Some(finished)) => {
            let found = read(plan, finished, inquiry).await;
            if let Some(saver) = access.saver() {
                saver.answer(recorded::of_nodes(plan), || recorded::kept_nodes(found.as_ref()));
            }
            found
        }
        (_, None) => None,
    }
}

/// The device nodes of all bases, read from what the builder was given; `None` where one cannot be read.
async fn read(plan: &Plan, finished: &Finished, inquiry: &Inquiry) -> Option<BTreeSet<DeviceNode>> {
    let (limits, sink) = (&inquiry.world.limits, &*inquiry.world.sink);
    let (source, bases) = given_bases(plan, finished, |_| true, inquiry).await?;
    let mut all = BTreeSet::new();
    for image in bases {
        let spool = source::Spool::inside(finished.workspace.path()).ok()?;
        let layers =
            source::images::fetch_layers(&*source, &image, &spool, limits, sink).await.ok()?;
        let limits = limits.clone();
        let reading = tokio::task::spawn_blocking(move || {
            compare::held(side(&image, &StoredLayers(layers)), &limits).ok()
        });
        all.extend(reading.await.ok().flatten()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        image::tar::EntryKind,
        rebuild::{
            PlannedSource,
            tests::{plan, provenance},
        },
    };

    fn missing(minor: u32) -> MissingNode {
        let node = DeviceNode { kind: EntryKind::CharDevice, major: 1, minor };
        MissingNode { node, layer: 3, path: format!("/srv/{minor}") }
    }

    #[test]
    fn g25_a_node_that_no_input_holds_is_a_difference() {
        let held: BTreeSet<DeviceNode> = [missing(3).node].into();
        assert!(may_be_left_out(&[missing(3)], Some(&held)));
        assert!(may_be_left_out(&[missing(1)], None), "nobody knows");
        assert!(!may_be_left_out(&[missing(1)], Some(&held)), "another device");
        assert!(!may_be_left_out(&[missing(3), missing(1)], Some(&held)), "one is enough");
        assert!(!may_be_left_out(&[missing(3)], Some(&BTreeSet::new())));
    }

    #[test]
    fn g25_what_nobody_reads_may_hold_a_node() {
        let (mut provenance, mut plan) = (provenance(), plan());
        plan.frontend = Frontend::BuiltIn;
        provenance.dockerfile = Some("FROM a\nCOPY b /b\n".to_owned());
        assert!(!may_unpack(&provenance, &plan));
        for text in [Some("FROM a\nADD root.tar /\n".to_owned()), None] {
            let unknown = Provenance { dockerfile: text, ..provenance.clone() };
            assert!(may_unpack(&unknown, &plan), "{:?}", unknown.dockerfile);
        }
        let frontend = Frontend::Image { reference: "a".to_owned() };
        assert!(may_unpack(&provenance, &Plan { frontend, ..plan.clone() }));
        let digest = crate::digest::Digest::sha256(b"archive");
        plan.source = PlannedSource::Download { url: "https://h.example/a".to_owned(), digest };
        assert!(may_unpack(&provenance, &plan));
    }

    #[test]
    fn the_gap_names_the_nodes_and_what_to_do() {
        let many: Vec<MissingNode> = (0..12).map(missing).collect();
        let said = why(&many);
        assert!(said.contains("/srv/0 (character device 1:0, layer 3)"), "{said}");
        assert!(said.contains("and 2 more") && !said.contains("/srv/10"), "{said}");
        assert!(!why(&many[..10]).contains("more;"));
        let kind = FailureKind::DeviceNodes;
        let gap = gap(Failure { kind, why: said, log: String::new(), engine: None });
        assert!(gap.fix.contains("rebuild.numbers: machine"), "{}", gap.fix);
    }
}
