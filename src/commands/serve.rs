//! `htgate serve`.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{FAILED, code, complain, line};
use crate::config::{Config, Settings};
use crate::files::reload::Trigger;
use crate::observe::logging::{self, Log};
use crate::observe::metrics::Metrics;
use crate::server::{Server, cannot_serve};
use crate::system::listen::{Handover, Listener};
use crate::system::{process, systemd};

pub(super) fn run(settings: Settings) -> ExitCode {
    // Before there are threads.
    let handover = Handover::from_environment();
    let metrics = Arc::new(Metrics::new());
    let log = match Log::open(Arc::clone(&metrics)) {
        Ok(log) => log,
        Err(error) => return complain(format_args!("cannot log: {error}"), FAILED),
    };
    let ended = match Config::load(settings) {
        Err(error) => Err((code(&error), error.to_string())),
        Ok(config) => {
            logging::start(&log, config.log_format);
            for warning in line::unknown_variables() {
                log::warn!("{warning}");
            }
            serve(config, handover, metrics).map_err(|what| (FAILED, what))
        }
    };
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, what)) => {
            log.put(format!("htgate: {what}\n").into_bytes());
            ExitCode::from(code)
        }
    };
    log.finish();
    code
}

fn serve(config: Config, handover: Handover, metrics: Arc<Metrics>) -> Result<(), String> {
    let (addresses, mode, group) = (
        config.listen.clone(),
        config.socket_mode,
        config.socket_group.clone(),
    );
    if let Err(error) = process::forbid_dumps() {
        log::warn!("passwords can get into a core dump: {error}");
    }
    if let Err(error) = process::raise_open_files() {
        log::warn!("the limit of open files stays as it is: {error}");
    }
    actix_web::rt::System::new().block_on(async {
        // Until it is caught it ends the process: what comes while the files are read must not.
        let hangup = signal(SignalKind::hangup()).map_err(cannot_serve)?;
        let server = Server::load(config, metrics)?;
        reload_on_hangup(hangup, server.trigger());
        let stop = stop_signal().map_err(cannot_serve)?;
        let listeners = Listener::open(&addresses, mode, group.as_deref(), handover)?;
        server.run(listeners, stop).await
    })
}

/// SIGHUP asks for a reload.
fn reload_on_hangup(mut hangup: Signal, trigger: Trigger) {
    actix_web::rt::spawn(async move {
        while hangup.recv().await.is_some() {
            log::info!("SIGHUP: reading the files again");
            trigger.pull();
        }
    });
}

/// Completes at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => log::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => log::info!("SIGINT: stopping"),
        }
        systemd::stopping();
    })
}
