//! Forms of Rego that the engine answers otherwise than OPA, without an error.
//!
//! Finds the first [`Refused`] form in regorus' syntax tree. Three kinds are known. The bodies of a function are evaluated as those of
//! one file, whichever they are in. `walk` iterates over its results only as a
//! statement of its own whose second argument takes them; elsewhere, under `not` and in the body of `every` it gives another
//! answer. An object in a pattern matches objects with further keys; in OPA the keys of both have to be the same.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use regorus::unstable::{
    AssignOp, Expr, Literal, LiteralStmt, Module, Query, Ref, Rule, RuleHead, Span, WithModifier,
};

use super::{
    negated::Values,
    syntax::{Path, steps, written},
};
use crate::policy::builtins;

/// A form that rules may not have.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    /// Line, from 1.
    pub line: u32,
    /// Why, and what to write.
    pub why: &'static str,
}

const WALK: &str = "walk matches here only as a statement of its own that takes each result as second argument; \
                    write `walk(x, [path, value])`, or `{value | walk(x, [_, value])}` for all of them";
const NOT: &str = "walk under `not` is answered otherwise than in OPA; \
                   write `not \"a\" in {value | walk(x, [_, value])}`";
const EVERY: &str = "walk in the body of `every` is answered otherwise than in OPA; \
                     write `member in {value | walk(x, [_, value])}`";
const MOCK: &str =
    "`with` cannot put a function in the place of walk, nor walk in the place of a function";
const SCATTERED: &str = "a function of this name has bodies in another file of the package, and those of one file are tried by the \
                         plans of the other: what OPA denies can pass; write all of its bodies in one file";
const OWN: &str = "a function named walk is taken for the builtin; give it another name";
const OBJECT: &str = "an object in a pattern matches here whatever further keys the value has, and in OPA only where all \
                      keys are the same; take the whole value and compare its fields, as `some x in list; x.name == \"a\"`";
const EQUALS: &str = "an object with names in it is unified otherwise than in OPA; write `:=` to name a value, `==` to compare \
                      two, and `x.name` for a field";

/// What the heads of all rules say.
#[derive(Debug, Default)]
pub struct Heads {
    /// How many arguments the functions of a name take.
    functions: BTreeMap<String, BTreeSet<usize>>,
    /// The keys of all members of a set, by package and name; `None` where they are not the same, or not written out.
    members: BTreeMap<(Path, String), Option<BTreeSet<String>>>,
    /// The file of each function, by package and name.
    files: BTreeMap<(Path, Path), String>,
    /// The first function that has bodies in several files, and the file that is refused.
    scattered: Option<(String, Refused)>,
}

impl Heads {
    /// Adds those of a module.
    pub fn add(&mut self, module: &Module, package: &[String]) {
        for tree in &module.policy {
            let (refr, keys) = match tree.as_ref() {
                Rule::Spec { head: RuleHead::Set { refr, key: Some(key), .. }, .. } => {
                    (refr, keys(key).filter(|_| matches!(refr.as_ref(), Expr::Var { .. })))
                }
                Rule::Spec { head: RuleHead::Func { refr, args, .. }, .. }
                | Rule::Default { refr, args, .. } => {
                    if !args.is_empty() {
                        self.function(module, package, refr, args.len());
                    }
                    (refr, None)
                }
                Rule::Spec { head: RuleHead::Compr { refr, .. }, .. }
                | Rule::Spec { head: RuleHead::Set { refr, .. }, .. } => (refr, None),
            };
            let Some(name) = steps(refr).0.into_iter().next() else { continue };
            let known =
                self.members.entry((package.to_vec(), name)).or_insert_with(|| keys.clone());
            if *known != keys {
                *known = None;
            }
        }
    }

    fn function(&mut self, module: &Module, package: &[String], refr: &Expr, arguments: usize) {
        let mut path = steps(refr).0;
        let file = module.package.span.source.file();
        let place = (package.to_vec(), path.clone());
        let first = self.files.entry(place).or_insert_with(|| file.clone());
        if first != file {
            let refused = Refused { line: refr.span().line, why: SCATTERED };
            self.scattered.get_or_insert((file.clone(), refused));
        }
        if let Some(name) = path.pop() {
            self.functions.entry(name).or_default().insert(arguments);
        }
    }

    /// A function whose bodies stand in several files, and the file that is refused.
    pub fn scattered(&self) -> Option<&(String, Refused)> {
        self.scattered.as_ref()
    }
}

/// The first form of a module that is refused.
pub fn refused(module: &Module, package: &[String], heads: &Heads) -> Option<Refused> {
    let reader = Reader::of(module, package, heads, None);
    module.policy.iter().find_map(|tree| reader.rule(tree))
}

/// Lines of what stands under `not` and holds here where OPA finds nothing true. Of a rule that is refused what comes first is told alone.
pub fn negated(module: &Module, package: &[String], heads: &Heads, values: &Values) -> Vec<u32> {
    let reader = Reader::of(module, package, heads, Some(values));
    for tree in &module.policy {
        reader.rule(tree);
    }
    reader.negated.into_inner()
}

