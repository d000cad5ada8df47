//! A browser, as far as these tests need one: it keeps cookies by name and Path, sends each where its
//! Path covers the address, follows a redirect when asked, and fills in Tomcat's login form.

use std::net::SocketAddr;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// The longest that one exchange may take: a JSP is compiled when it is first asked for.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// Where requests go to.
#[derive(Clone)]
pub(crate) struct Line {
    runtime: Handle,
    address: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A cookie jar and an address bar.
pub(crate) struct Browser {
    line: Line,
    jar: Vec<Cookie>,
    /// Where it is: relative addresses start here.
    at: String,
}

struct Cookie {
    name: String,
    path: String,
    value: String,
}

impl Line {
    pub(crate) fn new(runtime: Handle, address: SocketAddr) -> Self {
        Self { runtime, address }
    }

    /// Sends one request on a connection of its own, exactly as it stands.
    pub(crate) fn send(&self, request: Request<String>) -> Answer {
        let exchange = exchange(self.address, request);
        self.runtime
            .block_on(async { timeout(ANSWER_MAX, exchange).await })
            .expect("an answer comes in time")
    }
}

async fn exchange(address: SocketAddr, mut request: Request<String>) -> Answer {
    let host = "shop.test".parse().expect("it is a host's name");
    request.headers_mut().insert(HOST, host);
    let stream = TcpStream::connect(address)
        .await
        .expect("somebody listens there");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("a new connection is usable");
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.expect("an answer comes");
    let (parts, body) = answer.into_parts();
    let body = body
        .collect()
        .await
        .expect("the answer is whole")
        .to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

impl Answer {
    /// The title of the page; empty where it has none.
    pub(crate) fn title(&self) -> &str {
        between(&self.body, "<title>", "</title>").unwrap_or_default()
    }

    /// The machine-readable code of a gateway's refusal; empty where it is no problem document.
    pub(crate) fn code(&self) -> String {
        serde_json::from_str::<serde_json::Value>(&self.body)
            .ok()
            .and_then(|problem| Some(problem.get("code")?.as_str()?.to_owned()))
            .unwrap_or_default()
    }

    /// The Set-Cookie headers.
    pub(crate) fn sets(&self) -> Vec<&str> {
        let all = self.headers.get_all(SET_COOKIE).iter();
        all.map(|value| value.to_str().expect("cookies here are ASCII"))
            .collect()
    }

    fn location(&self) -> &str {
        self.headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .unwrap_or_else(|| panic!("no redirect: {self:?}"))
    }
}

impl Browser {
    pub(crate) fn new(line: Line) -> Self {
        Self {
            line,
            jar: Vec::new(),
            at: "/".to_owned(),
        }
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, target: &str) -> Answer {
        self.navigate(Method::GET, target, String::new())
    }

    /// Sends a form.
    pub(crate) fn submit(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.navigate(Method::POST, target, form)
    }

    /// Has a script of the page ask for something.
    pub(crate) fn fetch(&mut self, method: Method, target: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(ACCEPT, "application/json")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty");
        self.send(request, target, String::new())
    }

    /// Goes where a redirect leads.
    pub(crate) fn follow(&mut self, redirect: &Answer) -> Answer {
        let target = resolve(&self.at, redirect.location());
        self.open(&target)
    }

    /// Fills in the login form of the page it is at, and sends it.
    pub(crate) fn fill_in(&mut self, form: &Answer, user: &str, password: &str) -> Answer {
        let action = between(&form.body, "action='", "'")
            .unwrap_or_else(|| panic!("no login form: {form:?}"));
        let target = resolve(&self.at, action);
        self.submit(&target, &[("j_username", user), ("j_password", password)])
    }

    /// The session id it would send to the examples; empty where it has none.
    pub(crate) fn id(&self) -> String {
        let id = self.jar.iter().find(|cookie| cookie.name == "JSESSIONID");
        id.map_or(String::new(), |cookie| cookie.value.clone())
    }

    /// Has it keep an id that it would send to the examples, whatever it was told about it.
    pub(crate) fn keep(&mut self, id: &str) {
        self.store(&format!("JSESSIONID={id}; Path=/examples"), "/");
    }

    /// The Cookie header for an address.
    pub(crate) fn cookies_for(&self, target: &str) -> String {
        let path = target.split('?').next().unwrap_or(target);
        let fitting = self.jar.iter().filter(|cookie| covers(&cookie.path, path));
        fitting
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn navigate(&mut self, method: Method, target: &str, form: String) -> Answer {
        target.clone_into(&mut self.at);
        let mut request = Request::builder()
            .uri(target)
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document");
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        self.send(request.method(method), target, form)
    }

    fn send(&mut self, request: http::request::Builder, target: &str, body: String) -> Answer {
        let cookies = self.cookies_for(target);
        let request = if cookies.is_empty() {
            request
        } else {
            request.header(COOKIE, cookies)
        };
        let request = request.body(body).expect("the head is well-formed");
        let answer = self.line.send(request);
        for set in answer.sets() {
            self.store(set, target);
        }
        answer
    }

    /// Takes in one Set-Cookie (RFC 6265, 5.3).
    fn store(&mut self, set: &str, target: &str) {
        let mut parts = set.split(';').map(str::trim);
        let (name, value) = parts
            .next()
            .and_then(|pair| pair.split_once('='))
            .expect("a cookie has a name");
        let attribute = |wanted: &str| {
            let mut attributes = set
                .split(';')
                .skip(1)
                .map(|part| part.trim().split_once('='));
            attributes.find_map(|part| part.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)))
        };
        let path = attribute("path").map_or_else(|| directory(target), |(_, path)| path);
        self.jar
            .retain(|cookie| (&*cookie.name, &*cookie.path) != (name, path));
        if attribute("max-age").is_none_or(|(_, seconds)| seconds != "0") {
            self.jar.push(Cookie {
                name: name.to_owned(),
                path: path.to_owned(),
                value: value.to_owned(),
            });
        }
    }
}

/// Whether a cookie of this Path is sent to this path (RFC 6265, 5.1.4).
fn covers(cookie: &str, path: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

/// A path up to its last slash, without it, as a cookie's default Path.
fn directory(target: &str) -> &str {
    let path = target.split(['?', ';']).next().unwrap_or(target);
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

/// What an address on a page means (RFC 3986, 5.2, without dot segments, which Tomcat does not write).
fn resolve(base: &str, address: &str) -> String {
    if address.starts_with('/') {
        return address.to_owned();
    }
    assert!(!address.contains("://"), "it leads elsewhere: {address}");
    let path = base.split('?').next().unwrap_or(base);
    let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
    format!("{folder}{address}")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
