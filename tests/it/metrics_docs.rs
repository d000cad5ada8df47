//! Alerts name metrics that exist. A unit test holds `docs/metrics.md` to what the gateway
//! exposes, so the alerts are held to `docs/metrics.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What Prometheus makes of one histogram.
const OF_A_HISTOGRAM: [&str; 3] = ["_bucket", "_count", "_sum"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every metric of `docs/metrics.md`, and the series it makes: alerts are explained by the one and
/// computed from the other.
fn series() -> BTreeSet<String> {
    let mut series = BTreeSet::new();
    for row in read("docs/metrics.md").lines() {
        let Some(row) = row.strip_prefix("| `curfew_") else {
            continue;
        };
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let name = format!("curfew_{}", cells[0].trim_end_matches('`'));
        if cells[1] == "histogram" {
            series.extend(OF_A_HISTOGRAM.map(|end| format!("{name}{end}")));
        }
        series.insert(name);
    }
    series
}

/// Every word of a text that looks like one of our series.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("curfew_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_of_the_alert_rules_exists() {
    let series = series();
    let named = named(&read("deploy/prometheus/curfew.rules.yml"));
    let unknown: Vec<_> = named.difference(&series).collect();
    assert!(!named.is_empty(), "the rules name no metric");
    assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
}
