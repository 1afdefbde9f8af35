//! Freshness, all of decision 6: every trap gives the new answer, and no harmless change causes a
//! warning or a read.
//!
//! `freshness/traps.rs`, `images.rs` and `trust.rs` have the traps, `harmless.rs` the harmless
//! changes. `site.rs` is the search directory for them, `mounts.rs` and `machine.rs` are its tools.
//!
//! Each guard was taken out once, and the test after it (or the first of several) failed. A guard
//! that starts with … continues the one before.
//!
//! Levels:
//!
//! - trust looks at nothing: every trap (`traps::a_package_added`)
//! - fast looks at the directory alone: `traps::an_upgrade_in_place_as_dpkg_does_it`
//! - auto looks at each metadata directory: `traps::an_upgrade_in_place_as_dpkg_does_it`
//! - … up to 1,000 of them:
//!   `traps::an_upgrade_in_place_among_more_is_seen_by_strict_or_with_the_directory`,
//!   `…_among_a_thousand_packages_is_seen`
//! - strict looks at each, always:
//!   `traps::an_upgrade_in_place_among_more_is_seen_by_strict_or_with_the_directory`
//! - … and at each file: `strict::each_file_that_an_answer_came_from_is_looked_at`
//! - … and at what would have come first:
//!   `strict::a_file_that_would_have_come_first_is_seen_where_a_link_leads_to_it`
//! - … in a copy, too: `strict::a_copy_is_compared_file_by_file`
//! - a suspect index is looked at more closely: `traps::a_suspect_index_is_looked_at_more_closely`
//! - a record with unread distributions too:
//!   `trust::distributions_unread_by_the_writer_are_read_by_readers_who_may`
//!
//! Times:
//!
//! - the directory's times are compared: `traps::a_package_added`
//! - ctimes are compared: `traps::an_upgrade_in_place_as_rpm_does_it`
//! - times are compared for equality, not for newer:
//!   `traps::a_copy_with_an_older_metadata_directory`
//! - nanoseconds count if both times have them:
//!   `traps::a_copy_with_a_metadata_directory_younger_by_less_than_a_second`
//! - … and not if one has none: `harmless::a_tar_round_trip_that_keeps_whole_seconds`
//! - a metadata directory without times now has changed: `traps::a_link_that_leads_nowhere_now`
//!
//! Present content:
//!
//! - new and missing names: `traps::a_package_added`, `traps::a_package_removed`
//! - … also if all others are as recorded:
//!   `images::an_index_inside_its_image_that_has_a_package_too_many`
//! - content is compared: `traps::an_upgrade_in_place_as_dpkg_does_it`
//! - name and version are compared:
//!   `traps::another_version_in_a_metadata_directory_of_the_same_name`
//! - a directory that is still missing is fresh, one that is missing only now is not:
//!   `harmless::a_missing_directory_that_is_still_missing`, `traps::a_directory_that_has_gone`
//! - a file in the directory's place is not a directory:
//!   `traps::a_file_in_the_place_of_the_directory`
//! - an empty directory counts as missing: `harmless::an_empty_directory_that_comes_or_goes`
//! - the answer follows the new listing order:
//!   `harmless::a_copy_that_lists_in_another_order_is_answered_in_that_order`
//! - … and a trusted sorted record keeps its own:
//!   `images::an_image_record_on_an_ordinary_disk_that_has_been_mounted_read_only`
//! - a sorted record is read again on a writable file system:
//!   `images::an_image_record_on_an_ordinary_disk_whose_times_were_all_put_back`
//! - … and counts as fresh if it is right:
//!   `harmless::an_image_record_on_an_ordinary_disk_is_read_again_and_found_right`
//!
//! Copies:
//!
//! - a copy is trusted: `harmless::a_copy_to_another_file_system_and_back` and 15 more
//! - the search directory's ctime is new:
//!   `traps::an_upgrade_in_place_of_every_package_that_does_not_change_the_search_directory`
//! - every other ctime is new: `traps::a_copy_in_which_one_metadata_directory_was_not_changed`
//! - every mtime is the same: `traps::a_copy_with_an_older_metadata_directory`
//! - the names are the same: `traps::a_copy_with_a_package_less`
//! - the mtimes are not all equal: `traps::a_copy_whose_times_are_all_one`
//! - … with any time of the search directory:
//!   `traps::a_copy_whose_times_are_all_one_but_for_the_search_directorys`
//! - … and of more than one package: `traps::an_upgrade_in_place_of_the_only_package_by_rpm`
//! - none is 0 or 1: `traps::a_copy_with_times_at_the_beginning_of_time`
//! - entry_points.txt has its size and mtime:
//!   `traps::a_copy_with_an_entry_points_file_of_another_size`, `…_of_another_time`
//! - … and exists, or not, as before: `traps::a_copy_with_an_entry_points_file_less`, `…_more`
//! - … unless nothing was known of it: `harmless::a_copy_with_an_unread_distribution`
//! - no refresh has failed: `traps::a_suspect_index_is_not_trusted_for_looking_like_a_copy`
//! - a refresh records the copy's times: `harmless::a_tar_round_trip_that_keeps_whole_seconds`
//!
//! Times that show nothing:
//!
//! - whole seconds on a read-only file system:
//!   `images::an_image_with_its_packages_times_in_the_place_of_another`
//! - … and on no other:
//!   `traps::a_change_within_the_second_of_the_refresh_where_times_are_whole_seconds`
//! - all ctimes are equal: `images::an_image_of_one_time_in_the_place_of_another_below_a_layer`
//! - one of them is 0 or 1:
//!   `images::an_image_in_which_one_package_has_no_time_in_the_place_of_another_below_a_layer`
//! - an index on the same file system is trusted: `images::an_index_inside_its_image_is_trusted`
//! - … at once, if the times are as recorded:
//!   `images::an_index_inside_its_image_is_trusted_at_once_if_it_was_made_there`
//! - … if there is one package, or only some have no time:
//!   `images::an_index_inside_its_image_is_trusted_for_a_single_package`,
//!   `…_where_only_some_have_no_time`
//! - … if the packages have no time, but the directory has:
//!   `images::an_index_inside_its_image_is_trusted_if_packages_have_lost_their_times`
//! - … only on that device: `images::an_image_without_times_in_the_place_of_another`
//! - … for each package whose own time shows nothing:
//!   `images::an_index_inside_its_image_that_is_wrong_where_times_tell`
//! - … and as long as no refresh has failed:
//!   `images::a_suspect_index_inside_its_image_is_compared_by_content`
//!
//! While it is listed:
//!
//! - a refresh waits for a clock tick: `traps::a_change_within_the_clock_tick_of_the_refresh`
//! - … so that the times can be used: `harmless::a_copy_to_another_file_system_and_back`
//! - it does not wait for a second: then no time is recorded:
//!   `traps::a_change_within_the_second_of_the_refresh_where_times_are_whole_seconds`
//! - a directory that changes meanwhile is listed again:
//!   `traps::a_listing_during_a_change_is_repeated`
//! - the times are from before the listing, and older than a tick:
//!   `traps::a_directory_that_changes_while_it_is_listed` (either alone is enough)
//!
//! Unread distributions:
//!
//! - they are read by readers who may:
//!   `trust::an_unread_file_in_a_readable_metadata_directory_is_read_by_readers_who_may`
//! - … without a warning: `trust::distributions_unread_by_the_writer_are_read_by_readers_who_may`
//!
//! Trust:
//!
//! - the mode of the file and of its folder: `trust::an_index_that_others_can_write_is_ignored`,
//!   `trust::an_index_in_a_folder_that_others_can_write_is_ignored`
//! - the folder is that of the file itself:
//!   `trust::an_index_behind_a_link_to_a_folder_that_others_can_write_is_ignored`
//! - the owner of the file and of its folder: `trust::an_index_of_another_user_is_ignored`,
//!   `trust::an_index_of_root_in_a_folder_of_another_user_is_ignored`
//! - the directory's owner is trusted: `trust::an_index_of_the_directorys_owner_is_trusted`
//!
//! Two guards have no test that fails without them. If ctimes are compared, mtimes add nothing. And
//! if an unknown time equalled another unknown one, this would only save a read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at what it does not expect"
)]

#[path = "freshness/harmless.rs"]
mod harmless;
#[path = "freshness/images.rs"]
mod images;
#[path = "freshness/machine.rs"]
mod machine;
#[path = "freshness/mounts.rs"]
mod mounts;
#[path = "freshness/site.rs"]
mod site;
#[path = "freshness/strict.rs"]
mod strict;
#[path = "freshness/traps.rs"]
mod traps;
#[path = "freshness/trust.rs"]
mod trust;
