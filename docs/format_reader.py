#!/usr/bin/env python3
"""A reader of epcache's index format, from format.md alone, to show that format.md is enough.

    format_reader.py INDEX                   everything in it
    format_reader.py INDEX GROUP PATH...     the entry points of a group along these search directories

Bytes that are no printable ASCII are written as %XX. Left out: freshness, trust, and the bounds on
what a pass over a hostile table gives out.
"""
import os
import struct
import sys
import zlib

class Damage(Exception):
    pass

def require(condition, what):
    if not condition:
        raise Damage(what)

class Index:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        size, head = os.fstat(self.fd).st_size, os.pread(self.fd, 64, 0)
        require(len(head) == 64 and head[:8] == b"\x89epcache", "not an index")
        require(head[8:10] == b"\1\0", "another version")
        crc, length, blocks, self.d, self.r, _, *self.rows = struct.unpack_from("<6I9H", head, 16)
        require(crc == zlib.crc32(head[20:]), "header")
        require(length == size <= 256 << 20 and 64 + 4 * blocks <= size, "size")
        self.start, self.suspect, self.blocks = 64 + 4 * blocks, head[12] != 0, {}
        self.size = size - self.start
        self.records_at = self.rows[0] * self.d
        require(blocks == -(-self.size // 4096), "blocks")
        require(all(map(int.__ge__, self.rows, (16, 56, 64, 8, 16, 16, 8, 24, 8))), "sizes of rows")
        require(self.records_at + self.rows[1] * self.r <= self.size, "tables")

    def bytes(self, offset, length):
        require(offset + length <= self.size, "offset")
        numbers = range(offset // 4096, -(-(offset + length) // 4096) if length else 0)
        for number in numbers:
            if number not in self.blocks:
                wanted = min(4096, self.size - number * 4096)
                block = os.pread(self.fd, wanted, self.start + number * 4096)
                crc = os.pread(self.fd, 4, 64 + 4 * number)
                require(crc == zlib.crc32(block).to_bytes(4, "little"), "checksum")
                self.blocks[number] = block
        part = b"".join(self.blocks[number] for number in numbers)
        return part[offset % 4096:offset % 4096 + length]

    def directory(self, number):
        offset, length, record, flags = struct.unpack("<4I", self.bytes(self.rows[0] * number, 16))
        require(length <= 4096 and record < self.r, "directory")
        return self.bytes(offset, length), record, flags & 1

    def find(self, path):
        found = bisect(self.d, path, lambda number: self.directory(number)[0])
        return None if found is None else Record(self, self.directory(found)[1])

def bisect(count, wanted, key):
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        here = key(middle)
        if here == wanted:
            return middle
        low, high = (middle + 1, high) if here < wanted else (low, middle)
    return None

class Record:
    def __init__(self, index, number):
        row = index.bytes(index.records_at + index.rows[1] * number, 52)
        (start, size, self.pool, self.flags, self.d, self.g, self.e, self.f,
         self.mtime, self.ctime, self.i) = struct.unpack("<8I2qI", row)
        self.index, self.end, self.at = index, start + size, [start]
        counts = self.d, self.d, self.g, self.e, self.e, self.f, self.i
        for size, count in zip(index.rows[2:], counts):
            self.at.append(self.at[-1] + size * count)
        require(self.at[-1] <= self.pool <= self.end <= index.size, "record")

    def string(self, offset, length):
        require(self.pool + offset + length <= self.end, "string")
        return self.index.bytes(self.pool + offset, length)

    def row(self, form, table, number, count):
        require(number < count, "row")
        at = self.at[table] + self.index.rows[2 + table] * number
        return struct.unpack(form, self.index.bytes(at, struct.calcsize(form)))

    def distribution(self, number):
        at, *rest = self.row("<I4HI2q8I", 0, number, self.d)
        lengths, (flags, m, c, *rest) = rest[:4], rest[4:]
        first, count, file, files = rest[4:]
        require(max(lengths) <= 4096 and first + count <= self.e and file + files <= self.f, "distribution")
        strings = [self.string(at + sum(lengths[:i]), lengths[i]) for i in range(4)]
        require(strings[0] not in (b"", b".", b"..") and not {47, 0} & set(strings[0]), "file name")
        texts = self.string(*rest[:2]), self.string(*rest[2:4])
        return strings, flags, (m, c), texts, range(first, first + count), range(file, file + files)

    def group(self, number):
        offset, length, first, count = self.row("<4I", 2, number, self.g)
        require(first + count <= self.e, "group")
        return self.string(offset, length), range(first, first + count)

    def entry(self, number):
        offset, name, value, dist = self.row("<4I", 3, number, self.e)
        require(dist < self.d, "entry")
        strings = self.string(offset, name), self.string(offset + name, value)
        for string in strings:
            string.decode()
        return *strings, dist

    def chosen(self, key):
        wanted = 2166136261
        for byte in key:
            wanted = (wanted ^ byte) * 16777619 % 2**32
        low, high = 0, self.d
        while low < high:
            middle = (low + high) // 2
            dist, here = self.row("<2I", 1, middle, self.d)
            if (here, self.distribution(dist)[0][1] if here == wanted else b"") < (wanted, key):
                low = middle + 1
            else:
                high = middle
        found = self.distribution(self.row("<2I", 1, low, self.d)[0]) if low < self.d else None
        return found if found and found[0][1] == key and not found[1] & 16 else None

def is_shadowed(records, i, key, with_metadata):
    for j, other in enumerate(records):
        twin = other.chosen(key) if j != i else None
        if twin and (j < i or not with_metadata) and (twin[1] & 8 or j < i and not with_metadata):
            return True

def along(records, group):
    for with_metadata in (8, 0):
        for i, (path, record) in enumerate(records):
            found = bisect(record.g, group, lambda number: record.group(number)[0])
            for number in record.group(found)[1] if found is not None else ():
                name, value, dist = record.entry(number)
                (file_name, key, *_), flags, *_ = record.distribution(dist)
                others = [record for _, record in records]
                if flags & 24 == with_metadata and not is_shadowed(others, i, key, with_metadata):
                    yield "entry", name, value, path + b"/" + file_name

def everything(index):
    yield "index", int(index.suspect)
    for number in range(index.d):
        yield "directory", *index.directory(number)
    for number in range(index.r):
        record = Record(index, number)
        yield "record", record.flags & 31, record.mtime, record.ctime, record.e
        for number in range(record.d):
            strings, flags, times, texts, run, files = record.distribution(number)
            yield "distribution", *strings, flags, *times, *texts
            for at in run:
                entry, group = record.row("<2I", 4, at, record.e)
                yield "has", record.group(group)[0], *record.entry(entry)[:2]
            for at in files:
                kind, _, *rest = record.row("<2HI2q", 5, at, record.f)
                yield "file", kind, *rest
            require(record.chosen(strings[1]), "key")
        for number in range(record.g):
            yield "group", record.group(number)[0]
            for at in record.group(number)[1]:
                yield "entry", *record.entry(at)[:3]

def text(field):
    return str(field) if isinstance(field, (int, str)) else "".join(
        chr(byte) if 33 <= byte <= 126 and byte != 37 else "%%%02X" % byte for byte in field)


index, paths = Index(sys.argv[1]), map(os.fsencode, sys.argv[3:])
records = [(path, record) for path, record in ((path, index.find(path)) for path in paths) if record]
for line in along(records, os.fsencode(sys.argv[2])) if sys.argv[2:] else everything(index):
    print(*map(text, line), sep="\t")
