//! The command `curfew sessions revoke` at the admin listener of a gateway that runs.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{REVOKED, three_sessions, told};
use crate::harness::answer::Answer;
use crate::harness::app::LegacyApp;
use crate::harness::command::{Said, curfew};
use crate::harness::gateway::{ADMIN_TOKEN, Gateway};

/// Runs it with a token from the environment.
async fn revoke(admin: SocketAddr, token: &str, whom: &[&str]) -> Said {
    let admin = format!("http://{admin}");
    let mut arguments = vec!["sessions", "revoke", "--admin", &admin];
    arguments.extend(whom);
    curfew(&arguments, &[("CURFEW_ADMIN_TOKEN", token)]).await
}

/// Runs it, and expects it to tell of this cut.
async fn revokes(gateway: &Gateway, whom: &[&str], cut: &Value) {
    let said = revoke(gateway.admin, ADMIN_TOKEN, whom).await;
    assert_eq!((said.code, &*said.err), (0, ""), "{said:?}");
    let answer: Value = serde_json::from_str(&said.out).expect("it prints JSON");
    assert_eq!(&answer["cut"], cut, "{said:?}");
    assert!(answer["at_ms"].is_u64(), "{said:?}");
}

/// An attempt that fails, in one line that holds these words and no token.
fn failed(said: &Said, words: &[&str]) {
    assert_eq!((said.code, &*said.out), (1, ""), "{said:?}");
    assert!(said.err.starts_with("error: "), "{said:?}");
    assert_eq!(said.err.lines().count(), 1, "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "no {word:?} in {said:?}");
    }
    assert!(!said.err.contains("token-of-these-tests"), "{said:?}");
}

#[tokio::test]
async fn the_command_revokes_one_session_by_its_lineage() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let logins = gateway.events("login", 3).await;
    let lineage = logins[1]["lineage"].as_str().expect("a login has one");
    let cut = json!({ "lineage": lineage });
    revokes(&gateway, &["--lineage", lineage], &cut).await;
    assert_eq!(told(&mut browsers).await, ["", REVOKED, ""]);
}

#[tokio::test]
async fn the_command_revokes_all_sessions_of_a_user() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let cut = json!({ "user": "buyer" });
    revokes(&gateway, &["--user", "buyer"], &cut).await;
    assert_eq!(told(&mut browsers).await, [REVOKED, REVOKED, ""]);
}

#[tokio::test]
async fn the_command_revokes_everything() {
    let (app, gateway, mut browsers) = three_sessions().await;
    let before = app.count();
    revokes(&gateway, &["--all"], &json!({ "all": true })).await;
    assert_eq!(told(&mut browsers).await, [REVOKED; 3]);
    assert_eq!(app.count(), before);
}

#[tokio::test]
async fn the_command_takes_the_token_from_a_file() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let file = tempfile::NamedTempFile::new().expect("a test may write files");
    std::fs::write(&file, format!("{ADMIN_TOKEN}\n")).expect("a test may write files");
    let path = file.path().to_str().expect("it is text");
    let all = ["--token-file", path, "--all"];
    let said = revoke(gateway.admin, "another-token-of-these-tests", &all).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(told(&mut browsers).await, [REVOKED; 3]);
}

#[tokio::test]
async fn the_command_with_a_wrong_token_revokes_nothing_and_says_so() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let said = revoke(gateway.admin, "another-token-of-these-tests", &["--all"]).await;
    failed(&said, &["401", "token_required"]);
    assert_eq!(told(&mut browsers).await, ["", "", ""]);
}

#[tokio::test]
async fn the_command_without_a_token_says_where_to_put_it() {
    let said = curfew(&["sessions", "revoke", "--all"], &[]).await;
    failed(&said, &["--token-file", "CURFEW_ADMIN_TOKEN"]);
    let nowhere = ["sessions", "revoke", "--all", "--token-file", "/nowhere/x"];
    failed(
        &curfew(&nowhere, &[]).await,
        &["/nowhere/x", "No such file"],
    );
}

#[tokio::test]
async fn the_command_with_a_malformed_lineage_is_told_what_a_lineage_is() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    let said = revoke(gateway.admin, ADMIN_TOKEN, &["--lineage", "x"]).await;
    failed(&said, &["400", "lineage_malformed"]);
    assert_eq!(told(&mut browsers).await, ["", "", ""]);
}

#[tokio::test]
async fn the_command_that_reaches_no_admin_listener_names_the_address_and_the_cause() {
    let admin = LegacyApp::absent().await.address;
    let said = revoke(admin, ADMIN_TOKEN, &["--all"]).await;
    failed(&said, &[&admin.to_string(), "refused"]);
}

#[tokio::test]
async fn the_command_does_not_take_another_servers_answer_for_a_revocation() {
    for answer in ["hello", "{}", r#"{"cut":{"user":"buyer"},"at_ms":1}"#] {
        let app = LegacyApp::start(move |_| Answer::page(answer)).await;
        let said = revoke(app.address, ADMIN_TOKEN, &["--all"]).await;
        failed(&said, &[&app.address.to_string(), "no admin listener"]);
    }
}

#[tokio::test]
async fn the_command_wants_exactly_one_scope() {
    let (_app, gateway, mut browsers) = three_sessions().await;
    for whom in [&[] as &[&str], &["--all", "--user", "buyer"]] {
        let said = revoke(gateway.admin, ADMIN_TOKEN, whom).await;
        assert_eq!((said.code, &*said.out), (2, ""), "{said:?}");
    }
    assert_eq!(told(&mut browsers).await, ["", "", ""]);
}
