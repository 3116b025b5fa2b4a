//! `hallmark policy import`: policies of other tools as `hallmark.yaml`, and the list of what is lost.

use serde_json::json;

use super::{
    Answer, Failure,
    args::{Format, PolicyImport},
    files::Operand,
};
use crate::{
    config::import::{self, Effect, Imported, Lost, Wish},
    report,
    untrusted::{Page, line, misleads},
};

/// Schema of the answer.
const SCHEMA: &str = "hallmark/policy-import/v1";

/// Runs the command. The answer is yes where everything that the policies accept and deny is in the configuration.
pub(super) fn run(args: &PolicyImport) -> Result<Answer, Failure> {
    let shown = args.file.display();
    let form = "it takes a ClusterPolicy or ImageValidatingPolicy of Kyverno, a policy of Conforma or a ClusterImagePolicy, in YAML";
    let it = Operand { option: "", form };
    let most = u64::try_from(import::MAX_BYTES).unwrap_or(u64::MAX);
    let bytes = it.read(&args.file, most)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| Failure::usage(format!("{shown}: it is no text: {error}")))?;
    let wish = Wish { lossy: args.lossy, now: jiff::Timestamp::now() };
    let imported = import::import(&text, wish)
        .map_err(|invalid| Failure::usage(format!("{shown}: {invalid}")))?;
    // Names of the policy's author that do not read as what they are belong into no configuration.
    if imported.yaml.iter().any(|yaml| yaml.contains(|c| c != '\n' && misleads(c))) {
        return Err(Failure::usage(format!(
            "{shown}: it has characters that mislead in its names"
        )));
    }
    let code = u8::from(imported.lost.iter().any(|lost| lost.effect != Effect::Same));
    Ok(match args.output {
        Format::Text => Answer::new(text_of(&imported, args.lossy), code),
        Format::Json => Answer::new(json_of(&imported), code),
    })
}

fn text_of(imported: &Imported, lossy: bool) -> String {
    let mut page = Page::default();
    for lost in &imported.lost {
        line!(page, "# left out: {lost}");
    }
    if let Some(yaml) = &imported.yaml {
        return yaml.clone() + page.as_str();
    }
    let mut text = String::from("# nothing of this can be said in hallmark.yaml\n");
    if !lossy {
        text.push_str("# --lossy writes what can be said although more is accepted by it, if there is such a part\n");
    }
    text + page.as_str()
}

fn json_of(imported: &Imported) -> String {
    let lost =
        |lost: &Lost| json!({ "at": lost.at, "why": lost.why, "accepts": lost.effect.word() });
    report::json::lines(&json!({
        "schema": SCHEMA,
        "tool": imported.tool.word(),
        "configuration": imported.yaml,
        "lost": imported.lost.iter().map(lost).collect::<Vec<_>>(),
    }))
}
