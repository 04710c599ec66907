//! Every command that a message, a help text or a page prints is run as it is printed, on a machine
//! that is set up as the package leaves it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use regex::Regex;

use crate::support::{attempt, folder, is_root, line, repository, run, said, skip};

const BINARY: &str = env!("CARGO_BIN_EXE_htgate");

/// What a command does that does not simply end well: a part of it, its exit code, and a part of
/// what it says.
const OUTCOMES: &[(&str, i32, &str)] = &[
    ("htgate health", 1, "does not answer"),
    // They serve until they are stopped.
    ("htgate serve", 124, "listening on unix:"),
    ("htgate --htpasswd", 124, "listening on "),
    ("htgate check --nginx", 0, "Errors: 0"),
    ("--user carol", 1, "denied: "),
];

#[test]
fn every_printed_command_works_as_printed() {
    if !is_root() {
        return skip("printed commands", "only root can stand in for a machine");
    }
    let commands = [help(), messages(), pages()].concat();
    for program in ["htgate ", "htpasswd ", "nginx ", "mkdir ", "chgrp ", "ss "] {
        let count = commands
            .iter()
            .filter(|(_, command)| command.contains(program));
        assert!(count.count() > 0, "{program} is not printed");
    }
    assert!(commands.len() > 35, "{commands:#?}");
    // Each mostly waits for its password to be typed.
    let commands = Mutex::new(commands);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some((whence, command)) = { commands.lock().unwrap().pop() } {
                    if let Err(told) = try_out(&command) {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{whence}: {command}\n{told}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn try_out(command: &str) -> Result<(), String> {
    let outcome = OUTCOMES.iter().find(|(part, ..)| command.contains(part));
    let (code, expected) = outcome.map_or((0, ""), |(_, code, says)| (*code, *says));
    let output = on_a_machine(command);
    let (seen, text) = (output.status.code(), said(&output));
    let is_good = seen == Some(code) && text.contains(expected);
    is_good
        .then_some(())
        .ok_or_else(|| format!("{seen:?}: {text}"))
}

/// The examples in the help of each command.
fn help() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![Vec::<String>::new()];
    while let Some(words) = open.pop() {
        let mut command = Command::new(BINARY);
        let text = said(&run(command.args(&words).arg("--help")));
        let (_, commands) = text.split_once("Commands:\n").unwrap_or_default();
        for line in commands.lines().take_while(|line| !line.trim().is_empty()) {
            let next = line.split_whitespace().next().unwrap().to_owned();
            if line.starts_with("  ") && !line.starts_with("   ") && next != "help" {
                open.push([&words[..], &[next]].concat());
            }
        }
        let whence = format!("htgate {} --help", words.join(" "));
        let example = text.find("\nExample").map_or("", |at| &text[at..]);
        let example = example.replace("Examples: ", "").replace("Example: ", "");
        found.extend(shell_lines(&example).map(|line| (whence.clone(), line)));
    }
    found
}

/// What stands in quotes in the messages of the program.
fn messages() -> Vec<(String, String)> {
    let programs = "htgate|htpasswd|mkdir|chgrp|ss|ip";
    let quoted = Regex::new(&format!("'((?:{programs}) [^'\\n]+)'")).unwrap();
    // A long text goes on in the next line of the source.
    let long = Regex::new(r"\\\n *").unwrap();
    let mut found = Vec::new();
    let mut open = vec![repository("src")];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|it| it.unwrap().path()));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        let text = long.replace_all(text, "");
        let whence = path.display().to_string();
        let all = quoted.captures_iter(&text);
        found.extend(all.map(|it| (whence.clone(), it[1].to_owned())));
    }
    found
}

/// The lines of the pages that run htgate or htpasswd. Those with docker, kubectl or a package manager
/// are tried in tests/suite/deploy.
fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pages = vec!["README.md".to_owned(), "packaging/INSTALL.md".to_owned()];
    for page in fs::read_dir(repository("docs")).unwrap() {
        let name = page.unwrap().file_name();
        pages.push(format!("docs/{}", name.to_str().unwrap()));
    }
    for page in pages {
        let text = fs::read_to_string(repository(&page)).unwrap();
        for block in text.split("```sh\n").skip(1) {
            let block = block.split("```").next().unwrap();
            found.extend(shell_lines(block).map(|line| (page.clone(), line)));
        }
    }
    found
}

/// The lines of a script that run htgate or htpasswd, or pipe something into one of them.
fn shell_lines(script: &str) -> impl Iterator<Item = String> {
    let whole = Regex::new(r"\\\n *")
        .unwrap()
        .replace_all(script, "")
        .into_owned();
    let ours = Regex::new(r"^(sudo )?((nginx|echo) .*\| )?(htgate|htpasswd) -?[a-z-]+").unwrap();
    let lines: Vec<_> = whole.lines().map(|line| line.trim().to_owned()).collect();
    lines.into_iter().filter(move |line| ours.is_match(line))
}

