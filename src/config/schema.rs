//! The JSON Schema of the file, from which editors complete and explain keys.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use serde_json::Value;

use super::raw::RawConfig;

/// The schema, as of JSON Schema draft 2020-12.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(without_null);
    settings
        .into_generator()
        .into_root_schema_for::<RawConfig>()
        .to_value()
}

/// TOML has no null: a key that may be left out is left out.
fn without_null(schema: &mut Schema) {
    transform_subschemas(&mut without_null, schema);
    for key in ["type", "enum", "anyOf"] {
        let Some(Value::Array(options)) = schema.get_mut(key) else {
            continue;
        };
        options.retain(|option| {
            !option.is_null() && *option != "null" && option.get("type") != Some(&"null".into())
        });
        let [only] = options.as_mut_slice() else {
            continue;
        };
        let only = only.take();
        match (key, only) {
            ("anyOf", Value::Object(only)) => {
                schema.remove(key);
                for (key, value) in only {
                    schema.insert(key, value);
                }
            }
            ("type", only) => {
                schema.insert(key.to_owned(), only);
            }
            (_, only) => {
                schema.insert(key.to_owned(), Value::Array(vec![only]));
            }
        }
    }
}

#[cfg(test)]
mod tests;
