//! Redis goes away under the whole gateway while people work: they are told to wait, quickly, and
//! nobody loses a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use curfew::clock::monotonic;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::answer::Answer;
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{Browser, Page};
use crate::harness::gateway::Gateway;
use crate::harness::redis::RedisServer;
use crate::harness::{eventually, within};

/// People at work. Each asks again as soon as he is answered.
const CROWD: usize = 32;

/// How long an outage lasts at least: the gateway has tried to come back by then, more than once.
const LASTS: Duration = Duration::from_secs(1);

/// How often each is answered meanwhile, at least.
const ROUNDS: usize = 9;

/// What nine in ten answers may take during an outage: 150 ms for the store, and the rest.
const ANSWERED_WITHIN: Duration = Duration::from_millis(250);

/// The same for 99 in a hundred, and for all: this process is the crowd, the app and the gateway at
/// once, and the machine has other things to do.
const NEARLY_ALL_WITHIN: Duration = ANSWERED_WITHIN.saturating_mul(2);
const ALL_WITHIN: Duration = ANSWERED_WITHIN.saturating_mul(4);

/// How soon it must serve again after an outage.
const BACK_WITHIN: Duration = Duration::from_secs(2);

const LOGIN: &str = "username=buyer&password=buyer";

/// How the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Well,
    /// From here on nothing is answered by it.
    Gone,
    /// Somebody mends it.
    Mending,
    /// Everybody may go home.
    Over,
}

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Page,
    Script,
    Asset,
}

const ASKED: [Asked; 3] = [Asked::Page, Asked::Script, Asked::Asset];

/// One answer.
#[derive(Debug)]
struct Told {
    asked: Asked,
    /// The phase from beginning to end; none where it changed in between.
    phase: Option<Phase>,
    took: Duration,
    page: Page,
}

/// An app whose style sheet tells who asked for it, and which gives an id to whoever has none.
async fn app() -> LegacyApp {
    let plain = form_app();
    LegacyApp::start(move |seen| match seen.path() {
        "/assets/app.css" => match seen.header("cookie") {
            Some(_) => Answer::page("for somebody"),
            None => Answer::page("for nobody").set_cookie("JSESSIONID=S0; Path=/"),
        },
        _ => plain(seen),
    })
    .await
}

/// People who are logged in and ask, until it is over.
struct Crowd {
    phase: watch::Sender<Phase>,
    /// Answers during the outage.
    told: Arc<AtomicUsize>,
    people: Vec<JoinHandle<(Browser, Vec<Told>)>>,
}

impl Crowd {
    fn of(browsers: Vec<Browser>) -> Self {
        let (phase, seen) = watch::channel(Phase::Well);
        let told = Arc::<AtomicUsize>::default();
        let works = |browser| tokio::spawn(works(browser, seen.clone(), told.clone()));
        let people = browsers.into_iter().map(works).collect();
        Self {
            phase,
            told,
            people,
        }
    }

    /// Lets them work during the outage.
    async fn is_kept_waiting(&self) {
        let began = monotonic();
        eventually("everybody was answered during the outage", async || {
            let answered = self.told.load(Ordering::Relaxed) >= ROUNDS * CROWD;
            (answered && monotonic() - began > LASTS).then_some(())
        })
        .await;
    }

    async fn goes_home(self) -> (Vec<Browser>, Vec<Told>) {
        self.phase.send_replace(Phase::Over);
        let (mut browsers, mut all) = (Vec::new(), Vec::new());
        for person in self.people {
            let (browser, told) = person.await.expect("nobody panics");
            browsers.push(browser);
            all.extend(told);
        }
        (browsers, all)
    }
}

async fn works(
    mut browser: Browser,
    phase: watch::Receiver<Phase>,
    during: Arc<AtomicUsize>,
) -> (Browser, Vec<Told>) {
    let mut all = Vec::new();
    for asked in ASKED.into_iter().cycle() {
        let before = *phase.borrow();
        if before == Phase::Over {
            break;
        }
        let began = monotonic();
        let page = match asked {
            Asked::Page => browser.open("/home").await,
            Asked::Script => browser.fetch("/home").await,
            Asked::Asset => browser.fetch("/assets/app.css").await,
        };
        let took = monotonic() - began;
        let phase = Some(before).filter(|before| *before == *phase.borrow());
        if phase == Some(Phase::Gone) {
            during.fetch_add(1, Ordering::Relaxed);
        }
        all.push(Told {
            asked,
            phase,
            took,
            page,
        });
    }
    (browser, all)
}

