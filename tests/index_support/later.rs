//! An index as a later minor version may write it.

use epcache::index::format::{
    BLOCK, DIRECTORY_ROW, DISTRIBUTION_ROW, ENTRY_ROW, FILE_ROW, GROUP_ROW, HEADER, IMPORT_ROW,
    NAME_ROW, RECORD_ROW, REFERENCE_ROW,
};

use super::{Tables, get, set};

/// The same index with eight bytes more in each row, and a table more in each record. Its checksums
/// are not made yet.
pub fn later(honest: &[u8], tables: &Tables) -> Vec<u8> {
    let rows = |range: &std::ops::Range<usize>, size: usize| -> Vec<u8> {
        let rows = honest[range.clone()].chunks(size);
        rows.flat_map(|row| [row, &[0xa5; 8]].concat()).collect()
    };
    let wider = |range: &std::ops::Range<usize>, size| range.len() / size * (size + 8);
    let paths = tables.record_rows.end..tables.records[0].distributions.start;
    let mut at = wider(&tables.directories, DIRECTORY_ROW);
    at += wider(&tables.record_rows, RECORD_ROW);
    let moved = at as u32 - (paths.start - tables.body) as u32;
    at += paths.len();
    let (mut record_rows, mut segments) = (Vec::new(), Vec::new());
    for record in &tables.records {
        let all = [
            rows(&record.distributions, DISTRIBUTION_ROW),
            rows(&record.names, NAME_ROW),
            rows(&record.groups, GROUP_ROW),
            rows(&record.entries, ENTRY_ROW),
            rows(&record.references, REFERENCE_ROW),
            rows(&record.files, FILE_ROW),
            rows(&record.imports, IMPORT_ROW),
            vec![0x5a; 20],
        ];
        let own = all.concat();
        let pool = (at + own.len()) as u32;
        let segment = [&own[..], &honest[record.pool.clone()]].concat();
        let mut row = honest[record.row..record.row + RECORD_ROW].to_vec();
        set(&mut row, 0, at as u32);
        set(&mut row, 4, segment.len() as u32);
        set(&mut row, 8, pool);
        record_rows.extend(row);
        record_rows.extend([0xa5; 8]);
        at += segment.len();
        segments.extend(segment);
    }
    let mut directories = rows(&tables.directories, DIRECTORY_ROW);
    for row in directories.chunks_mut(DIRECTORY_ROW + 8) {
        let path = get(row, 0) + moved;
        set(row, 0, path);
    }
    let body = [&directories[..], &record_rows, &honest[paths], &segments].concat();
    let room = vec![0; 4 * body.len().div_ceil(BLOCK)];
    let mut bytes = [&honest[..HEADER], &room, &body].concat();
    for at in (40..58).step_by(2) {
        bytes[at] += 8;
    }
    bytes
}
