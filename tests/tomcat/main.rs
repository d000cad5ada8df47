//! Curfew in front of a real Tomcat 10 with its examples, driven as a browser would.

mod browser;
mod ended;
mod limits;
mod logins;
mod logout;
mod stage;
mod tomcat;
mod websockets;

use std::io::{Read, Write};
use std::net::TcpStream;

use tomcat::{Seen, Tomcat};

/// Sends one request straight to Tomcat and answers all that came back.
fn ask(tomcat: &Tomcat, head: &str) -> String {
    let mut stream = TcpStream::connect(tomcat.address()).expect("Tomcat accepts connections");
    write!(stream, "{head}\r\nHost: shop\r\nConnection: close\r\n\r\n")
        .expect("Tomcat reads a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("Tomcat answers");
    answer
}

#[test]
fn what_reached_tomcat_can_be_read_back() {
    let tomcat = Tomcat::start();
    assert_eq!(tomcat.requests(), []);

    let public = ask(
        &tomcat,
        "GET /examples/servlets/servlet/SessionExample;x=1?a=b HTTP/1.1",
    );
    assert!(public.contains("Set-Cookie: JSESSIONID="), "{public}");
    let protected = ask(
        &tomcat,
        "GET /examples/jsp/security/protected/index.jsp HTTP/1.1\r\nCookie: JSESSIONID=0; a=1\r\nCookie: b=2",
    );
    assert!(protected.contains("Login Page for Examples"), "{protected}");
    ask(&tomcat, "\u{1}");

    let seen = |method: &str, target: &str, status, cookie: Option<&str>| Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        status,
        cookie: cookie.map(str::to_owned),
    };
    assert_eq!(
        tomcat.requests(),
        [
            seen(
                "GET",
                "/examples/servlets/servlet/SessionExample;x=1?a=b",
                200,
                None
            ),
            seen(
                "GET",
                "/examples/jsp/security/protected/index.jsp",
                200,
                Some("JSESSIONID=0; a=1,b=2")
            ),
            seen("-", "", 400, None),
        ]
    );
}
