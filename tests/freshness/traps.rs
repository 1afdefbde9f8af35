//! Changes that are easily missed. Each must give the new answer at the levels that promise it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use epcache::freshness::{Level, Listing};
use epcache::lookup::State;
use epcache::rooted::Root;

use crate::machine::{at_second, modified, set_modified, times};
use crate::mounts;
use crate::site::Told::{self, New, Old, Warned};
use crate::site::{ALPHA, BETA, PLAIN, Site, believed, plugins, quick_index, quick_look};

// In the order auto, fast, strict, trust.
const SEEN: [Told; 4] = [Warned, Warned, Warned, Old];
const SEEN_BUT_BY_FAST: [Told; 4] = [Warned, Old, Warned, Old];
const SEEN_BY_STRICT: [Told; 4] = [Old, Old, Warned, Old];

// ---- other names

#[test]
fn a_package_added() {
    let site = Site::new();
    site.install("delta", Some("delta:one"));
    assert_eq!(site.now().len(), 4);
    site.tells(SEEN);
}

#[test]
fn a_package_removed() {
    let site = Site::new();
    site.remove(BETA);
    assert_eq!(site.now().len(), 2);
    site.tells(SEEN);
}

#[test]
fn a_package_renamed() {
    let site = Site::new();
    fs::rename(site.path(BETA), site.path("beta-2.0.dist-info")).unwrap();
    let metadata = site.path("beta-2.0.dist-info/METADATA");
    fs::write(metadata, "Name: beta\nVersion: 2.0\n").unwrap();
    assert!(site.now().contains(&"beta 2.0 beta:one".to_owned()));
    site.tells(SEEN);
}

#[test]
fn a_package_added_and_all_mtimes_put_back() {
    let site = Site::new();
    site.keeping_mtimes(|| site.install("delta", Some("delta:one")));
    site.tells(SEEN);
}

#[test]
fn one_package_in_the_place_of_another_in_a_copy() {
    let site = Site::new();
    site.keeping_mtimes(|| {
        fs::rename(site.path(BETA), site.path("better-1.0.dist-info")).unwrap();
    });
    site.renew_ctimes();
    site.tells(SEEN);
}

// ---- upgrades in place

#[test]
fn an_upgrade_in_place_as_dpkg_does_it() {
    let site = Site::new();
    let before = times(&site.dir);
    site.upgrade_alpha();
    assert_eq!(
        times(&site.dir),
        before,
        "the search directory has not noticed"
    );
    assert_eq!(site.now()[..], upgraded(&site));
    site.tells(SEEN_BUT_BY_FAST);
}

#[test]
fn an_upgrade_in_place_as_rpm_does_it() {
    let site = Site::new();
    let before = times(&site.dir);
    site.keeping_mtimes(|| site.upgrade_alpha());
    assert_eq!(
        times(&site.dir),
        before,
        "the search directory has not noticed"
    );
    site.tells(SEEN_BUT_BY_FAST);
}

#[test]
fn an_upgrade_in_place_by_an_rpm_that_owns_the_search_directory() {
    let site = Site::new();
    let mtime = modified(&site.dir);
    site.keeping_mtimes(|| {
        site.upgrade_alpha();
        set_modified(&site.dir, SystemTime::now());
    });
    assert_eq!(modified(&site.dir), mtime);
    site.tells(SEEN);
}

#[test]
fn an_upgrade_in_place_of_one_of_several_packages_with_clamped_times() {
    let mut site = Site::new();
    site.set_packaged_times();
    site.refresh();
    site.keeping_mtimes(|| {
        site.upgrade_alpha();
        fs::create_dir(site.path("__pycache__")).unwrap();
    });
    site.tells(SEEN);
}

#[test]
fn an_upgrade_in_place_of_the_only_package_by_rpm() {
    let mut site = Site::empty();
    site.install("alpha", Some("alpha:one"));
    site.set_packaged_times();
    site.refresh();
    site.keeping_mtimes(|| site.upgrade_alpha());
    fs::create_dir(site.path("__pycache__")).unwrap();
    site.tells(SEEN);
}

#[test]
fn an_upgrade_in_place_of_every_package_that_does_not_change_the_search_directory() {
    let mut site = Site::new();
    site.set_packaged_times();
    site.refresh();
    let before = times(&site.dir);
    site.keeping_mtimes(|| {
        for path in site.directories().into_iter().skip(1) {
            fs::write(path.join("INSTALLER"), "rpm").unwrap();
        }
        site.upgrade_alpha();
    });
    assert_eq!(
        times(&site.dir),
        before,
        "the search directory has not noticed"
    );
    site.tells(SEEN_BUT_BY_FAST);
}

