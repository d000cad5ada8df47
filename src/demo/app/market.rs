//! Market prices that move: a walk with a fixed seed, one step a second, the same at every start.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// How often the prices move.
const STEP: Duration = Duration::from_secs(1);
/// Where the walk begins; any odd number will do.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
/// The largest move in one step, in thousandths of the price the walk leans towards.
const MOVE_MAX_THOUSANDTHS: i64 = 4;

/// Names, units and usual prices in cents.
const GOODS: [(&str, &str, i64); 4] = [
    ("Steel", "EUR/t", 61_250),
    ("Copper", "EUR/t", 912_400),
    ("Diesel", "EUR/100 l", 14_870),
    ("Timber", "EUR/m³", 27_340),
];

/// The prices of now, as one JSON text.
pub(super) type Prices = Arc<str>;

/// Moves the prices until `stop` is cancelled, and publishes each step.
pub(super) async fn run(publish: watch::Sender<Prices>, stop: CancellationToken) {
    let mut market = Market::opening();
    let mut steps = interval(STEP);
    while stop.run_until_cancelled(steps.tick()).await.is_some() {
        market.step();
        publish.send_replace(market.to_json());
    }
}

/// The state of the walk.
pub(super) struct Market {
    random: u64,
    cents: [i64; GOODS.len()],
    moved: [i64; GOODS.len()],
}

impl Market {
    /// The usual prices, before the first step.
    pub(super) fn opening() -> Self {
        Self {
            random: SEED,
            cents: GOODS.map(|(_, _, usual)| usual),
            moved: [0; GOODS.len()],
        }
    }

    /// The prices as a page's script reads them.
    pub(super) fn to_json(&self) -> Prices {
        let quotes: Vec<_> = GOODS
            .iter()
            .zip(self.cents.iter().zip(&self.moved))
            .map(|((name, unit, _), (cents, moved))| {
                serde_json::json!({
                    "name": name, "unit": unit, "cents": cents, "moved": moved,
                })
            })
            .collect();
        serde_json::json!({ "quotes": quotes }).to_string().into()
    }

    fn step(&mut self) {
        for (place, (_, _, usual)) in GOODS.iter().enumerate() {
            let reach = usual * MOVE_MAX_THOUSANDTHS / 1000;
            // A tenth of the way back to the usual price keeps the walk from drifting off.
            let pull = (usual - self.cents[place]) / 10;
            let moved = self.up_to(reach) + pull;
            self.cents[place] += moved;
            self.moved[place] = moved;
        }
    }

    /// A number from `-reach` to `reach`, by xorshift64 (Marsaglia, 2003).
    fn up_to(&mut self, reach: i64) -> i64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 33) as i64 % (2 * reach + 1) - reach
    }
}

#[cfg(test)]
mod tests {
    use super::{GOODS, Market};

    #[test]
    fn prices_move_and_stay_within_a_tenth_of_the_usual() {
        let mut market = Market::opening();
        for step in 0..10_000 {
            let before = market.to_json();
            market.step();
            assert_ne!(market.to_json(), before, "step {step}");
            for (cents, (name, _, usual)) in market.cents.iter().zip(GOODS) {
                assert!(
                    (cents - usual).abs() <= usual / 10,
                    "{name} is {cents} at {step}"
                );
            }
        }
    }

    #[test]
    fn two_markets_walk_alike() {
        let (mut one, mut other) = (Market::opening(), Market::opening());
        for _ in 0..100 {
            one.step();
            other.step();
            assert_eq!(one.to_json(), other.to_json());
        }
    }
}
