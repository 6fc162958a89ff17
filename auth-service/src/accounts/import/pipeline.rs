//! An import: one thread reads and parses the file, others write batches.
//!
//! Each thread passes on a bounded number of batches, so the memory does not depend on the size of
//! the file.

use std::{
    io::Read,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use diesel::{QueryResult, result::Error as DieselError};
use shared::clock::Clock;

use super::{
    batch::{self, BatchOutcome, BatchRules, Target},
    counting_reader::CountingReader,
    reader::{ReadRow, RowReader},
    rows::{ImportRow, RowParser},
    stored_users::SeenRows,
    types::{
        ImportError, ImportEvent, ImportOptions, ImportProgress, ImportTotals, OnConflict,
        RefusedRow,
    },
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        name_rules::NameRules,
    },
    store::{
        AnyConnection, BulkConnection, BulkError, Store,
        import::{self, ImportLock},
        users,
    },
};

/// Number of rows that one transaction writes.
const BATCH: usize = 2000;
/// Number of transactions at once, on a database that has several writers.
const WRITERS: usize = 2;
/// Number of times that a batch is written which deadlocks.
const ATTEMPTS: u32 = 5;
/// Number of messages of other threads that may wait for the caller.
const MESSAGES: usize = 256;

/// An import of one file.
pub struct Import {
    pub store: Store,
    pub clock: Clock,
    pub initiator: Initiator,
    pub names: NameRules,
    pub options: ImportOptions,
}

/// Rows that one transaction writes.
struct Batch {
    rows: Vec<ImportRow>,
    /// Number of bytes of the file that were read when the batch was complete.
    bytes: u64,
}

/// What a thread tells the caller.
enum Message {
    Refused(RefusedRow),
    Written(Box<BatchOutcome>, u64),
    /// The reader has reached the end, or cannot go on.
    ReaderTotals(Box<ImportTotals>),
    Failed(ImportError),
}

/// What all threads of an import share.
#[derive(Default)]
struct Shared {
    /// Whether no further row is written.
    is_stopped: AtomicBool,
    /// Number of refused rows.
    refused: AtomicU64,
    /// Whether the reader has passed on the whole file. Unset if the reader panicked: then the
    /// channel of the batches ends too.
    is_read: AtomicBool,
}

impl Import {
    /// Imports a file. Passes each event to `report` as it happens. Blocks the thread.
    ///
    /// # Errors
    /// [`ImportError`]. The totals count what was done before it.
    pub fn run(
        &self,
        source: impl Read + Send,
        report: impl FnMut(ImportEvent),
    ) -> (ImportTotals, Result<(), ImportError>) {
        if let Err(why) = self.fold_names() {
            return (ImportTotals::default(), Err(why));
        }
        let shared = Shared::default();
        let writers = match self.store.has_parallel_writers() && !self.options.is_dry_run {
            true if !self.options.is_atomic => WRITERS,
            _ => 1,
        };
        thread::scope(|scope| {
            let (batches, received) = sync_channel::<Batch>(writers);
            // Dropped with the last writer: then the reader ends too.
            let received = Arc::new(Mutex::new(received));
            let (messages, caller) = sync_channel::<Message>(MESSAGES);
            let shared = &shared;
            let reader = messages.clone();
            scope.spawn(move || self.read(source, shared, &batches, &reader));
            for _ in 0..writers {
                let (received, messages) = (Arc::clone(&received), messages.clone());
                scope.spawn(move || {
                    if let Err(why) = self.write_all(&received, shared, &messages) {
                        shared.is_stopped.store(true, Ordering::Release);
                        let _ = messages.send(Message::Failed(why));
                    }
                });
            }
            drop((messages, received));
            self.collect(&caller, report)
        })
    }

    /// Gives each stored user the folded names by which the rows are compared with them.
    fn fold_names(&self) -> Result<(), ImportError> {
        let mut connection = self.store.open_bulk()?;
        let mut fold = || connection.read(|connection| users::fold_names(connection, BATCH as i64));
        while !self.options.is_dry_run && fold().map_err(import_error)? > 0 {}
        Ok(())
    }