struct Reader<'a> {
    heads: &'a Heads,
    package: &'a [String],
    /// Whether `walk` is a name of the module's own.
    own_walk: bool,
    module: &'a Module,
    /// Which names have a value, where negations are looked at.
    values: Option<&'a Values>,
    negated: RefCell<Vec<u32>>,
}

/// Where a statement stands.
#[derive(Clone, Copy)]
enum Place {
    /// In the body of a rule or a comprehension.
    Body,
    /// In the body of `every`.
    Every,
}

impl<'a> Reader<'a> {
    fn of(
        module: &'a Module,
        package: &'a [String],
        heads: &'a Heads,
        values: Option<&'a Values>,
    ) -> Self {
        let named = |name: &str| heads.members.get(&(package.to_vec(), name.to_owned()));
        let imported = module.imports.iter().any(|import| match &import.r#as {
            Some(name) => name.text() == "walk",
            None => steps(&import.refr).0.last().is_some_and(|name| name == "walk"),
        });
        let own_walk = imported || named("walk").is_some();
        Self { heads, package, own_walk, module, values, negated: RefCell::default() }
    }
}

impl Reader<'_> {
    fn rule(&self, tree: &Rule) -> Option<Refused> {
        match tree {
            Rule::Default { refr, args, value, .. } => {
                self.head(refr, args).or_else(|| self.expr(value))
            }
            Rule::Spec { head, bodies, .. } => {
                let (refr, args, value) = match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        (refr, None, assign.as_ref().map(|assign| &assign.value))
                    }
                    RuleHead::Set { refr, key, .. } => (refr, None, key.as_ref()),
                    RuleHead::Func { refr, args, assign, .. } => {
                        (refr, Some(args), assign.as_ref().map(|assign| &assign.value))
                    }
                };
                let args = args.map(Vec::as_slice).unwrap_or_default();
                let values = bodies.iter().filter_map(|body| body.assign.as_ref());
                let mut values = value.into_iter().chain(values.map(|assign| &assign.value));
                self.head(refr, args)
                    .or_else(|| values.find_map(|value| self.expr(value)))
                    .or_else(|| bodies.iter().find_map(|body| self.query(&body.query, Place::Body)))
            }
        }
    }

    fn head(&self, refr: &Expr, args: &[Ref<Expr>]) -> Option<Refused> {
        let pattern = args.iter().find_map(|arg| pattern(arg, OBJECT));
        // An object in the brackets of a head is a value.
        pattern.or_else(|| steps(refr).2.into_iter().find_map(|index| self.expr(index)))
    }

    fn query(&self, query: &Query, place: Place) -> Option<Refused> {
        query.stmts.iter().find_map(|statement| self.statement(statement, place))
    }

    fn statement(&self, statement: &LiteralStmt, place: Place) -> Option<Refused> {
        let found = match &statement.literal {
            Literal::SomeVars { .. } => None,
            Literal::SomeIn { key, value, collection, .. } => {
                let mut patterns = key.iter().chain([value]);
                patterns
                    .find_map(|taken| pattern(taken, OBJECT).or_else(|| self.expr(taken)))
                    .or_else(|| self.expr(collection))
            }
            Literal::Expr { expr, .. } => self.alone(expr, place),
            Literal::NotExpr { expr, .. } => match expr.as_ref() {
                Expr::Call { span, fcn, .. } if is_walk(fcn) => Some(refuse(span, self.walk(NOT))),
                expr => {
                    let absent = self
                        .values
                        .and_then(|values| values.absent(self.module, self.package, expr));
                    self.negated.borrow_mut().extend(absent.map(|part| part.span().line));
                    self.expr(expr)
                }
            },
            Literal::Every { domain, query, .. } => {
                self.expr(domain).or_else(|| self.query(query, Place::Every))
            }
        };
        found.or_else(|| statement.with_mods.iter().find_map(|with| self.with(with)))
    }

    fn with(&self, with: &WithModifier) -> Option<Refused> {
        match is_walk(&with.refr) || is_walk(&with.r#as) {
            true => Some(refuse(&with.span, MOCK)),
            false => self.expr(&with.r#as),
        }
    }

    /// An expression that is a statement of its own.
    fn alone(&self, expr: &Expr, place: Place) -> Option<Refused> {
        match expr {
            Expr::Call { span, fcn, params, .. } if is_walk(fcn) && !self.own_walk => {
                match (params.as_slice(), place) {
                    ([value, result], Place::Body) => pattern(result, OBJECT)
                        .or_else(|| self.expr(value))
                        .or_else(|| self.expr(result)),
                    ([_, _], Place::Every) => Some(refuse(span, EVERY)),
                    _ => Some(refuse(span, WALK)),
                }
            }
            expr => self.expr(expr),
        }
    }

    fn expr(&self, expr: &Expr) -> Option<Refused> {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::Var { .. } => None,
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.all(items),
            Expr::Object { fields, .. } => fields
                .iter()
                .find_map(|(_, key, value)| self.expr(key).or_else(|| self.expr(value))),
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term).or_else(|| self.query(query, Place::Body))
            }
            Expr::ObjectCompr { key, value, query, .. } => self
                .expr(key)
                .or_else(|| self.expr(value))
                .or_else(|| self.query(query, Place::Body)),
            Expr::Call { span, fcn, params, .. } => self.call(span, fcn, params),
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::RefDot { refr, .. } => self.expr(refr),
            Expr::RefBrack { span, refr, index, .. } => self.looked_up(span, refr, index),
            Expr::AssignExpr { span, op, lhs, rhs, .. } => self.assigned(span, op, lhs, rhs),
            Expr::BinExpr { lhs, rhs, .. }
            | Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. } => self.expr(lhs).or_else(|| self.expr(rhs)),
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).find_map(|part| self.expr(part))
            }
        }
    }

    fn all(&self, items: &[Ref<Expr>]) -> Option<Refused> {
        items.iter().find_map(|item| self.expr(item))
    }

    fn call(&self, span: &Span, function: &Expr, params: &[Ref<Expr>]) -> Option<Refused> {
        if is_walk(function) {
            return Some(refuse(span, self.walk(WALK)));
        }
        let taken = params.last().filter(|_| self.takes_result(function, params.len()));
        taken.and_then(|taken| pattern(taken, OBJECT)).or_else(|| self.all(params))
    }

    /// Whether a call has one argument more than its function takes, for the result.
    fn takes_result(&self, function: &Expr, given: usize) -> bool {
        let (path, _, _) = steps(function);
        let own = path.last().and_then(|name| self.heads.functions.get(name));
        if own.is_some_and(|takes| takes.contains(&given)) {
            return false;
        }
        match builtins::named(&path.join(".")) {
            builtins::Known::Function { arguments: (least, most) } => most == given && least < most,
            _ => own.is_some_and(|takes| takes.iter().any(|takes| takes + 1 == given)),
        }
    }

    /// `set[{"a": name}]`, which is a pattern; it is exact where all members of the set have these keys.
    fn looked_up(&self, span: &Span, from: &Expr, index: &Expr) -> Option<Refused> {
        let exact = || {
            let Expr::Var { .. } = from else { return false };
            let Expr::Object { fields, .. } = index else { return false };
            let name = steps(from).0.concat();
            let members = self.heads.members.get(&(self.package.to_vec(), name));
            let same =
                matches!(members, Some(Some(members)) if keys(index).as_ref() == Some(members));
            same && !fields.iter().any(|(_, _, value)| has_object(value))
        };
        if has_object(index) && has_name(index) && !exact() {
            return Some(refuse(span, OBJECT));
        }
        self.expr(from).or_else(|| self.expr(index))
    }

    fn assigned(&self, span: &Span, op: &AssignOp, lhs: &Expr, rhs: &Expr) -> Option<Refused> {
        let pattern = match op {
            AssignOp::ColEq => pattern(lhs, OBJECT),
            AssignOp::Eq => {
                let unified = [lhs, rhs].into_iter().any(|side| has_object(side) && has_name(side));
                unified.then(|| refuse(span, EQUALS))
            }
        };
        pattern.or_else(|| self.expr(lhs)).or_else(|| self.expr(rhs))
    }

    fn walk(&self, why: &'static str) -> &'static str {
        if self.own_walk { OWN } else { why }
    }
}

