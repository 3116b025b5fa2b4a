//! os-release(5): which distribution this is, and so which package database has to be there.
//!
//! Turns `NAME=value` lines into an [`Os`] and a promise. Quotes are removed as a shell does; nothing is expanded.

use super::{Database, Inventory, Os, catalogue::Origin};

/// That a file is os-release, which lists nothing itself.
pub(super) const ORIGIN: Origin = Origin { name: "os-release", ecosystem: "", managed: true };

/// What os-release says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Release {
    /// `ID` and `VERSION_ID`; `None` where there is no `ID`.
    pub(super) os: Option<Os>,
    /// `ID_LIKE`.
    like: Vec<String>,
}

/// Package databases that distributions promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    Dpkg,
    Apk,
    Rpm,
}

/// Reads os-release; lines that are none of its form are passed over, as os-release(5) asks.
pub(super) fn parse(bytes: &[u8]) -> Release {
    let text = String::from_utf8_lossy(bytes);
    let mut release = Release::default();
    let (mut id, mut version) = (None, None);
    let (mut codename, mut version_text) = (None, None);
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once('=') else {
            continue;
        };
        let value = unquote(value);
        match name {
            "ID" => id = Some(value),
            "VERSION_ID" => version = Some(value),
            "VERSION_CODENAME" => codename = Some(value),
            "VERSION" => version_text = Some(value),
            "ID_LIKE" => release.like = value.split_whitespace().map(str::to_owned).collect(),
            _ => {}
        }
    }
    let id = id.filter(|id| !id.is_empty());
    release.os = id.map(|id| Os { id, version, codename, version_text });
    release
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
    inner.unwrap_or(value).to_owned()
}

impl Release {
    fn promise(&self) -> Option<Promise> {
        let own = self.os.iter().map(|os| os.id.as_str());
        own.chain(self.like.iter().map(String::as_str)).find_map(|id| match id {
            "debian" | "ubuntu" => Some(Promise::Dpkg),
            "alpine" | "wolfi" | "chainguard" => Some(Promise::Apk),
            "rhel" | "fedora" | "centos" | "rocky" | "almalinux" | "amzn" | "ol" | "suse"
            | "opensuse" | "sles" | "photon" | "mariner" | "azurelinux" => Some(Promise::Rpm),
            _ => None,
        })
    }

    /// The database that should have listed packages and did not; `None` where the promise is kept.
    ///
    /// A database that is there and garbled is in the inventory already.
    pub(super) fn broken_promise(&self, inventory: &Inventory) -> Option<Database> {
        let (ecosystem, path) = match self.promise()? {
            Promise::Dpkg => ("deb", "/var/lib/dpkg"),
            Promise::Apk => ("apk", "/lib/apk/db"),
            Promise::Rpm => ("rpm", "/var/lib/rpm"),
        };
        let kept = inventory.packages.iter().any(|p| p.ecosystem == ecosystem);
        let known = inventory.databases.iter().any(|d| d.read.is_err());
        let id = self.os.as_ref().map_or("its kind", |os| os.id.as_str());
        let why = format!("os-release says {id}, and no {ecosystem} database lists a package");
        (!kept && !known).then(|| Database { path: path.to_owned(), read: Err(why) })
    }
}
