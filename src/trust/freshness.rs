//! Trusted roots that grow old.
//!
//! A root says whose word counts until somebody says otherwise: a log that ended, an authority that was withdrawn. Whoever
//! verifies without the network does not hear of it, so the age of a root that its publisher keeps up to date is a
//! finding: first a warning, in the end an error. Roots that the operator wrote have no date, and no age.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{TrustRules, sigstore::Dated};
use crate::{
    amount::plural,
    finding::{Code, Finding, Key, Subject},
    reference::Location,
};

/// Hours of a day.
const DAY: i64 = 24;

/// How old a trusted root may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootAge {
    /// Days after which it is said.
    pub warn_days: u32,
    /// Days after which nothing passes by it.
    pub max_days: u32,
}

impl Default for RootAge {
    fn default() -> Self {
        Self { warn_days: 90, max_days: 365 }
    }
}

impl fmt::Display for RootAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d {}d", self.warn_days, self.max_days)
    }
}

impl RootAge {
    /// What the age of a root means now.
    pub fn judge(self, root: &Dated, now: Timestamp) -> Option<Code> {
        let age = now.duration_since(root.as_of);
        let beyond = |days: u32| age > SignedDuration::from_hours(i64::from(days) * DAY);
        if beyond(self.max_days) {
            return Some(Code::ConfigTrustRootExpired);
        }
        beyond(self.warn_days).then_some(Code::ConfigTrustRootStale)
    }
}

/// What has to be said about the roots by which images at this location are judged; sorted.
pub fn findings(rules: &TrustRules, location: &Location, now: Timestamp) -> Vec<Finding> {
    let age = rules.root_age();
    let old = |dated: &Dated| {
        let code = age.judge(dated, now)?;
        let limit = match code {
            Code::ConfigTrustRootExpired => age.max_days,
            _ => age.warn_days,
        };
        let finding = Finding::new(code, Subject::Run)
            .with(Key::Found, format!("{} as of {}", dated.name, dated.as_of))
            .with(Key::Expect, format!("not older than {}", plural(limit, "day")));
        Some(finding)
    };
    let roots = rules.roots(location);
    let mut findings: Vec<Finding> =
        roots.into_iter().filter_map(|root| old(root.date()?)).collect();
    findings.sort();
    findings.dedup();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_grows_stale_and_then_expires() {
        let as_of: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let root = Dated { name: "r".to_owned(), as_of };
        let age = RootAge { warn_days: 90, max_days: 365 };
        let day = |days: i64| as_of + SignedDuration::from_hours(days * DAY);
        let second = SignedDuration::from_secs(1);
        let cases = [
            (as_of - second, None),
            (as_of, None),
            (day(90), None),
            (day(90) + second, Some(Code::ConfigTrustRootStale)),
            (day(365), Some(Code::ConfigTrustRootStale)),
            (day(365) + second, Some(Code::ConfigTrustRootExpired)),
            (Timestamp::MAX, Some(Code::ConfigTrustRootExpired)),
        ];
        for (now, want) in cases {
            assert_eq!(age.judge(&root, now), want, "{now}");
        }
        let none = RootAge { warn_days: u32::MAX, max_days: u32::MAX };
        assert_eq!(none.judge(&root, Timestamp::MAX), None, "no age is too large a number");
    }

    #[test]
    fn only_roots_of_rules_about_the_image_count() {
        use std::{collections::BTreeMap, sync::Arc};

        use crate::{
            limits::Limits,
            trust::{
                Keyless, SignerKeys,
                sigstore::{Demands, KeylessIdentity, TextMatch, TrustedRoot},
                testing::{location, rule},
            },
        };
        let root = TrustedRoot::public_good(&Limits::default()).unwrap();
        let signer = |root: TrustedRoot| {
            let exact = |text: &str| TextMatch::Exact(text.to_owned());
            let identity = KeylessIdentity { issuer: Some(exact("i")), subject: exact("s") };
            SignerKeys::keyless(Keyless {
                identity,
                root: Arc::new(root),
                demands: Demands::default(),
            })
        };
        let now = root.date().unwrap().as_of + SignedDuration::from_hours(100 * DAY);
        let signers = BTreeMap::from([("a".to_owned(), signer(root))]);
        let grants = vec![rule(("r.example/app", "signature", "a", 1))];
        let rules = TrustRules::new(signers, grants).unwrap();
        let codes = |rules: &TrustRules, place: &str| {
            let found = findings(rules, &location(place), now);
            found.into_iter().map(|finding| finding.code).collect::<Vec<_>>()
        };
        assert_eq!(codes(&rules, "r.example/app"), [Code::ConfigTrustRootStale]);
        assert_eq!(codes(&rules, "r.example/other"), []);
        let strict = rules.clone().with_root_age(RootAge { warn_days: 1, max_days: 99 });
        assert_eq!(codes(&strict, "r.example/app"), [Code::ConfigTrustRootExpired]);
        assert_ne!(strict.digest(), rules.digest(), "another age is another trust");
        let lax = rules.with_root_age(RootAge { warn_days: 100, max_days: 100 });
        assert_eq!(codes(&lax, "r.example/app"), []);
    }
}
