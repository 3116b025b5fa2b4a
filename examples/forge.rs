//! Turns an honest image into a tampered twin, the way somebody with push rights would: every digest that follows from the change
//! (layer, diffID, config, manifest, attestation subject, index) is rewritten, so that nothing but the content gives it away.
//!
//! Works on an OCI image layout that holds one image, as `skopeo copy --all docker://... oci:DIR` writes it, in place.
//! Test tooling: it trusts its input, and refuses only what it cannot do (a path or a package that is not there).

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Archive, EntryType, Header};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Makes tampered twins of the image in an OCI layout, in place")]
struct Args {
    /// Folder of the OCI image layout
    layout: PathBuf,
    #[command(subcommand)]
    change: Change,
}

#[derive(Subcommand)]
enum Change {
    /// Replace the content of a file in every layer that has it
    SwapFile { path: String, content: PathBuf },
    /// As swap-file, but leave the config's diffID as it was
    LieDiffid { path: String, content: PathBuf },
    /// Add a regular file, mode 0644 and owned by root, at the end of the last layer
    AddFile { path: String, content: PathBuf },
    /// Leave a file out of every layer that has it
    RemoveFile { path: String },
    /// Change the permission bits of an entry (octal, setuid and the like included)
    SetMode { path: String, mode: String },
    /// Change the owner of an entry
    SetOwner { path: String, uid: u64, gid: u64 },
    /// Change the modification time of an entry (seconds since 1970)
    Touch { path: String, seconds: u64 },
    /// Compress every layer again: other bytes in the registry, the same content
    Recompress { level: u32 },
    /// Append bytes after the end of the last layer's compressed stream
    AppendGarbage { text: String },
    /// Set a label in the config
    Relabel { key: String, value: String },
    /// Set any value in the config, by JSON pointer (the parent has to be there)
    SetConfig { pointer: String, value: String },
    /// Set any value in an embedded statement, by JSON pointer; the predicate type is given by a part of its URI
    SetStatement { predicate: String, pointer: String, value: String },
    /// Leave a package out of the embedded SPDX documents
    DropSbomPackage { name: String },
    /// Replace a text wherever it stands in the embedded statements
    ReplaceText { from: String, to: String },
    /// Leave out the embedded attestations
    DropAttestations,
    /// Give an entry an extended attribute, its value in hex
    SetXattr { path: String, name: String, value: String },
    /// Let a symbolic or hard link lead elsewhere
    Retarget { path: String, target: String },
    /// Write the files of every layer in the opposite order
    Reorder,
    /// Put a layer without any entry on top
    AddLayer,
    /// Add the device that is the whole memory (1, 1) at the end of the last layer
    AddDevice { path: String },
    /// Compress every layer with zstd
    Zstd,
    /// Annotate the image's manifest
    Annotate { key: String, value: String },
}

/// Changes one layout, and prints its new digest.
pub fn main() -> Outcome<()> {
    let args = Args::parse();
    let layout = Layout(args.layout);
    let twin = args.change.apply(&layout)?;
    println!("{twin}");
    Ok(())
}

impl Change {
    /// Rewrites the layout from the layers up to `index.json`; the result is the digest to sign.
    fn apply(&self, layout: &Layout) -> Outcome<String> {
        let root_file = layout.0.join("index.json");
        let mut root: Value = serde_json::from_slice(&fs::read(&root_file)?)?;
        let top = root.pointer_mut("/manifests/0").ok_or("index.json lists no image")?;
        let mut done = Done::default();

        if text(top, "mediaType")?.ends_with("image.index.v1+json") {
            let mut index = layout.json(text(top, "digest")?)?;
            self.rewrite_index(layout, &mut index, &mut done)?;
            layout.store_as(top, &index)?;
        } else {
            self.rewrite_image(layout, top, &mut done)?;
        }
        if done.changes == 0 {
            return Err("nothing in the image matches: the twin would be the original".into());
        }
        let digest = text(top, "digest")?.to_owned();
        fs::write(&root_file, serde_json::to_vec(&root)?)?;
        Ok(digest)
    }

    /// Images first: the attestations name their digests.
    fn rewrite_index(&self, layout: &Layout, index: &mut Value, done: &mut Done) -> Outcome<()> {
        let manifests = list(index, "manifests")?;
        for descriptor in manifests.iter_mut().filter(|d| !is_attestation(d)) {
            self.rewrite_image(layout, descriptor, done)?;
        }
        if matches!(self, Change::DropAttestations) {
            let before = manifests.len();
            manifests.retain(|d| !is_attestation(d));
            done.changes += before - manifests.len();
        }
        for descriptor in manifests.iter_mut().filter(|d| is_attestation(d)) {
            self.rewrite_attestation(layout, descriptor, done)?;
        }
        Ok(())
    }

