//! Evaluating policies with regorus, bounded.
//!
//! Turns a [`Bundle`] into [`Policies`] once, and a [`PolicyInput`] into a [`Judgement`] as often as needed. Bounds:
//! `limits.policy` of time for one evaluation, `limits.policy_bytes` of input, no network, no clock, no randomness (the
//! features of regorus that bring them are off, what is left is refused by name). A failing builtin is an error and not
//! "undefined" as in OPA's default: a rule that cannot be evaluated must not pass in silence. Memory is bounded through the
//! input: regorus' own limit counts the whole process and would replace its allocator.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    panic::{AssertUnwindSafe, catch_unwind},
};

use regorus::{Engine, utils::limits::ExecutionTimerConfig};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Bundle, Effective, Exception, GivenApproval, Idle, Judgement, Needs, PolicyError, PolicyInput,
    RuleResult,
    approval::{self, About, Reviewed},
    builtins,
    bundle::{Module, merge},
    check::{self, ASKED, ENTRY, Graph, REBUILD},
    effective,
    exception::{self, Applied},
    given::{self, Lists, with_settings},
    input::Saved,
    said::{self, Said},
    settings, unread, yara,
};
use crate::{
    contents::{CollectorName, malware::rules::RuleSet},
    digest::Digest,
    finding::{Code, Finding, Key, Subject},
    limits::Limits,
    verdict::DEFAULT_LEVEL,
};

/// The rule there that gives the sets of `JUDGING`, each under its name.
const JUDGED: &str = "judged";
const JUDGING: [&str; 2] = ["deny", "warn"];
/// Work units between two looks at the clock.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::new(64).expect("not zero");

/// What each package's set gave, by package.
type Sets = BTreeMap<String, Vec<Value>>;

/// Compiled policies, to be shared between threads.
pub struct Policies {
    engine: Engine,
    /// What rules say of themselves: what somebody else says of a code is not said of this rule.
    said: Said,
    settings: Map<String, Value>,
    /// The settings as the engine holds them.
    given: given::Settings,
    /// Which lists of the input are made, where it has an index.
    lists: Lists,
    /// Whether rules read the index.
    index: bool,
    effective: Vec<Effective>,
    needs: Needs,
    /// Packages that need anything.
    asking: Vec<String>,
    approvals: Vec<GivenApproval>,
    bundle: Digest,
    codes: BTreeMap<String, BTreeSet<String>>,
    /// Packages that deny, and whether `codes` has all their codes.
    denying: BTreeMap<String, bool>,
    /// File and line of the first rule of each set, by package and set.
    places: BTreeMap<(String, String), String>,
    /// Whether rules may read predicates.
    predicates: bool,
    /// Rules that were asked for and decide nothing.
    idle: Vec<Idle>,
    /// What files are scanned by, where somebody gave YARA rules.
    malware: Option<RuleSet>,
    #[cfg(test)]
    reads: settings::Reads,
}

