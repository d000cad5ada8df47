//! The pages, as HTML. What a person typed goes through [`Text`], everything else is ours.

mod approvals;
mod requisitions;

use super::accounts::Account;
use super::html::Text;
use super::requisitions::{Book, Fault, Status};

pub(super) use approvals::approvals;
pub(super) use requisitions::requisitions;

/// The part of the navigation that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Requisitions,
    Approvals,
    None,
}

/// What the frame around a signed-in person's page shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shell {
    account: Account,
    tab: Tab,
    pending: usize,
    latest: u32,
}

impl Shell {
    pub(super) fn new(account: Account, book: &Book, tab: Tab) -> Self {
        Self {
            account,
            tab,
            pending: book.in_status(Status::Pending).count(),
            latest: book.latest(),
        }
    }
}

/// What was typed into the form of a requisition that was not taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) title: &'a str,
    pub(super) amount: &'a str,
    pub(super) fault: Option<Fault>,
}

/// Why the login page is shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt<'a> {
    /// Somebody wants to sign in.
    First,
    /// Name and password did not fit.
    Failed { username: &'a str },
}

/// The login page.
pub(super) fn login(attempt: &Attempt<'_>) -> String {
    let (error, username) = match attempt {
        Attempt::First => ("", ""),
        Attempt::Failed { username } => (
            r#"<p class="error" role="alert">User name or password is wrong.</p>"#,
            *username,
        ),
    };
    let username = Text(username);
    let body = format!(
        r#"<main class="gate" id="main">
<section class="pitch" aria-label="About Stockroom">
{BRAND}
<div>
<p class="lead">From “we need one” to “it is on its way”.</p>
<p>Requisitions, approvals and the prices that move them, in one place.</p>
</div>
<p class="fine">A demonstration. Nothing here is ordered.</p>
</section>
<section class="entry">
<form class="card stack" method="post" action="/login">
<h1>Sign in</h1>
{error}
<label class="field">User name
<input name="username" value="{username}" autocomplete="username" autocapitalize="none" spellcheck="false" required autofocus></label>
<label class="field">Password
<input name="password" type="password" autocomplete="current-password" required></label>
<button class="button wide" type="submit">Sign in</button>
</form>
<section class="accounts" aria-labelledby="accounts">
<h2 id="accounts">Demo accounts</h2>
<dl>
<div><dt>buyer / buyer</dt><dd>asks for things</dd><dd><button class="button quiet" type="button" data-account="buyer" hidden>Use<span class="unseen"> buyer</span></button></dd></div>
<div><dt>approver / approver</dt><dd>decides on them</dd><dd><button class="button quiet" type="button" data-account="approver" hidden>Use<span class="unseen"> approver</span></button></dd></div>
</dl>
</section>
</section>
</main>"#
    );
    document("Sign in", "", &body)
}

/// The page that says why something is not done.
pub(super) fn refusal(title: &str, advice: &str, shell: Option<Shell>) -> String {
    let (heading, advice) = (Text(title), Text(advice));
    let content = format!(
        r#"<section class="card empty">
<h1>{heading}</h1>
<p>{advice}</p>
<p><a class="button" href="/requisitions">Go to the requisitions</a></p>
</section>"#
    );
    match shell {
        Some(shell) => framed(title, shell, &content),
        None => document(
            title,
            "",
            &format!(r#"<main class="content narrow" id="main">{content}</main>"#),
        ),
    }
}

/// A page inside the frame of a signed-in person: navigation, prices, notices.
fn framed(title: &str, shell: Shell, content: &str) -> String {
    let Shell {
        account,
        tab,
        pending,
        latest,
    } = shell;
    let current = |this: Tab| {
        if this == tab {
            r#" aria-current="page""#
        } else {
            ""
        }
    };
    let (on_requisitions, on_approvals) = (current(Tab::Requisitions), current(Tab::Approvals));
    let (name, initial) = (Text(account.label()), &account.label()[..1]);
    let username = account.username();
    let body = format!(
        r##"<a class="skip" href="#main">Skip to the content</a>
<header class="top">
<div class="bar">
{BRAND}
<nav aria-label="Main">
<a href="/requisitions"{on_requisitions}>Requisitions</a>
<a href="/approvals"{on_approvals}>Approvals <span class="badge"><span id="pending">{pending}</span><span class="unseen"> pending</span></span></a>
</nav>
<div class="person"><span class="avatar {username}" aria-hidden="true">{initial}</span><span>{name}</span>
<form method="post" action="/logout"><button class="button quiet" type="submit">Sign out</button></form></div>
</div>
</header>
<section class="ticker" aria-label="Market prices">
<ul id="quotes" tabindex="0"><li class="waiting">Waiting for prices</li></ul>
<p id="feed" data-state="waiting"><span role="status">Connecting</span> <button class="button quiet" type="button" hidden>Reconnect</button></p>
</section>
<div class="notice" id="notice" role="alert" hidden></div>
<main class="content" id="main">{content}</main>
<footer>Stockroom 4.2 · a demonstration, nothing here is ordered</footer>"##
    );
    document(title, &format!(r#" data-latest="{latest}""#), &body)
}

/// A whole document; `attributes` go to its body.
fn document(title: &str, attributes: &str, body: &str) -> String {
    let title = Text(title);
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · Stockroom</title>
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/assets/app.css">
<script src="/assets/app.js" defer></script>
</head>
<body{attributes}>
{body}
</body>
</html>
"#
    )
}

const BRAND: &str = r#"<a class="brand" href="/requisitions"><svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true"><path d="M16 3 28 9v14l-12 6L4 23V9z" class="box"/><path d="M4 9l12 6 12-6M16 15v14" class="edge"/></svg>Stockroom</a>"#;

#[cfg(test)]
mod tests {
    use super::{Attempt, Draft, login, requisitions};
    use crate::demo::app::accounts::Account;
    use crate::demo::app::requisitions::{Book, Fault};

    const HOSTILE: &str = r#""><script>alert('x')</script>"#;

    #[test]
    fn what_was_typed_comes_back_as_text() {
        let failed = login(&Attempt::Failed { username: HOSTILE });
        let mut book = Book::with_samples();
        book.request(HOSTILE, "1", "Buyer").unwrap();
        let draft = Draft {
            title: HOSTILE,
            amount: HOSTILE,
            fault: Some(Fault::Amount),
        };
        let listed = requisitions(Account::Buyer, &book, &draft);
        for page in [failed, listed] {
            assert!(!page.contains("<script>"), "{page}");
            assert!(
                page.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)"),
                "{page}"
            );
        }
    }
}
