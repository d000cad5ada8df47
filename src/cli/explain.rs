//! `curfew explain`: the limits of a session, and every rule with why it holds or does not.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum, ValueHint};
use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use crate::config::Config;
use crate::config::app::App;
use crate::config::fault::Look;
use crate::config::load::load;
use crate::domain::device::{OTHER, Seen};
use crate::domain::policy::RoleName;
use crate::domain::resolve::Holder;
use crate::explain::request::{Described, Unanswerable};
use crate::explain::{CandidateSaid, Explanation, Outcome, RouteNamed, RouteSaid, Who, explain};

use super::{EXIT_CONFIG, failed, told};

/// Whose limits are asked for, and where.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The configuration
    #[arg(long, short, env = "CURFEW_CONFIG", default_value = "curfew.toml", value_hint = ValueHint::FilePath)]
    config: PathBuf,
    /// The app; needless where there is only one
    #[arg(long)]
    app: Option<String>,
    /// A role that the session holds; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The user who logged in, as the app names him
    #[arg(long)]
    user: Option<String>,
    /// A group that the app told of him; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// The class of the device; without it, what the headers and the client's address tell
    #[arg(long)]
    device: Option<String>,
    /// The path that is asked for, as it is sent; a query may follow
    #[arg(long)]
    path: Option<String>,
    /// The method
    #[arg(long, requires = "path", default_value = "GET")]
    method: String,
    /// A header of the request, `Name: value`; may be repeated
    #[arg(long = "header", value_name = "HEADER", requires = "path")]
    headers: Vec<String>,
    /// The address of the client, by which some classes of devices are known
    #[arg(long, value_name = "ADDRESS", requires = "path")]
    client: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How an explanation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ExplainError {
    #[error("no app is called {name:?}; there is {}", .known.join(", "))]
    NoSuchApp { name: String, known: Vec<String> },
    #[error("name an app with --app: {}", .0.join(", "))]
    WhichApp(Vec<String>),
    #[error("no role is called {name:?}; there is {}", .known.join(", "))]
    NoSuchRole { name: String, known: Vec<String> },
    #[error("no device class is called {name:?}; there is {}", .known.join(", "))]
    NoSuchDevice { name: String, known: Vec<String> },
    #[error("{0}")]
    Unanswerable(#[from] Unanswerable),
}

/// Runs the command.
pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            anstream::eprint!("{}", faults.render(Look::Colour));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match answer(&config, args) {
        Ok(text) => told(std::io::Write::write_all(
            &mut anstream::stdout(),
            text.as_bytes(),
        )),
        Err(error) => failed(&error),
    }
}

fn answer(config: &Config, args: &ExplainArgs) -> Result<String, ExplainError> {
    let app = app(config, args.app.as_deref())?;
    let roles = roles(config, args)?;
    let holder = match roles.as_deref() {
        Some(roles) => Holder::Authenticated(roles),
        None => Holder::Anonymous,
    };
    let who = Who::Anybody {
        holder,
        device: device(config, args.device.as_deref())?,
    };
    let request = match &args.path {
        Some(path) => {
            let request = Described::new(path, Some(&args.method), &args.headers)?;
            Some(match &args.client {
                Some(client) => request.of_client(client)?,
                None => request,
            })
        }
        None => None,
    };
    let explanation = explain(config, app, who, request.as_ref())?;
    Ok(match args.format {
        Format::Text => text(&explanation, Some(&args.config)),
        Format::Json => format!("{}\n", json(&explanation)),
    })
}

fn app<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a App, ExplainError> {
    let known = || config.apps.iter().map(|app| app.name.to_string()).collect();
    match (name, &*config.apps) {
        (None, [only]) => Ok(only),
        (None, _) => Err(ExplainError::WhichApp(known())),
        (Some(name), _) => config.app(name).map(AsRef::as_ref).ok_or_else(|| {
            let (name, known) = (name.to_owned(), known());
            ExplainError::NoSuchApp { name, known }
        }),
    }
}

