//! Who sees the files of the layers as they stream by: the collectors that somebody asked for, in one pass.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use crate::{
    contents::{
        CollectorName, Inventory,
        accounts::{self, Accounts, Listing, Material, NamedFiles, Vouchers},
        collector::InventoryCollector,
        concluded::ConcludedCollector,
        copyright::CopyrightCollector,
        facts::{Facts, collector::FactsCollector, sizes::Stored},
        malware::{Clock, Malware, collector::MalwareCollector, rules::RuleSet},
        secrets::{self, Secrets, collector::SecretsCollector},
        sums::SumsCollector,
    },
    image::{Image, collect::Collector, rootfs::Rootfs},
    limits::Limits,
};

/// The collectors of one pass.
pub(super) struct Observers {
    inventory: Option<InventoryCollector>,
    sums: Option<SumsCollector>,
    listing: Listing,
    facts: Option<FactsCollector>,
    copyrights: Option<CopyrightCollector>,
    concluded: Option<ConcludedCollector>,
    secrets: Option<SecretsCollector>,
    malware: Option<Scanner>,
}

/// What looks for malware where somebody asks for it.
enum Scanner {
    Given(Box<MalwareCollector>),
    /// Nobody gave rules, so that nothing is known.
    NoRules,
}

/// What they found; `None` where nobody asked.
#[derive(Default)]
pub(super) struct Seen {
    /// What is installed.
    pub inventory: Option<Inventory>,
    /// Whose its files are.
    pub accounts: Option<Accounts>,
    /// Private keys and tokens.
    pub secrets: Option<Secrets>,
    /// What files match of YARA rules.
    pub malware: Option<Malware>,
}

impl Observers {
    /// Those that are asked for by name; whose files are is found by what is installed. `rules` are those about malware.
    pub(super) fn new(
        names: &BTreeSet<CollectorName>,
        rules: Option<&RuleSet>,
        limits: &Limits,
    ) -> Self {
        let asked = |name| names.contains(&name);
        let files = asked(CollectorName::Files);
        let (listed, accounted) =
            (asked(CollectorName::Inventory), asked(CollectorName::Contents) || files);
        let began = Instant::now();
        let clock: Clock = Arc::new(move || began.elapsed());
        let scanner = || match rules {
            Some(rules) => Scanner::Given(Box::new(MalwareCollector::new(rules, &clock, limits))),
            None => Scanner::NoRules,
        };
        let inventory = (listed || accounted).then(|| InventoryCollector::new(limits));
        Self {
            inventory: inventory.map(|all| match (accounted, asked(CollectorName::Secrets)) {
                (true, _) => all.with_lists(),
                (false, true) => all.with_test_data(),
                (false, false) => all,
            }),
            sums: accounted.then(|| match files {
                true => SumsCollector::new().with_sha1(),
                false => SumsCollector::new(),
            }),
            listing: if files { Listing::All } else { Listing::Strays },
            facts: listed.then(FactsCollector::default),
            copyrights: listed.then(CopyrightCollector::default),
            concluded: listed.then(ConcludedCollector::default),
            secrets: asked(CollectorName::Secrets).then(|| SecretsCollector::new(limits)),
            malware: asked(CollectorName::Malware).then(scanner),
        }
    }

    /// All of them.
    pub(super) fn all(&mut self) -> Vec<&mut dyn Collector> {
        fn one<C: Collector>(collector: &mut Option<C>) -> Option<&mut dyn Collector> {
            collector.as_mut().map(|collector| collector as &mut dyn Collector)
        }
        let Self { inventory, sums, facts, copyrights, concluded, secrets, malware, .. } = self;
        let malware = malware.as_mut().and_then(|scanner| match scanner {
            Scanner::Given(collector) => Some(&mut **collector as &mut dyn Collector),
            Scanner::NoRules => None,
        });
        let licences = [one(copyrights), one(concluded)];
        let all = [one(inventory), one(sums), one(facts), one(secrets)];
        all.into_iter().chain(licences).chain([malware]).flatten().collect()
    }

    /// What they found in the finished tree; `stored` are the sizes of its layers, `named` what somebody vouches for.
    pub(super) fn finish(
        self,
        rootfs: &Rootfs,
        image: &Image,
        stored: &[Stored],
        named: &NamedFiles,
        limits: &Limits,
    ) -> Seen {
        let Self { inventory, sums, listing, facts, copyrights, concluded, secrets, malware } =
            self;
        let malware = malware.map(|scanner| match scanner {
            Scanner::Given(collector) => collector.finish(rootfs),
            Scanner::NoRules => Malware::default(),
        });
        let found = inventory.map(|one| one.finish_with_lists(rootfs));
        let accounts = found.as_ref().zip(sums).map(|((inventory, lists), sums)| {
            let sums = sums.finish();
            let material = Material { inventory, lists, sums: &sums, rootfs, listing, named };
            accounts::account(material, limits)
        });
        let vouchers =
            || found.as_ref().map(|(inventory, lists)| Vouchers::new(inventory, lists, rootfs));
        let in_image = || secrets::in_image(image);
        let secrets =
            secrets.map(|one| one.finish(rootfs, vouchers).with(in_image(), limits.facts));
        let inventory = found.map(|(found, _)| {
            let (runtime, packages) = (&image.config.runtime, &found.packages);
            let of = |facts| Facts::of(rootfs, facts, stored, runtime, packages, limits);
            let copyrights = copyrights.map(|one| one.finish(rootfs, packages)).unwrap_or_default();
            let concluded = concluded.map(|one| one.finish(rootfs)).unwrap_or_default();
            Inventory { facts: facts.as_ref().map(of), copyrights, concluded, ..found }
        });
        Seen { inventory, accounts, secrets, malware }
    }
}
