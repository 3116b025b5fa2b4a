//! Chisel's manifest (`/var/lib/chisel/manifest.wall`, jsonwall 1.0 in zstd).
//!
//! Turns lines of JSON into packages, and into claims of the slices of packages that were cut out. A path may be of several
//! slices; `final_sha256` is the digest after a slice's own script changed the file. The manifest inflates to a bounded size
//! and has to begin with its header.

use std::{collections::BTreeMap, io::Read as _};

use serde::Deserialize;

use super::{
    catalogue::{Catalogue, Garbled, Listed, Origin},
    claims::{Checksum, Claim, Claims, Content, FileList, Most, Owner, Told},
    parts::{form, json, listed, word},
};

const ORIGIN: Origin = Origin { name: "chisel", ecosystem: "deb", managed: true };
const PATH: &str = "/var/lib/chisel/manifest.wall";
/// Bytes of the manifest, packed and not; those of real images are below a megabyte.
const FILE_BYTES: u64 = 64 << 20;

/// The catalogue.
pub(super) const CATALOGUE: Catalogue = Catalogue {
    origin: ORIGIN,
    wants: |file| file.path == PATH,
    file_bytes: FILE_BYTES,
    copies: 1,
    read: |_, bytes, most| packages(bytes, most).into(),
};

/// The manifest, once more.
pub(super) const LISTS: FileList = FileList {
    origin: Origin { name: "chisel-files", managed: false, ..ORIGIN },
    wants: |path| path == PATH,
    file_bytes: FILE_BYTES,
    read: |_, bytes, most| claims(bytes, most),
};

#[derive(Deserialize)]
struct Header {
    jsonwall: String,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    arch: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    slices: Vec<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    final_sha256: Option<String>,
    #[serde(default)]
    link: Option<String>,
}

/// Gives each line behind the header to `each`.
fn lines(bytes: &[u8], mut each: impl FnMut(Line) -> Result<(), Garbled>) -> Result<(), Garbled> {
    let broken = |why: std::io::Error| form(format!("it cannot be inflated: {why}"));
    let mut text = String::new();
    let inflated = zstd::stream::read::Decoder::new(bytes).map_err(broken)?;
    inflated.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(broken)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(form(format!("it inflates to more than {FILE_BYTES} bytes")));
    }
    let mut lines = text.lines();
    let header: Header = json(lines.next().unwrap_or_default().as_bytes())?;
    if !header.jsonwall.starts_with("1.") {
        return Err(form("its version of the format is not read"));
    }
    lines.filter(|line| !line.is_empty()).try_for_each(|line| each(json(line.as_bytes())?))
}

fn packages(bytes: &[u8], most: usize) -> Result<Vec<Listed>, Garbled> {
    let mut packages = Vec::new();
    lines(bytes, |line| {
        if line.kind.as_deref() != Some("package") {
            return Ok(());
        }
        if packages.len() >= most {
            return Err(Garbled::TooMany);
        }
        let name = word(&line.name.unwrap_or_default(), "name")?;
        let version = word(&line.version.unwrap_or_default(), "version")?;
        packages.push(Listed { architecture: line.arch, ..listed(name, version) });
        Ok(())
    })?;
    Ok(packages)
}

fn claims(bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let (mut files, mut named): (BTreeMap<String, Vec<Claim>>, usize) = (BTreeMap::new(), 0);
    lines(bytes, |line| {
        let (Some("path"), Some(path)) = (line.kind.as_deref(), &line.path) else { return Ok(()) };
        // Folders end with a slash.
        if path.ends_with('/') {
            return Ok(());
        }
        let sum = line.final_sha256.as_ref().or(line.sha256.as_ref());
        let content = match (line.link, sum.and_then(|sum| Checksum::from_hex(sum))) {
            (Some(link), _) if !link.is_empty() => Content::Link(link.into()),
            (_, Some(sum @ Checksum::Sha256(_))) => Content::Sum(sum),
            _ => Content::Unknown,
        };
        for slice in &line.slices {
            named += 1;
            if named > most {
                return Err(Garbled::TooMany);
            }
            let package = slice.split('_').next().unwrap_or_default().to_owned();
            files.entry(package).or_default().push(Claim::new(path.as_str(), content.clone())?);
        }
        Ok(())
    })?;
    let claims = files
        .into_iter()
        .map(|(name, files)| Claims { owner: Owner::Named { name, architecture: None }, files });
    Ok(Told { claims: claims.collect(), ..Told::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::testing::{claimed, said};

    fn wall(lines: &str) -> Vec<u8> {
        let text = format!("{{\"jsonwall\":\"1.0\",\"schema\":\"1.0\",\"count\":9}}\n{lines}");
        zstd::encode_all(text.as_bytes(), 1).unwrap()
    }

    #[test]
    fn a_manifest_lists_packages_and_owns_files() {
        let (one, two) = ("ab".repeat(32), "cd".repeat(32));
        let manifest = wall(&format!(
            "{{\"kind\":\"content\",\"slice\":\"libc6_libs\",\"path\":\"/x\"}}\n\
             {{\"kind\":\"package\",\"name\":\"libc6\",\"version\":\"2.39\",\"sha256\":\"00\",\"arch\":\"amd64\"}}\n\
             {{\"kind\":\"path\",\"path\":\"/usr/lib/\",\"mode\":\"0755\",\"slices\":[\"libc6_libs\"]}}\n\
             {{\"kind\":\"path\",\"path\":\"/usr/lib/libc.so.6\",\"slices\":[\"libc6_libs\"],\"sha256\":\"{one}\"}}\n\
             {{\"kind\":\"path\",\"path\":\"/etc/p\",\"slices\":[\"libc6_libs\",\"base_etc\"],\"sha256\":\"{one}\",\"final_sha256\":\"{two}\"}}\n\
             {{\"kind\":\"path\",\"path\":\"/l\",\"slices\":[\"libc6_libs\"],\"link\":\"usr/lib\"}}\n"
        ));
        assert_eq!(said(packages(&manifest, 1)), "libc6 2.39");
        assert_eq!(packages(&manifest, 0), Err(Garbled::TooMany));
        let want =
            "base: /etc/p sha256; libc6: /usr/lib/libc.so.6 sha256, /etc/p sha256, /l -> usr/lib";
        assert_eq!(claimed(claims(&manifest, 4)), want);
        assert_eq!(claims(&manifest, 3), Err(Garbled::TooMany));
    }

    #[test]
    fn what_is_no_manifest_is_said() {
        let bomb = zstd::encode_all(vec![b'\n'; 65 << 20].as_slice(), 1).unwrap();
        let cases: [(&[u8], &str); 4] = [
            (b"", "it cannot be inflated"),
            (b"text", "it cannot be inflated"),
            (&zstd::encode_all(&b"{\"jsonwall\":\"2.0\"}"[..], 1).unwrap(), "its version"),
            (&bomb, "inflates to more than"),
        ];
        for (bytes, want) in cases {
            let found = said(packages(bytes, 9));
            assert!(found.starts_with("error") && found.contains(want), "{found}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), text in "[{}:,\"a-z/]{0,80}") {
            let _ = packages(&bytes, 9);
            let _ = claims(&wall(&text), 9);
        }
    }
}
