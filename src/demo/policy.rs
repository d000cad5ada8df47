//! The demo's policy: the real thing, with limits of seconds.

use std::net::SocketAddr;

/// The configuration, as an administrator would write it.
pub fn text(listen: SocketAddr, admin: SocketAddr, app: SocketAddr) -> String {
    format!(
        r#"[[listeners]]
address = "{listen}"

[admin]
address = "{admin}"

[records]
audit = "stdout"

[anonymous]
idle = "5m"
absolute = "30m"

[roles.buyer]
idle = "20s"
absolute = "120s"
users = ["buyer"]

[roles.approver]
idle = "10s"
absolute = "60s"
users = ["approver"]

[[apps]]
name = "procurement"
upstreams = ["http://{app}"]

[apps.session]
id = "cookie:JSESSIONID"

[[apps.logins]]
path = "/login"
page = "/login"
user = "form:username"
success = {{ status = [302], new_session = true, location_not = "/login" }}

[[apps.logouts]]
path = "/logout"

[[apps.routes]]
path = "/assets/**"
access = "public"

[[apps.routes]]
path = "/api/poll"
activity = "passive"
"#
    )
}

/// What the demo prints when it is ready.
pub fn welcome(listen: SocketAddr, admin: SocketAddr, app: SocketAddr) -> String {
    format!(
        "\
Curfew stands in front of a small procurement app that knows nothing of it.

  Open     http://{listen}/          sign in as buyer/buyer or approver/approver
  Limits   buyer: 20 s idle, 120 s absolute; approver: 10 s idle, 60 s absolute

  Watch    stay on a page: its polling goes on, and the session ends all the same;
           each end is one line of JSON below
  Compare  http://{app}/          the same app without the gateway: it never ends
  Measure  http://{admin}/metrics

  As a script, without a session:
    curl -i http://{listen}/requisitions
  As a browser, without a session:
    curl -i -H 'Accept: text/html' http://{listen}/requisitions
  Signing in, and coming back after 20 s:
    curl -s -o /dev/null -c jar -d 'username=buyer&password=buyer' http://{listen}/login
    curl -i -b jar http://{listen}/requisitions

Ctrl-C stops it.
"
    )
}
