//! `hallmark rebuild`: plan, build, compare, without a policy.

use super::{
    Answer, Failure,
    args::{Format, Global, Rebuild},
    context::{self, Overrides},
};
use crate::{
    engine,
    rebuild::{
        Planned, Rebuild as Outcome,
        plan::{PlanOptions, plan},
    },
    report,
    verify::{When, gather, open},
};

/// Runs the command; the answer is yes where every platform is reproduced (R5 or R4).
pub async fn run(args: &Rebuild, global: &Global) -> Result<Answer, Failure> {
    let when = if args.plan { When::Never } else { When::Always };
    let overrides = Overrides {
        platforms: Some(&args.platforms),
        rebuild: Some(when),
        policy: Some("reproducible"),
        ..Overrides::default()
    };
    let (config, ctx) = context::build(global, overrides)?;
    let reference = context::pin(&args.image, &config, &ctx).await?;
    let (source, images) = open(&reference, &ctx).await?;
    let mut text = String::new();
    let mut all_reproduced = true;
    for image in images {
        let (evidence, findings) = gather(&*source, image, &ctx, jiff::Timestamp::now()).await;
        if args.plan {
            let Some(provenance) = evidence.provenance.value() else {
                return Err(Failure::unavailable(format!("{reference} carries no provenance")));
            };
            let planned = plan(provenance, &evidence.image, &PlanOptions::default());
            all_reproduced &= matches!(planned, Planned::Plan(_));
            let by_hand = match &planned {
                Planned::Plan(plan) => engine::command::by_hand(plan, ctx.rebuild.engine),
                Planned::NotReplayable(_) => None,
            };
            text.push_str(&match args.output {
                Format::Text => report::plan::planned(&planned, by_hand.as_ref()),
                Format::Json => report::plan::json(&planned, by_hand.as_ref()),
            });
            continue;
        }
        all_reproduced &= match &evidence.rebuild {
            Outcome::Compared(rebuilt) => rebuilt.comparison.level.is_reproducible(),
            _ => false,
        };
        text.push_str(&match args.output {
            Format::Text => report::text::rebuild_report(&evidence, &findings),
            Format::Json => report::json::evidence(&evidence, &findings, jiff::Timestamp::now()),
        });
    }
    Ok(Answer { text, code: u8::from(!all_reproduced) })
}
