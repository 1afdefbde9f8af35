//! Records become bytes. The same records in the same order give the same bytes.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use super::encode::{Counts, Segment};
use super::format::{
    BLOCK, DIRECTORY_ROW, HEADER, HEADER_CHECKED_FROM, MAGIC, MAJOR, MINOR, RECORD_ROW, RULES,
    SIZE_LIMIT, STRING_LIMIT, SUSPECT_AT, checksum, directory_flag, index_flag, put, size,
};
use super::old::OldIndex;

pub use super::arena::{EntryArena, EntryRange};
pub use super::encode::{DistributionDraft, EncodedRecord, FileFingerprint};

/// Why no index could be made of the records.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Beyond [`SIZE_LIMIT`].
    #[error("the index would be larger than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
}

/// The bytes of an index of these records. Of several records with one path the first is found.
/// Paths beyond [`STRING_LIMIT`], which no reader accepts and no kernel opens, are left out.
///
/// # Errors
/// [`WriteError::TooLarge`].
pub fn index(records: &[EncodedRecord], image: bool) -> Result<Vec<u8>, WriteError> {
    let plan = Plan::of(records, image)?;
    let segments = plan.included.iter().filter_map(|&number| {
        let Segment::Made(bytes) = &records.get(number)?.segment else {
            return None;
        };
        Some(Cow::Borrowed(bytes.as_slice()))
    });
    Ok(put_together(plan.head, plan.body_at, segments.collect()))
}

/// Whether there is an index that can hold all of these records.
///
/// # Errors
/// [`WriteError::TooLarge`].
pub fn fits(records: &[EncodedRecord]) -> Result<(), WriteError> {
    Plan::of(records, false).map(|_| ())
}

/// What became of an older index.
#[derive(Debug)]
pub enum Renewed {
    /// A new one.
    Index(Vec<u8>),
    /// The new one would be the same, to the last byte (but that the older one may be suspect).
    Unchanged,
}

/// As [`index`], of records that may be kept of the older index `old`. Uses up the records' own memory.
///
/// # Errors
/// [`WriteError::TooLarge`].
pub fn renewed(
    mut records: Vec<EncodedRecord>,
    image: bool,
    old: Option<&OldIndex<'_>>,
) -> Result<Renewed, WriteError> {
    let plan = Plan::of(&records, image)?;
    if old.is_some_and(|old| plan.is(&records, old)) {
        return Ok(Renewed::Unchanged);
    }
    let body = old.map_or(&b""[..], OldIndex::body);
    let mut segments = Vec::with_capacity(plan.included.len());
    for &number in &plan.included {
        let record = records.get_mut(number).map(std::mem::take);
        segments.push(match record.unwrap_or_default().segment {
            Segment::Made(bytes) => Cow::Owned(bytes),
            Segment::Kept(place) => Cow::Borrowed(body.get(place).unwrap_or_default()),
        });
    }
    Ok(Renewed::Index(put_together(
        plan.head,
        plan.body_at,
        segments,
    )))
}

/// An index without its segments.
struct Plan {
    /// Header, room for the checksums, directory table, record table, paths.
    head: Vec<u8>,
    body_at: usize,
    file_size: u64,
    /// The numbers of the records that are in it.
    included: Vec<usize>,
}

impl Plan {
    fn of(records: &[EncodedRecord], image: bool) -> Result<Self, WriteError> {
        let fits = |path: &Path| path_bytes(path).len() <= STRING_LIMIT;
        let (included, records): (Vec<_>, Vec<_>) = records
            .iter()
            .enumerate()
            .filter(|(_, record)| fits(&record.path))
            .unzip();
        let mut directories: Vec<(&[u8], u32, u32)> = Vec::new();
        for (number, record) in records.iter().enumerate() {
            directories.push((path_bytes(&record.path), size(number), 0));
            for alias in record.aliases.iter().filter(|alias| fits(alias)) {
                directories.push((path_bytes(alias), size(number), directory_flag::ALIAS));
            }
        }
        // Paths before aliases, so that no alias hides a record.
        directories.sort_by(|a, b| (a.0, a.2, a.1).cmp(&(b.0, b.2, b.1)));
        directories.dedup_by(|later, earlier| later.0 == earlier.0);

        let tables = directories.len() * DIRECTORY_ROW + records.len() * RECORD_ROW;
        let paths: usize = directories
            .iter()
            .map(|(path, ..)| path.len())
            .sum::<usize>()
            + records
                .iter()
                .map(|record| path_bytes(&record.path).len())
                .sum::<usize>();
        let segments: usize = records.iter().map(|record| record.segment.len()).sum();
        let body_size = tables + paths + segments;
        let blocks = body_size.div_ceil(BLOCK);
        let body_at = HEADER + 4 * blocks;
        let file_size = (body_at + body_size) as u64;
        if file_size > SIZE_LIMIT {
            return Err(WriteError::TooLarge);
        }

        let mut head = Vec::with_capacity(body_at + tables + paths);
        head.extend_from_slice(&header_bytes(
            file_size,
            [size(blocks), size(directories.len()), size(records.len())],
            if image { index_flag::IMAGE } else { 0 },
        ));
        head.resize(body_at, 0);
        let mut strings = Vec::with_capacity(paths);
        let mut place = |bytes: &[u8]| {
            let offset = size(tables + strings.len());
            strings.extend_from_slice(bytes);
            (offset, size(bytes.len()))
        };
        for (path, record, flags) in &directories {
            let (offset, length) = place(path);
            put(&mut head, &[offset, length, *record, *flags]);
        }
        let mut segment_offset = size(tables + paths);
        for record in &records {
            let (path_offset, path_length) = place(path_bytes(&record.path));
            let length = size(record.segment.len());
            let Counts {
                distributions,
                keys,
                groups,
                entries,
                listed,
            } = record.counts;
            put(
                &mut head,
                &[segment_offset, length, record.flags, distributions],
            );
            put(&mut head, &[keys, groups, entries, listed]);
            head.extend_from_slice(&record.mtime.raw().to_le_bytes());
            head.extend_from_slice(&record.ctime.raw().to_le_bytes());
            put(&mut head, &[path_offset, path_length, 0, 0]);
            segment_offset += length;
        }
        head.extend_from_slice(&strings);
        Ok(Self {
            head,
            body_at,
            file_size,
            included,
        })
    }

