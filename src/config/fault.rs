//! What is wrong with a configuration: found all at once, each with its place and its remedy.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

/// What kind of fault it is; `docs/configuration.md` explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The file cannot be read, or is no text.
    Unreadable = 1,
    /// The text is not TOML.
    Syntax,
    /// A key that nothing reads.
    UnknownKey,
    /// A value of another type than the key has.
    WrongType,
    /// A key that must be there and is not.
    MissingKey,
    /// A word where only some words mean something.
    UnknownWord,
    /// A text that is no duration.
    Duration,
    /// A duration that is too short or too long to mean something.
    DurationRange,
    /// Limits that cannot both apply.
    Limits,
    /// A limit that the ceiling makes pointless.
    AboveCeiling,
    /// A role that nobody holds.
    RoleWithoutHolder,
    /// Something that may be said once is said twice.
    Duplicate,
    /// A text that is no address, network, host or URL.
    Address,
    /// A text that is no path, or no pattern over normalised paths.
    Path,
    /// A method, header, cookie or status that HTTP does not know.
    Http,
    /// A route that an earlier one covers.
    Unreachable,
    /// Two apps that answer to the same requests.
    Overlap,
    /// Apps whose ids cannot be told apart, under different namespaces.
    Namespace,
    /// A text that names no carrier.
    Carrier,
    /// A text that names no extractor, or one where it cannot work.
    Extractor,
    /// Two settings that exclude each other.
    Contradiction,
    /// A file or variable that a setting names, and that is not there or not fit.
    Source,
    /// A secret that stands in the configuration itself.
    ExposedSecret,
    /// An admin listener that anybody may reach.
    ExposedAdmin,
    /// A number outside its range.
    Range,
    /// A login whose success could not be told from its failure.
    NoSuccess,
    /// A role that a client could give itself.
    Forgeable,
    /// An app that keeps its id over the login.
    Fixation,
    /// A limit that no session could ever reach.
    NeverApplies,
    /// A limit that is longer on some device than elsewhere, without a reason.
    Looser,
    /// Limits that are only watched.
    NotEnforced,
}

impl Code {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 31] = [
        Self::Unreadable,
        Self::Syntax,
        Self::UnknownKey,
        Self::WrongType,
        Self::MissingKey,
        Self::UnknownWord,
        Self::Duration,
        Self::DurationRange,
        Self::Limits,
        Self::AboveCeiling,
        Self::RoleWithoutHolder,
        Self::Duplicate,
        Self::Address,
        Self::Path,
        Self::Http,
        Self::Unreachable,
        Self::Overlap,
        Self::Namespace,
        Self::Carrier,
        Self::Extractor,
        Self::Contradiction,
        Self::Source,
        Self::ExposedSecret,
        Self::ExposedAdmin,
        Self::Range,
        Self::NoSuccess,
        Self::Forgeable,
        Self::Fixation,
        Self::NeverApplies,
        Self::Looser,
        Self::NotEnforced,
    ];
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C{:03}", *self as u8)
    }
}

/// Whether a fault keeps a configuration from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It does.
    Error,
    /// It does not, but is hardly meant.
    Warning,
}

/// Where a value stands: its key, as a person would say it, and its bytes in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) key: String,
    pub(crate) span: Range<usize>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// One problem.
#[derive(Debug, Clone)]
pub struct Fault {
    code: Code,
    severity: Severity,
    key: String,
    title: String,
    span: Range<usize>,
    label: Option<String>,
    other: Option<(Range<usize>, String)>,
    help: Option<String>,
}

impl Fault {
    /// A fault of the value at `place`.
    pub(crate) fn error(code: Code, place: &Place, message: impl fmt::Display) -> Self {
        let title = match place.key.as_str() {
            "" => message.to_string(),
            key => format!("{key}: {message}"),
        };
        Self {
            code,
            severity: Severity::Error,
            key: place.key.clone(),
            title,
            span: place.span.clone(),
            label: None,
            other: None,
            help: None,
        }
    }

    /// The same, where the configuration can be used all the same.
    pub(crate) fn warning(code: Code, place: &Place, message: impl fmt::Display) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, place, message)
        }
    }

    /// What is said under the caret.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Another place that has to do with it.
    pub(crate) fn other(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.other = Some((place.span.clone(), label.into()));
        self
    }

    /// What to write instead.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What kind of fault it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// Whether it keeps the configuration from being used.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The key and what is wrong with it.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What to write instead.
    pub fn remedy(&self) -> Option<&str> {
        self.help.as_deref()
    }

    fn group<'a>(&'a self, file: &'a str, text: &'a str) -> Group<'a> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level
            .primary_title(self.title.as_str())
            .id(self.code.to_string());
        let mut elements: Vec<Element<'a>> = Vec::new();
        if self.code != Code::Unreadable {
            let caret = AnnotationKind::Primary
                .span(self.span.clone())
                .label(self.label.as_deref());
            let other = self.other.as_ref().map(|(span, label)| {
                AnnotationKind::Context
                    .span(span.clone())
                    .label(label.as_str())
            });
            let snippet = Snippet::source(text).path(file).annotation(caret);
            elements.push(snippet.annotations(other).into());
        }
        if let Some(help) = &self.help {
            elements.push(Level::HELP.message(help.as_str()).into());
        }
        title.elements(elements)
    }
}

