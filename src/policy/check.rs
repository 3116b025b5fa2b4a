//! What is wrong with rules before any image is judged.
//!
//! Turns the loaded modules into [`Facts`], and refuses what would pass over something in silence: rules that nothing asks
//! for, references that nothing defines, packages and data that two places share, functions and forms whose answer is not
//! OPA's, and inventory and rebuild read by who has not asked for them, or asks by what is not there yet.

mod forms;
mod negated;
pub(super) mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use regorus::Engine;
use serde_json::{Map, Value};

use crate::contents::CollectorName;

use super::{Bundle, PolicyError, builtins, bundle::SHIPPED, settings::Reads};
use syntax::{Call, File, Form, Path, Reference, Root, Rule};

/// The package that asks all others: one evaluation, one time limit.
pub(super) const ENTRY: &str = "hallmark_entry";
/// Names that are asked for.
pub(super) const ASKED: [&str; 3] = ["deny", "warn", "needs"];
/// Names that look as if they were, here or in other tools.
const LOOKALIKES: [&str; 5] = ["deny", "warn", "needs", "violation", "allow"];
/// The word of `needs` for a rebuild; the others are those of collectors.
pub(super) const REBUILD: &str = "rebuild";

/// Words of `needs`.
fn needs() -> impl Iterator<Item = &'static str> {
    CollectorName::ALL.into_iter().map(CollectorName::word).chain([REBUILD])
}

/// What the rules of a bundle read and give.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Paths below `input.settings` that are read.
    pub(super) settings: Reads,
    /// Whether branch, tag or ref of the source may be read.
    pub(super) history: bool,
    /// Whether rules of the operator's own may read predicates, or parameters of the provenance.
    pub(super) predicates: bool,
    /// Whether rules of the operator's own may read packages one by one, of the inventory or of SBOMs.
    pub(super) lists: bool,
    /// Whether rules may read the index of packages.
    pub(super) index: bool,
    /// Packages whose denials have a code, by code, where it is written out.
    pub(super) codes: BTreeMap<String, BTreeSet<String>>,
    /// Packages that deny, and whether each code that they may give is written out.
    pub(super) denying: BTreeMap<String, bool>,
    /// File and line of the first rule of each set that is asked for, by package and set.
    pub(super) places: BTreeMap<(String, String), String>,
}

/// Checks the rules of a bundle, which are what `engine` holds.
pub(super) fn rules(engine: &mut Engine, bundle: &Bundle) -> Result<Facts, PolicyError> {
    let files = read(engine)?;
    let origin = |file: &File| bundle.rules.get(&file.name).map_or("", |m| m.origin.as_str());
    for file in &files {
        file.rules
            .iter()
            .try_for_each(|rule| functions(file, rule).and_then(|()| shape(file, rule)))?;
        if let Some(test) = file.rules.iter().find(|rule| is_test(rule)) {
            return Err(unasked(
                file,
                test,
                "tests are run from *_test.rego files alone; move it there",
            ));
        }
    }
    forms_are_opas(engine)?;
    apart(&files, origin)?;
    beside(&files, &bundle.data)?;
    let graph = Graph::new(&files);
    graph.all_asked()?;
    graph.all_defined(&bundle.data)?;
    graph.needs_are_known()?;
    graph.needed_is_asked_for(|file| origin(file) == SHIPPED)?;
    let mut facts = graph.facts(|file| origin(file) == SHIPPED);
    facts.history = graph.reads_refs(|file| {
        let text = bundle.rules.get(file).is_some_and(|rules| speaks_of_refs(&rules.text));
        text && (!is_shipped_source(file) || lists_refs(bundle))
    });
    Ok(facts)
}

/// Whether a file has the shipped rules about the source.
fn is_shipped_source(file: &str) -> bool {
    file.strip_prefix(SHIPPED).is_some_and(|rest| rest == "/source.rego")
}

/// Whether the settings list branches or tags. Where they do not, the shipped rule about them says nothing, whatever they are.
fn lists_refs(bundle: &Bundle) -> bool {
    let lists = [&bundle.settings, &bundle.shared].map(|settings| settings.get("provenance"));
    lists.into_iter().flatten().any(|settings| {
        let list = |key: &str| settings.get(key).and_then(Value::as_array);
        ["branches", "tags"].into_iter().filter_map(list).any(|list| !list.is_empty())
    })
}

