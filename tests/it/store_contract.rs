//! What every store keeps: one list of cases, run against each.
//!
//! A case gets an empty store of its own. Its instants lie in the year 2100, so that a store
//! that collects its garbage by a real clock does not collect it during the test.

mod amendments;
mod cuts;
mod due;
mod ends;
mod events;
mod given;
mod handover;
mod lineages;
mod races;
mod records;
mod seats;

use std::any::type_name;
use std::pin::Pin;
use std::sync::Arc;

use curfew::store::Store;
use curfew::store::memory::MemoryStore;

use given::Tested;

/// One promise of a store.
struct Case {
    name: &'static str,
    run: Box<dyn Fn(Arc<Tested>) -> Running>,
}

type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A case is known by its function's name.
fn case<C, F>(run: C) -> Case
where
    C: Fn(Arc<Tested>) -> F + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let path = type_name::<C>();
    Case {
        name: path.rsplit("::").next().unwrap_or(path),
        run: Box::new(move |store| Box::pin(run(store))),
    }
}

fn cases() -> impl Iterator<Item = Case> {
    [
        records::cases(),
        ends::cases(),
        handover::cases(),
        amendments::cases(),
        lineages::cases(),
        cuts::cases(),
        due::cases(),
        events::cases(),
        seats::cases(),
        races::cases(),
    ]
    .into_iter()
    .flatten()
}

/// Runs every case on a store of its own and panics with the names of those that failed.
pub(crate) async fn keep_contract(make: impl AsyncFn() -> Store) {
    let mut broken = Vec::new();
    for case in cases() {
        let store = Arc::new(Tested::new(make().await));
        let kept = tokio::spawn((case.run)(Arc::clone(&store))).await;
        let counted = tokio::spawn(async move { store.count_is_true().await }).await;
        if kept.and(counted).is_err() {
            broken.push(case.name);
        }
    }
    assert!(broken.is_empty(), "broken: {}", broken.join(", "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_the_contract() {
    keep_contract(async || Store::Memory(MemoryStore::new(100_000))).await;
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = cases().map(|case| case.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| name.contains('_')), "{names:?}");
}
