//! What a file of rules says: its rules, and what each of them refers to, calls and gives.
//!
//! Turns regorus' syntax tree into a [`File`]. Names are resolved as Rego resolves them: imports first, then rules of the
//! package. A local name that looks like a rule's is taken for the rule: that marks a rule as asked for which is not, and
//! never the other way round.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{
    ArithOp, AssignOp, Expr, Literal, Module, Query, Ref, Rule as Tree, RuleHead, Span,
    WithModifier,
};

use crate::json::numbers;

/// Names below a document, as far as they are written out.
pub type Path = Vec<String>;

/// One file of rules.
#[derive(Debug)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Path of its package.
    pub package: Path,
    /// Line of its package, from 1.
    pub line: u32,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Path below the package, up to the first step that is not written out.
    pub path: Path,
    /// Whether steps follow that are not written out.
    pub open: bool,
    /// Its form.
    pub form: Form,
    /// Line, from 1.
    pub line: u32,
    /// What it refers to.
    pub refers: Vec<Reference>,
    /// Functions that are no rules.
    pub calls: Vec<Call>,
    /// What it puts into its set.
    pub gives: Vec<Given>,
    /// Codes of results that are written out in it.
    pub codes: BTreeSet<String>,
    /// Where it is in the file's text, in bytes.
    pub span: (usize, usize),
    /// Line of a calculation with fractions, if it has one.
    pub fractions: Option<u32>,
    /// Line of a number that is not read as it is written, and why, if it has one.
    pub numbers: Option<(u32, &'static str)>,
    /// Texts that it puts into a set, where they are written out.
    pub member: Option<String>,
    /// Local names of parts of the input, as `i` after `i := input`; one name may have several in several bodies.
    pub aliases: BTreeMap<String, BTreeSet<Path>>,
}

/// What a rule puts into its set, as far as it is written out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its form.
    pub value: Written,
    /// Line, from 1.
    pub line: u32,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// A text.
    Text(String),
    /// A text that is computed.
    SomeText,
    /// An object: its fields, where all their names are written out.
    Object(BTreeMap<String, Written>),
    /// Something else that is no object, and what it is.
    Other(&'static str),
    /// Only evaluation shows it.
    Computed,
}

impl Given {
    /// The code of a result, where it is written out.
    pub fn code(&self) -> Option<&str> {
        let Written::Object(fields) = &self.value else { return None };
        match fields.get("code")? {
            Written::Text(code) => Some(code),
            _ => None,
        }
    }
}

/// The form of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `name contains …`
    Set,
    /// `name := …`, where the value may be a set.
    Value,
    /// A rule whose value is no set.
    NoSet,
    /// `name(…)`
    Function,
}

/// The two documents that rules read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// `data`: rules and data files.
    Data,
    /// `input`.
    Input,
}

/// A reference to rules, data or input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Which document.
    pub root: Root,
    /// As far as it is written out.
    pub path: Path,
    /// Line, from 1.
    pub line: u32,
    /// Whether it is read through a local name, which may stand for something else as well.
    pub alias: bool,
}

/// A call of a function that is no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// How many arguments; `None` where it only takes the place of another function.
    pub arguments: Option<usize>,
    /// The arguments that are texts, by position.
    pub texts: BTreeMap<usize, String>,
    /// Line, from 1.
    pub line: u32,
}

impl File {
    /// Reads a module; `heads` are the first names of all rules of its package, in all files.
    pub fn read(module: &Module, package: Path, heads: &BTreeSet<String>) -> Self {
        let scope = Scope { package: &package, heads, imports: imports(module) };
        let rules = module.policy.iter().map(|tree| scope.rule(tree)).collect();
        let span = &module.package.span;
        Self { name: span.source.file().clone(), package, line: span.line, rules }
    }
}

/// First names of a module's rules.
pub fn heads(module: &Module) -> impl Iterator<Item = String> {
    module.policy.iter().filter_map(|tree| steps(head(tree)).0.into_iter().next())
}

