//! Exceptions: a denial that an operator lets through, for some images, for a reason, until a day.
//!
//! Turns the denials of one image and the configured exceptions into what remains denied, what was let through, and the
//! exceptions that did nothing. Which images an exception is about is written as in trust rules ([`ImagePattern`]). An
//! expired exception never applies; one that is about this image and did nothing is said.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    Bundle, PolicyError, RuleResult, Scope,
    bundle::{Preset, REBUILD},
    metadata::Custom,
    nearest::did_you_mean,
    said::Said,
    scope,
};
use crate::{
    finding::{Code, Finding, Key, Subject},
    trust::ImagePattern,
};

/// A denial that is let through.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exception {
    /// Code of the rule's result, exactly.
    pub code: String,
    /// Package of the rule; may be left out where one package alone gives the code.
    pub package: Option<String>,
    /// Which images.
    #[serde(serialize_with = "written")]
    pub images: ImagePattern,
    /// What of the denials; all of them where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day on which it applies, in UTC.
    pub expires: Date,
    /// Whether it is about a rule of a configured preset that the one which judges does not have: it lifts nothing, which is said.
    #[serde(skip)]
    pub elsewhere: bool,
}

/// What exceptions made of the denials.
pub(super) struct Applied {
    pub(super) denied: Vec<RuleResult>,
    pub(super) excepted: Vec<RuleResult>,
    pub(super) findings: Vec<Finding>,
}

fn written<S: serde::Serializer>(images: &ImagePattern, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(images)
}

/// Applies the exceptions to the denials of an image at `location`, judged at `now`.
pub(super) fn apply(
    denied: Vec<RuleResult>,
    exceptions: &[Exception],
    location: &str,
    now: Timestamp,
) -> Applied {
    let today = now.to_zoned(TimeZone::UTC).date();
    let mut findings = Vec::new();
    let about = exceptions.iter().filter(|e| e.images.matches_written(location));
    let effects: Vec<_> = about.map(|e| (e, e.effect(&denied, today))).collect();
    let in_force: Vec<&Exception> =
        effects.iter().filter(|(_, effect)| effect.is_ok()).map(|(e, _)| *e).collect();
    let lifted: Vec<bool> = denied.iter().map(|result| lifted(result, &in_force)).collect();
    for (exception, effect) in effects {
        let did = effect.and_then(|package| match exception.lifted_one(&denied, &lifted) {
            true => Ok(package),
            false => Err(exception.out_of_scope(&denied)),
        });
        findings.push(match did {
            Ok(package) => {
                let why = exception.reason.clone();
                exception.finding(Code::PolicyExceptionUsed, Some(package), why)
            }
            Err(why) => {
                let package = exception.package.as_deref();
                exception.finding(Code::PolicyExceptionUnused, package, why)
            }
        });
    }
    let (mut excepted, mut holding) = (Vec::new(), Vec::new());
    for (result, lifted) in denied.into_iter().zip(lifted) {
        if lifted { excepted.push(result) } else { holding.push(result) }
    }
    Applied { denied: holding, excepted, findings }
}

/// Whether a result is let through: by an exception from all of its kind, or by several that together are about all that it names.
fn lifted(result: &RuleResult, in_force: &[&Exception]) -> bool {
    let meant: Vec<&&Exception> = in_force.iter().filter(|e| e.means(result)).collect();
    let scopes: Vec<&Scope> = meant.iter().filter_map(|e| e.scope.as_ref()).collect();
    scopes.len() < meant.len() || scope::cover(result, &scopes)
}

