//! Log lines on standard error, for people or as JSON.

use std::io::Write as _;

use jiff::Timestamp;
use serde_json::json;

use crate::cli::LogFormat;

/// Sets the process's logger up. `RUST_LOG` chooses what is logged, by default `info`.
pub fn start(format: LogFormat) {
    let environment = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    let mut builder = env_logger::Builder::from_env(environment);
    if format == LogFormat::Json {
        builder.format(|line, record| {
            let json = json!({
                "time": format!("{:.3}", Timestamp::now()),
                "level": record.level().as_str(),
                "target": record.target(),
                "message": record.args().to_string(),
            });
            writeln!(line, "{json}")
        });
    }
    // A second logger is refused; the first one, in tests, is as good.
    let _ = builder.try_init();
}
