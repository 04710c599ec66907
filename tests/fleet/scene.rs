//! Three htgates, the shipped nginx files and a registry; and what befalls an htgate.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Gate, Nginx, Registry, eventually, line, repository, run, signal};

/// What befalls one htgate of the fleet.
#[derive(Clone, Copy)]
pub(crate) enum Treatment {
    /// `kill -9`, and started again half a second later.
    Kill,
    /// SIGTERM, and started again half a second after it ended.
    Terminate,
    /// SIGTERM, and started again as soon as it ended.
    Restart,
    /// The same with another binary.
    Upgrade,
    /// SIGSTOP, and SIGCONT so much later.
    Freeze(Duration),
}

impl Treatment {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Kill => "`kill -9`".to_owned(),
            Self::Terminate => "SIGTERM".to_owned(),
            Self::Restart => "restart".to_owned(),
            Self::Upgrade => "another binary".to_owned(),
            Self::Freeze(time) => format!("SIGSTOP for {} s", time.as_secs()),
        }
    }
}

/// Two htgates on unix sockets and one on TCP, behind an nginx with a registry.
pub(crate) struct Fleet {
    pub(crate) gates: Vec<Gate>,
    pub(crate) nginx: Nginx,
    pub(crate) registry: Registry,
    /// An address for the one on TCP that nobody else binds while it is away.
    tcp: String,
    /// Two copies of the binary, to go from one to the other.
    binaries: [PathBuf; 2],
}

impl Fleet {
    /// Starts all, for the users `warm0`, `warm1` and so on, and so many that are called `cold0` and
    /// so on. The password of each is `secret`.
    pub(crate) fn start(cold: usize) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let (number, id) = (NEXT.fetch_add(1, Ordering::Relaxed), process::id());
        let tcp = format!(
            "127.{number}.{}.{}:8080",
            (id >> 8) & 255,
            (id & 255).clamp(1, 254)
        );
        let users = users(cold);
        let start = |place| Gate::start(&users, &options(&tcp, place == TCP));
        let gates: Vec<_> = (0..3).map(start).collect();
        let registry = Registry::start();
        let nginx = Nginx::start(&http(&gates, &tcp, &registry));
        let binaries = ["one", "another"].map(|name| {
            let binary = gates[0].folder.path().join(name);
            // Not by this process, whose children would hold it open for writing.
            run(Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_htgate"))
                .arg(&binary));
            binary
        });
        Self {
            gates,
            nginx,
            registry,
            tcp,
            binaries,
        }
    }

    /// Does it to one of them, and waits until nginx asks it again.
    pub(crate) fn treat(&mut self, place: usize, treatment: Treatment, round: usize) {
        match treatment {
            Treatment::Kill => {
                self.kill(place);
                thread::sleep(AWAY);
                self.start_again(place);
            }
            Treatment::Terminate => {
                self.terminate(place);
                thread::sleep(AWAY);
                self.start_again(place);
            }
            Treatment::Restart => {
                self.terminate(place);
                self.start_again(place);
            }
            Treatment::Upgrade => {
                self.terminate(place);
                let binary = self.binaries[round % 2].clone();
                let options = options(&self.tcp, place == TCP);
                self.gates[place].start_another(&binary, &options);
            }
            Treatment::Freeze(time) => {
                self.freeze(place);
                thread::sleep(time);
                self.thaw(place);
            }
        }
        let allowed = || self.gates[place].metric("htgate_decisions_total{reason=\"ok\"}");
        let before = allowed();
        eventually("nginx asks it again", Duration::from_secs(30), || {
            thread::sleep(Duration::from_millis(50));
            allowed() > before + 20.0
        });
    }

    pub(crate) fn kill(&mut self, place: usize) {
        self.gates[place].child.kill().unwrap();
        self.gates[place].child.wait().unwrap();
    }

    fn terminate(&mut self, place: usize) {
        signal(&self.gates[place].child, "TERM");
        let ended = self.gates[place].child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }

    pub(crate) fn start_again(&mut self, place: usize) {
        let options = options(&self.tcp, place == TCP);
        self.gates[place].start_again(&options);
    }

    pub(crate) fn freeze(&self, place: usize) {
        signal(&self.gates[place].child, "STOP");
    }

    pub(crate) fn thaw(&self, place: usize) {
        signal(&self.gates[place].child, "CONT");
    }
}

/// The shipped files, as docs/fleet.md says to change them.
fn http(gates: &[Gate], tcp: &str, registry: &Registry) -> String {
    let shipped = |place: usize| format!("unix:/run/htgate/htgate-{}.sock ", place + 1);
    let fleet = fs::read_to_string(repository("nginx/htgate-fleet.conf")).unwrap();
    let mut fleet = change(&fleet, "# server unix:", "server unix:");
    for (place, gate) in gates.iter().enumerate().skip(1) {
        let address = match place {
            TCP => tcp.to_owned(),
            _ => format!("unix:{}", gate.socket().display()),
        };
        fleet = change(&fleet, &shipped(place), &format!("{address} "));
    }
    let http = registry.behind(&gates[0].socket());
    let http = change(&http, "keepalive 32;", &format!("{fleet} keepalive 32;"));
    let http = change(&http, "proxy_read_timeout 15s;", "proxy_read_timeout 5s;");
    with_a_file(&http)
}

/// Clients say which address they have, and something is light.
pub(crate) fn with_a_file(http: &str) -> String {
    let site = "set_real_ip_from unix:; real_ip_header X-Client;
        location = /file { root {folder}/www; }
        location /v2/ {";
    change(http, "location /v2/ {", site)
}

pub(crate) fn users(cold: usize) -> String {
    let one = line("NAME", "secret", COST);
    let names = (0..WARM).map(|n| format!("warm{n}"));
    let names = names.chain((0..cold).map(|n| format!("cold{n}")));
    names.fold(String::new(), |mut all, name| {
        let _ = write!(all, "{}", one.replace("NAME", &name));
        all
    })
}

/// The options of one of them, as docs/fleet.md has them.
fn options(tcp: &str, is_tcp: bool) -> Vec<&str> {
    let mut options = vec!["--queue-seconds", "4"];
    if is_tcp {
        options.extend(["--listen", tcp]);
    }
    options
}

fn change(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in:\n{text}");
    text.replace(from, to)
}

/// Which one is on TCP.
const TCP: usize = 2;
/// How many users go on asking all the time.
pub(crate) const WARM: usize = 40;
/// The lowest: hundreds of hashes a minute are not what is tried here.
const COST: u8 = 4;
const AWAY: Duration = Duration::from_millis(500);
