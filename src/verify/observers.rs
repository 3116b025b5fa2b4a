//! Who sees the files of the layers as they stream by: the collectors that somebody asked for, in one pass.

use std::collections::BTreeSet;

use crate::{
    contents::{
        CollectorName, Inventory,
        accounts::{self, Accounts, Material},
        collector::InventoryCollector,
        copyright::CopyrightCollector,
        facts::{Facts, collector::FactsCollector, sizes::Stored},
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
    facts: Option<FactsCollector>,
    copyrights: Option<CopyrightCollector>,
    secrets: Option<SecretsCollector>,
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
}

impl Observers {
    /// Those that are asked for by name; whose files are is found by what is installed.
    pub(super) fn new(names: &BTreeSet<CollectorName>, limits: &Limits) -> Self {
        let asked = |name| names.contains(&name);
        let (listed, accounted) = (asked(CollectorName::Inventory), asked(CollectorName::Contents));
        let inventory = (listed || accounted).then(|| InventoryCollector::new(limits));
        Self {
            inventory: inventory.map(|all| if accounted { all.with_lists() } else { all }),
            sums: accounted.then(SumsCollector::new),
            facts: listed.then(FactsCollector::default),
            copyrights: listed.then(CopyrightCollector::default),
            secrets: asked(CollectorName::Secrets).then(|| SecretsCollector::new(limits)),
        }
    }

    /// All of them.
    pub(super) fn all(&mut self) -> Vec<&mut dyn Collector> {
        fn one<C: Collector>(collector: &mut Option<C>) -> Option<&mut dyn Collector> {
            collector.as_mut().map(|collector| collector as &mut dyn Collector)
        }
        let Self { inventory, sums, facts, copyrights, secrets } = self;
        let all = [one(inventory), one(sums), one(facts), one(copyrights), one(secrets)];
        all.into_iter().flatten().collect()
    }

    /// What they found in the finished tree; `stored` are the sizes of its layers.
    pub(super) fn finish(
        self,
        rootfs: &Rootfs,
        image: &Image,
        stored: &[Stored],
        limits: &Limits,
    ) -> Seen {
        let Self { inventory, sums, facts, copyrights, secrets } = self;
        let found = inventory.map(|one| one.finish_with_lists(rootfs));
        let accounts = found.as_ref().zip(sums).map(|((inventory, lists), sums)| {
            let sums = sums.finish();
            accounts::account(Material { inventory, lists, sums: &sums, rootfs }, limits)
        });
        let inventory = found.map(|(found, _)| {
            let (runtime, packages) = (&image.config.runtime, &found.packages);
            let of = |facts| Facts::of(rootfs, facts, stored, runtime, packages, limits);
            let copyrights = copyrights.map(|one| one.finish(rootfs, packages)).unwrap_or_default();
            Inventory { facts: facts.as_ref().map(of), copyrights, ..found }
        });
        let in_config = || secrets::in_config(&image.config);
        let secrets = secrets.map(|one| one.finish(rootfs).with(in_config(), limits.facts));
        Seen { inventory, accounts, secrets }
    }
}
