//! Stacks of layers, held against containerd's own code on real mounts (attacks H10 to H14 of `docs/attacks.md`).
//!
//! For every stack either hallmark's tree is the one that containerd comes to, in whichever of its ways, or hallmark says
//! that it depends on the way. Needs root and the peer `runtime-judge`; without them the tests say that they were skipped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hallmark::{
    engine::host::find_program,
    image::{
        rootfs::{Contents, Node, Rootfs, RootfsBuilder},
        tar::EntryKind,
    },
    limits::Limits,
};
use serde_json::{Value, json};

/// Generated stacks.
const STACKS: u64 = 500;
/// Stacks of a hundred that may be called ambiguous though all ways agree on them.
const FALSE_ALARMS_PERCENT: usize = 4;
/// File capabilities (`cap_net_raw+ep`), as a layer holds them.
const CAPABILITY: &[u8] = &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[derive(Clone)]
pub enum Kind {
    File(u8),
    Folder,
    Symlink(String),
    HardLink(String),
    Whiteout,
    Opaque,
    Device(u32),
    Fifo,
}

/// One entry; its name as written in the tar.
#[derive(Clone)]
pub struct Item {
    pub name: String,
    pub kind: Kind,
    pub mode: u32,
    pub owner: u64,
    pub attribute: Option<(&'static str, &'static [u8])>,
}

pub type Stack = Vec<Vec<Item>>;

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mode, owner, attribute, .. } = self;
        match &self.kind {
            Kind::File(content) => write!(f, "file {name} {content}")?,
            Kind::Folder => write!(f, "folder {name}")?,
            Kind::Symlink(target) => write!(f, "symlink {name} -> {target}")?,
            Kind::HardLink(target) => write!(f, "hard link {name} = {target}")?,
            Kind::Whiteout => write!(f, "whiteout {name}")?,
            Kind::Opaque => write!(f, "opaque {name}")?,
            Kind::Device(minor) => write!(f, "device {name} 1:{minor}")?,
            Kind::Fifo => write!(f, "fifo {name}")?,
        }
        write!(f, " {mode:o} {owner}")?;
        attribute.map_or(Ok(()), |(name, _)| write!(f, " {name}"))
    }
}

/// SplitMix64: the same stacks for the same seed, everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

fn path(random: &mut Random) -> String {
    let depth = random.pick(&[1, 1, 2, 2, 2, 3]);
    let parts: Vec<_> = (0..depth).map(|_| random.pick(&["a", "b", "c", "d"])).collect();
    parts.join("/")
}

/// The path as one of the ways in which tools write it.
fn spelled(random: &mut Random, path: &str, folder: bool) -> String {
    let end = if folder { random.pick(&["/", "/", ""]) } else { "" };
    match random.below(8) {
        0 => format!("./{path}{end}"),
        1 => format!("/{path}{end}"),
        2 => format!("{}{end}", path.replace('/', "//")),
        _ => format!("{path}{end}"),
    }
}

fn item(random: &mut Random, known: &[String]) -> Item {
    let path = if random.below(3) == 0 || known.is_empty() {
        path(random)
    } else {
        let known = &known[random.below(known.len())];
        if random.below(2) == 0 {
            known.clone()
        } else {
            format!("{known}/{}", random.pick(&["a", "b"]))
        }
    };
    let target = |random: &mut Random| match known.is_empty() {
        true => self::path(random),
        false => known[random.below(known.len())].clone(),
    };
    let kind = match random.below(20) {
        0..=5 => Kind::File(u8::try_from(random.below(4)).unwrap()),
        6..=9 => Kind::Folder,
        10 | 11 => {
            let target = target(random);
            Kind::Symlink(format!("{}{target}", random.pick(&["/", "", "../", "./"])))
        }
        12..=14 => Kind::HardLink(target(random)),
        15..=17 => Kind::Whiteout,
        18 => Kind::Opaque,
        _ if random.below(2) == 0 => Kind::Device(3),
        _ => Kind::Fifo,
    };
    let (folder, base) =
        path.rsplit_once('/').map_or((String::new(), path.as_str()), |(f, b)| (format!("{f}/"), b));
    let name = match &kind {
        Kind::Whiteout => format!("{folder}.wh.{base}"),
        Kind::Opaque => format!("{path}/.wh..wh..opq"),
        _ => path.clone(),
    };
    let attribute = match (&kind, random.below(12)) {
        (Kind::File(_) | Kind::Folder, 0) => Some(("user.a", b"1".as_slice())),
        (Kind::File(_) | Kind::HardLink(_), 1) => Some(("security.capability", CAPABILITY)),
        _ => None,
    };
    Item {
        name: spelled(random, &name, matches!(kind, Kind::Folder)),
        mode: random.pick(&[0o644, 0o755, 0o700, 0o4755, 0o1777]),
        owner: random.pick(&[0, 0, 0, 1000]),
        kind,
        attribute,
    }
}