    fn rewrite_image(
        &self,
        layout: &Layout,
        descriptor: &mut Value,
        done: &mut Done,
    ) -> Outcome<()> {
        let old = text(descriptor, "digest")?.to_owned();
        let mut manifest = layout.json(&old)?;
        let before = done.changes;
        let mut config = layout.json(text(&manifest["config"], "digest")?)?;
        let config_before = config.clone();

        if matches!(self, Change::AddLayer) {
            add_layer(layout, &mut manifest, &mut config)?;
            done.changes += 1;
        }
        if let Change::Annotate { key, value } = self {
            manifest["annotations"][key] = json!(value);
            done.changes += 1;
        }
        let layers = list(&mut manifest, "layers")?;
        let count = layers.len();
        for (position, layer) in layers.iter_mut().enumerate() {
            let diff_id = &mut config["rootfs"]["diff_ids"][position];
            self.rewrite_layer(layout, layer, diff_id, position + 1 == count, done)?;
        }
        self.rewrite_config(&mut config, done)?;
        // An unchanged config keeps its bytes, and with them its digest.
        if config != config_before {
            layout.store_as(&mut manifest["config"], &config)?;
        }
        if done.changes > before {
            layout.store_as(descriptor, &manifest)?;
        }
        done.renamed.insert(old, descriptor.clone());
        Ok(())
    }

    fn rewrite_layer(
        &self,
        layout: &Layout,
        layer: &mut Value,
        diff_id: &mut Value,
        last: bool,
        done: &mut Done,
    ) -> Outcome<()> {
        let old = layout.blob(text(layer, "digest")?)?;
        let mut tar = Vec::new();
        GzDecoder::new(old.as_slice()).read_to_end(&mut tar)?;

        let new = match self {
            Change::Recompress { level } => {
                done.changes += 1;
                compress(&tar, *level)?
            }
            Change::Zstd => {
                done.changes += 1;
                layer["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd");
                zstd::encode_all(tar.as_slice(), 3)?
            }
            Change::AppendGarbage { text } if last => {
                done.changes += 1;
                [old.as_slice(), text.as_bytes()].concat()
            }
            _ => {
                let mut entries = read_tar(&tar)?;
                let changed = self.edit_entries(&mut entries, last)?;
                if changed == 0 {
                    return Ok(());
                }
                done.changes += changed;
                let tar = write_tar(&entries)?;
                if !matches!(self, Change::LieDiffid { .. }) {
                    *diff_id = json!(digest_of(&tar));
                }
                compress(&tar, 6)?
            }
        };
        layout.store_bytes_as(layer, &new)
    }

    /// How many entries changed.
    fn edit_entries(&self, entries: &mut Vec<Entry>, last: bool) -> Outcome<usize> {
        let before = entries.len();
        match self {
            Change::AddFile { path, content } if last => {
                entries.push(Entry::file(path, fs::read(content)?)?);
                return Ok(1);
            }
            Change::RemoveFile { path } => {
                entries.retain(|e| !e.is(path));
                return Ok(before - entries.len());
            }
            Change::AddDevice { path } if last => {
                let mut entry = Entry::file(path, Vec::new())?;
                entry.header.set_entry_type(EntryType::Char);
                entry.header.set_device_major(1)?;
                entry.header.set_device_minor(1)?;
                entry.header.set_cksum();
                entries.push(entry);
                return Ok(1);
            }
            Change::SetXattr { path, name, value } => return set_xattr(entries, path, name, value),
            Change::Reorder => return Ok(reorder(entries)),
            _ => {}
        }
        let mut changed = 0;
        for entry in entries {
            changed += usize::from(self.edit_entry(entry)?);
        }
        Ok(changed)
    }

    fn edit_entry(&self, entry: &mut Entry) -> Outcome<bool> {
        match self {
            Change::SwapFile { path, content } | Change::LieDiffid { path, content }
                if entry.is(path) =>
            {
                entry.data = fs::read(content)?;
                entry.header.set_size(entry.data.len() as u64);
            }
            Change::SetMode { path, mode } if entry.is(path) => {
                entry.header.set_mode(u32::from_str_radix(mode, 8)?);
            }
            Change::SetOwner { path, uid, gid } if entry.is(path) => {
                entry.header.set_uid(*uid);
                entry.header.set_gid(*gid);
            }
            Change::Touch { path, seconds } if entry.is(path) => entry.header.set_mtime(*seconds),
            Change::Retarget { path, target } if entry.is(path) => {
                entry.header.set_link_name(target)?;
            }
            _ => return Ok(false),
        }
        entry.header.set_cksum();
        Ok(true)
    }

