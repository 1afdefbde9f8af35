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
        crc, self.flags, length, blocks, self.d, self.r = struct.unpack_from("<IIQIII", head, 16)
        require(crc == zlib.crc32(head[20:]), "header")
        require(length == size <= 256 << 20 and 64 + 4 * blocks <= size, "size")
        self.start, self.suspect, self.blocks = 64 + 4 * blocks, head[12] != 0, {}
        self.size = size - self.start
        require(blocks == -(-self.size // 4096) and 16 * self.d + 64 * self.r <= self.size, "tables")

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
        offset, length, record, flags = struct.unpack("<4I", self.bytes(16 * number, 16))
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
        row = index.bytes(16 * index.d + 64 * number, 64)
        (self.offset, size, self.flags, self.d, self.k, self.g, self.e, self.listed,
         self.mtime, self.ctime, path, length) = struct.unpack_from("<8I2q2I", row)
        self.index, self.end = index, self.offset + size
        self.keys_at = self.offset + 96 * self.d
        self.groups_at = self.keys_at + 8 * self.k
        self.entries_at = self.groups_at + 16 * self.g
        self.references_at = self.entries_at + 32 * self.e
        self.pool = self.references_at + 4 * self.e
        require(self.pool <= self.end <= index.size, "record")
        require(self.k <= self.d and self.listed <= self.e and length <= 4096, "counts")
        self.path = index.bytes(path, length)

    def string(self, offset, length):
        require(self.pool + offset + length <= self.end, "string")
        return self.index.bytes(self.pool + offset, length)

    def row(self, form, at, number, count):
        size = struct.calcsize(form)
        require(number < count, "row")
        return struct.unpack(form, self.index.bytes(at + size * number, size))

    def distribution(self, number):
        *strings, flags, size, m, c, file_m, digest, first, count, crc, _ = self.row(
            "<8I2I3q16s4I", self.offset, number, self.d)
        require(max(strings[1::2]) <= 4096 and first + count <= self.e, "distribution")
        name, *others = [self.string(*strings[at:at + 2]) for at in (0, 2, 4, 6)]
        require(name not in (b"", b".", b"..") and not {47, 0} & set(name), "file name")
        return [name, *others], flags, (m, c), (size, file_m, digest), range(first, first + count)

    def group(self, number):
        offset, length, first, count = self.row("<4I", self.groups_at, number, self.g)
        require(first + count <= self.listed, "group")
        return self.string(offset, length), range(first, first + count)

    def entry(self, number):
        offset, name, value, dist, group, crc, flags, _ = self.row(
            "<8I", self.entries_at, number, self.e)
        require(dist < self.d and group < self.g, "entry")
        strings = self.string(offset, name), self.string(offset + name, value)
        for string in strings:
            string.decode()
        return *strings, dist, group, flags

    def chosen(self, key):
        def here(number):
            crc, dist = self.row("<2I", self.keys_at, number, self.k)
            return crc, self.distribution(dist)[0][1] if crc == wanted[0] else b"", dist
        wanted = zlib.crc32(key), key
        found = bisect(self.k, wanted, lambda number: here(number)[:2])
        return None if found is None else self.distribution(here(found)[2])

def is_shadowed(records, i, key, with_metadata):
    for j, other in enumerate(records):
        twin = other.chosen(key) if j != i else None
        if twin and (j < i or not with_metadata) and (twin[1] & 16 or j < i and not with_metadata):
            return True

def along(records, group):
    for with_metadata in (2, 0):
        for i, record in enumerate(records):
            found = bisect(record.g, group, lambda number: record.group(number)[0])
            for number in record.group(found)[1] if found is not None else ():
                name, value, dist, _, flags = record.entry(number)
                file_name, key, *_ = record.distribution(dist)[0]
                if flags & 2 == with_metadata and not is_shadowed(records, i, key, with_metadata):
                    yield "entry", name, value, record.path + b"/" + file_name

def everything(index):
    yield "index", index.flags & 1, int(index.suspect)
    for number in range(index.d):
        yield "directory", *index.directory(number)
    for number in range(index.r):
        record = Record(index, number)
        yield "record", record.path, record.flags & 15, record.mtime, record.ctime, record.listed
        for number in range(record.d):
            strings, flags, times, (size, mtime, digest), run = record.distribution(number)
            yield "distribution", *strings, flags, *times, *((size, mtime, digest) if flags & 128 else ())
            for at in run:
                name, value, _, group, flags = record.entry(
                    record.row("<I", record.references_at, at, record.e)[0])
                yield "has", record.group(group)[0], name, value, flags & 3
            require(record.chosen(strings[1]), "key")
        for number in range(record.g):
            yield "group", record.group(number)[0]
            for at in record.group(number)[1]:
                yield "entry", *record.entry(at)[:3]

def text(field):
    return str(field) if isinstance(field, (int, str)) else "".join(
        chr(byte) if 33 <= byte <= 126 and byte != 37 else "%%%02X" % byte for byte in field)


index, paths = Index(sys.argv[1]), map(os.fsencode, sys.argv[3:])
records = [record for record in map(index.find, paths) if record]
for line in along(records, os.fsencode(sys.argv[2])) if sys.argv[2:] else everything(index):
    print(*map(text, line), sep="\t")
