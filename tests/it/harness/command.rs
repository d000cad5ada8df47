//! The built `curfew` binary as a command that ends by itself.

use std::process::Stdio;

use tokio::process::Command;

use super::soon;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// Runs `curfew` with these arguments and with no variable but these.
pub(crate) async fn curfew(arguments: &[&str], environment: &[(&str, &str)]) -> Said {
    let command = Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = soon("the end of a command", command).await;
    let output = output.expect("the binary was built");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it speaks UTF-8");
    Said {
        code: output.status.code().expect("no signal ended it"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
