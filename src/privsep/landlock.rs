//! Landlock: restricts this process's access to the file system, the network and other processes.
//!
//! The input is the directories that may be written to. The output is how much of the restriction
//! the kernel enforces. Which files may be *read* depends on the user alone: metadata directories
//! may be links to any place (stow, Nix, Spack), and Landlock rules can only be narrowed.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// The newest version that this program knows. Older kernels enforce a part of it.
const NEWEST: ABI = ABI::V6;

/// How much of the restriction the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    /// All of it.
    Full,
    /// The part that this kernel supports.
    Partial,
    /// The kernel has no Landlock, or it is switched off.
    Missing,
}

impl Landlock {
    /// The word for it in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

/// Allows reading below `/`. Forbids writing, executing, the network, and signals and abstract
/// sockets to other processes.
pub(super) fn restrict_to_reading() -> Landlock {
    let reading = AccessFs::ReadFile | AccessFs::ReadDir;
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = loop {
        match open("/", flags, Mode::empty()) {
            Ok(root) => break root,
            Err(Errno::EINTR) => {}
            Err(_) => return Landlock::Missing,
        }
    };
    enforce(|| {
        Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rule(PathBeneath::new(&root, reading))
    })
}

/// Allows writing only below these directories. Does not restrict reading.
pub(super) fn restrict_writing_to(directories: &[BorrowedFd<'_>]) -> Landlock {
    // The other rights, such as ioctl on devices, are not restricted here.
    let writing: BitFlags<AccessFs> = AccessFs::from_write(NEWEST);
    enforce(|| {
        let mut rules = Ruleset::default()
            .handle_access(writing | AccessFs::Execute)?
            .handle_access(AccessNet::from_all(NEWEST))?
            .create()?;
        for directory in directories {
            rules = rules.add_rule(PathBeneath::new(directory, writing))?;
        }
        Ok(rules)
    })
}

/// If a ruleset cannot be created, this counts as a kernel without Landlock. An administrator for
/// whom that is not enough can set `require-sandbox`.
fn enforce(rules: impl FnOnce() -> Result<RulesetCreated, RulesetError>) -> Landlock {
    let enforced = rules().and_then(RulesetCreated::restrict_self);
    match enforced {
        Ok(RestrictionStatus {
            ruleset: RulesetStatus::FullyEnforced,
            ..
        }) => Landlock::Full,
        Ok(RestrictionStatus {
            ruleset: RulesetStatus::PartiallyEnforced,
            ..
        }) => Landlock::Partial,
        _ => Landlock::Missing,
    }
}
