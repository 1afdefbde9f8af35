//! Makes an index from records.
//!
//! The input is encoded records, the output is the bytes of an index. The same records in the same
//! order give the same bytes.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::encode::EncodedRecord;
use super::format::{
    BLOCK, DIRECTORY_ROW, HEADER, HEADER_CHECKED_FROM, MAGIC, MAJOR, MINOR, RECORD_ROW, RULES,
    SIZE_LIMIT, STRING_LIMIT, SUSPECT_AT, checksum, directory_flag, size, writers_own,
};
use super::rows::{DirectoryRow, Header, RecordRow, Row, Span};

/// Why no index can be made of the records.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Beyond [`SIZE_LIMIT`].
    #[error("the index would be larger than {} MiB", SIZE_LIMIT >> 20)]
    TooLarge,
}

/// The bytes of an index of these records. Of several records with one path only the first is
/// included. Paths beyond [`STRING_LIMIT`], which no reader accepts and no kernel opens, are left
/// out.
///
/// # Errors
/// [`WriteError::TooLarge`].
pub fn index(records: &[EncodedRecord], image: bool) -> Result<Vec<u8>, WriteError> {
    let fits = |path: &Path| path.as_os_str().len() <= STRING_LIMIT;
    let mut seen = HashSet::new();
    let records: Vec<&EncodedRecord> = records
        .iter()
        .filter(|it| fits(&it.path) && seen.insert(it.path.as_path()))
        .collect();
    let mut directories: Vec<(&[u8], u32, u32)> = Vec::new();
    for (number, record) in (0..).zip(&records) {
        directories.push((path_bytes(&record.path), number, 0));
        for alias in record.aliases.iter().filter(|alias| fits(alias)) {
            directories.push((path_bytes(alias), number, directory_flag::ALIAS));
        }
    }
    // Paths before aliases, so that no alias hides a record.
    directories.sort_by(|a, b| (a.0, a.2, a.1).cmp(&(b.0, b.2, b.1)));
    directories.dedup_by(|later, earlier| later.0 == earlier.0);

    let tables = directories.len() * DIRECTORY_ROW + records.len() * RECORD_ROW;
    let segments_at = tables + directories.iter().map(|it| it.0.len()).sum::<usize>();
    let segments: usize = records.iter().map(|record| record.segment.len()).sum();
    let blocks = (segments_at + segments).div_ceil(BLOCK);
    let body_at = HEADER + 4 * blocks;
    let file_size = body_at + segments_at + segments;
    if file_size as u64 > SIZE_LIMIT {
        return Err(WriteError::TooLarge);
    }

    let mut file = Vec::with_capacity(file_size);
    let counts = [blocks, directories.len(), records.len()].map(size);
    write_header(&mut file, size(file_size), counts, image);
    file.resize(body_at, 0);
    let paths = places(tables, directories.iter().map(|it| it.0.len()));
    for (&(_, record, flags), path) in directories.iter().zip(paths) {
        let row = DirectoryRow {
            path,
            record,
            flags,
        };
        row.write(&mut file);
    }
    let segments = places(segments_at, records.iter().map(|it| it.segment.len()));
    for (record, segment) in records.iter().zip(segments) {
        let row = RecordRow {
            segment,
            pool: segment.start.saturating_add(size(record.pool)),
            ..record.row
        };
        row.write(&mut file);
    }
    for (path, ..) in directories {
        file.extend_from_slice(path);
    }
    for record in records {
        file.extend_from_slice(&record.segment);
    }
    write_checksums(&mut file, body_at);
    Ok(file)
}

/// Whether two indexes are equal to the last byte. The suspect byte may differ.
#[must_use]
pub fn are_same(one: &[u8], other: &[u8]) -> bool {
    let suspect = SUSPECT_AT as usize;
    let same = |one: Option<&[u8]>, other: Option<&[u8]>| one.is_some() && one == other;
    same(one.get(..suspect), other.get(..suspect))
        && same(one.get(suspect + 1..), other.get(suspect + 1..))
}

/// The positions of items of these lengths, each after the other.
fn places(start: usize, lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = Span> {
    lengths.scan(start, |at, length| {
        let place = Span {
            start: size(*at),
            length: size(length),
        };
        *at += length;
        Some(place)
    })
}

fn write_header(file: &mut Vec<u8>, file_size: u32, counts: [u32; 3], image: bool) {
    let [blocks, directories, records] = counts;
    let mut header = Header {
        magic: MAGIC,
        major: MAJOR,
        minor: MINOR,
        file_size,
        blocks,
        directories,
        records,
        writers_own: RULES | if image { writers_own::IMAGE } else { 0 },
        ..Header::default()
    };
    let mut bytes = Vec::with_capacity(HEADER);
    header.write(&mut bytes);
    header.checksum = checksum(bytes.get(HEADER_CHECKED_FROM..).unwrap_or_default());
    header.write(file);
}

fn write_checksums(file: &mut [u8], body_at: usize) {
    let (head, body) = file.split_at_mut(body_at);
    let checksums = head.get_mut(HEADER..).unwrap_or_default();
    for (slot, block) in checksums.chunks_exact_mut(4).zip(body.chunks(BLOCK)) {
        slot.copy_from_slice(&checksum(block).to_le_bytes());
    }
}

fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}
