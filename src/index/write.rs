//! Records become bytes. The same records in the same order give the same bytes.

use std::path::Path;

use super::encode::Counts;
use super::format::{
    BLOCK, DIRECTORY_ROW, HEADER, HEADER_CHECKED_FROM, MAGIC, MAJOR, MINOR, RECORD_ROW, SIZE_LIMIT,
    STRING_LIMIT, checksum, directory_flag, index_flag, put, size,
};

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
    let fits = |path: &Path| path_bytes(path).len() <= STRING_LIMIT;
    let records: Vec<_> = records.iter().filter(|record| fits(&record.path)).collect();
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
    let file_size = (HEADER + 4 * blocks + body_size) as u64;
    if file_size > SIZE_LIMIT {
        return Err(WriteError::TooLarge);
    }

    let mut file = Vec::with_capacity(HEADER + 4 * blocks + body_size);
    file.resize(HEADER + 4 * blocks, 0);
    let mut strings = Vec::with_capacity(paths);
    let mut place = |bytes: &[u8]| {
        let offset = size(tables + strings.len());
        strings.extend_from_slice(bytes);
        (offset, size(bytes.len()))
    };
    for (path, record, flags) in &directories {
        let (offset, length) = place(path);
        put(&mut file, &[offset, length, *record, *flags]);
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
            &mut file,
            &[segment_offset, length, record.flags, distributions],
        );
        put(&mut file, &[keys, groups, entries, listed]);
        file.extend_from_slice(&record.mtime.raw().to_le_bytes());
        file.extend_from_slice(&record.ctime.raw().to_le_bytes());
        put(&mut file, &[path_offset, path_length, 0, 0]);
        segment_offset += length;
    }
    file.extend_from_slice(&strings);
    for record in &records {
        file.extend_from_slice(&record.segment);
    }

    let (head, body) = file.split_at_mut(HEADER + 4 * blocks);
    let (header, checksums) = head.split_at_mut(HEADER);
    for (slot, block) in checksums.chunks_exact_mut(4).zip(body.chunks(BLOCK)) {
        slot.copy_from_slice(&checksum(block).to_le_bytes());
    }
    header.copy_from_slice(&header_bytes(
        file_size,
        [size(blocks), size(directories.len()), size(records.len())],
        if image { index_flag::IMAGE } else { 0 },
    ));
    Ok(file)
}

fn header_bytes(file_size: u64, counts: [u32; 3], flags: u32) -> Vec<u8> {
    let mut checked = Vec::with_capacity(HEADER);
    put(&mut checked, &[flags]);
    checked.extend_from_slice(&file_size.to_le_bytes());
    put(&mut checked, &counts);
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
