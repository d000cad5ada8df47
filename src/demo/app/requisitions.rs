//! What was asked for, and what became of it.

use std::collections::VecDeque;
use std::fmt::{Display, Formatter};

/// Requisitions that are kept; the oldest makes room.
const REQUISITIONS_MAX: usize = 200;
/// The longest title, in characters.
pub(super) const TITLE_MAX: usize = 120;
/// The largest amount of one requisition, in cents.
const AMOUNT_MAX_CENTS: u64 = 1_000_000_000;
/// The number before the first requisition.
const FIRST_NUMBER: u32 = 1040;

/// An amount of euros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Money {
    cents: u64,
}

impl Money {
    /// Reads a positive amount such as `1250`, `1,250.5` or `1250.50`, up to ten million.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.replace(',', "");
        let (euros, cents) = text.split_once('.').unwrap_or((&text, "0"));
        let digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(euros) || !digits(cents) || cents.len() > 2 {
            return None;
        }
        let tenths = if cents.len() == 1 { 10 } else { 1 };
        let cents = cents.parse::<u64>().ok()? * tenths;
        let cents = euros
            .parse::<u64>()
            .ok()?
            .checked_mul(100)?
            .checked_add(cents)?;
        (1..=AMOUNT_MAX_CENTS)
            .contains(&cents)
            .then_some(Self { cents })
    }
}

impl Display for Money {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let euros = (self.cents / 100).to_string();
        for (place, digit) in euros.chars().enumerate() {
            let left = euros.len() - place;
            if place > 0 && left.is_multiple_of(3) {
                out.write_str(",")?;
            }
            write!(out, "{digit}")?;
        }
        write!(out, ".{:02}", self.cents % 100)
    }
}

/// Where a requisition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Approved,
    Rejected,
}

impl Status {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
        }
    }
}

/// What an approver makes of a pending requisition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Reject,
}

impl Decision {
    /// Reads the field of a form.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "approve" => Some(Self::Approve),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }
}

/// One thing that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Requisition {
    pub(super) number: u32,
    pub(super) title: String,
    pub(super) amount: Money,
    pub(super) requester: &'static str,
    pub(super) status: Status,
}

/// Why a requisition was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Title,
    Amount,
}

impl Fault {
    /// What to write instead.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Title => "Say in 1 to 120 characters what you need.",
            Self::Amount => "Write the amount in euros, such as 1250.00, up to ten million.",
        }
    }
}

/// Why a decision was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecisionFault {
    Absent,
    Decided,
}

/// All requisitions, bounded.
#[derive(Clone, Debug)]
pub(super) struct Book {
    oldest_first: VecDeque<Requisition>,
    latest: u32,
}

impl Book {
    /// A book with a few entries, so that the first look at it is not an empty page.
    pub(super) fn with_samples() -> Self {
        let mut book = Self {
            oldest_first: VecDeque::new(),
            latest: FIRST_NUMBER,
        };
        for (title, cents, requester, status) in SAMPLES {
            let amount = Money { cents };
            book.append(title.to_owned(), amount, requester, status);
        }
        book
    }

    /// Takes a new requisition, pending.
    pub(super) fn request(
        &mut self,
        title: &str,
        amount: &str,
        requester: &'static str,
    ) -> Result<(), Fault> {
        if title.is_empty() || title.chars().count() > TITLE_MAX {
            return Err(Fault::Title);
        }
        let amount = Money::parse(amount).ok_or(Fault::Amount)?;
        self.append(title.to_owned(), amount, requester, Status::Pending);
        Ok(())
    }

