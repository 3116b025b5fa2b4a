//! Random trees, each spread over layers in random ways that all runtimes take alike: the rung is that of the trees.
//!
//! The trees are known before any layer is made, so that what the rung has to be does not come from the code under test.
//! `tests/it/layers.rs` holds the trees that hallmark sees against those that containerd unpacks.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Where something may be: its path, and the name of a whiteout for it, if it is no folder.
const PLACES: [(&str, &str); 12] = [
    ("d/", ""),
    ("d/__pycache__/", ""),
    ("e/", ""),
    ("proc/", ""),
    ("a", ".wh.a"),
    ("b", ".wh.b"),
    ("l", ".wh.l"),
    ("d/m.py", "d/.wh.m.py"),
    ("d/x", "d/.wh.x"),
    (MODULE, "d/__pycache__/.wh.m.cpython-312.pyc"),
    ("e/y", "e/.wh.y"),
    (NODE, ".wh.n"),
];
/// What may be a device, a pipe or a file.
const NODE: &str = "n";
const MODULE: &str = "d/__pycache__/m.cpython-312.pyc";
const SOURCE: &str = "d/m.py";
/// A second name of `b`, or a file like it, always in the layer of that.
const SECOND: &str = "h";
/// Folders that nothing is left of, with a file in each and the whiteout for it.
const GONE: [(&str, &str, &str); 3] =
    [("d/", "d/x", ".wh.d"), ("e/", "e/y", ".wh.e"), ("a/", "a/f", ".wh.a")];
/// Folders with the opaque whiteouts for them.
const OPAQUE: [(&str, &str); 3] = [
    ("d/", "d/.wh..wh..opq"),
    ("d/__pycache__/", "d/__pycache__/.wh..wh..opq"),
    ("e/", "e/.wh..wh..opq"),
];

/// What a root filesystem holds, by path.
type Tree = BTreeMap<&'static str, Item>;

fn is_folder(path: &str) -> bool {
    path.ends_with('/')
}

/// The folder that a path is in; the root is "".
fn parent(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    trimmed.rfind('/').map_or("", |at| &path[..=at])
}

/// Something that may be at a place, chosen by a number.
fn item(place: usize, choice: u32) -> Item {
    let (path, _) = PLACES[place];
    let pick = |divisor: u32, of: u32| (choice / divisor) % of;
    let mut item = match path {
        "l" => special("l", EntryType::Symlink, ["a", "b"][pick(1, 2) as usize]),
        SOURCE => Item {
            mtime: u64::from(7 + pick(1, 2)),
            ..file(path, ["1234", "abcd"][pick(2, 2) as usize])
        },
        MODULE => named(path, pyc(7 + pick(1, 2), ["code", "evil"][usize::from(pick(2, 4) == 0)])),
        NODE => match pick(1, 6) {
            0 => special(path, EntryType::Char, "3"),
            1 => special(path, EntryType::Char, "5"),
            2 => special(path, EntryType::Block, "3"),
            3 => special(path, EntryType::Fifo, ""),
            _ => file(path, "x"),
        },
        _ if is_folder(path) => special(path, EntryType::Directory, ""),
        _ => file(path, ["", "x", "yy"][pick(1, 3) as usize]),
    };
    // Most of the time nothing but the content is unusual.
    match pick(8, 12) {
        0 if item.kind != EntryType::Symlink => item.mode = 0o700,
        1 if item.kind == EntryType::Regular => item.mode = 0o4755,
        2 => item.uid = 7,
        3 => item.gid = 7,
        4 if item.kind == EntryType::Regular => {
            item.xattr = Some(("security.capability", b"\x01\0\0\x02"));
        }
        5 if item.kind == EntryType::Regular => item.xattr = Some(("user.k", b"v")),
        6 => item.records = vec![("SCHILY.acl.access", b"user::rwx,group::r-x,other::r--")],
        7 => item.records = vec![("SCHILY.acl.access", b"user::rwx,group::rwx,other::rwx")],
        8 => item.records = vec![("MSWINDOWS.rawsd", b"AQAUgA==")],
        _ => {}
    }
    item
}