/// Checks rules and their tests: what is in a test file is not loaded with a policy.
pub(super) fn tests(engine: &mut Engine, bundle: &Bundle) -> Result<(), PolicyError> {
    for file in &read(engine)? {
        for rule in &file.rules {
            functions(file, rule)?;
            if bundle.tests.contains_key(&file.name) && looks_asked(rule) {
                let help = "*_test.rego files hold tests, and are left out when images are judged; \
                            move it to a file of another name";
                return Err(unasked(file, rule, help));
            }
        }
    }
    forms_are_opas(engine)
}

/// Forms that the engine answers otherwise than OPA.
fn forms_are_opas(engine: &mut Engine) -> Result<(), PolicyError> {
    let packages = engine.get_policy_package_components();
    let packages = packages.map_err(|e| PolicyError::Compile { why: e.to_string() })?;
    let modules = engine.get_modules();
    let mut heads = forms::Heads::default();
    for (module, package) in modules.iter().zip(&packages) {
        heads.add(module, &package.components);
    }
    if let Some((file, forms::Refused { line, why })) = heads.scattered() {
        return Err(PolicyError::Form { file: file.clone(), line: *line, why });
    }
    for (module, package) in modules.iter().zip(&packages) {
        if let Some(forms::Refused { line, why }) =
            forms::refused(module, &package.components, &heads)
        {
            let file = module.package.span.source.file().clone();
            return Err(PolicyError::Form { file, line, why });
        }
    }
    Ok(())
}