/// The roles that are named, and those that a login of the user would give him, in the policy's
/// order. None where nobody is said to have logged in.
fn roles(config: &Config, args: &ExplainArgs) -> Result<Option<Vec<RoleName>>, ExplainError> {
    let policy = &config.policy;
    let known = |name: &str| policy.roles.iter().any(|role| role.name.as_str() == name);
    if let Some(name) = args.roles.iter().find(|name| !known(name)) {
        return Err(ExplainError::NoSuchRole {
            name: name.clone(),
            known: policy
                .roles
                .iter()
                .map(|role| role.name.to_string())
                .collect(),
        });
    }
    if args.roles.is_empty() && args.user.is_none() && args.groups.is_empty() {
        return Ok(None);
    }
    let learned = policy.roles_of(args.user.as_deref(), &args.groups);
    let held = policy.roles.iter().map(|role| &role.name);
    let held = held.filter(|name| {
        learned.contains(name) || args.roles.iter().any(|role| role == name.as_str())
    });
    Ok(Some(held.cloned().collect()))
}

/// The class of a name, where it is one of the policy's.
fn device(config: &Config, name: Option<&str>) -> Result<Seen, ExplainError> {
    let policy = &config.policy;
    let of_class = |class| Seen::On(Some(class));
    match name {
        None => Ok(Seen::Nobody),
        Some(OTHER) => Ok(Seen::On(None)),
        Some(name) => policy.device_named(name).map(of_class).ok_or_else(|| {
            let known = policy.devices.iter().map(|class| class.name.to_string());
            ExplainError::NoSuchDevice {
                name: name.to_owned(),
                known: known.chain([OTHER.to_owned()]).collect(),
            }
        }),
    }
}

fn json(explanation: &Explanation) -> String {
    serde_json::to_string_pretty(explanation).expect("texts and numbers serialize")
}

/// An explanation for people. The file is named where it is known.
pub(super) fn text(explanation: &Explanation, file: Option<&Path>) -> String {
    let mut out = format!("policy {}, app {}\n", explanation.policy, explanation.app);
    let session = match &explanation.roles {
        None => "without a login".to_owned(),
        Some(roles) if roles.is_empty() => "with a login that no role knows".to_owned(),
        Some(roles) => format!("of {}", roles.join(", ")),
    };
    let at = |line: Option<usize>| place(file, line);
    let device = explanation.device.iter();
    let device: String = device
        .map(|class| format!(", on a device {class}"))
        .collect();
    write_line(&mut out, &format!("a session {session}{device}"));
    if let Some(request) = &explanation.request {
        out.push_str(&route_text(request, file));
    }
    for (kind, limit) in [
        ("idle", &explanation.idle),
        ("absolute", &explanation.absolute),
    ] {
        let told = format!(
            "{kind} {} by {} ({})",
            limit.after,
            limit.rule,
            at(limit.line)
        );
        write_line(&mut out, &told);
    }
    if let Some(seats) = &explanation.max_sessions {
        let told = format!(
            "max_sessions {}, {}, by {} ({})",
            seats.most,
            seats.on_max_sessions,
            seats.rule,
            at(seats.line)
        );
        write_line(&mut out, &told);
    }
    let watched = explanation.watched.iter();
    for (kind, limit) in
        watched.flat_map(|said| [("idle", &said.idle), ("absolute", &said.absolute)])
    {
        let (after, rule, at) = (&limit.after, &limit.rule, at(limit.line));
        let told = format!("only watched: {kind} {after} by {rule} ({at})");
        write_line(&mut out, &told);
    }
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED);
    table.set_header(["rule", "limit", "written", "outcome"]);
    for candidate in &explanation.candidates {
        for row in rows(candidate, file) {
            table.add_row(row);
        }
    }
    for candidate in &explanation.max_sessions_candidates {
        let said = &candidate.said;
        let limit = format!("max_sessions {}, {}", said.most, said.on_max_sessions);
        let written = at(said.line);
        table.add_row([&said.rule, &limit, &written, &candidate.why]);
    }
    write_line(&mut out, &table.to_string());
    out
}

fn rows<'a>(
    candidate: &'a CandidateSaid,
    file: Option<&'a Path>,
) -> impl Iterator<Item = [String; 4]> + 'a {
    let kinds = [("idle", &candidate.idle), ("absolute", &candidate.absolute)];
    let row = move |kind: &str, said: &Outcome| {
        let limit = format!("{kind} {}", said.after);
        let written = place(file, said.line);
        [candidate.rule.clone(), limit, written, said.why.clone()]
    };
    kinds
        .into_iter()
        .filter_map(move |(kind, said)| Some(row(kind, said.as_ref()?)))
}

