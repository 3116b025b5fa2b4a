//! What rules see of the finished tree besides packages.

use schemars::JsonSchema;
use serde::Serialize;

use crate::contents::{
    facts::{
        CapableFile, Device, Facts, SetId, Spot, Writable,
        programs::{By, Program},
        sizes::LayerSize,
        user::User,
    },
    secrets::shown_named,
};

/// What rules ask of the finished tree. Each list is sorted by path and holds no more than `limits.facts`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactsInput {
    /// Files with setuid or setgid.
    pub set_ids: Vec<SetIdInput>,
    /// Files with capabilities.
    pub capabilities: Vec<CapabilityInput>,
    /// Files that everybody may write to, and folders without the sticky bit.
    pub world_writable: Vec<WritableInput>,
    /// Device nodes.
    pub devices: Vec<DeviceInput>,
    /// Shells, package managers, compilers, interpreters, network tools and debuggers.
    pub programs: Vec<ProgramInput>,
    /// Sizes by layer, base first.
    pub layers: Vec<LayerSizeInput>,
    /// The sum of all layers.
    pub size: LayerSizeInput,
    /// Who the first process of a container runs as.
    pub user: UserInput,
    /// What the bound left out of these lists; empty where everything is here.
    pub left_out: Vec<LeftOutInput>,
}

/// A file that runs with the rights of its owner or group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetIdInput {
    /// Path from the root.
    pub path: String,
    /// The layer that it is from, counted from 0.
    pub layer: Option<usize>,
    /// Whether it runs with the rights of its owner.
    pub setuid: bool,
    /// Whether it runs with the rights of its group.
    pub setgid: bool,
    /// Number of the owner.
    pub uid: u64,
    /// Number of the group.
    pub gid: u64,
}

/// A file with capabilities.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CapabilityInput {
    /// Path from the root.
    pub path: String,
    /// The layer that it is from, counted from 0.
    pub layer: Option<usize>,
    /// Those that the program gets, as `CAP_NET_RAW`.
    pub permitted: Vec<String>,
    /// Those that it gets where its caller has them to give.
    pub inheritable: Vec<String>,
    /// Whether they are in effect when it starts.
    pub effective: bool,
    /// The user who is root of the namespace in which they count.
    pub root_id: Option<u32>,
    /// Why the attribute cannot be read; null where it was.
    pub error: Option<String>,
}

/// A file or folder that everybody may write to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WritableInput {
    /// Path from the root.
    pub path: String,
    /// The layer that it is from, counted from 0.
    pub layer: Option<usize>,
    /// `file` or `folder`.
    pub kind: String,
    /// Whether it is a file that may be run.
    pub executable: bool,
}

/// A device node.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInput {
    /// Path from the root.
    pub path: String,
    /// The layer that it is from, counted from 0.
    pub layer: Option<usize>,
    /// `character` or `block`.
    pub kind: String,
    /// Major number.
    pub major: Option<u32>,
    /// Minor number.
    pub minor: Option<u32>,
}

/// A tool that helps whoever breaks into a container.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgramInput {
    /// Path of the program, or of the file that lists its package.
    pub path: String,
    /// The layer that it is from, counted from 0.
    pub layer: Option<usize>,
    /// `shell`, `package-manager`, `compiler`, `interpreter`, `network` or `debugger`.
    pub class: String,
    /// Name of the program or package.
    pub name: String,
    /// How it was found: `path` or `package`.
    pub by: String,
}

/// The size of a layer, or of all.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LayerSizeInput {
    /// Bytes as stored.
    pub compressed: u64,
    /// Bytes of the inflated tar.
    pub uncompressed: u64,
    /// Regular files in it.
    pub files: u64,
    /// Bytes of these.
    pub file_bytes: u64,
    /// Those of the bytes that a later layer deletes or replaces: nobody sees them, everybody downloads them.
    pub hidden_bytes: u64,
}

