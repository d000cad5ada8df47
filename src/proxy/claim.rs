//! A claim of a JSON Web Token (RFC 7519), read and not verified.
//!
//! A gateway without the issuer's keys cannot verify it, and need not. In an answer the token is the
//! app's own word, like any field beside it: whoever could forge it there could as well forge the
//! whole login. In a request it is whatever the client wrote, so it is held to the same rule as a
//! bare header or field in its place, and its signature changes nothing.

use super::extracted::Extracted;
use super::json::Json;

/// Bytes of a token that is read. With the groups of a large directory one has some thousand; a
/// cookie holds no more than 4096.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// What stands in front of a token in a header that carries credentials (RFC 6750, 2.1).
const SCHEME: &str = "bearer ";

/// What was found itself, or the claim at this pointer of the token that was found.
pub(crate) fn read(found: Extracted, claim: Option<&str>) -> Extracted {
    match (found, claim) {
        (Extracted::Values(tokens), Some(pointer)) => match tokens.as_slice() {
            [token] => in_token(token, pointer),
            _ => Extracted::Malformed,
        },
        (found, _) => found,
    }
}

fn in_token(token: &str, pointer: &str) -> Extracted {
    let claims = claims(token).map(|claims| Json::read(&claims));
    match claims.as_ref().and_then(Json::said) {
        Some(claims) if claims.is_object() => Extracted::in_json(Some(claims), pointer),
        Some(_) | None => Extracted::Malformed,
    }
}

/// The claims of a signed token in its compact form (RFC 7515, 3.1): head, claims and signature. An
/// encrypted one has five parts, and nobody but its addressee reads them.
fn claims(token: &str) -> Option<Vec<u8>> {
    let token = match token.split_at_checked(SCHEME.len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_start(),
        _ => token,
    };
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let mut parts = token.split('.').map(from_base64url);
    let (_head, claims, _signature) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(claims)
}

/// The bytes of a text in base64url without padding (RFC 4648, 5; RFC 7515, 2).
fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for digit in group {
            bits = bits << 6 | sextet(*digit)?;
        }
        // Two digits make one byte, three make two; bits beyond them are nobody's.
        let whole = match group.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..=whole]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{Extracted, TOKEN_BYTES_MAX, from_base64url, read};

    /// `{"alg":"none"}`.
    const HEAD: &str = "eyJhbGciOiJub25lIn0";

    fn to_base64url(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let digit = |at: usize| {
            let bit = |bit: usize| {
                bytes
                    .get(bit / 8)
                    .is_some_and(|b| b >> (7 - bit % 8) & 1 == 1)
            };
            let value = (0..6).fold(0, |value, n| value << 1 | usize::from(bit(6 * at + n)));
            char::from(DIGITS[value])
        };
        (0..(bytes.len() * 8).div_ceil(6)).map(digit).collect()
    }

    fn found(token: &str, pointer: &str) -> Extracted {
        read(Extracted::Values(vec![token.to_owned()]), Some(pointer))
    }

    fn of(claims: &str, pointer: &str) -> Extracted {
        let token = format!("{HEAD}.{}.c2lnbmF0dXJl", to_base64url(claims.as_bytes()));
        found(&token, pointer)
    }

    fn values(texts: &[&str]) -> Extracted {
        Extracted::Values(texts.iter().map(|&text| text.to_owned()).collect())
    }

    #[test]
    fn a_claim_is_a_text_a_number_or_a_list_wherever_it_stands() {
        let claims = r#"{"sub":"buyer","uid":7,"realm_access":{"roles":["buyer","clerk"]}}"#;
        assert_eq!(of(claims, "/sub"), values(&["buyer"]));
        assert_eq!(of(claims, "/uid"), values(&["7"]));
        assert_eq!(
            of(claims, "/realm_access/roles"),
            values(&["buyer", "clerk"])
        );
        assert_eq!(of(claims, "/realm_access/roles/1"), values(&["clerk"]));
        assert_eq!(of(claims, "/email"), Extracted::Absent);
        assert_eq!(of(claims, "/realm_access"), Extracted::Malformed);
    }

    #[test]
    fn a_token_without_a_signature_or_behind_its_scheme_is_read_the_same() {
        let claims = to_base64url(br#"{"sub":"buyer"}"#);
        for token in [
            format!("{HEAD}.{claims}."),
            format!("Bearer {HEAD}.{claims}.c2ln"),
            format!("bearer  {HEAD}.{claims}.c2ln"),
        ] {
            assert_eq!(found(&token, "/sub"), values(&["buyer"]), "{token}");
        }
    }

    #[test]
    fn what_is_no_token_is_malformed() {
        let claims = to_base64url(br#"{"sub":"buyer"}"#);
        for token in [
            String::new(),
            claims.clone(),
            format!("{HEAD}.{claims}"),
            format!("{HEAD}.{claims}.c2ln.c2ln"),
            format!("{HEAD}.{claims}.c2ln.c2ln.c2ln"),
            format!("{HEAD}.{claims}=.c2ln"),
            format!("{HEAD}.{claims}.c2ln "),
            format!("Basic {HEAD}.{claims}.c2ln"),
            format!("h\u{e9}.{claims}.c2ln"),
            format!("{HEAD}.{}.c2ln", claims.replace('e', "+")),
            format!("{HEAD}..c2ln"),
        ] {
            assert_eq!(found(&token, "/sub"), Extracted::Malformed, "{token}");
        }
    }

    #[test]
    fn claims_that_servers_read_in_different_ways_are_not_believed() {
        for claims in [
            r#"{"sub":"buyer","sub":"approver"}"#,
            r#"{"sub":"buyer","SUB":"approver"}"#,
            r#"["buyer"]"#,
            r#""buyer""#,
            r#"{"sub":"buyer"} {}"#,
            r#"{"sub":"#,
            "",
        ] {
            assert_eq!(of(claims, "/sub"), Extracted::Malformed, "{claims}");
        }
    }

    #[test]
    fn a_token_is_read_up_to_its_bound() {
        let signed = |length: usize| {
            let token = format!("{HEAD}.{}.", to_base64url(br#"{"sub":"buyer"}"#));
            // Of neither length is one left over, which no text in base64 has.
            let signature = "A".repeat(length - token.len());
            format!("{token}{signature}")
        };
        assert_eq!(found(&signed(TOKEN_BYTES_MAX), "/sub"), values(&["buyer"]));
        let over = signed(TOKEN_BYTES_MAX + 1);
        assert_eq!(found(&over, "/sub"), Extracted::Malformed);
    }

    #[test]
    fn without_a_claim_it_is_what_was_found_and_without_a_token_nothing() {
        assert_eq!(read(values(&["a", "b"]), None), values(&["a", "b"]));
        assert_eq!(
            read(values(&["a", "b"]), Some("/sub")),
            Extracted::Malformed
        );
        assert_eq!(read(Extracted::Absent, Some("/sub")), Extracted::Absent);
    }

    proptest! {
        #[test]
        fn what_is_encoded_comes_back(bytes: Vec<u8>) {
            assert_eq!(from_base64url(&to_base64url(&bytes)), Some(bytes));
        }

        #[test]
        fn no_token_makes_it_panic(token in "([a-zA-Z0-9_=+-]{0,9}[. ]){0,4}\\PC{0,5}") {
            assert!(!matches!(found(&token, "/sub"), Extracted::Values(_)));
        }
    }
}
