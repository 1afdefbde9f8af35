//! Landlock: what the file system, the network and other processes are to this process from now on.
//!
//! Which files may be *read* is left to the user that the process runs as: metadata directories may be links
//! to anywhere (stow, Nix, Spack), and Landlock can only be narrowed.

use std::os::fd::BorrowedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// The newest that this program knows of; older kernels enforce what they have of it.
const NEWEST: ABI = ABI::V6;

/// How much of what was asked for the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    /// All of it.
    Full,
    /// What this kernel has.
    Partial,
    /// The kernel has no Landlock, or it is switched off.
    Missing,
}

impl Landlock {
    /// The word for it, in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Missing => "missing",
        }
    }
}

/// Reading beneath `/`, and nothing else: no writing, no executing, no network, no signals and no abstract
/// sockets to the outside.
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

/// Whatever reading there is, and writing beneath these directories alone.
pub(super) fn restrict_writing_to(directories: &[BorrowedFd<'_>]) -> Landlock {
    // To execute, to talk to devices and so on is not what this process is kept from here.
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

/// A ruleset that cannot be made counts as one that the kernel does not have: `require-sandbox` is for those
/// to whom that is not good enough.
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