#[test]
fn another_version_in_a_metadata_directory_of_the_same_name() {
    let site = Site::new();
    let metadata = site.path(ALPHA);
    fs::write(metadata.join("new"), "Name: alpha\nVersion: 1.0.post1\n").unwrap();
    fs::rename(metadata.join("new"), metadata.join("METADATA")).unwrap();
    assert!(site.now().contains(&"alpha 1.0.post1 alpha:one".to_owned()));
    site.tells(SEEN_BUT_BY_FAST);
}

#[test]
fn an_upgrade_in_place_among_a_thousand_packages_is_seen() {
    let mut site = site_of(1000);
    site.refresh();
    site.upgrade_alpha();
    site.tells(SEEN_BUT_BY_FAST);
}

#[test]
fn an_upgrade_in_place_among_more_is_seen_by_strict_or_with_the_directory() {
    let mut site = site_of(1001);
    site.refresh();
    site.upgrade_alpha();
    site.tells(SEEN_BY_STRICT);
    fs::create_dir(site.path("__pycache__")).unwrap();
    site.tells(SEEN);
}

/// With this many metadata directories, most of them empty.
fn site_of(count: u32) -> Site {
    let site = Site::empty();
    site.install("alpha", Some("alpha:one"));
    for number in 1..count {
        fs::create_dir(site.path(&format!("many{number}-1.0.dist-info"))).unwrap();
    }
    site
}

#[test]
fn a_file_written_in_place_is_seen_by_strict_or_a_full_refresh() {
    let mut site = Site::new();
    let file = site.path(ALPHA).join("entry_points.txt");
    fs::write(&file, plugins("alpha", "alpha:two")).unwrap();
    site.tells(SEEN_BY_STRICT);
    site.refresh_with(&["--full"], None);
    assert_eq!(site.before(), upgraded(&site));
    assert_eq!(site.answer(Level::Auto).entries, upgraded(&site));
}

#[test]
fn a_changed_target_of_a_link_is_seen_by_strict_or_a_full_refresh() {
    let mut site = Site::empty();
    site.install_all();
    let (file, store) = (
        site.path(ALPHA).join("entry_points.txt"),
        site.root.join("store"),
    );
    fs::rename(&file, &store).unwrap();
    std::os::unix::fs::symlink("../../../../../store", &file).unwrap();
    site.refresh();
    fs::write(site.root.join("new"), plugins("alpha", "alpha:two")).unwrap();
    fs::rename(site.root.join("new"), store).unwrap();
    site.tells(SEEN_BY_STRICT);
    site.refresh_with(&["--full"], None);
    assert_eq!(site.answer(Level::Auto).entries, upgraded(&site));
}

/// The answer after alpha's upgrade.
fn upgraded(site: &Site) -> Vec<String> {
    let mut entries = site.before().to_vec();
    for entry in &mut entries {
        if entry.starts_with("alpha") {
            "alpha 1.0 alpha:two".clone_into(entry);
        }
    }
    entries
}

// ---- changes that look like a copy

/// An unpacked archive, except for one file: all ctimes are new, and no mtime of a directory is.
fn copy_with(change: impl FnOnce(&Site)) -> Site {
    let mut site = Site::new();
    site.set_packaged_times();
    site.refresh();
    site.keeping_mtimes(|| change(&site));
    site.renew_ctimes();
    site
}

#[test]
fn a_copy_with_an_entry_points_file_of_another_size() {
    copy_with(|site| site.upgrade_alpha_to("alpha:three")).tells(SEEN);
}

#[test]
fn a_copy_with_an_entry_points_file_of_another_time() {
    copy_with(|site| site.upgrade_alpha_with("alpha:two", at_second(1_750_000_000))).tells(SEEN);
}

#[test]
fn a_copy_with_an_entry_points_file_more() {
    let site = copy_with(|site| {
        let file = site.path(PLAIN).join("entry_points.txt");
        fs::write(&file, plugins("plain", "plain:one")).unwrap();
        set_modified(&file, at_second(1_700_000_000));
    });
    assert_eq!(site.now().len(), 4);
    site.tells(SEEN);
}

#[test]
fn a_copy_with_an_entry_points_file_less() {
    let site = copy_with(|site| {
        fs::remove_file(site.path(ALPHA).join("entry_points.txt")).unwrap();
    });
    site.tells(SEEN);
}

#[test]
fn a_copy_with_a_package_less() {
    let site = copy_with(|site| {
        site.upgrade_alpha();
        site.remove(BETA);
    });
    assert_eq!(site.now().len(), 2);
    site.tells(SEEN);
}

#[test]
fn a_copy_with_an_older_metadata_directory() {
    let site = copy_with(Site::upgrade_alpha);
    set_modified(&site.path(ALPHA), at_second(1_600_000_000));
    site.tells(SEEN);
}