/// Who the first process of a container runs as, resolved through the image's accounts as runtimes do.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserInput {
    /// As configured; empty is root.
    pub configured: String,
    /// Number of the user; null where it cannot be resolved.
    pub uid: Option<u32>,
    /// Number of the group; null where it cannot be resolved.
    pub gid: Option<u32>,
    /// Name of the user, where the image has an entry for it.
    pub name: Option<String>,
    /// Groups that list the user besides.
    pub groups: Vec<u32>,
    /// Why it cannot be resolved; null where it was.
    pub error: Option<String>,
}

/// How many facts a bound left out.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutInput {
    /// The list.
    pub list: String,
    /// How many more there are.
    pub count: usize,
}

impl FactsInput {
    pub(super) fn of(facts: &Facts) -> Self {
        let left_out = facts.left_out().into_iter();
        Self {
            set_ids: facts.set_ids.items.iter().map(SetIdInput::of).collect(),
            capabilities: facts.capable.items.iter().map(CapabilityInput::of).collect(),
            world_writable: facts.writable.items.iter().map(WritableInput::of).collect(),
            devices: facts.devices.items.iter().map(DeviceInput::of).collect(),
            programs: facts.programs.items.iter().map(ProgramInput::of).collect(),
            layers: facts.sizes.layers.iter().map(LayerSizeInput::of).collect(),
            size: LayerSizeInput::of(&facts.sizes.total()),
            user: UserInput::of(&facts.user),
            left_out: left_out
                .map(|(list, count)| LeftOutInput { list: list.into(), count })
                .collect(),
        }
    }
}

/// Path and layer. Lists of the operator's name the path as it is; who shows it hides what is secret in it.
fn place(spot: &Spot) -> (String, Option<usize>) {
    (spot.path.clone(), spot.layer)
}

impl SetIdInput {
    fn of(file: &SetId) -> Self {
        let (path, layer) = place(&file.spot);
        let SetId { setuid, setgid, uid, gid, .. } = *file;
        Self { path, layer, setuid, setgid, uid, gid }
    }
}

impl CapabilityInput {
    fn of(file: &CapableFile) -> Self {
        let (path, layer) = place(&file.spot);
        let read = file.capabilities.as_ref();
        let names = |list: Option<&Vec<String>>| list.cloned().unwrap_or_default();
        let error = read.err().map(ToString::to_string);
        let read = read.ok();
        Self {
            path,
            layer,
            permitted: names(read.map(|of| &of.permitted)),
            inheritable: names(read.map(|of| &of.inheritable)),
            effective: read.is_some_and(|of| of.effective),
            root_id: read.and_then(|of| of.root_id),
            error,
        }
    }
}

impl WritableInput {
    fn of(file: &Writable) -> Self {
        let (path, layer) = place(&file.spot);
        let kind = if file.folder { "folder" } else { "file" }.to_owned();
        Self { path, layer, kind, executable: file.executable }
    }
}

impl DeviceInput {
    fn of(device: &Device) -> Self {
        let (path, layer) = place(&device.spot);
        let kind = if device.block { "block" } else { "character" }.to_owned();
        let (major, minor) = device.numbers.unzip();
        Self { path, layer, kind, major, minor }
    }
}

impl ProgramInput {
    fn of(program: &Program) -> Self {
        let (path, layer) = place(&program.spot);
        let by = match program.by {
            By::Path => "path",
            By::Package => "package",
        };
        let (class, name) = (program.class.word().to_owned(), program.name.clone());
        Self { path, layer, class, name, by: by.to_owned() }
    }
}

impl LayerSizeInput {
    fn of(size: &LayerSize) -> Self {
        Self {
            compressed: size.stored.compressed,
            uncompressed: size.stored.uncompressed,
            files: size.files,
            file_bytes: size.file_bytes,
            hidden_bytes: size.hidden_bytes,
        }
    }
}

impl UserInput {
    fn of(user: &User) -> Self {
        let resolved = user.resolved.as_ref();
        Self {
            configured: shown_named("User", &user.configured),
            uid: resolved.map(|of| of.uid),
            gid: resolved.map(|of| of.gid),
            name: resolved.and_then(|of| of.name.clone()),
            groups: resolved.map(|of| of.groups.clone()).unwrap_or_default(),
            error: user.problem.clone(),
        }
    }
}
