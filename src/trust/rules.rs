//! Trust rules.

/// Trust rules of the operator.
#[derive(Debug, Clone, Default)]
pub struct TrustRules {
    /// Rules.
    pub rules: Vec<Rule>,
}
/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {}
/// A class of predicate.
#[derive(Debug, Clone)]
pub enum PredicateClass {}
