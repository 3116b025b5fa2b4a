//! The admission webhook.

/// What happens to images that are named by tag (attack E5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tags {
    /// They are denied: what was checked and what a node pulls later could differ.
    #[default]
    Deny,
    /// The tag is resolved once, its digest is verified, and a warning says that the node may pull something else.
    Resolve,
}