/// Places under `not`, each a file and a line, and what to write there.
type Negations = (Vec<(String, u32)>, &'static str);

/// File and line of what stands under `not` and holds here where OPA finds nothing true, and what to write.
pub(super) fn negations(engine: &mut Engine) -> Result<Negations, PolicyError> {
    let packages = engine.get_policy_package_components();
    let packages = packages.map_err(|e| PolicyError::Compile { why: e.to_string() })?;
    let modules = engine.get_modules();
    let all = modules.iter().zip(&packages);
    let all = all.map(|(module, package)| (module.as_ref(), package.components.as_slice()));
    let mut heads = forms::Heads::default();
    all.clone().for_each(|(module, package)| heads.add(module, package));
    let values = negated::Values::of(all.clone());
    let lines = all.flat_map(|(module, package)| {
        let file = module.package.span.source.file().clone();
        let lines = forms::negated(module, package, &heads, &values);
        lines.into_iter().map(move |line| (file.clone(), line)).collect::<Vec<_>>()
    });
    Ok((lines.collect(), negated::WHY))
}

/// Names of all tests in the bundle's test files: file, path of the package, name.
pub(super) fn test_names(
    engine: &mut Engine,
    bundle: &Bundle,
) -> Result<BTreeSet<(String, Path, String)>, PolicyError> {
    let files = read(engine)?;
    let tests = files.iter().filter(|file| bundle.tests.contains_key(&file.name));
    let named = tests.flat_map(|file| {
        let tests = file.rules.iter().filter(|rule| is_test(rule));
        tests.map(|rule| (file.name.clone(), file.package.clone(), rule.path.concat()))
    });
    Ok(named.collect())
}

pub(super) fn read(engine: &mut Engine) -> Result<Vec<File>, PolicyError> {
    let failed = |e: &dyn std::fmt::Display| PolicyError::Compile { why: e.to_string() };
    let packages = engine.get_policy_package_components().map_err(|e| failed(&e))?;
    let modules = engine.get_modules();
    let mut heads: BTreeMap<&[String], BTreeSet<String>> = BTreeMap::new();
    for (module, package) in modules.iter().zip(&packages) {
        heads.entry(&package.components).or_default().extend(syntax::heads(module));
    }
    let none = BTreeSet::new();
    let files = modules.iter().zip(&packages).map(|(module, package)| {
        let heads = heads.get(package.components.as_slice()).unwrap_or(&none);
        File::read(module, package.components.clone(), heads)
    });
    Ok(files.collect())
}

fn is_test(rule: &Rule) -> bool {
    rule.path.first().is_some_and(|name| name.starts_with("test_"))
}

/// Whether it is, or is meant to be, something that is asked for.
fn looks_asked(rule: &Rule) -> bool {
    rule.path.iter().any(|name| {
        let name = name.to_ascii_lowercase();
        let rest = LOOKALIKES.iter().find_map(|word| name.strip_prefix(word));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

fn unasked(file: &File, rule: &Rule, help: &'static str) -> PolicyError {
    PolicyError::Unasked { file: file.name.clone(), line: rule.line, rule: full(file, rule), help }
}

fn full(file: &File, rule: &Rule) -> String {
    format!("data.{}", whole(file, rule).join("."))
}

fn whole(file: &File, rule: &Rule) -> Path {
    file.package.iter().chain(&rule.path).cloned().collect()
}

/// Functions that rules may not call.
fn functions(file: &File, rule: &Rule) -> Result<(), PolicyError> {
    let refuse = |call: &Call, why| {
        let (file, line, name) = (file.name.clone(), call.line, call.name.clone());
        Err(PolicyError::Forbidden { file, line, name, why })
    };
    if let Some(line) = rule.fractions {
        let (file, name) = (file.name.clone(), "arithmetic with fractions".to_owned());
        let why = "OPA rounds in another place; calculate with whole numbers, as of thousandths";
        return Err(PolicyError::Forbidden { file, line, name, why });
    }
    if let Some((line, why)) = rule.numbers {
        return Err(PolicyError::Number { file: file.name.clone(), line, why });
    }
    for call in &rule.calls {
        match (builtins::named(&call.name), call.arguments) {
            (builtins::Known::Refused(why), _) => return refuse(call, why),
            // A local name, not a function, takes the place of a value.
            (builtins::Known::Nowhere, None) => {}
            (builtins::Known::Nowhere, Some(_)) => {
                return refuse(
                    call,
                    "no rule and no function that policies may call has this name",
                );
            }
            (builtins::Known::Function { arguments: (least, most) }, Some(given))
                if !(least..=most).contains(&given) =>
            {
                return refuse(
                    call,
                    "it has another number of arguments; write `x := f(…)` for its result",
                );
            }
            (builtins::Known::Function { .. }, _) => {
                if let Some(why) = builtins::refused_text(call.name.as_str(), &call.texts) {
                    return refuse(call, why);
                }
            }
        }
    }
    Ok(())
}

/// Rules that have one of the names that are asked for, and another form.
fn shape(file: &File, rule: &Rule) -> Result<(), PolicyError> {
    let Some(name) = rule.path.first().filter(|name| ASKED.contains(&name.as_str())) else {
        return Ok(());
    };
    if file.package.first().map(String::as_str) != Some("hallmark") {
        let (file, package) = (file.name.clone(), file.package.join("."));
        return Err(PolicyError::OutsideHallmark { file, package });
    }
    if rule.path.len() > 1 || rule.open {
        let help =
            "only the whole of deny, warn and needs is asked for; write `deny contains {...}`";
        return Err(unasked(file, rule, help));
    }
    match rule.form {
        Form::Function => {
            let help = "nobody gives it arguments; write `deny contains {...} if ...`";
            Err(unasked(file, rule, help))
        }
        Form::NoSet => Err(PolicyError::NotASet { rule: full(file, rule), name: name.clone() }),
        Form::Set | Form::Value => match &rule.member {
            Some(word) if name == "needs" && needs().all(|need| need != word) => {
                let (package, found) = (file.package.join("."), format!("{word:?}"));
                Err(PolicyError::UnknownNeed { package, found })
            }
            _ => Ok(()),
        },
    }
}

/// Each package has its rules from one place: rules that are added to those of others change what they mean.
pub(super) fn apart<'a>(
    files: &'a [File],
    origin: impl Fn(&'a File) -> &'a str,
) -> Result<(), PolicyError> {
    let mut owners: BTreeMap<&[String], &str> = BTreeMap::new();
    for file in files {
        owners.entry(&file.package).or_insert_with(|| origin(file));
    }
    for file in files {
        let mine = origin(file);
        if file.package.first().is_some_and(|name| name == ENTRY) {
            return Err(PolicyError::PackageTaken {
                file: file.name.clone(),
                package: file.package.join("."),
                other: ENTRY.to_owned(),
                origin: "hallmark itself".to_owned(),
            });
        }
        let taken = owners.iter().find(|(package, owner)| {
            **owner != mine
                && (file.package.starts_with(package) || package.starts_with(&file.package))
        });
        if let Some((other, owner)) = taken {
            return Err(PolicyError::PackageTaken {
                file: file.name.clone(),
                package: file.package.join("."),
                other: other.join("."),
                origin: (*owner).to_owned(),
            });
        }
    }
    Ok(())
}

/// Data lies beside rules, never where a package has its own.
pub(super) fn beside(files: &[File], data: &Map<String, Value>) -> Result<(), PolicyError> {
    // What lies there would be the answer for all rules, and none of them be asked.
    if data.contains_key(ENTRY) {
        let (data, package) = (ENTRY.to_owned(), ENTRY.to_owned());
        return Err(PolicyError::DataBelowPackage { data, package });
    }
    for file in files {
        let mut object = data;
        for (depth, name) in file.package.iter().enumerate() {
            let last = depth + 1 == file.package.len();
            match object.get(name) {
                None => break,
                Some(Value::Object(inner)) if !last => object = inner,
                Some(_) => {
                    let data = file.package.get(..=depth).unwrap_or_default().join(".");
                    return Err(PolicyError::DataBelowPackage {
                        data,
                        package: file.package.join("."),
                    });
                }
            }
        }
    }
    Ok(())
}

/// A rule of a file, by their numbers.
pub(super) type Node = (usize, usize);

/// Which rules lead to which.
pub(super) struct Graph<'a> {
    files: &'a [File],
    by_path: BTreeMap<Path, Vec<Node>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(files: &'a [File]) -> Self {
        let mut by_path: BTreeMap<Path, Vec<Node>> = BTreeMap::new();
        for (f, file) in files.iter().enumerate() {
            for (r, rule) in file.rules.iter().enumerate() {
                by_path.entry(whole(file, rule)).or_default().push((f, r));
            }
        }
        Self { files, by_path }
    }

    pub(super) fn files(&self) -> &'a [File] {
        self.files
    }

    pub(super) fn at(&self, (f, r): Node) -> Option<(&'a File, &'a Rule)> {
        let file = self.files.get(f)?;
        Some((file, file.rules.get(r)?))
    }

    fn nodes(&self) -> impl Iterator<Item = (Node, &'a File, &'a Rule)> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(f, file)| {
            file.rules.iter().enumerate().map(move |(r, rule)| ((f, r), file, rule))
        })
    }

    /// Rules that a reference leads to: on the way to it, or below it.
    fn led_to(&self, path: &[String]) -> Vec<Node> {
        let mut nodes = Vec::new();
        for length in 1..path.len() {
            nodes.extend(
                self.by_path.get(path.get(..length).unwrap_or_default()).into_iter().flatten(),
            );
        }
        let below = self.by_path.range(path.to_vec()..).take_while(|(at, _)| at.starts_with(path));
        nodes.extend(below.flat_map(|(_, nodes)| nodes));
        nodes
    }

    /// All rules that some lead to, themselves included.
    pub(super) fn reach(&self, from: impl IntoIterator<Item = Node>) -> BTreeSet<Node> {
        let mut found = BTreeSet::new();
        let mut next: Vec<Node> = from.into_iter().collect();
        while let Some(node) = next.pop() {
            if !found.insert(node) {
                continue;
            }
            let Some((_, rule)) = self.at(node) else { continue };
            // All of `data` is a document to look something up in, and asks for no rule.
            let data = rule.refers.iter().filter(|r| r.root == Root::Data && !r.path.is_empty());
            next.extend(data.flat_map(|reference| self.led_to(&reference.path)));
        }
        found
    }

    /// The rules that are asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = (Node, &'a File, &'a Rule)> {
        self.nodes().filter(|(_, _, rule)| is_asked(rule))
    }

    fn all_asked(&self) -> Result<(), PolicyError> {
        let reached = self.reach(self.asked().map(|(node, _, _)| node));
        let judging: BTreeSet<&Path> = self.asked().map(|(_, file, _)| &file.package).collect();
        for (_, file, rule) in self.nodes().filter(|(node, ..)| !reached.contains(node)) {
            if looks_asked(rule) {
                let help = "deny, warn and needs are asked for, at the top of a package; give it one of \
                            these names, or let one of them use it";
                return Err(unasked(file, rule, help));
            }
            // A library may hold functions and values that nobody uses yet; a set of results is no helper.
            if judging.contains(&file.package) || rule.form == Form::Set {
                let help = "no deny, warn or needs leads to it; use it, or remove it";
                return Err(unasked(file, rule, help));
            }
        }
        Ok(())
    }

    fn all_defined(&self, data: &Map<String, Value>) -> Result<(), PolicyError> {
        for (_, file, rule) in self.nodes() {
            let references = rule.refers.iter().filter(|r| r.root == Root::Data);
            for Reference { path, line, .. } in references {
                if self.led_to(path).is_empty() && !is_there(data, path) {
                    let (file, line) = (file.name.clone(), *line);
                    let reference = format!("data.{}", path.join("."));
                    return Err(PolicyError::Undefined { file, line, reference });
                }
            }
        }
        Ok(())
    }

    /// When `needs` is evaluated, no image is known yet.
    fn needs_are_known(&self) -> Result<(), PolicyError> {
        let needs = self.asked().filter(|(_, _, rule)| is_named(rule, "needs"));
        for (node, asking, _) in needs {
            for (file, rule) in self.reach([node]).into_iter().filter_map(|node| self.at(node)) {
                let mut input = rule.refers.iter().filter(|r| r.root == Root::Input);
                let late = input.find(|r| r.path.first().is_none_or(|p| p != "settings"));
                if let Some(Reference { path, line, .. }) = late {
                    let read = ["input"].into_iter().chain(path.iter().map(String::as_str));
                    return Err(PolicyError::NeedsTooLate {
                        file: file.name.clone(),
                        line: *line,
                        package: asking.package.join("."),
                        read: read.collect::<Vec<_>>().join("."),
                    });
                }
            }
        }
        Ok(())
    }

    /// What is there only for who asks is read by no package that does not.
    fn needed_is_asked_for(&self, is_shipped: impl Fn(&File) -> bool) -> Result<(), PolicyError> {
        let mut packages: BTreeMap<&Path, Vec<Node>> = BTreeMap::new();
        for (node, file, _) in self.asked() {
            packages.entry(&file.package).or_default().push(node);
        }
        let asks = |nodes: &[Node], part: &str| {
            nodes.iter().filter_map(|node| self.at(*node)).any(|(_, rule)| {
                is_named(rule, "needs") && rule.member.as_deref().is_none_or(|word| word == part)
            })
        };
        for (package, nodes) in &packages {
            for part in needs().filter(|part| !asks(nodes, part)) {
                let reached = self.reach(nodes.iter().copied());
                for (file, rule) in reached.into_iter().filter_map(|node| self.at(node)) {
                    // Shipped rules look at a rebuild that others asked for: one that goes wrong is told whatever is asked.
                    let own = packages.get(&file.package).is_some_and(|nodes| asks(nodes, part));
                    if part == REBUILD && is_shipped(file) && !own {
                        continue;
                    }
                    let mut input = rule.refers.iter().filter(|r| r.root == Root::Input);
                    let read = input.find(|r| is_part(&r.path, part));
                    if let Some(Reference { path, line, .. }) = read {
                        let (file, line) = (file.name.clone(), *line);
                        let package = package.join(".");
                        return Err(match path.is_empty() {
                            true => PolicyError::WholeInput { file, line, package, part },
                            false => PolicyError::NotAskedFor { file, line, package, part },
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a rule reads branch, tag or ref of the source. Where one takes more of the provenance at once, its file has to
    /// speak of them: too many are found so, and none is missed that writes its fields out.
    fn reads_refs(&self, speaks: impl Fn(&str) -> bool) -> bool {
        let reached = self.reach(self.asked().map(|(node, _, _)| node));
        let speaks =
            || reached.iter().filter_map(|node| self.at(*node)).any(|(file, _)| speaks(&file.name));
        let reads = |path: &[String]| {
            REFS.iter().any(|field| {
                let same = path.iter().zip(field.iter()).all(|(a, b)| a == b);
                same && (path.len() >= field.len() || speaks())
            })
        };
        let rules = reached.iter().filter_map(|node| self.at(*node));
        let mut input = rules.flat_map(|(_, rule)| &rule.refers).filter(|r| r.root == Root::Input);
        input.any(|reference| reads(&reference.path) || repeats(&reference.path) && speaks())
    }

    /// A shipped rule gives the codes that its METADATA says: a test holds it to that.
    fn facts(&self, is_shipped: impl Fn(&File) -> bool) -> Facts {
        let mut facts = Facts::default();
        let reached = self.reach(self.asked().map(|(node, _, _)| node));
        for (file, rule) in reached.into_iter().filter_map(|node| self.at(node)) {
            let input = rule.refers.iter().filter(|r| r.root == Root::Input);
            facts.predicates |=
                !is_shipped(file) && input.clone().any(|r| takes_predicates(&r.path));
            facts.lists |= !is_shipped(file) && input.clone().any(|r| takes_lists(&r.path));
            facts.index |= input.clone().any(|r| lies_on(&r.path, &["inventory", "index"]));
            let reads = match is_shipped(file) {
                true => &mut facts.settings.shipped,
                false => &mut facts.settings.own,
            };
            reads.extend(input.filter_map(|r| match r.path.split_first() {
                None => Some(Vec::new()),
                Some((first, rest)) if first == "settings" => Some(rest.to_vec()),
                Some(_) => None,
            }));
        }
        for (node, file, rule) in self.asked() {
            let set = (file.package.join("."), rule.path.concat());
            let place = || format!("{}:{}", file.name, rule.line);
            facts.places.entry(set).or_insert_with(place);
            if is_named(rule, "deny") {
                let rules = self.reach([node]).into_iter().filter_map(|node| self.at(node));
                for code in rules.flat_map(|(_, rule)| &rule.codes) {
                    facts.codes.entry(code.clone()).or_default().insert(file.package.join("."));
                }
                let written =
                    is_shipped(file) || rule.gives.iter().all(|given| given.code().is_some());
                *facts.denying.entry(file.package.join(".")).or_insert(true) &= written;
            }
        }
        facts
    }
}

/// Below the input, what the provenance says of the refs of its source.
const REFS: [&[&str]; 3] = [
    &["provenance", "build", "branch"],
    &["provenance", "build", "tag"],
    &["provenance", "build", "source", "reference"],
];

/// Below the input, what repeats the refs of the source in fields of the builder's own.
const REPEATING: [&[&str]; 4] = [
    &["attestations"],
    &["provenance", "build", "buildArgs"],
    &["provenance", "build", "materials"],
    &["provenance", "build", "parameters"],
];

fn lies_on(path: &[String], field: &[&str]) -> bool {
    path.iter().zip(field).all(|(a, b)| a == b)
}

/// Whether a path leads to or into what repeats the refs of the source.
fn repeats(path: &[String]) -> bool {
    REPEATING.iter().any(|field| lies_on(path, field))
}

/// Whether a path leads to or into what signers wrote in forms of their own, numbers among it.
fn takes_predicates(path: &[String]) -> bool {
    let fields: [&[&str]; 3] =
        [&["attestations"], &["signatures"], &["provenance", "build", "parameters"]];
    fields.iter().any(|field| lies_on(path, field))
}

/// Whether a path leads to or into the lists of packages. Shipped rules read the index that stands beside them.
fn takes_lists(path: &[String]) -> bool {
    lies_on(path, &["inventory", "packages"]) || lies_on(path, &["sboms"])
}

/// Whether a file of rules has a word for refs outside its comments, in any place where a field can stand.
fn speaks_of_refs(text: &str) -> bool {
    let code = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let field = |line: &str, word: &str| {
        let written = line.contains(&format!("\"{word}")) || line.contains(&format!("`{word}"));
        written
            || line.match_indices(&format!(".{word}")).any(|(at, _)| !line[..at].ends_with("image"))
    };
    code.into_iter().any(|line| ["branch", "tag", "ref"].iter().any(|word| field(line, word)))
}

/// Whether a path into the input is, or may be, one that is there only for who asks. The verdicts of other rebuilders are there for
/// everybody.
fn is_part(path: &[String], part: &str) -> bool {
    match path.first() {
        // Where nobody asked there is a null, which neither a search for secrets or malware nor an account of files gives: who
        // takes all at once need not ask.
        None => ![CollectorName::Secrets, CollectorName::Malware, CollectorName::Contents]
            .map(CollectorName::word)
            .contains(&part),
        Some(first) => first == part && path.get(1).is_none_or(|below| below != "attested"),
    }
}

pub(super) fn is_named(rule: &Rule, name: &str) -> bool {
    rule.path.first().is_some_and(|first| first == name)
}

pub(super) fn is_asked(rule: &Rule) -> bool {
    matches!(rule.path.as_slice(), [name] if ASKED.contains(&name.as_str()))
}

/// Whether data has a value at the path, or a list on the way.
fn is_there(data: &Map<String, Value>, path: &[String]) -> bool {
    let mut object = data;
    for (depth, name) in path.iter().enumerate() {
        match object.get(name) {
            Some(Value::Object(inner)) => object = inner,
            Some(Value::Array(_)) => return true,
            Some(_) => return depth + 1 == path.len(),
            None => return false,
        }
    }
    true
}