impl Exception {
    /// The package of the denials that it lets through.
    ///
    /// # Errors
    /// Why it lets none through.
    fn effect<'d>(&self, denied: &'d [RuleResult], today: Date) -> Result<&'d str, String> {
        if self.elsewhere {
            let why = "its rule is not loaded: another preset was asked for, or this image has one";
            return Err(why.to_owned());
        }
        if today > self.expires {
            return Err(format!("it expired on {}", self.expires));
        }
        let meant = denied.iter().filter(|result| self.means(result));
        let packages: BTreeSet<_> = meant.map(|result| result.package.as_str()).collect();
        match (packages.first().copied(), packages.len()) {
            (None, _) => Err(match &self.package {
                Some(package) => format!("no rule of package {package} denied with {}", self.code),
                None => format!("nothing is denied with {}", self.code),
            }),
            (Some(package), 1) => Ok(package),
            // A rule of somebody else that happens to use the same word.
            _ => {
                let packages = packages.into_iter().collect::<Vec<_>>().join(", ");
                Err(format!("{packages} deny with {}: say which is meant with package", self.code))
            }
        }
    }

    /// Whether one of the results that were let through is one that it is about.
    fn lifted_one(&self, denied: &[RuleResult], lifted: &[bool]) -> bool {
        let through = denied.iter().zip(lifted).filter(|(_, lifted)| **lifted);
        let mut through = through.map(|(result, _)| result).filter(|result| self.means(result));
        through.any(|result| self.scope.as_ref().is_none_or(|scope| scope.touches(result)))
    }

    /// Why none of the denials with its code was let through.
    fn out_of_scope(&self, denied: &[RuleResult]) -> String {
        let Some(scope) = &self.scope else { return "it let nothing through".to_owned() };
        let code = &self.code;
        let mut meant = denied.iter().filter(|result| self.means(result));
        match meant.any(|result| scope.touches(result)) {
            true => format!(
                "{code} is denied for others than {scope}, too, and is lifted whole or not at all"
            ),
            false => format!("{code} is not denied for {scope}"),
        }
    }

    fn means(&self, result: &RuleResult) -> bool {
        let package = self.package.as_ref().is_none_or(|package| *package == result.package);
        result.code == self.code && package
    }

    fn finding(&self, code: Code, package: Option<&str>, why: String) -> Finding {
        let package = package.map(|package| format!(" of {package}")).unwrap_or_default();
        let scope = self.scope.as_ref().map(|scope| format!(" ({scope})")).unwrap_or_default();
        let name = format!("exception {}{package}{scope} for {}", self.code, self.images);
        Finding::new(code, Subject::Operator(name))
            .with(Key::Why, why)
            .with(Key::From, format!("owner {}, until {}", self.owner, self.expires))
    }
}

/// Codes with which no rule ever denies, whatever it computes: what they say is said after all rules.
const OF_NO_RULE: [Code; 2] = [Code::PolicyError, Code::PolicyNothingProven];

/// What the loaded rules may deny with.
pub(super) struct Known<'a> {
    /// Packages that give a code, by code.
    pub(super) codes: &'a BTreeMap<String, BTreeSet<String>>,
    /// Packages that deny, and whether `codes` has all their codes.
    pub(super) denying: &'a BTreeMap<String, bool>,
}

/// Package and METADATA of a rule.
type Described = (String, Custom);

