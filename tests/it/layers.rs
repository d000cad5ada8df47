//! The layers of `src/lib.rs`, held by reading the imports; and a few laws of the house that no
//! lint knows.

mod circles;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may import. A layer that is missing here fails the test: it must be placed.
const MAY_IMPORT: [(&str, &[&str]); 21] = [
    ("main", &["cli"]),
    ("lib", &[]),
    ("fuzz", &["proxy", "telemetry", "store", "config"]),
    (
        "cli",
        &[
            "gateway",
            "admin",
            "demo",
            "prove",
            "simulate",
            "explain",
            "store",
            "telemetry",
            "config",
            "standards",
            "clock",
            "entropy",
            "domain",
        ],
    ),
    (
        "gateway",
        &[
            "proxy",
            "admin",
            "sweeper",
            "audit",
            "store",
            "telemetry",
            "config",
            "clock",
            "entropy",
            "domain",
        ],
    ),
    ("proxy", SHARED),
    ("admin", SHARED),
    ("sweeper", SHARED),
    ("audit", SHARED),
    ("demo", SHARED),
    ("simulate", &["routing", "store", "config", "domain"]),
    ("explain", &["routing", "store", "config", "domain"]),
    ("routing", &["config", "domain"]),
    ("telemetry", &["store", "config", "clock", "domain"]),
    ("store", &["config", "clock", "entropy", "domain"]),
    ("prove", &["config", "standards", "domain"]),
    ("config", &["standards", "domain"]),
    ("standards", &["domain"]),
    ("clock", &["domain"]),
    ("entropy", &["domain"]),
    ("domain", &[]),
];

/// What the parts of a gateway share, and all that they know of each other.
const SHARED: &[&str] = &[
    "explain",
    "routing",
    "store",
    "telemetry",
    "config",
    "clock",
    "entropy",
    "domain",
];

/// What the domain cannot do: I/O, waiting, logging, reading a clock.
const NOT_IN_THE_DOMAIN: [&str; 11] = [
    "std::fs",
    "std::io",
    "std::net",
    "std::thread",
    "std::env",
    "SystemTime",
    "Instant::",
    "tokio",
    "tracing",
    "hyper",
    "async fn",
];

/// Lines that a file may have, its tests apart: what fits into a head.
const LINES_MAX: usize = 400;

/// Longer files that are meant to be so, each with its reason.
const LONGER: [(&str, &str); 0] = [];

/// A file of the product, without comments and tests.
struct Source {
    /// Below `src`.
    path: PathBuf,
    code: Vec<String>,
    /// How many lines it has without its tests, comments counted.
    lines: usize,
}

impl Source {
    fn read(path: &Path, root: &Path) -> Self {
        let text = fs::read_to_string(path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let path = path.strip_prefix(root).expect("it was found there");
        let product = without_tests(&text);
        Self {
            path: path.to_owned(),
            lines: product.len(),
            code: without_comments(product),
        }
    }

    /// The module of the crate that it belongs to.
    fn layer(&self) -> &str {
        let first = self.path.components().next();
        let first = first.and_then(|first| first.as_os_str().to_str());
        let first = first.expect("a file has a name");
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The modules of the crate that it names by `crate::` or, in `main`, by the crate's name.
    fn imports(&self) -> BTreeSet<String> {
        let code = self.code.join("\n");
        let mut imports = BTreeSet::new();
        for start in ["crate::", "curfew::"] {
            for (at, _) in code.match_indices(start) {
                // `$crate` of a macro is ours too; `other_crate::` is not.
                let before = code[..at].chars().next_back();
                if !before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    imports.extend(roots(&code[at + start.len()..]));
                }
            }
        }
        imports
    }

    /// Whether it climbs out of its layer by `super`.
    fn climbs_out(&self) -> bool {
        let depth = self.path.components().count();
        let too_high = "super::".repeat(depth);
        self.code.iter().any(|line| line.contains(&too_high))
    }
}

/// The first names of a path or of a group of paths: `a::b` or `{a::b, c::{d, e}}`.
fn roots(text: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        let text = text.trim_start();
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = text.strip_prefix('{') else {
        return vec![name(text)];
    };
    let mut roots = vec![name(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => roots.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    roots.retain(|root| !root.is_empty());
    roots
}

fn without_comments(lines: Vec<&str>) -> Vec<String> {
    let code = lines
        .into_iter()
        .filter(|line| !line.trim_start().starts_with("//"));
    code.map(str::to_owned).collect()
}

/// Lines up to the tests, which stand at the end; where they have a file of their own, all.
fn without_tests(text: &str) -> Vec<&str> {
    let mut lines = text.lines().peekable();
    let mut kept = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            let declares = |next: &&str| next.starts_with("mod ");
            let Some(module) = lines.next_if(declares) else {
                continue;
            };
            if module.ends_with('{') {
                break;
            }
            continue;
        }
        kept.push(line);
    }
    kept
}

fn product() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("the sources can be read") {
            let path = entry.expect("the sources can be read").path();
            let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_tests {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !is_tests {
                files.push(Source::read(&path, &root));
            }
        }
    }
    assert!(files.len() > 100, "only {} files found", files.len());
    files
}

