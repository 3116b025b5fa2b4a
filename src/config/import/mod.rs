//! From the policies of other tools to `hallmark.yaml`.
//!
//! Reads ClusterImagePolicies of policy-controller, `verifyImages` and ImageValidatingPolicies of Kyverno, and policies of
//! Conforma; translates what trust rules, settings and exceptions can say; and lists everything else with its place, why it is
//! left out, and whether hallmark accepts less, the same or more for it. Each key of a document is either translated or listed,
//! those that nobody knows, too. Where leaving a part out would accept more, what it belongs to is left out whole, unless a
//! lossy import is asked for. Nothing is fetched.

mod attestors;
mod conforma;
mod cosign;
mod draft;
mod images;
mod kyverno;
mod lost;
mod part;
mod validating;

use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::Value;

pub use lost::{Effect, Invalid, Lost};

use self::{draft::Draft, lost::shown};
use super::cluster_image_policy;
use crate::json::yaml::{Form, plain, tag};

/// Bytes of a file.
pub const MAX_BYTES: usize = 1 << 20;
/// Documents of a file, those of lists among them.
const MAX_DOCUMENTS: usize = 500;

/// Whose policies a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Sigstore's policy-controller.
    PolicyController,
    /// Kyverno.
    Kyverno,
    /// Conforma, formerly Enterprise Contract.
    Conforma,
}

impl Tool {
    /// The word in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::PolicyController => "policy-controller",
            Self::Kyverno => "kyverno",
            Self::Conforma => "conforma",
        }
    }
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Whose policies it holds.
    pub tool: Tool,
    /// The configuration; `None` where nothing can be said.
    pub yaml: Option<String>,
    /// What is not in it, by place.
    pub lost: Vec<Lost>,
}

/// How a file is imported.
#[derive(Debug, Clone, Copy)]
pub struct Wish {
    /// Whether what can be said is wanted although more is accepted by it.
    pub lossy: bool,
    /// When.
    pub now: Timestamp,
}

/// Translates all policies of a file, in YAML or JSON.
///
/// # Errors
/// [`Invalid`]: it holds something else than policies of one of the tools, or policies that their tool would refuse.
pub fn import(text: &str, wish: Wish) -> Result<Imported, Invalid> {
    if text.len() > MAX_BYTES {
        return Err(Invalid::new("document", format!("more than {MAX_BYTES} bytes")));
    }
    let documents = documents(text.trim_start_matches('\u{feff}'))?;
    let Some(first) = documents.first() else {
        return Err(Invalid::new("document", "it is empty"));
    };
    let tool = tool(first)?;
    for document in &documents {
        if self::tool(document)? != tool {
            return Err(Invalid::new(
                "document",
                "it holds policies of several tools; import each by itself",
            ));
        }
    }
    let (yaml, lost) = match tool {
        Tool::PolicyController => of_policy_controller(text)?,
        Tool::Kyverno => of_kyverno(&documents, wish)?,
        Tool::Conforma => {
            let [document] = documents.as_slice() else {
                return Err(Invalid::new(
                    "document",
                    "it holds several policies of Conforma; import each by itself",
                ));
            };
            let mut draft = Draft::new(wish.lossy);
            conforma::policy(document, wish.now, &mut draft)?;
            draft.finish("a policy of Conforma")?
        }
    };
    Ok(Imported { tool, yaml, lost })
}

fn of_policy_controller(text: &str) -> Result<(Option<String>, Vec<Lost>), Invalid> {
    let imported = cluster_image_policy::import(text)
        .map_err(|fault| Invalid { at: fault.at, why: fault.why })?;
    let lost = |part: cluster_image_policy::LeftOut| Lost {
        at: part.at,
        why: part.why,
        effect: Effect::Less,
    };
    Ok((imported.yaml, imported.left_out.into_iter().map(lost).collect()))
}

