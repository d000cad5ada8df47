//! `curfew demo`, as the built program: what it prints is what happens. See `tests/live` for what
//! it takes time to see.

use http::header::ACCEPT;

use crate::harness::browser::Browser;
use crate::harness::command::curfew;
use crate::harness::demo::Demo;

const LOGIN: &str = "username=buyer&password=buyer";

#[tokio::test]
async fn a_script_without_a_session_gets_401_and_a_browser_the_login_page() {
    let demo = Demo::start().await;
    let browser = demo.browser();
    // The welcome's two lines, as curl sends them.
    assert!(
        demo.welcome
            .contains(&format!("curl -i http://{}/requisitions", demo.address))
    );
    let request = browser
        .request("GET", "/requisitions")
        .header(ACCEPT, "*/*");
    let script = browser.send(request, "").await;
    assert_eq!(
        (script.status.as_u16(), script.refusal()),
        (401, "session_required")
    );
    assert_eq!(script.json()["code"], "session_required");

    let request = browser
        .request("GET", "/requisitions")
        .header(ACCEPT, "text/html");
    let page = browser.send(request, "").await;
    assert_eq!(page.status, 303);
    assert!(page.header("location").starts_with("/login"), "{page:?}");
    let page = demo.browser().visit("/requisitions").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("password"), "{}", page.text());
}

#[tokio::test]
async fn a_buyer_signs_in_works_and_signs_out() {
    let mut demo = Demo::start().await;
    let mut browser = demo.browser();
    let page = browser.submit("/login", LOGIN).await;
    assert_eq!(
        (page.status.as_u16(), page.header("location")),
        (302, "/requisitions")
    );
    let login = demo.event("login").await;
    assert_eq!(login["user"], "buyer");
    assert_eq!(login["idle_timeout"]["after_ms"], 20_000);
    assert_eq!(login["absolute_timeout"]["after_ms"], 120_000);

    let page = browser
        .submit("/requisitions", "title=Pencils&amount=7")
        .await;
    assert_eq!(page.status, 303, "{}", page.text());
    let page = browser.open("/requisitions").await;
    assert!(page.text().contains("Pencils"), "{}", page.text());
    assert_eq!(browser.fetch("/api/poll").await.status, 200);

    let id = browser.jar.get("JSESSIONID").expect("it is signed in");
    let page = browser.open("/logout").await;
    assert_eq!(
        (page.status.as_u16(), page.header("location")),
        (302, "/login")
    );
    let end = demo.event("end").await;
    assert_eq!(end["reason"], "logout");
    assert_eq!(end["lineage"], login["lineage"]);
    browser
        .jar
        .put(crate::harness::browser::HOST, "JSESSIONID", &id);
    let page = browser.fetch("/requisitions").await;
    assert_eq!(
        (page.status.as_u16(), page.refusal()),
        (401, "session_logout")
    );
}

#[tokio::test]
async fn a_wrong_password_signs_nobody_in() {
    let demo = Demo::start().await;
    let mut browser = demo.browser();
    let page = browser
        .submit("/login", "username=buyer&password=guess")
        .await;
    assert_eq!(page.status, 200);
    let page = browser.fetch("/requisitions").await;
    assert_eq!(
        (page.status.as_u16(), page.refusal()),
        (401, "login_required")
    );
}

#[tokio::test]
async fn the_app_and_the_metrics_are_where_the_welcome_says() {
    let demo = Demo::start().await;
    let at = |word: &str| Browser::at(demo.address_after(word), curfew::clock::Clock::system());
    let mut direct = at("Compare");
    assert_eq!(direct.submit("/login", LOGIN).await.status, 302);
    let page = direct.open("/requisitions").await;
    assert_eq!(
        (page.status.as_u16(), page.header("curfew-verdict")),
        (200, "")
    );
    let metrics = at("Measure").get("/metrics").await;
    assert!(
        metrics.text().contains("curfew_build_info"),
        "{}",
        metrics.text()
    );
}

#[tokio::test]
async fn ctrl_c_stops_it_from_the_moment_that_it_says_so() {
    let mut demo = Demo::start().await;
    assert!(demo.interrupt().await.success());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_and_how_to_choose_another() {
    let demo = Demo::start().await;
    let taken = demo.address.to_string();
    for option in ["--listen", "--admin", "--app"] {
        let mut arguments = vec!["demo"];
        for other in ["--listen", "--admin", "--app"] {
            arguments.extend([
                other,
                if other == option {
                    &taken
                } else {
                    "127.0.0.1:0"
                },
            ]);
        }
        let said = curfew(&arguments, &[]).await;
        assert_eq!((said.code, &*said.out), (1, ""), "{said:?}");
        for words in [option, &taken] {
            assert!(said.err.contains(words), "no {words:?} in {}", said.err);
        }
    }
}