    /// Decides on a pending requisition, once.
    pub(super) fn decide(&mut self, number: u32, decision: Decision) -> Result<(), DecisionFault> {
        let requisition = self
            .oldest_first
            .iter_mut()
            .find(|requisition| requisition.number == number)
            .ok_or(DecisionFault::Absent)?;
        if requisition.status != Status::Pending {
            return Err(DecisionFault::Decided);
        }
        requisition.status = match decision {
            Decision::Approve => Status::Approved,
            Decision::Reject => Status::Rejected,
        };
        Ok(())
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Requisition> {
        self.oldest_first.iter().rev()
    }

    /// The requisitions that stand there, the newest first.
    pub(super) fn in_status(&self, status: Status) -> impl Iterator<Item = &Requisition> {
        self.newest_first()
            .filter(move |requisition| requisition.status == status)
    }

    /// What the requisitions that stand there come to.
    pub(super) fn total(&self, status: Status) -> Money {
        let cents = self
            .in_status(status)
            .map(|requisition| requisition.amount.cents)
            .sum();
        Money { cents }
    }

    /// The number of the requisition that came last.
    pub(super) fn latest(&self) -> u32 {
        self.latest
    }

    fn append(&mut self, title: String, amount: Money, requester: &'static str, status: Status) {
        if self.oldest_first.len() == REQUISITIONS_MAX {
            self.oldest_first.pop_front();
        }
        self.latest = self.latest.saturating_add(1);
        self.oldest_first.push_back(Requisition {
            number: self.latest,
            title,
            amount,
            requester,
            status,
        });
    }
}

const SAMPLES: [(&str, u64, &str, Status); 8] = [
    (
        "Annual forklift inspection",
        184_000,
        "Warehouse",
        Status::Approved,
    ),
    (
        "Espresso machine for the lobby",
        349_900,
        "Facilities",
        Status::Rejected,
    ),
    (
        "Calibrated torque wrenches, set of 6",
        121_450,
        "Workshop",
        Status::Approved,
    ),
    (
        "Server rack and two power units",
        1_248_000,
        "IT services",
        Status::Approved,
    ),
    (
        "Safety shoes, 40 pairs",
        359_600,
        "Warehouse",
        Status::Pending,
    ),
    (
        "Reagents for the second quarter",
        872_035,
        "Laboratory",
        Status::Pending,
    ),
    (
        "Office chairs for the new floor, 24 pieces",
        1_075_200,
        "Facilities",
        Status::Approved,
    ),
    (
        "Replacement pump, cooling line 3",
        2_639_900,
        "Workshop",
        Status::Pending,
    ),
];

#[cfg(test)]
mod tests {
    use super::{Book, Decision, DecisionFault, Fault, Money, REQUISITIONS_MAX, Status, TITLE_MAX};

    #[test]
    fn an_amount_is_read_to_the_cent_and_shown_in_groups() {
        for (text, shown) in [
            ("0.01", "0.01"),
            ("7", "7.00"),
            ("999.9", "999.90"),
            ("1000", "1,000.00"),
            ("1,234,567.89", "1,234,567.89"),
            ("10000000", "10,000,000.00"),
        ] {
            assert_eq!(Money::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "0",
            "0.00",
            "-1",
            "+1",
            "1e3",
            "1.234",
            "1.2.3",
            "x",
            "10000000.01",
            "99999999999999999999999",
        ] {
            assert_eq!(Money::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_request_is_pending_and_takes_the_next_number() {
        let mut book = Book::with_samples();
        let before = book.latest();
        book.request("Toner", "80", "Buyer").unwrap();
        let newest = book.newest_first().next().unwrap();
        assert_eq!(
            (newest.number, newest.status),
            (before + 1, Status::Pending)
        );
        assert_eq!(book.latest(), before + 1);
    }

    #[test]
    fn a_title_has_from_one_to_120_characters() {
        let mut book = Book::with_samples();
        assert_eq!(book.request("", "1", "Buyer"), Err(Fault::Title));
        assert_eq!(book.request(&"ü".repeat(TITLE_MAX), "1", "Buyer"), Ok(()));
        assert_eq!(
            book.request(&"ü".repeat(TITLE_MAX + 1), "1", "Buyer"),
            Err(Fault::Title)
        );
        assert_eq!(book.request("Toner", "free", "Buyer"), Err(Fault::Amount));
    }

    #[test]
    fn a_requisition_is_decided_once() {
        let mut book = Book::with_samples();
        book.request("Toner", "80", "Buyer").unwrap();
        let number = book.latest();
        assert_eq!(book.decide(number, Decision::Reject), Ok(()));
        assert_eq!(
            book.decide(number, Decision::Approve),
            Err(DecisionFault::Decided)
        );
        assert_eq!(book.newest_first().next().unwrap().status, Status::Rejected);
        assert_eq!(
            book.decide(number + 1, Decision::Approve),
            Err(DecisionFault::Absent)
        );
    }

    #[test]
    fn the_book_keeps_the_latest_two_hundred() {
        let mut book = Book::with_samples();
        for _ in 0..REQUISITIONS_MAX + 1 {
            book.request("Toner", "80", "Buyer").unwrap();
        }
        assert_eq!(book.newest_first().count(), REQUISITIONS_MAX);
        assert_eq!(book.newest_first().next().unwrap().number, book.latest());
    }
}
