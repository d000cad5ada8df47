//! One request's way: who asks, what for, and the answer.

use std::sync::Arc;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::accounts::Account;
use super::answer::{self, Answer, Refusal};
use super::feed;
use super::form::Form;
use super::pages::{self, Attempt, Draft, Shell, Tab};
use super::requisitions::{Decision, DecisionFault, Status};
use super::sessions::{SessionId, deletion_cookie};
use super::state::App;
use super::websocket;

const LOGIN: &str = "/login";
const REQUISITIONS: &str = "/requisitions";
const APPROVALS: &str = "/approvals";
/// One requisition's decision: its number follows.
const DECISIONS: &str = "/approvals/";

/// Who asks.
#[derive(Clone, Copy)]
struct Visitor {
    session: Option<SessionId>,
    account: Option<Account>,
}

impl Visitor {
    fn of(app: &App, headers: &HeaderMap) -> Self {
        let found = app.sessions().find(headers);
        Self {
            session: found.map(|(id, _)| id),
            account: found.and_then(|(_, account)| account),
        }
    }
}

/// What a method asks for; `HEAD` is a `GET` whose body hyper leaves out.
enum Verb {
    Get,
    Post,
    Other,
}

impl Verb {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Get,
            Method::POST => Self::Post,
            _ => Self::Other,
        }
    }
}

/// Answers one request.
pub(super) async fn answer(app: &Arc<App>, request: Request<Incoming>) -> Answer {
    let visitor = Visitor::of(app, request.headers());
    route(app, visitor, request)
        .await
        .unwrap_or_else(|refusal| refused(app, visitor, refusal))
}

async fn route(
    app: &Arc<App>,
    visitor: Visitor,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let path = request.uri().path().to_owned();
    match (Verb::of(request.method()), path.as_str()) {
        (Verb::Get, "/") => Ok(answer::found(REQUISITIONS)),
        (Verb::Get, LOGIN) => login(app, visitor, &Attempt::First),
        (Verb::Post, LOGIN) => sign_in(app, visitor, request).await,
        (Verb::Get | Verb::Post, "/logout") => Ok(sign_out(app, visitor)),
        (Verb::Get, REQUISITIONS) => requisitions(app, visitor),
        (Verb::Post, REQUISITIONS) => create(app, visitor, request).await,
        (Verb::Get, APPROVALS) => approvals(app, visitor),
        (Verb::Post, path) if path.starts_with(DECISIONS) => {
            decide(app, visitor, &path[DECISIONS.len()..], request).await
        }
        (Verb::Get, "/api/poll") => Ok(poll(app, visitor)),
        (Verb::Get, "/ws") => ticker(app, visitor, request),
        (Verb::Get, "/assets/app.css") => Ok(answer::asset(
            "text/css; charset=utf-8",
            include_str!("assets/app.css"),
        )),
        (Verb::Get, "/assets/app.js") => Ok(answer::asset(
            "text/javascript; charset=utf-8",
            include_str!("assets/app.js"),
        )),
        (Verb::Get, "/assets/icon.svg") => Ok(answer::asset(
            "image/svg+xml",
            include_str!("assets/icon.svg"),
        )),
        (_, path) => Err(elsewhere(path)),
    }
}

/// Why no route took the request: its method, or its path.
fn elsewhere(path: &str) -> Refusal {
    match path {
        LOGIN | REQUISITIONS | "/logout" => Refusal::WrongMethod("GET, HEAD, POST"),
        "/" | APPROVALS | "/api/poll" | "/ws" => Refusal::WrongMethod("GET, HEAD"),
        "/assets/app.css" | "/assets/app.js" | "/assets/icon.svg" => {
            Refusal::WrongMethod("GET, HEAD")
        }
        path if path.starts_with(DECISIONS) => Refusal::WrongMethod("POST"),
        _ => Refusal::NotFound,
    }
}

fn login(app: &App, visitor: Visitor, attempt: &Attempt<'_>) -> Result<Answer, Refusal> {
    let page = answer::page(StatusCode::OK, pages::login(attempt));
    with_session(app, visitor, page)
}

async fn sign_in(
    app: &App,
    visitor: Visitor,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let form = Form::read(request.into_body()).await?;
    let username = form.field("username");
    let Some(account) = Account::authenticate(&username, &form.secret("password")) else {
        return login(
            app,
            visitor,
            &Attempt::Failed {
                username: &username,
            },
        );
    };
    let fresh = SessionId::random().ok_or(Refusal::Overloaded)?;
    app.sessions().sign_in(visitor.session, fresh, account);
    let mut answer = answer::found(REQUISITIONS);
    answer.headers_mut().append(SET_COOKIE, fresh.set_cookie());
    Ok(answer)
}

