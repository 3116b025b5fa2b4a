//! `hallmark trust`: what is believed, fetched, shown and translated.
//!
//! `update` is the only command that asks for trusted roots. It keeps one document for each, written at once and after
//! everything in it was verified.

use std::{collections::BTreeMap, io::Write as _, path::Path};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, Trust, TrustUpdate},
    context,
    files::Operand,
};
use crate::{
    config::{
        cluster_image_policy,
        roots::{self, From, InForce, Repository, Roots},
    },
    finding::Code,
    limits::Limits,
    report,
    scratch::seen,
    source::mirror::{Mirror, MirrorError},
    trust::sigstore::{
        TrustedRoot,
        tuf::{Cache, Current, TufError, Update},
    },
    untrusted::{self, Page, line, misleads},
};

/// How long one update waits for another, and how often it looks.
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(60);
const LOCK_LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// Runs the command.
pub async fn run(command: &Trust, global: &Global) -> Result<Answer, Failure> {
    match command {
        Trust::Update(args) => update(args, global).await,
        Trust::Show { output } => show(*output, global),
        Trust::Import { file, output } => self::import(file, *output),
    }
}

async fn update(args: &TrustUpdate, global: &Global) -> Result<Answer, Failure> {
    let roots = context::repositories(global)?;
    if args.mirror.is_some() && args.names.len() != 1 {
        return Err(Failure::usage("--mirror is a mirror of one root: name exactly one"));
    }
    let mut kept = Vec::new();
    for repository in chosen(&roots, &args.names)? {
        let one = one(&roots, repository, args).await;
        // Those before it are kept, and said.
        let (file, current) = one.map_err(|failure| match kept.is_empty() {
            true => failure,
            false => failure.after(updated(&kept, args.output)),
        })?;
        kept.push((repository.name.as_str(), file, current));
    }
    Ok(Answer::data(updated(&kept, args.output)))
}

/// Schema of what was fetched.
const UPDATED: &str = "hallmark/updated-roots/v1";

/// What was fetched and kept.
fn updated(kept: &[(&str, String, Current)], output: Format) -> String {
    if output == Format::Json {
        let one = |(name, file, current): &(&str, String, Current)| {
            let Current { as_of, expires, root_version, .. } = current;
            json!({
                "name": name, "asOf": as_of, "nextDue": expires, "rootVersion": root_version, "file": file,
            })
        };
        let roots: Vec<Value> = kept.iter().map(one).collect();
        return report::json::lines(&json!({ "schema": UPDATED, "roots": roots }));
    }
    let mut page = Page::default();
    for (name, file, Current { as_of, expires, root_version, .. }) in kept {
        line!(
            page,
            "{name}: as of {as_of}, next due by {expires}, root {root_version}, kept in {file}"
        );
    }
    page.into_text()
}

fn chosen<'a>(roots: &'a Roots, names: &[String]) -> Result<Vec<&'a Repository>, Failure> {
    if names.is_empty() {
        return Ok(roots.repositories.iter().collect());
    }
    let find = |name: &String| {
        let found = roots.repositories.iter().find(|repository| repository.name == *name);
        found.ok_or_else(|| {
            let known: Vec<&str> = roots.repositories.iter().map(|r| r.name.as_str()).collect();
            let mut failure =
                Failure::usage(format!("there is no trusted root {name:?} to update"));
            failure.help(&format!(
                "one of {}; trust.roots in hallmark.yaml names others",
                known.join(", ")
            ));
            failure
        })
    };
    names.iter().map(find).collect()
}

