use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::{Occupant, SeatLimit, Seating, WhenFull, find_seat};
use crate::domain::identity::Lineage;
use crate::domain::time::Timestamp;

fn lineage(n: u8) -> Lineage {
    Lineage::from_bytes([n; 16])
}

fn sits(n: u8, last_active: u64) -> Occupant {
    Occupant {
        lineage: lineage(n),
        last_active: Timestamp::from_millis(last_active),
        can_leave: true,
    }
}

fn stays(n: u8, last_active: u64) -> Occupant {
    Occupant {
        can_leave: false,
        ..sits(n, last_active)
    }
}

fn displace(seats: u32) -> SeatLimit {
    SeatLimit {
        seats,
        when_full: WhenFull::Displace,
    }
}

fn refuse(seats: u32) -> SeatLimit {
    SeatLimit {
        seats,
        when_full: WhenFull::Refuse,
    }
}

#[test]
fn a_login_finds_a_seat_or_who_leaves_or_none() {
    let new = lineage(9);
    for (occupants, limit, told) in [
        (vec![], displace(1), Seating::Free),
        (vec![sits(1, 50)], refuse(2), Seating::Free),
        (vec![sits(1, 50)], refuse(1), Seating::Full),
        (vec![sits(1, 50)], displace(1), Seating::After(vec![0])),
        (
            vec![sits(1, 50), sits(2, 40)],
            displace(2),
            Seating::After(vec![1]),
        ),
        // After an edit of the policy there may be more than it now gives.
        (
            vec![sits(1, 50), sits(2, 40), sits(3, 45)],
            displace(1),
            Seating::After(vec![1, 2, 0]),
        ),
        (vec![stays(1, 10)], displace(1), Seating::Full),
        (
            vec![stays(1, 10), sits(2, 50)],
            displace(2),
            Seating::After(vec![1]),
        ),
        (vec![], displace(0), Seating::Full),
    ] {
        assert_eq!(find_seat(&occupants, &[new], limit), told, "{occupants:?}");
    }
}

#[test]
fn what_the_login_begins_or_ends_itself_takes_no_seat() {
    let (new, left) = (lineage(9), lineage(1));
    let occupants = [sits(1, 50), sits(9, 99)];
    let told = find_seat(&occupants, &[new, left], refuse(1));
    assert_eq!(told, Seating::Free);
    let told = find_seat(&occupants, &[new], displace(1));
    assert_eq!(told, Seating::After(vec![0]));
}

#[test]
fn a_session_that_is_met_under_two_ids_sits_once() {
    let occupants = [sits(1, 50), sits(1, 50)];
    assert_eq!(find_seat(&occupants, &[], refuse(2)), Seating::Free);
}

#[test]
fn of_equally_idle_ones_everybody_chooses_the_same() {
    let (one, other) = (sits(1, 50), sits(2, 50));
    let first = find_seat(&[one, other], &[], displace(2));
    let second = find_seat(&[other, one], &[], displace(2));
    assert_eq!(first, Seating::After(vec![0]));
    assert_eq!(second, Seating::After(vec![1]));
}

fn occupant() -> impl Strategy<Value = Occupant> {
    (0..12u8, 0..20u64, any::<bool>()).prop_map(|(n, last_active, can_leave)| Occupant {
        can_leave,
        ..sits(n, last_active)
    })
}

proptest! {
    #[test]
    fn nobody_ever_has_more_than_his_seats_and_nobody_leaves_who_must_not(
        occupants in vec(occupant(), 0..16),
        own in 0..12u8,
        seats in 1..6u32,
        refuses: bool,
    ) {
        let limit = if refuses { refuse(seats) } else { displace(seats) };
        let own = lineage(own);
        let others: BTreeSet<Lineage> = occupants
            .iter()
            .map(|occupant| occupant.lineage)
            .filter(|lineage| *lineage != own)
            .collect();
        match find_seat(&occupants, &[own], limit) {
            Seating::Free => prop_assert!(others.len() < seats as usize),
            Seating::Full => prop_assert!(others.len() >= seats as usize),
            Seating::After(leaving) => {
                prop_assert!(!refuses);
                let ended: BTreeSet<Lineage> =
                    leaving.iter().map(|index| occupants[*index].lineage).collect();
                prop_assert_eq!(ended.len(), leaving.len());
                prop_assert!(!ended.contains(&own));
                prop_assert!(leaving.iter().all(|index| occupants[*index].can_leave));
                // As few as make room, and with the new one exactly as many as may be.
                prop_assert_eq!(others.len() - ended.len() + 1, seats as usize);
            }
        }
    }

    #[test]
    fn who_leaves_was_not_used_later_than_who_could_have_left_and_stays(
        last_active in vec(0..20u64, 1..12),
        seats in 1..6u32,
    ) {
        let occupants: Vec<Occupant> = last_active
            .iter()
            .zip(0u8..)
            .map(|(last_active, n)| sits(n, *last_active))
            .collect();
        if let Seating::After(leaving) = find_seat(&occupants, &[], displace(seats)) {
            let is_leaving = |index: &usize| leaving.contains(index);
            let latest = leaving.iter().map(|index| last_active[*index]).max();
            let (_, staying): (Vec<usize>, Vec<usize>) =
                (0..last_active.len()).partition(is_leaving);
            let earliest = staying.iter().map(|index| last_active[*index]).min();
            prop_assert!(earliest.is_none_or(|earliest| latest <= Some(earliest)));
        }
    }
}
