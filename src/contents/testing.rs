//! What the tests of the catalogues have in common.

use super::{
    catalogue::{Garbled, Listed},
    claims::{Claim, Content, Owner, Role, Told},
    go::MAGIC,
};

/// Name and version of each package, in one text, sorted.
pub(super) fn shown(packages: &[Listed]) -> String {
    let mut all: Vec<String> =
        packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    all.sort();
    all.join(", ")
}

/// The packages, or why there are none.
pub(super) fn said(read: Result<Vec<Listed>, Garbled>) -> String {
    match read {
        Ok(packages) => shown(&packages),
        Err(garbled) => format!("error: {garbled}"),
    }
}

/// Build information of a Go program whose module `a.b/c` has the version `v1.0.N`.
pub(super) fn go(version: u8) -> Vec<u8> {
    let lines = format!("{0}path\tx\nmod\ta.b/c\tv1.0.{version}\th1:x=\n{0}", "#".repeat(16));
    let mut blob = [MAGIC.as_slice(), &[8, 2], &[0; 16], b"\x08go1.22.1"].concat();
    blob.push(u8::try_from(lines.len()).expect("it is short"));
    blob.extend(lines.bytes());
    blob
}

/// The claims, or why there are none: each owner with its files and what is known of them.
pub(super) fn claimed(read: Result<Told, Garbled>) -> String {
    let told = match read {
        Ok(told) => told,
        Err(garbled) => return format!("error: {garbled}"),
    };
    let file = |claim: &Claim| {
        let content = match &claim.content {
            Content::Sum(sum) => sum.algorithm().to_owned(),
            Content::Link(target) => format!("-> {target}"),
            Content::Unknown => "-".to_owned(),
        };
        let role = match claim.role {
            Role::Plain => "",
            Role::Configuration => " configuration",
            Role::Documentation => " documentation",
            Role::Ghost => " ghost",
        };
        format!("{} {content}{role}", claim.path)
    };
    let one = |claims: &super::claims::Claims| {
        let owner = match &claims.owner {
            Owner::Named { name, architecture: Some(arch) } => format!("{name}:{arch}"),
            Owner::Named { name, architecture: None } => name.clone(),
            Owner::ListedAt(path) => path.clone(),
        };
        let files: Vec<String> = claims.files.iter().map(file).collect();
        format!("{owner}: {}", files.join(", ")).trim_end().to_owned()
    };
    told.claims.iter().map(one).collect::<Vec<_>>().join("; ")
}
