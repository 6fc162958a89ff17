//! OAuth clients and grants.

pub mod clients;
