//! Puts the parts together and answers until the shutdown. Owns neither ports nor signals: the
//! listeners and the shutdown come from outside.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::files::reload::{Reload, Trigger};
use crate::hash::DecoySeed;
use crate::http;
use crate::judge::{Judge, JudgeSettings};
use crate::observe::audit::Audit;
use crate::observe::metrics::Metrics;
use crate::system::listen::Listener;
use crate::system::process;
use crate::system::systemd;

/// A service that has loaded its files and is ready to answer.
pub(crate) struct Server {
    gate: http::Gate,
    reload: Reload,
    workers: usize,
}

impl Server {
    /// Loads the files and starts the judge.
    ///
    /// # Errors
    ///
    /// One line: users or rules that cannot be loaded, or a system without randomness or threads.
    pub(crate) fn load(config: Config, metrics: Arc<Metrics>) -> Result<Self, String> {
        let tokens = config
            .sources
            .token
            .as_ref()
            .map(|token| http::TokenEndpoint {
                path: token.path.clone(),
                service: token.service.clone(),
            });
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(cannot_serve)?;
        let seed = DecoySeed::new(seed);
        let reload = Reload::start(config.sources, seed, Arc::clone(&metrics))?;
        let connections = http::most_connections(config.workers);
        let settings = fit(config.judge, connections, config.workers);
        let judge = Judge::start(&settings, connections / 4, reload.store(), metrics)
            .map_err(cannot_serve)?;
        let gate = http::Gate {
            judge: Arc::new(judge),
            audit: Audit::open().map_err(cannot_serve)?,
            front: config.front,
            realm: config.realm,
            tokens,
        };
        Ok(Self {
            gate,
            reload,
            workers: config.workers,
        })
    }

    /// A way to ask for a reload.
    pub(crate) fn trigger(&self) -> Trigger {
        self.reload.trigger()
    }

    /// Answers until the shutdown comes; then lets the requests in hand finish.
    ///
    /// # Errors
    ///
    /// One line: listeners that the system does not let us use, or the end of the reload.
    pub(crate) async fn run(
        self,
        listeners: Vec<Listener>,
        shutdown: impl Future<Output = ()> + 'static,
    ) -> Result<(), String> {
        let (end, mut ended) = mpsc::channel(1);
        self.reload.run(&end).map_err(cannot_serve)?;
        let server = http::serve(listeners, self.workers, &self.gate, shutdown);
        let server = server.map_err(cannot_serve)?;
        systemd::ready();
        tokio::select! {
            result = server => result.map_err(cannot_serve),
            Some(what) = ended.recv() => {
                Err(format!("{what}; stopping, because a removed user would stay"))
            }
        }
    }
}

/// Lets passwords that wait to be hashed have at most half of the connections, or guesses would keep
/// out those who need not wait.
fn fit(mut judge: JudgeSettings, connections: usize, workers: usize) -> JudgeSettings {
    let room = (connections / 2).max(1);
    if judge.queue > room {
        let needed = http::open_files_for(judge.queue.saturating_mul(2), workers);
        log::warn!(
            "only {} files may be open, so {room} passwords may wait instead of {}; allow {needed} \
             (LimitNOFILE= in systemd, ulimits in compose, ulimit -n), or use --queue {room}",
            process::open_files(),
            judge.queue,
        );
        judge.queue = room;
    }
    judge
}

/// One line about what the system refuses.
pub(crate) fn cannot_serve(error: impl std::fmt::Display) -> String {
    format!("cannot serve: {error}")
}