/// A tree out of one choice for each place; 0 leaves it empty.
fn tree(choices: &[u32]) -> Tree {
    let mut tree = Tree::new();
    for (place, choice) in choices.iter().enumerate().filter(|(_, choice)| **choice > 0) {
        let Some((path, _)) = PLACES.get(place) else { continue };
        let above = parent(path);
        if above.is_empty() || tree.contains_key(above) {
            tree.insert(path, item(place, *choice));
        }
    }
    let Some(first) = tree.get("b").cloned() else { return tree };
    let same = Item { path: SECOND, ..first };
    match choices.last().map(|choice| choice % 4) {
        Some(0 | 2) => {
            let link = Item { kind: EntryType::Link, link: "b", content: Vec::new(), ..same };
            tree.insert(SECOND, link);
        }
        // A file of its own, with the same in it.
        Some(1) => drop(tree.insert(SECOND, same)),
        _ => {}
    }
    tree
}

/// A small source of choices.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }
}

/// Layers that come to the tree, whoever applies them.
fn spread(tree: &Tree, seed: u64) -> Vec<Vec<Item>> {
    let mut dice = Dice(seed);
    let count = 1 + dice.roll(4);
    let mut layers: Vec<Tree> = vec![Tree::new(); count];
    let last: BTreeMap<&str, usize> = tree.keys().map(|path| (*path, dice.roll(count))).collect();
    for (path, item) in tree.iter().filter(|(path, _)| **path != SECOND) {
        layers[last[path]].insert(path, item.clone());
        // The same once more, below.
        if dice.one_in(4) {
            layers[dice.roll(last[path] + 1)].insert(path, item.clone());
        }
    }
    // What is hidden in the end.
    for (place, (path, whiteout)) in
        PLACES.iter().enumerate().filter(|(_, (path, _))| !is_folder(path))
    {
        let above = parent(path);
        let top = last.get(path).copied().unwrap_or(count - 1);
        if top == 0 || !dice.one_in(3) || !above.is_empty() && !tree.contains_key(above) {
            continue;
        }
        let at = dice.roll(top);
        let other = item(place, u32::try_from(1 + dice.roll(500)).unwrap());
        layers[at].entry(path).or_insert(other);
        let hides = at + 1 + dice.roll(top - at);
        let overwritten = tree.contains_key(path) && (hides == top || dice.one_in(2));
        if !overwritten {
            // Nothing of this name stands between, or it is hidden with it.
            (at + 1..=hides).for_each(|layer| drop(layers[layer].remove(path)));
            layers[hides].insert(whiteout, file(whiteout, ""));
        }
    }
    // Opaque whiteouts, where nothing below them is to stay.
    for (folder, opaque) in OPAQUE.iter().filter(|(folder, _)| tree.contains_key(folder)) {
        let inside = last.iter().filter(|(path, _)| path.starts_with(folder) && *path != folder);
        let lowest = inside.map(|(_, at)| *at).min().unwrap_or(count - 1);
        if dice.one_in(3) {
            let at = dice.roll(lowest + 1);
            layers[at].insert(folder, tree[folder].clone());
            if last[folder] > at {
                // It may say so earlier, and is the same afterwards.
                layers[last[folder]].insert(folder, tree[folder].clone());
            }
            layers[at].insert(opaque, file(opaque, ""));
        }
    }
    repeat_folders(&mut layers, tree);
    let second = tree.get(SECOND).map(|link| (last["b"], link));
    let write = |(at, layer): (usize, Tree)| ordered(at, layer, second, &mut dice);
    let layers: Vec<Vec<Item>> = layers.into_iter().enumerate().map(write).collect();
    [gone(&mut dice), layers].concat()
}

/// A layer that writes into a folder of lower ones has an entry for it, as builders write them: without one, runtimes make different
/// trees of the layers.
fn repeat_folders(layers: &mut [Tree], tree: &Tree) {
    for at in 0..layers.len() {
        let (below, rest) = layers.split_at_mut(at);
        let Some(layer) = rest.first_mut() else { continue };
        let hides = layer.keys().any(|path| path.ends_with(".wh..wh..opq"));
        let folders = tree.iter().filter(|(folder, _)| is_folder(folder));
        for (folder, item) in folders {
            let is_there = hides || below.iter().any(|lower| lower.contains_key(folder));
            if is_there && layer.keys().any(|path| path.starts_with(folder) && path != folder) {
                layer.entry(folder).or_insert_with(|| item.clone());
            }
        }
    }
}

