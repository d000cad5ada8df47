//! The walk over a TOML tree: each key is asked for by name, and every wrong type and every key
//! that nobody asked for becomes a fault.
//!
//! Derived deserialisers stop at the first problem; this walk finds all of them.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{At, Code, Fault, Findings, Place};
use super::suggest::nearest;
use super::value::{FromValue, Unfit};

/// Names and their values, in the order of the file.
pub(super) type Pairs<T> = At<Vec<(At<String>, At<T>)>>;

/// A table of the raw form.
pub(super) trait FromTable: Sized {
    fn from_table(table: &mut TableReader<'_>) -> Self;
}

/// One table of the file, asked key by key.
pub(super) struct TableReader<'a> {
    table: &'a DeTable<'a>,
    place: Place,
    /// How its header is written, without brackets.
    header: String,
    asked: Vec<&'static str>,
    missing: Vec<(&'static str, Fault)>,
    findings: &'a Findings,
}

impl<'a> TableReader<'a> {
    /// Reads the whole file.
    pub(super) fn read_root<T: FromTable>(
        root: &'a Spanned<DeTable<'a>>,
        findings: &'a Findings,
    ) -> T {
        // The document's own place is its start: what misses there has no better one.
        let place = Place {
            key: String::new(),
            span: 0..0,
        };
        Self::read(root.get_ref(), place, String::new(), findings).value
    }

    fn read<T: FromTable>(
        table: &'a DeTable<'a>,
        place: Place,
        header: String,
        findings: &'a Findings,
    ) -> At<T> {
        let mut reader = Self {
            table,
            place: place.clone(),
            header,
            asked: Vec::new(),
            missing: Vec::new(),
            findings,
        };
        let value = T::from_table(&mut reader);
        reader.finish();
        At { value, place }
    }

    /// A fault where a key is not there, or holds nothing; `example` is what could be written.
    pub(super) fn needs(&mut self, key: &'static str, example: &str) {
        let (place, message) = match self.table.get(key) {
            None => (self.place.clone(), format!("`{key}` is missing")),
            Some(value) if is_empty(value.get_ref()) => (
                self.place_of(key, value.span()),
                "nothing is in it".to_owned(),
            ),
            Some(_) => return,
        };
        let fault = Fault::error(Code::MissingKey, &place, message);
        self.missing
            .push((key, fault.help(format!("write {example}"))));
    }

    /// Whether a key is there, whatever it holds.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key, where it is there and of the right kind.
    pub(super) fn value<T: FromValue>(&mut self, key: &'static str) -> Option<At<T>> {
        let value = self.ask(key)?;
        self.fit(value, self.place_of(key, value.span()))
    }

    /// The values of a list, without those of a wrong kind.
    pub(super) fn list<T: FromValue>(&mut self, key: &'static str) -> Option<At<Vec<At<T>>>> {
        let value = self.ask(key)?;
        let place = self.place_of(key, value.span());
        let Some(array) = value.get_ref().as_array() else {
            let help = format!("write a list in brackets: [ {} ]", T::EXAMPLE);
            self.wrong_type(value, &place, "a list", help);
            return None;
        };
        let items = array.iter().enumerate().filter_map(|(index, item)| {
            let key = format!("{}[{}]", place.key, index + 1);
            let span = item.span();
            self.fit(item, Place { key, span })
        });
        let value = items.collect();
        Some(At { value, place })
    }

    /// The keys and values of a table whose keys are names, in the order of the file.
    pub(super) fn pairs<T: FromValue>(&mut self, key: &'static str) -> Option<Pairs<T>> {
        let value = self.ask(key)?;
        let place = self.place_of(key, value.span());
        let Some(table) = value.get_ref().as_table() else {
            let help = format!("write {key} = {{ name = {} }}", T::EXAMPLE);
            self.wrong_type(value, &place, "a table", help);
            return None;
        };
        let pairs = in_file_order(table)
            .into_iter()
            .filter_map(|(name, value)| {
                let name = name_at(&place, name);
                let place = Place {
                    key: name.place.key.clone(),
                    span: value.span(),
                };
                Some((name, self.fit(value, place)?))
            });
        let value = pairs.collect();
        Some(At { value, place })
    }

    /// A table below this one.
    pub(super) fn table<T: FromTable>(&mut self, key: &'static str) -> Option<At<T>> {
        let value = self.ask(key)?;
        let place = self.place_of(key, value.span());
        let header = self.header(key);
        let help = format!("write [{header}]");
        self.sub_table(value, place, header, help)
    }