/// Runs a command with an `/etc` as the package and README leave it, a network of its own, and on a
/// terminal where somebody types a password.
fn on_a_machine(command: &str) -> Output {
    let machine = folder();
    let etc = machine.path().join("etc");
    set_up(&etc, command.contains("user add"));
    let work = machine.path().join("work");
    fs::create_dir(&work).unwrap();
    let named = Regex::new(r"[a-z]+(/token)?\.(crt|new)").unwrap();
    for file in named
        .find_iter(command)
        .filter(|_| !command.contains(" init "))
    {
        let to = work.join(file.as_str());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let kind = if file.as_str().ends_with("new") {
            "users/htpasswd"
        } else {
            "token.crt"
        };
        fs::copy(etc.join("htgate").join(kind), to).unwrap();
    }
    let users = "/etc/htgate/users/htpasswd";
    let filled = command
        .trim_end_matches(" &")
        .replace("sudo ", "")
        .replace(">FILE", ">file")
        .replace("{path}", users)
        .replace("{file}", users)
        .replace("{folder}", "/run/htgate/other")
        .replace("{port}", "8080")
        .replace("FILE", users)
        .replace("FOLDER", "made");
    let filled = Regex::new(r"(?-u:\b)(NAME|USER)(?-u:\b)")
        .unwrap()
        .replace_all(&filled, "alice");
    let script = format!(
        "mount --bind {etc} /etc && mount -t tmpfs none /run && mkdir /run/htgate \
         && mount -t tmpfs none /usr/local && mkdir -p /usr/local/share/man/man8 \
         /usr/local/share/man/man5 && ip link set lo up || exit 125; cd {work}; PATH={programs}:/usr/sbin:$PATH; \
         export PATH PASSWORD=secret; \
         (for _ in 1 2; do sleep 0.7; echo secret; done) | \
         timeout --foreground 5 script -qefc {filled} /dev/null",
        etc = etc.display(),
        work = work.display(),
        programs = Path::new(BINARY).parent().unwrap().display(),
        filled = quote(&filled),
    );
    attempt(Command::new("unshare").args(["--mount", "--net", "sh", "-c", &script]))
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The package's files, a user, a site with the include, and what else the pages take for granted.
fn set_up(etc: &Path, is_new: bool) {
    let users = etc.join("htgate/users");
    fs::create_dir_all(&users).unwrap();
    fs::create_dir_all(etc.join("bash_completion.d")).unwrap();
    let alice = if is_new {
        String::new()
    } else {
        line("alice", "secret", 10)
    };
    let text = alice + &line("bob", "secret", 10);
    fs::write(users.join("htpasswd"), &text).unwrap();
    fs::write(etc.join("htgate/htpasswd"), &text).unwrap();
    run(Command::new("chmod").arg("-R").arg("o-rwx").arg(&users));
    let packaged = fs::read_to_string(repository("packaging/htgate.toml")).unwrap();
    let rules = "[[access]]\nusers = ['alice']\nrepositories = ['team/**']\nactions = ['push']\n";
    fs::write(etc.join("htgate/htgate.toml"), packaged + "\n" + rules).unwrap();
    let mut init = Command::new(BINARY);
    init.args(["token", "init", "--service", "registry.test"])
        .arg(etc.join("made"));
    run(&mut init);
    fs::rename(etc.join("made/token.crt"), etc.join("htgate/token.crt")).unwrap();

    for name in [
        "passwd",
        "group",
        "ssl",
        "nginx",
        "alternatives",
        "ld.so.cache",
    ] {
        attempt(
            Command::new("cp")
                .arg("-a")
                .arg(format!("/etc/{name}"))
                .arg(etc),
        );
    }
    let groups = fs::read_to_string(etc.join("group")).unwrap();
    fs::write(etc.join("group"), groups + "htgate:x:64999:\n").unwrap();
    let nginx = etc.join("nginx");
    for file in ["htgate-server", "htgate-locations", "htgate-gate"] {
        let name = format!("{file}.conf");
        fs::copy(repository(&format!("nginx/{name}")), nginx.join(name)).unwrap();
    }
    fs::copy(
        repository("nginx/htgate.conf"),
        nginx.join("conf.d/htgate.conf"),
    )
    .unwrap();
    let site = "server { listen 127.0.0.1:8081; server_name site.test; root /srv;\n\
                include /etc/nginx/htgate-server.conf;\n\
                add_header Docker-Distribution-Api-Version $htgate_api_version always; }\n";
    attempt(
        Command::new("rm")
            .arg("-f")
            .arg(nginx.join("sites-enabled/default")),
    );
    fs::write(nginx.join("conf.d/site.conf"), site).unwrap();
    fs::write(nginx.join(".htpasswd"), text).unwrap();
    run(Command::new("chmod")
        .arg("0640")
        .arg(nginx.join(".htpasswd")));
}
