//! Images whose times show no changes: read-only ones, which are replaced as a whole, and layers
//! that containers put over them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use epcache::freshness::Level;

use crate::machine::{at_second, modified, needs_root, set_modified, tool, within};
use crate::mounts::{self, Mount};
use crate::site::Told::{self, New, Old, Warned};
use crate::site::{ALPHA, Site};

const SEEN: [Told; 4] = [Warned, Warned, Warned, Old];

/// How to make an image of a directory.
type Pack = fn(&str, &Site, PathBuf) -> Option<PathBuf>;

fn squashed(test: &str, site: &Site, image: PathBuf, options: &[&str]) -> Option<PathBuf> {
    mounts::squash(test, &site.usr(), &image, options).then_some(image)
}

/// All times 0.
fn without_times(test: &str, site: &Site, image: PathBuf) -> Option<PathBuf> {
    squashed(test, site, image, &["-all-time", "0"])
}

/// All times are 1, as with Nix and Guix.
fn of_the_first_second(test: &str, site: &Site, image: PathBuf) -> Option<PathBuf> {
    squashed(test, site, image, &["-all-time", "1"])
}

/// All times are the same second, as with SOURCE_DATE_EPOCH.
fn of_one_time(test: &str, site: &Site, image: PathBuf) -> Option<PathBuf> {
    squashed(test, site, image, &["-all-time", "1700000000"])
}

/// Each file's own mtime, to the second.
fn with_times(test: &str, site: &Site, image: PathBuf) -> Option<PathBuf> {
    squashed(test, site, image, &[])
}

/// The same in another format, which stores nanoseconds if there are any.
fn in_erofs(test: &str, site: &Site, image: PathBuf) -> Option<PathBuf> {
    let mut command: Command = within(60, "mkfs.erofs");
    command.arg(&image).arg(site.usr());
    tool(test, &mut command).then_some(image)
}

/// Two images that differ in one entry_points.txt, but in no time and no size. The first one is
/// mounted.
fn two_images(test: &str, pack: Pack, before: impl FnOnce(&Site)) -> Option<(Site, PathBuf)> {
    if !needs_root(test) {
        return None;
    }
    let mut site = Site::empty();
    site.install_all();
    site.set_packaged_times();
    before(&site);
    let first = pack(test, &site, site.root.join("first.image"))?;
    site.keeping_mtimes(|| site.upgrade_alpha());
    let second = pack(test, &site, site.root.join("second.image"))?;
    site.mount = Some(mounts::image(test, &site.usr(), &first)?);
    Some((site, second))
}

/// The index is elsewhere, and belongs to another image than the mounted one.
fn swapped(test: &str, pack: Pack) {
    let Some((mut site, second)) = two_images(test, pack, |_| ()) else {
        return;
    };
    site.refresh();
    assert!(site.before().contains(&"alpha 1.0 alpha:one".to_owned()));
    site.mount = None;
    site.mount = mounts::image(test, &site.usr(), &second);
    site.tells(SEEN);
}

#[test]
fn an_image_without_times_in_the_place_of_another() {
    swapped(
        "an_image_without_times_in_the_place_of_another",
        without_times,
    );
}

#[test]
fn an_image_of_the_first_second_in_the_place_of_another() {
    swapped(
        "an_image_of_the_first_second_in_the_place_of_another",
        of_the_first_second,
    );
}

#[test]
fn an_image_of_one_time_in_the_place_of_another() {
    swapped("an_image_of_one_time_in_the_place_of_another", of_one_time);
}

#[test]
fn an_image_with_its_packages_times_in_the_place_of_another() {
    swapped(
        "an_image_with_its_packages_times_in_the_place_of_another",
        with_times,
    );
}

#[test]
fn an_erofs_image_in_the_place_of_another() {
    swapped("an_erofs_image_in_the_place_of_another", in_erofs);
}

#[test]
fn an_image_mounted_again_is_compared_by_its_content_and_without_a_warning() {
    let test = "an_image_mounted_again_is_compared_by_its_content_and_without_a_warning";
    let Some((mut site, _)) = two_images(test, without_times, |_| ()) else {
        return;
    };
    site.refresh();
    site.mount = None;
    site.mount = mounts::image(test, &site.usr(), &site.root.join("first.image"));
    site.reads_again([4, 4, 4, 0]);
}

/// The index is in the image, and was made before a change that is in the image too.
fn with_the_index_inside(
    test: &str,
    pack: Pack,
    options: &[&str],
    change: impl FnOnce(&Site),
) -> Option<Site> {
    packed(test, pack, options, |_| (), change)
}

