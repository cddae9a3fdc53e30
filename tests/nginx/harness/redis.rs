//! A Redis of a test's own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::DEADLINE;
use super::port::Port;

/// Dropped, it is ended.
pub(crate) struct Redis {
    port: Port,
    child: Option<Child>,
}

impl Redis {
    pub(crate) fn start() -> Redis {
        let mut redis = Redis { port: Port::reserve(), child: None };
        redis.resume();
        redis
    }

    /// The address, for `nchan_redis_server`.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.port)
    }

    /// Ends it without a word.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Cuts it off: connections stay, and nothing comes of what is sent.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// Starts it again, on the same port and with nothing in it.
    pub(crate) fn resume(&mut self) {
        let port = self.port.address().port().to_string();
        // The package redis-tools has the server under this name, and starts no service.
        let mut command = Command::new("redis-check-rdb");
        command.arg0("redis-server").args(["--bind", "127.0.0.1", "--save", "", "--port"]).arg(port);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("no Redis (package redis-tools): {error}")));
        let deadline = Instant::now() + DEADLINE;
        while !self.answers() {
            assert!(Instant::now() < deadline, "Redis does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.port.address()) else { return false };
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"+PONG"
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
