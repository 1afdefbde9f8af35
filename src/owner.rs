//! Whose a file is, as far as this process can tell.
//!
//! In a user namespace the kernel shows every owner that has no number there as one and the same: the
//! overflow user, 65534. Outside of namespaces that is somebody, `nobody`.

use std::fs;

/// Whom the kernel shows in place of an owner that this namespace has no number for.
const OVERFLOW_USER: u32 = 65_534;

/// Users in all: the map of a namespace that has a number for everybody is so long.
const ALL_USERS: u64 = u32::MAX as u64;

/// Whether an owner may be somebody outside of this process's user namespace. Where that has a user
/// 65534 of its own, the two cannot be told apart.
#[must_use]
pub(crate) fn is_unmapped(owner: u32) -> bool {
    // Hardly ever: nothing should belong to nobody.
    owner == OVERFLOW_USER
        && fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !is_complete(&map))
}

/// Lines of `/proc/PID/uid_map`: first number inside, first number outside, how many.
fn is_complete(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| {
        let count = line.split_whitespace().nth(2)?;
        count.parse::<u64>().ok()
    });
    counts.sum::<u64>() >= ALL_USERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_namespace_without_a_number_for_everybody_has_unmapped_owners() {
        assert!(is_complete("         0          0 4294967295\n"));
        assert!(is_complete("0 0 1000\n1000 100000 4294966295\n"));
        assert!(!is_complete("0 1000 1\n1 100000 65536\n"));
        assert!(!is_complete(""));
        assert!(!is_unmapped(0));
        assert!(!is_unmapped(1000));
    }
}