fn of_kyverno(documents: &[Value], wish: Wish) -> Result<(Option<String>, Vec<Lost>), Invalid> {
    let mut draft = Draft::new(wish.lossy);
    for document in documents {
        let name = document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        let named = if documents.len() > 1 { format!("{}: ", shown(name)) } else { String::new() };
        let group = document["apiVersion"].as_str().unwrap_or_default();
        match group.starts_with("policies.") {
            true => validating::policy(&named, document, &mut draft)?,
            false => kyverno::policy(&named, document, &mut draft)?,
        }
    }
    draft.finish("policies of Kyverno")
}

/// Whose policy a document is.
fn tool(document: &Value) -> Result<Tool, Invalid> {
    let word = |key: &str| document.get(key).and_then(Value::as_str);
    let Some(kind) = word("kind") else {
        return match document.get("sources").is_some() && word("apiVersion").is_none() {
            true => Ok(Tool::Conforma),
            false => Err(Invalid::new("kind", "it is missing")),
        };
    };
    let version = word("apiVersion").unwrap_or_default();
    let (group, version) = version.split_once('/').unwrap_or_default();
    let known = match (group, kind) {
        ("policy.sigstore.dev", "ClusterImagePolicy") => return Ok(Tool::PolicyController),
        ("kyverno.io", "ClusterPolicy" | "Policy") => {
            (Tool::Kyverno, ["v1", "v2beta1"].contains(&version))
        }
        ("policies.kyverno.io", "ImageValidatingPolicy" | "NamespacedImageValidatingPolicy") => {
            (Tool::Kyverno, ["v1alpha1", "v1beta1", "v1"].contains(&version))
        }
        ("appstudio.redhat.com", "EnterpriseContractPolicy") => {
            (Tool::Conforma, version == "v1alpha1")
        }
        _ => {
            let why = format!(
                "{}: expected a ClusterImagePolicy of policy-controller, a ClusterPolicy, Policy or ImageValidatingPolicy of \
                 Kyverno, or an EnterpriseContractPolicy of Conforma",
                shown(kind)
            );
            return Err(Invalid::new("kind", why));
        }
    };
    match known {
        (tool, true) => Ok(tool),
        (_, false) => Err(Invalid::new(
            "apiVersion",
            format!("{} of this kind is not known here", shown(version)),
        )),
    }
}

/// The documents of a file, and those of lists in it. Nothing between two `---` is nothing.
fn documents(text: &str) -> Result<Vec<Value>, Invalid> {
    if let Some(tag) = tag(text).filter(|tag| tag.starts_with("!!")) {
        return Err(Invalid::new(
            "document",
            format!("the tag {}; write the value without a tag", shown(tag)),
        ));
    }
    let mut all = Vec::new();
    for document in yaml_serde::Deserializer::from_str(text) {
        let mut value = yaml_serde::Value::deserialize(document).map_err(|error| {
            Invalid::new("document", error.to_string().replace(char::is_control, " "))
        })?;
        if value.is_null() {
            continue;
        }
        without_nothing(&mut value);
        let value = plain(&value, Form::Settings)
            .map_err(|odd| Invalid::new("document", odd.to_string()))?;
        let is_list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match value.get("items").and_then(Value::as_array).filter(|_| is_list) {
            Some(items) => all.extend(items.iter().cloned()),
            None => all.push(value),
        }
        if all.len() > MAX_DOCUMENTS {
            return Err(Invalid::new("document", format!("more than {MAX_DOCUMENTS} policies")));
        }
    }
    Ok(all)
}

/// Leaves keys without a value out, as Kubernetes does.
fn without_nothing(value: &mut yaml_serde::Value) {
    match value {
        yaml_serde::Value::Mapping(mapping) => {
            mapping.retain(|_, value| !value.is_null());
            mapping.values_mut().for_each(without_nothing);
        }
        yaml_serde::Value::Sequence(items) => items.iter_mut().for_each(without_nothing),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
