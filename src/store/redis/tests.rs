use std::io::Write;
use std::time::Duration;

use super::{OpenError, RedisStore};
use crate::clock::Clock;
use crate::config::{RedisConfig, Secret};
use crate::domain::time::Timestamp;

fn open(url: &str, ca: Option<&str>) -> Result<RedisStore, OpenError> {
    let file = ca.map(|pem| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem.as_bytes()).unwrap();
        file
    });
    let config = RedisConfig {
        url: Secret::new(url.to_owned()),
        ca: file.as_ref().map(|file| file.path().to_owned()),
        deadline: Duration::from_millis(150),
    };
    RedisStore::open(&config, Clock::manual(Timestamp::from_millis(0)))
}

#[test]
fn a_url_of_redis_opens_whether_or_not_anybody_listens() {
    for url in [
        "redis://127.0.0.1:1",
        "redis://:secret@127.0.0.1:1/3",
        "redis://user:secret@127.0.0.1:1/0?protocol=resp3",
        "rediss://redis.invalid",
    ] {
        assert!(open(url, None).is_ok(), "{url}");
    }
}

#[test]
fn another_url_does_not_and_is_not_told() {
    for url in [
        "",
        "memory:",
        "http://secret@127.0.0.1",
        "unix:///secret",
        "redis+unix:///secret",
        "rediss://secret@127.0.0.1/#insecure",
        "redis://secret@127.0.0.1/not-a-number",
        "redis://:secret@/0",
    ] {
        let error = open(url, None).err().expect(url).to_string();
        assert!(!error.contains("secret"), "{url}: {error}");
    }
}

#[test]
fn an_authority_needs_tls_and_a_certificate() {
    let refused = |url, pem| open(url, Some(pem)).err();
    let without_tls = refused("redis://127.0.0.1", "");
    assert!(matches!(without_tls, Some(OpenError::CaWithoutTls)));
    for pem in ["", "garbage", "-----BEGIN CERTIFICATE-----\n!\n"] {
        let empty = refused("rediss://127.0.0.1", pem);
        assert!(matches!(empty, Some(OpenError::CaEmpty(_))), "{pem}");
    }
}