/// Gathers faults while a configuration is read and checked.
#[derive(Debug, Default)]
pub(crate) struct Findings(RefCell<Vec<Fault>>);

impl Findings {
    pub(crate) fn push(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// Keeps the faults that `wanted` finds worth showing.
    pub(crate) fn retain(&self, wanted: impl Fn(Code, &Range<usize>) -> bool) {
        let mut list = self.0.borrow_mut();
        list.retain(|fault| wanted(fault.code, &fault.span));
    }

    /// Whether a fault was found in a table or below it.
    pub(crate) fn touch(&self, table: &Place) -> bool {
        let within = |fault: &Fault| fault.key.starts_with(&table.key);
        self.0.borrow().iter().any(within)
    }

    /// The faults of the file `file` with this text, in the order of their places.
    pub(crate) fn into_faults(self, file: &str, text: &str) -> Faults {
        let mut list = self.0.into_inner();
        list.sort_by_key(|fault| (fault.span.start, fault.code as u8));
        Faults {
            file: file.to_owned(),
            text: text.to_owned(),
            list,
        }
    }
}

/// Whether faults are shown to a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Without escape codes.
    Plain,
    /// In colour.
    Colour,
}

/// Every problem of one run, in the order of the file.
#[derive(Clone)]
pub struct Faults {
    file: String,
    text: String,
    list: Vec<Fault>,
}

impl Faults {
    /// Each fault.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.list.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many of them there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        let of = |fault: &&Fault| fault.severity == severity;
        self.list.iter().filter(of).count()
    }

    /// The line on which a fault stands, from 1.
    pub fn line(&self, fault: &Fault) -> usize {
        line_of(&self.text, fault.span.start)
    }

    /// All of them as `rustc` would show them, and a last line that counts them.
    pub fn render(&self, look: Look) -> String {
        let renderer = match look {
            Look::Plain => Renderer::plain(),
            Look::Colour => Renderer::styled(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for fault in &self.list {
            out.push_str(&renderer.render(&[fault.group(&self.file, &self.text)]));
            out.push_str("\n\n");
        }
        out.push_str(&self.summary());
        out.push('\n');
        out
    }

    /// `curfew.toml: 2 problems, 1 warning`
    pub fn summary(&self) -> String {
        let counted = |severity, word: &str| match self.count(severity) {
            0 => None,
            1 => Some(format!("1 {word}")),
            many => Some(format!("{many} {word}s")),
        };
        let counts: Vec<String> = [
            counted(Severity::Error, "problem"),
            counted(Severity::Warning, "warning"),
        ]
        .into_iter()
        .flatten()
        .collect();
        format!("{}: {}", self.file, counts.join(", "))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(Look::Plain))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Faults {}

/// The line on which a byte of a text stands, from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::{Code, Fault, Faults, Findings, Look, Place};

    const TEXT: &str = "a = 1\n[b]\nidle = \"15\"\n";

    fn at(key: &str, what: &str) -> Place {
        let start = TEXT.find(what).unwrap();
        let span = start..start + what.len();
        let key = key.to_owned();
        Place { key, span }
    }

    fn faults(list: impl IntoIterator<Item = Fault>) -> Faults {
        let findings = Findings::default();
        list.into_iter().for_each(|fault| findings.push(fault));
        findings.into_faults("curfew.toml", TEXT)
    }

    #[test]
    fn a_fault_is_shown_as_rustc_would() {
        let fault = Fault::error(Code::Duration, &at("b.idle", "\"15\""), "no unit")
            .label("this is a text")
            .other(&at("b", "[b]"), "in this table")
            .help("write \"15m\"");
        let shown = "\
error[C007]: b.idle: no unit
 --> curfew.toml:3:8
  |
2 | [b]
  | --- in this table
3 | idle = \"15\"
  |        ^^^^ this is a text
  |
  = help: write \"15m\"

curfew.toml: 1 problem
";
        assert_eq!(faults([fault]).render(Look::Plain), shown);
    }

    #[test]
    fn faults_stand_in_the_order_of_the_file_and_are_counted() {
        let faults = faults([
            Fault::error(Code::Syntax, &at("b.idle", "idle"), "second"),
            Fault::warning(Code::Range, &at("a", "a"), "first"),
            Fault::error(Code::Syntax, &at("b", "[b]"), "between"),
        ]);
        let titles: Vec<&str> = faults.iter().map(Fault::title).collect();
        assert_eq!(titles, ["a: first", "b: between", "b.idle: second"]);
        let lines: Vec<usize> = faults.iter().map(|fault| faults.line(fault)).collect();
        assert_eq!(lines, [1, 2, 3]);
        assert_eq!(faults.summary(), "curfew.toml: 2 problems, 1 warning");
    }

    #[test]
    fn only_a_terminal_gets_escape_codes() {
        let fault = Fault::error(Code::Syntax, &at("a\u{1b}[2J", "a"), "wrong\u{7}");
        let faults = faults([fault]);
        assert!(faults.render(Look::Colour).contains("\u{1b}[1m"));
        let plain = faults.render(Look::Plain);
        let safe = |c: char| c == '\n' || !c.is_control();
        assert!(plain.chars().all(safe), "{plain:?}");
    }

    #[test]
    fn codes_are_numbered_in_their_order() {
        for (index, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code.to_string(), format!("C{:03}", index + 1));
        }
    }
}
