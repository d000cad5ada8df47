//! The JSON of a request, believed only where all servers must read the same.
//!
//! Of a key that an object has twice some servers take the first value, some the last (RFC 8259, 4), and
//! binders that ignore case take two keys for one.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::routing::names;

/// Members of all objects of one body: each key is compared with the others of its object, and a login
/// needs few.
const MEMBERS_MAX: usize = 256;

/// What a body says in JSON.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    /// Nothing: it is no JSON.
    None,
    /// Servers may read different things, or it is too much to tell: whoever wrote it is not believed.
    Doubtful,
    /// This.
    Said(Value),
}

impl Json {
    pub(crate) fn read(body: &[u8]) -> Self {
        let members = Cell::new(0);
        let mut reader = serde_json::Deserializer::from_slice(body);
        let read = Node { members: &members }.deserialize(&mut reader);
        match read.and_then(|value| reader.end().map(|()| value)) {
            Ok(value) => Self::Said(value),
            // A fault of the data is one that `Node` reports; all others are of the syntax.
            Err(error) if error.is_data() => Self::Doubtful,
            Err(_) => Self::None,
        }
    }

    /// What is said, where it is believed.
    pub(crate) fn said(&self) -> Option<&Value> {
        match self {
            Self::Said(value) => Some(value),
            Self::None | Self::Doubtful => None,
        }
    }
}

/// One value of a document whose members are counted.
#[derive(Clone, Copy)]
struct Node<'a> {
    members: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            self.members.set(self.members.get() + 1);
            if self.members.get() > MEMBERS_MAX {
                return Err(A::Error::custom("too many members"));
            }
            if object.keys().any(|known| read_alike(known, &key)) {
                return Err(A::Error::custom("a repeated key"));
            }
            object.insert(key, members.next_value_seed(self)?);
        }
        Ok(object.into())
    }
}

fn read_alike(one: &str, other: &str) -> bool {
    names::reads_as(one.as_bytes(), other) || names::reads_as(other.as_bytes(), one)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
    use serde_json::{Value, json};

    use super::{Json, MEMBERS_MAX};

    #[test]
    fn no_key_that_some_server_finds_twice_is_believed() {
        for body in [
            r#"{"user":"buyer","user":"approver"}"#,
            r#"{"user":"buyer","\u0075ser":"buyer"}"#,
            r#"{"user":"buyer","User":"approver"}"#,
            r#"{"USER":"buyer","user":"approver"}"#,
            r#"{"user.name":"buyer","user_name":"approver"}"#,
            r#"[{"a":[{"user":1,"user":2}]}]"#,
        ] {
            assert_eq!(Json::read(body.as_bytes()), Json::Doubtful, "{body}");
        }
    }

    #[test]
    fn a_key_may_stand_in_several_objects() {
        let body = json!({ "user": { "user": "buyer" }, "all": [{ "user": 1 }, { "user": 2 }] });
        assert_eq!(Json::read(body.to_string().as_bytes()), Json::Said(body));
    }

    #[test]
    fn what_is_no_json_says_nothing() {
        let deep = "[".repeat(1000);
        for body in [
            "",
            "user=buyer",
            "{",
            r#"{"a":1} {"a":2}"#,
            "\"\\ud800\"",
            &deep,
        ] {
            assert_eq!(Json::read(body.as_bytes()), Json::None, "{body}");
        }
    }

    #[test]
    fn no_more_members_are_compared_than_the_bound() {
        let members = |count: usize| {
            let object = (0..count).map(|index| (format!("m{index}"), Value::Null));
            Value::Object(object.collect())
        };
        let full = members(MEMBERS_MAX);
        assert_eq!(Json::read(full.to_string().as_bytes()), Json::Said(full));
        let over = members(MEMBERS_MAX + 1).to_string();
        assert_eq!(Json::read(over.as_bytes()), Json::Doubtful);
    }

    fn document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..6);
            let members = proptest::collection::btree_map("[a-z]{1,8}", inner, 0..6);
            prop_oneof![
                list.prop_map(Value::from),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn without_a_repeated_key_it_reads_what_serde_json_reads(document in document()) {
            let body = document.to_string();
            let known: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(Json::read(body.as_bytes()), Json::Said(known));
        }

        #[test]
        fn no_body_makes_it_panic(body in r#"[\[\]{}",:a-bA-B0-1 \\]{0,60}"#) {
            let known = serde_json::from_str::<Value>(&body).ok();
            match Json::read(body.as_bytes()) {
                Json::Said(value) => assert_eq!(Some(value), known),
                Json::None => assert_eq!(known, None),
                Json::Doubtful => {}
            }
        }
    }
}
