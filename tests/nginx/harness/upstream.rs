//! An upstream that does what a test says, and remembers what it was asked.

use std::collections::HashMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use serde_json::Value;

use super::DEADLINE;

/// What the upstream does next on a connection that has brought a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Waits until the gate is open.
    Await(Gate),
    /// Waits until nginx closes the connection, then opens the gate.
    AwaitClose(Gate),
    /// Closes the connection.
    Close,
    /// Closes it with RST.
    Reset,
}

/// Something that one thread waits for and another says.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Whether it was opened in time.
    fn has_opened(&self) -> bool {
        let open = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap().0
    }

    pub(crate) fn wait(&self) {
        assert!(self.has_opened(), "what was awaited did not happen");
    }
}

/// A response with a length.
pub(crate) fn response(status: u16, content_type: &str, body: impl AsRef<[u8]>) -> Vec<Act> {
    let body = body.as_ref();
    let head =
        format!("HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    vec![Act::Send([head.as_bytes(), body].concat())]
}

/// 200 with JSON.
pub(crate) fn json(value: &Value) -> Vec<Act> {
    response(200, "application/json", value.to_string())
}

/// The last of a connection. Newer nginx keeps connections unasked, and kept ones look like left ones.
pub(crate) fn last(mut acts: Vec<Act>) -> Vec<Act> {
    acts.push(Act::Close);
    acts
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Received {
    /// The connection's number.
    pub(crate) connection: usize,
    /// Every byte of it.
    pub(crate) bytes: Vec<u8>,
    head: usize,
}

impl Received {
    /// Method and target.
    pub(crate) fn line(&self) -> String {
        let line = self.head().lines().next().unwrap_or_default();
        line.strip_suffix(" HTTP/1.1").unwrap_or_else(|| panic!("not HTTP/1.1: {line}")).to_owned()
    }

    /// The target of the request line.
    pub(crate) fn target(&self) -> String {
        self.line().split_once(' ').unwrap().1.to_owned()
    }

    fn head(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.head]).expect("a head in UTF-8")
    }

    /// All header lines, names in lower case.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        let lines = self.head().split("\r\n").skip(1).filter(|line| !line.is_empty());
        lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line}")))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect()
    }

    /// The values of a header, by its name in lower case.
    pub(crate) fn header_values(&self, name: &str) -> Vec<String> {
        self.headers().into_iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect()
    }

    /// The value of a header that comes at most once.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut values = self.header_values(name);
        assert!(values.len() <= 1, "several {name}: {values:?}");
        values.pop()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {}: {:?}", self.connection, self.text())
    }
}

type Script = dyn Fn(&Received) -> Vec<Act> + Send + Sync;

struct Shared {
    script: Box<Script>,
    requests: Mutex<Vec<Received>>,
    changed: Condvar,
    connections: Mutex<HashMap<usize, TcpStream>>,
    accepted: AtomicUsize,
}

/// The upstream: one thread for each connection.
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    stopping: Arc<Mutex<bool>>,
    acceptor: Option<JoinHandle<()>>,
}

impl Upstream {
    /// Does for each request what `script` says.
    pub(crate) fn new(script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static) -> Upstream {
        Upstream::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Does always the same.
    pub(crate) fn answering(acts: Vec<Act>) -> Upstream {
        Upstream::new(move |_| acts.clone())
    }

    /// Sends these bytes for an answer, then closes.
    pub(crate) fn sending(bytes: &str) -> Upstream {
        Upstream::answering(vec![Act::Send(bytes.as_bytes().to_vec()), Act::Close])
    }

    /// The same on a socket that the test has made.
    pub(crate) fn on(
        listener: TcpListener,
        script: impl Fn(&Received) -> Vec<Act> + Send + Sync + 'static,
    ) -> Upstream {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Box::new(script),
            requests: Mutex::default(),
            changed: Condvar::new(),
            connections: Mutex::default(),
            accepted: AtomicUsize::new(0),
        });
        let stopping = Arc::new(Mutex::new(false));
        let acceptor = thread::spawn({
            let (shared, stopping) = (shared.clone(), stopping.clone());
            move || accept(&listener, &shared, &stopping)
        });
        Upstream { address, shared, stopping, acceptor: Some(acceptor) }
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only_request(&self) -> Received {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests[0].clone()
    }

    /// Awaits that `count` requests have come.
    pub(crate) fn await_requests(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + DEADLINE;
        let mut requests = self.shared.requests.lock().unwrap();
        while requests.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{count} requests were awaited, {} have come", requests.len());
            requests = self.shared.changed.wait_timeout(requests, left).unwrap().0;
        }
        requests.clone()
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        *self.stopping.lock().unwrap() = true;
        // Wakes the acceptor, which sees that it is over.
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.connections.lock().unwrap().values() {
            let _ = connection.shutdown(Shutdown::Both);
        }
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, stopping: &Mutex<bool>) {
    while let Ok((stream, _)) = listener.accept() {
        if *stopping.lock().unwrap() {
            return;
        }
        let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
        shared.connections.lock().unwrap().insert(number, stream.try_clone().unwrap());
        let shared = shared.clone();
        thread::spawn(move || serve(stream, number, &shared));
    }
}

fn serve(mut stream: TcpStream, connection: usize, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer, connection) {
        let acts = (shared.script)(&request);
        shared.requests.lock().unwrap().push(request);
        shared.changed.notify_all();
        if !acts.into_iter().all(|act| act.perform(&mut stream)) {
            break;
        }
    }
    // With its last handle the connection is closed.
    shared.connections.lock().unwrap().remove(&connection);
}

impl Act {
    /// False when the connection is over.
    fn perform(self, stream: &mut TcpStream) -> bool {
        match self {
            // That nginx has left is for `AwaitClose` to tell, or for the next request that does not come.
            Act::Send(bytes) => {
                let _ = stream.write_all(&bytes);
                true
            }
            Act::Await(gate) => gate.has_opened(),
            Act::AwaitClose(gate) => {
                let _ = stream.set_read_timeout(Some(DEADLINE));
                match stream.read(&mut [0; 1]) {
                    Ok(0) => gate.open(),
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => gate.open(),
                    _ => {}
                }
                false
            }
            Act::Close => false,
            Act::Reset => {
                let _ = sockopt::set_socket_linger(&*stream, Some(Duration::ZERO));
                false
            }
        }
    }
}

/// The next request of a connection; none when it is over.
fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>, connection: usize) -> Option<Received> {
    let head = loop {
        match buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end + 4,
            None => fill(stream, buffer)?,
        }
    };
    let mut request = Received { connection, bytes: buffer[..head].to_vec(), head };
    let length: usize = request.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    assert_eq!(request.header("transfer-encoding"), None, "nginx sends lengths");
    while buffer.len() < head + length {
        fill(stream, buffer)?;
    }
    request.bytes = buffer.drain(..head + length).collect();
    Some(request)
}

fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 65536];
    match stream.read(&mut bytes) {
        Ok(length) if length > 0 => {
            buffer.extend_from_slice(&bytes[..length]);
            Some(())
        }
        _ => None,
    }
}