    fn rewrite_config(&self, config: &mut Value, done: &mut Done) -> Outcome<()> {
        match self {
            Change::Relabel { key, value } => config["config"]["Labels"][key] = json!(value),
            Change::SetConfig { pointer, value } => set(config, pointer, value)?,
            _ => return Ok(()),
        }
        done.changes += 1;
        Ok(())
    }

    fn rewrite_attestation(
        &self,
        layout: &Layout,
        descriptor: &mut Value,
        done: &mut Done,
    ) -> Outcome<()> {
        let image = text(&descriptor["annotations"], "vnd.docker.reference.digest")?.to_owned();
        let renamed = done
            .renamed
            .get(&image)
            .ok_or("an attestation is about an image that is not in the index")?
            .clone();
        let digest = text(&renamed, "digest")?.to_owned();
        let mut manifest = layout.json(text(descriptor, "digest")?)?;

        let mut contents = Vec::new();
        for layer in list(&mut manifest, "layers")? {
            let mut statement = layout.json(text(layer, "digest")?)?;
            for subject in list(&mut statement, "subject")? {
                if subject["digest"]["sha256"] == json!(hex_of(&image)) {
                    subject["digest"]["sha256"] = json!(hex_of(&digest));
                }
            }
            self.edit_statement(&mut statement, done)?;
            layout.store_as(layer, &statement)?;
            contents.push(layer["digest"].clone());
        }
        // The older form carries an image config which lists the statements as if they were layers.
        let mut config = layout.json(text(&manifest["config"], "digest")?)?;
        if config.pointer("/rootfs/diff_ids").is_some() {
            config["rootfs"]["diff_ids"] = Value::Array(contents);
            layout.store_as(&mut manifest["config"], &config)?;
        }
        if manifest["subject"].is_object() {
            manifest["subject"]["digest"] = renamed["digest"].clone();
            manifest["subject"]["size"] = renamed["size"].clone();
        }
        descriptor["annotations"]["vnd.docker.reference.digest"] = json!(digest);
        layout.store_as(descriptor, &manifest)
    }

    fn edit_statement(&self, statement: &mut Value, done: &mut Done) -> Outcome<()> {
        let kind = text(statement, "predicateType")?.to_owned();
        match self {
            Change::SetStatement { predicate, pointer, value } if kind.contains(predicate) => {
                set(statement, pointer, value)?;
                done.changes += 1;
            }
            Change::ReplaceText { from, to } => {
                let before = statement.to_string();
                done.changes += before.matches(from.as_str()).count();
                *statement = serde_json::from_str(&before.replace(from, to))?;
            }
            Change::DropSbomPackage { name } if kind.contains("spdx") => {
                let document = &mut statement["predicate"];
                let mut dropped = Vec::new();
                list(document, "packages")?.retain(|package| {
                    let keep = package["name"] != json!(name);
                    if !keep {
                        dropped.push(package["SPDXID"].clone());
                    }
                    keep
                });
                list(document, "relationships")?
                    .retain(|relation| !dropped.contains(&relation["relatedSpdxElement"]));
                done.changes += dropped.len();
            }
            _ => {}
        }
        Ok(())
    }
}

/// What happened so far: how many changes, and which image's descriptor became which.
#[derive(Default)]
struct Done {
    changes: usize,
    renamed: BTreeMap<String, Value>,
}

/// A folder with `index.json` and `blobs/sha256`.
struct Layout(PathBuf);

impl Layout {
    fn blob(&self, digest: &str) -> Outcome<Vec<u8>> {
        Ok(fs::read(self.0.join("blobs/sha256").join(hex_of(digest)))?)
    }

    fn json(&self, digest: &str) -> Outcome<Value> {
        Ok(serde_json::from_slice(&self.blob(digest)?)?)
    }

    fn store_as(&self, descriptor: &mut Value, content: &Value) -> Outcome<()> {
        self.store_bytes_as(descriptor, &serde_json::to_vec(content)?)
    }

    fn store_bytes_as(&self, descriptor: &mut Value, content: &[u8]) -> Outcome<()> {
        let digest = digest_of(content);
        fs::write(self.0.join("blobs/sha256").join(hex_of(&digest)), content)?;
        descriptor["digest"] = json!(digest);
        descriptor["size"] = json!(content.len());
        Ok(())
    }
}

/// One header and its data as they stand in the tar: PAX and long-name records are entries of their own and stay as they are.
struct Entry {
    header: Header,
    data: Vec<u8>,
}

impl Entry {
    fn file(path: &str, data: Vec<u8>) -> Outcome<Entry> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(path.trim_start_matches('/'))?;
        header.set_mode(0o644);
        header.set_size(data.len() as u64);
        header.set_cksum();
        Ok(Entry { header, data })
    }

    fn is(&self, path: &str) -> bool {
        let kind = self.header.entry_type();
        let special = kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions()
            || kind.is_gnu_longname()
            || kind.is_gnu_longlink();
        let wanted = Path::new(path.trim_start_matches('/'));
        !special && self.header.path().is_ok_and(|p| p.strip_prefix(".").unwrap_or(&p) == wanted)
    }
}

