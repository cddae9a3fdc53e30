//! nginx forks after a fetch: nothing of it may be left in the process. The only test of its binary, because threads
//! and signals are the process's.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod support;

use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fetch::Options;
use support::{SHORT, Server, closed, error, get, ok};

const SIGPIPE: u64 = 1 << (13 - 1);

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn sockets() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    links.filter(|link| !link.starts_with("/")).count()
}

/// What the kernel knows of the fetch's thread.
fn status_of_fetch() -> String {
    let mut statuses = fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        let status = fs::read_to_string(task.unwrap().path().join("status")).ok()?;
        status.starts_with("Name:\tfetch\n").then_some(status)
    });
    statuses.next().unwrap()
}

#[test]
fn leaves_no_thread_and_no_socket() {
    let during = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&during);
    let server = Server::raw(move |head, stream| {
        seen.lock().unwrap().push((threads(), status_of_fetch()));
        if head.contains("/stall") {
            closed(stream);
        } else {
            stream.write_all(ok("good").as_bytes()).unwrap();
        }
    });
    let (before, sockets_before) = (threads(), sockets());

    // A name, so that there is a thread that resolves it.
    let url = |path| format!("http://localhost:{}{path}", server.port);
    assert_eq!(get(&url("/"), &Options::default()).unwrap().document, "good");
    error(&url("/stall"), &Options { timeout: SHORT, ..Options::default() });

    let during = during.lock().unwrap();
    assert_eq!(during.len(), 2);
    for (threads, status) in during.iter() {
        assert!(*threads > before + 1, "the fetch has a thread, and a name that is resolved has one");
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
        assert_ne!(u64::from_str_radix(blocked, 16).unwrap() & SIGPIPE, 0, "a closed connection cannot end nginx");
    }
    // The kernel lists a thread for a moment after it was joined, and the server's end of a connection is its thread's.
    let start = Instant::now();
    while (threads(), sockets()) != (before, sockets_before) {
        assert!(start.elapsed() < Duration::from_secs(2), "{} threads, {} sockets", threads(), sockets());
        std::thread::yield_now();
    }
}