fn head(tree: &Tree) -> &Expr {
    match tree {
        Tree::Spec { head: RuleHead::Compr { refr, .. }, .. }
        | Tree::Spec { head: RuleHead::Set { refr, .. }, .. }
        | Tree::Spec { head: RuleHead::Func { refr, .. }, .. }
        | Tree::Default { refr, .. } => refr,
    }
}

/// What each import's name stands for.
fn imports(module: &Module) -> BTreeMap<String, Path> {
    let named = module.imports.iter().filter_map(|import| {
        let (path, _, _) = steps(&import.refr);
        let name = match &import.r#as {
            Some(span) => span.text().to_owned(),
            None => path.last()?.clone(),
        };
        Some((name, path))
    });
    named.filter(|(_, path)| path.first().is_some_and(|r| r == "data" || r == "input")).collect()
}

/// The steps of a reference that are written out from its start, whether others follow, and the expressions in brackets.
pub fn steps(mut expr: &Expr) -> (Path, bool, Vec<&Expr>) {
    let mut reversed: Vec<Option<String>> = Vec::new();
    let mut indexes = Vec::new();
    loop {
        match expr {
            Expr::RefDot { refr, field, .. } => {
                reversed.push(text_of(&field.1));
                expr = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                let written = match index.as_ref() {
                    Expr::String { value, .. } | Expr::RawString { value, .. } => text_of(value),
                    _ => None,
                };
                indexes.push(index.as_ref());
                reversed.push(written);
                expr = refr;
            }
            Expr::Var { value, .. } => {
                reversed.push(text_of(value));
                break;
            }
            other => {
                reversed.push(None);
                indexes.push(other);
                break;
            }
        }
    }
    let total = reversed.len();
    let path: Path = reversed.into_iter().rev().map_while(|step| step).collect();
    let open = path.len() < total;
    (path, open, indexes)
}

fn text_of(value: &regorus::Value) -> Option<String> {
    value.as_string().ok().map(|text| text.to_string())
}

/// A text that is written out.
pub fn written(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => text_of(value),
        _ => None,
    }
}

/// A text, or the first of those in a list.
fn first_text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Array { items, .. } | Expr::Set { items, .. } => {
            items.iter().find_map(|i| written(i))
        }
        expr => written(expr),
    }
}

/// A number as the rule has it. OPA keeps its digits, and 64 bits do not.
fn number(span: &Span, compared: bool, rule: &mut Rule) {
    let text = span.text();
    let plain = !text.contains(['.', 'e', 'E']);
    let why = if plain && text.starts_with('-') && text.parse::<f64>() == Ok(0.0) {
        "zero has no sign; write 0"
    } else if plain {
        return;
    } else if !numbers::is_shortest(text) {
        "the number is not held exactly by 64 bits; write a whole number, or fewer digits"
    } else if !compared && text.parse::<f64>().is_ok_and(|value| value.fract() == 0.0) {
        "a whole number with a point or an exponent is written otherwise here than in OPA; write it without"
    } else {
        return;
    };
    rule.numbers.get_or_insert((span.line, why));
}

/// What names mean in a file.
struct Scope<'a> {
    package: &'a Path,
    heads: &'a BTreeSet<String>,
    imports: BTreeMap<String, Path>,
}

/// What a name stands for.
enum Meaning {
    Document(Root, Path),
    Local(Path),
}

