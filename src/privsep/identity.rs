//! Which user the worker must become, and becoming that user for good.
//!
//! The input is the administrator's [`Policy`] and the system's user files. The output is the user
//! that this process has become ([`Privileges`]), or a [`Refusal`]. The rule: if root's privileges
//! cannot be given up, nothing is read. Without a user of its own the worker becomes `nobody`,
//! which it shares with other programs, and then only in a sandbox. In a user namespace that maps a
//! single user there is no other user to become. Its root can do no more than the user who created
//! it.

use nix::errno::Errno;

use super::passwd::{self, Ids};
use super::{Policy, USER, kernel};
use crate::owner::{OVERFLOW_USER as NOBODY, uid_map};
use crate::process;
use crate::rooted::Root;

/// What happened to root's privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// Given up: the worker was this user.
    Dropped(Ids),
    /// There was no other user in this user namespace.
    Namespace,
    /// There were none.
    Unprivileged,
    /// Kept, because the configuration says so.
    Kept,
}

impl Privileges {
    /// The word for it in output.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dropped(_) => "dropped",
            Self::Namespace => "namespace",
            Self::Unprivileged => "unprivileged",
            Self::Kept => "kept",
        }
    }

    /// The user that the worker became, if it became another one.
    #[must_use]
    pub fn uid(self) -> Option<u32> {
        match self {
            Self::Dropped(ids) => Some(ids.uid),
            _ => None,
        }
    }

    /// Whether other programs run as the worker's user, and so may stop or end it.
    pub(super) fn is_shared(self) -> bool {
        self.uid() == Some(NOBODY)
    }
}

/// Why nothing is read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The configured user does not exist.
    #[error(
        "the configuration says user = {0}, which is not in {files}: packages are not read \
         as another user", files = passwd::FILES.join(" or ")
    )]
    NoUser(String),
    /// The user is root.
    #[error("packages cannot be read as the user '{0}', which has root's user or group")]
    UnsuitableUser(String),
    /// The kernel, or a filter in front of it, did not give up root.
    #[error("root's privileges cannot be dropped ({0})")]
    NotDropped(String),
    /// fakeroot and similar tools.
    #[error(
        "this process is root in appearance only (fakeroot, fakechroot or proot): packages are not \
         read. When the tree is complete, run `epcache refresh --root DIR` on it as root; lookups \
         work without it"
    )]
    Pretended,
}

/// Checks that root is really root. A library or a tracing process may only pretend it. A library
/// does not change raw system calls, and a tracer does not change what the kernel shows in /proc.
/// Under either, the files that are read and written are not the real ones.
///
/// # Errors
/// [`Refusal::Pretended`].
pub fn refuse_pretended_root() -> Result<(), Refusal> {
    let status = process::text("status");
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let shown = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u32>().ok());
    let called = kernel::users().map(|[_, effective, _]| effective);
    let is_root = nix::unistd::geteuid().is_root();
    let differs = is_root && (called != Ok(0) || shown.is_some_and(|user| user != 0));
    // The worker would lose half of these, even if root runs them: it keeps no variables.
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let is_faked = ["FAKECHROOT", "FAKEROOTKEY"].into_iter().any(is_set);
    if differs || is_faked {
        return Err(Refusal::Pretended);
    }
    Ok(())
}

/// The user to become. Decided before the fork, from files that root trusts.
///
/// # Errors
/// If root would have to be given up, but there is no user to become.
pub(super) fn target(root: &Root, policy: &Policy) -> Result<Privileges, Refusal> {
    let users = kernel::users().map_err(|error| not_dropped("getresuid", error))?;
    if !users.contains(&0) {
        return Ok(Privileges::Unprivileged);
    }
    if !policy.drop_privileges {
        return Ok(Privileges::Kept);
    }
    let name = policy.user.as_deref().unwrap_or(USER);
    match (passwd::find(root, name), &policy.user) {
        (Some(Ids { uid: 0, .. } | Ids { gid: 0, .. }), _) => {
            Err(Refusal::UnsuitableUser(name.to_owned()))
        }
        (Some(ids), _) => Ok(Privileges::Dropped(ids)),
        (None, Some(user)) => Err(Refusal::NoUser(user.clone())),
        (None, None) => {
            let files = passwd::FILES.join(" or ");
            log::info!("there is no user {USER} in {files}: packages are read as nobody");
            Ok(Privileges::Dropped(Ids {
                uid: NOBODY,
                gid: NOBODY,
            }))
        }
    }
}