/// An outage keeps a person waiting, and takes nothing from him.
fn is_harmless(told: &Told) {
    assert_eq!(told.page.set_cookies(), [] as [&str; 0], "{told:?}");
    if told.asked == Asked::Asset {
        assert_eq!(told.page.status, 200, "{told:?}");
        return;
    }
    match told.page.status.as_u16() {
        200 => assert_eq!(told.page.text(), "hello buyer"),
        503 => assert_eq!(told.page.header("retry-after"), "2", "{told:?}"),
        _ => panic!("{told:?}"),
    }
}

/// What is told while the server is gone.
fn is_outage(told: &Told) {
    match told.asked {
        Asked::Asset => assert_eq!(told.page.text(), "for nobody", "{told:?}"),
        Asked::Page | Asked::Script => {
            assert_eq!(told.page.status, 503, "{told:?}");
            assert_eq!(told.page.refusal(), "store_unavailable");
        }
    }
}

fn are_in_time(mut took: Vec<Duration>) {
    took.sort_unstable();
    let last = took.len() - 1;
    let bounds = [
        (90, ANSWERED_WITHIN),
        (99, NEARLY_ALL_WITHIN),
        (100, ALL_WITHIN),
    ];
    for (percent, within) in bounds {
        let slowest = took[last * percent / 100];
        assert!(
            slowest < within,
            "{percent} % of answers are within {slowest:?}"
        );
    }
}

/// Somebody who is logged in. Where the machine is so busy that the store seems late, he tries again.
async fn logged_in(gateway: &Gateway) -> Browser {
    let mut browser = gateway.browser();
    eventually("somebody is logged in", async || {
        let page = browser.submit("/login", LOGIN).await;
        (page.status == 302).then_some(())
    })
    .await;
    browser
}

/// What somebody gets who does not give up.
async fn at_last(browser: &mut Browser) -> Page {
    eventually("the gateway serves", async || {
        let page = browser.open("/home").await;
        (page.status != 503).then_some(page)
    })
    .await
}

/// Does what is told to a server while a crowd works, and mends it.
async fn suffer(
    mut server: RedisServer,
    breaks: impl AsyncFn(&mut RedisServer),
    mends: impl AsyncFn(&mut RedisServer),
) {
    let app = app().await;
    let policy = format!(
        "{}{FORM_APP}[[apps.routes]]\npath = \"/assets/**\"\naccess = \"public\"\n",
        server.table("150ms")
    );
    let gateway = Gateway::live(&app, &policy).await;
    let mut one_of_them = logged_in(&gateway).await;
    let mut browsers = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        browsers.push(logged_in(&gateway).await);
    }
    let crowd = Crowd::of(browsers);
    eventually("the crowd works", async || {
        (app.count() > 3 * CROWD).then_some(())
    })
    .await;

    breaks(&mut server).await;
    crowd.phase.send_replace(Phase::Gone);
    crowd.is_kept_waiting().await;
    let page = gateway.browser().submit("/login", LOGIN).await;
    assert_eq!((page.status.as_u16(), page.set_cookies()), (503, vec![]));

    crowd.phase.send_replace(Phase::Mending);
    mends(&mut server).await;
    let serves = async || one_of_them.fetch("/home").await.status == 200;
    let back = within(BACK_WITHIN, serves).await;
    assert!(back.is_some(), "it stays down");

    let (browsers, told) = crowd.goes_home().await;
    told.iter().for_each(is_harmless);
    let outage = || told.iter().filter(|told| told.phase == Some(Phase::Gone));
    outage().for_each(is_outage);
    are_in_time(outage().map(|told| told.took).collect());
    for mut browser in browsers {
        assert_eq!(at_last(&mut browser).await.text(), "hello buyer");
    }
    let served = told.iter().filter(|told| told.page.text() == "hello buyer");
    assert_eq!(
        app.reached("/home") - CROWD,
        served.count() + 1,
        "no request that was refused reached the app"
    );
    let events = gateway.audit();
    assert!(events.iter().all(|event| event["event"] == "login"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_killed_under_load_and_what_it_wrote_is_served_again() {
    let server = RedisServer::durable().await;
    let starts = async |server: &mut RedisServer| server.start_again().await;
    suffer(server, RedisServer::kill, starts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_freezes_under_load_and_is_served_from_as_soon_as_it_goes_on() {
    let server = RedisServer::start().await;
    let freezes = async |server: &mut RedisServer| server.freeze().await;
    let thaws = async |server: &mut RedisServer| server.thaw().await;
    suffer(server, freezes, thaws).await;
}
