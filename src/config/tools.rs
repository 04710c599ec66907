//! What tools need of the settings: the users file, and what its hashes may be and cost.

use std::path::{Path, PathBuf};

use clap::Args;

use super::path::path;
use super::settings::{BCRYPT_COSTS, Settings, number, switch};
use super::{ConfigError, named_users};
use crate::hash::Limits;

/// Which users file a tool reads.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct UsersFile {
    /// The htpasswd file [default: the one in htgate.toml]. A link stays, and what it leads to is
    /// changed.
    #[arg(long, env = "HTGATE_HTPASSWD", value_name = "FILE", value_parser = path())]
    pub htpasswd: Option<PathBuf>,
    /// The htgate.toml [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
}

impl UsersFile {
    /// The users file.
    ///
    /// # Errors
    ///
    /// None is named, or a fault of the file that should name it.
    pub(crate) fn path(&self) -> Result<PathBuf, ConfigError> {
        match &self.htpasswd {
            Some(path) => Ok(path.clone()),
            None => {
                let file = Settings::of_file(self.config.as_deref())?;
                named_users(file.htpasswd, self.config.as_deref())
            }
        }
    }
}

/// Those settings that tools need which read a users file.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LimitOptions {
    /// The highest bcrypt cost that is hashed, 4 to 31 [default: 14].
    #[arg(long, env = "HTGATE_MAX_BCRYPT_COST", value_name = "COST",
          value_parser = |text: &str| number(text, &BCRYPT_COSTS))]
    pub max_bcrypt_cost: Option<u8>,
    /// Let {PLAIN} lines hold passwords in the clear; =false takes it back [default: false].
    #[arg(
        long,
        env = "HTGATE_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        value_parser = switch,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub allow_plaintext: Option<bool>,
}

impl LimitOptions {
    /// The limits that `serve` would have with these options and this file.
    ///
    /// # Errors
    ///
    /// A fault of the file.
    pub(crate) fn limits(self, config: Option<&Path>) -> Result<Limits, ConfigError> {
        let given = Settings {
            max_bcrypt_cost: self.max_bcrypt_cost,
            allow_plaintext: self.allow_plaintext,
            ..Settings::default()
        };
        Ok(given.or(Settings::of_file(config)?).limits())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_users_file_is_the_one_that_is_given_or_that_the_file_names() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let named = file("named", "htpasswd = 'a'\nmax_bcrypt_cost = 12\n");
        let unnamed = file("unnamed", "workers = 2\n");
        let none = Some(folder.path().join("none"));
        let rows = [
            (None, named.clone(), "a"),
            (Some("b"), named.clone(), "b"),
            (Some("b"), none.clone(), "b"),
            (
                None,
                unnamed,
                "no users file; use --htpasswd FILE, or write htpasswd = \"FILE\" into /",
            ),
            (None, none, "none: the file does not exist"),
            (
                None,
                None,
                "no users file; use --htpasswd FILE, or write htpasswd = \"FILE\" into /etc/",
            ),
        ];
        for (htpasswd, config, expected) in rows {
            let htpasswd = htpasswd.map(PathBuf::from);
            let seen = match (UsersFile { htpasswd, config }).path() {
                Ok(path) => path.display().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(seen.contains(expected), "{seen}");
        }
        let given = LimitOptions {
            allow_plaintext: Some(true),
            max_bcrypt_cost: None,
        };
        let limits = given.limits(named.as_deref()).unwrap();
        assert_eq!((limits.max_bcrypt_cost, limits.allow_plaintext), (12, true));
    }
}