/// Fetches and keeps one root.
async fn one(
    roots: &Roots,
    repository: &Repository,
    args: &TrustUpdate,
) -> Result<(String, Current), Failure> {
    let name = &repository.name;
    let folder = roots.folder.as_deref().ok_or_else(|| {
        Failure::usage("no folder for trusted roots: set trust.rootFolder in hallmark.yaml")
    })?;
    let limits = Limits::default();
    let _lock = lock(folder, name).await?;
    // Whoever had the lock may have kept a root meanwhile, which a time from before would call one of the future.
    let now = Timestamp::now();
    let kept = match roots::kept(folder, repository, now, &limits) {
        Ok(kept) => kept,
        Err(why) if args.reset => {
            let mut warning = Page::default();
            line!(warning, "hallmark: what was kept is forgotten: {why}");
            let _ = std::io::stderr().write_all(warning.as_str().as_bytes());
            None
        }
        // Without it there is no floor, and whoever answers could bring back an old root.
        Err(why) => {
            let help = format!("hallmark trust update {name} --reset");
            let message = format!("what was kept is not believed: {why}; to begin again: {help}");
            return Err(Failure::new(1, message));
        }
    };
    let refused = |error: MirrorError| {
        let message = format!("{name}: {error}");
        match error {
            // What is not there may come; what is refused stays refused.
            MirrorError::Tuf(TufError::Missing(_)) => Failure::unavailable(message),
            MirrorError::Tuf(_) => Failure::refused(message),
            MirrorError::Address(_) => Failure::usage(message),
            _ => Failure::unavailable(message),
        }
    };
    let kept = kept.map(|(cache, _)| cache);
    let begun = Update::begin(&repository.initial, kept.as_ref(), now, &limits);
    let begun = begun.map_err(|error| refused(error.into()))?;
    let place = args.mirror.as_deref().unwrap_or(&repository.url);
    let mirror = Mirror::open(place, &context::surrounding_sources(), &limits).map_err(refused)?;
    let (current, cache) = mirror.complete(begun).await.map_err(refused)?;
    TrustedRoot::from_json(&current.trusted_root, &limits)
        .map_err(|error| Failure::refused(format!("{name}: {error}")))?;
    let file = roots::kept_in(folder, name);
    keep(folder, &file, &cache).map_err(|error| {
        Failure::unavailable(format!("{name}: {} cannot be written: {error}", file.display()))
    })?;
    Ok((file.display().to_string(), current))
}

