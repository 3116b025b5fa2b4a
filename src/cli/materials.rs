//! `hallmark materials fetch`: what a rebuild needs, for the day on which nobody else has it.

use serde_json::{Value, json};

use super::{
    Answer, Failure,
    args::{Format, Global, Materials, MaterialsFetch},
    context,
};
use crate::{
    engine::{
        sandbox::{Log, Shell, Workspace},
        store::{
            Store,
            fetch::{self, Kept, Origins, StoreError},
        },
    },
    rebuild::{Gap, Planned, plan::plan},
    report,
    untrusted::{Page, line},
    verify::{gather, open},
};

/// Runs the command; the answer is yes where everything is in the store.
pub async fn run(command: &Materials, global: &Global) -> Result<Answer, Failure> {
    let Materials::Fetch(args) = command;
    fetch(args, global).await
}

async fn fetch(args: &MaterialsFetch, global: &Global) -> Result<Answer, Failure> {
    let platforms = context::platforms(&args.platforms);
    let (config, inquiry) = context::inquiry(global, platforms, None, "hallmark materials")?;
    let world = &inquiry.world;
    let reference = context::pin(&args.image, &config, world).await?;
    let (source, images) = open(&reference, world).await?;
    // Programs of the sandbox run in another folder: they get the whole path.
    let folder = std::fs::create_dir_all(&args.to).and_then(|()| args.to.canonicalize());
    let folder = folder.map_err(|e| Failure::usage(format!("--to {}: {e}", args.to.display())))?;
    let store = Store::at(&folder);
    let settings = &inquiry.rebuild.settings;
    let workspace =
        Workspace::make(settings.work.as_deref(), &world.limits, None, settings.numbers).await;
    let workspace =
        workspace.map_err(|e| Failure::unavailable(format!("cannot make a work folder: {e}")))?;
    let shell = Shell::new(&workspace, Log::new(world.limits.log_bytes), &*world.sink);
    // The store is the operator's folder.
    let shell = shell.among_files();
    let origins = Origins { settings, sources: &world.sources };
    let mut said = Said::new(args, reference.to_string());
    for image in images {
        let (evidence, findings) = gather(&*source, image, &inquiry, jiff::Timestamp::now()).await;
        let Some(provenance) = evidence.provenance.value() else {
            let failure = Failure::without_provenance(&reference, &findings);
            return Err(said.before(failure));
        };
        let planned = plan(provenance, &evidence.image, &evidence.traces, &inquiry.rebuild.plan);
        let platform = evidence.image.platform.to_string();
        let plan = match &planned {
            Planned::Plan(plan) => plan,
            Planned::NotReplayable(gaps) => {
                said.text.push_str(&report::plan::planned(&planned, None));
                said.platform(platform, gaps);
                continue;
            }
        };
        let kept = fetch::fetch(plan, &store, &origins, &world.limits, &shell).await;
        let kept = kept.map_err(|error| said.before(not_kept(&error)))?;
        said.all.fetched += kept.fetched;
        said.all.present += kept.present;
        said.platform(platform, &[]);
    }
    Ok(said.answer())
}

/// As a rebuild says of the same: what is gone, or another thing than it was, is an answer.
fn not_kept(error: &StoreError) -> Failure {
    match error.is_unanswered() || error.is_of_machine() {
        true => Failure::unavailable(error.to_string()),
        false => Failure::refused(error.to_string()),
    }
}

/// Schema of what was kept.
const MATERIALS: &str = "hallmark/materials/v1";

/// What was kept of one platform after the other.
struct Said<'a> {
    args: &'a MaterialsFetch,
    image: String,
    all: Kept,
    /// What keeps platforms from being rebuilt.
    text: String,
    platforms: Vec<Value>,
    replayable: bool,
}

impl<'a> Said<'a> {
    fn new(args: &'a MaterialsFetch, image: String) -> Self {
        let (all, text, platforms) = (Kept::default(), String::new(), Vec::new());
        Self { args, image, all, text, platforms, replayable: true }
    }

    fn platform(&mut self, platform: String, gaps: &[Gap]) {
        let complete = gaps.is_empty();
        let gaps: Vec<Value> = gaps.iter().map(report::plan::gap).collect();
        self.platforms.push(json!({ "platform": platform, "complete": complete, "gaps": gaps }));
        self.replayable &= complete;
    }

    fn answer(&self) -> Answer {
        let Kept { fetched, present } = self.all;
        let code = u8::from(!self.replayable);
        if self.args.output == Format::Json {
            return Answer::new(self.document(), code);
        }
        let mut last = Page::default();
        line!(last, "{}: {fetched} fetched, {present} there already", self.args.to.display());
        Answer::new(format!("{}{}", self.text, last.as_str()), code)
    }

    fn document(&self) -> String {
        report::json::lines(&json!({
            "schema": MATERIALS,
            "image": self.image,
            "folder": self.args.to.display().to_string(),
            "fetched": self.all.fetched,
            "present": self.all.present,
            "platforms": self.platforms,
        }))
    }

    /// What was found out before something failed.
    fn before(&self, failure: Failure) -> Failure {
        match self.args.output {
            Format::Text => failure.after(self.text.clone()),
            Format::Json if self.platforms.is_empty() => failure,
            Format::Json => failure.after(self.document()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::{Code, Finding, Key, Subject},
        source::SourceError,
    };

    #[test]
    fn what_is_gone_and_who_does_not_answer_are_told_apart() {
        let (place, why) = ("registry.example".to_owned(), "connection refused".to_owned());
        let git = |why: &str| StoreError::Git {
            url: "https://git.example/a.git".to_owned(),
            commit: "1".repeat(40),
            why: why.to_owned(),
        };
        let url = "https://files.example/a".to_owned();
        let not_found = SourceError::NotFound { what: "sha256:1".to_owned(), place: place.clone() };
        let cases = [
            (StoreError::Unanswered { url, why: why.clone() }, 3),
            (StoreError::Source(SourceError::Unavailable { place, why }), 3),
            (StoreError::Io(std::io::ErrorKind::StorageFull.into()), 3),
            (StoreError::Source(not_found), 1),
            (git("not our ref"), 1),
        ];
        for (error, code) in cases {
            assert_eq!(not_kept(&error).code, code, "{error}");
        }
    }

    #[test]
    fn provenance_of_nothing_is_not_taken_for_none() {
        let reference = crate::trust::testing::image().reference;
        let none = Failure::without_provenance(&reference, &[]);
        assert!(none.message.ends_with("carries no provenance"), "{}", none.message);
        let subject = Subject::Evidence("referrer sha256:1".to_owned());
        let nameless = Finding::new(Code::PredicateNoSubject, subject).with(Key::Why, "w");
        let said = Failure::without_provenance(&reference, &[nameless]);
        assert_eq!(said.code, 1);
        assert!(said.message.ends_with("names no subject"), "{}", said.message);
        let more = said.more.as_str();
        assert!(more.contains("referrer sha256:1 (predicate-no-subject)"), "{more}");
        assert!(more.contains(Code::PredicateNoSubject.help()), "{more}");
    }
}
