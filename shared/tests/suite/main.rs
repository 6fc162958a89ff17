//! Tests of the verifier through its public interface.

mod attacks;
mod conformance;
mod dependencies;
mod extract;
mod feed;
mod keys;
mod vectors;
mod verifier;