impl Policies {
    /// Compiles a bundle. Its tests are looked at and left out.
    ///
    /// # Errors
    /// Whatever would make a rule fail or never be asked.
    pub fn compile(bundle: &Bundle, limits: &Limits) -> Result<Self, PolicyError> {
        settings::typed(&bundle.settings)?;
        if !bundle.tests.is_empty() {
            let files = bundle.rules.iter().chain(&bundle.tests);
            check::tests(&mut load(files, &bundle.data, limits)?, bundle)?;
        }
        let mut engine = load(bundle.rules.iter(), &bundle.data, limits)?;
        let facts = check::rules(&mut engine, bundle)?;
        let asked = asked(&engine)?;
        if !asked.iter().any(|(set, _)| *set != "needs") {
            return Err(PolicyError::NoRules);
        }
        let files = check::read(&mut engine)?;
        let said = said::of(&Graph::new(&files), &bundle.metadata()?);
        let settings = settings_of(bundle, &facts.settings, limits)?;
        let malware = yara::compile(&bundle.yara_files())?;
        let entry = entry(&asked);
        add(&mut engine, "hallmark:entry", &entry)?;
        effective_known(bundle, &facts)?;
        let mut policies = Self {
            said,
            given: given::Settings::of(&settings)?,
            settings,
            lists: match (facts.lists, facts.index) {
                (true, _) => Lists::Whole,
                (false, true) => Lists::Indexed,
                (false, false) => Lists::Counted,
            },
            index: facts.index,
            effective: bundle.effective.clone(),
            needs: Needs::default(),
            asking: Vec::new(),
            approvals: bundle.approvals.clone(),
            bundle: digest(bundle),
            codes: facts.codes,
            denying: facts.denying,
            places: facts.places,
            predicates: facts.predicates,
            idle: bundle.idle.clone(),
            malware,
            #[cfg(test)]
            reads: facts.settings,
            engine,
        };
        policies.needs = policies.find_needs(limits)?;
        policies.needs.history = facts.history;
        // Prepared once here, cloned for every image.
        Ok(policies)
    }

    /// What the rules have to know about an image.
    pub fn needs(&self) -> Needs {
        self.needs.clone()
    }

    /// What files are scanned by, where somebody gave YARA rules.
    pub fn malware(&self) -> Option<&RuleSet> {
        self.malware.as_ref()
    }

    /// Packages that need any of it.
    pub fn asking(&self) -> &[String] {
        &self.asking
    }

    /// What the rules deny for where nobody vouches for it, as the findings that say so.
    pub fn waits_for(&self) -> BTreeSet<Code> {
        let all = [Code::SignatureMissing, Code::ProvenanceMissing, Code::SbomMissing];
        let denied = all.into_iter().filter(|code| self.codes.contains_key(code.as_str()));
        let lacks = self.said.values().filter_map(|says| says.lacks);
        denied.chain(lacks.map(|lack| lack.code())).collect()
    }

    /// The rung of the ladder that the settings ask for; what is no rung is refused by the rule.
    pub fn asked_level(&self) -> u8 {
        let rebuild = self.settings.get("rebuild").and_then(|rebuild| rebuild.get("minLevel"));
        let level = rebuild.and_then(Value::as_u64).and_then(|level| u8::try_from(level).ok());
        level.filter(|level| (1..=5).contains(level)).unwrap_or(DEFAULT_LEVEL)
    }

    /// What counts of the METADATA of a package's code.
    #[cfg(test)]
    pub(super) fn said(&self, (package, code): (&str, &str)) -> Option<&super::metadata::Custom> {
        self.said.get(&(package.to_owned(), code.to_owned()))
    }

    /// Paths below `input.settings` that the rules read.
    #[cfg(test)]
    pub(super) fn settings_read(&self) -> &settings::Reads {
        &self.reads
    }

    /// Whether each exception means one rule, and one that there is.
    ///
    /// # Errors
    /// [`PolicyError::ExceptionUnclear`], [`PolicyError::ExceptionIdle`].
    pub fn clear(&self, exceptions: &[Exception]) -> Result<(), PolicyError> {
        let known = exception::Known { codes: &self.codes, denying: &self.denying };
        let mut meant = exceptions.iter().filter(|exception| !exception.elsewhere);
        meant.try_for_each(|exception| known.has(exception, &self.said))?;
        let computing = self.denying.iter().filter(|(_, written)| !**written).map(|(name, _)| name);
        let computing: BTreeSet<&String> = computing.collect();
        let meant = exceptions.iter().filter(|exception| !exception.elsewhere);
        for exception in meant.filter(|exception| exception.package.is_none()) {
            let given = self.codes.get(&exception.code);
            let packages: BTreeSet<&String> =
                given.into_iter().flatten().chain(computing.clone()).collect();
            // A rule that computes its code says today what another one says, or will tomorrow.
            if packages.len() > 1 || given.is_none() && !computing.is_empty() {
                let packages: Vec<_> = packages.into_iter().map(String::as_str).collect();
                let (code, packages) = (exception.code.clone(), packages.join(", "));
                return Err(PolicyError::ExceptionUnclear { code, packages });
            }
        }
        Ok(())
    }