/// A stack by its seed. Every other one has no path twice in a layer: such layers are ambiguous for other reasons.
pub fn stack(seed: u64) -> Stack {
    let mut random = Random(seed);
    let mut known: Vec<String> = Vec::new();
    let layers = 2 + random.below(3);
    let mut below: Stack = Vec::new();
    for _ in 0..layers {
        let mut layer: Vec<Item> = Vec::new();
        for _ in 0..=random.below(6) {
            let item = item(&mut random, &known);
            let plain = plain(&item.name);
            let twice = layer.iter().any(|there| self::plain(&there.name) == plain);
            if !seed.is_multiple_of(8) && twice {
                continue;
            }
            let named = !matches!(item.kind, Kind::Whiteout | Kind::Opaque);
            layer.push(item);
            // Most of what comes by chance nobody unpacks: little of it is kept.
            let so_far = [below.as_slice(), std::slice::from_ref(&layer)].concat();
            if matches!(ours(&so_far), Ours::Refused(_)) && random.below(12) != 0 {
                layer.pop();
            } else if named {
                known.push(plain);
            }
        }
        below.push(layer);
    }
    below
}

pub fn plain(name: &str) -> String {
    name.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/")
}

pub fn tar_of(layer: &[Item]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for item in layer {
        if let Some((name, value)) = item.attribute {
            let key = format!("SCHILY.xattr.{name}");
            builder.append_pax_extensions([(key.as_str(), value)]).unwrap();
        }
        let mut header = tar::Header::new_ustar();
        // The library would tidy the name up.
        header.as_old_mut().name[..item.name.len()].copy_from_slice(item.name.as_bytes());
        header.set_mode(item.mode);
        header.set_uid(item.owner);
        header.set_gid(item.owner);
        header.set_mtime(1_700_000_000);
        header.set_size(0);
        let mut content = Vec::new();
        let (kind, link) = match &item.kind {
            Kind::File(byte) => {
                content = vec![*byte; usize::from(*byte)];
                (tar::EntryType::Regular, None)
            }
            Kind::Folder => (tar::EntryType::Directory, None),
            Kind::Symlink(target) => (tar::EntryType::Symlink, Some(target)),
            Kind::HardLink(target) => (tar::EntryType::Link, Some(target)),
            Kind::Whiteout | Kind::Opaque => (tar::EntryType::Regular, None),
            Kind::Device(minor) => {
                header.set_device_major(1).unwrap();
                header.set_device_minor(*minor).unwrap();
                (tar::EntryType::Char, None)
            }
            Kind::Fifo => (tar::EntryType::Fifo, None),
        };
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        if let Some(link) = link {
            header.set_link_name_literal(link).unwrap();
        }
        header.set_cksum();
        builder.append(&header, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// How containerd comes to a tree.
pub const WAYS: [&str; 3] = ["overlay", "mounted", "copy"];

/// containerd's code, in a process of its own.
pub struct Judge {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// `None`, with a word, where it cannot be asked.
    pub fn start() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: overlay mounts need root");
            return None;
        }
        let mut judge = Self::running("apply")?;
        // Root without the right to mount, as in many containers, cannot ask it either.
        if judge.ask(&Vec::new()).is_none() {
            eprintln!("skipped: runtime-judge cannot mount here");
            return None;
        }
        Some(judge)
    }

    /// One that is asked for single layers, as they are stored.
    pub fn of_layers() -> Option<Self> {
        let mut judge = Self::running("layers")?;
        let knows = judge.answer(&json!({"mediaType": "", "stored": ""})).is_some();
        if !knows {
            eprintln!("skipped: runtime-judge is older than this test (scripts/peers containerd)");
        }
        knows.then_some(judge)
    }

    fn running(command: &str) -> Option<Self> {
        let Some(program) = find_program("runtime-judge").or_else(built_peer) else {
            eprintln!("skipped: no runtime-judge (scripts/peers containerd)");
            return None;
        };
        let mut child = Command::new(program)
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Self { child, questions, answers: BufReader::new(answers) })
    }

    pub fn ask(&mut self, stack: &Stack) -> Option<Value> {
        let layers: Vec<_> = stack.iter().map(|layer| STANDARD.encode(tar_of(layer))).collect();
        self.answer(&json!({ "layers": layers }))
    }

    /// The diffID of a stored layer, or why there is none.
    pub fn unpacked(&mut self, media_type: &str, stored: &[u8]) -> Result<String, String> {
        let question = json!({"mediaType": media_type, "stored": STANDARD.encode(stored)});
        let answer = self.answer(&question).unwrap();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["diffId"].as_str().unwrap().to_owned()),
        }
    }

    fn answer(&mut self, question: &Value) -> Option<Value> {
        writeln!(self.questions, "{question}").ok()?;
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where scripts/peers builds it.
fn built_peer() -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/hallmark"));
    let cache = std::env::var_os("HALLMARK_CACHE").map(PathBuf::from).or_else(home)?;
    Some(cache.join("peers/bin/runtime-judge")).filter(|program| program.is_file())
}

