//! What waits for a decision.

use super::{Shell, Tab, framed};
use crate::demo::app::accounts::Account;
use crate::demo::app::html::Text;
use crate::demo::app::requisitions::{Book, Requisition, Status};

/// The page of pending requisitions, for approvers.
pub(in crate::demo::app) fn approvals(account: Account, book: &Book) -> String {
    let mut cards = String::new();
    for requisition in book.in_status(Status::Pending) {
        cards.push_str(&card(requisition));
    }
    let content = if cards.is_empty() {
        NOTHING_PENDING.to_owned()
    } else {
        let total = book.total(Status::Pending);
        format!(
            r#"<p class="sub">{total} EUR wait for your decision.</p><ul class="decisions">{cards}</ul>"#
        )
    };
    let content = format!(
        r#"<div class="heading"><h1>Approvals</h1><a class="news" id="news" href="/approvals" hidden>New requisitions, show them</a></div>
{content}"#
    );
    framed(
        "Approvals",
        Shell::new(account, book, Tab::Approvals),
        &content,
    )
}

fn card(requisition: &Requisition) -> String {
    let Requisition {
        number,
        title,
        amount,
        requester,
        ..
    } = requisition;
    let (title, requester) = (Text(title), Text(requester));
    format!(
        r#"<li class="card decision">
<div><h2>{title}</h2><p class="sub">REQ-{number} · {requester}</p></div>
<p class="price">{amount} <small>EUR</small></p>
<form method="post" action="/approvals/{number}">
<button class="button" name="decision" value="approve">Approve<span class="unseen"> REQ-{number}</span></button>
<button class="button danger" name="decision" value="reject">Reject<span class="unseen"> REQ-{number}</span></button>
</form>
</li>
"#
    )
}

const NOTHING_PENDING: &str = r#"<section class="card empty"><h2>All decided</h2><p>Nothing waits for you. New requisitions appear here.</p></section>"#;