    /// Reads the file, and passes on its rows in batches.
    fn read(
        &self,
        source: impl Read,
        shared: &Shared,
        batches: &SyncSender<Batch>,
        messages: &SyncSender<Message>,
    ) {
        let source = CountingReader::new(source);
        let bytes = source.count();
        let parser =
            RowParser { options: &self.options, names: &self.names, now_ms: self.clock.now_ms() };
        let mut reader = match RowReader::new(source, parser) {
            Ok(reader) => reader,
            Err(why) => {
                shared.refused.fetch_add(1, Ordering::AcqRel);
                let _ = messages.send(Message::Failed(why));
                return;
            }
        };
        let mut rows = Vec::with_capacity(BATCH);
        let outcome = loop {
            if shared.is_stopped.load(Ordering::Acquire) {
                break Ok(());
            }
            match reader.next() {
                Ok(Some(ReadRow::User(row))) => rows.push(*row),
                Ok(Some(ReadRow::Refused(refused))) => {
                    if let Err(why) = self.refuse(refused, shared, messages) {
                        break Err(why);
                    }
                }
                Ok(None) => break Ok(()),
                Err(why) => break Err(why),
            }
            if rows.len() == BATCH {
                let full = std::mem::replace(&mut rows, Vec::with_capacity(BATCH));
                let _ = batches.send(Batch { rows: full, bytes: bytes.get() });
            }
        };
        let is_conflict = matches!(outcome, Err(ImportError::Conflict { .. }));
        let is_complete = outcome.is_ok() && !shared.is_stopped.load(Ordering::Acquire);
        if let Err(why) = outcome {
            // Before the last batch is passed on, so that an atomic import does not commit.
            shared.refused.fetch_add(1, Ordering::AcqRel);
            let _ = messages.send(Message::Failed(why));
        }
        // What precedes the place at which a file is cut is imported.
        if !rows.is_empty() && !is_conflict {
            let _ = batches.send(Batch { rows, bytes: bytes.get() });
        }
        // Before `batches` is dropped, which ends the loop of an atomic import.
        shared.is_read.store(is_complete, Ordering::Release);
        let _ = messages.send(Message::ReaderTotals(Box::new(reader.totals)));
    }

    /// Reports a row that the reader refuses.
    ///
    /// # Errors
    /// [`ImportError::Conflict`] if such a row ends the import.
    fn refuse(
        &self,
        refused: RefusedRow,
        shared: &Shared,
        messages: &SyncSender<Message>,
    ) -> Result<(), ImportError> {
        if refused.is_conflict && self.options.on_conflict == OnConflict::Fail {
            return Err(conflict(refused));
        }
        shared.refused.fetch_add(1, Ordering::AcqRel);
        let _ = messages.send(Message::Refused(refused));
        Ok(())
    }

    /// Writes batches until there are no more.
    fn write_all(
        &self,
        batches: &Mutex<Receiver<Batch>>,
        shared: &Shared,
        messages: &SyncSender<Message>,
    ) -> Result<(), ImportError> {
        let mut connection = self.store.open_bulk()?;
        if self.options.is_dry_run {
            return self.rehearse(&mut connection, batches, messages);
        }
        if self.options.is_atomic {
            return self.write_as_one(&mut connection, batches, shared, messages);
        }
        while let Some(batch) = next(batches) {
            if shared.is_stopped.load(Ordering::Acquire) {
                break;
            }
            let outcome = self.write_batch(&mut connection, &batch.rows)?;
            let _ = messages.send(Message::Written(Box::new(outcome), batch.bytes));
        }
        Ok(())
    }

    /// Writes a batch in a transaction.
    fn write_batch(
        &self,
        connection: &mut BulkConnection,
        rows: &[ImportRow],
    ) -> Result<BatchOutcome, ImportError> {
        let mut outcome = BatchOutcome::default();
        for attempt in 0..ATTEMPTS {
            // After a deadlock, no other import writes meanwhile.
            let lock = if attempt == 0 { ImportLock::Shared } else { ImportLock::Exclusive };
            outcome.reset();
            let written = connection.audited(|connection| {
                import::prepare(connection, lock)?;
                self.write_rows(connection, rows, &mut Target::Database, &mut outcome)?;
                Ok(((), self.record(outcome.added, lines_of(rows))))
            });
            match written {
                Err(BulkError::Deadlock) => {}
                Err(why) => return Err(outcome.fatal.map_or_else(|| import_error(why), conflict)),
                Ok(()) => return Ok(outcome),
            }
        }
        Err(ImportError::Deadlock)
    }

