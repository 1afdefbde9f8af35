//! Who owns a file, as far as this process can tell.
//!
//! The input is an owner's number, the output is whether it may belong to a user outside of this
//! process's user namespace. There the kernel shows every owner without a number as the same user,
//! the overflow user 65534. Outside of namespaces that is an ordinary user, `nobody`.

use crate::process;

/// The user that the kernel shows for an owner without a number in this namespace.
pub(crate) const OVERFLOW_USER: u32 = 65_534;

/// The number of users in a namespace that has a number for every user.
const ALL_USERS: u64 = u32::MAX as u64;

/// Whether an owner is certainly from outside of this process's user namespace. Users inside have
/// no power over it, as over the system's root. False if the namespace itself has a user 65534,
/// because then the two cannot be told apart.
#[must_use]
pub(crate) fn is_unmapped(owner: u32) -> bool {
    // This is rare: no file should belong to nobody.
    owner == OVERFLOW_USER
        && uid_map().is_some_and(|map| !map.is_empty() && !has(&map, OVERFLOW_USER))
}

/// Whether an owner may be from outside of this process's user namespace. Then it is not known who
/// it is.
#[must_use]
pub(crate) fn may_be_unmapped(owner: u32) -> bool {
    owner == OVERFLOW_USER && uid_map().is_some_and(|map| !is_complete(&map))
}

/// The user map of this process's user namespace. `None` if /proc does not show it.
#[must_use]
pub(crate) fn uid_map() -> Option<Vec<Range>> {
    let map = process::read("uid_map").ok()?;
    Some(parse(&String::from_utf8_lossy(&map)))
}

fn parse(map: &str) -> Vec<Range> {
    map.lines().filter_map(Range::of_line).collect()
}

fn is_complete(map: &[Range]) -> bool {
    map.iter().map(|range| u64::from(range.count)).sum::<u64>() >= ALL_USERS
}

fn has(map: &[Range], user: u32) -> bool {
    let is_in = |range: &Range| {
        let step = user.checked_sub(range.inside);
        step.is_some_and(|step| step < range.count)
    };
    map.iter().any(is_in)
}

/// A range of users that have a number in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    /// The first number inside.
    pub(crate) inside: u32,
    /// The first number outside.
    pub(crate) outside: u32,
    /// The number of users.
    pub(crate) count: u32,
}

impl Range {
    /// A line of `/proc/PID/uid_map`.
    fn of_line(line: &str) -> Option<Self> {
        let mut numbers = line.split_whitespace().map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            inside: next()?,
            outside: next()?,
            count: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_owner_without_a_number_in_this_namespace_is_unmapped() {
        for (map, has_nobody, complete) in [
            ("         0          0 4294967295\n", true, true),
            ("0 0 1000\n1000 100000 4294966295\n", true, true),
            ("0 1000 1\n1 100000 65536\n", true, false),
            ("0 1000 1\n1 100000 65533\n", false, false),
            ("0 1000 1\n65534 5 1\n", true, false),
            ("0 1000 1\n", false, false),
            ("0 0\nx\n", false, false),
        ] {
            let ranges = parse(map);
            assert_eq!(has(&ranges, OVERFLOW_USER), has_nobody, "{map}");
            assert_eq!(is_complete(&ranges), complete, "{map}");
        }
        assert!(!is_unmapped(0) && !is_unmapped(1000));
        assert!(!may_be_unmapped(0) && !may_be_unmapped(1000));
    }
}
