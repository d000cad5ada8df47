//! The application over a real socket, as a browser meets it.

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, LOCATION,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SET_COOKIE, UPGRADE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The application, served for one test.
struct Site {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Site {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(super::serve(listener, stop.clone()));
        Self {
            address,
            stop,
            served,
        }
    }

    async fn browser(&self) -> Browser {
        let socket = TcpStream::connect(self.address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        Browser {
            sender,
            cookie: None,
        }
    }
}

/// One connection and the cookie it was given.
struct Browser {
    sender: SendRequest<Full<Bytes>>,
    cookie: Option<String>,
}

/// What came back.
struct Page {
    head: http::response::Parts,
    text: String,
}

impl Page {
    fn header(&self, name: HeaderName) -> &str {
        self.head
            .headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Browser {
    async fn get(&mut self, path: &str) -> Page {
        self.request(Method::GET, path, "").await
    }

    async fn post(&mut self, path: &str, form: impl Into<Bytes>) -> Page {
        self.request(Method::POST, path, form).await
    }

    async fn sign_in(&mut self, username: &str) -> Page {
        let form = format!("username={username}&password={username}");
        self.post("/login", form).await
    }

    async fn request(&mut self, method: Method, path: &str, form: impl Into<Bytes>) -> Page {
        let request = Request::builder().method(method).uri(path);
        let (head, body) = self.send(request, form.into()).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Page { head, text }
    }

    async fn send(
        &mut self,
        mut request: http::request::Builder,
        body: Bytes,
    ) -> Response<hyper::body::Incoming> {
        if let Some(cookie) = &self.cookie {
            request = request.header(COOKIE, cookie);
        }
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(body))
            .unwrap();
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        if let Some(value) = response.headers().get(SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            self.cookie = Some(pair.to_owned());
        }
        response
    }
}

#[tokio::test]
async fn a_login_gives_a_new_id_and_the_old_one_is_worth_nothing() {
    let site = Site::open().await;
    let mut browser = site.browser().await;

    let page = browser.get("/login").await;
    assert_eq!(page.head.status, StatusCode::OK);
    assert!(page.header(SET_COOKIE).ends_with("; Path=/; HttpOnly"));
    let anonymous = browser.cookie.clone().unwrap();
    assert_eq!(anonymous.len(), "JSESSIONID=".len() + 32);
    assert_eq!(browser.get("/login").await.header(SET_COOKIE), "");

    let page = browser.sign_in("buyer").await;
    assert_eq!(page.head.status, StatusCode::FOUND);
    assert_eq!(page.header(LOCATION), "/requisitions");
    let signed_in = browser.cookie.clone().unwrap();
    assert_ne!(signed_in, anonymous);
    assert_eq!(
        browser.get("/requisitions").await.head.status,
        StatusCode::OK
    );

    browser.cookie = Some(anonymous.clone());
    let page = browser.get("/requisitions").await;
    assert_eq!(page.head.status, StatusCode::FOUND);
    assert_eq!(page.header(LOCATION), "/login");
    let another = browser.cookie.clone().unwrap();
    assert!(another != anonymous && another != signed_in);
}

#[tokio::test]
async fn a_failed_login_stays_on_the_page_with_its_id_and_says_so() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    browser.get("/login").await;
    let anonymous = browser.cookie.clone();