    /// Writes all batches in one transaction, unless a row is refused.
    fn write_as_one(
        &self,
        connection: &mut BulkConnection,
        batches: &Mutex<Receiver<Batch>>,
        shared: &Shared,
        messages: &SyncSender<Message>,
    ) -> Result<(), ImportError> {
        let mut fatal = None;
        let written = connection.audited(|connection| {
            import::prepare(connection, ImportLock::Exclusive)?;
            let mut added = 0;
            let mut lines = None;
            while let Some(Batch { rows, bytes }) = next(batches) {
                let mut outcome = BatchOutcome::default();
                let written =
                    self.write_rows(connection, &rows, &mut Target::Database, &mut outcome);
                fatal = outcome.fatal.take();
                written?;
                added += outcome.added;
                shared.refused.fetch_add(outcome.refused, Ordering::AcqRel);
                lines = lines_of(&rows).map(|(first, last)| {
                    (lines.map_or(first, |(first, _): (u64, u64)| first), last)
                });
                let _ = messages.send(Message::Written(Box::new(outcome), bytes));
            }
            // A reader that has read the whole file has counted each row that it refused.
            let is_read = shared.is_read.load(Ordering::Acquire);
            if !is_read || shared.refused.load(Ordering::Acquire) > 0 {
                return Err(DieselError::RollbackTransaction);
            }
            Ok(((), self.record(added, lines)))
        });
        match written {
            Err(BulkError::RolledBack) => Err(fatal.map_or(ImportError::AtomicRefusal, conflict)),
            Err(why) => Err(import_error(why)),
            Ok(()) => Ok(()),
        }
    }

    /// Finds out what the import would do.
    fn rehearse(
        &self,
        connection: &mut BulkConnection,
        batches: &Mutex<Receiver<Batch>>,
        messages: &SyncSender<Message>,
    ) -> Result<(), ImportError> {
        let mut seen = SeenRows::default();
        while let Some(Batch { rows, bytes }) = next(batches) {
            let mut outcome = BatchOutcome::default();
            let read = connection.read(|connection| {
                import::prepare(connection, ImportLock::Shared)?;
                self.write_rows(connection, &rows, &mut Target::DryRun(&mut seen), &mut outcome)
            });
            if let Err(why) = read {
                return Err(outcome.fatal.map_or_else(|| import_error(why), conflict));
            }
            let _ = messages.send(Message::Written(Box::new(outcome), bytes));
        }
        Ok(())
    }

    fn write_rows(
        &self,
        connection: &mut AnyConnection,
        rows: &[ImportRow],
        target: &mut Target<'_>,
        outcome: &mut BatchOutcome,
    ) -> QueryResult<()> {
        let rules = BatchRules {
            on_conflict: self.options.on_conflict,
            allow_reserved: self.options.allow_reserved,
            names: &self.names,
            now_ms: self.clock.now_ms(),
        };
        batch::write(connection, rows, rules, target, outcome)
    }

    /// Returns the event of a transaction. `None` if it added no user.
    fn record(&self, added: u64, lines: Option<(u64, u64)>) -> Option<AuditRecord> {
        let (first, last) = lines.filter(|_| added > 0)?;
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::UsersImported, self.initiator.clone(), now);
        Some(record.detail(format!("{added} users, from lines {first} to {last} of the file")))
    }

    /// Collects what the threads report.
    fn collect(
        &self,
        messages: &Receiver<Message>,
        mut report: impl FnMut(ImportEvent),
    ) -> (ImportTotals, Result<(), ImportError>) {
        let mut totals = ImportTotals::default();
        let mut failure = None;
        let mut bytes = 0;
        for message in messages {
            match message {
                Message::Refused(refused) => {
                    totals.rows += 1;
                    totals.refused += 1;
                    report(ImportEvent::Refused(refused));
                }
                Message::Written(outcome, read) => {
                    bytes = read.max(bytes);
                    for event in add(&mut totals, *outcome) {
                        report(event);
                    }
                }
                Message::ReaderTotals(of_reader) => {
                    let ImportTotals { other_models, unmapped, .. } = *of_reader;
                    totals.other_models = other_models;
                    totals.unmapped = unmapped;
                }
                // The first failure is the cause of others.
                Message::Failed(ImportError::AtomicRefusal) if failure.is_some() => {}
                Message::Failed(why) => {
                    failure = failure.or(Some(why));
                }
            }
            let ImportTotals { rows, added, refused, .. } = totals;
            report(ImportEvent::Progress(ImportProgress { rows, added, refused, bytes }));
        }
        if failure.is_some() && self.options.is_atomic {
            totals = ImportTotals { added: 0, renamed: 0, disabled: 0, ..totals };
            totals.must_reset.clear();
        }
        let outcome = failure.map_or_else(|| require_users(&totals, &self.options), Err);
        (totals, outcome)
    }
}

