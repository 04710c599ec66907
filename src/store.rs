//! The snapshot that every decision is made from. Only the reload replaces it, and neither readers
//! nor the reload ever wait here.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

use crate::hash::{DecoySeed, Decoys, PasswordHash};
use crate::htpasswd::Users;
use crate::rules::access::Access;
use crate::rules::user_agent::UserAgentRules;
use crate::token::Signer;

/// The rules of the configuration file.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Which clients are refused, by their User-Agent.
    pub user_agents: UserAgentRules,
    /// Which user may do what.
    pub access: Access,
}

/// The last good content of all files.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub users: Arc<Users>,
    /// Another one whenever the users change, and only then.
    pub users_number: u64,
    /// How many lines of the users file are faulty, and what is wrong with the first.
    pub faulty_lines: Option<Arc<str>>,
    pub rules: Arc<Rules>,
    /// The signer of tokens, if there is one.
    pub signer: Option<Arc<Signer>>,
}

/// Users and rules that took effect together.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub files: Files,
    /// When the snapshot took effect.
    pub since: SystemTime,
    decoys: Decoys,
}

impl Snapshot {
    /// A snapshot of these files, with decoys in the users' proportions.
    pub(crate) fn new(files: Files, seed: &DecoySeed) -> Self {
        Self {
            decoys: Decoys::forge(seed, files.users.kinds()),
            files,
            since: SystemTime::now(),
        }
    }

    /// The hash to check a password for this name against, and whether it is a user's. For an
    /// unknown name it is a decoy's. Both are looked up for every name, so that the time it takes
    /// gives nothing away.
    pub(crate) fn hash_for(&self, claimed: &[u8]) -> (&PasswordHash, bool) {
        let decoy = self.decoys.choose(claimed);
        let user = self.files.users.find(claimed);
        (user.unwrap_or(decoy), user.is_some())
    }
}

/// Something that keeps the files from taking effect as they stand on the disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// One line: what, where, what to do.
    pub what: String,
    /// When the trouble was first seen.
    pub since: SystemTime,
}

/// Holds the current snapshot, and what keeps it from being renewed.
#[derive(Debug)]
pub(crate) struct Store {
    current: ArcSwap<Snapshot>,
    trouble: ArcSwapOption<Trouble>,
}

impl Store {
    /// A store that starts with this snapshot.
    pub(crate) fn new(first: Snapshot) -> Self {
        Self {
            current: ArcSwap::from_pointee(first),
            trouble: ArcSwapOption::empty(),
        }
    }

    /// The current snapshot. It stays what it is for as long as it is held; do not hold it
    /// across an await.
    pub(crate) fn read(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// What keeps the files' current content from taking effect, if anything does.
    pub(crate) fn trouble(&self) -> Option<Arc<Trouble>> {
        self.trouble.load_full()
    }

    /// Returns the snapshot that was current before.
    pub(crate) fn replace(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        self.current.swap(Arc::new(snapshot))
    }

    /// Sets what [`Store::trouble`] returns.
    pub(crate) fn report(&self, trouble: Option<Trouble>) {
        self.trouble.store(trouble.map(Arc::new));
    }
}
