mod model;

use std::time::Duration;

use super::{Change, Renewal, Shown, Standing, Token, TokenSeed};
use crate::domain::time::Timestamp;

const EVERY: Duration = Duration::from_secs(600);
const OVERLAP: Duration = Duration::from_secs(30);
const RENEWAL: Renewal = Renewal {
    every: EVERY,
    overlap: OVERLAP,
};
const SEED: TokenSeed = TokenSeed::from_bytes([1; 16]);

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

const fn seconds(seconds: u64) -> Timestamp {
    at(1_000 * seconds)
}

fn just_before(then: Timestamp) -> Timestamp {
    Timestamp::from_millis(then.as_millis() - 1)
}

/// The value of this number is in force since the beginning.
fn token(number: u32) -> Token {
    Token {
        seed: SEED,
        number,
        since: at(0),
        offered: None,
    }
}

fn judge(token: &Token, shown: Shown, now: Timestamp) -> Standing {
    RENEWAL.judge(Some(token), shown, now, || panic!("it has a seed"))
}

fn changes(token: Token, offers: bool) -> Standing {
    Standing::Changes(Box::new(Change { token, offers }))
}

#[test]
fn the_value_in_force_is_good_and_its_successor_is_handed_out_when_its_time_is_over() {
    let token = token(3);
    let before = just_before(seconds(600));
    assert_eq!(judge(&token, Shown::Value(3), before), Standing::Holds);
    let offered = Token {
        offered: Some(seconds(600)),
        ..token
    };
    let due = judge(&token, Shown::Value(3), seconds(600));
    assert_eq!(due, changes(offered, true));
}

#[test]
fn while_one_answer_may_be_under_way_no_other_carries_the_same_value() {
    let offered = Token {
        offered: Some(seconds(700)),
        ..token(3)
    };
    let before = just_before(seconds(730));
    assert_eq!(judge(&offered, Shown::Value(3), before), Standing::Holds);
    let again = Token {
        offered: Some(seconds(730)),
        ..offered
    };
    let lost = judge(&offered, Shown::Value(3), seconds(730));
    assert_eq!(lost, changes(again, true));
}

#[test]
fn a_value_is_replaced_when_its_successor_is_first_presented_and_not_before() {
    let offered = Token {
        offered: Some(seconds(700)),
        ..token(3)
    };
    let much_later = seconds(100_000);
    assert_ne!(
        judge(&offered, Shown::Value(3), much_later),
        Standing::Reused
    );
    let accepted = Token {
        seed: SEED,
        number: 4,
        since: much_later,
        offered: None,
    };
    let presented = judge(&offered, Shown::Value(4), much_later);
    assert_eq!(presented, changes(accepted, false));
}

#[test]
fn the_value_before_is_good_for_the_overlap_and_then_it_is_a_copy() {
    let token = token(4);
    let end = seconds(30);
    for (now, standing) in [
        (at(0), Standing::Holds),
        (just_before(end), Standing::Holds),
        (end, Standing::Reused),
        (seconds(100_000), Standing::Reused),
    ] {
        assert_eq!(judge(&token, Shown::Value(3), now), standing, "{now:?}");
    }
    // Judged by a gateway whose request came before the one that replaced it.
    assert_eq!(
        judge(&token, Shown::Value(3), just_before(at(0))),
        Standing::Holds
    );
}

#[test]
fn an_older_value_is_a_copy_at_once() {
    for number in [1, 2] {
        assert_eq!(
            judge(&token(4), Shown::Value(number), at(0)),
            Standing::Reused
        );
    }
}

#[test]
fn who_has_no_value_or_a_foreign_one_is_refused_and_ends_nothing() {
    for number in [1, 2, 9] {
        let then = seconds(30);
        let token = token(number);
        assert_eq!(judge(&token, Shown::Nothing, then), Standing::Missing);
        assert_eq!(judge(&token, Shown::Unknown, then), Standing::Unknown);
    }
    assert_eq!(judge(&token(2), Shown::Nothing, at(0)), Standing::Missing);
    assert_eq!(judge(&token(2), Shown::Unknown, at(0)), Standing::Unknown);
}

#[test]
fn a_session_without_a_token_gets_one_and_none_is_needed_until_it_was_presented() {
    let first = Token {
        seed: SEED,
        number: 0,
        since: at(0),
        offered: Some(at(0)),
    };
    for shown in [Shown::Nothing, Shown::Unknown] {
        let standing = RENEWAL.judge(None, shown, at(0), || SEED);
        assert_eq!(standing, changes(first, true));
        assert_eq!(judge(&first, shown, seconds(29)), Standing::Holds);
        let again = judge(&first, shown, seconds(30));
        assert!(matches!(again, Standing::Changes(change) if change.offers));
    }
    let presented = judge(&first, Shown::Value(1), seconds(40));
    assert_eq!(
        presented,
        changes(
            Token {
                since: seconds(40),
                number: 1,
                ..token(0)
            },
            false
        )
    );
    // What was sent before it arrives still.
    let accepted = Token {
        since: seconds(40),
        ..token(1)
    };
    let end = seconds(70);
    assert_eq!(
        judge(&accepted, Shown::Nothing, just_before(end)),
        Standing::Holds
    );
    assert_eq!(judge(&accepted, Shown::Nothing, end), Standing::Missing);
}

#[test]
fn a_login_gives_a_value_that_is_needed_at_once_and_renewed_like_any_other() {
    let token = Token::at_login(SEED, at(0));
    assert_eq!(token.number, 2);
    assert_eq!(judge(&token, Shown::Value(2), at(0)), Standing::Holds);
    assert_eq!(judge(&token, Shown::Nothing, at(0)), Standing::Missing);
    assert_eq!(judge(&token, Shown::Unknown, at(0)), Standing::Unknown);
    let due = judge(&token, Shown::Value(2), seconds(600));
    assert!(matches!(due, Standing::Changes(change) if change.offers && change.token.next() == 3));
}

/// A failover may set a record back. What was handed out meanwhile is its owner's all the same.
#[test]
fn a_value_of_a_later_number_than_the_record_knows_is_accepted() {
    let accepted = Token {
        since: seconds(5),
        ..token(7)
    };
    assert_eq!(
        judge(&token(3), Shown::Value(7), seconds(5)),
        changes(accepted, false)
    );
}

#[test]
fn numbers_come_to_an_end_without_a_panic() {
    let last = token(u32::MAX);
    assert_eq!(last.next(), u32::MAX);
    let due = judge(&last, Shown::Value(u32::MAX), seconds(600));
    assert!(matches!(due, Standing::Changes(_)));
    assert_eq!(
        judge(&last, Shown::Nothing, seconds(600)),
        Standing::Missing
    );
}
