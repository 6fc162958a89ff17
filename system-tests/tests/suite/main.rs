//! Tests of both services as processes, on a real PostgreSQL and Redis, while parts of the system
//! fail.

mod browser;
mod clocks;
mod disk_full;
mod failures;
mod history;
mod javascript;
mod logout;
mod losses;
mod mail;
mod memory;
mod metrics_address;
mod monitoring;
mod protection;
mod reload;
mod rolling;
mod soak;
mod traces;
