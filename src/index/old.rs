//! An older index in memory, every byte of it checked, from which a writer takes what still holds.
//!
//! In come the bytes of an index; out go its records, read in place. Whether something still holds is
//! not known here: that is between the record and the directory (`freshness`).

use std::ops::Range;

use super::format::{
    DISTRIBUTION_ROW, REFERENCE_ROW, RULES, Row, distribution_flag, entry_flag, record_flag,
};
use super::read::{Damage, Index};
use super::stamp::Stamp;
use super::tables::Tables;
use super::verify::verify;
use super::write::{DistributionDraft, EncodedRecord, EntryArena, FileFingerprint};

/// Whether a writer may take anything over from these bytes: they are an index, sound in every byte, and
/// what it says was read by the rules by which this program reads.
#[must_use]
pub fn is_usable(bytes: &[u8]) -> bool {
    Index::open(bytes)
        .is_ok_and(|index| index.rules() == RULES && !index.is_image() && verify(&index).is_ok())
}

/// An index that [`is_usable`].
pub struct OldIndex<'b> {
    index: Index<&'b [u8]>,
    bytes: &'b [u8],
    body: &'b [u8],
}

impl<'b> OldIndex<'b> {
    /// Opens it.
    ///
    /// # Errors
    /// [`Damage`], where it is not usable after all.
    pub fn open(bytes: &'b [u8]) -> Result<Self, Damage> {
        let index = Index::open(bytes)?;
        let body = bytes.get(index.body_offset()..).unwrap_or_default();
        Ok(Self { index, bytes, body })
    }

    pub(super) fn bytes(&self) -> &'b [u8] {
        self.bytes
    }

    pub(super) fn body(&self) -> &'b [u8] {
        self.body
    }

    /// The record of a search directory, found by its exact path, but not by an alias.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<OldRecord<'b>> {
        let record = self.index.find(path).ok()??;
        if record.path() != path {
            return None;
        }
        let place =
            usize::try_from(record.row.tables).ok()?..usize::try_from(record.row.end).ok()?;
        Some(OldRecord {
            tables: Tables::of(self.body, record.row).ok()?,
            place,
        })
    }
}

/// What an older index knows of one search directory.
pub struct OldRecord<'b> {
    pub(super) tables: Tables<'b>,
    /// Where its segment lies in the body.
    place: Range<usize>,
}

impl<'b> OldRecord<'b> {
    /// How many metadata directories there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.tables.row.distributions
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its flags, of [`record_flag`].
    #[must_use]
    pub fn flags(&self) -> u32 {
        self.tables.row.flags
    }

    /// Whether its times tell of changes, and its order is that of the directory.
    #[must_use]
    pub fn is_of_running_system(&self) -> bool {
        self.flags() & (record_flag::SILENT | record_flag::SORTED | record_flag::MISSING) == 0
    }

    pub(super) fn row(&self, number: u32) -> Row<'b> {
        self.tables.distributions.row(number).unwrap_or(Row(&[]))
    }

    pub(super) fn string(&self, row: Row<'b>, which: usize) -> &'b [u8] {
        self.tables.string_of(row, which).unwrap_or_default()
    }

    /// The name of a metadata directory by its number.
    #[must_use]
    pub fn file_name(&self, number: u32) -> &'b [u8] {
        self.string(self.row(number), 0)
    }

    /// The mtime and ctime of a metadata directory.
    #[must_use]
    pub fn stamps(&self, number: u32) -> (Stamp, Stamp) {
        stamps(self.row(number))
    }

    /// The flags of a metadata directory, of [`distribution_flag`].
    #[must_use]
    pub fn flags_of(&self, number: u32) -> u32 {
        self.row(number).u32(32)
    }

    /// A distribution as it was read then. Whether it is shadowed is told anew.
    #[must_use]
    pub fn draft(&self, number: u32, arena: &mut EntryArena) -> DistributionDraft {
        let row = self.row(number);
        let (mtime, ctime) = stamps(row);
        DistributionDraft {
            file_name: self.string(row, 0).to_vec(),
            key: self.string(row, 1).to_vec(),
            name: self.string(row, 2).to_vec(),
            version: self.string(row, 3).to_vec(),
            flags: row.u32(32) & !distribution_flag::SHADOWED,
            mtime,
            ctime,
            entry_points_file: fingerprint(row),
            entries: arena.add(self.entries_of(row)),
            place: 0,
        }
    }

    /// Whether a distribution that has been read again is what it was then, down to the last byte.
    #[must_use]
    pub fn says(&self, number: u32, now: &DistributionDraft, arena: &EntryArena) -> bool {
        let row = self.row(number);
        self.string(row, 0) == now.file_name
            && self.string(row, 1) == now.key
            && self.string(row, 2) == now.name
            && self.string(row, 3) == now.version
            && row.u32(32) & !distribution_flag::SHADOWED == now.flags
            && stamps(row).0.same(now.mtime)
            && stamps(row).1.same(now.ctime)
            && fingerprint(row) == now.entry_points_file
            && self.entries_of(row).eq(arena.of(now.entries))
    }

    /// Group, name, value, and whether the value is malformed.
    fn entries_of(
        &self,
        distribution: Row<'b>,
    ) -> impl Iterator<Item = (&'b [u8], &'b [u8], &'b [u8], bool)> {
        self.references(distribution).map(|number| {
            let entry = self.tables.entries.row(number).unwrap_or(Row(&[]));
            let group = self.tables.groups.row(entry.u32(16)).unwrap_or(Row(&[]));
            let string = |offset, length| self.tables.string(offset, length).unwrap_or_default();
            (
                string(group.u32(0), group.u32(4)),
                string(entry.u32(0), entry.u32(4)),
                string(entry.u32(0) + entry.u32(4), entry.u32(8)),
                entry.u32(24) & entry_flag::MALFORMED != 0,
            )
        })
    }

    /// The numbers of a distribution's entry points, in the order of its file.
    pub(super) fn references(&self, distribution: Row<'b>) -> impl Iterator<Item = u32> + use<'b> {
        let start = distribution.u32(80) as usize * REFERENCE_ROW;
        let end = start + distribution.u32(84) as usize * REFERENCE_ROW;
        let rows = self.tables.references.0.get(start..end).unwrap_or_default();
        rows.chunks_exact(REFERENCE_ROW).map(|row| Row(row).u32(0))
    }

    /// The same record, but for the times of the directory itself. Its bytes stay where they are:
    /// only [`super::write::renewed`] can make an index of it.
    #[must_use]
    pub fn kept(&self, path: &std::path::Path, stamps: (Stamp, Stamp)) -> EncodedRecord {
        EncodedRecord::kept(path, &self.tables.row, stamps, self.place.clone())
    }
}

pub(super) fn stamps(row: Row<'_>) -> (Stamp, Stamp) {
    (Stamp::from_raw(row.i64(40)), Stamp::from_raw(row.i64(48)))
}

/// What is recorded of entry_points.txt; nothing where there was none.
pub(super) fn fingerprint(row: Row<'_>) -> FileFingerprint {
    if row.u32(32) & distribution_flag::HAS_ENTRY_POINTS == 0 {
        return FileFingerprint::default();
    }
    FileFingerprint {
        size: row.u32(36),
        mtime: Stamp::from_raw(row.i64(56)),
        digest: row.chunk(64).unwrap_or_default(),
    }
}

const _: () = assert!(DISTRIBUTION_ROW == 96, "the offsets above");