/// Holds the folder for one update: of two at once, the second goes on from what the first kept.
async fn lock(folder: &Path, name: &str) -> Result<std::fs::File, Failure> {
    use rustix::fs::{FlockOperation, flock};
    let failed = |error: &dyn std::fmt::Display| {
        Failure::unavailable(format!("{name}: {} cannot be locked: {error}", folder.display()))
    };
    // The folder itself: a file for the lock would stay there.
    let opened = std::fs::create_dir_all(folder).and_then(|()| std::fs::File::open(folder));
    let opened = opened.map_err(|error| failed(&error))?;
    let until = std::time::Instant::now() + LOCK_WAIT;
    loop {
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(opened),
            Err(rustix::io::Errno::WOULDBLOCK) if std::time::Instant::now() < until => {
                tokio::time::sleep(LOCK_LOOK).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(failed(&"another hallmark trust update has it"));
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// Writes the whole document at once, or nothing.
fn keep(folder: &Path, file: &Path, cache: &Cache) -> std::io::Result<()> {
    let bytes = cache.to_bytes().map_err(std::io::Error::other)?;
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(&bytes)?;
    // Everybody may read what everybody can fetch; a gate runs as another user than whoever updates.
    new.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    new.as_file().sync_all()?;
    new.persist(file).map(drop).map_err(|error| error.error)
}

fn show(output: Format, global: &Global) -> Result<Answer, Failure> {
    let config = context::configuration(global)?;
    let now = Timestamp::now();
    let roots = &config.roots;
    let in_force = roots.all().map_err(|error| Failure::of_operator(&error.to_string()))?;
    let text = match output {
        Format::Json => shown(&in_force, roots, now)?,
        Format::Text => {
            let mut page = Page::default();
            in_force
                .iter()
                .for_each(|(name, found)| root_lines(&mut page, name, found, roots, now));
            page.into_text()
        }
    };
    Ok(Answer::data(text))
}

fn origin(from: &From) -> String {
    match from {
        From::Embedded => "embedded".to_owned(),
        From::Fetched { file, expires, root_version } => {
            format!("fetched, root {root_version}, next due by {expires}, {}", file.display())
        }
        From::Files => "files".to_owned(),
    }
}

/// What the age of a root means.
fn standing(found: &InForce, roots: &Roots, now: Timestamp) -> &'static str {
    match found.root.date().and_then(|dated| roots.age.judge(dated, now)) {
        Some(Code::ConfigTrustRootExpired) => "expired",
        Some(_) => "stale",
        None => "current",
    }
}

fn root_lines(page: &mut Page, name: &str, found: &InForce, roots: &Roots, now: Timestamp) {
    let date = found.root.date().map(|dated| format!(", as of {}", dated.as_of));
    let (origin, date) = (origin(&found.from), date.unwrap_or_default());
    line!(page, "{name}  {origin}{date}, {}", standing(found, roots, now));
    line!(page, "  {}", found.root.digest());
    for part in found.root.parts() {
        let day = |time: Option<Timestamp>| {
            time.map_or_else(|| "…".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
        };
        let (from, until) = (day(part.from), day(part.until));
        line!(page, "  {:15} {from} to {until}  {}", part.kind, part.name);
    }
}

fn shown(
    in_force: &BTreeMap<String, InForce>,
    roots: &Roots,
    now: Timestamp,
) -> Result<String, Failure> {
    let one = |(name, found): (&String, &InForce)| {
        let mut one = serde_json::json!({
            "name": name,
            "digest": found.root.digest().to_string(),
            "asOf": found.root.date().map(|dated| dated.as_of),
            "standing": standing(found, roots, now),
            "parts": found.root.parts(),
        });
        let from = match &found.from {
            From::Embedded => serde_json::json!({ "kind": "embedded" }),
            From::Files => serde_json::json!({ "kind": "files" }),
            From::Fetched { file, expires, root_version } => serde_json::json!({
                "kind": "fetched", "file": file.display().to_string(),
                "nextDue": expires, "rootVersion": root_version,
            }),
        };
        if let Some(members) = one.as_object_mut() {
            members.insert("from".to_owned(), from);
        }
        one
    };
    let all: Vec<_> = in_force.iter().map(one).collect();
    let document = serde_json::json!({ "schema": "hallmark/roots/v1", "roots": all });
    let text = serde_json::to_string_pretty(&document);
    text.map(|text| untrusted::json(&text) + "\n")
        .map_err(|error| Failure::unavailable(error.to_string()))
}

/// Schema of what was made of a policy.
const IMPORTED: &str = "hallmark/imported/v1";

fn import(file: &Path, output: Format) -> Result<Answer, Failure> {
    use std::io::Read as _;
    let shown = file.display();
    let it =
        Operand { option: "", form: "it takes a ClusterImagePolicy of policy-controller in YAML" };
    let unreadable = |error: std::io::Error| it.unreadable(file, &error);
    let mut text = String::new();
    let limit =
        u64::try_from(cluster_image_policy::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let opened = crate::scratch::open_file(file).map_err(unreadable)?;
    opened.take(limit).read_to_string(&mut text).map_err(unreadable)?;
    if let Some(what) = seen(text.as_bytes()) {
        return Err(it.unusable(file, &what));
    }
    let imported = cluster_image_policy::import(&text).map_err(|why| it.unusable(file, &why))?;
    // Names of the policy's author that do not read as what they are belong into no configuration.
    if imported.yaml.iter().any(|yaml| yaml.contains(|c| c != '\n' && misleads(c))) {
        return Err(Failure::usage(format!(
            "{shown}: it has characters that mislead in its names"
        )));
    }
    let code = u8::from(!imported.left_out.is_empty());
    if output == Format::Json {
        let left_out: Vec<String> = imported.left_out.iter().map(ToString::to_string).collect();
        let document =
            json!({ "schema": IMPORTED, "configuration": imported.yaml, "leftOut": left_out });
        return Ok(Answer::new(report::json::lines(&document), code));
    }
    let mut left_out = Page::default();
    imported.left_out.iter().for_each(|part| line!(left_out, "# left out: {part}"));
    let mut text = imported.yaml.clone().unwrap_or_default() + left_out.as_str();
    if imported.yaml.is_none() {
        text.insert_str(0, "# nothing of this policy can be said in hallmark.yaml\n");
    }
    Ok(Answer::new(text, code))
}
