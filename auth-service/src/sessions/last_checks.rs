//! The results of the last checks of both stores.

use std::sync::{Mutex, PoisonError};

use crate::health::UnavailableReason;

/// Result of a check.
pub type Check = Result<(), UnavailableReason>;

/// Readiness of both stores.
#[derive(Clone, Debug)]
pub struct StoresReadiness {
    pub database: Check,
    pub session_state: Check,
}

/// Readiness of both stores at the last check.
pub struct LastChecks(Mutex<StoresReadiness>);

impl LastChecks {
    pub fn new() -> Self {
        let unknown = || Err(UnavailableReason::Text("not reached yet"));
        Self(Mutex::new(StoresReadiness { database: unknown(), session_state: unknown() }))
    }

    pub fn update(&self, change: impl FnOnce(&mut StoresReadiness)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn get(&self) -> StoresReadiness {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