impl Known<'_> {
    /// Whether some rule may give what the exception is about.
    ///
    /// # Errors
    /// [`PolicyError::ExceptionIdle`]: it would be taken for protection lifted, or for a reason written down, and do nothing.
    pub(super) fn has(&self, exception: &Exception, said: &Said) -> Result<(), PolicyError> {
        let Exception { code, package, .. } = exception;
        let given = self.codes.get(code);
        let of_no_rule = OF_NO_RULE.iter().any(|reserved| reserved.as_str() == code);
        let may_be = match package {
            Some(package) => {
                given.is_some_and(|packages| packages.contains(package))
                    || !of_no_rule && self.denying.get(package) == Some(&false)
            }
            None => given.is_some() || !of_no_rule && self.denying.values().any(|all| !all),
        };
        if may_be {
            return Ok(());
        }
        let shipped = Bundle::shipped()?.described()?;
        let means = |(from, custom): &&Described| {
            custom.code == *code && package.as_ref().is_none_or(|package| package == from)
        };
        let elsewhere = shipped.iter().find(means);
        // It is loaded when a rebuild is asked for on the command line.
        if elsewhere.is_some_and(|(package, _)| package == REBUILD)
            && !self.denying.contains_key(REBUILD)
        {
            return Ok(());
        }
        let (why, help) = match (code.parse::<Code>(), package, elsewhere) {
            (_, _, Some((package, _))) => self.not_loaded(code, package),
            (_, Some(package), _) if !self.denying.contains_key(package) => {
                self.no_package(package)
            }
            (Ok(finding), ..) => self.of_finding(finding, said, &shipped),
            (Err(_), ..) => self.no_code(code, package.as_deref()),
        };
        let (code, package) = (code.clone(), package.clone());
        Err(PolicyError::ExceptionIdle { code, package, why, help })
    }

    fn not_loaded(&self, code: &str, package: &str) -> (String, String) {
        let why = format!("policy.exceptions: {code} is given by {package}, which is not loaded");
        let has = |name: &&str| {
            let codes = Bundle::preset(name).and_then(|bundle| bundle.codes());
            codes.is_ok_and(|codes| codes.iter().any(|(from, c)| from == package && c == code))
        };
        let presets: Vec<&str> = Preset::names().filter(has).collect();
        let presets = presets.join(", ");
        (why, format!("remove the exception, or ask for a preset that loads it: {presets}"))
    }

    fn no_package(&self, package: &str) -> (String, String) {
        let why = format!("policy.exceptions: no package {package} that denies is loaded");
        let packages: Vec<&str> = self.denying.keys().map(String::as_str).collect();
        let meant = did_you_mean(package, packages.iter().copied());
        (why, format!("{meant}packages that deny are {}", packages.join(", ")))
    }

    fn of_finding(&self, finding: Code, said: &Said, shipped: &[Described]) -> (String, String) {
        let code = finding.as_str();
        let why = format!("policy.exceptions: {code} is no code of a rule, but of a finding");
        if OF_NO_RULE.contains(&finding) {
            let help = "it says that no rule could be relied on, and nothing excepts it; remove the exception";
            return (why, help.to_owned());
        }
        let speaks = |custom: &Custom| custom.about.iter().any(|about| about == code);
        let loaded = said.values().filter(|custom| speaks(custom)).map(|custom| &custom.code);
        let others = shipped.iter().filter(|(_, custom)| speaks(custom)).map(|(_, c)| &c.code);
        let rules: BTreeSet<&str> = loaded.chain(others).map(String::as_str).collect();
        let rules = rules.into_iter().collect::<Vec<_>>().join(" or ");
        let help = match rules.is_empty() {
            false => format!("write the code of the rule that denies for it: {rules}"),
            true => format!("no rule denies for it; hallmark explain {code} says what to do"),
        };
        (why, help)
    }

    fn no_code(&self, code: &str, package: Option<&str>) -> (String, String) {
        let of = package.map(|package| format!(" of package {package}")).unwrap_or_default();
        let why = format!("policy.exceptions: no rule{of} that is loaded denies with {code}");
        let given = self
            .codes
            .iter()
            .filter(|(_, packages)| package.is_none_or(|package| packages.contains(package)));
        let codes: Vec<&str> = given.map(|(code, _)| code.as_str()).collect();
        let meant = did_you_mean(code, codes.iter().copied());
        (why, format!("{meant}codes of loaded rules are {}", codes.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(code: &str) -> RuleResult {
        RuleResult {
            code: code.to_owned(),
            msg: "m".to_owned(),
            package: "hallmark.x".to_owned(),
            solution: None,
            about: Vec::new(),
            early: false,
            lacks: None,
            facts: Default::default(),
        }
    }

    fn exception(code: &str, images: &str, expires: &str) -> Exception {
        Exception {
            code: code.to_owned(),
            package: None,
            images: images.parse().expect("a pattern"),
            scope: None,
            reason: "because".to_owned(),
            owner: "me".to_owned(),
            expires: expires.parse().expect("a date"),
            elsewhere: false,
        }
    }

    #[test]
    fn an_exception_for_a_path_lifts_what_is_about_it_alone() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let about = |paths: &[&str]| RuleResult {
            facts: [("files".to_owned(), serde_json::json!(paths))].into(),
            ..denied("a")
        };
        let scoped = |path: &str| Exception {
            scope: Some(Scope::Path(path.parse().expect("a pattern"))),
            ..exception("a", "**", "2026-12-01")
        };
        let whole = exception("a", "**", "2026-12-01");
        // What is denied, by which exceptions, how many are let through, and of each exception whether it was used.
        let cases = [
            (vec![about(&["/x"])], vec![scoped("/x")], 1, vec![true]),
            (vec![about(&["/x", "/y"])], vec![scoped("/x")], 0, vec![false]),
            (vec![about(&["/x", "/y"])], vec![scoped("/x"), scoped("/y")], 1, vec![true, true]),
            (vec![about(&["/x"]), about(&["/y"])], vec![scoped("/x")], 1, vec![true]),
            (vec![about(&["/x"])], vec![scoped("/z")], 0, vec![false]),
            (vec![denied("a")], vec![scoped("/**")], 0, vec![false]),
            (vec![about(&["/x", "/y"])], vec![whole, scoped("/x")], 1, vec![true, true]),
        ];
        for (results, exceptions, through, used) in cases {
            let applied = apply(results.clone(), &exceptions, "r/app", now);
            assert_eq!(applied.excepted.len(), through, "{results:?} {exceptions:?}");
            assert_eq!(applied.denied.len() + through, results.len());
            let told: Vec<bool> = applied
                .findings
                .iter()
                .map(|finding| finding.code == Code::PolicyExceptionUsed)
                .collect();
            assert_eq!(told, used, "{results:?} {exceptions:?}");
        }
    }

    /// A preset of the command line does not have every rule that the configured one has.
    #[test]
    fn i5_an_exception_from_a_rule_that_is_not_loaded_is_said_to_lift_nothing() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let elsewhere = Exception { elsewhere: true, ..exception("a", "**", "2026-12-01") };
        let applied = apply(vec![denied("a")], &[elsewhere], "r.example/app", now);
        assert_eq!((applied.denied.len(), applied.excepted.len()), (1, 0));
        let finding = applied.findings.first().expect("it is said");
        assert_eq!(finding.code, Code::PolicyExceptionUnused);
        assert!(format!("{finding:?}").contains("another preset was asked for"), "{finding:?}");
    }

    #[test]
    fn i2_a_used_exception_names_the_package_whose_denial_it_lifts() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let used = exception("a", "**", "2026-12-01");
        let applied = apply(vec![denied("a")], &[used], "r.example/app", now);
        let finding = applied.findings.first().expect("it is said");
        assert_eq!(finding.subject.to_string(), "exception a of hallmark.x for **");
    }

    #[test]
    fn an_exception_applies_to_its_code_its_images_and_its_time_only() {
        let now: Timestamp = "2026-11-23T23:59:59Z".parse().expect("a time");
        // name, exception, still denied, findings
        let cases: &[(&str, Exception, usize, &[Code])] = &[
            ("applies", exception("a", "**", "2026-12-01"), 1, &[Code::PolicyExceptionUsed]),
            ("last day", exception("a", "**", "2026-11-23"), 1, &[Code::PolicyExceptionUsed]),
            ("expired", exception("a", "**", "2026-11-22"), 2, &[Code::PolicyExceptionUnused]),
            ("other code", exception("c", "**", "2026-12-01"), 2, &[Code::PolicyExceptionUnused]),
            ("other image", exception("a", "r.example/other", "2026-12-01"), 2, &[]),
        ];
        for (name, exception, still, codes) in cases {
            let both = vec![denied("a"), denied("b")];
            let applied = apply(both, std::slice::from_ref(exception), "r.example/app", now);
            assert_eq!(applied.denied.len(), *still, "{name}");
            assert_eq!(applied.excepted.len(), 2 - still, "{name}");
            let found: Vec<_> = applied.findings.iter().map(|f| f.code).collect();
            assert_eq!(found, *codes, "{name}");
        }
    }
    #[test]
    fn i2_an_exception_means_one_rule_of_two_that_share_a_code() {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().expect("a time");
        let both =
            || vec![denied("a"), RuleResult { package: "hallmark.y".to_owned(), ..denied("a") }];
        let unclear = exception("a", "**", "2026-12-01");
        let applied = apply(both(), std::slice::from_ref(&unclear), "r/app", now);
        assert_eq!((applied.denied.len(), applied.excepted.len()), (2, 0));
        assert_eq!(applied.findings[0].code, Code::PolicyExceptionUnused);
        let clear = Exception { package: Some("hallmark.y".to_owned()), ..unclear };
        let applied = apply(both(), std::slice::from_ref(&clear), "r/app", now);
        assert_eq!(applied.denied, [denied("a")]);
        assert_eq!(applied.findings[0].code, Code::PolicyExceptionUsed);
        let applied = apply(vec![denied("a")], &[clear], "r/app", now);
        assert_eq!(applied.denied.len(), 1);
    }
}
