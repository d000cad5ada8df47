//! An application behind the gateway: a test says how it behaves, and it remembers every request
//! that reached it. Tests judge by what it received, since that is what a gateway is for.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::answer::{Answer, AppBody, Then};

/// A request as the app received it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query, as they stood in the request line.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// What has arrived of the body.
    pub(crate) body: Vec<u8>,
    /// What came behind it.
    pub(crate) trailers: HeaderMap,
}

impl Seen {
    /// The target up to its query or path parameters.
    pub(crate) fn path(&self) -> &str {
        self.target.split(['?', ';']).next().unwrap_or_default()
    }

    /// The value of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        field(query.as_bytes(), name)
    }

    /// The value of a field of the form.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        field(&self.body, name)
    }

    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The only header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came twice: {all:?}");
        all.first().copied()
    }

    /// All headers of this name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let values = self.headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap_or("(not text)"))
            .collect()
    }

    /// The value of a cookie, as a simple app reads it.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let cookies = self.all("cookie");
        cookies
            .into_iter()
            .flat_map(|header| header.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    }
}

fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form)
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

type Behaviour = dyn Fn(&Seen) -> Answer + Send + Sync;

/// The app's side of its WebSockets, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Socket {
    pub(crate) received: Vec<u8>,
    pub(crate) closed: bool,
}

#[derive(Default)]
struct Record {
    requests: Mutex<Vec<Seen>>,
    sockets: Mutex<Vec<Socket>>,
}

/// An application that runs until its test is over.
pub(crate) struct LegacyApp {
    pub(crate) address: SocketAddr,
    record: Arc<Record>,
}

impl LegacyApp {
    /// Starts an app that behaves like this.
    pub(crate) async fn start(behaviour: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let record = Arc::<Record>::default();
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        tokio::spawn({
            let record = Arc::clone(&record);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (record, behaviour) = (Arc::clone(&record), Arc::clone(&behaviour));
                    let service = service_fn(move |request| {
                        answer(Arc::clone(&record), Arc::clone(&behaviour), request)
                    });
                    let connection = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    // However it ends, the test judges by what was recorded.
                    tokio::spawn(async move { drop(connection.await) });
                }
            }
        });
        Self { address, record }
    }

    /// An app that does not run: its address refuses connections.
    pub(crate) async fn absent() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("the loopback has a free port");
        Self {
            address: listener.local_addr().expect("it is bound"),
            record: Arc::default(),
        }
    }

    /// Every request that reached the app, oldest first.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        locked(&self.record.requests).clone()
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        locked(&self.record.requests).len()
    }

    /// The latest.
    pub(crate) fn last(&self) -> Seen {
        let requests = self.requests();
        requests.last().cloned().expect("a request reached the app")
    }

    /// Targets of the requests of a path.
    pub(crate) fn reached(&self, path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|seen| seen.path() == path)
            .count()
    }

    /// The app's side of every WebSocket.
    pub(crate) fn sockets(&self) -> Vec<Socket> {
        locked(&self.record.sockets).clone()
    }
}

/// Records a request as it arrives, and answers it.
async fn answer(
    record: Arc<Record>,
    behaviour: Arc<Behaviour>,
    mut request: Request<Incoming>,
) -> io::Result<Response<AppBody>> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, mut body) = request.into_parts();
    let index = {
        let mut requests = locked(&record.requests);
        requests.push(Seen {
            method: parts.method,
            target: parts.uri.to_string(),
            headers: parts.headers,
            body: Vec::new(),
            trailers: HeaderMap::new(),
        });
        requests.len() - 1
    };
    while let Some(frame) = body.frame().await {
        let seen = &mut locked(&record.requests)[index];
        match frame.map_err(io::Error::other)?.into_data() {
            Ok(data) => seen.body.extend_from_slice(&data),
            Err(frame) => seen
                .trailers
                .extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    let seen = locked(&record.requests)[index].clone();
    let answer = behaviour(&seen);
    if let Some(gate) = &answer.gate {
        gate.pass().await;
    }
    match answer.then {
        Then::Answer => {}
        then @ (Then::SpeakWebSocket | Then::TalkWebSocket) => {
            drop(tokio::spawn(speak(record, upgrade, then)));
        }
        Then::BreakOff => return Err(io::ErrorKind::ConnectionAborted.into()),
    }
    Ok(answer.into_response())
}

/// The app's side of a WebSocket: it says hello and remembers what it hears.
async fn speak(record: Arc<Record>, upgrade: hyper::upgrade::OnUpgrade, then: Then) {
    let Ok(upgraded) = upgrade.await else { return };
    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
    let index = {
        let mut sockets = locked(&record.sockets);
        sockets.push(Socket::default());
        sockets.len() - 1
    };
    // A text frame that is final and unmasked (RFC 6455, 5.2).
    if writer.write_all(b"\x81\x05hello").await.is_err() {
        return;
    }
    let mut buffer = [0; 1024];
    let hears = async {
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            let heard = &buffer[..read];
            locked(&record.sockets)[index]
                .received
                .extend_from_slice(heard);
        }
    };
    match then {
        Then::TalkWebSocket => tokio::select! {
            () = hears => {}
            () = talk(&mut writer) => {}
        },
        _ => hears.await,
    }
    locked(&record.sockets)[index].closed = true;
}

