//! Clients, grants, reserved names and receivers of webhooks from a file of the operator (`auth-service apply`).
//!
//! The file states what is to be. An application of the file compares it with the database, and
//! makes the changes that differ in one transaction, each with its audit event. The changes are
//! those of the use cases of `oauth`, `accounts` and `jobs`, so the rules are the same as for other
//! commands. Each change takes place only if its row is still as it was compared: if another
//! command changed it meanwhile, nothing changes, and the comparison begins anew.
//!
//! | module | content |
//! |---|---|
//! | `fault` | a fault of the file, with its line |
//! | `reader` | TOML values with their lines |
//! | `document` | what the file states |
//! | `parse` | reads the file, and finds all faults that need no database |
//! | `difference` | what a change does, for the operator |
//! | `plan` | the changes that are to be made, and the faults that the database shows |
//! | `clients`, `grants`, `names`, `receivers` | compare these kinds with the database |
//! | `prune` | which kinds are also removed |
//! | `error` | why a file is not applied |
//! | `apply` | the use case |

mod apply;
mod clients;
mod difference;
mod document;
mod error;
mod fault;
mod grants;
mod names;
mod parse;
mod plan;
mod prune;
mod reader;
mod receivers;

pub use self::{
    apply::{Applied, ApplyOptions, Provisioning},
    difference::{Difference, NameChanges},
    error::ApplyError,
    fault::Fault,
    prune::Prune,
};
