//! Some 500 requests a second: users who go on asking, pulls, pushes, first logins, and guesses.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use crate::scene::WARM;
use crate::support::{
    Connection, Nginx, Registry, Response, Target, another_address, authorization,
};
use crate::tally::Tally;

/// All clients of one nginx.
pub(crate) struct Clients<'t> {
    target: Target,
    /// Of a blob with [`CONTENT`] in the repository `app`.
    digest: String,
    /// How many users there are who have not logged in.
    cold: usize,
    next_cold: AtomicUsize,
    tallies: &'t [Tally],
    current: AtomicUsize,
    stop: AtomicBool,
}

/// Lets the clients go on until it is dropped.
pub(crate) struct UntilDropped<'c>(&'c AtomicBool);

impl<'t> Clients<'t> {
    /// The clients of this nginx and registry, which count what they see in these tallies.
    pub(crate) fn of(
        nginx: &Nginx,
        registry: &Registry,
        cold: usize,
        tallies: &'t [Tally],
    ) -> Self {
        Self {
            target: nginx.target(),
            digest: registry.fill("app", CONTENT),
            cold,
            next_cold: AtomicUsize::new(0),
            tallies,
            current: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// What is asked from now on is counted there.
    pub(crate) fn count_for(&self, number: usize) {
        self.current.store(number, Ordering::Relaxed);
        self.tallies[number].begin();
    }

    /// Starts all of them.
    pub(crate) fn begin<'s>(&'s self, scope: &'s Scope<'s, '_>) -> UntilDropped<'s> {
        for n in 0..WARM {
            self.start(scope, 10, move |client| {
                client.ask_as(&format!("warm{n}"), "GET /file", &[], "");
            });
        }
        for n in 0..4 {
            self.start(scope, 10, move |client| client.pull(&format!("warm{n}")));
        }
        for n in 0..2 {
            self.start(scope, 3, move |client| {
                client.push(&format!("warm{n}"), &format!("own{n}"))
            });
        }
        for _ in 0..2 {
            self.start(scope, 10, Client::log_in);
            self.start(scope, 10, Client::guess);
        }
        UntilDropped(&self.stop)
    }

    /// A client that does this so many times a second. Where it was held up it catches up.
    fn start<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        per_second: u32,
        mut act: impl FnMut(&mut Client<'s, 't>) + Send + 's,
    ) {
        scope.spawn(move || {
            let mut client = Client {
                all: self,
                connection: None,
                address: another_address(),
            };
            let mut next = Instant::now();
            while !self.stop.load(Ordering::Relaxed) {
                act(&mut client);
                next += Duration::from_secs(1) / per_second;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
    }
}

impl Drop for UntilDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Client<'c, 't> {
    all: &'c Clients<'t>,
    connection: Option<Connection>,
    address: String,
}

impl<'t> Client<'_, 't> {
    fn pull(&mut self, user: &str) {
        let accept = format!("Accept: {MANIFEST}");
        self.ask_as(user, "GET /v2/app/manifests/latest", &[&accept], "");
        let blob = format!("GET /v2/app/blobs/{}", self.all.digest);
        self.ask_as(user, &blob, &[], "");
    }

    /// As docker does: the upload, its end, the manifest.
    fn push(&mut self, user: &str, repository: &str) {
        let Some(begun) = self.ask_as(
            user,
            &format!("POST /v2/{repository}/blobs/uploads/"),
            &[],
            "",
        ) else {
            return;
        };
        let (_, place) = begun
            .header("location")
            .unwrap()
            .split_once("://test")
            .unwrap();
        let digest = &self.all.digest;
        self.ask_as(user, &format!("PUT {place}&digest={digest}"), &[], CONTENT);
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","size":{},"digest":"{digest}"}},"layers":[]}}"#,
            CONTENT.len()
        );
        let kind = format!("Content-Type: {MANIFEST}");
        self.ask_as(
            user,
            &format!("PUT /v2/{repository}/manifests/latest"),
            &[&kind],
            &manifest,
        );
    }

    /// Somebody's first request, from somewhere else.
    fn log_in(&mut self) {
        let n = self.all.next_cold.fetch_add(1, Ordering::Relaxed) % self.all.cold;
        self.address = another_address();
        self.ask_as(&format!("cold{n}"), "GET /v2/", &[], "");
    }

    /// A wrong password, from somewhere else, or 429 would be right.
    fn guess(&mut self) {
        self.address = another_address();
        let header = authorization("warm1", &format!("not {}", self.address));
        let tally = self.tally();
        tally.count_guess(self.ask("GET /file", &[&header], ""));
    }

    /// Asks with a right password, and once more where an htgate says that it is busy, and until when.
    /// Nothing comes back where that is not allowed.
    fn ask_as(&mut self, user: &str, line: &str, headers: &[&str], body: &str) -> Option<Response> {
        let authorization = authorization(user, "secret");
        let headers = [headers, &[&authorization]].concat();
        let (tally, start) = (self.tally(), Instant::now());
        let mut answer = self.ask(line, &headers, body);
        let wait = start.elapsed();
        if let Ok(Some(seconds)) = answer.as_ref().map(busy_for) {
            tally.count_busy();
            thread::sleep(Duration::from_secs(seconds));
            answer = self.ask(line, &headers, body);
        }
        tally.count(&format!("{user}: {line}"), answer, wait)
    }

    /// Where that counts which is asked now.
    fn tally(&self) -> &'t Tally {
        &self.all.tallies[self.all.current.load(Ordering::Relaxed)]
    }

    fn ask(&mut self, line: &str, headers: &[&str], body: &str) -> io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.all.target)?,
        };
        let address = format!("X-Client: {}", self.address);
        let length = format!("Content-Length: {}", body.len());
        let mut request = format!("{line} HTTP/1.1\r\nHost: test\r\n");
        for header in [headers, &[&address, &length]].concat() {
            request += &format!("{header}\r\n");
        }
        connection.send(format!("{request}\r\n{body}").as_bytes())?;
        let response = connection.read(false)?;
        // nginx ends each after a thousand requests.
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

/// After how many seconds to ask a busy htgate again.
fn busy_for(response: &Response) -> Option<u64> {
    let is_busy = response.status == 503 && response.text().contains("too many logins at once");
    let seconds = is_busy.then(|| response.header("retry-after").unwrap());
    seconds.map(|seconds| seconds.parse().unwrap())
}

const CONTENT: &str = "a layer of an image";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
