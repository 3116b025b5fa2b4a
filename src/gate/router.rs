//! HTTP around the decision: `POST /validate`, `GET /healthz`, `GET /readyz`, `GET /metrics`.
//!
//! What cannot be read as a review has no uid to answer with: it gets a status of 4xx and a text, which the apiserver turns
//! into a denial (`failurePolicy: Fail`). The query's `timeout`, which the apiserver sets, shortens the budget.

use std::{mem, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Extension, RawQuery, State},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::time::{Instant, timeout_at};

use super::{
    Gate,
    admit::{self, Objects},
    connections::Asking,
    intake::Unread,
    review::{self, Answer},
};
use crate::untrusted::clean;

/// Time that is left to the apiserver to read the answer.
const MARGIN: Duration = Duration::from_millis(500);

/// The gate's routes.
pub fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/validate", post(validate))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(gate)
}

async fn ready(State(gate): State<Arc<Gate>>) -> (StatusCode, String) {
    if gate.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down".to_owned())
    } else {
        (StatusCode::OK, format!("ok\nrules {}\n", gate.settings().rules))
    }
}

async fn metrics(State(gate): State<Arc<Gate>>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], gate.metrics())
}

async fn validate(
    State(gate): State<Arc<Gate>>,
    RawQuery(query): RawQuery,
    asking: Option<Extension<Arc<Asking>>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let settings = gate.settings();
    let deadline = Instant::now() + budget(settings.budget, query.as_deref());
    // In the log, quoting escapes; in the answer nothing else does.
    let text = |status: StatusCode, text: String| {
        tracing::warn!(status = status.as_u16(), why = ?text, "denied: no review could be read");
        (status, clean(&text)).into_response()
    };
    if !is_json(&headers) {
        let expected = "expected Content-Type: application/json".to_owned();
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, expected);
    }
    let limit = settings.review_bytes;
    let from = asking.as_ref().map(|asking| asking.address());
    let taken = timeout_at(deadline, gate.intake.take(body, limit, from)).await;
    if let Some(Extension(asking)) = asking {
        asking.is_read();
    }
    let request = match taken {
        Ok(Ok(Ok(request))) => request,
        Ok(Ok(Err(error))) => return text(StatusCode::BAD_REQUEST, error.to_string()),
        Ok(Err(Unread::TooLarge)) => {
            let why = format!("the review is larger than limits.reviewBytes ({limit} bytes)");
            return text(StatusCode::PAYLOAD_TOO_LARGE, why);
        }
        Ok(Err(Unread::Broken)) => {
            return text(StatusCode::BAD_REQUEST, "the body ended early".to_owned());
        }
        Ok(Err(Unread::TooSlow)) | Err(_) => {
            let why = "the body came too slowly, or together with too many others; try again";
            return text(StatusCode::REQUEST_TIMEOUT, why.to_owned());
        }
    };
    Json(Answer::from(decide(gate, request, deadline).await)).into_response()
}

/// Decides in a task of its own, so that a panic denies.
async fn decide(
    gate: Arc<Gate>,
    mut request: review::Request,
    deadline: Instant,
) -> review::Response {
    let objects =
        Objects { new: mem::take(&mut request.object), old: mem::take(&mut request.old_object) };
    let (request, begun) = (Arc::new(request), Instant::now());
    let task = {
        let (gate, request) = (Arc::clone(&gate), Arc::clone(&request));
        tokio::spawn(async move { gate.admit(&request, objects, deadline).await })
    };
    let response = task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "a decision came to no end");
        let why =
            "error[internal-error]: hallmark failed while it decided; see the log of hallmark serve";
        admit::refused(&request, why.to_owned())
    });
    let took = begun.elapsed();
    admit::log(&request, &response, took);
    if let Some(decisions) = gate.decisions.get() {
        decisions.write(&request, &response, took);
    }
    response
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The operator's budget, or what the caller waits less a margin, whichever is shorter. A timeout that cannot be read is
/// left out: whoever sent it stops waiting at its own time.
fn budget(set: Duration, query: Option<&str>) -> Duration {
    let pairs = url::form_urlencoded::parse(query.unwrap_or("").as_bytes());
    let asked = pairs
        .filter(|(key, _)| key == "timeout")
        .filter_map(|(_, value)| value.parse::<jiff::SignedDuration>().ok())
        .filter_map(|timeout| Duration::try_from(timeout).ok())
        .map(|timeout| timeout - MARGIN.min(timeout / 2))
        .min();
    asked.map_or(set, |asked| asked.min(set))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_s_timeout_shortens_the_budget() {
        let cases = [
            (None, 9000),
            (Some(""), 9000),
            (Some("timeout=5s"), 4500),
            (Some("timeout=30s"), 9000),
            (Some("timeout=1s"), 500),
            (Some("timeout=400ms"), 200),
            (Some("timeout=1m30s"), 9000),
            (Some("a=b&timeout=2s&timeout=3s"), 1500),
            (Some("timeout=soon"), 9000),
            (Some("timeout=-1s"), 9000),
            (Some("timeout=0s"), 0),
        ];
        for (query, want) in cases {
            let found = budget(Duration::from_secs(9), query);
            assert_eq!(found, Duration::from_millis(want), "{query:?}");
        }
    }
}