    /// Digest of rules, data, settings and exceptions: equal policies give equal judgements.
    pub fn digest(&self, exceptions: &[Exception]) -> Digest {
        let all = json!({ "bundle": self.bundle.to_string(), "exceptions": exceptions });
        Digest::sha256(all.to_string().as_bytes())
    }

    /// Judges an image. An error in the policies is a denial with the code `policy-error`, which nothing excepts.
    pub fn judge(
        &self,
        input: &PolicyInput,
        exceptions: &[Exception],
        limits: &Limits,
    ) -> Judgement {
        let (denied, warned) = match self.results(input, limits) {
            Ok(results) => results,
            Err(error) => return broken(&error, &input.image.reference),
        };
        let digests = input.image.digests.iter().map(String::as_str).collect();
        let about = About {
            location: &input.image.repository,
            manifest: &input.image.manifest,
            digests: &digests,
            time: input.time,
        };
        let mut judgement = self.judged(denied, warned, exceptions, about);
        judgement.asides.extend(self.idle.iter().map(Idle::finding));
        judgement
    }

    /// Judges by an input that was saved, with the settings of these policies in the place of its own.
    ///
    /// # Errors
    /// It is no `hallmark/input/v1`, or the policies cannot be evaluated.
    pub fn judge_saved(
        &self,
        input: &Value,
        exceptions: &[Exception],
        limits: &Limits,
    ) -> Result<Judgement, PolicyError> {
        let wrong = |why: &str| PolicyError::Data { file: "input".to_owned(), why: why.to_owned() };
        let text = |pointer: &str| input.pointer(pointer).and_then(Value::as_str);
        if text("/schema") != Some(super::input::ID) {
            return Err(wrong("its schema is not hallmark/input/v1"));
        }
        let location = text("/image/repository")
            .ok_or_else(|| wrong("it does not say which image it is about"))?;
        let time = text("/time").and_then(|time| time.parse().ok());
        let time = time.ok_or_else(|| wrong("it does not say when the image was judged"))?;
        if self.predicates
            && let Some((what, number)) = super::input::not_held(input)
        {
            return Err(PolicyError::Inexact { what, number });
        }
        let saved = self.index.then(|| Saved::of(input)).flatten();
        let indexed = saved.is_some() || super::input::is_indexed(input);
        let lists = self.lists(indexed, super::input::sboms(input));
        let (denied, warned) = self.results_over(input, lists, saved.as_ref(), limits)?;
        let digests = input.pointer("/image/digests").and_then(Value::as_array);
        let digests = digests.into_iter().flatten().filter_map(Value::as_str).collect();
        let manifest = text("/image/manifest").unwrap_or_default();
        let about = About { location, manifest, digests: &digests, time };
        Ok(self.judged(denied, warned, exceptions, about))
    }

    /// What results mean for an image: first what is approved or excepted, then what holds only from a later day on.
    fn judged(
        &self,
        denied: Vec<RuleResult>,
        mut warned: Vec<RuleResult>,
        exceptions: &[Exception],
        about: About<'_>,
    ) -> Judgement {
        let said = |result: &RuleResult| self.said.get(&result.rule());
        let is_review = |result: &RuleResult| said(result).is_some_and(|says| says.review);
        let Reviewed { denied, approved, findings: mut asides } =
            approval::apply(denied, &self.approvals, is_review, about);
        let Applied { denied, mut excepted, findings } =
            exception::apply(denied, exceptions, about.location, about.time);
        excepted.extend(approved);
        sort(&mut excepted);
        asides.extend(findings);
        let own = |result: &RuleResult| said(result).and_then(|says| says.effective_on);
        let (denied, deferred) = effective::defer(denied, &self.effective, own, about.time);
        if !deferred.is_empty() {
            warned.extend(deferred);
            sort(&mut warned);
        }
        Judgement { deny: denied, warn: warned, excepted, asides }
    }

