//! Freshness, decision 6 in full: every trap gives the new answer, and no harmless change costs a warning or a read.
//! `freshness/traps.rs`, `images.rs` and `trust.rs` have the traps, `harmless.rs` the harmless changes; `site.rs` is the
//! search directory that they are tried on, `mounts.rs` and `machine.rs` what it takes.
//!
//! Each guard was taken out once, and the test beside it (or the first of several) seen to fail:
//!
//! | guard | fails without it |
//! |---|---|
//! | **levels** | |
//! | trust looks at nothing | every trap (`traps::a_package_added`) |
//! | fast looks at the directory alone | `traps::an_upgrade_in_place_as_dpkg_does_it` |
//! | auto looks at each metadata directory | `traps::an_upgrade_in_place_as_dpkg_does_it` |
//! | … of no more than 1,000, and of 1,000 | `traps::an_upgrade_in_place_among_more_is_seen_by_strict_or_with_the_directory`, `…_among_a_thousand_packages_is_seen` |
//! | strict looks at each, always | `traps::an_upgrade_in_place_among_more_is_seen_by_strict_or_with_the_directory` |
//! | a suspect index is looked at more closely | `traps::a_suspect_index_is_looked_at_more_closely` |
//! | so is a record with unread distributions | `trust::what_the_writer_may_not_read_is_read_by_readers_who_may` |
//! | **times** | |
//! | the directory's are compared | `traps::a_package_added` |
//! | ctimes are compared | `traps::an_upgrade_in_place_as_rpm_does_it` |
//! | for equality, not for newer | `traps::a_copy_with_an_older_metadata_directory` |
//! | nanoseconds count where both have them | `traps::a_copy_with_a_metadata_directory_younger_by_less_than_a_second` |
//! | … and not where one has none | `harmless::a_tar_round_trip_that_keeps_whole_seconds` |
//! | a metadata directory that has no times any more has moved | `traps::a_link_that_leads_nowhere_any_more` |
//! | **what is there** | |
//! | new names, names that are gone | `traps::a_package_added`, `traps::a_package_removed` |
//! | … also where all others are as recorded | `images::an_index_inside_its_image_that_has_a_package_too_many` |
//! | content by its digest | `traps::an_upgrade_in_place_as_dpkg_does_it` |
//! | name and version | `traps::another_version_in_a_metadata_directory_of_the_same_name` |
//! | missing then and now is fresh, missing now is not | `harmless::a_missing_directory_that_is_still_missing`, `traps::a_directory_that_has_gone` |
//! | a file in the directory's place is none | `traps::a_file_in_the_place_of_the_directory` |
//! | an empty directory is as good as none | `harmless::an_empty_directory_that_comes_or_goes` |
//! | the answer follows the new listing order | `harmless::a_copy_that_lists_in_another_order_is_answered_in_that_order` |
//! | … and a sorted record that is believed keeps its own | `images::an_image_record_on_an_ordinary_disk_that_has_been_mounted_read_only` |
//! | a sorted record is read again where something can be written | `images::an_image_record_on_an_ordinary_disk_whose_times_were_all_put_back` |
//! | … and is as good as fresh if it is right | `harmless::an_image_record_on_an_ordinary_disk_is_read_again_and_found_right` |
//! | **copies** | |
//! | a copy is believed | `harmless::a_copy_to_another_file_system_and_back` and 15 more |
//! | the search directory's ctime is new | `traps::an_upgrade_in_place_of_every_package_that_leaves_the_search_directory_alone` |
//! | every other ctime is new | `traps::a_copy_in_which_one_metadata_directory_was_left_alone` |
//! | every mtime is as it was | `traps::a_copy_with_an_older_metadata_directory` |
//! | the names are the same | `traps::a_copy_with_a_package_less` |
//! | the mtimes are not all one | `traps::a_copy_whose_times_are_all_one` |
//! | … whatever the search directory's is | `traps::a_copy_whose_times_are_all_one_but_for_the_search_directorys` |
//! | … and of more than one package | `traps::an_upgrade_in_place_of_the_only_package_by_rpm` |
//! | none is 0 or 1 | `traps::a_copy_with_times_at_the_beginning_of_time` |
//! | entry_points.txt has its size, its mtime | `traps::a_copy_with_an_entry_points_file_of_another_size`, `…_of_another_time` |
//! | … and is there, or not, as it was | `traps::a_copy_with_an_entry_points_file_less`, `…_more` |
//! | … but where nothing was known of it | `harmless::a_copy_with_an_unread_distribution` |
//! | no refresh has failed | `traps::a_suspect_index_is_not_believed_for_looking_like_a_copy` |
//! | a refresh takes the copy's times over | `harmless::a_tar_round_trip_that_keeps_whole_seconds` |
//! | **times that say nothing** | |
//! | whole seconds on a read-only file system | `images::an_image_with_its_packages_times_in_the_place_of_another` |
//! | … and on no other | `traps::a_change_within_the_second_of_the_refresh_where_times_are_whole_seconds` |
//! | all ctimes one | `images::an_image_of_one_time_in_the_place_of_another_below_a_layer` |
//! | one of them 0 or 1 | `images::an_image_in_which_one_package_has_no_time_in_the_place_of_another_below_a_layer` |
//! | the index is on the same file system: believed | `images::an_index_inside_its_image_is_believed` |
//! | … at once, where the times are as recorded | `images::an_index_inside_its_image_is_believed_at_once_where_it_was_made_there` |
//! | … where there is one package, or only some have no time | `images::an_index_inside_its_image_is_believed_of_a_single_package`, `…_where_only_some_have_no_time` |
//! | … where the packages have no time, and the directory has | `images::an_index_inside_its_image_is_believed_where_packages_have_lost_their_times` |
//! | … of that device alone | `images::an_image_without_times_in_the_place_of_another` |
//! | … for each package whose own time says nothing | `images::an_index_inside_its_image_that_is_wrong_where_times_tell` |
//! | … and as long as no refresh has failed | `images::a_suspect_index_inside_its_image_is_compared_by_content` |
//! | **while it is listed** | |
//! | a clock tick is waited out | `traps::a_change_within_the_clock_tick_of_the_refresh` |
//! | … for the times to be of use | `harmless::a_copy_to_another_file_system_and_back` |
//! | a second is not: no time is recorded | `traps::a_change_within_the_second_of_the_refresh_where_times_are_whole_seconds` |
//! | what changes meanwhile is listed again | `traps::a_listing_that_a_change_overtakes_is_made_again` |
//! | the times are from before the listing, and older than a tick | `traps::a_directory_that_changes_while_it_is_listed` (either alone is enough) |
//! | **unread distributions** | |
//! | are read by whoever may | `trust::an_unread_file_in_a_readable_metadata_directory_is_read_by_readers_who_may` |
//! | without a warning | `trust::what_the_writer_may_not_read_is_read_by_readers_who_may` |
//! | **trust** | |
//! | mode of the file, mode of its folder | `trust::an_index_that_others_can_write_is_as_absent`, `trust::an_index_in_a_folder_that_others_can_write_is_as_absent` |
//! | the folder is that of the file itself | `trust::an_index_behind_a_link_to_a_folder_that_others_can_write_is_as_absent` |
//! | owner of the file, owner of its folder | `trust::an_index_of_somebody_else_is_as_absent`, `trust::an_index_of_root_in_a_folder_of_somebody_else_is_as_absent` |
//! | the directory's owner is believed | `trust::an_index_of_the_directorys_owner_is_believed` |
//!
//! No test can fail without two of them: where ctimes are compared mtimes add nothing, and an unknown time that equalled
//! another unknown one would only save a read.

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
#[path = "freshness/traps.rs"]
mod traps;
#[path = "freshness/trust.rs"]
mod trust;
