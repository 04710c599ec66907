//! Puts the parts together and answers until the shutdown. Owns neither ports nor signals: the
//! listeners and the shutdown come from outside.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::files::reload::{Reload, Trigger};
use crate::hash::DecoySeed;
use crate::http;
use crate::judge::Judge;
use crate::observe::audit::Audit;
use crate::observe::metrics::Metrics;
use crate::system::listen::Listener;
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
        getrandom::fill(&mut seed).map_err(|error| cannot_serve(error.into()))?;
        let seed = DecoySeed::new(seed);
        let reload = Reload::start(config.sources, seed, Arc::clone(&metrics))?;
        let judge = Judge::start(&config.judge, reload.store(), metrics).map_err(cannot_serve)?;
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
        shutdown: impl Future<Output = ()> + Send + 'static,
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

/// One line about what the system refuses.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn cannot_serve(error: io::Error) -> String {
    format!("cannot serve: {error}")
}