    /// Results of all `deny` and all `warn` rules.
    fn results(
        &self,
        input: &PolicyInput,
        limits: &Limits,
    ) -> Result<(Vec<RuleResult>, Vec<RuleResult>), PolicyError> {
        // A rule that looks for something bad in what is not there would find nothing.
        if self.predicates
            && let Some((what, number)) = input.not_held()
        {
            return Err(PolicyError::Inexact { what, number });
        }
        let lists = self.lists(input.is_indexed(), input.sboms.len());
        self.results_over(input, lists, None, limits)
    }

    /// Which lists rules need. Two SBOMs are held against each other member by member.
    pub(super) fn lists(&self, indexed: bool, sboms: usize) -> Lists {
        match self.lists {
            _ if sboms > 1 => Lists::Whole,
            Lists::Indexed if !indexed => Lists::Whole,
            lists => lists,
        }
    }

    /// Results over whatever is written as an input is, with the settings in the place of its own.
    pub(super) fn results_over(
        &self,
        input: &impl Serialize,
        lists: Lists,
        saved: Option<&Saved<'_>>,
        limits: &Limits,
    ) -> Result<(Vec<RuleResult>, Vec<RuleResult>), PolicyError> {
        let input = with_settings(input, &self.given, lists, saved, limits)?;
        let mut sets = self.evaluate(input, limits)?;
        let mut of = |set: &str| self.results_of(set, sets.remove(set).unwrap_or_default());
        Ok((of("deny")?, of("warn")?))
    }

    /// The results in one kind of set, sorted.
    fn results_of(&self, set: &str, sets: Sets) -> Result<Vec<RuleResult>, PolicyError> {
        let mut all = Vec::new();
        for (package, members) in sets {
            for member in members {
                let place = || self.places.get(&(package.clone(), set.to_owned()));
                let mut result = result(set, &package, member).map_err(|error| match error {
                    PolicyError::NotAResult { rule, found } => {
                        let place = place().map(|place| format!("{place}: ")).unwrap_or_default();
                        PolicyError::NotAResult { rule: format!("{place}{rule}"), found }
                    }
                    error => error,
                })?;
                if let Some(says) = self.said.get(&result.rule()) {
                    let solution = says.solution.trim();
                    result.solution = (!solution.is_empty()).then(|| solution.to_owned());
                    result.about.clone_from(&says.about);
                    (result.early, result.lacks) = (says.early, says.lacks);
                }
                all.push(result);
            }
        }
        sort(&mut all);
        Ok(all)
    }

    fn find_needs(&mut self, limits: &Limits) -> Result<Needs, PolicyError> {
        let input = with_settings(&json!({}), &self.given, Lists::Whole, None, limits)?;
        let mut engine = self.engine.clone();
        engine.set_input(input);
        let asked = ask(&mut engine, &format!("data.{ENTRY}.needs"), limits)?;
        self.engine = engine;
        let mut needs = Needs::default();
        for (package, words) in members("needs", &asked)? {
            if !words.is_empty() {
                self.asking.push(package.clone());
            }
            for word in words {
                let text = word.as_str().unwrap_or_default();
                match CollectorName::ALL.into_iter().find(|name| name.word() == text) {
                    Some(name) => {
                        needs.collectors.insert(name);
                    }
                    None if text == REBUILD => needs.rebuild = true,
                    None => {
                        return Err(PolicyError::UnknownNeed { package, found: word.to_string() });
                    }
                }
            }
        }
        Ok(needs)
    }

    fn evaluate(
        &self,
        input: regorus::Value,
        limits: &Limits,
    ) -> Result<BTreeMap<String, Sets>, PolicyError> {
        evaluate(&mut self.engine.clone(), input, limits)
    }
}

