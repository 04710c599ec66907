//! `htgate token`: makes keys, and shows them as registries want them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};

use super::{FAILED, complain, print, reason};
use crate::Fault;
use crate::config::{Settings, TokenSection, path};
use crate::files::stable_read;
use crate::token::{Algorithm, Certificate, NewKey, key_set};

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// The registry's service, for the settings that are printed and the certificate's name
    /// [default: the one in htgate.toml].
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// The htgate.toml [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
    /// How tokens are signed.
    #[arg(long, value_name = "NAME", default_value = "es256", ignore_case = true)]
    pub algorithm: AlgorithmName,
    /// How long the certificate is good.
    #[arg(long, value_name = "DAYS", default_value_t = 3650,
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
}

/// What cannot be taken for anybody's registry.
const NO_SERVICE: &str = "YOUR-REGISTRY";

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
    /// Files with certificates in PEM form [default: the one in htgate.toml].
    #[arg(value_name = "CERTIFICATE")]
    pub certificates: Vec<PathBuf>,
    /// The htgate.toml [default: /etc/htgate/htgate.toml].
    #[arg(long, env = "HTGATE_CONFIG", value_name = "FILE", value_parser = path())]
    pub config: Option<PathBuf>,
}

pub(super) fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::Init(options) => init(options),
        Command::Jwks(options) => jwks(options),
    };
    match done {
        Ok(text) => print(text.as_bytes()),
        Err(what) => complain(what, FAILED),
    }
}

fn init(options: &InitOptions) -> Result<String, String> {
    let algorithm = match options.algorithm {
        AlgorithmName::Es256 => Algorithm::Es256,
        AlgorithmName::Rs256 => Algorithm::Rs256,
    };
    let lifetime = Duration::from_secs(u64::from(options.days) * 24 * 60 * 60);
    let configured = || section(options.config.as_deref()).map(|token| token.map(|it| it.service));
    let service = match &options.service {
        Some(service) => service.clone(),
        None => configured()?.unwrap_or_else(|| NO_SERVICE.to_owned()),
    };
    let name = format!("tokens of {service}");
    let new = NewKey::generate(algorithm, &name, lifetime, SystemTime::now())
        .map_err(|error| format!("cannot make a key: {error}"))?;
    let jwks = Certificate::all_from_pem(new.certificate.as_bytes())
        .and_then(|certificates| key_set(&certificates))
        .map_err(|error| Fault::from(error).to_string())?;
    let jwks = format!("{jwks:#}\n");
    let folder = &options.folder;
    fs::create_dir_all(folder).map_err(|error| cannot(folder, "make this folder", &error))?;
    let files = [
        ("token.key", 0o600, new.key.as_str()),
        ("token.crt", 0o644, &new.certificate),
        ("token.jwks", 0o644, &jwks),
    ]
    .map(|(name, mode, content)| (folder.join(name), mode, content));
    // Before the first one is made: half a set would be worse than none.
    if let Some((path, ..)) = files
        .iter()
        .find(|(path, ..)| path.symlink_metadata().is_ok())
    {
        return Err(format!(
            "{} is there already, and stays as it is; name another folder for a new key",
            path.display()
        ));
    }
    for (number, (path, mode, content)) in files.iter().enumerate() {
        write_new(path, *mode, content).map_err(|error| {
            for (made, ..) in files.iter().take(number) {
                let _ = fs::remove_file(made);
            }
            cannot(path, "write it", &error)
        })?;
    }
    let [key, certificate, jwks] = files.map(|(path, ..)| absolute(&path));
    let reminder = match service.as_str() {
        NO_SERVICE => format!("Write the registry's own name instead of {NO_SERVICE}.\n\n"),
        _ => String::new(),
    };
    let next = next(options, &service, algorithm, [&key, &certificate, &jwks]);
    Ok(reminder + &next)
}

/// `[token]` in the configuration file.
fn section(config: Option<&Path>) -> Result<Option<TokenSection>, String> {
    let file = Settings::of_file(config).map_err(|error| error.to_string())?;
    Ok(file.token)
}

fn write_new(path: &Path, mode: u32, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn cannot(path: &Path, what: &str, error: &io::Error) -> String {
    let (path, why) = (path.display(), reason(error));
    format!("{path}: cannot {what}: {why}; choose a folder that you can write to")
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What to do with the files.
fn next(options: &InitOptions, service: &str, algorithm: Algorithm, files: [&Path; 3]) -> String {
    let [key, certificate, jwks] = files.map(Path::display);
    format!(
        "Made {key}: give it to the user that htgate runs as (chown), and to nobody else.\n\
         Made {certificate}: the registry's rootcertbundle, good for {} days.\n\
         Made {jwks}: instead of it, for a registry 3.x with jwks.\n\
         \n\
         In htgate.toml:\n\
         \n\
         [token]\n\
         key = {:?}\n\
         certificate = {:?}\n\
         service = {service:?}\n\
         \n\
         In the registry's config.yml:\n\
         \n\
         auth:\n  \
           token:\n    \
             realm: https://{service}/auth/token\n    \
             service: {service}\n    \
             issuer: htgate\n    \
             rootcertbundle: {certificate}\n    \
             signingalgorithms: [{}]   # for registry 3.x; 2.8 does not look at it\n",
        options.days,
        key.to_string(),
        certificate.to_string(),
        algorithm.as_str(),
    )
}

fn jwks(options: &JwksOptions) -> Result<String, String> {
    let mut paths = options.certificates.clone();
    if paths.is_empty() {
        paths.extend(section(options.config.as_deref())?.map(|token| token.certificate));
    }
    if paths.is_empty() {
        return Err(
            "no certificate; name the file of one, or use --config FILE with a [token] in \
                    it"
            .to_owned(),
        );
    }
    let mut certificates = Vec::new();
    for path in &paths {
        let explain = |fault: Fault| format!("{}: {fault}", path.display());
        let reading = stable_read::read(path).map_err(explain)?;
        let found = Certificate::all_from_pem(&reading.bytes);
        certificates.extend(found.map_err(|error| explain(error.into()))?);
    }
    let keys = key_set(&certificates).map_err(|_| {
        "a certificate is neither of the curve P-256 nor an RSA one; make one with 'htgate token init \
         FOLDER'"
    })?;
    Ok(format!("{keys:#}\n"))
}