/// Two layers that come to nothing, some of the time: a folder with something in it, and a whiteout for the whole.
fn gone(dice: &mut Dice) -> Vec<Vec<Item>> {
    let (folder, inside, whiteout) = GONE[dice.roll(GONE.len())];
    if !dice.one_in(3) {
        return Vec::new();
    }
    let below = vec![special(folder, EntryType::Directory, ""), file(inside, "gone")];
    vec![below, vec![file(whiteout, "")]]
}

/// The entries of a layer: folders before what is in them, opaque whiteouts right behind their folders, all else as it comes.
fn ordered(at: usize, layer: Tree, second: Option<(usize, &Item)>, dice: &mut Dice) -> Vec<Item> {
    let is_early = |path: &str| is_folder(path) || path.ends_with(".wh..wh..opq");
    let (mut early, mut late): (Vec<Item>, Vec<Item>) =
        layer.into_values().partition(|item| is_early(item.path));
    // `d/`, `d/.wh..wh..opq`, `d/__pycache__/`.
    early.sort_by_key(|item| (item.path.matches('/').count(), !is_folder(item.path), item.path));
    early.sort_by_key(|item| if item.path.starts_with("d/") { depth(item.path) } else { 0 });
    for from in (1..late.len()).rev() {
        late.swap(from, dice.roll(from + 1));
    }
    let mut items = [early, late].concat();
    for item in items.iter_mut().filter(|item| item.path != SOURCE) {
        item.mtime = dice.roll(3) as u64;
        item.uname = ["root", "other"][dice.roll(2)];
    }
    if let Some((_, link)) = second.filter(|(layer, _)| *layer == at) {
        items.push(link.clone());
    }
    items
}

fn depth(path: &str) -> usize {
    path.trim_end_matches('/').matches('/').count() + usize::from(path.contains("__pycache__"))
}

/// The tree in one layer.
fn flat(tree: &Tree) -> Vec<Vec<Item>> {
    let mut paths: Vec<_> = tree.values().cloned().collect();
    paths.sort_by_key(|item| (!is_folder(item.path), item.path == SECOND, item.path));
    vec![paths]
}

/// What Python runs: `None` where no time decides it.
fn runs_module(tree: &Tree) -> Option<bool> {
    let (source, module) = (tree.get(SOURCE)?, tree.get(MODULE)?);
    let time = u32::from_le_bytes(module.content[8..12].try_into().unwrap());
    Some(source.mtime == u64::from(time))
}

/// The rung of two trees, as the documents say it.
fn rung(left: &Tree, right: &Tree) -> Level {
    let facts = |item: &Item| {
        let Item { kind, content, mode, uid, gid, link, xattr, records, .. } = item.clone();
        (kind, content, mode, uid, gid, link, xattr, records)
    };
    let timeless = |item: &Item| {
        let mut item = item.clone();
        item.content.get_mut(8..12).unwrap().fill(0);
        facts(&item)
    };
    let (mut level, paths) =
        (Level::ContentIdentical, left.keys().chain(right.keys()).collect::<BTreeSet<_>>());
    for path in paths {
        let explained = match (left.get(path), right.get(path)) {
            (Some(l), Some(r)) if facts(l) == facts(r) => continue,
            (Some(l), Some(r)) => *path == MODULE && timeless(l) == timeless(r),
            (Some(only), None) | (None, Some(only)) => {
                // Nobody but root may put anything there, by no kind of permission.
                let roots = (only.uid, only.gid) == (0, 0) && only.mode & 0o022 == 0;
                *path == "proc/" && roots && only.records.is_empty()
            }
            (None, None) => false,
        };
        level = level.min(if explained { Level::Explained } else { Level::Different });
    }
    let modules = left.contains_key(MODULE) && right.contains_key(MODULE);
    if modules && runs_module(left) != runs_module(right) { Level::Different } else { level }
}

fn image(layers: Vec<Vec<Item>>) -> Recipe {
    with(|r| {
        r.layers = layers;
        r.stored = Stored::Plain;
    })
}

/// Two trees: any, and it with a few places chosen anew.
fn trees() -> impl Strategy<Value = (Tree, Tree)> {
    let choice = || prop_oneof![1 => Just(0_u32), 4 => 1..500_u32];
    let all = proptest::collection::vec(choice(), PLACES.len());
    let anew = proptest::collection::vec((0..PLACES.len(), choice()), 0..3);
    (all, anew).prop_map(|(all, anew)| {
        let mut other = all.clone();
        anew.into_iter().for_each(|(place, choice)| other[place] = choice);
        (tree(&all), tree(&other))
    })
}