fn sort(results: &mut [RuleResult]) {
    results.sort_by(|a, b| (&a.package, &a.code, &a.msg).cmp(&(&b.package, &b.code, &b.msg)));
}

/// The settings of a bundle: its own, and of those for several presets what its rules read; what was written for it alone goes last.
///
/// # Errors
/// One that neither its rules nor those of the bundles beside it read.
fn settings_of(
    bundle: &Bundle,
    reads: &settings::Reads,
    limits: &Limits,
) -> Result<Map<String, Value>, PolicyError> {
    let (mut all, mut written) = (bundle.settings.clone(), bundle.written.clone());
    if let Err(unread) = settings::all_read(&bundle.settings, reads) {
        if bundle.others.is_empty() {
            return Err(unread);
        }
        let mut anywhere = reads.clone();
        for other in &bundle.others {
            let mut engine = load(other.rules.iter(), &other.data, limits)?;
            let found = check::rules(&mut engine, other)?.settings;
            anywhere.shipped.extend(found.shipped);
            anywhere.own.extend(found.own);
        }
        settings::all_read(&bundle.settings, &anywhere)?;
        all = settings::only_read(&all, reads);
        written = settings::only_read(&written, reads);
    }
    merge(&mut all, settings::only_read(&bundle.shared, reads));
    merge(&mut all, written);
    Ok(all)
}

/// The judgement where there is none: a denial.
pub(super) fn broken(error: &PolicyError, image: &str) -> Judgement {
    let denied = RuleResult {
        code: Code::PolicyError.as_str().to_owned(),
        msg: error.in_one_line(),
        package: "hallmark".to_owned(),
        solution: None,
        about: Vec::new(),
        early: false,
        lacks: None,
        facts: BTreeMap::new(),
    };
    let image = Subject::Image(image.to_owned());
    let finding = Finding::new(Code::PolicyError, image).with(Key::Why, error.in_one_line());
    Judgement { deny: vec![denied], asides: vec![finding], ..Judgement::default() }
}

fn digest(bundle: &Bundle) -> Digest {
    // Where a folder lies is nobody's verdict.
    let mut rules: Vec<_> =
        bundle.rules.values().map(|module| (&module.name, &module.text)).collect();
    rules.sort();
    let mut yara: Vec<_> =
        bundle.yara.values().map(|module| (&module.name, &module.text)).collect();
    yara.sort();
    let mut all = json!({ "rules": rules, "data": bundle.data, "settings": bundle.settings });
    if let Some(all) = all.as_object_mut() {
        if !bundle.shared.is_empty() {
            all.insert("shared".to_owned(), Value::Object(bundle.shared.clone()));
        }
        if !yara.is_empty() {
            all.insert("yara".to_owned(), json!(yara));
        }
        if !bundle.effective.is_empty() {
            all.insert("effective".to_owned(), json!(bundle.effective));
        }
        if !bundle.approvals.is_empty() {
            all.insert("approvals".to_owned(), json!(bundle.approvals));
        }
    }
    Digest::sha256(all.to_string().as_bytes())
}

/// What one rule of a bundle gives, on no input: `data.package.rule`; `None` where it is undefined.
///
/// # Errors
/// The rules do not compile, call what they may not, or cannot be evaluated.
pub fn value(bundle: &Bundle, rule: &str, limits: &Limits) -> Result<Option<Value>, PolicyError> {
    value_over(bundle, rule, None, limits)
}

/// What one rule of a bundle gives on an input.
///
/// # Errors
/// As [`value`].
pub fn value_over(
    bundle: &Bundle,
    rule: &str,
    input: Option<&Value>,
    limits: &Limits,
) -> Result<Option<Value>, PolicyError> {
    let mut engine = load(bundle.rules.iter(), &bundle.data, limits)?;
    check::tests(&mut engine, bundle)?;
    if let Some(input) = input {
        engine.set_input(regorus::Value::from(input.clone()));
    }
    match ask(&mut engine, rule, limits)? {
        regorus::Value::Undefined => Ok(None),
        value => {
            let value = serde_json::to_value(&value);
            value.map(Some).map_err(|e| PolicyError::Evaluate { why: e.to_string() })
        }
    }
}