    /// Tables under names of the administrator's choice, in the order of the file.
    pub(super) fn named_tables<T: FromTable>(
        &mut self,
        key: &'static str,
    ) -> Vec<(At<String>, At<T>)> {
        let Some(value) = self.ask(key) else {
            return Vec::new();
        };
        let place = self.place_of(key, value.span());
        let Some(table) = value.get_ref().as_table() else {
            let help = format!("write [{}.NAME]", self.header(key));
            self.wrong_type(value, &place, "a table of named tables", help);
            return Vec::new();
        };
        let named = in_file_order(table)
            .into_iter()
            .filter_map(|(name, value)| {
                let name = name_at(&place, name);
                let place = Place {
                    key: name.place.key.clone(),
                    span: value.span(),
                };
                let header = format!("{}.{}", self.header(key), name.value);
                let help = format!("write [{header}]");
                let table = self.sub_table(value, place, header, help)?;
                Some((name, table))
            });
        named.collect()
    }

    /// A list of tables.
    pub(super) fn tables<T: FromTable>(&mut self, key: &'static str) -> Vec<At<T>> {
        let Some(value) = self.ask(key) else {
            return Vec::new();
        };
        let place = self.place_of(key, value.span());
        let header = self.header(key);
        let help = format!("write [[{header}]]");
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(value, &place, "a list of tables", help);
            return Vec::new();
        };
        let tables = array.iter().enumerate().filter_map(|(index, item)| {
            let key = element_key(&place.key, index, item.get_ref());
            let span = item.span();
            self.sub_table(item, Place { key, span }, header.clone(), help.clone())
        });
        tables.collect()
    }

    fn sub_table<T: FromTable>(
        &self,
        value: &'a Spanned<DeValue<'a>>,
        place: Place,
        header: String,
        help: String,
    ) -> Option<At<T>> {
        match value.get_ref().as_table() {
            Some(table) => Some(Self::read(table, place, header, self.findings)),
            None => {
                self.wrong_type(value, &place, "a table", help);
                None
            }
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.push(key);
        self.table.get(key)
    }

    fn fit<T: FromValue>(&self, value: &Spanned<DeValue<'_>>, place: Place) -> Option<At<T>> {
        match T::from_value(value.get_ref()) {
            Ok(value) => return Some(At { value, place }),
            Err(Unfit::Type) => {
                self.wrong_type(value, &place, T::KIND, format!("write {}", T::EXAMPLE));
            }
            Err(Unfit::Meaning {
                code,
                message,
                help,
            }) => self
                .findings
                .push(Fault::error(code, &place, message).help(help)),
        }
        None
    }

    fn wrong_type(
        &self,
        value: &Spanned<DeValue<'_>>,
        place: &Place,
        expected: &str,
        help: String,
    ) {
        let found = kind_of(value.get_ref());
        let fault = Fault::error(Code::WrongType, place, format!("expected {expected}"));
        self.findings
            .push(fault.label(format!("this is {found}")).help(help));
    }

    /// A fault for every key that nobody asked for, and for every one that is missing, unless it is
    /// there under a mistyped name.
    fn finish(mut self) {
        for (key, value) in in_file_order(self.table) {
            let typed = key.get_ref().as_ref();
            if self.asked.contains(&typed) {
                continue;
            }
            let near = nearest(typed, self.asked.iter().copied());
            let help = match near {
                Some(near) => format!("write `{near}`"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            self.missing.retain(|(key, _)| near != Some(*key));
            let place = self.place_of(typed, key.span());
            let label = match value.get_ref() {
                DeValue::Table(_) => "nothing reads this table",
                _ => "nothing reads this key",
            };
            let fault = Fault::error(Code::UnknownKey, &place, "unknown key");
            self.findings.push(fault.label(label).help(help));
        }
        for (_, fault) in self.missing {
            self.findings.push(fault);
        }
    }

    fn place_of(&self, key: &str, span: Range<usize>) -> Place {
        let key = match self.place.key.as_str() {
            "" => key.to_owned(),
            parent => format!("{parent}.{key}"),
        };
        Place { key, span }
    }

    fn header(&self, key: &str) -> String {
        match self.header.as_str() {
            "" => key.to_owned(),
            parent => format!("{parent}.{key}"),
        }
    }
}

/// A name in a table whose keys are names.
fn name_at(parent: &Place, name: &Spanned<std::borrow::Cow<'_, str>>) -> At<String> {
    let value = name.get_ref().clone().into_owned();
    let place = Place {
        key: format!("{}.{value}", parent.key),
        span: name.span(),
    };
    At { value, place }
}

/// The key of a list's element: by its `name` where it has one, else by its number from 1.
fn element_key(parent: &str, index: usize, element: &DeValue<'_>) -> String {
    let name = element
        .as_table()
        .and_then(|table| table.get("name")?.get_ref().as_str());
    match name {
        Some(name) => format!("{parent}.{name}"),
        None => format!("{parent}[{}]", index + 1),
    }
}

/// `DeTable` sorts by key; an administrator thinks in the order he wrote.
fn in_file_order<'t, 'a>(
    table: &'t DeTable<'a>,
) -> Vec<(
    &'t Spanned<std::borrow::Cow<'a, str>>,
    &'t Spanned<DeValue<'a>>,
)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn is_empty(value: &DeValue<'_>) -> bool {
    match value {
        DeValue::Array(array) => array.is_empty(),
        DeValue::Table(table) => table.is_empty(),
        _ => false,
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