#[test]
fn a_copy_with_a_metadata_directory_younger_by_less_than_a_second() {
    let mut site = Site::new();
    let mtime = at_second(1_700_000_000);
    set_modified(&site.path(ALPHA), mtime + Duration::from_millis(250));
    site.refresh();
    site.upgrade_alpha();
    set_modified(&site.path(ALPHA), mtime + Duration::from_millis(750));
    site.renew_ctimes();
    site.tells(SEEN);
}

#[test]
fn a_copy_in_which_one_metadata_directory_was_not_changed() {
    // If one was left alone, this is not a copy of the tree: the times of the others show nothing.
    let mut site = Site::new();
    site.set_packaged_times();
    site.refresh();
    let alone = times(&site.path(BETA));
    site.keeping_mtimes(|| site.upgrade_alpha());
    for path in site.directories() {
        if path != site.path(BETA) {
            let permissions = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, permissions).unwrap();
        }
    }
    assert_eq!(times(&site.path(BETA)), alone);
    site.tells(SEEN);
}

#[test]
fn a_copy_whose_times_are_all_one() {
    let mut site = Site::new();
    site.clamp(at_second(1_700_000_000));
    site.refresh();
    site.keeping_mtimes(|| site.upgrade_alpha());
    site.renew_ctimes();
    site.tells(SEEN);
}

#[test]
fn a_copy_whose_times_are_all_one_but_for_the_search_directorys() {
    let mut site = Site::new();
    site.clamp(at_second(1_700_000_000));
    site.refresh();
    site.keeping_mtimes(|| site.upgrade_alpha());
    site.renew_ctimes();
    fs::create_dir(site.path("__pycache__")).unwrap();
    site.tells(SEEN);
}

#[test]
fn a_copy_with_times_at_the_beginning_of_time() {
    for second in [0, 1] {
        let mut site = Site::new();
        site.set_packaged_times();
        set_modified(&site.path(ALPHA), at_second(second));
        set_modified(
            &site.path(ALPHA).join("entry_points.txt"),
            at_second(second),
        );
        site.refresh();
        site.keeping_mtimes(|| site.upgrade_alpha());
        site.renew_ctimes();
        site.tells(SEEN);
    }
}

// ---- missing directories

#[test]
fn a_directory_that_was_missing() {
    let mut site = Site::emptied();
    fs::remove_dir(&site.dir).unwrap();
    site.refresh();
    fs::create_dir(&site.dir).unwrap();
    site.install_all();
    site.tells(SEEN);
}

#[test]
fn a_directory_that_has_gone() {
    let site = Site::new();
    fs::remove_dir_all(&site.dir).unwrap();
    site.tells(SEEN);
}

#[test]
fn a_file_in_the_place_of_the_directory() {
    let site = Site::new();
    fs::remove_dir_all(&site.dir).unwrap();
    fs::write(&site.dir, "").unwrap();
    assert_eq!(site.now(), [""; 0]);
    site.tells(SEEN);
}

// ---- an index that a failed refresh has left

#[test]
fn a_suspect_index_is_looked_at_more_closely() {
    let site = Site::new();
    site.upgrade_alpha();
    site.tells(SEEN_BUT_BY_FAST);
    site.suspect();
    site.tells(SEEN);
}

#[test]
fn a_suspect_index_is_not_trusted_for_looking_like_a_copy() {
    // An upgrade of everything by rpm, whose trigger failed.
    let mut site = Site::new();
    site.set_packaged_times();
    site.refresh();
    site.keeping_mtimes(|| site.upgrade_alpha());
    site.renew_ctimes();
    site.suspect();
    site.tells(SEEN);
}

// ---- changes while the directory is listed, and directly after it

#[test]
fn a_change_within_the_clock_tick_of_the_refresh() {
    let test = "a_change_within_the_clock_tick_of_the_refresh";
    let Some(site) = Site::mounted(|at| mounts::ramfs(test, at)) else {
        return;
    };
    for round in 0..200 {
        let index = quick_index(&site.dir);
        if round % 2 == 0 {
            // Changes the metadata directory's times.
            site.upgrade_alpha_to(&format!("alpha:v{round:03}"));
        } else {
            // Changes the search directory's times.
            let (from, to) = if round % 4 == 1 {
                ("beta", "bravo")
            } else {
                ("bravo", "beta")
            };
            let path = |name| site.path(&format!("{name}-1.0.dist-info"));
            fs::rename(path(from), path(to)).unwrap();
        }
        let state = quick_look(&index, &site.dir, Level::Auto);
        assert!(matches!(state, State::Stale(_)), "unseen in round {round}");
    }
}