/// The members of one set of a package over an input.
///
/// # Errors
/// The rules do not compile, or cannot be evaluated.
pub(super) fn members_of(
    bundle: &Bundle,
    package: &str,
    set: &str,
    input: &Value,
    limits: &Limits,
) -> Result<Vec<Value>, PolicyError> {
    let mut engine = load(bundle.rules.iter(), &bundle.data, limits)?;
    engine.set_input(regorus::Value::from(input.clone()));
    let path: String = package.split('.').map(|part| format!("[{}]", json!(part))).collect();
    let value = ask(&mut engine, &format!("data{path}.{set}"), limits)?;
    let wrong =
        || PolicyError::NotASet { rule: format!("data.{package}.{set}"), name: set.to_owned() };
    let members = value.as_set().map_err(|_| wrong())?.iter().map(serde_json::to_value);
    members.collect::<Result<_, _>>().map_err(|e| PolicyError::Evaluate { why: e.to_string() })
}

/// An engine with rules and data, nothing evaluated yet.
pub(super) fn load<'a>(
    rules: impl Iterator<Item = (&'a String, &'a Module)>,
    data: &Map<String, Value>,
    limits: &Limits,
) -> Result<Engine, PolicyError> {
    let mut engine = Engine::new();
    engine.set_execution_timer_config(ExecutionTimerConfig {
        limit: limits.policy,
        check_interval: CHECK_INTERVAL,
    });
    engine.set_strict_builtin_errors(true);
    // What rules print is of no use here, and stderr is not theirs.
    engine.set_gather_prints(true);
    builtins::extend(&mut engine).map_err(|e| PolicyError::Compile { why: e.to_string() })?;
    for (file, module) in rules {
        let package = add(&mut engine, file, &module.text)?;
        // What is decided by a module's package before it is compiled has to be about the same one.
        if module.package().is_none_or(|written| format!("data.{written}") != package) {
            let why = format!(
                "{file}: write the package on a line of its own, as: package {}",
                package.trim_start_matches("data.")
            );
            return Err(PolicyError::Compile { why });
        }
    }
    let data = regorus::Value::from(Value::Object(data.clone()));
    engine.add_data(data).map_err(|error| PolicyError::Compile { why: error.to_string() })?;
    Ok(engine)
}

/// Adds a module; its package, with `data` in front.
fn add(engine: &mut Engine, file: &str, text: &str) -> Result<String, PolicyError> {
    let added = engine.add_policy(file.to_owned(), text.to_owned());
    let failed = |why: String| PolicyError::Compile { why: unread::with_help(why, text) };
    added.map_err(|error| failed(error.to_string()))
}

/// The sets that there are: name and the package's path.
fn asked(engine: &Engine) -> Result<Vec<(&'static str, Vec<String>)>, PolicyError> {
    let failed = |why: String| PolicyError::Compile { why };
    let mut asked = Vec::new();
    for package in engine.get_policy_package_components().map_err(|e| failed(e.to_string()))? {
        for set in ASKED {
            let declared = engine.has_declared_rule_rooted_at(&package.source_file, set);
            if declared.map_err(|e| failed(e.to_string()))? {
                asked.push((set, package.components.clone()));
            }
        }
    }
    asked.sort();
    asked.dedup();
    Ok(asked)
}

/// Whether days are about codes that a loaded rule gives, or one that ships and another preset loads. What a rule computes is not
/// known, so that any code may be one.
fn effective_known(bundle: &Bundle, facts: &check::Facts) -> Result<(), PolicyError> {
    if bundle.effective.is_empty() || facts.denying.values().any(|written| !written) {
        return Ok(());
    }
    let shipped = Bundle::shipped()?.codes()?.into_iter().map(|(_, code)| code);
    effective::known(&bundle.effective, &shipped.chain(facts.codes.keys().cloned()).collect())
}

