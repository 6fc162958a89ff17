//! Counts the bytes that are read from a file.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// A file, and the number of bytes that have been read from it.
pub struct CountingReader<R> {
    inner: R,
    count: ByteCount,
}

/// The number of bytes that have been read.
#[derive(Clone, Default)]
pub struct ByteCount(Arc<AtomicU64>);

impl ByteCount {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<R> CountingReader<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, count: ByteCount::default() }
    }

    /// Returns the count, which goes on while the file is read.
    pub fn count(&self) -> ByteCount {
        self.count.clone()
    }
}

impl<R: Read> Read for CountingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