/// What hallmark makes of a stack.
pub enum Ours {
    Tree(Rootfs),
    /// With why.
    Refused(String),
}

pub fn ours(stack: &Stack) -> Ours {
    let mut builder = RootfsBuilder::hashing(&Limits::default());
    for (at, layer) in stack.iter().enumerate() {
        if let Err(error) = builder.add_layer(at, tar_of(layer).as_slice()) {
            return Ours::Refused(error.to_string());
        }
    }
    let rootfs = builder.finish();
    match rootfs.ambiguities().first() {
        Some(ambiguity) => Ours::Refused(ambiguity.why.to_owned()),
        None => Ours::Tree(rootfs),
    }
}

/// One name in words that both sides can be put into; folders whose mode nobody says have none.
fn words(node: &Node, first: &str, unsure: bool) -> Value {
    let folder = node.kind == EntryKind::Directory;
    let Contents::Hashed { hash: digest, .. } = node.contents else {
        let xattrs: BTreeMap<_, _> =
            node.xattrs.iter().map(|(name, value)| (name, STANDARD.encode(value))).collect();
        return json!({
            "kind": node.kind.name(),
            "mode": if unsure || node.kind == EntryKind::Symlink { 0 } else { node.mode },
            "owner": if unsure { json!([0, 0]) } else { json!([node.uid, node.gid]) },
            "link": node.link,
            "device": node.device,
            "xattrs": if unsure { BTreeMap::new() } else { xattrs },
            "first": if folder { "" } else { first },
        });
    };
    let without = Node { contents: Contents::NotWanted, ..node.clone() };
    let mut words = words(&without, first, unsure);
    words["sha256"] = json!(hex::encode(digest));
    words
}

/// hallmark's tree, and the folders whose mode depends on the runtime.
pub fn tree(rootfs: &Rootfs) -> (BTreeMap<String, Value>, BTreeSet<String>) {
    let mut unsure: BTreeSet<String> =
        rootfs.unsure_folders().iter().map(|folder| folder.path.clone()).collect();
    let implied = rootfs.nodes().filter(|(_, node)| node.implied);
    unsure.extend(implied.map(|(path, _)| path.to_owned()));
    let mut first: BTreeMap<u64, &str> = BTreeMap::new();
    for (path, node) in rootfs.nodes() {
        first.entry(node.inode).or_insert(path);
    }
    let nodes = rootfs.nodes().filter(|(path, _)| *path != "/");
    let nodes = nodes.map(|(path, node)| {
        (path.to_owned(), words(node, first[&node.inode], unsure.contains(path)))
    });
    (nodes.collect(), unsure)
}

/// A tree of containerd's in the same words; `None` where it refuses the stack.
pub fn theirs(
    tree: &Value,
    unsure: &BTreeSet<String>,
    keep: Keep,
) -> Option<BTreeMap<String, Value>> {
    let nodes = tree["nodes"].as_object()?;
    let words = nodes.iter().map(|(path, node)| {
        let unsure = unsure.contains(path);
        let symlink = node["kind"] == "symlink";
        let mut words = json!({
            "kind": node["kind"],
            "mode": if unsure || symlink { json!(0) } else { node["mode"].clone() },
            "owner": if unsure { json!([0, 0]) } else { json!([node["uid"], node["gid"]]) },
            "link": node.get("link"),
            "device": node.get("device"),
            "xattrs": match node.get("xattrs") {
                Some(xattrs) if !unsure || keep == Keep::Attributes => xattrs.clone(),
                _ => json!({}),
            },
            "first": node["first"],
        });
        if let Some(digest) = node.get("sha256") {
            words["sha256"] = digest.clone();
        }
        (path.clone(), words)
    });
    Some(words.collect())
}

