//! A browser: it keeps cookies, and says of itself whether it opens a page or runs a script.
//! Each request has a connection of its own.

use std::net::SocketAddr;

use bytes::Bytes;
use curfew::clock::Clock;
use http::{HeaderMap, Request, Response, StatusCode, request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::jar::Jar;
use super::soon;
use super::tls::{Authority, shake_hands};

/// The host that tests ask for.
pub(crate) const HOST: &str = "procure.example.com";

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;

/// One browser; a clone is the same with its cookies of that moment.
#[derive(Clone)]
pub(crate) struct Browser {
    pub(crate) address: SocketAddr,
    tls: Option<TlsConnector>,
    pub(crate) jar: Jar,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Page {
    /// The body.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    /// All Set-Cookies.
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all("set-cookie").iter();
        all.filter_map(|value| value.to_str().ok()).collect()
    }

    /// Why the gateway refused, in its own machine-readable word; empty where the app answered.
    pub(crate) fn refusal(&self) -> &str {
        let verdict = self.header("curfew-verdict");
        verdict.strip_prefix("refuse; code=").unwrap_or("")
    }
}

impl Browser {
    pub(crate) fn at(address: SocketAddr, clock: Clock) -> Self {
        Self {
            address,
            tls: None,
            jar: Jar::new(clock),
        }
    }

    /// The same browser, speaking TLS to whom this authority vouches for.
    pub(crate) fn trusting(mut self, authority: &Authority) -> Self {
        self.tls = Some(authority.connector());
        self.jar.over_tls();
        self
    }

    /// The same browser with the same cookies, whose host is at another address from now on.
    pub(crate) fn moved_to(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Opens a page, and stays where the answer says.
    pub(crate) async fn open(&mut self, target: &str) -> Page {
        let request = navigation(self.request("GET", target));
        self.keep(target, request, "").await
    }

    /// Opens a page, and follows wherever it leads.
    pub(crate) async fn visit(&mut self, target: &str) -> Page {
        let page = self.open(target).await;
        self.follow(page).await
    }

    /// Follows the redirects of an answer.
    pub(crate) async fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..REDIRECTS_MAX {
            if !page.status.is_redirection() {
                return page;
            }
            let target = page.header("location").to_owned();
            page = self.open(&target).await;
        }
        panic!("redirected more than {REDIRECTS_MAX} times, last {page:?}");
    }

    /// Sends a form, as a page does, and stays where the answer says.
    pub(crate) async fn submit(&mut self, target: &str, form: &str) -> Page {
        let request = navigation(self.request("POST", target))
            .header("content-type", "application/x-www-form-urlencoded");
        self.keep(target, request, form).await
    }

    /// What a script of a page asks for.
    pub(crate) async fn fetch(&mut self, target: &str) -> Page {
        let request = script(self.request("GET", target));
        self.keep(target, request, "").await
    }

    /// What a script of a page sends.
    pub(crate) async fn post_json(&mut self, target: &str, value: &Value) -> Page {
        let request =
            script(self.request("POST", target)).header("content-type", "application/json");
        self.keep(target, request, &value.to_string()).await
    }

    /// Asks with this method, as a program does, with the cookies of the jar.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, body: &str) -> Page {
        let request = self.request(method, target);
        self.keep(target, request, body).await
    }

    /// Asks for something that is not in the jar's hands, as a program does.
    pub(crate) async fn get(&self, target: &str) -> Page {
        self.send(self.request("GET", target), "").await
    }

    /// The head of a request, with nothing but the host.
    pub(crate) fn request(&self, method: &str, target: &str) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(target)
            .header("host", HOST)
    }

    /// Sends a request that the test wrote, and leaves the jar alone.
    pub(crate) async fn send(&self, request: request::Builder, body: impl Into<Bytes>) -> Page {
        let request = request.body(Full::new(body.into()));
        let request = request.expect("a test writes a request");
        let answer = soon("an answer", self.answer(request)).await;
        let (parts, body) = answer.into_parts();
        let body = soon("the end of an answer", body.collect()).await;
        Page {
            status: parts.status,
            headers: parts.headers,
            body: body.expect("the answer is whole").to_bytes(),
        }
    }

    /// Opens something whose body does not end by itself.
    pub(crate) async fn stream(&self, target: &str) -> Response<Incoming> {
        let mut request = script(self.request("GET", target));
        if let Some(cookies) = self.jar.header(HOST, path(target)) {
            request = request.header("cookie", cookies);
        }
        let request = request.body(Full::default());
        let request = request.expect("a test writes a request");
        soon("an answer", self.answer(request)).await
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        match &self.tls {
            Some(tls) => exchange(shake_hands(tls, self.address).await, request).await,
            None => {
                let stream = TcpStream::connect(self.address).await;
                exchange(stream.expect("it listens"), request).await
            }
        }
    }

    /// Sends a request with the jar's cookies, and keeps those of the answer.
    pub(crate) async fn keep(
        &mut self,
        target: &str,
        mut request: request::Builder,
        body: &str,
    ) -> Page {
        if let Some(cookies) = self.jar.header(HOST, path(target)) {
            request = request.header("cookie", cookies);
        }
        let page = self.send(request, body.to_owned()).await;
        self.jar.take(HOST, path(target), &page.headers);
        page
    }

    /// Logs in at `form_app`; the user is his own password.
    pub(crate) async fn log_in(&mut self, user: &str) {
        let form = format!("username={user}&password={user}");
        let page = self.submit("/login", &form).await;
        assert_eq!(page.status, 302, "{}", page.text());
    }
}

/// What a browser says when it opens a page.
pub(crate) fn navigation(request: request::Builder) -> request::Builder {
    request
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .header("sec-fetch-site", "same-origin")
}

/// What a browser says when a script asks.
pub(crate) fn script(request: request::Builder) -> request::Builder {
    request
        .header("accept", "*/*")
        .header("sec-fetch-mode", "cors")
        .header("sec-fetch-dest", "empty")
        .header("sec-fetch-site", "same-origin")
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Response<Incoming>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("a fresh connection is ready");
    // However it ends, the answer tells.
    tokio::spawn(async move { drop(connection.await) });
    let answer = sender.send_request(request).await;
    answer.expect("the gateway answers")
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or(target)
}
