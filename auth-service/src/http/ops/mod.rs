//! Routes for operators.

pub mod metrics;
pub mod readyz;