/// Returns the next batch, `None` when the reader has ended.
fn next(batches: &Mutex<Receiver<Batch>>) -> Option<Batch> {
    // A writer that panicked does not stop the others. The scope passes the panic on.
    let batches = batches.lock().unwrap_or_else(PoisonError::into_inner);
    batches.recv().ok()
}

/// Returns the lines at which the first and the last of the rows begin.
fn lines_of(rows: &[ImportRow]) -> Option<(u64, u64)> {
    Some((rows.first()?.line, rows.last()?.line))
}

/// Adds what a batch did to the totals. Returns the events of the batch.
fn add(totals: &mut ImportTotals, outcome: BatchOutcome) -> Vec<ImportEvent> {
    totals.rows += outcome.added + outcome.already_there + outcome.refused;
    totals.added += outcome.added;
    totals.already_there += outcome.already_there;
    totals.refused += outcome.refused;
    totals.renamed += outcome.renamed;
    totals.disabled += outcome.disabled;
    for (reason, count) in outcome.must_reset {
        *totals.must_reset.entry(reason).or_default() += count;
    }
    outcome.events
}

/// Checks that the file has users. Otherwise the operator may have named the wrong model.
fn require_users(totals: &ImportTotals, options: &ImportOptions) -> Result<(), ImportError> {
    if totals.rows > 0 || totals.other_models.is_empty() {
        return Ok(());
    }
    let others = totals.other_models.keys().cloned().collect::<Vec<_>>().join(", ");
    let model = &options.model;
    let line = format!("the file has no {model}, but {others}: name the model with --model");
    Err(ImportError::NoUsers(line))
}

fn conflict(RefusedRow { line, username, reason, .. }: RefusedRow) -> ImportError {
    let name = username.map(|name| format!("{name:?}: ")).unwrap_or_default();
    ImportError::Conflict { line, reason: name + &reason }
}

fn import_error(why: BulkError) -> ImportError {
    match why {
        BulkError::Deadlock => ImportError::Deadlock,
        BulkError::Store(why) => why.into(),
        // Only `Target::Database` with a fatal row rolls back, which the caller handles.
        BulkError::RolledBack => ImportError::AtomicRefusal,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        panic::{AssertUnwindSafe, catch_unwind},
        time::Duration,
    };

    use test_support::temp_dir;

    use super::*;
    use crate::{
        accounts::{FieldMap, VerifiedEmails},
        domain::session::Origin,
        store::Database,
    };

    /// A file whose end panics.
    struct PanickingFile(io::Cursor<String>);

    impl Read for PanickingFile {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.read(buffer)?;
            assert!(read > 0, "the reader panics");
            Ok(read)
        }
    }

    #[actix_web::test]
    async fn atomic_import_commits_nothing_if_the_reader_panics() {
        let folder = temp_dir();
        let database = Database::Sqlite(folder.path().join("db"));
        let store = Store::new(database, 2, Duration::from_secs(5));
        store.migrate().await.unwrap();
        let options = ImportOptions {
            format: None,
            model: "auth.user".into(),
            fields: FieldMap::default(),
            claims: None,
            verified: VerifiedEmails::None,
            on_conflict: OnConflict::Skip,
            allow_reserved: false,
            is_atomic: true,
            is_dry_run: false,
        };
        let import = Import {
            store: store.clone(),
            clock: Clock::system(),
            initiator: Initiator::unknown(Origin::default()),
            names: NameRules::default(),
            options,
        };
        // The writer gets a full batch before the end of the file.
        let count = BATCH + 1;
        let row = |number: usize| {
            let name = format!("user{number}");
            format!("{{\"username\":\"{name}\",\"email\":\"{name}@example.com\"}}\n")
        };
        let file: String = (0..count).map(row).collect();
        let source = PanickingFile(io::Cursor::new(file.clone()));
        let run = catch_unwind(AssertUnwindSafe(|| import.run(source, |_| ())));
        assert!(run.is_err());
        let export = |connection: &mut _| import::export(connection, "", 10);
        assert_eq!(store.run(export).await.unwrap().len(), 0);
        let (totals, outcome) = import.run(io::Cursor::new(file), |_| ());
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!(totals.added, count as u64);
    }
}
