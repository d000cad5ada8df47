//! A private Tomcat 10 with Debian's example applications, for tests that put Curfew in front of it.
//!
//! Each [`Tomcat`] has a directory, a port and a JVM of its own, needs no rights, and is gone when it
//! is dropped. What reached it can be read back: [`Tomcat::requests`] is complete for every request
//! that it has answered.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// What Debian's package `tomcat10` installs.
const TOMCAT_HOME: &str = "/usr/share/tomcat10";
/// What Debian's package `tomcat10-examples` installs.
const EXAMPLES: &str = "/usr/share/tomcat10-examples/examples";
/// How to get what is missing.
const REMEDY: &str = "install Debian's default-jre-headless, tomcat10 and tomcat10-examples, \
                      or run tests/run, which does";

/// The longest that a starting Tomcat may print nothing. It starts within two seconds when idle.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The longest that Tomcat may take over an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Requests for this path come from the harness itself.
const MARKER: &str = "/read-the-log";

/// The kernel chooses the port, so that parallel tests never meet. One worker thread: it logs a request
/// before it serves the next, so the answer to a later request proves that the log is complete.
const SERVER: &str = r#"<Server port="-1">
  <Service name="Catalina">
    <Connector port="0" address="127.0.0.1" protocol="HTTP/1.1" maxThreads="1" minSpareThreads="1"/>
    <Engine name="Catalina" defaultHost="localhost">
      <Realm className="org.apache.catalina.realm.MemoryRealm"/>
      <Host name="localhost" appBase="webapps" deployOnStartup="false" autoDeploy="false">
        <Context path="/examples" docBase="/usr/share/tomcat10-examples/examples">
          <Resources allowLinking="true"/>
        </Context>
        <Valve className="org.apache.catalina.valves.AccessLogValve" directory="logs"
               prefix="access" suffix=".log" rotatable="false" buffered="false"
               pattern="%s&#9;%r&#9;%{Cookie}i"/>
      </Host>
    </Engine>
  </Service>
</Server>
"#;

/// Either role opens the protected area of the examples.
const USERS: &str = r#"<tomcat-users>
  <user username="buyer" password="buyer" roles="tomcat"/>
  <user username="approver" password="approver" roles="role1"/>
</tomcat-users>
"#;

/// A running Tomcat that serves `/examples` on loopback.
pub(crate) struct Tomcat {
    java: Child,
    address: SocketAddr,
    base: TempDir,
}

/// A request as Tomcat's access log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path with its parameters, and query, as they came; empty where Tomcat could not read them.
    pub(crate) target: String,
    pub(crate) status: u16,
    /// All Cookie headers, joined by a comma; a quote is logged with a backslash before it.
    pub(crate) cookie: Option<String>,
}

impl Tomcat {
    /// Starts a Tomcat and waits until it serves.
    ///
    /// Panics, with the packages to install, where there is none.
    pub(crate) fn start() -> Self {
        for needed in [TOMCAT_HOME, EXAMPLES] {
            assert!(Path::new(needed).exists(), "{needed} is missing: {REMEDY}");
        }
        let base = new_base();
        let mut java = spawn(base.path());
        let console = console_of(&mut java);
        // Built before it is known to work, so that `Drop` ends the JVM of a failed start too.
        let mut tomcat = Self {
            java,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            base,
        };
        tomcat.address.set_port(port_when_started(&console));
        tomcat
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every request that Tomcat has answered so far, in the order in which it finished them.
    ///
    /// A request that still runs (a stream, an unfinished body) is not among them; a WebSocket is, from
    /// its 101 on.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.pass_the_worker();
        let log = fs::read_to_string(self.base.path().join("logs/access.log"))
            .expect("Tomcat opens its access log when it starts");
        log.lines()
            .map(seen)
            .filter(|seen| seen.target != MARKER)
            .collect()
    }

    /// Has the only worker thread answer one more request, which it does once all before are logged.
    fn pass_the_worker(&self) {
        let mut stream = TcpStream::connect(self.address).expect("Tomcat accepts connections");
        stream
            .set_read_timeout(Some(ANSWER_MAX))
            .expect("the timeout is not zero");
        write!(stream, "GET {MARKER} HTTP/1.0\r\n\r\n").expect("Tomcat reads a request");
        let mut answer = Vec::new();
        stream
            .read_to_end(&mut answer)
            .expect("Tomcat answers in time");
        assert!(
            answer.starts_with(b"HTTP/1.1 404"),
            "nothing is served at {MARKER}"
        );
    }
}