/// What is kept of folders whose mode nobody says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Kind,
    Attributes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// The same tree in every way that takes the stack.
    Same,
    /// Refused, and the ways of containerd come to different trees or fail.
    Refused,
    /// Refused for a path that is in a layer twice.
    Twice,
    /// Refused, though all ways agree.
    FalseAlarm,
}

fn judge(stack: &Stack, answer: &Value) -> Result<Outcome, String> {
    match ours(stack) {
        Ours::Tree(rootfs) => {
            let (ours, unsure) = tree(&rootfs);
            let mut taken = 0;
            for way in WAYS {
                let Some(theirs) = theirs(&answer[way], &unsure, Keep::Kind) else { continue };
                taken += 1;
                let paths: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
                for path in paths {
                    if ours.get(path) != theirs.get(path) {
                        let (ours, theirs) = (ours.get(path), theirs.get(path));
                        return Err(format!("{way} {path}: {ours:?}, containerd has {theirs:?}"));
                    }
                }
            }
            if taken == 0 {
                return Err(format!("containerd refuses it: {}", answer["copy"]["error"]));
            }
            Ok(Outcome::Same)
        }
        Ours::Refused(why) => {
            let trees: Vec<_> = WAYS
                .iter()
                .map(|way| theirs(&answer[*way], &folders(&answer[*way]), Keep::Attributes))
                .collect();
            let agree = trees[0].is_some() && trees.iter().all(|tree| *tree == trees[0]);
            Ok(match agree {
                true if why.starts_with("two entries") => Outcome::Twice,
                true => {
                    eprintln!("false alarm: {why}: {stack:?}");
                    Outcome::FalseAlarm
                }
                false => Outcome::Refused,
            })
        }
    }
}

/// All folders of a tree: only their modes may depend on the way.
fn folders(tree: &Value) -> BTreeSet<String> {
    let nodes = tree["nodes"].as_object().into_iter().flatten();
    nodes.filter(|(_, node)| node["kind"] == "directory").map(|(path, _)| path.clone()).collect()
}

/// Takes entries out as long as it still fails.
fn shrink(judge_process: &mut Judge, mut stack: Stack) -> (Stack, String) {
    let mut why = String::new();
    let mut fails = |stack: &Stack| {
        let answer = judge_process.ask(stack)?;
        judge(stack, &answer).err()
    };
    'again: loop {
        for layer in 0..stack.len() {
            for item in 0..stack[layer].len() {
                let mut less = stack.clone();
                less[layer].remove(item);
                if let Some(reason) = fails(&less) {
                    (stack, why) = (less, reason);
                    continue 'again;
                }
            }
        }
        return (stack, why);
    }
}

#[test]
fn generated_layers_come_to_containerds_tree_or_are_refused() {
    let Some(mut process) = Judge::start() else { return };
    let mut counts: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for seed in 0..STACKS {
        let stack = stack(seed);
        let answer = process.ask(&stack).expect("runtime-judge answers");
        match judge(&stack, &answer) {
            Ok(outcome) => *counts.entry(outcome).or_default() += 1,
            Err(why) => {
                let (small, reason) = shrink(&mut process, stack);
                failures.push(format!("seed {seed}: {why}\n  shrunk: {small:?}\n  {reason}"));
            }
        }
    }
    eprintln!("seeds 0 to {STACKS}: {counts:?}");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    let count = |outcome| counts.get(&outcome).copied().unwrap_or_default();
    let stacks = usize::try_from(STACKS).unwrap();
    assert!(count(Outcome::Same) * 3 > stacks, "most stacks should be honest: {counts:?}");
    assert!(count(Outcome::FalseAlarm) * 100 <= FALSE_ALARMS_PERCENT * stacks, "{counts:?}");
}

fn entry(kind: Kind, name: &str) -> Item {
    Item { name: name.to_owned(), kind, mode: 0o755, owner: 0, attribute: None }
}

