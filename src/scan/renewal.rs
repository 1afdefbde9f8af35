//! A record made anew from an older one: what the listing says is as it was is taken over, all else is
//! read. What comes out is what would come out if all of it had been read.

use std::os::unix::ffi::OsStrExt;

use super::reading::{Batch, read_all};
use super::{Purpose, Scanned, encode, record_flags, warnings_of};
use crate::freshness::{Listing, Sighting};
use crate::index::format::distribution_flag;
use crate::index::old::OldRecord;
use crate::index::splice::{Item, splice};
use crate::index::write::EncodedRecord;
use crate::metadata::directory_name::{egg_base, keys_agree};
use crate::rooted::Directory;

/// Scans a search directory of the running system, starting from what an older index has of it, as far
/// as the listing says that it still holds. `progress` hears now and then how many metadata directories
/// have been read.
pub fn renew(
    directory: &Directory<'_>,
    mut listing: Listing,
    old: &OldRecord<'_>,
    progress: &mut dyn FnMut(usize),
) -> Scanned {
    let path = directory.path();
    let base = egg_base(path.as_os_str().as_bytes());
    let unknown = listing.sightings.iter_mut();
    let mut unknown: Vec<&mut Sighting> = unknown.filter(|it| it.same_as.is_none()).collect();
    let Batch { drafts, mut arena } = read_all(directory, &mut unknown, base, progress);
    let mut scanned = Scanned {
        read: drafts.len(),
        reused: listing.sightings.len() - drafts.len(),
        ..Scanned::default()
    };

    let mut drafts = drafts.into_iter();
    let mut items = Vec::with_capacity(listing.sightings.len());
    for sighting in &listing.sightings {
        if let Some(number) = sighting.same_as {
            items.push(Item::Kept(number));
        } else if let Some((draft, report)) = drafts.next() {
            let warnings = warnings_of(directory, &draft.file_name, report);
            scanned.warnings.extend(warnings);
            items.push(match sighting.recorded_as {
                Some(number) if old.says(number, &draft, &arena) => Item::Kept(number),
                _ => Item::Read(Box::new(draft)),
            });
        }
    }

    let unread = items.iter().any(|item| {
        let flags = match item {
            Item::Kept(number) => old.flags_of(*number),
            Item::Read(draft) => draft.flags,
        };
        flags & distribution_flag::UNREAD != 0
    });
    let flags = record_flags(&listing, Purpose::Running, unread);
    let spliced = || -> Option<EncodedRecord> {
        let agree = |item: &Item| match item {
            Item::Kept(number) => keys_agree(old.file_name(*number)),
            Item::Read(draft) => keys_agree(&draft.file_name),
        };
        let all_agree = items.iter().all(agree);
        all_agree.then(|| splice(old, path, flags, listing.stamps, &items, &arena))?
    };
    scanned.record = if is_all_of(old, &items) && flags == old.flags() {
        old.kept(path, listing.stamps)
    } else if let Some(record) = spliced() {
        record
    } else {
        let drafts = items.into_iter().map(|item| match item {
            Item::Kept(number) => old.draft(number, &mut arena),
            Item::Read(draft) => *draft,
        });
        let drafts = drafts.collect();
        encode(path, flags, listing.stamps, drafts, &arena)
    };
    scanned
}

/// Whether these are the distributions of the old record, and as it has them.
fn is_all_of(old: &OldRecord<'_>, items: &[Item]) -> bool {
    let in_turn =
        |(number, item): (u32, &Item)| matches!(item, Item::Kept(kept) if *kept == number);
    items.len() == old.len() as usize && (0..).zip(items).all(in_turn)
}