impl Drop for Tomcat {
    fn drop(&mut self) {
        self.java.kill().ok();
        self.java.wait().ok();
    }
}

/// A CATALINA_BASE with the least that Tomcat needs.
fn new_base() -> TempDir {
    let base = tempfile::tempdir().expect("the temporary directory is writable");
    for folder in ["conf", "logs", "temp", "webapps", "work"] {
        fs::create_dir(base.path().join(folder)).expect("the directory is new");
    }
    let conf = base.path().join("conf");
    fs::write(conf.join("server.xml"), SERVER).expect("conf is writable");
    fs::write(conf.join("tomcat-users.xml"), USERS).expect("conf is writable");
    // Not from /etc/tomcat10, which only Tomcat's own user may read.
    fs::copy(
        Path::new(TOMCAT_HOME).join("etc/web.xml"),
        conf.join("web.xml"),
    )
    .unwrap_or_else(|error| panic!("{TOMCAT_HOME}/etc/web.xml: {error}: {REMEDY}"));
    base
}

/// The JVM as a direct child, without Tomcat's shell scripts: its id is the one to end.
fn spawn(base: &Path) -> Child {
    Command::new("java")
        // Half the start-up time: no optimising compiler, a collector for one core.
        .args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"])
        // The lines that tell the start and the port are translated otherwise.
        .args(["-Duser.language=en", "-Duser.country=US"])
        .arg(format!("-Dcatalina.home={TOMCAT_HOME}"))
        .arg(format!("-Dcatalina.base={}", base.display()))
        .arg(format!("-Djava.io.tmpdir={}", base.join("temp").display()))
        .arg("-cp")
        .arg(format!(
            "{TOMCAT_HOME}/bin/bootstrap.jar:{TOMCAT_HOME}/bin/tomcat-juli.jar"
        ))
        .args(["org.apache.catalina.startup.Bootstrap", "start"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("java does not start: {error}: {REMEDY}"))
}

/// What the JVM prints, line by line; it is read to its end, or the JVM would block on a full pipe.
fn console_of(java: &mut Child) -> Receiver<String> {
    let stderr = java.stderr.take().expect("stderr is piped");
    let (to_start, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Nobody listens once Tomcat has started.
            to_start.send(line).ok();
        }
    });
    lines
}

/// Waits for the line that tells the start, and answers the port that was told before it.
fn port_when_started(console: &Receiver<String>) -> u16 {
    let mut printed = Vec::new();
    let mut port = None;
    loop {
        let line = console.recv_timeout(SILENCE_MAX).unwrap_or_else(|error| {
            panic!(
                "Tomcat did not start ({error}); it printed:\n{}",
                printed.join("\n")
            )
        });
        port = port.or_else(|| port_in(&line));
        if line.contains("Server startup in") {
            return port.expect("Tomcat names its port before it says that it has started");
        }
        printed.push(line);
    }
}

/// The port in `Starting ProtocolHandler ["http-nio-127.0.0.1-auto-1-41259"]`.
fn port_in(line: &str) -> Option<u16> {
    let (_, handler) = line.split_once("Starting ProtocolHandler [\"")?;
    handler
        .strip_suffix("\"]")?
        .rsplit('-')
        .next()?
        .parse()
        .ok()
}

/// Reads one line of the access log: status, request line and cookies, parted by tabs.
fn seen(line: &str) -> Seen {
    let [status, request, cookie] = line.split('\t').collect::<Vec<_>>()[..] else {
        panic!("not a line of the access log: {line}")
    };
    // The request line of something that is not HTTP is a dash.
    let (method, rest) = request.split_once(' ').unwrap_or((request, ""));
    let target = rest
        .rsplit_once(' ')
        .map_or(rest, |(target, _protocol)| target);
    Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        status: status.parse().expect("a status is a number"),
        cookie: (cookie != "-").then(|| cookie.to_owned()),
    }
}
