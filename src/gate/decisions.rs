//! One line of JSON for each decision (`hallmark/decision/v1`), for whoever keeps them.
//!
//! Turns decisions into lines of a writer that no review waits for. Where it takes no more for a while, lines are counted in the
//! place of being kept, and the next one that is written says how many are missing; where it takes none at all, the log says so
//! once. Text of requests and images stands in JSON's quotes, with what misleads a terminal escaped, so that none makes a line.

use std::{
    io::Write,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    message::short,
    review::{Decided, Request, Response},
};
use crate::untrusted;

/// Name of the schema.
const SCHEMA: &str = "hallmark/decision/v1";
/// Lines that wait for the writer; with 128 images in each, some 20 MB.
const WAITING: usize = 256;

/// Where decisions are written.
pub(super) struct Decisions {
    lines: SyncSender<String>,
    lost: AtomicU64,
}

/// A decision, as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    schema: &'static str,
    time: String,
    uid: String,
    kind: String,
    namespace: String,
    name: String,
    /// What the name begins with that the apiserver is going to make.
    #[serde(skip_serializing_if = "String::is_empty")]
    generate_name: String,
    operation: String,
    decision: &'a str,
    images: &'a [Decided],
    /// Why, where no image was asked about.
    why: Option<&'a str>,
    milliseconds: u64,
    /// Decisions before this one that were not written.
    lost: u64,
}

impl Decisions {
    /// Writes to `to`, on a thread of its own, until it takes no more.
    pub(super) fn to(mut to: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let write = move || {
            for line in waiting {
                if let Err(error) = to.write_all(line.as_bytes()).and_then(|()| to.flush()) {
                    tracing::warn!(%error, "decisions are not written any more");
                    return;
                }
            }
        };
        thread::Builder::new().name("hallmark-decisions".to_owned()).spawn(write)?;
        Ok(Self { lines, lost: AtomicU64::new(0) })
    }

    /// Writes a decision, which took so long.
    pub(super) fn write(&self, request: &Request, response: &Response, took: Duration) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let said = response.audit_annotations.get("verdict").map_or("denied", String::as_str);
        let why = response.status.as_ref().filter(|_| response.decided.is_empty());
        let line = Line {
            schema: SCHEMA,
            time: Timestamp::now().to_string(),
            uid: short(&request.uid),
            kind: short(&request.kind.to_string()),
            namespace: short(&request.namespace),
            name: short(&request.name),
            generate_name: short(&request.generate_name),
            operation: short(&request.operation),
            decision: said,
            images: &response.decided,
            why: why.map(|status| status.message.as_str()),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            lost,
        };
        let written = serde_json::to_string(&line)
            .is_ok_and(|text| self.lines.try_send(format!("{}\n", untrusted::json(&text))).is_ok());
        if !written {
            self.lost.fetch_add(lost.saturating_add(1), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Condvar, Mutex};

    use serde_json::Value;

    use super::*;
    use crate::gate::admit;

    /// Whether bytes are taken, and those that were.
    type State = Mutex<(bool, Vec<u8>)>;

    /// A writer that takes nothing before it is let.
    #[derive(Clone, Default)]
    struct Slow(Arc<(State, Condvar)>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let (state, bell) = &*self.0;
            let mut state = bell.wait_while(state.lock().unwrap(), |(open, _)| !*open).unwrap();
            state.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Slow {
        fn open(&self) {
            self.0.0.lock().unwrap().0 = true;
            self.0.1.notify_all();
        }

        /// The first so many lines, as soon as they are there.
        fn lines(&self, count: usize) -> Vec<Value> {
            loop {
                let text = String::from_utf8(self.0.0.lock().unwrap().1.clone()).unwrap();
                if text.lines().count() >= count && text.ends_with('\n') {
                    return text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn request(name: &str) -> Request {
        let review = serde_json::json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "u", "kind": { "group": "", "version": "v1", "kind": "Pod" },
                "namespace": "n", "name": name, "operation": "CREATE",
                "object": { "metadata": { "generateName": "made-\u{202e}" } },
            },
        });
        super::super::review::parse(review.to_string().as_bytes(), 1 << 20).unwrap()
    }

    #[test]
    fn e21_no_text_of_a_request_makes_a_line_and_no_review_waits() {
        let slow = Slow::default();
        let decisions = Decisions::to(slow.clone()).unwrap();
        let evil = request("x\"}\n{\"decision\":\"allowed\u{202e}");
        let response = admit::refused(&evil, "not\nwanted".to_owned());
        for _ in 0..WAITING + 50 {
            decisions.write(&evil, &response, Duration::from_millis(7));
        }
        slow.open();
        let first = &slow.lines(WAITING)[0];
        assert_eq!(first["name"], evil.name.as_str());
        assert_eq!((&first["decision"], &first["why"]), (&"denied".into(), &"not\nwanted".into()));
        assert_eq!((&first["milliseconds"], &first["lost"]), (&7.into(), &0.into()));
        let text = String::from_utf8(slow.0.0.lock().unwrap().1.clone()).unwrap();
        assert!(!text.contains('\u{202e}'), "a terminal is misled");
        let lost = decisions.lost.load(Ordering::Relaxed);
        let told = |lines: &[Value]| lines.iter().map(|l| l["lost"].as_u64().unwrap()).sum::<u64>();
        let kept = loop {
            let lines = slow.lines(WAITING);
            if lines.len() as u64 + told(&lines) + lost == WAITING as u64 + 50 {
                break lines.len();
            }
            thread::sleep(Duration::from_millis(1));
        };
        assert!(kept <= WAITING + 1, "{kept} waited");
        decisions.write(&evil, &response, Duration::ZERO);
        assert_eq!(slow.lines(kept + 1)[kept]["lost"], lost);
        assert!(first.get("generateName").is_none(), "it has a name: {first}");
        decisions.write(&request(""), &response, Duration::ZERO);
        let made = &slow.lines(kept + 2)[kept + 1];
        assert_eq!((&made["name"], &made["generateName"]), (&"".into(), &"made-\u{202e}".into()));
    }
}
