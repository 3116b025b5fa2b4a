//! Asking the world whether inputs are what their trusted names say.

use std::collections::BTreeMap;

use super::{Inquiry, recorded};
use crate::{
    digest::ManifestDigest,
    engine::ancestry::Held,
    image::Image,
    rebuild::{Plan, inputs, inputs::Question},
    reference::Location,
    source,
};

/// What the world answered, by question: each is asked once for one image.
pub type Answers = BTreeMap<Question, Result<(), String>>;

/// Inputs of a plan that are found not to be trusted before no more are asked about.
const MOST_UNTRUSTED: usize = 4;

/// Whether every input of the plan is trusted by name.
///
/// # Errors
/// What is not, and why.
pub async fn trusted(
    plan: &Plan,
    image: &Image,
    inquiry: &Inquiry,
    answers: &mut Answers,
) -> Result<(), Vec<String>> {
    let location = &image.reference.location;
    let mut untrusted = Vec::new();
    for question in inputs::questions(plan, location, inquiry.trust.sources())? {
        let answer = match answers.get(&question) {
            Some(answer) => answer.clone(),
            None => {
                let answer = ask(&question, inquiry).await;
                answers.insert(question, answer.clone());
                answer
            }
        };
        untrusted.extend(answer.err());
        // Whoever wrote the plan chose how much there is to ask for.
        if untrusted.len() >= MOST_UNTRUSTED {
            break;
        }
    }
    if untrusted.is_empty() { Ok(()) } else { Err(untrusted) }
}

async fn ask(question: &Question, inquiry: &Inquiry) -> Result<(), String> {
    match question {
        Question::History { url, commit, references } => {
            let mut last = "no branch and no tag is listed".to_owned();
            for reference in references {
                last = match recorded::holds(url, reference, commit, inquiry).await {
                    Ok(Held::Yes) => return Ok(()),
                    Ok(Held::No) => format!("{reference} does not hold it"),
                    Ok(Held::Unproven(why)) => why.to_string(),
                    Err(failure) => failure.why,
                };
            }
            Err(format!("commit-not-in-ref: commit {} of {url}: {last}", commit.as_str()))
        }
        Question::Image { repository, digest } => {
            let missing = |why: String| format!("image {repository}@{digest}: {why}");
            // That a repository has it is the answer of the maker of a folder, too.
            if let Some(folder) = inquiry.world.sources.access.unbelieved() {
                return Err(missing(recorded::unvouched(folder, "answered")));
            }
            let parsed = repository.parse().map_err(|error| missing(format!("{error}")))?;
            let location = Location::Registry(parsed);
            let opened =
                source::open(&location, &inquiry.world.sources, &inquiry.world.limits).await;
            let source = opened.map_err(|error| missing(error.to_string()))?;
            let manifest = source.manifest(&ManifestDigest::new(digest.clone())).await;
            manifest.map(drop).map_err(|error| missing(error.to_string()))
        }
    }
}
