//! What an operator writes: htgate.toml, and nginx's configuration.

use std::str;

use crate::Fault;
use crate::check::nginx::{Known, findings};
use crate::config::Settings;

/// htgate.toml is read, or one line says which line of it is wrong; the same each time.
pub fn config(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').count();
    let read = |data| {
        let file = Settings::parse(data)?;
        let rules = file.rules()?;
        file.token()?;
        Ok((format!("{:?}", rules.access.servers()), file))
    };
    let first: Result<_, Fault> = read(data);
    assert!(first == read(data));
    if let Err(fault) = first {
        check_message(&fault, lines);
    }
}

/// Whatever the configuration, `check` says something about it unless there is a gate, the same
/// each time.
pub fn nginx(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // It would read other files.
    if text.contains("include") {
        return;
    }
    let found = findings("nginx.conf", text, &Known::default());
    assert!(!found.is_empty() || text.contains("auth_request"));
    let again = findings("nginx.conf", text, &Known::default());
    assert!(
        found
            .iter()
            .map(|it| &it.fault)
            .eq(again.iter().map(|it| &it.fault))
    );
    let lines = text.split('\n').count();
    for finding in found.iter().filter(|it| it.file == "nginx.conf") {
        check_message(&finding.fault, lines);
    }
}

/// It is one line, and names one that there is.
fn check_message(fault: &Fault, lines: usize) {
    let message = fault.to_string();
    assert!(!message.contains(char::is_control), "{message:?}");
    let line = fault.line.unwrap_or(1);
    assert!(line >= 1 && line <= lines as u64, "{message}");
}
