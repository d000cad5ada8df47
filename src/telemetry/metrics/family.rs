//! Making families: every name is prefixed, every child exists from the start.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

const NAMESPACE: &str = "curfew";
/// Names are constants, and each `Metrics` has a registry of its own.
const ONCE: &str = "a family's name is well-formed and registered once";
/// Labels are given in the order and number in which the family was made.
const FIT: &str = "as many label values as labels";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace(NAMESPACE)
}

fn histogram_opts(name: &str, help: &str, buckets: &[f64]) -> HistogramOpts {
    HistogramOpts::new(name, help)
        .namespace(NAMESPACE)
        .buckets(buckets.to_vec())
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let family = made.expect(ONCE);
    registry.register(Box::new(family.clone())).expect(ONCE);
    family
}

pub(super) fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, IntCounter::with_opts(opts(name, help)))
}

pub(super) fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> IntCounterVec {
    registered(registry, IntCounterVec::new(opts(name, help), labels))
}

pub(super) fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    registered(registry, IntGauge::with_opts(opts(name, help)))
}

pub(super) fn seconds_gauge(registry: &Registry, name: &str, help: &str) -> Gauge {
    registered(registry, Gauge::with_opts(opts(name, help)))
}

pub(super) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(opts(name, help), labels))
}

pub(super) fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    registered(
        registry,
        Histogram::with_opts(histogram_opts(name, help, buckets)),
    )
}

pub(super) fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> HistogramVec {
    registered(
        registry,
        HistogramVec::new(histogram_opts(name, help, buckets), labels),
    )
}

/// A counter of a family; it exists from now on, at zero.
pub(super) fn child(family: &IntCounterVec, labels: &[&str]) -> IntCounter {
    family.get_metric_with_label_values(labels).expect(FIT)
}

/// The counters of a closed set: one for each word, as the last label after `first`.
pub(super) fn children<const N: usize>(
    family: &IntCounterVec,
    first: &[&str],
    words: [&str; N],
) -> [IntCounter; N] {
    words.map(|word| child(family, &[first, &[word]].concat()))
}

/// A gauge of a family; it exists from now on, at zero.
pub(super) fn child_gauge(family: &IntGaugeVec, labels: &[&str]) -> IntGauge {
    family.get_metric_with_label_values(labels).expect(FIT)
}

/// A histogram of a family; it exists from now on, empty.
pub(super) fn child_histogram(family: &HistogramVec, labels: &[&str]) -> Histogram {
    family.get_metric_with_label_values(labels).expect(FIT)
}
