//! What OPA looks up before it negates.
//!
//! Finds in what stands under `not` the part whose absence makes it hold here and be undefined in OPA: what a function, an
//! operator or `in` takes stands there before the `not`, so that one that is not there makes the whole undefined. `not input.x` and
//! `not input.x == 1` hold in both. What has a value whatever the input holds may be taken: names of the rule itself, sets, rules
//! with a default, and rules and functions without a body whose value is such. Anything else is told by `policy check`: a rule that gives
//! an image its pass by `not bad(input.x)` has another answer there.

use std::collections::BTreeSet;

use regorus::unstable::{AssignOp, BoolOp, Expr, Import, Module, Ref, Rule, RuleHead};

use super::syntax::{Path, steps};

/// Why, and what to write.
pub const WHY: &str = "what a function, an operator or `in` takes under `not` may be absent: then this holds here and is undefined in OPA; \
     name the value before (`value := ...`), or ask a rule of its own: `not good`, with `good if ...`";

/// Rules and functions of all packages, and those that have a value whatever the input holds.
#[derive(Debug, Default)]
pub struct Values {
    all: BTreeSet<(Path, String)>,
    certain: BTreeSet<(Path, String)>,
}

/// What a reference means.
enum Meant {
    /// A name of the rule itself, the input or the data as a whole.
    Local,
    /// A rule.
    Rule((Path, String)),
    /// Something below the input, or below a rule.
    Part,
}

impl Values {
    /// Reads the rules of all modules, each with the path of its package.
    pub fn of<'m>(modules: impl Iterator<Item = (&'m Module, &'m [String])> + Clone) -> Self {
        let mut values = Self::default();
        for (module, package) in modules.clone() {
            let names = module.policy.iter().filter_map(|rule| name(rule));
            values.all.extend(names.map(|name| (package.to_vec(), name)));
        }
        // A value that rests on others is known once they are.
        loop {
            let known = values.certain.len();
            for (module, package) in modules.clone() {
                let at = At { values: &values, package, imports: &module.imports };
                let certain = module.policy.iter().filter(|rule| at.has_value(rule));
                let names: Vec<_> = certain.filter_map(|rule| name(rule)).collect();
                values.certain.extend(names.into_iter().map(|name| (package.to_vec(), name)));
            }
            if values.certain.len() == known {
                return values;
            }
        }
    }

    /// The part of a negated expression that may be absent, in a module of a package.
    pub fn absent<'e>(
        &self,
        module: &Module,
        package: &[String],
        negated: &'e Expr,
    ) -> Option<&'e Expr> {
        At { values: self, package, imports: &module.imports }.absent(negated)
    }
}

/// The name of a rule.
fn name(rule: &Rule) -> Option<String> {
    let refr = match rule {
        Rule::Default { refr, .. } => refr,
        Rule::Spec { head, .. } => match head {
            RuleHead::Compr { refr, .. }
            | RuleHead::Set { refr, .. }
            | RuleHead::Func { refr, .. } => refr,
        },
    };
    steps(refr).0.into_iter().next()
}

/// A module, and what its names mean.
struct At<'a> {
    values: &'a Values,
    package: &'a [String],
    imports: &'a [Import],
}

impl At<'_> {
    /// Whether a rule by itself gives its name a value, whatever the input holds.
    fn has_value(&self, rule: &Rule) -> bool {
        match rule {
            Rule::Default { .. } | Rule::Spec { head: RuleHead::Set { .. }, .. } => true,
            Rule::Spec { head: RuleHead::Compr { refr, assign, .. }, bodies, .. } => {
                let is_named = matches!(refr.as_ref(), Expr::Var { .. });
                let value = assign.as_ref().map(|assign| &assign.value);
                is_named && bodies.is_empty() && value.is_none_or(|value| self.is_certain(value))
            }
            Rule::Spec { head: RuleHead::Func { args, assign, .. }, bodies, .. } => {
                let all = args.iter().all(|arg| matches!(arg.as_ref(), Expr::Var { .. }));
                let value = assign.as_ref().map(|assign| &assign.value);
                all && bodies.is_empty() && value.is_none_or(|value| self.is_certain(value))
            }
        }
    }

    fn absent<'e>(&self, negated: &'e Expr) -> Option<&'e Expr> {
        match negated {
            Expr::Call { params, .. } => self.first(params),
            Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. }
            | Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => {
                self.side(lhs).or_else(|| self.side(rhs))
            }
            one => self.side(one),
        }
    }

    /// A reference as a whole may be absent; what stands in its brackets may not.
    fn side<'e>(&self, side: &'e Expr) -> Option<&'e Expr> {
        match side {
            Expr::Var { .. } => None,
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                steps(side).2.into_iter().find(|index| !self.is_certain(index))
            }
            one => (!self.is_certain(one)).then_some(one),
        }
    }

    fn first<'e>(&self, all: &'e [Ref<Expr>]) -> Option<&'e Expr> {
        all.iter().map(AsRef::as_ref).find(|one| !self.is_certain(one))
    }

    /// Whether an expression has a value whatever the input holds.
    fn is_certain(&self, expr: &Expr) -> bool {
        let all = |parts: &[&Ref<Expr>]| parts.iter().all(|part| self.is_certain(part));
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::ObjectCompr { .. } => true,
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                match self.meant(expr) {
                    Meant::Local => true,
                    Meant::Rule(rule) => self.values.certain.contains(&rule),
                    Meant::Part => false,
                }
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.first(items).is_none(),
            Expr::Object { fields, .. } => fields.iter().all(|(_, key, value)| all(&[key, value])),
            Expr::Call { fcn, params, .. } => {
                let is_total = match self.meant(fcn) {
                    Meant::Rule(function) => self.values.certain.contains(&function),
                    // A builtin that has no answer is an error here.
                    Meant::Local | Meant::Part => true,
                };
                is_total && self.first(params).is_none()
            }
            Expr::UnaryExpr { expr, .. } => self.is_certain(expr),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::AssignExpr { lhs, rhs, .. } => all(&[lhs, rhs]),
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).all(|part| self.is_certain(part))
            }
        }
    }

    fn meant(&self, refr: &Expr) -> Meant {
        let (mut path, open, _) = steps(refr);
        let Some(first) = path.first().cloned() else { return Meant::Part };
        let is_own =
            |name: &str| self.values.all.contains(&(self.package.to_vec(), name.to_owned()));
        if is_own(&first) {
            path = [&["data".to_owned()], self.package, &path].concat();
        } else if let Some(import) = self.imports.iter().find(|import| is_named(import, &first)) {
            path.splice(..1, steps(&import.refr).0);
        } else if path.len() == 1 && !open {
            return Meant::Local;
        }
        let is_data = path.first().is_some_and(|root| root == "data");
        match path.split_last() {
            Some((name, [_, package @ ..])) if is_data && !open => {
                Meant::Rule((package.to_vec(), name.clone()))
            }
            _ => Meant::Part,
        }
    }
}

/// Whether an import gives a name.
fn is_named(import: &Import, name: &str) -> bool {
    match &import.r#as {
        Some(given) => *given.text() == *name,
        None => steps(&import.refr).0.last().is_some_and(|last| last == name),
    }
}
