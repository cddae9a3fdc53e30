//! A running nginx.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::DEADLINE;
use super::client::{Connection, Request, Response};
use super::conf::Conf;
use super::journal::Journal;
use super::log::Log;
use super::port::Port;

/// The workers that every nginx here has.
pub(crate) const WORKERS: usize = 2;

/// Levels at which nothing may be logged, and what a panic prints.
const BAD: [&str; 4] = ["[alert]", "[emerg]", "[crit]", "panicked"];

/// An nginx of a test's own; dropped, it is stopped, and its error log is looked through.
pub(crate) struct Nginx {
    child: Child,
    pub(crate) log: Log,
    journal: Journal,
    port: Port,
    directory: TempDir,
    expected: Vec<String>,
    starter: Vec<String>,
    stopped: bool,
}

/// The nginx to run.
pub(crate) fn nginx() -> String {
    std::env::var("MCP_NGINX").unwrap_or_else(|_| "nginx".to_owned())
}

/// Makes the directories that nginx does not make itself.
pub(crate) fn prepare(directory: &Path) {
    for name in ["logs", "temp"] {
        fs::create_dir_all(directory.join(name)).unwrap();
    }
}

impl Nginx {
    pub(crate) fn start(directory: TempDir, port: Port) -> Nginx {
        Nginx::start_by(directory, port, Vec::new())
    }

    /// The same by another command, see [`Conf::started_by`].
    pub(crate) fn start_by(directory: TempDir, port: Port, starter: Vec<String>) -> Nginx {
        let (child, log) = spawn(directory.path(), &starter);
        let (journal, expected) = (Journal::default(), Vec::new());
        let nginx = Nginx { child, log, journal, port, directory, expected, starter, stopped: false };
        nginx.log.await_lines(0, WORKERS, "start worker process ");
        nginx
    }

