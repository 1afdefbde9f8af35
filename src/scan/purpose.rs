//! What a record is for: the order and the times that it stores. It keeps no state.

use crate::freshness::Listing;
use crate::index::Stamp;

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// The system that it is made on: in the directory's listing order, which is CPython's, with
    /// all times.
    #[default]
    Running,
    /// An image that is unpacked or mounted elsewhere. The same wherever it is built: in the order
    /// of the names, without ctimes, which every unpacking changes, and with mtimes as an archive
    /// stores them.
    Image {
        /// `SOURCE_DATE_EPOCH` in seconds since 1970: later mtimes are replaced by it.
        epoch: Option<i64>,
    },
}

impl Purpose {
    /// The listing as a record for this purpose stores it.
    pub(super) fn arrange(self, listing: &mut Listing) {
        if let Self::Image { .. } = self {
            listing
                .sightings
                .sort_by(|a, b| a.file_name.cmp(&b.file_name));
            let own = std::iter::once(&mut listing.stamps);
            let inner = listing
                .sightings
                .iter_mut()
                .map(|sighting| &mut sighting.stamps);
            for stamps in own.chain(inner) {
                *stamps = self.stamps(*stamps);
            }
        }
    }

    /// An mtime and a ctime as a record for this purpose stores them.
    pub(super) fn stamps(self, (mtime, ctime): (Stamp, Stamp)) -> (Stamp, Stamp) {
        let Self::Image { epoch } = self else {
            return (mtime, ctime);
        };
        let mtime = mtime.truncated_to_seconds();
        let mtime = match epoch.map(|epoch| Stamp::new(epoch, 0)) {
            Some(latest) if latest.raw() < mtime.raw() => latest,
            _ => mtime,
        };
        (mtime, Stamp::UNKNOWN)
    }
}
