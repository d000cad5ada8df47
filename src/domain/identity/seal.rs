//! Sealing: what a client keeps for the gateway, which it can neither read nor change.
//!
//! AES-256-GCM (NIST SP 800-38D) under a key of its own that each key of the ring gives, with a
//! random nonce in front: of one key, some 2^32 seals are safe, and one is made at a refusal.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::Keyring;

/// Bytes of randomness that a seal needs.
pub const NONCE_BYTES: usize = NONCE_LEN;

/// Gives the key that seals: no tag of an id or a cookie is one over this alone.
const PURPOSE: &[u8] = b"curfew seal, AES-256-GCM";

impl Keyring {
    /// Seals under the key that writes. It opens again only for the same `context`.
    pub fn seal(&self, context: &[u8], nonce: [u8; NONCE_BYTES], plain: &[u8]) -> Vec<u8> {
        let mut text = plain.to_vec();
        sealing_key(&self.0[0])
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(context),
                &mut text,
            )
            .expect("the text is shorter than 64 GiB");
        [&nonce[..], &text].concat()
    }

    /// What was sealed for this context under any of the keys; nothing where it was not.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES)?;
        self.0.iter().find_map(|key| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = text.to_vec();
            let opened = sealing_key(key).open_in_place(nonce, Aad::from(context), &mut text);
            opened.ok().map(|plain| plain.to_vec())
        })
    }
}

fn sealing_key(key: &hmac::Key) -> LessSafeKey {
    let tag = hmac::sign(key, PURPOSE);
    let key = UnboundKey::new(&AES_256_GCM, tag.as_ref());
    LessSafeKey::new(key.expect("a tag of HMAC-SHA-256 is as long as a key of AES-256"))
}

#[cfg(test)]
mod tests {
    use super::super::Keyring;

    #[test]
    fn a_seal_opens_for_its_context_under_any_key_of_the_ring_and_for_nobody_else() {
        let ring = |keys: &[&[u8]]| Keyring::new(keys.iter().copied()).unwrap();
        let old = ring(&[b"old"]);
        let sealed = old.seal(b"app", [7; 12], b"secret");
        assert_eq!(
            ring(&[b"new", b"old"]).open(b"app", &sealed).unwrap(),
            b"secret"
        );
        assert_eq!(ring(&[b"new"]).open(b"app", &sealed), None);
        assert_eq!(old.open(b"other", &sealed), None);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn nothing_that_was_changed_opens() {
        let ring = Keyring::new([b"key".as_slice()]).unwrap();
        let sealed = ring.seal(b"app", [7; 12], b"secret");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(ring.open(b"app", &changed), None, "byte {at}");
            assert_eq!(ring.open(b"app", &sealed[..at]), None, "{at} bytes");
        }
    }
}
