//! Files of this repository, read as the gateway would read them.

use std::path::Path;

use super::load;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_smallest_example_is_a_configuration() {
    let loaded = load(&repository().join("config/examples/minimal.toml")).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(&*loaded.config.apps[0].slot, "cookie:JSESSIONID");
}
