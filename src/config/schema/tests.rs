//! The committed schema, the annotated sample and the documentation tell the same keys as the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::schema;
use crate::config::fault::Code;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(repository().join(path)).unwrap()
}

/// Every key of the file, as a dotted path without indexes: `apps.session.id`.
fn keys() -> BTreeSet<String> {
    let root = schema();
    let mut keys = BTreeSet::new();
    gather(&root, &root, String::new(), &mut keys);
    keys
}

fn gather(root: &Value, node: &Value, path: String, keys: &mut BTreeSet<String>) {
    let node = match node["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => node,
    };
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        let path = match path.as_str() {
            "" => name.clone(),
            parent => format!("{parent}.{name}"),
        };
        gather(root, property, path.clone(), keys);
        keys.insert(path);
    }
    if node["items"].is_object() {
        gather(root, &node["items"], path.clone(), keys);
    }
    if node["additionalProperties"].is_object() {
        gather(root, &node["additionalProperties"], path, keys);
    }
}

#[test]
fn the_committed_schema_is_current() {
    let path: PathBuf = repository().join("config/curfew.schema.json");
    let current = format!("{:#}\n", schema());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &current).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "run `curfew schema > config/curfew.schema.json`"
    );
}

#[test]
fn every_key_is_described_to_editors() {
    fn described(node: &Value, path: &str) {
        for (name, property) in node["properties"].as_object().into_iter().flatten() {
            assert!(property["description"].is_string(), "{path}.{name}");
        }
    }
    let root = schema();
    described(&root, "");
    for (name, definition) in root["$defs"].as_object().unwrap() {
        described(definition, name);
    }
}

#[test]
fn no_key_is_null() {
    assert!(!schema().to_string().contains("null"));
}

#[test]
fn unknown_keys_are_refused_everywhere() {
    let root = schema();
    let tables = root["$defs"].as_object().unwrap().values().chain([&root]);
    for table in tables.filter(|table| table["properties"].is_object()) {
        assert_eq!(table["additionalProperties"], Value::Bool(false), "{table}");
    }
}

#[test]
fn the_annotated_sample_shows_every_key() {
    let on: String = read("config/curfew.toml")
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let shown = on.parse::<toml::Table>().unwrap();
    let mut found = BTreeSet::new();
    names(&toml::Value::Table(shown), String::new(), &mut found);
    let absent: Vec<String> = keys().difference(&found).cloned().collect();
    assert!(absent.is_empty(), "not in config/curfew.toml: {absent:?}");
}

/// Every key of a document as `keys` spells them, without the names of roles and devices.
fn names(value: &toml::Value, path: String, found: &mut BTreeSet<String>) {
    match value {
        toml::Value::Array(items) => {
            for item in items {
                names(item, path.clone(), found);
            }
        }
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = match path.as_str() {
                    "" => key.clone(),
                    parent => format!("{parent}.{key}"),
                };
                found.insert(path.clone());
                match (path.as_str(), value) {
                    ("roles" | "devices" | "roles.devices", toml::Value::Table(named)) => {
                        for one in named.values() {
                            names(one, path.clone(), found);
                        }
                    }
                    _ => names(value, path, found),
                }
            }
        }
        _ => {}
    }
}

/// The tables of docs/configuration.md: under a heading that names a table, each row's key and
/// its default.
fn documented() -> BTreeMap<String, String> {
    let docs = read("docs/configuration.md");
    let mut found = BTreeMap::new();
    let mut table = None;
    for line in docs.lines() {
        if line.starts_with('#') {
            let name = line
                .split('`')
                .nth(1)
                .map(|name| name.replace(['[', ']'], ""));
            table = name.map(|name| name.replace(".NAME", ""));
        } else if let (Some(table), Some(row)) = (&table, line.strip_prefix("| `")) {
            let cells: Vec<&str> = row.split(" | ").collect();
            let key = cells[0].trim_end_matches('`');
            let default = cells[1].trim_matches('`').to_owned();
            found.insert(format!("{table}.{key}"), default);
        }
    }
    found
}

#[test]
fn the_documentation_tells_every_key_and_no_other() {
    let documented: BTreeSet<String> = documented().into_keys().collect();
    let tables: BTreeSet<String> = keys();
    // A key that holds a table has a heading of its own instead of a row.
    let holds_others = |key: &String| {
        tables
            .iter()
            .any(|other| other.starts_with(&format!("{key}.")))
    };
    let told: BTreeSet<String> = tables
        .iter()
        .filter(|key| !holds_others(key))
        .cloned()
        .collect();
    let missing: Vec<_> = told.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&told).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "missing {missing:?}, unknown {unknown:?}"
    );
}

#[test]
fn the_documentation_tells_the_defaults_of_the_code() {
    let documented = documented();
    let root = schema();
    let mut defaults = BTreeMap::new();
    defaults_of(&root, &root, String::new(), &mut defaults);
    assert!(defaults.len() > 20);
    for (key, default) in defaults {
        let told = documented[&key].replace('`', "");
        assert_eq!(told, default, "{key}");
    }
}

fn defaults_of(root: &Value, node: &Value, path: String, found: &mut BTreeMap<String, String>) {
    let default = match &node["default"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            Some(items.join(", "))
        }
        other => Some(other.to_string()),
    };
    if let Some(default) = default {
        found.insert(path.clone(), default);
    }
    let node = match node["$ref"].as_str() {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => node,
    };
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        let path = match path.as_str() {
            "" => name.clone(),
            parent => format!("{parent}.{name}"),
        };
        defaults_of(root, property, path, found);
    }
    for below in ["items", "additionalProperties"] {
        if node[below].is_object() {
            defaults_of(root, &node[below], path.clone(), found);
        }
    }
}

#[test]
fn the_documentation_explains_every_code() {
    let docs = read("docs/configuration.md");
    for code in Code::ALL {
        assert!(docs.contains(&format!("| {code} |")), "{code} {code:?}");
    }
}
