//! The thread of a download.

use std::io;
use std::panic;
use std::thread;

use nix::sys::signal::SigSet;
use tokio::runtime;

/// Runs what `job` makes to its end, in a thread that has ended when this returns.
///
/// A thread of its own, because writing to a connection that its peer has closed raises SIGPIPE, and nginx does not yet
/// ignore it when it reads its configuration for the first time. A blocked SIGPIPE waits in the thread that wrote, and
/// ends with it. The other signals are left to nginx's own thread. tokio ends its threads, those that resolve names,
/// with the runtime.
pub(crate) fn run<T: Send, F: Future<Output = T>>(job: impl FnOnce() -> F + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("fetch".to_owned()).spawn_scoped(scope, || {
            SigSet::all().thread_block()?;
            let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
            Ok(runtime.block_on(job()))
        })?;
        thread.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}
