//! The gateway in this process, under a clock that only the test moves, in front of a Tomcat of its own.
//!
//! The policy is the example that administrators start from; only its addresses are the test's.

use std::cell::Cell;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use curfew::clock::Clock;
use curfew::config::load::load;
use curfew::domain::time::Timestamp;
use curfew::entropy::Entropy;
use curfew::gateway::Gateway;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::browser::{Answer, Browser, Line};
use crate::tomcat::{Seen, Tomcat};

/// A page that Tomcat protects: it shows its login form there.
pub(crate) const PROTECTED: &str = "/examples/jsp/security/protected/index.jsp";
/// Where that form is sent to.
pub(crate) const LOGIN: &str = "/examples/jsp/security/protected/j_security_check";
/// A servlet that everybody may use; it shows, and keeps, what its visitors store.
pub(crate) const NOTES: &str = "/examples/servlets/servlet/SessionExample";

/// The title of the page at [`PROTECTED`].
pub(crate) const PROTECTED_PAGE: &str = "Protected Page for Examples";
/// The title of Tomcat's login form.
pub(crate) const LOGIN_PAGE: &str = "Login Page for Examples";
/// The title of what Tomcat answers to a wrong password.
pub(crate) const ERROR_PAGE: &str = "Error Page For Examples";

/// The limits of the policy.
pub(crate) const BUYER_IDLE: Duration = Duration::from_mins(15);
pub(crate) const BUYER_ABSOLUTE: Duration = Duration::from_hours(8);
pub(crate) const APPROVER_IDLE: Duration = Duration::from_mins(5);
pub(crate) const APPROVER_ABSOLUTE: Duration = Duration::from_hours(4);

/// The finest step of the clock.
pub(crate) const TICK: Duration = Duration::from_millis(1);

const POLICY: &str = include_str!("../../config/examples/tomcat-form.toml");
const ADMIN_TOKEN: &str = "a-token-for-tests-alone";
const START: Timestamp = Timestamp::from_millis(1_767_254_400_000);

/// How long the gateway may take to stop.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Everything a test plays on.
pub(crate) struct Stage {
    runtime: Runtime,
    gateway: Gateway,
    clock: Clock,
    tomcat: Tomcat,
    files: TempDir,
    told: Cell<usize>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let tomcat = Tomcat::start();
        let files = tempfile::tempdir().expect("the temporary directory is writable");
        let policy = write_policy(&files, &tomcat);
        let loaded = load(&policy).unwrap_or_else(|faults| panic!("{faults:?}"));
        let clock = Clock::manual(START);
        let runtime = Runtime::new().expect("threads can be started");
        let started = Gateway::start(loaded.config, clock.clone(), Entropy::seeded(1));
        let gateway = runtime.block_on(started).expect("the gateway starts");
        Self {
            runtime,
            gateway,
            clock,
            tomcat,
            files,
            told: Cell::new(0),
        }
    }

    /// A browser that was never here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.line())
    }

    /// A browser in which somebody has logged in, as people do.
    pub(crate) fn logged_in(&self, user: &str) -> Browser {
        let mut browser = self.browser();
        self.log_in(&mut browser, user);
        browser
    }

    /// Logs in at the page that the user wants to see, and arrives there.
    #[track_caller]
    pub(crate) fn log_in(&self, browser: &mut Browser, user: &str) {
        let form = browser.open(PROTECTED);
        assert_eq!(form.title(), LOGIN_PAGE, "{form:?}");
        let done = browser.fill_in(&form, user, user);
        assert_eq!(done.status, 303, "{done:?}");
        let page = browser.follow(&done);
        assert_eq!(page.title(), PROTECTED_PAGE, "{page:?}");
        assert!(page.body.contains(&format!("<b>{user}</b>")), "{page:?}");
    }

    /// The line to the gateway, for what no browser sends.
    pub(crate) fn line(&self) -> Line {
        self.line_to(self.gateway.addresses()[0])
    }

    /// The line to Tomcat, past the gateway.
    pub(crate) fn past_the_gateway(&self) -> Line {
        self.line_to(self.tomcat.address())
    }

    /// Where the gateway listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.addresses()[0]
    }

    fn line_to(&self, address: SocketAddr) -> Line {
        Line::new(self.runtime.handle().clone(), address)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// What reached Tomcat since this was asked last, past the gateway or through it.
    pub(crate) fn reached(&self) -> Vec<Seen> {
        let mut all = self.tomcat.requests();
        let news = all.split_off(self.told.get());
        self.told.set(all.len() + news.len());
        news
    }

    /// Asks the admin API for a revocation.
    pub(crate) fn revoke(&self, whom: &Value) -> Answer {
        let admin = self.gateway.admin_address().expect("there is an admin");
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/revocations")
            .header(AUTHORIZATION, format!("Bearer {ADMIN_TOKEN}"))
            .header(CONTENT_TYPE, "application/json");
        let request = request.body(whom.to_string()).expect("it is well-formed");
        self.line_to(admin).send(request)
    }

    /// Stops the gateway, and answers what its audit recorded: event, user and reason, in the order
    /// of time and at one instant of these words.
    pub(crate) fn audit(self) -> Vec<Event> {
        self.runtime.block_on(self.gateway.stop(STOP_MAX));
        let audit = fs::read_to_string(self.files.path().join("audit.jsonl"))
            .expect("the audit's file is opened at the start");
        let mut events: Vec<(u64, Event)> = audit.lines().map(read_event).collect();
        // Refusals reach the file by another way than logins and ends.
        events.sort();
        events.into_iter().map(|(_, event)| event).collect()
    }
}

fn read_event(line: &str) -> (u64, Event) {
    let line: Value = serde_json::from_str(line).expect("each line is JSON");
    let [kind, user, reason] =
        ["event", "user", "reason"].map(|name| line[name].as_str().unwrap_or("-"));
    let at = line["at_ms"].as_u64().expect("each event has an instant");
    (at, event(kind, user, reason))
}

/// The example, with the test's addresses, an admin listener and a file for the audit.
fn write_policy(files: &TempDir, tomcat: &Tomcat) -> PathBuf {
    let upstream = format!("http://{}", tomcat.address());
    let mut policy = POLICY.to_owned();
    for (example, here) in [
        ("127.0.0.1:8080\"", "127.0.0.1:0\""),
        ("http://127.0.0.1:8081", &*upstream),
    ] {
        assert!(policy.contains(example), "the example names {example}");
        policy = policy.replace(example, here);
    }
    fs::write(files.path().join("admin.token"), ADMIN_TOKEN).expect("the directory is new");
    policy.push_str(
        "\n[admin]\naddress = \"127.0.0.1:0\"\ntoken_file = \"admin.token\"\n\
         \n[records]\naudit = \"audit.jsonl\"\n",
    );
    let path = files.path().join("curfew.toml");
    fs::write(&path, policy).expect("the directory is new");
    path
}

/// An event of the audit: what, of whom, why.
pub(crate) type Event = (String, String, String);

pub(crate) fn event(kind: &str, user: &str, reason: &str) -> Event {
    (kind.to_owned(), user.to_owned(), reason.to_owned())
}

/// A request that reached Tomcat; `id` is what its Cookie header said, empty for none.
pub(crate) fn seen(method: &str, target: &str, status: u16, id: &str) -> Seen {
    Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        status,
        cookie: (!id.is_empty()).then(|| format!("JSESSIONID={id}")),
    }
}

/// Whom a revocation covers.
pub(crate) fn user(name: &str) -> Value {
    json!({ "user": name })
}