impl Scope<'_> {
    fn rule(&self, tree: &Tree) -> Rule {
        // A name may be used above the line that gives it: all are known after the first reading.
        let aliases = self.read(tree, BTreeMap::new()).aliases;
        self.read(tree, aliases)
    }

    fn read(&self, tree: &Tree, aliases: BTreeMap<String, BTreeSet<Path>>) -> Rule {
        let (path, open, indexes) = steps(head(tree));
        let mut rule = Rule {
            path,
            open,
            form: form(tree),
            line: tree.span().line,
            refers: Vec::new(),
            calls: Vec::new(),
            gives: gives(tree),
            codes: BTreeSet::new(),
            span: span(tree),
            fractions: None,
            numbers: None,
            member: None,
            aliases,
        };
        rule.codes.extend(rule.gives.iter().filter_map(Given::code).map(str::to_owned));
        indexes.into_iter().for_each(|index| self.expr(index, &mut rule));
        match tree {
            Tree::Default { value, args, .. } => {
                args.iter().for_each(|arg| self.expr(arg, &mut rule));
                self.expr(value, &mut rule);
            }
            Tree::Spec { head, bodies, .. } => {
                let assign = match head {
                    RuleHead::Compr { assign, .. } => assign.as_ref(),
                    RuleHead::Set { key, .. } => {
                        rule.member = key.as_deref().and_then(written);
                        key.iter().for_each(|key| self.expr(key, &mut rule));
                        None
                    }
                    RuleHead::Func { args, assign, .. } => {
                        args.iter().for_each(|arg| self.expr(arg, &mut rule));
                        assign.as_ref()
                    }
                };
                let values =
                    assign.into_iter().chain(bodies.iter().filter_map(|b| b.assign.as_ref()));
                values.for_each(|assign| self.expr(&assign.value, &mut rule));
                bodies.iter().for_each(|body| self.query(&body.query, &mut rule));
            }
        }
        rule
    }

    fn query(&self, query: &Query, rule: &mut Rule) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    key.iter().chain([value, collection]).for_each(|e| self.expr(e, rule));
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr, rule),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain, rule);
                    self.query(query, rule);
                }
            }
            statement.with_mods.iter().for_each(|with| self.with(with, rule));
        }
    }

    /// `with f as g` calls `g`; `with input as x` reads no input.
    fn with(&self, with: &WithModifier, rule: &mut Rule) {
        if !matches!(self.meaning(steps(&with.refr).0), Meaning::Document(Root::Input, _)) {
            self.expr(&with.refr, rule);
        }
        self.expr(&with.r#as, rule);
        if let Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } = with.r#as.as_ref()
            && let Meaning::Local(path) = self.meaning(steps(&with.r#as).0)
        {
            let (line, texts) = (with.span.line, BTreeMap::new());
            rule.calls.push(Call { name: path.join("."), arguments: None, texts, line });
        }
    }

    fn expr(&self, expr: &Expr, rule: &mut Rule) {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Number { span, .. } => number(span, false, rule),
            Expr::Var { span, .. } | Expr::RefDot { span, .. } | Expr::RefBrack { span, .. } => {
                self.reference(expr, span, rule);
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.all(items, rule),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    if written(key).as_deref() == Some("code") {
                        rule.codes.extend(written(value));
                    }
                    self.expr(key, rule);
                    self.expr(value, rule);
                }
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.expr(term, rule);
                self.query(query, rule);
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.expr(key, rule);
                self.expr(value, rule);
                self.query(query, rule);
            }
            Expr::Call { span, fcn, params, .. } => {
                self.call(span, fcn, params, rule);
            }
            Expr::UnaryExpr { span, expr, .. } => {
                if let Expr::Number { span: zero, .. } = expr.as_ref()
                    && zero.text().parse::<f64>() == Ok(0.0)
                {
                    rule.numbers.get_or_insert((span.line, "zero has no sign; write 0"));
                }
                self.expr(expr, rule);
            }
            Expr::BoolExpr { lhs, rhs, .. } => {
                for side in [lhs, rhs] {
                    match side.as_ref() {
                        Expr::Number { span, .. } => number(span, true, rule),
                        side => self.expr(side, rule),
                    }
                }
            }
            Expr::ArithExpr { span, lhs, rhs, .. } => {
                if is_fraction(expr) || is_fraction(lhs) || is_fraction(rhs) {
                    rule.fractions.get_or_insert(span.line);
                }
                self.expr(lhs, rule);
                self.expr(rhs, rule);
            }
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => self.named(lhs, rhs, rule),
            Expr::BinExpr { lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
                self.expr(lhs, rule);
                self.expr(rhs, rule);
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|e| self.expr(e, rule));
            }
        }
    }

    fn all(&self, items: &[Ref<Expr>], rule: &mut Rule) {
        items.iter().for_each(|item| self.expr(item, rule));
    }

    fn reference(&self, expr: &Expr, span: &Span, rule: &mut Rule) {
        let (path, _, indexes) = steps(expr);
        let documents = self.documents(path, rule, span.line);
        rule.refers.extend(documents);
        indexes.into_iter().for_each(|index| self.expr(index, rule));
    }

    /// `name := input.part` reads what is read of the name.
    fn named(&self, name: &Expr, value: &Expr, rule: &mut Rule) {
        let parts = self.parts(value, rule);
        if let Expr::Var { value: name, .. } = name
            && let Some(name) = text_of(name)
            && !parts.is_empty()
        {
            // Of the input, and of the settings, nothing is read by naming them; any other part may be missing.
            let is_there = |path: &Path| {
                path.is_empty() || matches!(path.as_slice(), [settings] if settings == "settings")
            };
            let all = parts.iter().all(is_there);
            rule.aliases.entry(name).or_default().extend(parts);
            match value {
                Expr::Call { params, .. } if all => {
                    return params.iter().skip(1).for_each(|param| self.expr(param, rule));
                }
                _ if all => return,
                value => return self.expr(value, rule),
            }
        }
        self.expr(name, rule);
        self.expr(value, rule);
    }

    /// The parts of the input that an expression is, where all of it is written out: one, or more where names have several
    /// meanings.
    fn parts(&self, expr: &Expr, rule: &Rule) -> BTreeSet<Path> {
        let documents = match expr {
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let (path, open, _) = steps(expr);
                if open { Vec::new() } else { self.documents(path, rule, 0) }
            }
            Expr::Call { fcn, params, .. } if steps(fcn).0.join(".") == "object.get" => {
                let is_written = |key: &Expr| match key {
                    Expr::Array { items, .. } => items.iter().all(|item| written(item).is_some()),
                    key => written(key).is_some(),
                };
                match params.as_slice() {
                    [object, key, _] if is_written(key) && !steps(object).1 => {
                        self.looked_up(params, rule, 0)
                    }
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        };
        let input = documents.into_iter().filter(|document| document.root == Root::Input);
        input.map(|document| document.path).collect()
    }

    /// What a path refers to: rules, data, parts of the input.
    fn documents(&self, path: Path, rule: &Rule, line: u32) -> Vec<Reference> {
        let mut found = Vec::new();
        if let Some((first, rest)) = path.split_first() {
            let parts = rule.aliases.get(first).into_iter().flatten();
            found.extend(parts.map(|part| Reference {
                root: Root::Input,
                path: part.iter().chain(rest).cloned().collect(),
                line,
                alias: true,
            }));
        }
        if let Meaning::Document(root, path) = self.meaning(path) {
            found.push(Reference { root, path, line, alias: false });
        }
        found
    }

    fn call(&self, span: &Span, function: &Expr, params: &[Ref<Expr>], rule: &mut Rule) {
        let (path, _, indexes) = steps(function);
        indexes.into_iter().for_each(|index| self.expr(index, rule));
        let line = span.line;
        match self.meaning(path) {
            Meaning::Document(root, path) => {
                rule.refers.push(Reference { root, path, line, alias: false });
            }
            Meaning::Local(path) => {
                let name = path.join(".");
                let texts = params.iter().enumerate();
                let texts = texts.filter_map(|(i, param)| Some((i, first_text(param)?))).collect();
                let looked_up = self.looked_up(params, rule, line);
                if name == "object.get" && !looked_up.is_empty() {
                    // `object.get(input, ["settings", "x"], …)` reads input.settings.x and not all of the input.
                    rule.refers.extend(looked_up);
                    params.iter().skip(1).for_each(|param| self.expr(param, rule));
                    rule.calls.push(Call { name, arguments: Some(params.len()), texts, line });
                    return;
                }
                let rounds = ["floor", "ceil", "round"].contains(&name.as_str());
                rule.calls.push(Call { name, arguments: Some(params.len()), texts, line });
                // Where a quotient is rounded at once, its last digit does not count.
                if let [quotient, ..] = params
                    && let Expr::ArithExpr { op: ArithOp::Div, lhs, rhs, .. } = quotient.as_ref()
                    && rounds
                    && !is_fraction(lhs)
                    && !is_fraction(rhs)
                {
                    return self.all(&[lhs.clone(), rhs.clone()], rule);
                }
            }
        }
        self.all(params, rule);
    }

    /// What `object.get` reads of the input, where both the object and the key are written out.
    fn looked_up(&self, params: &[Ref<Expr>], rule: &Rule, line: u32) -> Vec<Reference> {
        let [object, key, _] = params else { return Vec::new() };
        let (path, open, _) = steps(object);
        // Of data, a key that is looked up with a default may be missing.
        let mut documents = self.documents(path, rule, line);
        documents.retain(|document| document.root == Root::Input);
        for Reference { path, .. } in documents.iter_mut().filter(|_| !open) {
            match key.as_ref() {
                Expr::Array { items, .. } => path.extend(items.iter().map_while(|i| written(i))),
                key => path.extend(written(key)),
            }
        }
        documents
    }

    fn meaning(&self, path: Path) -> Meaning {
        let Some((first, rest)) = path.split_first() else { return Meaning::Local(path) };
        match (first.as_str(), self.imports.get(first)) {
            ("data", _) => Meaning::Document(Root::Data, rest.to_vec()),
            ("input", _) => Meaning::Document(Root::Input, rest.to_vec()),
            (_, Some(import)) => {
                let root = if import.first().is_some_and(|r| r == "input") {
                    Root::Input
                } else {
                    Root::Data
                };
                let whole = import.iter().skip(1).chain(rest).cloned().collect();
                Meaning::Document(root, whole)
            }
            (name, None) if self.heads.contains(name) => {
                Meaning::Document(Root::Data, self.package.iter().chain(&path).cloned().collect())
            }
            _ => Meaning::Local(path),
        }
    }
}