/// The same, with another change before the index was made.
fn packed(
    test: &str,
    pack: Pack,
    options: &[&str],
    before: impl FnOnce(&Site),
    after: impl FnOnce(&Site),
) -> Option<Site> {
    if !needs_root(test) {
        return None;
    }
    let mut site = Site::empty();
    site.index_in_usr = true;
    site.install_all();
    site.set_packaged_times();
    before(&site);
    site.refresh_with(options, None);
    after(&site);
    let image = pack(test, &site, site.root.join("usr.image"))?;
    site.mount = Some(mounts::image(test, &site.usr(), &image)?);
    Some(site)
}

#[test]
fn an_index_inside_its_image_is_trusted() {
    let test = "an_index_inside_its_image_is_trusted";
    let packs = [
        without_times,
        of_the_first_second,
        of_one_time,
        with_times,
        in_erofs,
    ];
    for pack in packs {
        for options in [&[][..], &["--image"]] {
            let Some(site) = with_the_index_inside(test, pack, options, |_| ()) else {
                return;
            };
            site.reads_again([0; 4]);
        }
    }
}

#[test]
fn an_index_inside_its_image_is_trusted_if_only_some_have_no_time() {
    let test = "an_index_inside_its_image_is_trusted_if_only_some_have_no_time";
    let early = |site: &Site| {
        set_modified(&site.path("gamma-1.0.dist-info"), at_second(0));
    };
    if let Some(site) = packed(test, with_times, &[], early, |_| ()) {
        site.reads_again([0; 4]);
    }
}

#[test]
fn an_index_inside_its_image_is_trusted_if_packages_have_lost_their_times() {
    let test = "an_index_inside_its_image_is_trusted_if_packages_have_lost_their_times";
    let lose = |site: &Site| {
        for path in site.directories().into_iter().skip(1) {
            set_modified(&path, at_second(1));
        }
    };
    if let Some(site) = with_the_index_inside(test, with_times, &[], lose) {
        site.reads_again([0; 4]);
    }
}

#[test]
fn an_index_inside_its_image_is_trusted_for_a_single_package() {
    let test = "an_index_inside_its_image_is_trusted_for_a_single_package";
    let alone = |site: &Site| {
        for name in ["beta", "gamma", "plain"] {
            site.remove(&format!("{name}-1.0.dist-info"));
        }
    };
    if let Some(site) = packed(test, with_times, &[], alone, |_| ()) {
        site.reads_again([0; 4]);
    }
}

#[test]
fn an_index_inside_its_image_is_trusted_at_once_if_it_was_made_there() {
    // A system that is written, then mounted read-only.
    let test = "an_index_inside_its_image_is_trusted_at_once_if_it_was_made_there";
    let Some(mut site) = read_only_system(test, |_| ()) else {
        return;
    };
    site.remember();
    site.reads_again([0; 4]);
    assert!(site.effort(Level::Strict).at_once);
}

#[test]
fn a_read_only_system_whose_index_is_wrong() {
    let test = "a_read_only_system_whose_index_is_wrong";
    if let Some(site) = read_only_system(test, |site| site.keeping_mtimes(|| site.upgrade_alpha()))
    {
        site.tells([Warned, Old, Warned, Old]);
    }
}

/// With whole seconds, and with the index on the same file system.
fn read_only_system(test: &str, change: impl FnOnce(&Site)) -> Option<Site> {
    let mut site = Site::mounted(|at| mounts::whole_seconds(test, at))?;
    site.index_in_usr = true;
    site.set_packaged_times();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    site.refresh();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    change(&site);
    site.mount.as_ref().unwrap().read_only();
    Some(site)
}

#[test]
fn an_index_inside_its_image_that_is_wrong_where_times_tell() {
    // One package has no time. The one that changed has.
    let test = "an_index_inside_its_image_that_is_wrong_where_times_tell";
    let site = with_the_index_inside(test, with_times, &[], |site| {
        set_modified(&site.path("gamma-1.0.dist-info"), at_second(0));
        site.upgrade_alpha();
        assert!(modified(&site.path(ALPHA)) > at_second(1_750_000_000));
    });
    if let Some(site) = site {
        site.tells(SEEN);
    }
}

#[test]
fn an_index_inside_its_image_that_has_a_package_too_many() {
    let test = "an_index_inside_its_image_that_has_a_package_too_many";
    for options in [&[][..], &["--image"]] {
        let remove = |site: &Site| site.remove("beta-1.0.dist-info");
        if let Some(site) = with_the_index_inside(test, without_times, options, remove) {
            site.tells(SEEN);
        }
    }
}

