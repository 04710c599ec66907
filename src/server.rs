//! Puts the rooms together and answers until told to stop. Owns neither ports nor signals:
//! listeners and the end come from outside.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::Config;
use crate::files::reload::{LoadError, Reload, ReloadEnd, Trigger};
use crate::hash::DecoySeed;
use crate::http;
use crate::judge::Judge;
use crate::observe::audit::Audit;
use crate::observe::metrics::Metrics;
use crate::system::listen::Listener;
use crate::system::systemd;

/// A service that has loaded its users and is about to answer.
pub(crate) struct Server {
    gate: http::Gate,
    reload: Reload,
    workers: usize,
}

/// Why the service cannot start, or had to end.
#[derive(Debug)]
pub(crate) enum ServeError {
    /// The users or the rules cannot be loaded.
    Load(LoadError),
    /// The system refuses something.
    Io(io::Error),
    /// The reload ended. To go on with users that nobody renews would be worse.
    Reload(ReloadEnd),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => error.fmt(f),
            Self::Io(error) => write!(f, "cannot serve: {error}"),
            Self::Reload(ReloadEnd::Fault) => f.write_str(
                "the reload ended unexpectedly; stopping, because a removed user would stay",
            ),
            Self::Reload(ReloadEnd::Silence(what)) => {
                write!(f, "{what}; stopping, because a removed user would stay")
            }
        }
    }
}

impl std::error::Error for ServeError {}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Server {
    /// Loads the users and opens the rooms.
    ///
    /// # Errors
    ///
    /// Users or rules that cannot be loaded, or a system that gives no randomness or threads.
    pub(crate) fn load(config: Config, metrics: Arc<Metrics>) -> Result<Self, ServeError> {
        let tokens = config
            .sources
            .token
            .as_ref()
            .map(|token| http::TokenEndpoint {
                path: token.path.clone(),
                service: token.service.clone(),
            });
        let seed = DecoySeed::new(random()?);
        let reload =
            Reload::start(config.sources, seed, Arc::clone(&metrics)).map_err(ServeError::Load)?;
        let judge = Judge::start(&config.judge, reload.store(), metrics)?;
        let gate = http::Gate {
            judge: Arc::new(judge),
            audit: Audit::open()?,
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
    /// Listeners that the system does not let us use, or the end of the reload.
    pub(crate) async fn run(
        self,
        listeners: Vec<Listener>,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Self {
            gate,
            reload,
            workers,
        } = self;
        let (end, mut ended) = mpsc::channel(1);
        reload.run(&end)?;
        let server = http::serve(listeners, workers, &gate, shutdown)?;
        systemd::ready();
        tokio::select! {
            result = server => Ok(result?),
            end = ended.recv() => Err(ServeError::Reload(end.unwrap_or(ReloadEnd::Fault))),
        }
    }
}

fn random() -> Result<[u8; 32], io::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}
