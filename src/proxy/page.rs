//! The gateway's own pages: plain, small, readable without a style sheet of anybody's.

use http::StatusCode;

/// A page that says why a navigation was refused, and where to sign in.
///
/// `unsent`: a form was on its way, and its sender must learn that it never arrived.
pub(crate) fn refused(sentence: &str, login: Option<&str>, unsent: bool) -> String {
    let unsent = if unsent {
        "<p><strong>What you just sent did not reach the application.</strong> \
         Go back to copy it, sign in again, and send it once more.</p>"
    } else {
        ""
    };
    let login = login.map(sign_in).unwrap_or_default();
    document(
        "Please sign in",
        &format!("<p>{}</p>{unsent}{login}", escaped(sentence)),
    )
}

/// A page that says why a login was refused that the application took, and where to try again.
pub(crate) fn login_refused(sentence: &str, login: Option<&str>) -> String {
    let login = login.map(sign_in).unwrap_or_default();
    document(
        "Not signed in",
        &format!("<p>{}</p>{login}", escaped(sentence)),
    )
}

/// A page that tells an error.
pub(crate) fn error(status: StatusCode, sentence: &str) -> String {
    let title = status.canonical_reason().unwrap_or("Error");
    document(title, &format!("<p>{}</p>", escaped(sentence)))
}

fn sign_in(page: &str) -> String {
    format!(
        "<p><a class=\"go\" href=\"{}\">Sign in</a></p>",
        escaped(page)
    )
}

fn document(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{body}</main></body></html>\n",
        title = escaped(title),
    )
}

const STYLE: &str = "body{margin:0;font:1rem/1.5 system-ui,sans-serif;color:#1d2733;\
    background:#f3f5f8}main{max-width:32rem;margin:14vh auto;padding:2rem;background:#fff;\
    border-radius:.75rem;box-shadow:0 1px 4px #0002}h1{font-size:1.4rem;margin:0 0 1rem}\
    .go{display:inline-block;padding:.6rem 1.2rem;border-radius:.5rem;background:#1f4e8c;\
    color:#fff;text-decoration:none}";

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::refused;

    #[test]
    fn what_is_told_cannot_become_markup() {
        let page = refused("<b>&", Some("/login?a=\"b\"&c='"), true);
        assert!(page.contains("&lt;b&gt;&amp;"));
        assert!(page.contains("href=\"/login?a=&quot;b&quot;&amp;c=&#39;\""));
        assert!(page.contains("did not reach"));
    }
}
