//! Resource limits of the worker. They hold even if a hostile package has taken it over.
//!
//! The only input is the limits that the process has already, which are never raised.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Writable memory in bytes. It leaves some on a machine with 1 GB, and is several times what a
/// system with 100,000 distributions needs.
const MEMORY: rlim_t = 512 << 20;
/// Address space in bytes. The allocator reserves much of it for each thread without using it.
const ADDRESS_SPACE: rlim_t = if cfg!(target_pointer_width = "64") {
    4 << 30
} else {
    2 << 30
};
/// Processor time in seconds. 100,000 distributions take one or two.
const PROCESSOR: rlim_t = 60;
/// The hard limit is this much later. At the soft limit the kernel sends SIGXCPU, which names the
/// reason. If both are equal, it sends SIGKILL.
const PROCESSOR_LAST: rlim_t = 1;
/// Open files: a walk below a root holds up to 128, and each thread may do one walk.
const FILES: rlim_t = 1024;

/// Limits this process. All its threads must exist: no further one can be started.
///
/// # Errors
/// Those of `setrlimit(2)`.
pub(super) fn set() -> nix::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_DATA, MEMORY),
        (Resource::RLIMIT_AS, ADDRESS_SPACE),
        (Resource::RLIMIT_CPU, PROCESSOR),
        (Resource::RLIMIT_NOFILE, FILES),
        // This does not affect pipes.
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ] {
        // A lower limit stays.
        let (_, most) = getrlimit(resource)?;
        let last = match resource {
            Resource::RLIMIT_CPU => (limit + PROCESSOR_LAST).min(most),
            _ => limit.min(most),
        };
        let first = match resource {
            Resource::RLIMIT_CPU => limit.min(last.saturating_sub(PROCESSOR_LAST)),
            _ => last,
        };
        setrlimit(resource, first, last)?;
    }
    Ok(())
}