/// With its diffID and its step in the history, as a builder would write it.
fn add_layer(layout: &Layout, manifest: &mut Value, config: &mut Value) -> Outcome<()> {
    let tar = write_tar(&[])?;
    let mut descriptor = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"});
    layout.store_bytes_as(&mut descriptor, &compress(&tar, 6)?)?;
    list(manifest, "layers")?.push(descriptor);
    list(&mut config["rootfs"], "diff_ids")?.push(json!(digest_of(&tar)));
    let step = json!({"created": config["created"], "created_by": "RUN /bin/sh -c true"});
    list(config, "history")?.push(step);
    Ok(())
}

/// As PAX record before the entry (pax(1), "SCHILY.xattr" as GNU tar and Docker write it), in one with what is there already.
fn set_xattr(entries: &mut Vec<Entry>, path: &str, name: &str, value: &str) -> Outcome<usize> {
    let mut record = format!(" SCHILY.xattr.{name}=").into_bytes();
    record.extend(hex::decode(value)?);
    record.push(b'\n');
    // The length counts its own digits.
    let length = (1..).find(|n| n - n.to_string().len() == record.len()).unwrap_or_default();
    let record = [length.to_string().into_bytes(), record].concat();
    let places: Vec<usize> = (0..entries.len()).rev().filter(|i| entries[*i].is(path)).collect();
    for place in &places {
        let before = place
            .checked_sub(1)
            .filter(|i| entries[*i].header.entry_type().is_pax_local_extensions());
        let at = before.unwrap_or(*place);
        if before.is_none() {
            let mut entry = Entry::file("PaxHeaders.0/xattr", Vec::new())?;
            entry.header.set_entry_type(EntryType::XHeader);
            entries.insert(at, entry);
        }
        entries[at].data.extend(&record);
        let size = entries[at].data.len() as u64;
        entries[at].header.set_size(size);
        entries[at].header.set_cksum();
    }
    Ok(places.len())
}

/// Folders stay first and links last, so that the result unpacks to the same files.
fn reorder(entries: &mut Vec<Entry>) -> usize {
    let mut groups: [Vec<Vec<Entry>>; 3] = Default::default();
    let mut group = Vec::new();
    for entry in entries.drain(..) {
        let place = match entry.header.entry_type() {
            EntryType::Directory => 0,
            EntryType::Regular => 1,
            EntryType::Symlink | EntryType::Link => 2,
            // Belongs to the entry after it.
            _ => {
                group.push(entry);
                continue;
            }
        };
        group.push(entry);
        groups[place].push(std::mem::take(&mut group));
    }
    groups[1].reverse();
    let moved = groups[1].len();
    entries.extend(groups.into_iter().flatten().flatten());
    entries.extend(group);
    if moved > 1 { moved } else { 0 }
}

fn read_tar(tar: &[u8]) -> Outcome<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in Archive::new(tar).entries()?.raw(true) {
        let mut entry = entry?;
        let mut data = Vec::new();
        entry.read_to_end(&mut data)?;
        entries.push(Entry { header: entry.header().clone(), data });
    }
    Ok(entries)
}

fn write_tar(entries: &[Entry]) -> Outcome<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        builder.append(&entry.header, entry.data.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

fn compress(tar: &[u8], level: u32) -> Outcome<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(level));
    gzip.write_all(tar)?;
    Ok(gzip.finish()?)
}

fn is_attestation(descriptor: &Value) -> bool {
    descriptor["annotations"]["vnd.docker.reference.type"] == json!("attestation-manifest")
}

fn set(document: &mut Value, pointer: &str, value: &str) -> Outcome<()> {
    let (parent, key) = pointer.rsplit_once('/').ok_or("a JSON pointer begins with /")?;
    let parent = document
        .pointer_mut(parent)
        .ok_or_else(|| format!("there is no {parent} to set {key} in"))?;
    let value = serde_json::from_str(value)?;
    match parent {
        Value::Array(items) => {
            let position: usize = key.parse()?;
            *items.get_mut(position).ok_or("no such position")? = value;
        }
        _ => parent[key] = value,
    }
    Ok(())
}

fn text<'a>(value: &'a Value, key: &str) -> Outcome<&'a str> {
    Ok(value[key].as_str().ok_or_else(|| format!("no text under {key}"))?)
}

fn list<'a>(value: &'a mut Value, key: &str) -> Outcome<&'a mut Vec<Value>> {
    Ok(value[key].as_array_mut().ok_or_else(|| format!("no list under {key}"))?)
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn hex_of(digest: &str) -> &str {
    digest.trim_start_matches("sha256:")
}