    /// Whether the index would be this one.
    fn is(&self, records: &[EncodedRecord], old: &OldIndex<'_>) -> bool {
        let bytes = old.bytes();
        let mut end = self.head.len() - self.body_at;
        let kept_in_place = self.included.iter().all(|&number| {
            let start = end;
            match records.get(number).map(|record| &record.segment) {
                Some(Segment::Kept(place)) => {
                    end += place.len();
                    *place == (start..end)
                }
                _ => false,
            }
        });
        let suspect = SUSPECT_AT as usize;
        let same = |range: Range<usize>| bytes.get(range.clone()) == self.head.get(range);
        kept_in_place
            && bytes.len() as u64 == self.file_size
            && same(0..suspect)
            && same(suspect + 1..HEADER)
            && same(self.body_at..self.head.len())
    }
}

/// Head and segments, and the checksums over them. The largest segment that is nobody else's becomes the
/// file, so that it need not be there twice.
fn put_together(head: Vec<u8>, body_at: usize, mut segments: Vec<Cow<'_, [u8]>>) -> Vec<u8> {
    let own = |segment: &Cow<'_, [u8]>| matches!(segment, Cow::Owned(_));
    let size: usize = head.len() + segments.iter().map(|segment| segment.len()).sum::<usize>();
    let sizes = segments.iter().enumerate().filter(|(_, it)| own(it));
    let largest = sizes
        .max_by_key(|(_, segment)| segment.len())
        .map(|(number, _)| number);
    let mut file = match largest.and_then(|number| segments.get_mut(number)) {
        Some(segment) => std::mem::take(segment).into_owned(),
        None => Vec::new(),
    };
    let behind = segments.split_off(largest.map_or(0, |number| number + 1));
    let in_front = head.len() + segments.iter().map(|segment| segment.len()).sum::<usize>();
    let length = file.len();
    file.reserve_exact(size - length);
    file.resize(length + in_front, 0);
    file.copy_within(..length, in_front);
    let mut at = 0;
    for part in std::iter::once(Cow::Owned(head)).chain(segments) {
        if let Some(place) = file.get_mut(at..at + part.len()) {
            place.copy_from_slice(&part);
        }
        at += part.len();
    }
    for part in behind {
        file.extend_from_slice(&part);
    }

    let (head, body) = file.split_at_mut(body_at);
    let checksums = head.get_mut(HEADER..).unwrap_or_default();
    for (slot, block) in checksums.chunks_exact_mut(4).zip(body.chunks(BLOCK)) {
        slot.copy_from_slice(&checksum(block).to_le_bytes());
    }
    file
}

fn header_bytes(file_size: u64, counts: [u32; 3], flags: u32) -> Vec<u8> {
    let mut checked = Vec::with_capacity(HEADER);
    put(&mut checked, &[flags]);
    checked.extend_from_slice(&file_size.to_le_bytes());
    put(&mut checked, &counts);
    put(&mut checked, &[RULES]);
    checked.resize(HEADER - HEADER_CHECKED_FROM, 0);
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&MAJOR.to_le_bytes());
    header.extend_from_slice(&MINOR.to_le_bytes());
    put(&mut header, &[0, checksum(&checked)]);
    header.extend_from_slice(&checked);
    header
}

fn path_bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}
