//! The commands for a registry's tokens.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a key that signs tokens, its certificate and its JWK set.
    #[command(
        after_help = "Example: htgate token init /etc/htgate/token --service registry.example.com\n\n\
                      Makes token.key, which htgate alone may read, token.crt, which is the \
                      registry's rootcertbundle, and token.jwks, which is the jwks of a registry \
                      3.x that has no rootcertbundle. Files that are there already stay."
    )]
    Init(InitOptions),
    /// Print the JWK set of one or more certificates, for instance of the old and the new key.
    #[command(after_help = "Example: htgate token jwks old.crt new.crt > token.jwks")]
    Jwks(JwksOptions),
}

/// Which key to make, and where.
#[derive(Args, Debug)]
pub(crate) struct InitOptions {
    /// The folder for the three files; made if it is absent.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// The registry's service, for the settings that are printed and the certificate's name.
    #[arg(long, value_name = "NAME", default_value = "registry.example.com")]
    pub service: String,
    /// How tokens are signed.
    #[arg(long, value_name = "NAME", default_value = "es256", ignore_case = true)]
    pub algorithm: AlgorithmName,
    /// How long the certificate is good.
    #[arg(long, value_name = "DAYS", default_value_t = 3650,
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AlgorithmName {
    /// ECDSA with P-256: fast, and short tokens.
    Es256,
    /// RSA with 2048 bits.
    Rs256,
}

/// Whose keys to print.
#[derive(Args, Debug)]
pub(crate) struct JwksOptions {
    /// Files with certificates in PEM form.
    #[arg(value_name = "CERTIFICATE", required = true)]
    pub certificates: Vec<PathBuf>,
}
