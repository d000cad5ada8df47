//! The dates of `Expires`, which servers write in many forms (RFC 6265 section 5.1.1).
//!
//! PHP and old Tomcat write `Thu, 01-Jan-1970 00:00:01 GMT`, which is no HTTP date.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a cookie date may say, as far as it has been read.
#[derive(Default)]
struct Fields {
    seconds_of_day: Option<u64>,
    day: Option<u64>,
    month: Option<u64>,
    year: Option<u64>,
}

/// The instant that `text` names; `None` if it names none. One before 1970 is 1970.
pub(super) fn parse(text: &[u8]) -> Option<SystemTime> {
    let mut fields = Fields::default();
    text.split(|byte| is_delimiter(*byte))
        .for_each(|token| fields.read(token));
    let (day, month, year) = (fields.day?, fields.month?, fields.year?);
    if !(1..=days_in(month, year)).contains(&day) || year < 1601 {
        return None;
    }
    let seconds = days_since_1970(year, month, day)? * 86_400 + fields.seconds_of_day?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

impl Fields {
    /// Takes a token for the first field that it fits and that is still open.
    fn read(&mut self, token: &[u8]) {
        if self.seconds_of_day.is_none()
            && let Some(seconds) = seconds_of_day(token)
        {
            self.seconds_of_day = Some(seconds);
        } else if self.day.is_none()
            && let Some((day, 1..=2)) = number(token)
        {
            self.day = Some(day);
        } else if self.month.is_none()
            && let Some(month) = month(token)
        {
            self.month = Some(month);
        } else if self.year.is_none()
            && let Some((year, digits @ (2 | 4))) = number(token)
        {
            self.year = Some(match year {
                70..=99 if digits == 2 => 1900 + year,
                0..=69 if digits == 2 => 2000 + year,
                year => year,
            });
        }
    }
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

/// The number that `token` begins with, and how many digits it has: at most four are of use.
fn number(token: &[u8]) -> Option<(u64, usize)> {
    let digits = token
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    if !(1..=4).contains(&digits) {
        return None;
    }
    let value = token[..digits]
        .iter()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'));
    Some((value, digits))
}

fn seconds_of_day(token: &[u8]) -> Option<u64> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let mut field = |limit| match number(fields.next()?)? {
        (value, 1..=2) if value < limit => Some(value),
        _ => None,
    };
    Some((field(24)? * 60 + field(60)?) * 60 + field(60)?)
}

fn month(token: &[u8]) -> Option<u64> {
    let names: [&[u8]; 12] = [
        b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov",
        b"dec",
    ];
    let start = token.get(..3)?;
    (1..)
        .zip(names)
        .find(|(_, name)| start.eq_ignore_ascii_case(name))
        .map(|(month, _)| month)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(month: u64, year: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to this date of the Gregorian calendar; 0 for an earlier one.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let Some(years) = year.checked_sub(1970) else {
        return Some(0);
    };
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let before_year = years * 365 + leap_days(year - 1) - leap_days(1969);
    let before_month: u64 = (1..month).map(|month| days_in(month, year)).sum();
    Some(before_year + before_month + day - 1)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::parse;

    #[track_caller]
    fn check(text: &str, seconds: Option<u64>) {
        assert_eq!(
            parse(text.as_bytes()),
            seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
            "{text:?}"
        );
    }

    #[test]
    fn every_form_that_servers_write_is_read() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "6 november 1994 8:49:37",
            "Sun, 06 Nov 1994 08:49:37 +0000",
        ] {
            check(text, Some(784_111_777));
        }
    }

    #[test]
    fn the_calendar_holds() {
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("Thu, 01-Jan-1970 00:00:10 GMT", Some(10));
        check("1 Jan 69 00:00:00", Some(3_124_224_000));
        check("1 Jan 70 00:00:00", Some(0));
        check("31 Dec 1969 23:59:59", Some(86_399));
        check("29 Feb 2000 00:00:00", Some(951_782_400));
        check("1 Mar 2000 00:00:00", Some(951_868_800));
        check("29 Feb 2001 00:00:00", None);
        check("29 Feb 2100 00:00:00", None);
        check("31 Dec 9999 23:59:59", Some(253_402_300_799));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "-1",
            "Session",
            "Thu, 01 Jan 1970",
            "01 Jan 1600 00:00:00",
            "32 Jan 2000 00:00:00",
            "0 Jan 2000 00:00:00",
            "1 Jan 2000 24:00:00",
            "1 Jan 2000 00:60:00",
            "1 Foo 2000 00:00:00",
            "1 Jan 20000 00:00:00",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn what_an_http_date_says_is_what_is_read(seconds in 0u64..253_402_300_800) {
            let instant = UNIX_EPOCH + Duration::from_secs(seconds);
            prop_assert_eq!(parse(httpdate::fmt_http_date(instant).as_bytes()), Some(instant));
        }

        #[test]
        fn no_text_is_too_odd(text in any::<Vec<u8>>()) {
            let _: Option<_> = parse(&text);
        }
    }
}
