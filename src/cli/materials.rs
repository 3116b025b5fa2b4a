//! `hallmark materials fetch`: what a rebuild needs, for the day on which nobody else has it.

use super::{
    Answer, Failure,
    args::{Global, Materials, MaterialsFetch},
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
    rebuild::{Planned, plan::plan},
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
    let (mut all, mut text, mut replayable) = (Kept::default(), String::new(), true);
    for image in images {
        let (evidence, _) = gather(&*source, image, &inquiry, jiff::Timestamp::now()).await;
        let Some(provenance) = evidence.provenance.value() else {
            let failure = Failure::refused(format!("{reference} carries no provenance"));
            return Err(failure.after(text));
        };
        let planned = plan(provenance, &evidence.image, &evidence.traces, &inquiry.rebuild.plan);
        let Planned::Plan(plan) = &planned else {
            text.push_str(&report::plan::planned(&planned, None));
            replayable = false;
            continue;
        };
        let kept = fetch::fetch(plan, &store, &origins, &world.limits, &shell).await;
        let unavailable = |error: StoreError| Failure::unavailable(error.to_string());
        let kept = kept.map_err(|error| unavailable(error).after(text.clone()))?;
        all.fetched += kept.fetched;
        all.present += kept.present;
    }
    let mut last = Page::default();
    line!(last, "{}: {} fetched, {} there already", args.to.display(), all.fetched, all.present);
    text.push_str(last.as_str());
    Ok(Answer::new(text, u8::from(!replayable)))
}