    let page = browser.post("/login", "username=buyer%22&password=x").await;
    assert_eq!(page.head.status, StatusCode::OK);
    assert_eq!(page.header(SET_COOKIE), "");
    assert!(page.text.contains("User name or password is wrong."));
    assert!(page.text.contains(r#"value="buyer&quot;""#));
    assert_eq!(browser.cookie, anonymous);
    assert_eq!(
        browser.get("/api/poll").await.head.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_logout_kills_the_id_and_deletes_the_cookie() {
    let site = Site::open().await;
    for method in [Method::GET, Method::POST] {
        let mut browser = site.browser().await;
        browser.sign_in("buyer").await;
        let signed_in = browser.cookie.clone();
        assert_eq!(browser.get("/api/poll").await.head.status, StatusCode::OK);

        let page = browser.request(method, "/logout", "").await;
        assert_eq!(page.head.status, StatusCode::FOUND);
        assert_eq!(page.header(LOCATION), "/login");
        assert!(
            page.header(SET_COOKIE)
                .starts_with("JSESSIONID=; Max-Age=0;")
        );

        browser.cookie = signed_in;
        let page = browser.get("/api/poll").await;
        assert_eq!(page.head.status, StatusCode::UNAUTHORIZED);
        assert_eq!(page.header(CONTENT_TYPE), "application/json");
        assert!(page.text.contains("You are not signed in"));
    }
}

#[tokio::test]
async fn a_buyer_asks_and_only_an_approver_decides() {
    let site = Site::open().await;
    let (mut buyer, mut approver) = (site.browser().await, site.browser().await);
    buyer.sign_in("buyer").await;
    approver.sign_in("approver").await;
    let before = news(&mut buyer).await;

    let page = buyer
        .post("/requisitions", "title=Toner+%3Cb%3E&amount=80")
        .await;
    assert_eq!(page.head.status, StatusCode::SEE_OTHER);
    assert_eq!(page.header(LOCATION), "/requisitions");
    assert!(
        buyer
            .get("/requisitions")
            .await
            .text
            .contains("Toner &lt;b&gt;")
    );
    let after = news(&mut buyer).await;
    assert_eq!(after["pending"], before["pending"].as_u64().unwrap() + 1);
    assert_eq!(after["latest"], before["latest"].as_u64().unwrap() + 1);

    let decision = format!("/approvals/{}", after["latest"]);
    for (path, method) in [("/approvals", Method::GET), (&*decision, Method::POST)] {
        let page = buyer.request(method, path, "decision=approve").await;
        assert_eq!(page.head.status, StatusCode::FORBIDDEN, "{path}");
        assert!(page.text.contains("Approvers only"));
    }

    assert!(
        approver
            .get("/approvals")
            .await
            .text
            .contains("Toner &lt;b&gt;")
    );
    let page = approver.post(&decision, "decision=approve").await;
    assert_eq!(page.head.status, StatusCode::SEE_OTHER);
    assert_eq!(page.header(LOCATION), "/approvals");
    assert_eq!(news(&mut buyer).await["pending"], before["pending"]);
    let page = approver.post(&decision, "decision=reject").await;
    assert_eq!(page.head.status, StatusCode::CONFLICT);
}

async fn news(browser: &mut Browser) -> serde_json::Value {
    serde_json::from_str(&browser.get("/api/poll").await.text).unwrap()
}

#[tokio::test]
async fn a_requisition_that_is_not_taken_comes_back_as_it_was_typed() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    browser.sign_in("buyer").await;
    let page = browser
        .post("/requisitions", "title=Toner&amount=cheap")
        .await;
    assert_eq!(page.head.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.text.contains(r#"value="Toner""#) && page.text.contains(r#"value="cheap""#));
}

#[tokio::test]
async fn without_a_login_every_page_leads_to_it() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    for (method, path, location) in [
        (Method::GET, "/", "/requisitions"),
        (Method::GET, "/requisitions", "/login"),
        (Method::HEAD, "/requisitions", "/login"),
        (Method::POST, "/requisitions", "/login"),
        (Method::GET, "/approvals", "/login"),
        (Method::POST, "/approvals/1041", "/login"),
    ] {
        let page = browser.request(method.clone(), path, "").await;
        assert_eq!(page.head.status, StatusCode::FOUND, "{method} {path}");
        assert_eq!(page.header(LOCATION), location, "{method} {path}");
        assert_eq!(page.header(CONTENT_LENGTH), "0", "{method} {path}");
    }
    let page = browser.get("/ws").await;
    assert_eq!(page.head.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_meant_is_said() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    browser.sign_in("approver").await;
    for (method, path, status, allow) in [
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND, ""),
        (Method::GET, "/favicon.ico", StatusCode::NOT_FOUND, ""),
        (Method::POST, "/approvals/99", StatusCode::BAD_REQUEST, ""),
        (Method::POST, "/approvals/x", StatusCode::NOT_FOUND, ""),
        (
            Method::GET,
            "/approvals/99",
            StatusCode::METHOD_NOT_ALLOWED,
            "POST",
        ),
        (
            Method::PUT,
            "/login",
            StatusCode::METHOD_NOT_ALLOWED,
            "GET, HEAD, POST",
        ),
        (
            Method::POST,
            "/api/poll",
            StatusCode::METHOD_NOT_ALLOWED,
            "GET, HEAD",
        ),
        (Method::GET, "/ws", StatusCode::UPGRADE_REQUIRED, ""),
    ] {
        let page = browser.request(method.clone(), path, "").await;
        assert_eq!(page.head.status, status, "{method} {path}");
        assert_eq!(page.header(ALLOW), allow, "{method} {path}");
        assert_eq!(page.header(CACHE_CONTROL), "no-store", "{method} {path}");
        assert_eq!(page.header(CONTENT_LENGTH), page.text.len().to_string());
    }
    let page = browser.post("/approvals/99", "decision=approve").await;
    assert_eq!(page.head.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_form_beyond_the_bound_is_refused() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    let page = browser.post("/login", vec![b'a'; 64 * 1024 + 1]).await;
    assert_eq!(page.head.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn style_script_and_icon_are_for_everybody_and_give_no_id() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    for (path, content_type) in [
        ("/assets/app.css", "text/css; charset=utf-8"),
        ("/assets/app.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.head.status, StatusCode::OK, "{path}");
        assert_eq!(page.header(CONTENT_TYPE), content_type);
        assert_eq!(page.header(SET_COOKIE), "");
    }
}

#[tokio::test]
async fn the_ticker_sends_prices_answers_pings_and_ends_with_the_application() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    browser.sign_in("buyer").await;
    let request = Request::builder()
        .uri("/ws")
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ==");
    let response = browser.send(request, Bytes::new()).await;
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(
        response.headers()[SEC_WEBSOCKET_ACCEPT],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    let mut socket = TokioIo::new(hyper::upgrade::on(response).await.unwrap());

    let (opcode, payload) = frame(&mut socket).await;
    assert_eq!(opcode, 0x81);
    let prices: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(prices["quotes"][0]["name"], "Steel");

    socket
        .write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i'])
        .await
        .unwrap();
    assert_eq!(until(&mut socket, 0x8A).await, b"hi");

    site.stop.cancel();
    assert_eq!(until(&mut socket, 0x88).await, 1001_u16.to_be_bytes());
    assert_eq!(socket.read(&mut [0]).await.unwrap(), 0);
    site.served.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_the_application_from_ending() {
    let site = Site::open().await;
    let mut browser = site.browser().await;
    browser.get("/login").await;
    site.stop.cancel();
    site.served.await.unwrap();
    let request = Request::new(Full::default());
    assert!(browser.sender.send_request(request).await.is_err());
}

type Socket = TokioIo<hyper::upgrade::Upgraded>;

/// The next frame's first byte and its payload.
async fn frame(socket: &mut Socket) -> (u8, Vec<u8>) {
    let first = socket.read_u8().await.unwrap();
    let length = match socket.read_u8().await.unwrap() {
        126 => usize::from(socket.read_u16().await.unwrap()),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    socket.read_exact(&mut payload).await.unwrap();
    (first, payload)
}

/// The payload of the next frame with that first byte.
async fn until(socket: &mut Socket, first: u8) -> Vec<u8> {
    loop {
        let (came, payload) = frame(socket).await;
        if came == first {
            return payload;
        }
    }
}