proptest! {
    /// H29: in whatever layers two trees come, the rung is theirs.
    #[test]
    fn h29_the_rung_is_that_of_the_flattened_trees((left, right) in trees(), seeds in any::<[u64; 2]>()) {
        let want = rung(&left, &right);
        let layered = [spread(&left, seeds[0]), spread(&right, seeds[1])];
        let pairs = [
            [flat(&left), flat(&right)],
            layered.clone(),
            [flat(&left), layered[1].clone()],
            // The same way on both sides, as honest builds have it.
            [spread(&left, seeds[0]), spread(&right, seeds[0])],
        ];
        for [left, right] in pairs {
            let (left, right) = (image(left), image(right));
            let (left, right) = if seeds[0] % 2 == 0 { (left, right) } else { (right, left) };
            let found = run(&left, &right).unwrap();
            // Equal layers may stand higher.
            let level = found.level.min(Level::ContentIdentical);
            prop_assert_eq!(level, want, "{:#?}\n{:#?}\n{:#?}", left.layers, right.layers, found);
            let mut open =
                found.differences.iter().filter(|d| !d.class.is_benign() && d.explained_by.is_none());
            let said = open.next().is_some();
            prop_assert!(said || found.level > Level::Different, "nothing is said to differ");
        }
    }
}

/// H63: Docker's overlay makes the folder anew where a layer has no entry for it, and containerd keeps what a lower layer says of it.
#[test]
fn h63_a_folder_that_only_some_runtimes_keep_is_no_equal_one() {
    let folder = |mode, uid| Item { mode, uid, ..special("d/", EntryType::Directory, "") };
    let inside = || file("d/x", "x");
    for (mode, uid, equal) in [(0o755, 0, true), (0o700, 0, false), (0o755, 5, false)] {
        let without = vec![vec![folder(mode, uid)], vec![inside()]];
        let with = vec![vec![folder(mode, uid)], vec![folder(mode, uid), inside()]];
        let rung = |left: &[Vec<Item>], right: &[Vec<Item>]| {
            run(&image(left.to_vec()), &image(right.to_vec())).unwrap().level
        };
        let found = rung(&without, &with).min(Level::ContentIdentical);
        let want = if equal { Level::ContentIdentical } else { Level::Different };
        assert_eq!(found, want, "{mode:o} {uid}");
        assert_eq!(rung(&with, &without).min(Level::ContentIdentical), want, "{mode:o} {uid}");
        // The same layers are applied the same way.
        assert!(rung(&without, &without) >= Level::ContentIdentical, "{mode:o} {uid}");
    }
}

/// H66: what a later layer says of the folder, or takes away, is the same for all; however many such folders there are, one that
/// stays unsure is seen.
#[test]
fn h66_folders_are_unsure_until_a_layer_says_what_they_are() {
    let folder = |mode| Item { mode, ..special("d/", EntryType::Directory, "") };
    let (inside, again) = (|| file("d/x", "x"), || file("d/x", "y"));
    let unsure = || vec![vec![folder(0o700)], vec![inside()]];
    let level = |left: Vec<Vec<Item>>, right: Vec<Vec<Item>>| {
        run(&image(left), &image(right)).unwrap().level.min(Level::ContentIdentical)
    };
    let (same, other) = (Level::ContentIdentical, Level::Different);
    let said = || vec![vec![folder(0o700), inside()]];
    for (name, more, right, want) in [
        ("nobody says", vec![], said(), other),
        ("a later layer says", vec![folder(0o700)], said(), same),
        ("a later layer says otherwise", vec![folder(0o711)], said(), other),
        ("and writes again without", vec![again()], vec![vec![folder(0o700), again()]], other),
    ] {
        let left = || [unsure(), vec![more.clone()]].concat();
        assert_eq!(level(left(), right.clone()), want, "{name}");
        assert_eq!(level(right, left()), want, "{name}, the other way round");
    }
    // Made anew in one layer, with an entry and without.
    let anew = |entry: bool| {
        let again = entry.then(|| folder(0o700));
        let layer = [file(".wh.d", "")].into_iter().chain(again).chain([inside()]);
        vec![vec![folder(0o700), file("d/gone", "")], layer.collect()]
    };
    assert_ne!(level(anew(false), said()), same);
}
