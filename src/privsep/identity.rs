//! Who the worker is to be, and becoming it for good.
//!
//! The rule: a root that cannot be given up reads nothing. Where the kernel does not know the user at all
//! (EINVAL), this is a user namespace in which there is nobody else to be, and its root can no more than the
//! user who made it.

use nix::errno::Errno;

use super::kernel;
use super::passwd::{self, Ids};
use crate::rooted::Root;

/// What became of root's privileges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privileges {
    /// Given up: the worker was this user.
    Dropped(Ids),
    /// There was no other user in this user namespace.
    Namespace,
    /// There were none.
    Unprivileged,
    /// Kept, as the administrator wants it.
    Kept,
}

impl Privileges {
    /// The word for it, in output.
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
}

/// Why nothing is read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is nobody to become.
    #[error("there is no user '{0}' to read packages as (sysusers.d/epcache.conf creates it)")]
    NoUser(String),
    /// A user that others share, or root.
    #[error("packages cannot be read as the user '{0}', which {1}")]
    UnsuitableUser(String, &'static str),
    /// The kernel, or a filter in front of it, does not let go of root.
    #[error("root's privileges cannot be dropped ({0})")]
    NotDropped(String),
}

/// The uid that unmapped users show as, and that squashed NFS files and other daemons share.
const NOBODY: u32 = 65534;

/// Whom to become: decided before the fork, from files that root believes.
///
/// # Errors
/// Where root would have to be given up, and there is nobody to become.
pub(super) fn target(root: &Root, user: &str, drop: bool) -> Result<Privileges, Refusal> {
    let users = kernel::users().map_err(|error| not_dropped("getresuid", error))?;
    if !users.contains(&0) {
        return Ok(Privileges::Unprivileged);
    }
    if !drop {
        return Ok(Privileges::Kept);
    }
    let ids = passwd::find(root, user).ok_or_else(|| Refusal::NoUser(user.to_owned()))?;
    let unsuitable = |why| Err(Refusal::UnsuitableUser(user.to_owned(), why));
    match ids {
        Ids { uid: 0, .. } | Ids { gid: 0, .. } => unsuitable("has root's user or group"),
        Ids { uid: NOBODY, .. } => unsuitable("others share"),
        ids => Ok(Privileges::Dropped(ids)),
    }
}

/// Becomes that user, with no groups, no capability, and no way back. Says what came of it.
///
/// # Errors
/// Where anything is left that should be gone.
pub(super) fn assume(target: Privileges) -> Result<Privileges, Refusal> {
    // While there is still a right to. Without one, no_new_privs has to do.
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

/// Becomes the owner of something, for good: for a process that goes on as somebody else altogether. In a
/// namespace where the owner is nobody, it goes on as it is.
///
/// # Errors
/// Where anything of root is left.
pub fn become_owner(uid: u32, gid: u32) -> Result<(), Refusal> {
    // A file may well belong to a group that its owner is not in.
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
    // Who believes and does not look has been fooled before: by libraries, by filters.
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

/// That the root of this user namespace is an ordinary user outside of it, as far as one can see from here.
/// Where the system's own root has made the namespace, its root is still the one who owns root's files.
fn only_user_of_namespace() -> Result<(), Refusal> {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    match outside(&map, 0) {
        Some(0) => Err(Refusal::NotDropped(
            "this user namespace has nobody but root, and that is root outside as well".into(),
        )),
        Some(_) => Ok(()),
        None => Err(Refusal::NotDropped(
            "setresuid: Invalid argument, and /proc does not say why".into(),
        )),
    }
}

/// Who a user of this namespace is outside. Lines of `/proc/PID/uid_map`: first number inside, first number
/// outside, how many.
fn outside(map: &str, user: u32) -> Option<u32> {
    map.lines().find_map(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (inside, outside, count) = (
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
            numbers.next()?.ok()?,
        );
        let step = user.checked_sub(inside).filter(|&step| step < count)?;
        outside.checked_add(step)
    })
}

fn not_dropped(call: &str, error: Errno) -> Refusal {
    Refusal::NotDropped(format!("{call}: {}", error.desc()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_of_a_namespace_is_somebody_outside() {
        assert_eq!(outside("         0          0 4294967295\n", 0), Some(0));
        assert_eq!(outside("0 1000 1\n1 100000 65536\n", 0), Some(1000));
        assert_eq!(outside("0 1000 1\n1 100000 65536\n", 999), Some(100_998));
        assert_eq!(outside("0 1000 1\n", 1), None);
        assert_eq!(outside("1000 0 1\n", 0), None);
        assert_eq!(outside("", 0), None);
        assert_eq!(outside("0 0\nx\n", 0), None);
    }
}