/// The module that gathers all sets, each under the name of its package.
fn entry(asked: &[(&str, Vec<String>)]) -> String {
    let mut text = format!("package {ENTRY}\n");
    for set in ASKED {
        let mut empty = true;
        for (_, path) in asked.iter().filter(|(name, _)| *name == set) {
            let brackets: String = path.iter().map(|part| format!("[{}]", json!(part))).collect();
            let name = json!(path.join("."));
            text.push_str(&format!(
                "{set}[n] := v if {{ n := {name}; v := data{brackets}.{set} }}\n"
            ));
            empty = false;
        }
        if empty {
            text.push_str(&format!("{set} := {{}}\n"));
        }
    }
    let judging = JUDGING.map(|set| format!("{set:?}: {set}")).join(", ");
    text.push_str(&format!("{JUDGED} := {{{judging}}}\n"));
    text
}

/// Evaluates what denies and what warns, never panicking: at once, so that what both look at is computed once.
fn evaluate(
    engine: &mut Engine,
    input: regorus::Value,
    limits: &Limits,
) -> Result<BTreeMap<String, Sets>, PolicyError> {
    engine.set_input(input);
    let judged = ask(engine, &format!("data.{ENTRY}.{JUDGED}"), limits)?;
    let mut gathered = BTreeMap::new();
    for set in JUDGING {
        gathered.insert(set.to_owned(), members(set, &judged[set])?);
    }
    Ok(gathered)
}

/// Evaluates one rule, never panicking.
pub(super) fn ask(
    engine: &mut Engine,
    rule: &str,
    limits: &Limits,
) -> Result<regorus::Value, PolicyError> {
    let asked = catch_unwind(AssertUnwindSafe(|| engine.eval_rule(rule.to_owned())));
    let answer = asked.map_err(|_| PolicyError::Broken)?;
    answer.map_err(|error| match error.to_string() {
        why if why.contains("exceeded time limit") => PolicyError::Timeout { limit: limits.policy },
        why => PolicyError::Evaluate { why },
    })
}

/// The members of each package's set.
fn members(set: &str, packages: &regorus::Value) -> Result<Sets, PolicyError> {
    let wrong = |package: &str| PolicyError::NotASet {
        rule: format!("data.{package}.{set}"),
        name: set.to_owned(),
    };
    let object = packages.as_object().map_err(|_| wrong(ENTRY))?;
    let mut sets = Sets::new();
    for (package, members) in object.iter() {
        let package = package.as_string().map_err(|_| wrong(ENTRY))?.to_string();
        let members = members.as_set().map_err(|_| wrong(&package))?;
        let values = members.iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>();
        let values = values.map_err(|e| PolicyError::Evaluate { why: e.to_string() })?;
        sets.insert(package, values);
    }
    Ok(sets)
}

/// Takes a member of a `deny` or `warn` set.
fn result(set: &str, package: &str, member: Value) -> Result<RuleResult, PolicyError> {
    let wrong = PolicyError::NotAResult {
        rule: format!("data.{package}.{set}"),
        found: member.to_string().chars().take(200).collect(),
    };
    let Value::Object(mut fields) = member else { return Err(wrong) };
    match (fields.remove("code"), fields.remove("msg")) {
        (Some(Value::String(code)), Some(Value::String(msg)))
            if is_code(&code) && !msg.trim().is_empty() =>
        {
            let facts = fields.into_iter().collect();
            Ok(RuleResult {
                code,
                msg,
                package: package.to_owned(),
                solution: None,
                about: Vec::new(),
                early: false,
                lacks: None,
                facts,
            })
        }
        _ => Err(wrong),
    }
}

/// Whether a text has the form of a code.
pub(super) fn is_code(code: &str) -> bool {
    let word =
        |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    code.len() <= 64 && code.split('-').all(word)
}
