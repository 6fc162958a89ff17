//! The tracer of this process.

use std::sync::OnceLock;

use opentelemetry_sdk::trace::SdkTracer;

/// Creates spans. Not set if traces are off.
pub(super) static TRACER: OnceLock<SdkTracer> = OnceLock::new();
