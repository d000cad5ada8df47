//! Who is who: keyed hashes of session ids, and the random names of lineages.
//!
//! An id is a bearer secret. It is known inside the gateway and in the store by its keyed hash
//! alone, so that neither a log nor a stolen store lets anybody act as its owner.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use smallvec::SmallVec;

use super::token::TokenSeed;

mod seal;

pub use seal::NONCE_BYTES;

/// 128 bits that name something, written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Name([u8; 16]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let digits = text.as_bytes();
        let mut bytes = [0; 16];
        if digits.len() != 32 {
            return Err(NotAName);
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, NotAName> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(NotAName),
    }
}

/// A text that is not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 32 lower-case hexadecimal digits")]
pub struct NotAName;

/// The keyed hash of one session id: the key of its record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(Name);

/// The random name of what a person would call one session; it survives rotations of the id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage(Name);

/// The keyed hash of a cookie that accompanies the id: a member of its group, or an `auth_cookie`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Name);

/// A value of a session's companion token: a bearer secret, which shows itself to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenValue {
    number: u32,
    tag: Name,
}

/// A user of the apps of one namespace. Names the place where his sessions are counted.
///
/// No keyed hash: records hold his name in the clear, and it stays the same when keys change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserKey(Name);

impl UserKey {
    /// The user whom the apps of this namespace call so.
    pub fn of(namespace: &str, user: &str) -> Self {
        let parts = length_prefixed([namespace.as_bytes(), user.as_bytes()]);
        let hash = digest::digest(&digest::SHA256, &parts);
        Self(first_half(hash.as_ref()))
    }

    /// The 16 bytes, uniformly distributed.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl Sid {
    /// A sid from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Name(bytes))
    }

    /// The 16 bytes, uniformly distributed.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl Lineage {
    /// A lineage from 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Name(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl Fingerprint {
    /// A fingerprint from its 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Name(bytes))
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserKey({self})")
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({self})")
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lineage({self})")
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Sid {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        text.parse().map(Self)
    }
}

impl FromStr for Lineage {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        text.parse().map(Self)
    }
}

impl FromStr for Fingerprint {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        text.parse().map(Self)
    }
}

/// The deployment's keys, oldest last: the first writes, all read.
///
/// HMAC-SHA-256 (RFC 2104) truncated to 128 bits, over length-prefixed parts, so that no two
/// lists of parts run together into the same input.
pub struct Keyring(Vec<hmac::Key>);

impl Keyring {
    /// A keyring of these secrets, of which the first writes. `None` where there is none.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let keys: Vec<_> = secrets
            .into_iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret))
            .collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The sid of an id under the key that writes.
    pub fn sid(&self, namespace: &str, slot: &str, value: &[u8]) -> Sid {
        Sid(keyed(&self.0[0], SID, namespace, slot, value))
    }

    /// The sids under which an id may have been recorded, the writing key's first.
    pub fn sids(&self, namespace: &str, slot: &str, value: &[u8]) -> impl Iterator<Item = Sid> {
        self.0
            .iter()
            .map(move |key| Sid(keyed(key, SID, namespace, slot, value)))
    }

    /// How many keys there are, at least one.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether a session bound to `known` was bound to this value of the cookie `name`.
    pub fn recognises(
        &self,
        known: Fingerprint,
        namespace: &str,
        name: &str,
        value: &[u8],
    ) -> bool {
        self.0
            .iter()
            .any(|key| Fingerprint(keyed(key, COMPANION, namespace, name, value)) == known)
    }

    /// The fingerprint of the cookie `name` under the key that writes.
    pub fn fingerprint(&self, namespace: &str, name: &str, value: &[u8]) -> Fingerprint {
        Fingerprint(keyed(&self.0[0], COMPANION, namespace, name, value))
    }

    /// The value of this number of a session's token, from 1, under the key that writes.
    pub fn token_value(&self, seed: TokenSeed, lineage: Lineage, number: u32) -> TokenValue {
        TokenValue {
            number,
            tag: token_tag(&self.0[0], seed, lineage, number),
        }
    }

    /// Whether a value is one of this session's token.
    pub fn is_token_of(&self, value: &TokenValue, seed: TokenSeed, lineage: Lineage) -> bool {
        self.0.iter().any(|key| {
            let tag = token_tag(key, seed, lineage, value.number);
            verify_slices_are_equal(&tag.0, &value.tag.0).is_ok()
        })
    }
}

/// The lineage stands where a namespace stands elsewhere: the value is good for nothing else.
fn token_tag(key: &hmac::Key, seed: TokenSeed, lineage: Lineage, number: u32) -> Name {
    let mut named = [0; 20];
    named[..16].copy_from_slice(seed.as_bytes());
    named[16..].copy_from_slice(&number.to_be_bytes());
    keyed(key, TOKEN, &lineage.to_string(), "", &named)
}

/// Digits of the greatest number.
const NUMBER_DIGITS_MAX: usize = 10;

impl TokenValue {
    /// The value in a text; none where it cannot be one.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let (digits, tag) = text.split_once('.')?;
        let is_plain = digits.bytes().all(|digit| digit.is_ascii_digit());
        if digits.starts_with('0') || !is_plain || digits.len() > NUMBER_DIGITS_MAX {
            return None;
        }
        Some(Self {
            number: digits.parse().ok()?,
            tag: tag.parse().ok()?,
        })
    }

    /// Its number, which is anybody's claim until `Keyring::is_token_of` confirms it.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// As it travels: a number, a dot and 32 hexadecimal digits.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.number, self.tag)
    }
}