/// Functions whose result is a text.
const TEXTS: [&str; 13] = [
    "base64.encode",
    "concat",
    "format_int",
    "json.marshal",
    "lower",
    "replace",
    "sprintf",
    "substring",
    "trim",
    "trim_prefix",
    "trim_space",
    "trim_suffix",
    "upper",
];

/// What a rule puts into its set; one thing that is computed, where it is no set or its members are not listed.
fn gives(tree: &Tree) -> Vec<Given> {
    let Tree::Spec { head, bodies, .. } = tree else { return Vec::new() };
    let queries: Vec<&Query> = bodies.iter().map(|body| &*body.query).collect();
    let others = bodies.iter().any(|body| body.assign.is_some());
    match head {
        _ if others => vec![Given { value: Written::Computed, line: tree.span().line }],
        RuleHead::Set { key: Some(key), .. } => vec![given(key, &queries)],
        RuleHead::Compr { assign: Some(assign), .. } => match assign.value.as_ref() {
            Expr::Set { items, .. } => items.iter().map(|item| given(item, &queries)).collect(),
            Expr::SetCompr { term, query, .. } => vec![given(term, &[query])],
            other => vec![Given { value: Written::Computed, line: other.span().line }],
        },
        _ => vec![Given { value: Written::Computed, line: tree.span().line }],
    }
}