/// Fails with every fault at once.
fn none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn no_layer_imports_what_stands_beside_or_above_it() {
    let mut faults = Vec::new();
    for source in product() {
        let layer = source.layer();
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == layer);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{layer} is in no layer"));
        for import in source.imports() {
            let is_layer = MAY_IMPORT.iter().any(|(name, _)| *name == import);
            if !is_layer || (import != layer && !allowed.contains(&&*import)) {
                faults.push(format!("{} imports {import}", source.path.display()));
            }
        }
        if source.climbs_out() {
            faults.push(format!(
                "{} climbs to the crate's root",
                source.path.display()
            ));
        }
    }
    none(faults);
}

#[test]
fn the_domain_and_the_proof_do_nothing_but_decide() {
    let mut faults = Vec::new();
    let pure = |source: &&Source| ["domain", "standards", "prove"].contains(&source.layer());
    for source in product().iter().filter(pure) {
        for line in &source.code {
            for word in NOT_IN_THE_DOMAIN {
                if line.contains(word) {
                    faults.push(format!("{}: {line}", source.path.display()));
                }
            }
        }
    }
    none(faults);
}

#[test]
fn redis_is_spoken_under_its_store_alone() {
    let mut faults = Vec::new();
    for source in product() {
        if source.path.starts_with("store/redis") || source.path == Path::new("store/redis.rs") {
            continue;
        }
        // In `store.rs` the name means its own module; elsewhere a path leads to it.
        let own_module = source.path == Path::new("store.rs");
        for line in &source.code {
            let from_store = line.replace("store::redis::", "");
            if from_store.contains("redis::") && !(own_module && line.contains("redis::RedisStore"))
            {
                faults.push(format!("{}: {line}", source.path.display()));
            }
        }
    }
    none(faults);
}

#[test]
fn one_module_alone_reads_a_clock() {
    let mut faults = Vec::new();
    for source in product() {
        let reads = |line: &&String| {
            let readings = [
                "SystemTime::now",
                "Instant::now",
                "clock_gettime",
                "Utc::now",
            ];
            readings.iter().any(|reading| line.contains(reading))
        };
        if source.path != Path::new("clock.rs")
            && let Some(line) = source.code.iter().find(reads)
        {
            faults.push(format!("{}: {line}", source.path.display()));
        }
    }
    none(faults);
}

#[test]
fn a_file_fits_into_a_head() {
    let mut faults = Vec::new();
    for source in product() {
        let listed = LONGER
            .iter()
            .any(|(path, _)| source.path == Path::new(path));
        let Source { path, lines, .. } = source;
        match (lines > LINES_MAX, listed) {
            (true, false) => faults.push(format!("{} has {lines} lines", path.display())),
            (false, true) => faults.push(format!("{} is listed in vain", path.display())),
            _ => {}
        }
    }
    none(faults);
}

#[test]
fn a_module_stands_beside_its_directory() {
    let faults = product()
        .into_iter()
        .filter(|source| source.path.ends_with("mod.rs"));
    none(
        faults
            .map(|source| source.path.display().to_string())
            .collect(),
    );
}

#[test]
fn imports_are_found_in_every_form() {
    let found = |text: &str| Source {
        path: PathBuf::from("proxy/x.rs"),
        lines: 0,
        code: without_comments(without_tests(text)),
    };
    let text = "use crate::{admin::A, b::{c, d}, e};\nlet x = crate::store::S;\n\
                // crate::comment\nuse other_crate::no;\n#[cfg(test)]\nmod tests {\nuse crate::test;";
    let imports: Vec<String> = found(text).imports().into_iter().collect();
    assert_eq!(imports, ["admin", "b", "e", "store"]);
    assert!(found("use super::super::store;").climbs_out());
    assert!(!found("use super::handle;").climbs_out());
}