    /// A path beside nginx.conf.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(crate) fn connect(&self) -> Connection {
        self.connect_to(self.address())
    }

    /// A connection to another address that this nginx listens on.
    pub(crate) fn connect_to(&self, address: SocketAddr) -> Connection {
        Connection::open(address, self.journal.clone())
    }

    /// A connection to a socket in the file system that this nginx listens on.
    pub(crate) fn connect_locally(&self, socket: &Path) -> Connection {
        Connection::open_local(socket, self.journal.clone())
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, request: &Request) -> Response {
        self.connect().exchange(request)
    }

    /// Lines of the error log with this in them are all right.
    pub(crate) fn expect_in_log(&mut self, text: &str) {
        self.expected.push(text.to_owned());
    }

    /// Reads the configuration anew, and awaits the new workers and the end of the old ones.
    pub(crate) fn reload(&self) {
        let position = self.begin_reload();
        self.log.await_lines(position, WORKERS, "exited with code 0");
    }

    /// The same, but old workers may still be busy; gives the position in the log for their end to be awaited.
    pub(crate) fn begin_reload(&self) -> usize {
        let position = self.log.position();
        self.signal(Signal::HUP);
        self.log.await_lines(position, WORKERS, "start worker process ");
        self.log.await_lines(position, WORKERS, "gracefully shutting down");
        position
    }

    /// Has the logs opened anew, and awaits that every worker has done so: it has heard all that nginx had told it before.
    pub(crate) fn reopen_logs(&self) {
        let position = self.log.position();
        self.signal(Signal::USR1);
        // The master does it as well.
        self.log.await_lines(position, WORKERS + 1, "reopening logs");
    }

    /// Writes another configuration and reads it.
    pub(crate) fn reload_with(&self, conf: &Conf) {
        conf.write_into(self.directory.path(), &self.port);
        self.reload();
    }

    /// Writes a configuration that nginx must refuse to read, and awaits that it does.
    pub(crate) fn reload_in_vain_with(&self, conf: &Conf) {
        conf.write_into(self.directory.path(), &self.port);
        let position = self.log.position();
        self.signal(Signal::HUP);
        self.log.await_lines(position, 1, "[emerg]");
    }

    /// Ends nginx without waiting for its work to be done.
    pub(crate) fn stop_at_once(&mut self) {
        self.stopped = true;
        self.signal(Signal::TERM);
        assert!(self.log.await_end(), "nginx, or a process of it, did not stop");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "nginx ended with {status}");
    }

    /// Ends all its processes at once, without a word, as when its machine loses power.
    pub(crate) fn kill(&mut self) {
        self.stopped = true;
        kill_process_group(self.pid(), Signal::KILL).unwrap();
        assert!(self.log.await_end(), "a process of nginx was not killed");
        self.child.wait().unwrap();
    }

    /// Stops nginx and starts it again, on the same port and in the same directory.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.look_through_log();
        let (child, log) = spawn(self.directory.path(), &self.starter);
        self.child = child;
        self.log = log;
        self.stopped = false;
        self.log.await_lines(0, WORKERS, "start worker process ");
    }

    /// Sends requests to the workers until each has answered one, and gives all answers. Needs `listen … reuseport` and
    /// `add_header X-Worker $pid always`.
    pub(crate) fn send_to_every_worker(&self, request: &Request) -> Vec<Response> {
        let mut responses: Vec<Response> = Vec::new();
        let workers = |responses: &[Response]| {
            let mut pids: Vec<String> =
                responses.iter().map(|response| response.header("x-worker").unwrap().to_owned()).collect();
            pids.sort();
            pids.dedup();
            pids.len()
        };
        while workers(&responses) < WORKERS {
            assert!(responses.len() < 500, "one worker answered 500 connections");
            responses.push(self.send(request));
        }
        responses
    }

    /// The processes of the workers.
    pub(crate) fn workers(&self) -> Vec<String> {
        let master = self.pid().as_raw_nonzero();
        let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        children.split_whitespace().map(str::to_owned).collect()
    }

    /// Ends a worker without a word, and awaits the one that takes its place.
    pub(crate) fn kill_worker(&self, pid: &str) {
        let position = self.log.position();
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        self.log.await_lines(position, 1, "exited on signal 9");
        self.log.await_lines(position, 1, "start worker process ");
    }

    /// Stops a worker where it is, until it is [woken](Self::wake_worker).
    pub(crate) fn freeze_worker(&self, pid: &str) {
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::STOP).unwrap();
    }

    pub(crate) fn wake_worker(&self, pid: &str) {
        kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::CONT).unwrap();
    }

    /// How many descriptors the workers have.
    fn descriptors(&self) -> usize {
        self.workers().iter().map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()).sum()
    }

    /// The workers and how many descriptors they have, once all of them have answered and so have all of theirs; needs what
    /// [`Nginx::send_to_every_worker`] needs.
    pub(crate) fn state(&self, request: &Request) -> (Vec<String>, usize) {
        self.send_to_every_worker(request);
        (self.workers(), self.descriptors())
    }

    /// Awaits that the workers have no more descriptors than that, and that they are still the same.
    pub(crate) fn await_descriptors(&self, (workers, count): &(Vec<String>, usize)) {
        let deadline = Instant::now() + DEADLINE;
        while self.descriptors() > *count {
            assert!(Instant::now() < deadline, "{} descriptors, not {count}", self.descriptors());
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(self.workers(), *workers);
    }

    /// The directory of nginx.conf.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Asks nginx to stop when its work is done, and awaits that.
    fn stop(&mut self) {
        self.stopped = true;
        self.signal(Signal::QUIT);
        let ended = self.log.await_end();
        if !ended {
            let _ = kill_process_group(self.pid(), Signal::KILL);
        }
        let status = self.child.wait().unwrap();
        if !thread::panicking() {
            assert!(ended, "nginx, or a process of it, did not stop");
            assert!(status.success(), "nginx ended with {status}");
        }
    }

    fn look_through_log(&self) {
        let is_bad = |line: &&String| BAD.iter().any(|bad| line.contains(bad));
        let is_expected = |line: &&String| self.expected.iter().any(|text| line.contains(text));
        let lines = self.log.since(0);
        let bad: Vec<_> = lines.iter().filter(is_bad).filter(|line| !is_expected(line)).collect();
        assert!(bad.is_empty(), "the error log holds {bad:#?}");
    }
}

fn spawn(directory: &Path, starter: &[String]) -> (Child, Log) {
    let mut command = match starter {
        [] => Command::new(nginx()),
        [first, others @ ..] => {
            let mut command = Command::new(first);
            command.args(others).arg(nginx()).current_dir(directory);
            command
        }
    };
    command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("\"{}\" does not start: {error}", nginx()));
    let log = Log::follow(child.stderr.take().unwrap());
    (child, log)
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if !self.stopped {
            self.stop();
        }
        if thread::panicking() {
            self.journal.print();
            let lines = self.log.since(0);
            eprintln!("error log:");
            lines[lines.len().saturating_sub(40)..].iter().for_each(|line| eprintln!("    {line}"));
        } else {
            self.look_through_log();
        }
    }
}
