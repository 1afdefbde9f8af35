//! Changes that make no difference. None causes a warning, or a read of a file that did not change.
//!
//! Each list of four has the numbers of metadata directories that are read again at auto, fast,
//! strict and trust.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use epcache::freshness::Level;

use crate::machine::{chown, modified, needs_root, set_modified, tool, within};
use crate::mounts;
use crate::site::{ALPHA, LEVELS, NOBODY, Site};

const NONE: [usize; 4] = [0; 4];
/// A metadata directory that seems changed is read, at the levels that look.
const ONE_BUT_BY_FAST: [usize; 4] = [1, 0, 1, 0];

#[test]
fn no_change_at_all() {
    let site = Site::new();
    site.reads_again(NONE);
    for level in [Level::Auto, Level::Fast, Level::Strict] {
        assert!(site.effort(level).at_once, "{level:?} need not look closer");
    }
}

#[test]
fn a_module_imported_so_that_pycache_appears() {
    let site = Site::new();
    let mut python = within(60, "python3");
    python.args([
        "-S",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); import module",
    ]);
    fs::write(site.path("module.py"), "").unwrap();
    if tool(
        "a_module_imported_so_that_pycache_appears",
        python.arg(&site.dir),
    ) {
        assert!(site.path("__pycache__").is_dir());
        site.reads_again(NONE);
        site.settles_with_a_refresh();
    }
}

