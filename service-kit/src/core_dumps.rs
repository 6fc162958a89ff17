//! Keeps the memory of this process, with passwords and keys in it, off the disk.

#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Turns off core dumps of this process. Other processes of the same user can then not read its
/// memory either: `/proc/PID/mem` and debuggers need the rights of root.
#[cfg(target_os = "linux")]
pub fn disable_core_dumps() {
    // The limit alone is not enough: the kernel ignores it if a program receives the dumps.
    let not_dumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let no_size = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, no_size);
    if let Err(why) = not_dumpable.and(limited) {
        log::warn!("cannot turn off core dumps: {why}");
    }
}

/// Does nothing: only Linux has this call.
#[cfg(not(target_os = "linux"))]
pub fn disable_core_dumps() {}
