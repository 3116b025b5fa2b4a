//! Rungs of the ladder, held against the trees that containerd's own code unpacks: row H29 of `docs/attacks.md`.
//!
//! For pairs of stacks of layers, of which one was made from the other: no rung above R0 where the trees differ in a name, a type, a
//! mode, an owner, a link, an attribute, a device or a byte. `src/compare/ladder/tests/layering.rs` has the other half: the rung of
//! a relayered image is that of its tree.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    layers::{
        Item, Judge, Keep, Kind, Ours, Random, Stack, WAYS, ours, plain, stack, tar_of, theirs,
        tree,
    },
    layouts::{Layout, Parts, digest},
    support::Hallmark,
};

/// Pairs that are compared.
const PAIRS: u64 = 150;

/// An image of these layers.
fn layout(stack: &Stack) -> Layout {
    let layout = Layout::of(&Parts::new(&[]));
    let tars: Vec<Vec<u8>> = stack.iter().map(|layer| tar_of(layer)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {
            "type": "layers", "diff_ids": tars.iter().map(|tar| digest(tar)).collect::<Vec<_>>(),
        },
    })
    .to_string();
    let layers = tars.iter().map(|tar| {
        json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layout.blob(tar), "size": tar.len(),
        })
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": layout.blob(config.as_bytes()), "size": config.len(),
        },
        "layers": layers.collect::<Vec<_>>(),
    });
    layout.image(&manifest.to_string());
    layout
}

/// The rung of two images; `None` where they cannot be compared.
fn level(left: &Stack, right: &Stack) -> Option<u64> {
    let (left, right) = (layout(left), layout(right));
    let words = ["diff", "--platform", "linux/amd64", "-o", "json"];
    let call = Hallmark::new(words).arg(left.reference()).arg(right.reference());
    call.run().json()["level"].as_u64()
}

/// The same in other layers, or with one thing changed: most of what comes of it is another tree.
fn changed(stack: &Stack, random: &mut Random) -> Stack {
    let mut other = stack.clone();
    let layer = random.below(other.len());
    let count = other[layer].len();
    match random.below(8) {
        0 | 1 if layer + 1 < other.len() => {
            let upper = other.remove(layer + 1);
            let has = |name: &str| other[layer].iter().any(|item| plain(&item.name) == plain(name));
            let marks = |item: &Item| matches!(item.kind, Kind::Whiteout | Kind::Opaque);
            let apart = !upper.iter().any(|item| marks(item) || has(&item.name));
            let at = if apart { layer } else { layer + 1 };
            match apart {
                true => other[at].extend(upper),
                false => other.insert(at, upper),
            }
        }
        2 if count > 1 => {
            let rest = other[layer].split_off(1 + random.below(count - 1));
            other.insert(layer + 1, rest);
        }
        3 if count > 1 => {
            let at = random.below(count - 1);
            other[layer].swap(at, at + 1);
        }
        _ if count > 0 => {
            let at = random.below(count);
            change(&mut other[layer], at, random);
        }
        _ => {}
    }
    other
}

fn change(layer: &mut Vec<Item>, at: usize, random: &mut Random) {
    let item = &mut layer[at];
    match (random.below(6), &mut item.kind) {
        (0, _) => item.mode ^= 0o022,
        (1, _) => item.owner ^= 7,
        (2, Kind::File(byte)) => *byte = (*byte + 1) % 4,
        (2, Kind::Device(minor)) => *minor ^= 6,
        (2, Kind::Symlink(target)) => target.push('x'),
        (3, Kind::File(_)) => {
            item.attribute = match item.attribute {
                Some(_) => None,
                None => Some(("user.a", b"2".as_slice())),
            };
        }
        (4, Kind::HardLink(_)) => item.kind = Kind::File(1),
        _ => drop(layer.remove(at)),
    }
}

/// Folders whose mode and owner runtimes decide, which is told otherwise.
fn unsure(stack: &Stack) -> BTreeSet<String> {
    match ours(stack) {
        Ours::Tree(rootfs) => tree(&rootfs).1,
        Ours::Refused(_) => BTreeSet::new(),
    }
}

#[test]
fn h29_no_rung_above_r0_where_containerd_unpacks_other_trees() {
    let Some(mut process) = Judge::start() else { return };
    let (mut equal, mut failures) = (0, Vec::new());
    for seed in 0..PAIRS {
        let left = stack(seed);
        let right = changed(&left, &mut Random(seed ^ 0x5eed));
        let Some(level) = level(&left, &right) else { continue };
        if level == 0 {
            continue;
        }
        equal += 1;
        let unsure: BTreeSet<String> = unsure(&left).union(&unsure(&right)).cloned().collect();
        let mut ask = |stack: &Stack| process.ask(stack).expect("runtime-judge answers");
        let (ours, others) = (ask(&left), ask(&right));
        for way in WAYS {
            let of = |answer: &serde_json::Value| theirs(&answer[way], &unsure, Keep::Kind);
            if of(&ours) != of(&others) {
                failures.push(format!("seed {seed}, R{level}, {way}:\n  {left:?}\n  {right:?}"));
            }
        }
    }
    eprintln!("{equal} of {PAIRS} pairs are above R0");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    assert!(equal * 10 > PAIRS, "too few pairs are above R0 to tell: {equal}");
}