fn refuse(span: &Span, why: &'static str) -> Refused {
    Refused { line: span.line, why }
}

/// A pattern with an object in it.
fn pattern(expr: &Expr, why: &'static str) -> Option<Refused> {
    has_object(expr).then(|| refuse(expr.span(), why))
}

fn is_walk(function: &Expr) -> bool {
    matches!(function, Expr::Var { .. }) && steps(function).0.concat() == "walk"
}

/// Whether a value that is taken apart is, or holds, an object. Sets are never taken apart.
fn has_object(expr: &Expr) -> bool {
    match expr {
        Expr::Object { .. } => true,
        Expr::Array { items, .. } => items.iter().any(|item| has_object(item)),
        _ => false,
    }
}

/// Whether a value holds names, which a pattern may give values to.
fn has_name(expr: &Expr) -> bool {
    match expr {
        Expr::Var { .. } => true,
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().any(|item| has_name(item))
        }
        Expr::Object { fields, .. } => {
            fields.iter().any(|(_, key, value)| has_name(key) || has_name(value))
        }
        _ => false,
    }
}

/// The keys of an object, where all are written out.
fn keys(expr: &Expr) -> Option<BTreeSet<String>> {
    let Expr::Object { fields, .. } = expr else { return None };
    fields.iter().map(|(_, key, _)| written(key)).collect()
}
