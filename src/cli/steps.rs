//! hallmark's own steps in plain words, for `-v`: one line for each step that is over, with the time that it took, and one for each event.
//!
//! Turns spans into lines by [`STEPS`]; `-vv` and `--log` have the log with times, levels and names instead. What stands in fields is
//! escaped by whoever writes the line.

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    time::{Duration, Instant},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

/// What was done in a step, by the name of its span.
const STEPS: [(&str, &str); 11] = [
    ("resolve", "looked up the digest"),
    ("fetch", "fetched index, manifests and configurations"),
    ("discover", "looked for signatures and attestations beside the image"),
    ("prove", "checked signatures and attestations"),
    ("history", "read the history of the repository"),
    ("layers", "fetched the layers"),
    ("read_asked", "read the files in the layers"),
    ("build", "built the image again"),
    ("compare", "compared the image with the rebuilt one"),
    ("judge", "asked the policy"),
    ("verify", "came to a verdict"),
];

/// The layer that writes the lines.
pub(super) struct Steps<W>(pub W);

/// A step that goes on.
struct Begun {
    at: Instant,
    of: String,
}

impl<S, W> Layer<S> for Steps<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut()
                .insert(Begun { at: Instant::now(), of: fields.values.join(", ") });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let extensions = span.extensions();
        let Some(Begun { at, of }) = extensions.get::<Begun>() else { return };
        let known = STEPS.iter().find(|(name, _)| *name == span.name());
        let words = known.map_or(span.name(), |(_, words)| words);
        let of = if of.is_empty() { String::new() } else { format!(": {of}") };
        self.write(&format!("{words}{of} ({})", took(at.elapsed())));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let Fields { message, values, .. } = &fields;
        match values.is_empty() {
            true => self.write(message),
            false => self.write(&format!("{message}: {}", fields.named().join(", "))),
        }
    }
}

impl<W: for<'a> MakeWriter<'a>> Steps<W> {
    fn write(&self, words: &str) {
        // In one piece, as the writer takes it; a closed stderr changes nothing.
        let _ = self.0.make_writer().write_all(format!("hallmark: {words}\n").as_bytes());
    }
}

/// The time that a step took, in the unit that fits.
fn took(time: Duration) -> String {
    match time.as_millis() {
        ms @ ..10_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// What was recorded with a span or an event.
#[derive(Default)]
struct Fields {
    message: String,
    names: Vec<&'static str>,
    values: Vec<String>,
}

impl Fields {
    fn named(&self) -> Vec<String> {
        self.names.iter().zip(&self.values).map(|(name, value)| format!("{name} {value}")).collect()
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // A value whose Debug fails has shown what it could.
        let _ = write!(text, "{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.names.push(field.name());
            self.values.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_step_is_told_in_plain_words_with_its_time() {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = tracing_subscriber::registry().with(Steps(move || writer.clone()));
        tracing::subscriber::with_default(log, || {
            let span = tracing::debug_span!("prove", platform = %"linux/amd64");
            span.in_scope(|| tracing::debug!(place = "r.example", why = "503", "trying again"));
            drop(span);
            drop(tracing::debug_span!("of_no_name"));
            tracing::debug!("no field");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let text = regex::Regex::new(r"\d+ ms").unwrap().replace_all(&text, "N ms").into_owned();
        let want = "hallmark: trying again: place r.example, why 503\n\
             hallmark: checked signatures and attestations: linux/amd64 (N ms)\n\
             hallmark: of_no_name (N ms)\nhallmark: no field\n";
        assert_eq!(text, want);
    }

    #[test]
    fn a_time_has_the_unit_that_fits() {
        for (ms, want) in [(0, "0 ms"), (9_999, "9999 ms"), (10_000, "10.0 s"), (61_540, "61.5 s")]
        {
            assert_eq!(took(Duration::from_millis(ms)), want);
        }
    }

    /// A span that has no words here would be told by a name of the code.
    #[test]
    fn every_step_of_the_pipeline_has_words() {
        let mut names: Vec<String> = Vec::new();
        let attribute = regex::Regex::new(
            r#"#\[tracing::instrument\(([^\n]*)\)\]\n(?:\s*pub(?:\([a-z]+\))?)?\s*(?:async )?fn (\w+)"#,
        );
        let (attribute, named) =
            (attribute.unwrap(), regex::Regex::new(r#"name = "(\w+)""#).unwrap());
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(path).unwrap();
                names.extend(attribute.captures_iter(&text).map(|found| {
                    named
                        .captures(&found[1])
                        .map_or(&found[2], |name| name.extract::<1>().1[0])
                        .to_owned()
                }));
            }
        }
        assert!(names.len() >= STEPS.len(), "{names:?}");
        for name in names {
            assert!(STEPS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }
}