impl fmt::Debug for TokenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenValue({}, redacted)", self.number)
    }
}

/// Separates the uses of a key: a sid never equals a fingerprint of the same value.
const SID: &[u8] = b"sid";
const COMPANION: &[u8] = b"companion";
const TOKEN: &[u8] = b"token";

/// Bytes that nearly all that is keyed fits in.
const KEYED_MOST: usize = 256;

fn keyed(key: &hmac::Key, purpose: &[u8], namespace: &str, slot: &str, value: &[u8]) -> Name {
    let parts = length_prefixed([purpose, namespace.as_bytes(), slot.as_bytes(), value]);
    first_half(hmac::sign(key, &parts).as_ref())
}

fn length_prefixed<const N: usize>(parts: [&[u8]; N]) -> SmallVec<[u8; KEYED_MOST]> {
    let mut bytes = SmallVec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// The first 16 of a hash's 32 bytes.
fn first_half(hash: &[u8]) -> Name {
    let mut name = [0; 16];
    name.copy_from_slice(&hash[..16]);
    Name(name)
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyring, Lineage, Sid, TokenSeed, TokenValue, UserKey};

    fn keyring() -> Keyring {
        Keyring::new([b"new".as_slice(), b"old"]).unwrap()
    }

    #[test]
    fn parts_never_run_together() {
        let keys = keyring();
        assert_ne!(keys.sid("ab", "c", b"v"), keys.sid("a", "bc", b"v"));
        assert_ne!(keys.sid("a", "b", b"cv"), keys.sid("a", "bc", b"v"));
    }

    #[test]
    fn a_user_is_another_one_in_another_namespace_or_in_other_letters() {
        let user = UserKey::of("shop", "buyer-1");
        assert_eq!(user, UserKey::of("shop", "buyer-1"));
        for other in [
            UserKey::of("shop", "Buyer-1"),
            UserKey::of("stock", "buyer-1"),
            UserKey::of("shopb", "uyer-1"),
        ] {
            assert_ne!(user, other);
        }
    }

    #[test]
    fn the_first_key_writes_and_all_read() {
        let keys = keyring();
        let old = Keyring::new([b"old".as_slice()]).unwrap();
        let sids: Vec<Sid> = keys.sids("n", "s", b"v").collect();
        assert_eq!(sids, [keys.sid("n", "s", b"v"), old.sid("n", "s", b"v")]);
        let bound = old.fingerprint("n", "c", b"v");
        assert!(keys.recognises(bound, "n", "c", b"v"));
        assert!(!keys.recognises(bound, "n", "c", b"w"));
    }

    #[test]
    fn a_name_survives_being_written_and_nothing_else_reads_as_one() {
        let lineage = Lineage::from_bytes([0xa5; 16]);
        assert_eq!(lineage.to_string().parse(), Ok(lineage));
        for text in [
            "",
            "a5",
            &"A5".repeat(16),
            &"g0".repeat(16),
            &"a5".repeat(17),
        ] {
            assert!(text.parse::<Lineage>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_keyring_without_a_key_is_none() {
        assert!(Keyring::new([]).is_none());
    }

    const SEED: TokenSeed = TokenSeed::from_bytes([1; 16]);
    const LINEAGE: Lineage = Lineage::from_bytes([2; 16]);

    #[test]
    fn a_token_is_of_its_number_its_seed_its_lineage_and_its_keys_alone() {
        let keys = keyring();
        let value = keys.token_value(SEED, LINEAGE, 7);
        let told = TokenValue::parse(value.reveal().as_bytes()).unwrap();
        assert_eq!((told.number(), &told), (7, &value));
        assert!(keys.is_token_of(&told, SEED, LINEAGE));
        assert!(!keys.is_token_of(&told, TokenSeed::from_bytes([3; 16]), LINEAGE));
        assert!(!keys.is_token_of(&told, SEED, Lineage::from_bytes([3; 16])));
        let tag = value.reveal().split_off(2);
        let renumbered = TokenValue::parse(format!("8.{tag}").as_bytes()).unwrap();
        assert!(!keys.is_token_of(&renumbered, SEED, LINEAGE));
        let old = Keyring::new([b"old".as_slice()]).unwrap();
        assert!(!old.is_token_of(&told, SEED, LINEAGE));
        assert!(keys.is_token_of(&old.token_value(SEED, LINEAGE, 7), SEED, LINEAGE));
    }

    #[test]
    fn nothing_else_reads_as_a_token() {
        let tag = "a5".repeat(16);
        assert!(TokenValue::parse(format!("4294967295.{tag}").as_bytes()).is_some());
        for text in [
            "".to_owned(),
            ".".to_owned(),
            tag.clone(),
            format!(".{tag}"),
            format!("0.{tag}"),
            format!("01.{tag}"),
            format!("+1.{tag}"),
            format!("-1.{tag}"),
            format!("1 .{tag}"),
            format!("4294967296.{tag}"),
            format!("99999999999.{tag}"),
            format!("1.{tag}0"),
            format!("1.{}", &tag[1..]),
            format!("1.{}", tag.to_uppercase()),
            format!("1..{tag}"),
            format!("\u{661}.{tag}"),
        ] {
            assert!(TokenValue::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(TokenValue::parse(b"1.\xff").is_none());
    }

    #[test]
    fn a_token_shows_itself_to_nobody() {
        let value = keyring().token_value(SEED, LINEAGE, 7);
        assert_eq!(format!("{value:?}"), "TokenValue(7, redacted)");
        assert_eq!(format!("{SEED:?}"), "TokenSeed(redacted)");
    }
}
