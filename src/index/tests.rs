//! Tests of times; those of the format are in `tests/index_*.rs`.

use proptest::prelude::*;

use super::Stamp;

#[test]
fn an_unknown_time_equals_none() {
    let known = Stamp::new(1_700_000_000, 0);
    for other in [known, Stamp::UNKNOWN] {
        assert!(!Stamp::UNKNOWN.same(other));
        assert!(!other.same(Stamp::UNKNOWN));
        assert!(!Stamp::UNKNOWN.same_second(other));
        assert!(!other.same_second(Stamp::UNKNOWN));
    }
    assert!(!Stamp::UNKNOWN.is_whole_second());
    assert_eq!(Stamp::UNKNOWN.truncated_to_seconds(), Stamp::UNKNOWN);
}

#[test]
fn a_time_that_does_not_fit_is_unknown() {
    for seconds in [i64::MIN, -9_300_000_000, 9_300_000_000, i64::MAX] {
        assert_eq!(Stamp::new(seconds, 999_999_999), Stamp::UNKNOWN);
    }
    assert_eq!(Stamp::new(9_223_372_036, 854_775_808), Stamp::UNKNOWN);
    assert_eq!(Stamp::new(9_223_372_036, 854_775_807).raw(), i64::MAX);
}

#[test]
fn an_archive_that_keeps_whole_seconds_keeps_the_second() {
    let fine = Stamp::new(-1, 250_000_000);
    assert_eq!(fine.raw(), -750_000_000);
    assert_eq!(fine.seconds(), -1);
    assert!(fine.same_second(Stamp::new(-1, 0)));
    assert!(Stamp::new(-1, 0).same_second(fine));
    assert!(!fine.same_second(Stamp::new(0, 0)));
    // Two fine times of one second are two times.
    assert!(!fine.same_second(Stamp::new(-1, 250_000_001)));
}

proptest! {
    #[test]
    fn any_raw_time_is_kept_and_compared_without_overflow(a: i64, b: i64) {
        let (a, b) = (Stamp::from_raw(a), Stamp::from_raw(b));
        prop_assert_eq!(Stamp::from_raw(a.raw()), a);
        prop_assert_eq!(a.same(b), b.same(a));
        prop_assert_eq!(a.same_second(b), b.same_second(a));
        let whole = a.truncated_to_seconds();
        prop_assert!(whole == Stamp::UNKNOWN || (whole.is_whole_second() && whole.raw() <= a.raw()));
    }
}