fn given(expr: &Expr, queries: &[&Query]) -> Given {
    Given { value: value(expr, queries), line: expr.span().line }
}

/// A value, looked up where it is a name that the queries give one value to.
fn value(expr: &Expr, queries: &[&Query]) -> Written {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            text_of(value).map_or(Written::SomeText, Written::Text)
        }
        Expr::Number { .. } => Written::Other("a number"),
        Expr::Bool { .. } => Written::Other("true or false"),
        Expr::Null { .. } => Written::Other("null"),
        Expr::Array { .. } | Expr::ArrayCompr { .. } => Written::Other("a list"),
        Expr::Set { .. } | Expr::SetCompr { .. } => Written::Other("a set"),
        Expr::Call { fcn, .. } if TEXTS.contains(&steps(fcn).0.join(".").as_str()) => {
            Written::SomeText
        }
        Expr::Object { fields, .. } => {
            let fields =
                fields.iter().map(|(_, key, field)| Some((written(key)?, value(field, queries))));
            fields.collect::<Option<_>>().map_or(Written::Computed, Written::Object)
        }
        Expr::Var { value: name, .. } => assigned(name, queries).unwrap_or(Written::Computed),
        _ => Written::Computed,
    }
}

/// What a name is assigned, where one statement does that. Names on its right side are not looked up again, so that no text makes
/// this go in circles.
fn assigned(name: &regorus::Value, queries: &[&Query]) -> Option<Written> {
    let statements = queries.iter().flat_map(|query| &query.stmts);
    let mut found = statements.filter_map(|statement| match &statement.literal {
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { lhs, rhs, .. } => match lhs.as_ref() {
                Expr::Var { value, .. } if value == name => Some(rhs),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    });
    match (found.next(), found.next()) {
        (Some(expr), None) => Some(value(expr, &[])),
        _ => None,
    }
}

/// From the first byte of a rule to the end of its last body.
fn span(tree: &Tree) -> (usize, usize) {
    let whole = tree.span();
    let ends = match tree {
        Tree::Spec { bodies, .. } => bodies.iter().map(|body| body.span.end).max(),
        Tree::Default { .. } => None,
    };
    let at = |position: u32| usize::try_from(position).unwrap_or(usize::MAX);
    let end = at(ends.unwrap_or(whole.end).max(whole.end));
    // The span of a text ends before its closing quote.
    let quoted = matches!(whole.source.contents().as_bytes().get(end), Some(b'"' | b'`'));
    (at(whole.start), end + usize::from(quoted))
}

/// A number that is written with a fraction, or the result of a division.
fn is_fraction(operand: &Expr) -> bool {
    match operand {
        Expr::Number { value, .. } => value.as_number().is_ok_and(|number| !number.is_integer()),
        Expr::ArithExpr { op: ArithOp::Div, .. } => true,
        Expr::UnaryExpr { expr, .. } => is_fraction(expr),
        _ => false,
    }
}

fn form(tree: &Tree) -> Form {
    let value = |value: &Expr| match value {
        Expr::String { .. }
        | Expr::RawString { .. }
        | Expr::Number { .. }
        | Expr::Bool { .. }
        | Expr::Null { .. }
        | Expr::Array { .. }
        | Expr::Object { .. }
        | Expr::ArrayCompr { .. }
        | Expr::ObjectCompr { .. } => Form::NoSet,
        _ => Form::Value,
    };
    match tree {
        Tree::Spec { head: RuleHead::Set { .. }, .. } => Form::Set,
        Tree::Spec { head: RuleHead::Func { .. }, .. } => Form::Function,
        Tree::Spec { head: RuleHead::Compr { assign: Some(assign), .. }, .. } => {
            value(&assign.value)
        }
        Tree::Spec { head: RuleHead::Compr { assign: None, .. }, .. } => Form::NoSet,
        Tree::Default { args, .. } if !args.is_empty() => Form::Function,
        Tree::Default { value: default, .. } => value(default),
    }
}
