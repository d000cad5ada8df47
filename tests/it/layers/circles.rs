//! Files of one layer use each other in one direction, held by reading the imports.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{Source, none, product, without_comments, without_tests};

impl Source {
    /// Its module, from the crate's root.
    fn module(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let names = path.components();
        names
            .map(|name| name.as_os_str().to_string_lossy().into_owned())
            .collect()
    }

    /// The paths of the crate that it names: in full, from a module above its own, or from one that
    /// it declares.
    fn named(&self) -> Vec<Vec<String>> {
        let code = self.code.join("\n");
        let module = self.module();
        let mut paths = Vec::new();
        for (at, _) in starts_of("crate::", &code) {
            paths.extend(leaves(&code[at + "crate::".len()..]));
        }
        for (at, _) in starts_of("super::", &code) {
            let mut rest = &code[at..];
            let mut above = module.clone();
            while let Some(higher) = rest.strip_prefix("super::") {
                above.pop();
                rest = higher;
            }
            paths.extend(leaves(rest).into_iter().map(|leaf| joined(&above, leaf)));
        }
        for line in &self.code {
            let Some((_, declared)) = line.split_once("mod ").filter(|_| line.ends_with(';'))
            else {
                continue;
            };
            let child = declared.trim_end_matches(';');
            if starts_of(&format!("{child}::"), &code).next().is_some() {
                paths.push(joined(&module, vec![child.to_owned()]));
            }
        }
        paths
    }
}

/// Where a path begins with these names: not within another path, nor within a longer name.
fn starts_of<'a>(names: &'a str, code: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(names).filter(|(at, _)| {
        let before = code[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

/// Every path of a tree of paths: `a::b` or `{a::b, c::{d, e}}`.
fn leaves(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return members(group).into_iter().flat_map(leaves).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    match rest.strip_prefix("::") {
        None => vec![vec![name.to_owned()]],
        Some(rest) => leaves(rest)
            .into_iter()
            .map(|leaf| joined(&[name.to_owned()], leaf))
            .collect(),
    }
}

/// The members of a group up to its closing brace.
fn members(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut members) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                members.push(&group[from..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                members.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

fn joined(above: &[String], below: Vec<String>) -> Vec<String> {
    above.iter().cloned().chain(below).collect()
}

/// Which file uses which, of one layer. Its root is left out: it is what all of them share.
fn uses(layer: &str, files: &[Source]) -> BTreeSet<(String, String)> {
    let shown = |module: &[String]| module.join("::");
    let modules: BTreeSet<String> = files
        .iter()
        .filter(|file| file.layer() == layer)
        .map(|file| shown(&file.module()))
        .collect();
    let mut uses = BTreeSet::new();
    for file in files.iter().filter(|file| file.layer() == layer) {
        let module = shown(&file.module());
        for path in file.named() {
            let mut parts = path.as_slice();
            while !parts.is_empty() && !modules.contains(&shown(parts)) {
                parts = &parts[..parts.len() - 1];
            }
            let used = shown(parts);
            if !used.is_empty() && used != layer && used != module {
                uses.insert((module.clone(), used));
            }
        }
    }
    uses
}

/// What is left of some uses once nobody is asked that uses nobody, and nobody that is not used.
fn circles(mut uses: BTreeSet<(String, String)>) -> BTreeSet<(String, String)> {
    loop {
        let users: BTreeSet<String> = uses.iter().map(|(user, _)| user.clone()).collect();
        let used: BTreeSet<String> = uses.iter().map(|(_, used)| used.clone()).collect();
        let before = uses.len();
        uses.retain(|(one, other)| used.contains(one) && users.contains(other));
        if uses.len() == before {
            return uses;
        }
    }
}

#[test]
fn no_file_of_the_proxy_is_used_by_what_it_uses() {
    let uses = uses("proxy", &product());
    assert!(uses.len() > 100, "only {} uses found", uses.len());
    let circles = circles(uses).into_iter();
    none(
        circles
            .map(|(one, other)| format!("{one} uses {other}"))
            .collect(),
    );
}

#[test]
fn a_circle_is_found_in_every_form() {
    let file = |path: &str, text: &str| Source {
        path: PathBuf::from(path),
        lines: 0,
        code: without_comments(without_tests(text)),
    };
    let between = |one: &str, other: &str| {
        let files = [
            file("proxy.rs", "mod a;\nmod b;\nuse a::A;\nuse b::B;"),
            file("proxy/a.rs", one),
            file("proxy/a/c.rs", other),
            file("proxy/b.rs", "use super::{Proxy, a::A};"),
        ];
        let circles = circles(uses("proxy", &files));
        circles.into_iter().map(|(one, _)| one).collect::<Vec<_>>()
    };
    assert_eq!(between("mod c;", "use super::A;"), Vec::<String>::new());
    let parent_and_child = ["proxy::a", "proxy::a::c"];
    assert_eq!(
        between("mod c;\nuse c::C;", "use super::A;"),
        parent_and_child
    );
    let by_name = "use crate::{x, proxy::{a::{self, A}, z}};";
    assert_eq!(
        between("mod c;\nfn f() { c::g() }", by_name),
        parent_and_child
    );
    let beside = ["proxy::a", "proxy::b"];
    assert_eq!(between("fn f() { super::b::g() }", ""), beside);
    let longer = ["proxy::a", "proxy::a::c", "proxy::b"];
    let climbs = "use super::super::b::B;";
    assert_eq!(between("pub(crate) mod c;\nuse c::C;", climbs), longer);
}
