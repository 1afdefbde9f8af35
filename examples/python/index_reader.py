#!/usr/bin/env python3
"""A reader of epcache's index, from parts 1 and 2 of docs/specification alone.

    index_reader.py INDEX                           everything in it, as tests/vectors have it
    index_reader.py INDEX [--group GROUP] PATH...   answers along these search directories

Left out: freshness and trust (part 3).
"""
import json
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

    def entries(self, run):
        end = 0
        for number in run:
            offset, name, value, _ = self.row("<4I", 3, number, self.e)
            require(offset >= end, "strings out of order")
            end = offset + name + value
            yield self.entry(number)

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
            for name, value, dist in record.entries(record.group(found)[1] if found is not None else ()):
                (file_name, key, *_), flags, *_ = record.distribution(dist)
                others = [record for _, record in records]
                if flags & 24 == with_metadata and not is_shadowed(others, i, key, with_metadata):
                    yield name, value, path + b"/" + file_name

FLAGS = {"file": 4, "has metadata": 8, "shadowed": 16, "unread": 32, "problem": 64, "name from file": 128,
         "version from file": 256}
RECORD_FLAGS = {"missing": 1, "silent": 2, "sorted": 4, "unread": 8, "odd": 16}
KINDS = "dist-info", "egg-info", "EGG-INFO"
SOURCES = None, "top_level.txt", "RECORD", "installed-files.txt", "SOURCES.txt"

def words(flags, names):
    return [word for word, bit in names.items() if flags & bit]

def time(stamp):
    return None if stamp == -2 ** 63 else str(stamp)

def text(field):
    """Bytes that are no printable ASCII, and %, as %XX."""
    return "".join(chr(byte) if 32 <= byte <= 126 and byte != 37 else "%%%02X" % byte for byte in field)

def lines(field):
    return [text(line) for line in field.split(b"\n")] if field else []

def everything(index):
    directories = [index.directory(number) for number in range(index.d)]
    return {
        "suspect": index.suspect,
        "directories": [{"path": text(path), "record": record, "alias": bool(alias)}
                        for path, record, alias in directories],
        "records": [of_record(Record(index, number)) for number in range(index.r)],
    }

def of_record(record):
    groups, room = {}, record.end - record.pool
    for number in range(record.g):
        group, run = record.group(number)
        group.decode()
        room -= len(group)
        require(room >= 0, "names of groups that overlap")
        groups[text(group)] = [[text(name), text(value), dist] for name, value, dist in record.entries(run)]
    room = record.end - record.pool
    for number in range(record.d):
        room -= sum(map(len, record.distribution(number)[0]))
        require(room >= 0, "names of distributions that overlap")
    return {
        "flags": words(record.flags, RECORD_FLAGS), "mtime": time(record.mtime), "ctime": time(record.ctime),
        "distributions": [of_distribution(record, number) for number in range(record.d)], "groups": groups,
    }

def of_distribution(record, number):
    strings, flags, times, (requirements, imports), run, files = record.distribution(number)
    requirements.decode(), imports.decode()
    require(record.chosen(strings[1]), "key")
    entries = []
    for at in run:
        entry, group = record.row("<2I", 4, at, record.e)
        entries.append([text(string) for string in (record.group(group)[0], *record.entry(entry)[:2])])
    found = {"kind": KINDS[flags & 3], "flags": words(flags, FLAGS), "mtime": time(times[0]), "ctime": time(times[1])}
    found.update(zip(("file name", "key", "name", "version"), map(text, strings)))
    found["requirements"] = "unknown" if flags & 1024 else lines(requirements) if flags & 512 else None
    source, names = flags >> 12 & 7, imports.split(b"\n") if imports else []
    require(source or not names, "import names without a source")
    if 1 < source < len(SOURCES):
        require(all(b"0" <= name[:1] <= b"7" and len(name) > 1 for name in names), "an import name")
    unknown = flags & 2048 or source >= len(SOURCES)
    found["import names"] = "unknown" if unknown else {"from": SOURCES[source], "names": [*map(text, names)]}
    found["entry points"] = entries
    found["files"] = []
    for at in files:
        kind, _, size, mtime, ctime = record.row("<2HI2q", 5, at, record.f)
        found["files"].append({"kind": kind, "size": size, "mtime": time(mtime), "ctime": time(ctime)})
    return found

def main(index, *words):
    if not words:
        return everything(Index(index))
    found, group = Index(index), None
    if words[0] == "--group":
        group, words = words[1], words[2:]
    records = [(path, found.find(path)) for path in map(os.fsencode, words)]
    records = [(path, record) for path, record in records if record]
    if group is not None:
        return [[text(string) for string in row] for row in along(records, os.fsencode(group))]
    return [text(path + b"/" + record.distribution(number)[0][0])
            for path, record in records for number in range(record.d)]

if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), indent=2))