#[test]
fn a_suspect_index_inside_its_image_is_compared_by_content() {
    let test = "a_suspect_index_inside_its_image_is_compared_by_content";
    let site = with_the_index_inside(test, without_times, &[], |site| {
        site.upgrade_alpha();
        site.suspect();
    });
    if let Some(site) = site {
        site.tells(SEEN);
    }
}

#[test]
fn an_image_record_on_an_ordinary_disk_whose_times_were_all_put_back() {
    // It has no ctimes, so nothing shows a change.
    let mut site = Site::new();
    for epoch in [None, Some(1_600_000_000)] {
        site.refresh_with(&["--image"], epoch);
        let value = epoch.map_or("alpha:two", |_| "alpha:six");
        site.keeping_mtimes(|| site.upgrade_alpha_to(value));
        site.tells(SEEN);
    }
}

#[test]
fn an_image_record_on_an_ordinary_disk_that_has_been_mounted_read_only() {
    let test = "an_image_record_on_an_ordinary_disk_that_has_been_mounted_read_only";
    for inside in [true, false] {
        let Some(mut site) = Site::mounted(|at| mounts::whole_seconds(test, at)) else {
            return;
        };
        site.index_in_usr = inside;
        site.refresh_with(&["--image"], None);
        site.mount.as_ref().unwrap().read_only();
        // An index elsewhere may belong to another image.
        site.reads_again(if inside { [0; 4] } else { [4, 4, 4, 0] });
        if inside {
            let answer = site.answer(Level::Auto).entries;
            assert_eq!((&answer[..], answer.is_sorted()), (site.before(), true));
        }
    }
}

#[test]
fn an_upgrade_in_a_layer_over_an_image_without_times() {
    let test = "an_upgrade_in_a_layer_over_an_image_without_times";
    let Some(mut site) = with_the_index_inside(test, without_times, &["--image"], |_| ()) else {
        return;
    };
    let image = site.root.join("usr.image");
    let Some(_lower) = lay_over(test, &mut site, &image) else {
        return;
    };
    site.reads_again([4, 4, 4, 0]);
    site.keeping_mtimes(|| site.upgrade_alpha());
    site.tells(SEEN);
    site.mount = None;
}

/// Mounts an image elsewhere, and a writable layer over it in its place.
fn lay_over(test: &str, site: &mut Site, image: &Path) -> Option<Mount> {
    site.mount = None;
    let lower = site
        .root
        .join(format!("lower of {}", image.display()).replace('/', " "));
    fs::create_dir(&lower).unwrap();
    let below = mounts::image(test, &lower, image)?;
    site.mount = Some(mounts::overlay(test, &site.usr(), &lower)?);
    Some(below)
}

/// The index was made for the first image through a layer, and is elsewhere.
fn swapped_below_a_layer(test: &str, pack: Pack, before: impl FnOnce(&Site)) {
    let Some((mut site, second)) = two_images(test, pack, before) else {
        return;
    };
    let first = site.root.join("first.image");
    {
        let Some(_lower) = lay_over(test, &mut site, &first) else {
            return;
        };
        site.refresh();
        site.mount = None;
    }
    let Some(_lower) = lay_over(test, &mut site, &second) else {
        return;
    };
    site.tells(SEEN);
    site.mount = None;
}

#[test]
fn an_image_of_one_time_in_the_place_of_another_below_a_layer() {
    let test = "an_image_of_one_time_in_the_place_of_another_below_a_layer";
    swapped_below_a_layer(test, of_one_time, |_| ());
}

#[test]
fn an_image_in_which_one_package_has_no_time_in_the_place_of_another_below_a_layer() {
    let test = "an_image_in_which_one_package_has_no_time_in_the_place_of_another_below_a_layer";
    swapped_below_a_layer(test, with_times, |site| {
        set_modified(&site.path("gamma-1.0.dist-info"), at_second(1));
    });
}

#[test]
fn an_image_that_is_as_it_was_but_read_by_content_says_nothing_new() {
    let test = "an_image_that_is_as_it_was_but_read_by_content_says_nothing_new";
    if let Some((mut site, _)) = two_images(test, of_one_time, |_| ()) {
        site.refresh();
        site.tells_at_most([New, New, New, Old]);
    }
}

#[test]
fn an_image_record_with_all_times_at_the_epoch_is_not_believed_of_other_content() {
    let test = "an_image_record_with_all_times_at_the_epoch_is_not_believed_of_other_content";
    let Some((mut site, second)) = two_images(test, of_one_time, |_| ()) else {
        return;
    };
    site.refresh_with(&["--image"], Some(1_700_000_000));
    site.mount = None;
    site.mount = mounts::image(test, &site.usr(), &second);
    site.tells(SEEN);
}
