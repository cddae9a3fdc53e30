//! nginx's error log, followed as it is written.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use super::DEADLINE;

/// The lines that nginx has written to standard error, where its logs go.
///
/// All of nginx's processes hold the pipe open, so its end says that the last of them has gone.
#[derive(Clone)]
pub(crate) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// Reads until the last writer has gone.
    pub(crate) fn follow(stream: impl Read + Send + 'static) -> Log {
        let log = Log(Arc::default());
        let followed = log.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                followed.change(|lines| lines.lines.push(line));
            }
            followed.change(|lines| lines.ended = true);
        });
        log
    }

    fn change(&self, change: impl FnOnce(&mut Lines)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    /// How many lines there are: where a later search begins.
    pub(crate) fn position(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }

    /// The lines that have come since `position`.
    pub(crate) fn since(&self, position: usize) -> Vec<String> {
        self.0.0.lock().unwrap().lines[position..].to_vec()
    }

    /// Awaits `count` lines with `text` in them since `position` and gives them.
    pub(crate) fn await_lines(&self, position: usize, count: usize, text: &str) -> Vec<String> {
        let found = |lines: &Lines| {
            let lines = lines.lines.get(position..).unwrap_or_default();
            lines.iter().filter(|line| line.contains(text)).cloned().collect::<Vec<_>>()
        };
        let lines = self.wait(|lines| lines.ended || found(lines).len() >= count);
        let found = found(&lines);
        drop(lines);
        assert!(
            found.len() >= count,
            "{count} lines with \"{text}\" were awaited in the error log, there are {}",
            found.len()
        );
        found
    }

    /// Awaits the end of all writers; false if they did not come to it in time.
    pub(crate) fn await_end(&self) -> bool {
        self.wait(|lines| lines.ended).ended
    }

    fn wait(&self, done: impl Fn(&Lines) -> bool) -> MutexGuard<'_, Lines> {
        let deadline = Instant::now() + DEADLINE;
        let mut lines = self.0.0.lock().unwrap();
        while !done(&lines) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            lines = self.0.1.wait_timeout(lines, left).unwrap().0;
        }
        lines
    }
}
