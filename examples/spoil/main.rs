//! Turns honest Sigstore bundles into manipulated ones, and makes bundles that no honest client would, each with what a verifier
//! ought to say of it. The cases are tables: `changes.rs` edits bundles that cosign made, `crafted.rs` has signatures by somebody
//! whom the services believe and who misuses that, `certified.rs` has certificates of a CA of its own.
//!
//! `spoil DIR` reads DIR/base/NAME.json with DIR/base/NAME.who beside it (identity, issuer, kind, trusted root; tabs between), writes
//! DIR/bundles/CASE.json, and prints a line per case: name, pass or fail, reason, and the four of the base.
//!
//! Test tooling: it trusts its input. Needs the environment of `scripts/sigstore-lab`.

mod certified;
mod changes;
mod crafted;
mod services;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Makes manipulated Sigstore bundles")]
struct Args {
    /// Folder with the honest ones in base/
    dir: PathBuf,
    /// The image they are about, as sha256:HEX
    #[arg(long)]
    image: String,
    /// Any other image
    #[arg(long)]
    other_image: String,
}

/// What a verifier ought to say.
#[derive(Clone, Copy)]
pub(crate) enum Expect {
    Pass,
    Fail,
    /// The proof is whole, and something around it is odd
    Either,
}

/// The honest bundles by name.
pub(crate) struct Donors {
    bundles: BTreeMap<String, Value>,
    manifest: Option<Vec<u8>>,
}

impl Donors {
    fn read(dir: &Path) -> Outcome<Donors> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            if let (Some(name), true) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.extension().is_some_and(|extension| extension == "json"),
            ) {
                found.insert(name.to_owned(), serde_json::from_slice(&fs::read(&path)?)?);
            }
        }
        Ok(Donors { bundles: found, manifest: fs::read(dir.join("manifest")).ok() })
    }

    pub(crate) fn get(&self, name: &str) -> Outcome<&Value> {
        Ok(self.bundles.get(name).ok_or_else(|| format!("there is no honest bundle {name}"))?)
    }

    /// The bytes of the image's manifest or index.
    pub(crate) fn manifest(&self) -> Option<&[u8]> {
        self.manifest.as_deref()
    }
}

/// Where cases go: a file for each, and a line.
pub(crate) struct Sink {
    dir: PathBuf,
}

impl Sink {
    /// A case that is verified as the base bundle is.
    pub(crate) fn put(
        &self,
        name: &str,
        expect: Expect,
        reason: &str,
        base: &str,
        bundle: &str,
    ) -> Outcome<()> {
        let who = fs::read_to_string(self.dir.join("base").join(format!("{base}.who")))?;
        self.put_as(name, expect, reason, who.trim_end_matches('\n'), bundle)
    }

    /// A case with its identity, issuer, kind and trusted root.
    pub(crate) fn put_as(
        &self,
        name: &str,
        expect: Expect,
        reason: &str,
        who: &str,
        bundle: &str,
    ) -> Outcome<()> {
        fs::write(self.dir.join("bundles").join(format!("{name}.json")), bundle)?;
        let expect = match expect {
            Expect::Pass => "pass",
            Expect::Fail => "fail",
            Expect::Either => "either",
        };
        println!("{name}\t{expect}\t{reason}\t{who}");
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let args = Args::parse();
    let donors = Donors::read(&args.dir.join("base"))?;
    fs::create_dir_all(args.dir.join("bundles"))?;
    let sink = Sink { dir: args.dir.clone() };
    changes::write_all(&donors, &sink)?;
    let lab = services::Lab::from_environment()?;
    crafted::write_all(&lab, &args.image, &args.other_image, &donors, &sink).await?;
    certified::write_all(&lab, &args.image, &args.dir, &sink).await
}