fn file(name: &str) -> Item {
    entry(Kind::File(2), name)
}

fn hidden(name: &str) -> Item {
    entry(Kind::Whiteout, name)
}

fn link(name: &str, target: &str) -> Item {
    entry(Kind::Symlink(target.to_owned()), name)
}

fn hard(name: &str, target: &str) -> Item {
    entry(Kind::HardLink(target.to_owned()), name)
}

/// What each of these comes to was found out with containerd, some of it by shrinking generated stacks.
#[test]
#[allow(clippy::too_many_lines, reason = "a table of cases")]
fn named_layers_come_to_containerds_tree_or_are_refused() {
    use Outcome::{Refused, Same};
    let Some(mut process) = Judge::start() else { return };
    let folder = |name: &str| entry(Kind::Folder, name);
    let opaque = |name: &str| entry(Kind::Opaque, name);
    let lib = || vec![file("usr/lib/x"), link("lib", "usr/lib")];
    let attributed = |name: &str| Item { attribute: Some(("user.a", b"1")), ..folder(name) };
    let able = |item: Item| Item { attribute: Some(("security.capability", CAPABILITY)), ..item };
    let cases: Vec<(&str, Stack, Outcome)> = vec![
        ("through a link", vec![lib(), vec![file("lib/y")]], Refused),
        ("whiteout through a link", vec![lib(), vec![hidden("lib/.wh.x")]], Refused),
        ("opaque through a link", vec![lib(), vec![opaque("lib/.wh..wh..opq")]], Refused),
        ("own link to a lower one", vec![lib(), vec![link("l", "lib"), file("l/y")]], Refused),
        ("own link", vec![vec![file("usr/lib/x")], vec![link("l", "usr/lib"), file("l/y")]], Same),
        ("folder for a link", vec![lib(), vec![folder("lib/"), file("lib/y")]], Same),
        ("opaque root", vec![vec![file("a")], vec![opaque(".wh..wh..opq"), file("b")]], Refused),
        (
            "whiteout, then folder",
            vec![vec![file("d/a")], vec![hidden(".wh.d"), folder("d")]],
            Refused,
        ),
        ("whiteout, then file", vec![vec![file("d/a")], vec![hidden(".wh.d"), file("d")]], Same),
        (
            "whiteout, then below",
            vec![vec![file("d/a")], vec![hidden(".wh.d"), file("d/b")]],
            Refused,
        ),
        (
            "folder, then whiteout",
            vec![vec![file("d/a")], vec![folder("d"), hidden(".wh.d")]],
            Refused,
        ),
        (
            "opaque after implied",
            vec![vec![file("d/a")], vec![file("d/e/f"), opaque("d/.wh..wh..opq")]],
            Refused,
        ),
        (
            "opaque after folders",
            vec![
                vec![file("d/e/a")],
                vec![folder("d"), folder("d/e"), file("d/e/f"), opaque("d/.wh..wh..opq")],
            ],
            Same,
        ),
        (
            "opaque before",
            vec![vec![file("d/e/a")], vec![opaque("d/.wh..wh..opq"), file("d/e/f")]],
            Same,
        ),
        ("whiteout of nothing", vec![vec![file("a")], vec![hidden("d/e/.wh.x")]], Same),
        ("hard link below", vec![vec![file("a")], vec![hard("b", "a")]], Same),
        (
            "hard link to one of two",
            vec![vec![file("a"), hard("b", "a")], vec![hard("c", "a")]],
            Refused,
        ),
        (
            "chain of hard links",
            vec![vec![able(file("a")), hard("b", "a"), able(hard("c", "b"))]],
            Same,
        ),
        ("hard link drops capabilities", vec![vec![able(file("a")), hard("b", "a")]], Same),
        ("hard link to a link", vec![vec![file("a"), link("l", "a"), hard("m", "l")]], Same),
        ("attributes of a lower folder", vec![vec![attributed("d")], vec![folder("d")]], Refused),
        ("attributes of a folder", vec![vec![attributed("d")], vec![file("d/a")]], Same),
        (
            "hard-linked whiteout",
            vec![vec![file("a"), file("b")], vec![hidden(".wh.a"), hard(".wh.b", ".wh.a")]],
            Same,
        ),
    ];
    for (name, stack, want) in cases {
        let answer = process.ask(&stack).expect("runtime-judge answers");
        assert_eq!(judge(&stack, &answer), Ok(want), "{name}: {answer:#}");
    }
}