/// Sends frames until nobody takes them, the rest of each a moment after its beginning.
async fn talk(writer: &mut (impl AsyncWrite + Unpin)) {
    const PAUSE: Duration = Duration::from_millis(5);
    // A text frame of 126 bytes, with its length in two (RFC 6455, 5.2).
    let frame = [b"\x81\x7e\x00\x7e".as_slice(), &[b'.'; 126]].concat();
    let (beginning, rest) = frame.split_at(50);
    for piece in [beginning, rest].into_iter().cycle() {
        if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics while it holds this")
}

/// An app's own sessions: ids that it issued, and who is logged in. Ids are `S1`, `S2`, …
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, Option<String>>>>, Arc<Mutex<u32>>);

impl Sessions {
    /// Issues an id, of a user where one is logged in.
    pub(crate) fn create(&self, user: Option<&str>) -> String {
        let id = {
            let mut count = locked(&self.1);
            *count += 1;
            format!("S{count}")
        };
        locked(&self.0).insert(id.clone(), user.map(str::to_owned));
        id
    }

    /// Logs a user in under an id that stays.
    pub(crate) fn log_in(&self, id: &str, user: &str) {
        locked(&self.0).insert(id.to_owned(), Some(user.to_owned()));
    }

    /// Forgets an id.
    pub(crate) fn destroy(&self, id: &str) {
        locked(&self.0).remove(id);
    }

    /// Whether the app knows an id.
    pub(crate) fn knows(&self, id: &str) -> bool {
        locked(&self.0).contains_key(id)
    }

    /// Who is logged in under an id.
    pub(crate) fn user(&self, id: &str) -> Option<String> {
        locked(&self.0).get(id).cloned().flatten()
    }

    /// Who is logged in by a request's cookie of this name.
    pub(crate) fn user_of(&self, seen: &Seen, cookie: &str) -> Option<String> {
        self.user(seen.cookie(cookie)?)
    }
}

/// The plain app of the tests whose subject is not how applications differ: a login form at
/// `/login` whose users are their own passwords, logout at `/logout`, a WebSocket at `/ws`; all
/// else greets whoever is logged in by `JSESSIONID`. See `FORM_APP` for its policy.
pub(crate) fn form_app() -> impl Fn(&Seen) -> Answer + Send + Sync + 'static {
    let sessions = Sessions::default();
    move |seen| match (seen.method.as_str(), seen.path()) {
        ("POST", "/login") => {
            let user = seen.form("username").unwrap_or_default();
            if seen.form("password").as_deref() != Some(&*user) {
                return Answer::page("wrong password");
            }
            let id = sessions.create(Some(&user));
            Answer::redirect("/home").set_cookie(&format!("JSESSIONID={id}; Path=/; HttpOnly"))
        }
        ("GET", "/login") => Answer::page("<form>"),
        (_, "/logout") => {
            if let Some(id) = seen.cookie("JSESSIONID") {
                sessions.destroy(id);
            }
            Answer::redirect("/login").set_cookie("JSESSIONID=; Path=/; Max-Age=0")
        }
        (_, "/ws") => Answer::websocket(seen.header("sec-websocket-key").unwrap_or_default()),
        // Gives the session another id, as servlet containers do on `changeSessionId`.
        (_, "/rotate") => match sessions.user_of(seen, "JSESSIONID") {
            Some(user) => {
                sessions.destroy(seen.cookie("JSESSIONID").unwrap_or_default());
                let id = sessions.create(Some(&user));
                Answer::page("rotated").set_cookie(&format!("JSESSIONID={id}; Path=/; HttpOnly"))
            }
            None => Answer::redirect("/login"),
        },
        _ => match sessions.user_of(seen, "JSESSIONID") {
            Some(user) => Answer::page(&format!("hello {user}")),
            None => Answer::page("hello stranger"),
        },
    }
}

/// The policy of `form_app`, to which a test adds its routes.
pub(crate) const FORM_APP: &str = r#"
[[apps]]
name = "procurement"

[apps.session]
id = "cookie:JSESSIONID"

[[apps.logins]]
path = "/login"
page = "/login"
user = "form:username"
success = { status = [302], new_session = true }

[[apps.logouts]]
path = "/logout"
"#;