#[test]
fn a_change_within_the_second_of_the_refresh_where_times_are_whole_seconds() {
    let test = "a_change_within_the_second_of_the_refresh_where_times_are_whole_seconds";
    let Some(site) = Site::mounted(|at| mounts::whole_seconds(test, at)) else {
        return;
    };
    assert_eq!(
        times(&site.path(ALPHA)).map(|time| time.1),
        [0, 0],
        "whole seconds"
    );
    // Not all in one second, or no time would be trusted anyway.
    std::thread::sleep(Duration::from_millis(1100));
    set_modified(&site.path(BETA), at_second(1_700_000_000));
    for round in 0..50 {
        let index = quick_index(&site.dir);
        site.keeping_mtimes(|| site.upgrade_alpha_to(&format!("alpha:v{round:03}")));
        let state = quick_look(&index, &site.dir, Level::Auto);
        assert!(matches!(state, State::Stale(_)), "unseen in round {round}");
    }
    // After that second, times are as good as elsewhere.
    std::thread::sleep(Duration::from_millis(2100));
    let index = quick_index(&site.dir);
    assert!(believed(&index, Level::Strict));
    site.keeping_mtimes(|| site.upgrade_alpha_to("alpha:last"));
    assert!(matches!(
        quick_look(&index, &site.dir, Level::Auto),
        State::Stale(_)
    ));
}

#[test]
fn a_directory_that_changes_while_it_is_listed() {
    const NAME: &str = "delta-1.0.dist-info";
    let site = Site::new();
    for number in 0..2000 {
        fs::create_dir(site.path(&format!("more{number}-1.0.dist-info"))).unwrap();
    }
    for round in 0..60 {
        // The changes end earlier or later than the listing does, and sometimes during it.
        let changes = round % 30;
        let index = std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..=changes {
                    if fs::remove_dir(site.path(NAME)).is_err() {
                        fs::create_dir(site.path(NAME)).unwrap();
                    }
                    std::thread::sleep(Duration::from_micros(500));
                }
            });
            quick_index(&site.dir)
        });
        let record = index.record(0).unwrap();
        let is_there = site.path(NAME).exists();
        let listed = record
            .distributions()
            .any(|distribution| distribution.unwrap().file_name == NAME.as_bytes());
        assert!(
            is_there == listed || !believed(&index, Level::Fast),
            "round {round}: there: {is_there}, in the index: {listed}, and believed"
        );
    }
}

#[test]
fn a_listing_during_a_change_is_repeated() {
    const ENOUGH: usize = 5;
    let site = Site::empty();
    for number in 0..10_000 {
        fs::create_dir(site.path(&format!("many{number}-1.0.dist-info"))).unwrap();
    }
    let root = Root::system();
    let mut duration = Duration::from_millis(20);
    let mut overtaken = 0;
    for round in 0..60 {
        let name = format!("late{round}-1.0.dist-info");
        let path = site.path(&name);
        let directory = root.open_dir(&site.dir).unwrap();
        // The names are listed first and quickly. Looking at each of them takes long.
        let delay = duration * 3 / 4;
        let (listing, began, ended, added) = std::thread::scope(|scope| {
            let began = Instant::now();
            let adder = scope.spawn(move || {
                std::thread::sleep(delay);
                fs::create_dir(path).unwrap();
                Instant::now()
            });
            let listing = Listing::settled(&directory).unwrap();
            let ended = Instant::now();
            (listing, began, ended, adder.join().unwrap())
        });
        if ended < added {
            duration = ended - began;
            continue; // too late
        }
        if ended - added > duration / 8 {
            let listed = listing
                .sightings
                .iter()
                .any(|seen| seen.file_name == name.as_bytes());
            assert!(
                listed,
                "round {round}: not in the listing that ended {:?} later",
                ended - added
            );
            overtaken += 1;
        }
        if overtaken >= ENOUGH {
            return;
        }
    }
    panic!("the change came too early or too late in every round");
}

// ---- links to metadata directories elsewhere, as with stores and stow

#[test]
fn an_upgrade_behind_a_link() {
    let (site, _) = site_with_a_link();
    site.upgrade_alpha();
    site.tells(SEEN_BUT_BY_FAST);
}

#[test]
fn a_link_that_leads_nowhere_now() {
    let (site, elsewhere) = site_with_a_link();
    fs::remove_dir_all(elsewhere).unwrap();
    site.tells(SEEN_BUT_BY_FAST);
}

/// Its alpha is elsewhere.
fn site_with_a_link() -> (Site, PathBuf) {
    let mut site = Site::empty();
    site.install_all();
    let elsewhere = site.root.join("store");
    fs::rename(site.path(ALPHA), &elsewhere).unwrap();
    // By a path that also leads there in the small system.
    std::os::unix::fs::symlink("../../../../store", site.path(ALPHA)).unwrap();
    site.refresh();
    (site, elsewhere)
}

// ---- nothing to see

#[test]
fn a_metadata_directory_replaced_by_an_equal_one_is_not_a_difference() {
    let site = Site::new();
    site.upgrade_alpha_to("alpha:one");
    site.tells_at_most([New, Old, New, Old]);
}