fn route_text(said: &RouteSaid, file: Option<&Path>) -> String {
    let named =
        |route: &RouteNamed| format!("route {} ({})", route.requests, place(file, route.line));
    let route = match &said.route {
        Some(route) => named(route),
        None => "no route, so what the app says".to_owned(),
    };
    let mut out = format!("{} {}: {route}\n", said.method, said.path);
    let mut tell = |text: String| write_line(&mut out, &format!("  {text}"));
    for route in &said.stricter_by {
        tell(format!(
            "stricter, since some servers read {}",
            named(route)
        ));
    }
    tell(format!(
        "access {}, activity {}, on_stale {}",
        said.access, said.activity, said.on_stale
    ));
    if let Some(age) = &said.max_auth_age {
        tell(format!(
            "a login of {} or more must be proven again, by {}",
            age.after,
            named(&age.by)
        ));
    }
    for login in &said.logins {
        tell(format!("may try the login {login}"));
    }
    for note in &said.notes {
        tell(note.clone());
    }
    out
}

fn place(file: Option<&Path>, line: Option<usize>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!("{}:{line}", file.display()),
        (None, Some(line)) => format!("line {line}"),
        (_, None) => "default".to_owned(),
    }
}

fn write_line(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("a string takes what it is given");
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{ExplainArgs, ExplainError, answer};
    use crate::config::load::parse_alone;

    const POLICY: &str = include_str!("../../config/examples/minimal.toml");

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: ExplainArgs,
    }

    fn run(arguments: &str) -> Result<String, ExplainError> {
        let config = parse_alone(POLICY, "curfew.toml").unwrap().config;
        let given = ["explain"].into_iter().chain(arguments.split_whitespace());
        answer(&config, &Command::try_parse_from(given).unwrap().args)
    }

    #[track_caller]
    fn says(arguments: &str, lines: &[&str]) {
        let text = run(arguments).unwrap();
        for line in lines {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }

    #[test]
    fn a_user_has_the_roles_that_a_login_would_give_him() {
        let buyer = "a session of buyer\n";
        says(
            "--user buyer-1",
            &[buyer, "idle 15m by role buyer (curfew.toml:"],
        );
        says("--role buyer", &[buyer]);
        says("--user nobody", &["with a login that no role knows"]);
        says("", &["without a login", "by anonymous (default)"]);
    }

    #[test]
    fn a_request_tells_its_route_before_the_limits() {
        let told = ["POST /x: no route", "access authenticated, activity active"];
        says("--role buyer --path /x --method POST", &told);
    }

    #[test]
    fn how_many_sessions_is_told_with_every_rule_that_says_so() {
        let counted = POLICY.replace(
            "users = [\"buyer-1\"",
            "max_sessions = 2\nusers = [\"buyer-1\"",
        );
        assert_ne!(counted, POLICY);
        let ceiling = "\n[ceiling]\nmax_sessions = 3\non_max_sessions = \"refuse\"\n";
        let config = parse_alone(&(counted + ceiling), "curfew.toml").unwrap();
        let asked = Command::try_parse_from(["explain", "--role", "buyer"]).unwrap();
        let text = answer(&config.config, &asked.args).unwrap();
        for told in [
            "max_sessions 2, displace, by role buyer (curfew.toml:",
            "| max_sessions 2, displace |",
            "wins: the fewest of those that apply",
            "loses: 3 > 2 of role buyer",
        ] {
            assert!(text.contains(told), "no {told:?} in\n{text}");
        }
    }

    #[test]
    fn json_holds_the_same() {
        let text = run("--role buyer --path /x --format json").unwrap();
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(said["idle"]["rule"], "role buyer");
        assert_eq!(said["request"]["access"], "authenticated");
        assert_eq!(said["candidates"][0]["idle"]["wins"], true);
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        let error = |arguments| run(arguments).unwrap_err().to_string();
        let role = error("--role byer");
        assert!(
            role.starts_with("no role is called \"byer\"; there is buyer"),
            "{role}"
        );
        let app = error("--app shop");
        assert!(
            app.starts_with("no app is called \"shop\"; there is "),
            "{app}"
        );
        assert!(error("--device x").ends_with("there is other"));
        assert!(error("--path x").contains("is no path"));
    }
}