#[test]
fn chmod_of_the_search_directory() {
    let site = Site::new();
    fs::set_permissions(&site.dir, Permissions::from_mode(0o555)).unwrap();
    site.reads_again(NONE);
    site.settles_with_a_refresh();
    fs::set_permissions(&site.dir, Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn chmod_of_one_metadata_directory() {
    // Nothing distinguishes it from an upgrade whose package resets the mtime.
    let site = Site::new();
    fs::set_permissions(site.path(ALPHA), Permissions::from_mode(0o555)).unwrap();
    site.reads_again(ONE_BUT_BY_FAST);
    site.settles_with_a_refresh();
    fs::set_permissions(site.path(ALPHA), Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn chmod_of_everything() {
    let site = Site::new();
    let mut chmod = within(60, "chmod");
    if tool(
        "chmod_of_everything",
        chmod.args(["-R", "go-w"]).arg(&site.dir),
    ) {
        site.reads_again(NONE);
        site.settles_with_a_refresh();
    }
}

#[test]
fn chown_of_everything() {
    if !needs_root("chown_of_everything") {
        return;
    }
    let site = Site::new();
    let mut change = within(60, "chown");
    if tool(
        "chown_of_everything",
        change.args(["-R", &NOBODY.to_string()]).arg(&site.dir),
    ) {
        site.reads_again(NONE);
        site.settles_with_a_refresh();
    }
}

#[test]
fn new_labels_on_everything() {
    let site = Site::new();
    let mut label = within(60, "setfattr");
    label
        .args(["-n", "user.label", "-v", "other"])
        .args(site.directories());
    if tool("new_labels_on_everything", &mut label) {
        site.reads_again(NONE);
        site.settles_with_a_refresh();
    }
}

#[test]
fn touch_of_the_search_directory() {
    let site = Site::new();
    set_modified(&site.dir, SystemTime::now());
    site.reads_again(NONE);
    site.settles_with_a_refresh();
}

#[test]
fn touch_of_one_metadata_directory() {
    let site = Site::new();
    set_modified(&site.path(ALPHA), SystemTime::now());
    site.reads_again(ONE_BUT_BY_FAST);
    site.settles_with_a_refresh();
}

#[test]
fn touch_of_every_directory() {
    let site = Site::new();
    for path in site.directories() {
        set_modified(&path, SystemTime::now());
    }
    site.reads_again([4, 4, 4, 0]);
    site.settles_with_a_refresh();
}

#[test]
fn chmod_of_the_metadata_directories_alone() {
    let site = Site::new();
    for path in site.directories().into_iter().skip(1) {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    site.reads_again([4, 0, 4, 0]);
    site.settles_with_a_refresh();
}

#[test]
fn pycache_that_appears_in_a_copy() {
    let site = Site::new();
    site.renew_ctimes();
    fs::create_dir(site.path("__pycache__")).unwrap();
    site.reads_again(NONE);
    site.settles_with_a_refresh();
}

#[test]
fn a_copy_of_a_single_package_is_read_to_be_sure() {
    let mut site = Site::empty();
    site.install("alpha", Some("alpha:one"));
    site.refresh();
    site.renew_ctimes();
    site.reads_again([1, 1, 1, 0]);
    site.settles_with_a_refresh();
}

#[test]
fn a_copy_with_an_unread_distribution() {
    if needs_root("a_copy_with_an_unread_distribution") {
        let mut site = Site::new();
        fs::set_permissions(site.path(ALPHA), Permissions::from_mode(0o700)).unwrap();
        site.refresh_as(NOBODY);
        site.renew_ctimes();
        let effort = site.effort(Level::Auto);
        assert_eq!((effort.read, effort.differences.as_slice()), (1, &[][..]));
    }
}

#[test]
fn a_file_that_comes_and_goes() {
    let site = Site::new();
    fs::write(site.path("lock"), "").unwrap();
    fs::remove_file(site.path("lock")).unwrap();
    site.reads_again(NONE);
}

#[test]
fn a_tar_round_trip_that_keeps_whole_seconds() {
    for format in ["gnu", "ustar"] {
        tar_round_trip("a_tar_round_trip_that_keeps_whole_seconds", format);
    }
}

#[test]
fn a_tar_round_trip_that_keeps_nanoseconds() {
    tar_round_trip("a_tar_round_trip_that_keeps_nanoseconds", "pax");
}

fn tar_round_trip(test: &str, format: &str) {
    let site = Site::new();
    let mtime = modified(&site.path(ALPHA));
    let archive = site.root.join("archive.tar.gz");
    let mut pack = within(60, "tar");
    pack.arg("-C")
        .arg(&site.root)
        .arg(format!("--format={format}"));
    if !tool(test, pack.arg("-czf").arg(&archive).arg("usr")) {
        return;
    }
    fs::remove_dir_all(site.usr()).unwrap();
    let mut unpack = within(60, "tar");
    assert!(tool(
        test,
        unpack.arg("-C").arg(&site.root).arg("-xzf").arg(&archive)
    ));
    assert_eq!(modified(&site.path(ALPHA)) == mtime, format == "pax");
    site.reads_again(NONE);
    site.settles_with_a_refresh();
}

/// Copies the file tree elsewhere, and back to its place.
fn copied_by(test: &str, copy: impl Fn(&Path, &Path) -> Command) {
    let site = Site::new();
    let elsewhere = site.root.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let other_file_system = mounts::ramfs(test, &elsewhere);
    if other_file_system.is_none() {
        return;
    }
    if !tool(test, &mut copy(&site.usr(), &elsewhere.join("usr"))) {
        return;
    }
    fs::remove_dir_all(site.usr()).unwrap();
    assert!(tool(test, &mut copy(&elsewhere.join("usr"), &site.usr())));
    site.reads_again(NONE);
    site.settles_with_a_refresh();
}

#[test]
fn a_copy_to_another_file_system_and_back() {
    copied_by("a_copy_to_another_file_system_and_back", |from, to| {
        let mut copy = within(60, "cp");
        copy.arg("-a").arg(from).arg(to);
        copy
    });
}

#[test]
fn a_copy_by_rsync_and_back() {
    copied_by("a_copy_by_rsync_and_back", |from, to| {
        let mut copy = within(60, "rsync");
        copy.arg("-a").arg(from.join("")).arg(to.join(""));
        copy
    });
}

#[test]
fn a_farm_of_hard_links() {
    let site = Site::new();
    let farm = site.root.join("farm");
    let mut copy = within(60, "cp");
    if tool(
        "a_farm_of_hard_links",
        copy.arg("-al").arg(site.usr()).arg(&farm),
    ) {
        fs::remove_dir_all(site.usr()).unwrap();
        fs::rename(&farm, site.usr()).unwrap();
        site.reads_again(NONE);
        site.settles_with_a_refresh();
    }
}

#[test]
fn a_copy_that_lists_in_another_order_is_answered_in_that_order() {
    // A file system that lists the newest first, so that copying one after the other reverses the
    // order.
    let test = "a_copy_that_lists_in_another_order_is_answered_in_that_order";
    let Some(site) = Site::mounted(|at| mounts::ramfs(test, at)) else {
        return;
    };
    let mtime = modified(&site.dir);
    let order = site.now();
    let copy = site.usr().join("copy");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(&site.dir).unwrap() {
        let mut command = within(60, "cp");
        assert!(tool(
            test,
            command.arg("-a").arg(entry.unwrap().path()).arg(&copy)
        ));
    }
    set_modified(&copy, mtime);
    fs::remove_dir_all(&site.dir).unwrap();
    fs::rename(&copy, &site.dir).unwrap();
    let reversed: Vec<_> = order.iter().rev().cloned().collect();
    assert_eq!(site.now(), reversed);
    site.reads_again(NONE);
    for (level, word) in &LEVELS[..3] {
        assert_eq!(site.answer(*level).entries, reversed);
        assert_eq!(site.query(word).entries, reversed);
    }
}

#[test]
fn a_missing_directory_that_is_still_missing() {
    let mut site = Site::emptied();
    fs::remove_dir(&site.dir).unwrap();
    site.refresh();
    site.tells_silently();
    assert!(site.effort(Level::Strict).at_once);
}

#[test]
fn an_empty_directory_that_comes_or_goes() {
    let mut site = Site::emptied();
    fs::remove_dir(&site.dir).unwrap();
    site.tells_silently();
    site.refresh();
    fs::create_dir(&site.dir).unwrap();
    site.tells_silently();
}

#[test]
fn an_image_record_on_an_ordinary_disk_is_read_again_and_found_right() {
    let test = "an_image_record_on_an_ordinary_disk_is_read_again_and_found_right";
    let Some(mut site) = Site::mounted(|at| mounts::ramfs(test, at)) else {
        return;
    };
    site.refresh_with(&["--image"], None);
    let sorted = [
        "alpha 1.0 alpha:one",
        "beta 1.0 beta:one",
        "gamma 1.0 gamma:one",
    ];
    assert_eq!(site.before(), sorted);
    assert_ne!(site.now(), sorted, "the directory lists otherwise");
    let read_again = |site: &Site| {
        site.reads_again([4, 4, 4, 0]);
        for (level, word) in &LEVELS[..3] {
            assert_eq!(site.answer(*level).entries, site.now(), "{word}");
            assert_eq!(site.query(word).entries, site.now(), "{word}");
        }
    };
    read_again(&site);
    // Unpacked, as an image's layer is.
    let archive = site.root.join("image.tar");
    let mut pack = within(60, "tar");
    pack.arg("-C").arg(site.usr()).arg("-cf").arg(&archive);
    if !tool(test, pack.arg(".")) {
        return;
    }
    fs::remove_dir_all(&site.dir).unwrap();
    let mut unpack = within(60, "tar");
    tool(
        test,
        unpack.arg("-C").arg(site.usr()).arg("-xf").arg(&archive),
    );
    read_again(&site);
    // A refresh replaces it.
    site.refresh();
    site.reads_again(NONE);
}

#[test]
fn a_suspect_index_costs_no_read_of_unchanged_directories() {
    let site = Site::new();
    site.suspect();
    site.reads_again(NONE);
    fs::create_dir(site.path("__pycache__")).unwrap();
    site.reads_again(NONE);
}

impl Site {
    /// Checks that the directory answers as before, without a warning.
    fn tells_silently(&self) {
        assert_eq!(self.now(), self.before());
        for (level, word) in LEVELS {
            for answer in [self.answer(level), self.query(word)] {
                assert_eq!(
                    (&answer.entries[..], answer.warning),
                    (self.before(), None),
                    "{word}"
                );
            }
        }
    }
}

#[test]
fn another_owner_of_one_metadata_directory() {
    if needs_root("another_owner_of_one_metadata_directory") {
        let site = Site::new();
        chown(&site.path(ALPHA), NOBODY);
        site.reads_again(ONE_BUT_BY_FAST);
    }
}
