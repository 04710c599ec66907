//! Where a password comes from: a prompt, standard input, or chance. Never an argument, which
//! everybody on the machine could read.

use std::io::{self, Read};

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use crate::hash::BCRYPT_KEY;

/// A password's bytes, wiped when dropped.
pub(super) type Password = Zeroizing<Vec<u8>>;

/// A new password, typed twice at the prompt.
pub(super) fn new(from_stdin: bool) -> Result<Password, String> {
    let password = if from_stdin {
        from_standard_input()?
    } else {
        let password = ask("New password: ")?;
        if ask("The same again: ")? != password {
            return Err("the two passwords differ; try again".to_owned());
        }
        password
    };
    acceptable(&password)?;
    Ok(password)
}

/// A password to check with the file.
pub(super) fn known(from_stdin: bool) -> Result<Password, String> {
    if from_stdin {
        from_standard_input()
    } else {
        ask("Password: ")
    }
}

/// 100 bits, in groups of letters and digits that are not taken for each other.
pub(super) fn generate() -> Result<Password, String> {
    let mut random = Zeroizing::new([0; GROUPS * GROUP]);
    getrandom::fill(&mut *random).map_err(|error| format!("no random numbers: {error}"))?;
    let mut password = Password::default();
    for group in random.chunks(GROUP) {
        if !password.is_empty() {
            password.push(b'-');
        }
        let characters = group
            .iter()
            .map(|byte| ALPHABET.get(usize::from(byte % 32)));
        password.extend(characters.flatten());
    }
    Ok(password)
}

/// Whether a password can be used with bcrypt and sent by clients.
fn acceptable(password: &[u8]) -> Result<(), String> {
    match password {
        [] => Err("the password is empty; enter one".to_owned()),
        _ if password.len() > BCRYPT_KEY => Err(format!(
            "bcrypt keeps only the first {BCRYPT_KEY} bytes of a password; choose a shorter one"
        )),
        _ if password.iter().any(u8::is_ascii_control) => {
            Err("the password has control characters, or several lines; choose another".to_owned())
        }
        _ => Ok(()),
    }
}

fn from_standard_input() -> Result<Password, String> {
    let mut password = Password::new(Vec::with_capacity(LONGEST as usize));
    let mut input = io::stdin().lock().take(LONGEST);
    let read = input.read_to_end(&mut password);
    read.map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    for end in [b'\n', b'\r'] {
        if password.last() == Some(&end) {
            password.pop();
        }
    }
    Ok(password)
}

fn ask(prompt: &str) -> Result<Password, String> {
    // The prompt's library takes Ctrl-C as a key, and then raises the signal before it turns the
    // terminal's echo on again. A handler makes it come that far.
    let runtime = Builder::new_current_thread().enable_io().build();
    let listening =
        runtime.and_then(|runtime| runtime.block_on(async { signal(SignalKind::interrupt()) }));
    let typed = listening.and_then(|_signal| rpassword::prompt_password(prompt));
    match typed {
        Ok(password) => Ok(Zeroizing::new(password.into_bytes())),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            Err("interrupted; nothing is changed".to_owned())
        }
        Err(error) => Err(format!(
            "no terminal to ask for a password on ({error}); use --password-stdin"
        )),
    }
}

/// Without l, o, 0 and 1.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const GROUPS: usize = 5;
const GROUP: usize = 4;
/// More than any password that is accepted.
const LONGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn made_up_passwords() {
        let made: BTreeSet<Vec<u8>> = (0..100).map(|_| generate().unwrap().to_vec()).collect();
        assert_eq!(made.len(), 100);
        for password in &made {
            assert_eq!(password.len(), 24);
            assert!(acceptable(password).is_ok());
        }
        let used: BTreeSet<u8> = made.into_iter().flatten().collect();
        assert_eq!(
            used.len(),
            ALPHABET.len() + 1,
            "every character and the hyphen"
        );
        assert_eq!(ALPHABET.iter().collect::<BTreeSet<_>>().len(), 32);
    }

    #[test]
    fn passwords_that_cannot_be() {
        assert!(acceptable(b"x").is_ok());
        assert!(acceptable("pässwörd".as_bytes()).is_ok());
        assert!(acceptable(&[b'x'; BCRYPT_KEY]).is_ok());
        for bad in [&b""[..], &[b'x'; BCRYPT_KEY + 1], b"a\nb", b"a\0"] {
            assert!(acceptable(bad).is_err(), "{bad:?}");
        }
    }
}
