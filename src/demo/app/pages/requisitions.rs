//! The list of requisitions and the form for a new one.

use std::fmt::Write;

use super::{Draft, Shell, Tab, framed};
use crate::demo::app::accounts::Account;
use crate::demo::app::html::Text;
use crate::demo::app::requisitions::{Book, Fault, Requisition, Status, TITLE_MAX};

/// The page of all requisitions.
pub(in crate::demo::app) fn requisitions(
    account: Account,
    book: &Book,
    draft: &Draft<'_>,
) -> String {
    let mut rows = String::new();
    for requisition in book.newest_first() {
        rows.push_str(&row(requisition));
    }
    let (figures, form) = (figures(book), form(draft));
    let content = format!(
        r#"<div class="heading"><h1>Requisitions</h1><a class="news" id="news" href="/requisitions" hidden>New requisitions, show them</a></div>
{figures}
<div class="columns">
<section class="card list" aria-labelledby="all">
<h2 id="all">All requisitions</h2>
<table role="table">
<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Number</th><th role="columnheader" scope="col">Title</th><th role="columnheader" scope="col">Requester</th><th role="columnheader" scope="col" class="amount">Amount, EUR</th><th role="columnheader" scope="col">Status</th></tr></thead>
<tbody role="rowgroup">{rows}</tbody>
</table>
</section>
{form}
</div>"#
    );
    let shell = Shell::new(account, book, Tab::Requisitions);
    framed("Requisitions", shell, &content)
}

// The roles repeat what the elements say, because a narrow window lays the table out as a list and
// browsers then forget that it is a table.
fn row(requisition: &Requisition) -> String {
    let Requisition {
        number,
        title,
        amount,
        requester,
        status,
    } = requisition;
    let (title, requester) = (Text(title), Text(requester));
    let pill = pill(*status);
    format!(
        r#"<tr role="row"><td role="cell" class="number">REQ-{number}</td><td role="cell" class="title">{title}</td><td role="cell" class="requester">{requester}</td><td role="cell" class="amount">{amount}</td><td role="cell" class="status">{pill}</td></tr>
"#
    )
}

fn pill(status: Status) -> String {
    let label = status.label();
    let class = label.to_ascii_lowercase();
    format!(r#"<span class="pill {class}">{label}</span>"#)
}

fn figures(book: &Book) -> String {
    let mut tiles = String::from(r#"<dl class="figures">"#);
    for status in [Status::Pending, Status::Approved, Status::Rejected] {
        let (label, total) = (status.label(), book.total(status));
        let (class, count) = (label.to_ascii_lowercase(), book.in_status(status).count());
        write!(
            tiles,
            r#"<div class="figure {class}"><dt>{label}</dt><dd>{count}</dd><dd class="sum">{total} <span class="unit">EUR</span></dd></div>"#
        )
        .expect("writing to a String does not fail");
    }
    tiles.push_str("</dl>");
    tiles
}

fn form(draft: &Draft<'_>) -> String {
    let error = draft.fault.map_or(String::new(), |fault| {
        let advice = Text(fault.advice());
        format!(r#"<p class="error" id="fault" role="alert">{advice}</p>"#)
    });
    let marked = |fault: Fault| {
        if draft.fault == Some(fault) {
            r#" aria-invalid="true" aria-describedby="fault""#
        } else {
            ""
        }
    };
    let (title_marked, amount_marked) = (marked(Fault::Title), marked(Fault::Amount));
    let (title, amount) = (Text(draft.title), Text(draft.amount));
    format!(
        r#"<form class="card stack" method="post" action="/requisitions" aria-labelledby="new">
<h2 id="new">New requisition</h2>
{error}
<label class="field">What do you need?
<input name="title" value="{title}" maxlength="{TITLE_MAX}" placeholder="Label printer, 2 pieces" autocomplete="off" required{title_marked}></label>
<label class="field">Amount in EUR
<input name="amount" value="{amount}" inputmode="decimal" placeholder="1250.00" autocomplete="off" required{amount_marked}></label>
<button class="button wide" type="submit">Send for approval</button>
<p class="fine">An approver decides on it.</p>
</form>"#
    )
}
