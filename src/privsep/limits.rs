//! Resource limits: what the worker may use up, however hostile what it reads is.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// Memory that can be written, in bytes: it leaves a machine of 1 GB some, and is several times what a system of
/// 100,000 distributions takes.
const MEMORY: rlim_t = 512 << 20;
/// Address space, in bytes. Much of it is only set aside, by the allocator for each thread.
const ADDRESS_SPACE: rlim_t = if cfg!(target_pointer_width = "64") {
    4 << 30
} else {
    2 << 30
};
/// Processor time in seconds: 100,000 distributions take one or two.
const PROCESSOR: rlim_t = 60;
/// Its second limit is so much later: at the first one the kernel sends SIGXCPU, which says what it is about,
/// but SIGKILL where the second one is the same.
const PROCESSOR_LAST: rlim_t = 1;
/// Open files: a walk below a root holds up to 128, and each thread may have one under way.
const FILES: rlim_t = 1024;

/// Limits this process. To be called when all its threads exist: no further task may be made.
///
/// # Errors
/// Those of `setrlimit(2)`.
pub(super) fn set() -> nix::Result<()> {
    for (resource, limit) in [
        (Resource::RLIMIT_DATA, MEMORY),
        (Resource::RLIMIT_AS, ADDRESS_SPACE),
        (Resource::RLIMIT_CPU, PROCESSOR),
        (Resource::RLIMIT_NOFILE, FILES),
        // Pipes are no files.
        (Resource::RLIMIT_FSIZE, 0),
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_NPROC, 0),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ] {
        // Who has a lower limit keeps it.
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
