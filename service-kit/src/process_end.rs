//! The end of a process that would otherwise not end.
//!
//! A thread that waits for an answer, for example of PostgreSQL, cannot be interrupted, and the
//! runtime waits for all of its threads when it is dropped. So a separate thread ends the process
//! once a time limit is over.

use std::{process, thread, time::Duration};

/// Maximum time from the end of a command to the end of its process.
const EXIT_TIME: Duration = Duration::from_secs(1);
/// Time to write the last line of the log, because standard error may hang too.
const LAST_LINE_TIME: Duration = Duration::from_millis(100);

/// Ends the process within a second, if it does not end by itself. `main` calls this before it
/// returns.
pub(crate) fn end_process_soon(exit_code: i32) {
    end_process_after(EXIT_TIME, exit_code);
}

/// Ends the process after this time, if it runs then.
pub(crate) fn end_process_after(limit: Duration, exit_code: i32) {
    let end = move || {
        thread::sleep(limit);
        let last_line = || {
            log::warn!("threads that wait for the database or another service are abandoned");
        };
        // A separate thread, because the log may hang.
        if thread::Builder::new().spawn(last_line).is_ok() {
            thread::sleep(LAST_LINE_TIME);
        }
        process::exit(exit_code);
    };
    if let Err(error) = thread::Builder::new().name("process-end".into()).spawn(end) {
        log::error!("cannot start the thread that ends this process in time: {error}");
    }
}
