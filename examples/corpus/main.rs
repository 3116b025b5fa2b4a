//! Turns the cases of `fixtures/rebuild` into images in a registry: `scripts/corpus` brings up what this needs.
//!
//! Honest images come from real builders and repositories of their own; twins are manipulated copies of these, as
//! `examples/forge.rs` makes them. For each case that could be made, `CORPUS/cases/NAME/` gets its `case.toml` and `image`, the
//! reference by digest. A case whose builder is not here is left out and named.
//!
//! Test tooling: it trusts its input.

mod build;
// The harness reads what the generator does not.
#[allow(dead_code)]
mod case;
mod lab;

use std::{collections::BTreeMap, error::Error, fs, path::PathBuf};

use clap::Parser;

use build::Builders;
use case::{Case, Twin};
use lab::Lab;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Parser)]
#[command(about = "Makes the images of the rebuild corpus")]
struct Args {
    /// Folder with the cases: fixtures/rebuild
    cases: PathBuf,
    /// Folder of the corpus, whose services are running
    corpus: PathBuf,
    /// Make these cases alone
    only: Vec<String>,
}

fn main() -> Outcome<()> {
    let args = Args::parse();
    let cases = case::read_all(&args.cases)?;
    let lab = Lab::open(&args.cases, &args.corpus)?;
    let wanted = |name: &str, case: &Case| {
        let named = |name: &str| args.only.iter().any(|only| only == name);
        let needed = |name: &str| {
            let mut twins = cases.iter().filter_map(|(twin, c)| Some((twin, c.twin.as_ref()?)));
            twins.any(|(twin, made)| made.of == name && named(twin))
        };
        args.only.is_empty() || named(name) || (case.build.is_some() && needed(name))
    };
    let mut missing = Vec::new();
    let mut made: BTreeMap<&str, &Case> = BTreeMap::new();
    let builders = Builders::start(&lab)?;
    for (name, case) in cases.iter().filter(|(name, case)| wanted(name, case)) {
        let Some(build) = &case.build else { continue };
        if let Err(why) = builders.suffice(build) {
            missing.push(format!("{name} ({why})"));
            continue;
        }
        builders.make(name, build)?;
        made.insert(name, case);
    }
    for (name, case) in cases.iter().filter(|(name, case)| wanted(name, case)) {
        let Some(twin) = &case.twin else { continue };
        if !made.contains_key(twin.of.as_str()) {
            missing.push(format!("{name} (no {})", twin.of));
            continue;
        }
        forge(&lab, name, twin)?;
        made.insert(name, case);
    }
    for name in made.keys() {
        let folder = args.corpus.join("cases").join(name);
        fs::create_dir_all(&folder)?;
        fs::copy(args.cases.join(name).join("case.toml"), folder.join("case.toml"))?;
        fs::write(folder.join("image"), lab.reference(name)?)?;
    }
    // Some things happen after publication only.
    for (name, case) in &made {
        if let Some(afterwards) = case.build.as_ref().and_then(|build| build.afterwards) {
            lab.afterwards(name, afterwards)?;
        }
    }
    for case in &missing {
        eprintln!("corpus: left out {case}");
    }
    eprintln!("corpus: made {} cases", made.len());
    Ok(())
}

fn forge(lab: &Lab, name: &str, twin: &Twin) -> Outcome<()> {
    let layout = lab.layout(name);
    let _ = fs::remove_dir_all(&layout);
    lab.run("cp", ["-r".into(), lab.layout(&twin.of).into_os_string(), layout.clone().into()])?;
    for call in &twin.forge {
        let mut arguments = vec![layout.clone().into_os_string()];
        for word in call {
            arguments.push(lab.fill_twin(word, &twin.of)?.into());
        }
        lab.run(&lab.forge, arguments)?;
    }
    lab.push(name)
}
