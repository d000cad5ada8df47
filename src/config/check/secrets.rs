//! Secrets: they stand in files of their own or in the environment, never in the configuration.

use aws_lc_rs::digest;

use super::Checker;
use crate::config::Secret;
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::RawStore;
use crate::domain::identity::Keyring;

/// Bytes of a key at least: as many as HMAC-SHA-256 gives out (RFC 2104, section 3).
const KEY_BYTES_MIN: usize = 32;

/// Bytes of the admin token at least: 128 bits, were each byte random.
const TOKEN_BYTES_MIN: usize = 16;

/// Keys at most: each is tried for each id of each request.
const KEYS_MAX: usize = 8;

/// A secret and where the file speaks of it.
pub(super) struct Told<'a> {
    pub(super) secret: String,
    pub(super) at: &'a At<String>,
}

impl Checker<'_> {
    /// The secret of a pair of settings, `x_file = "path"` or `x = "env:NAME"`, where one is told.
    /// `Err` where it has a fault.
    pub(super) fn secret<'r>(
        &self,
        file: Option<&'r At<String>>,
        variable: Option<&'r At<String>>,
    ) -> Result<Option<Told<'r>>, ()> {
        match (file, variable) {
            (None, None) => Ok(None),
            (Some(at), None) => self.secret_file(at).map(Some).ok_or(()),
            (None, Some(at)) => self.secret_variable(at).map(Some).ok_or(()),
            (Some(file), Some(variable)) => {
                let fault = Fault::error(Code::Contradiction, &variable.place, "told twice")
                    .other(&file.place, "first told here")
                    .help("leave out one of the two");
                self.findings.push(fault);
                Err(())
            }
        }
    }

    fn secret_file<'r>(&self, at: &'r At<String>) -> Option<Told<'r>> {
        let path = self.surroundings.resolve(&at.value);
        match (self.surroundings.read_file)(&path) {
            Ok(text) => Some(Told { secret: text, at }),
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                let help =
                    "name a file that this user may read, from the configuration's directory";
                self.error(Code::Source, &at.place, message, help);
                None
            }
        }
    }

    fn secret_variable<'r>(&self, at: &'r At<String>) -> Option<Told<'r>> {
        let Some(name) = at.value.strip_prefix("env:") else {
            let help =
                "write \"env:NAME\" and put it into that environment variable, or name a file";
            let fault = Fault::error(
                Code::ExposedSecret,
                &at.place,
                "a secret does not stand in the configuration",
            );
            self.findings.push(fault.help(help));
            return None;
        };
        match (self.surroundings.environment)(name) {
            Some(secret) => Some(Told { secret, at }),
            None => {
                let message = format!("the environment variable {name:?} is not set");
                let help = format!("start the gateway with {name}=...");
                self.error(Code::Source, &at.place, message, &help);
                None
            }
        }
    }

    /// The admin token; none where none is told.
    pub(super) fn token(
        &self,
        file: Option<&At<String>>,
        variable: Option<&At<String>>,
    ) -> Result<Option<Secret>, ()> {
        let Some(told) = self.secret(file, variable)? else {
            return Ok(None);
        };
        let token = told.secret.trim();
        if token.len() < TOKEN_BYTES_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!(
                "the token is not {TOKEN_BYTES_MIN} or more printable ASCII characters on one line"
            );
            let help = "make one with `openssl rand -hex 32`";
            self.error(Code::Source, &told.at.place, message, help);
            return Err(());
        }
        Ok(Some(Secret::new(token.to_owned())))
    }

    /// The keys under which ids are known; this process's own where the file names none.
    pub(super) fn keys(&self, raw: Option<&At<RawStore>>) -> Option<Keyring> {
        let raw = raw.map(|raw| &raw.value);
        let file = raw.and_then(|raw| raw.keys_file.as_ref());
        let variable = raw.and_then(|raw| raw.keys.as_ref());
        let Some(told) = self.secret(file, variable).ok()? else {
            return Keyring::new([self.surroundings.process_key]);
        };
        let lines = told.secret.lines().map(str::trim);
        let keys: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        for (index, key) in keys.iter().enumerate() {
            if !is_strong(key) {
                let message = format!("key {} is shorter than {KEY_BYTES_MIN} bytes", index + 1);
                let help = "make each with `openssl rand -hex 32`, one a line";
                self.error(Code::Source, &told.at.place, message, help);
                return None;
            }
        }
        if keys.is_empty() || keys.len() > KEYS_MAX {
            let message = format!("{} keys where 1 to {KEYS_MAX} can be", keys.len());
            let help = "make one with `openssl rand -hex 32`; drop those that no session needs";
            self.error(Code::Source, &told.at.place, message, help);
            return None;
        }
        Keyring::new(keys.iter().map(|key| key.as_bytes()))
    }
}

/// Whether a key may hold enough. Its characters are the key as they are, so that no gateway can
/// take for base64 what another takes for text; only hexadecimal is known to hold half a byte each.
fn is_strong(key: &str) -> bool {
    let hexadecimal = key.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bytes = if hexadecimal {
        key.len() / 2
    } else {
        key.len()
    };
    bytes >= KEY_BYTES_MIN
}

/// The version of a policy: the first four bytes of the SHA-256 of its file.
pub(in crate::config) fn version_of(text: &str) -> u32 {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut first = [0; 4];
    first.copy_from_slice(&hash.as_ref()[..4]);
    u32::from_be_bytes(first)
}