fn sign_out(app: &App, visitor: Visitor) -> Answer {
    if let Some(session) = visitor.session {
        app.sessions().end(session);
    }
    let mut answer = answer::found(LOGIN);
    answer.headers_mut().append(SET_COOKIE, deletion_cookie());
    answer
}

fn requisitions(app: &App, visitor: Visitor) -> Result<Answer, Refusal> {
    let Some(account) = visitor.account else {
        return to_login(app, visitor);
    };
    let html = pages::requisitions(account, &app.book(), &Draft::default());
    Ok(answer::page(StatusCode::OK, html))
}

async fn create(
    app: &App,
    visitor: Visitor,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let Some(account) = visitor.account else {
        return to_login(app, visitor);
    };
    let form = Form::read(request.into_body()).await?;
    let (title, amount) = (form.field("title"), form.field("amount"));
    let mut book = app.book();
    let Err(fault) = book.request(&title, &amount, account.label()) else {
        return Ok(answer::see_other(REQUISITIONS));
    };
    let draft = Draft {
        title: &title,
        amount: &amount,
        fault: Some(fault),
    };
    let html = pages::requisitions(account, &book, &draft);
    Ok(answer::page(StatusCode::UNPROCESSABLE_ENTITY, html))
}

fn approvals(app: &App, visitor: Visitor) -> Result<Answer, Refusal> {
    let Some(account) = visitor.account else {
        return to_login(app, visitor);
    };
    if !account.may_approve() {
        return Err(Refusal::Forbidden);
    }
    let html = pages::approvals(account, &app.book());
    Ok(answer::page(StatusCode::OK, html))
}

async fn decide(
    app: &App,
    visitor: Visitor,
    number: &str,
    request: Request<Incoming>,
) -> Result<Answer, Refusal> {
    let Some(account) = visitor.account else {
        return to_login(app, visitor);
    };
    if !account.may_approve() {
        return Err(Refusal::Forbidden);
    }
    let number = number.parse().map_err(|_| Refusal::NotFound)?;
    let form = Form::read(request.into_body()).await?;
    let decision = Decision::parse(&form.field("decision")).ok_or(Refusal::BrokenForm)?;
    match app.book().decide(number, decision) {
        Ok(()) => Ok(answer::see_other(APPROVALS)),
        Err(DecisionFault::Absent) => Err(Refusal::NotFound),
        Err(DecisionFault::Decided) => Err(Refusal::AlreadyDecided),
    }
}

fn poll(app: &App, visitor: Visitor) -> Answer {
    if visitor.account.is_none() {
        return answer::not_signed_in();
    }
    let book = app.book();
    let news = serde_json::json!({
        "pending": book.in_status(Status::Pending).count(),
        "latest": book.latest(),
    });
    answer::json(StatusCode::OK, &news)
}

fn ticker(app: &Arc<App>, visitor: Visitor, request: Request<Incoming>) -> Result<Answer, Refusal> {
    if visitor.account.is_none() {
        return Ok(answer::not_signed_in());
    }
    if request.method() != Method::GET {
        return Err(Refusal::NotWebSocket);
    }
    let accept = websocket::accept(request.headers()).ok_or(Refusal::NotWebSocket)?;
    let permit = Arc::clone(app.tickers())
        .try_acquire_owned()
        .map_err(|_| Refusal::Overloaded)?;
    let upgrade = hyper::upgrade::on(request);
    let prices = app.prices();
    app.tasks()
        .spawn(feed::serve(upgrade, prices, app.stop().clone(), permit));
    Ok(answer::websocket(accept))
}

/// Sends a visitor without a login to the login page.
fn to_login(app: &App, visitor: Visitor) -> Result<Answer, Refusal> {
    with_session(app, visitor, answer::found(LOGIN))
}

/// Gives a visitor without a session one, as servlet containers do at the first page.
fn with_session(app: &App, visitor: Visitor, mut answer: Answer) -> Result<Answer, Refusal> {
    if visitor.session.is_none() {
        let id = SessionId::random().ok_or(Refusal::Overloaded)?;
        app.sessions().visit(id);
        answer.headers_mut().append(SET_COOKIE, id.set_cookie());
    }
    Ok(answer)
}

fn refused(app: &App, visitor: Visitor, refusal: Refusal) -> Answer {
    let shell = visitor
        .account
        .map(|account| Shell::new(account, &app.book(), Tab::None));
    let html = pages::refusal(refusal.title(), refusal.advice(), shell);
    answer::refused(refusal, html)
}
