# The layout of part 1 (file.md) for Kaitai Struct. Rules (F3, F9 ...) are those of that page.
#
# A parser that is generated from this reads every index, those with longer rows too. It checks neither
# checksums nor the rules: see file.md, sections 15 and 16, for what a reader has to check.
meta:
  id: epcache_index
  title: Index of installed Python distributions
  application: epcache
  license: MIT OR Apache-2.0
  endian: le
  ks-version: '0.10'
doc-ref: docs/specification/file.md
seq:
  - id: header
    type: header
    size: 64
  - id: block_checksums
    type: u4
    repeat: expr
    repeat-expr: header.block_count
instances:
  body_start:
    value: 64 + 4 * header.block_count
  directories:
    pos: body_start
    size: header.row_sizes[0]
    type: directory_row
    repeat: expr
    repeat-expr: header.directory_count
  records:
    pos: body_start + header.row_sizes[0] * header.directory_count
    size: header.row_sizes[1]
    type: record_row
    repeat: expr
    repeat-expr: header.record_count
types:
  header:
    seq:
      - id: magic
        contents: [0x89, epcache]
      - id: major
        type: u2
      - id: minor
        type: u2
      - id: suspect
        type: u1
      - id: reserved
        size: 3
      - id: header_crc
        type: u4
      - id: file_size
        type: u4
      - id: block_count
        type: u4
      - id: directory_count
        type: u4
      - id: record_count
        type: u4
      - id: writers_own
        type: u4
      - id: row_sizes
        type: u2
        repeat: expr
        repeat-expr: 9
      - id: more_reserved
        size: 6
  directory_row:
    seq:
      - id: path
        type: string(_root.body_start)
      - id: record
        type: u4
      - id: flags
        type: u4
  record_row:
    seq:
      - id: segment
        type: run
      - id: pool
        type: u4
      - id: flags
        type: u4
      - id: distribution_count
        type: u4
      - id: group_count
        type: u4
      - id: entry_count
        type: u4
      - id: file_count
        type: u4
      - id: mtime
        type: s8
      - id: ctime
        type: s8
      - id: import_count
        type: u4
      - id: reserved
        size: 4
    instances:
      pool_start:
        value: _root.body_start + pool
      names_start:
        value: _root.body_start + segment.first + _root.header.row_sizes[2] * distribution_count
      groups_start:
        value: names_start + _root.header.row_sizes[3] * distribution_count
      entries_start:
        value: groups_start + _root.header.row_sizes[4] * group_count
      references_start:
        value: entries_start + _root.header.row_sizes[5] * entry_count
      files_start:
        value: references_start + _root.header.row_sizes[6] * entry_count
      imports_start:
        value: files_start + _root.header.row_sizes[7] * file_count
      distributions:
        io: _root._io
        pos: _root.body_start + segment.first
        size: _root.header.row_sizes[2]
        type: distribution_row(pool_start)
        repeat: expr
        repeat-expr: distribution_count
      names:
        io: _root._io
        pos: names_start
        size: _root.header.row_sizes[3]
        type: name_row
        repeat: expr
        repeat-expr: distribution_count
      groups:
        io: _root._io
        pos: groups_start
        size: _root.header.row_sizes[4]
        type: group_row(pool_start)
        repeat: expr
        repeat-expr: group_count
      entries:
        io: _root._io
        pos: entries_start
        size: _root.header.row_sizes[5]
        type: entry_row(pool_start)
        repeat: expr
        repeat-expr: entry_count
      references:
        io: _root._io
        pos: references_start
        size: _root.header.row_sizes[6]
        type: reference_row
        repeat: expr
        repeat-expr: entry_count
      files:
        io: _root._io
        pos: files_start
        size: _root.header.row_sizes[7]
        type: file_row
        repeat: expr
        repeat-expr: file_count
      imports:
        io: _root._io
        pos: imports_start
        size: _root.header.row_sizes[8]
        type: import_row
        repeat: expr
        repeat-expr: import_count
  distribution_row:
    params:
      - id: pool_start
        type: u4
    seq:
      - id: strings
        type: u4
      - id: lengths
        type: u2
        repeat: expr
        repeat-expr: 4
      - id: flags
        type: u4
      - id: mtime
        type: s8
      - id: ctime
        type: s8
      - id: requirements
        type: string(pool_start)
      - id: import_names
        type: string(pool_start)
      - id: references
        type: run
      - id: files
        type: run
    instances:
      file_name:
        io: _root._io
        pos: pool_start + strings
        size: lengths[0]
      key:
        io: _root._io
        pos: pool_start + strings + lengths[0]
        size: lengths[1]
      name:
        io: _root._io
        pos: pool_start + strings + lengths[0] + lengths[1]
        size: lengths[2]
      version:
        io: _root._io
        pos: pool_start + strings + lengths[0] + lengths[1] + lengths[2]
        size: lengths[3]
  name_row:
    seq:
      - id: distribution
        type: u4
      - id: hash
        type: u4
  group_row:
    params:
      - id: pool_start
        type: u4
    seq:
      - id: name
        type: string(pool_start)
      - id: entries
        type: run
  entry_row:
    params:
      - id: pool_start
        type: u4
    seq:
      - id: strings
        type: u4
      - id: name_length
        type: u4
      - id: value_length
        type: u4
      - id: distribution
        type: u4
    instances:
      name:
        io: _root._io
        pos: pool_start + strings
        size: name_length
      value:
        io: _root._io
        pos: pool_start + strings + name_length
        size: value_length
  reference_row:
    seq:
      - id: entry
        type: u4
      - id: group
        type: u4
  file_row:
    seq:
      - id: kind
        type: u2
        enum: file_kind
      - id: flags
        type: u2
      - id: size
        type: u4
      - id: mtime
        type: s8
      - id: ctime
        type: s8
  import_row:
    seq:
      - id: distribution
        type: u4
      - id: hash
        type: u4
  string:
    doc: Offset and length of a string; the offset counts from where `base` says.
    params:
      - id: base
        type: u4
    seq:
      - id: offset
        type: u4
      - id: length
        type: u4
    instances:
      bytes:
        io: _root._io
        pos: base + offset
        size: length
  run:
    doc: The number of the first row, and the number of rows. Of a segment, offset and length in bytes.
    seq:
      - id: first
        type: u4
      - id: count
        type: u4
enums:
  file_kind:
    0: itself
    1: entry_points
    2: metadata
    3: pkg_info
    4: requires
    5: top_level
    6: record
    7: installed_files
    8: sources
  record_flag:
    1: missing
    2: silent
    4: sorted
    8: unread
    16: odd
  distribution_flag:
    4: file
    8: has_metadata
    16: shadowed
    32: unread
    64: problem
    128: name_from_file
    256: version_from_file
    512: has_requirements
    1024: requirements_unknown
    2048: import_names_unknown
