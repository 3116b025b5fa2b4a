//! Files of rpm's packages (`rpmtag.h`, `rpmfiles.h`): names, digests, link targets and flags.
//!
//! Turns headers into claims. Names are kept as folders and base names, with the number of the folder for each. A digest is
//! of the algorithm that the header names, MD5 where it names none; one that is not computed here stays unknown. Headers that
//! cannot be read are told by the catalogue.

use super::{Garbled, Header, Tag, form, headers, package};
use crate::contents::{
    catalogue::Origin,
    claims::{Checksum, Claim, Claims, Content, FileList, Most, Owner, Role, Told},
};

/// The database, once more.
pub(in crate::contents) const LISTS: FileList = FileList {
    origin: Origin { name: "rpm-files", ecosystem: "rpm", managed: false },
    wants: super::is_database,
    file_bytes: super::CATALOGUE.file_bytes,
    read: |_, bytes, most| read(bytes, most),
};

/// Flags of files.
const CONFIGURATION: u64 = 1;
const DOCUMENTATION: u64 = 1 << 1;
const GHOST: u64 = 1 << 6;
/// `PGPHASHALGO` of the digests that are computed here.
const COMPUTED: [u64; 3] = [1, 2, 8];

fn read(bytes: &[u8], most: Most) -> Result<Told, Garbled> {
    let (mut told, mut left) = (Told::default(), most);
    headers(bytes, &mut |header| {
        let Ok(header) = header else { return Ok(()) };
        let Ok(Some(package)) = package(&header) else { return Ok(()) };
        let files = files(&header, left)?;
        left = left.saturating_sub(files.len());
        let owner = Owner::Named { name: package.name, architecture: package.architecture };
        told.claims.push(Claims { owner, files });
        Ok(())
    })?;
    Ok(told)
}

fn files(header: &Header<'_>, most: Most) -> Result<Vec<Claim>, Garbled> {
    let names = header.texts(Tag::BaseNames)?;
    if names.len() > most {
        return Err(Garbled::TooMany);
    }
    let folders = header.texts(Tag::FolderNames)?;
    let indexes = header.numbers(Tag::FolderIndexes)?;
    let sums = header.texts(Tag::FileDigests)?;
    let links = header.texts(Tag::FileLinks)?;
    let flags = header.numbers(Tag::FileFlags)?;
    let algorithm = header.numbers(Tag::FileDigestAlgorithm)?.first().copied().unwrap_or(1);
    let computed = COMPUTED.contains(&algorithm);
    let at = |texts: &[&[u8]], at: usize| {
        texts.get(at).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
    };
    let claim = |(number, name): (usize, &&[u8])| {
        let folder =
            indexes.get(number).and_then(|index| folders.get(usize::try_from(*index).ok()?));
        let folder = folder.ok_or_else(|| form("a package has a file without a folder"))?;
        let path = [*folder, *name].concat();
        let path = String::from_utf8_lossy(&path);
        let (link, sum) = (at(&links, number), at(&sums, number));
        let content = match (link.is_empty(), computed.then(|| Checksum::from_hex(&sum)).flatten())
        {
            (false, _) => Content::Link(link.into()),
            (true, Some(sum)) => Content::Sum(sum),
            (true, None) => Content::Unknown,
        };
        // The root itself is a folder of the package of folders.
        let claim = Claim::new(path.trim_end_matches('/'), content);
        let flags = flags.get(number).copied().unwrap_or_default();
        Ok::<_, Garbled>(claim.ok().map(|claim| match flags {
            flags if flags & GHOST > 0 => claim.with(Role::Ghost),
            flags if flags & CONFIGURATION > 0 => claim.with(Role::Configuration),
            flags if flags & DOCUMENTATION > 0 => claim.with(Role::Documentation),
            _ => claim,
        }))
    };
    let claims: Vec<Option<Claim>> =
        names.iter().enumerate().map(claim).collect::<Result<_, _>>()?;
    Ok(claims.into_iter().flatten().collect())
}
