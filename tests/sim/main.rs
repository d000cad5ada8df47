//! A seeded simulation: the domain and the memory store against a shadow that is told only what
//! people did. Writes land late and in any order, as they do with several gateways.
//!
//! `SIM_SEED=17 cargo test --test sim` runs one seed and prints what it did.

mod dice;
mod model;
mod world;

use std::env;

use world::World;

const SEEDS: u64 = 64;
const STEPS: usize = 2_000;

async fn run(seed: u64) -> Vec<String> {
    let mut world = World::new(seed);
    world.run(STEPS).await;
    world.trace
}

#[tokio::test]
async fn the_store_and_the_domain_do_what_the_shadow_says() {
    match env::var("SIM_SEED") {
        Ok(seed) => {
            let seed = seed.parse().expect("SIM_SEED is a number");
            println!("{}", run(seed).await.join("\n"));
        }
        Err(_) => {
            for seed in 0..SEEDS {
                run(seed).await;
            }
        }
    }
}

#[tokio::test]
async fn the_same_seed_does_the_same() {
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await, run(2).await);
}

#[tokio::test]
async fn the_simulation_gets_into_every_corner() {
    let mut corners = vec![
        "touch is Alive",
        "touch is Ended",
        "touch is Superseded",
        "touch is Unknown",
        "end is Now",
        "end is Before",
        "end is Superseded",
        "end is Touched",
        "end is Unknown",
        "claim is Yes",
        "claim is Ended",
        "claim is Superseded",
        "claim is Unknown",
        "activation is Yes",
        "activation is No",
        "burial is Now",
        "creation is Taken",
        "due is Some(Revoked)",
        "due is Some(IdleTimeout)",
        "due is Some(AbsoluteTimeout)",
        "due is None",
        "verdict is Forward",
        "verdict is Refuse(Unknown)",
        "verdict is Refuse(LoginRequired)",
        "verdict is Refuse(Superseded)",
        "verdict is Refuse(Ended(Logout))",
        "verdict is Refuse(Ended(Reauthenticated))",
    ];
    for seed in 0..8 {
        let trace = run(seed).await;
        corners.retain(|corner| !trace.iter().any(|line| line.contains(corner)));
    }
    assert_eq!(corners, [] as [&str; 0], "nobody ever got there");
}