/// Becomes that user, without groups or capabilities and with no way back. Returns what it became.
///
/// # Errors
/// If anything is left that should be gone.
pub(super) fn assume(target: Privileges) -> Result<Privileges, Refusal> {
    // As long as this process has the right to. Without the right, no_new_privs must be enough.
    if let Err(error) = kernel::empty_bounding_set() {
        log::debug!("the bounding set of capabilities stays: {error}");
    }
    let reached = match target {
        Privileges::Dropped(ids) => change(ids)?,
        other => other,
    };
    kernel::keep_capabilities(0).map_err(|error| not_dropped("capset", error))?;
    match kernel::has_no_capability() {
        Ok(true) => Ok(reached),
        Ok(false) => Err(Refusal::NotDropped("capabilities are left".into())),
        Err(error) => Err(not_dropped("capget", error)),
    }
}

/// Becomes the owner of a file for good, for a process that goes on as that user. In a namespace
/// without that user, it goes on unchanged.
///
/// # Errors
/// If anything of root is left.
pub fn become_owner(uid: u32, gid: u32) -> Result<(), Refusal> {
    // A file may belong to a group that its owner is not in.
    let gid = passwd::group_of(&Root::system(), uid).unwrap_or(if gid == 0 { NOBODY } else { gid });
    assume(Privileges::Dropped(Ids { uid, gid })).map(drop)
}

fn change(ids: Ids) -> Result<Privileges, Refusal> {
    match kernel::try_user(ids.uid) {
        Ok(()) => {}
        Err(Errno::EINVAL) => return only_user_of_namespace().map(|()| Privileges::Namespace),
        Err(error) => return Err(not_dropped("setresuid", error)),
    }
    kernel::drop_groups().map_err(|error| not_dropped("setgroups", error))?;
    kernel::set_group(ids.gid).map_err(|error| not_dropped("setresgid", error))?;
    kernel::set_user(ids.uid).map_err(|error| not_dropped("setresuid", error))?;
    // Check the result: libraries and filters have reported success before without any effect.
    let is_other = kernel::users() == Ok([ids.uid; 3])
        && kernel::groups() == Ok([ids.gid; 3])
        && kernel::supplementary_groups() == Ok(0);
    if !is_other {
        return Err(Refusal::NotDropped("it only looked as if they were".into()));
    }
    if kernel::set_user(0) != Err(Errno::EPERM) {
        return Err(Refusal::NotDropped("they can be taken back".into()));
    }
    Ok(Privileges::Dropped(ids))
}

/// Checks that this is the only user of its user namespace, and an ordinary user outside of it. If
/// the system's root has created the namespace, its root still owns root's files.
fn only_user_of_namespace() -> Result<(), Refusal> {
    let refused = |why: &str| Err(Refusal::NotDropped(why.into()));
    match uid_map().unwrap_or_default().as_slice() {
        [only] if only.inside == 0 && only.count == 1 && only.outside != 0 => Ok(()),
        [only] if only.inside == 0 && only.count == 1 => {
            refused("this user namespace has nobody but root, and that is root outside as well")
        }
        [] => refused("setresuid: Invalid argument, and /proc does not say why"),
        _ => refused("this user namespace has users, but not the one to read packages as"),
    }
}

fn not_dropped(call: &str, error: Errno) -> Refusal {
    Refusal::NotDropped(format!("{call}: {}", error.desc()))
}
