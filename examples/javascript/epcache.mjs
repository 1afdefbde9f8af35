// A full reader of epcache's index, written from docs/specification alone, for Node.js 18.15 and later.
// It needs nothing but the standard library, and Linux. Rules (F1, L1, T1, M1 ...) are those of the specification.
//
//     import {Reader} from "./epcache.mjs";
//     const reader = new Reader(["/usr/lib/python3/dist-packages"]);
//     for (const {name, value, path} of reader.entryPoints("console_scripts")) ...
//
// This file has the index and the look-up (parts 1 and 2), freshness.mjs trust and freshness (part 3), metadata.mjs
// reads directories (part 4), command.mjs is a command for tests. Left out: the limits on what a search directory has together (M21 to M23), and reading
// requirements and import names where no index has them.
//
// Strings are text in which a byte that is not UTF-8 is a lone surrogate, as in Python (surrogateescape). Within
// this file they are "binary": one character for each byte, which compares as bytes do.

import fs from "node:fs";

import {trustedFile, places, look} from "./freshness.mjs";
import {LiveRecord, decode, encode, isNamed, normalize} from "./metadata.mjs";

const UNKNOWN = -(2n ** 63n);
const BLOCK = 4096, STRING_LIMIT = 4096, SIZE_LIMIT = 2 ** 28;
const SIZES = [16, 56, 64, 8, 16, 16, 8, 24, 8];

export const FLAG = {file: 4, metadata: 8, shadowed: 16, unread: 32, problem: 64, nameFromFile: 128,
  versionFromFile: 256, requirements: 512, requirementsUnknown: 1024, importsUnknown: 2048};
export const RECORD = {missing: 1, silent: 2, sorted: 4, unread: 8, odd: 16};

/** The index breaks this rule: it is treated as missing. */
export class Damage extends Error {}

function require(condition, rule) {
  if (!condition) throw new Damage(rule);
}

// ---- CRC-32 and FNV-1a (F7, F37)

const CRC = Uint32Array.from({length: 256}, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? byte >>> 1 ^ 0xedb88320 : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = crc >>> 8 ^ CRC[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

function hash(binary) {
  let h = 2166136261;
  for (let at = 0; at < binary.length; at++) h = Math.imul(h ^ binary.charCodeAt(at), 16777619);
  return h >>> 0;
}

const time = (buffer, at) => {
  const stamp = buffer.readBigInt64LE(at);
  return stamp === UNKNOWN ? null : stamp;
};

/** The first of `count` numbers for which `isAtLeast` holds. */
function bisect(count, isAtLeast) {
  let low = 0;
  while (low < count) {
    const middle = low + count >>> 1;
    if (isAtLeast(middle)) count = middle; else low = middle + 1;
  }
  return low;
}

// ---- the file (part 1)

export class Index {
  /** `fd` is of a regular file; who owns it is not looked at here. */
  constructor(fd, path = "", stat = fs.fstatSync(fd, {bigint: true})) {
    Object.assign(this, {fd, path, stat, blocks: new Map(), records: new Map()});
    const size = Number(stat.size), head = Buffer.alloc(64);
    require(size >= 64 && fs.readSync(fd, head, 0, 64, 0) === 64 && head.latin1Slice(0, 8) === "\x89epcache", "F10");
    require(head.readUInt16LE(8) === 1, "F11");
    require(head.readUInt32LE(16) === crc32(head.subarray(20)), "F13");
    require(size <= SIZE_LIMIT, "F14");
    require(head.readUInt32LE(20) === size, "F15");
    const blocks = head.readUInt32LE(24);
    this.start = 64 + 4 * blocks;
    this.size = size - this.start;
    require(this.size >= 0 && blocks === Math.ceil(this.size / BLOCK), "F16");
    this.sizes = SIZES.map((_, at) => head.readUInt16LE(40 + 2 * at));
    require(this.sizes.every((here, at) => here >= SIZES[at]), "F17");
    this.directoryCount = head.readUInt32LE(28);
    this.recordCount = head.readUInt32LE(32);
    this.recordsAt = this.sizes[0] * this.directoryCount;
    require(this.recordsAt + this.sizes[1] * this.recordCount <= this.size, "F18");
    this.suspect = head[12] !== 0;
  }

  block(number) {
    if (!this.blocks.has(number)) {
      const bytes = Buffer.alloc(Math.min(BLOCK, this.size - number * BLOCK)), sum = Buffer.alloc(4);
      const read = fs.readSync(this.fd, bytes, 0, bytes.length, this.start + number * BLOCK);
      fs.readSync(this.fd, sum, 0, 4, 64 + 4 * number);
      require(read === bytes.length && sum.readUInt32LE() === crc32(bytes), "F20");
      this.blocks.set(number, bytes);
    }
    return this.blocks.get(number);
  }

  bytes(offset, length) {
    require(offset + length <= this.size, "F4");
    const parts = [];
    for (let at = offset; at < offset + length; at = (Math.floor(at / BLOCK) + 1) * BLOCK) {
      const number = Math.floor(at / BLOCK);
      parts.push(this.block(number).subarray(at - number * BLOCK, offset + length - number * BLOCK));
    }
    return parts.length === 1 ? parts[0] : Buffer.concat(parts);
  }

  directory(number) {
    const row = this.bytes(this.sizes[0] * number, 16);
    require(row.readUInt32LE(4) <= STRING_LIMIT, "F4");
    const path = this.bytes(row.readUInt32LE(0), row.readUInt32LE(4)).latin1Slice();
    require(row.readUInt32LE(8) < this.recordCount, "F22");
    return {path, record: row.readUInt32LE(8), alias: (row.readUInt32LE(12) & 1) !== 0};
  }

  record(number) {
    if (!this.records.has(number)) this.records.set(number, new Record(this, number));
    return this.records.get(number);
  }

  /** The record of a search directory (L2). */
  find(path) {
    const wanted = encode(path);
    const number = bisect(this.directoryCount, (at) => this.directory(at).path >= wanted);
    if (number === this.directoryCount) return null;
    const {path: found, record} = this.directory(number);
    return found === wanted ? this.record(record) : null;
  }
}

const [DISTRIBUTIONS, NAMES, GROUPS, ENTRIES, REFERENCES, FILES, IMPORTS] = [0, 1, 2, 3, 4, 5, 6];

export class Record {
  constructor(index, number) {
    const row = index.bytes(index.recordsAt + index.sizes[1] * number, 56);
    const [start, length, pool, flags, d, g, e, f] = Array.from({length: 8}, (_, at) => row.readUInt32LE(4 * at));
    this.counts = [d, d, g, e, e, f, row.readUInt32LE(48)];
    this.tables = [];
    let at = start;
    this.counts.forEach((count, table) => {
      this.tables.push(at);
      at += count * index.sizes[2 + table];
    });
    Object.assign(this, {index, pool, flags, end: start + length, mtime: time(row, 32), ctime: time(row, 40)});
    require(at <= pool && pool <= this.end && this.end <= index.size, "F26");
    this.known = new Map();
  }

  row(table, number, length) {
    require(number < this.counts[table], "F8");
    return this.index.bytes(this.tables[table] + this.index.sizes[2 + table] * number, length);
  }

  run(table, first, count) {
    require(first + count <= this.counts[table], "F8");
    return Array.from({length: count}, (_, at) => first + at);
  }

  string(offset, length) {
    require(this.pool + offset + length <= this.end, "F4");
    return this.index.bytes(this.pool + offset, length).latin1Slice();
  }

  text(offset, length) {
    const text = decode(this.string(offset, length));
    require(text.isWellFormed?.() ?? encode(text) === Buffer.from(text).latin1Slice(), "F5");
    return text;
  }

  distribution(number) {
    if (this.known.has(number)) return this.known.get(number);
    const row = this.row(DISTRIBUTIONS, number, 64);
    let at = row.readUInt32LE(0);
    const strings = [4, 6, 8, 10].map((where) => {
      const length = row.readUInt16LE(where);
      require(length <= STRING_LIMIT, "F4");
      at += length;
      return this.string(at - length, length);
    });
    require(!/^\.{0,2}$|[/\0]/.test(strings[0]), "F31");
    const numbers = Array.from({length: 8}, (_, at) => row.readUInt32LE(32 + 4 * at));
    const [fileName, key, name, version] = strings.map(decode);
    const found = {number, fileName, key, name, version, flags: row.readUInt32LE(12),
      mtime: time(row, 16), ctime: time(row, 24), requirementsAt: numbers.slice(0, 2),
      importsAt: numbers.slice(2, 4), references: numbers.slice(4, 6), filesAt: numbers.slice(6, 8),
      room: strings.reduce((sum, string) => sum + string.length, 0)};
    this.run(REFERENCES, ...found.references);
    this.run(FILES, ...found.filesAt);
    this.known.set(number, found);
    return found;
  }

  /** All distributions, in order (L7). */
  distributions() {
    let room = this.end - this.pool;
    return this.run(DISTRIBUTIONS, 0, this.counts[DISTRIBUTIONS]).map((number) => {
      const found = this.distribution(number);
      require((room -= found.room) >= 0, "F50");
      return found;
    });
  }

  groupAt(number) {
    const row = this.row(GROUPS, number, 16);
    const name = this.string(row.readUInt32LE(0), row.readUInt32LE(4));
    return {name, entries: this.run(ENTRIES, row.readUInt32LE(8), row.readUInt32LE(12))};
  }

  entry(number) {
    const row = this.row(ENTRIES, number, 16);
    const [at, name, value, distribution] = [0, 4, 8, 12].map((where) => row.readUInt32LE(where));
    require(distribution < this.counts[DISTRIBUTIONS], "F8");
    return {at, end: at + name + value, name: this.text(at, name), value: this.text(at + name, value), distribution};
  }

  *entries(numbers) {
    let end = 0;
    for (const number of numbers) {
      const entry = this.entry(number);
      require(entry.at >= end, "F49");
      end = entry.end;
      yield entry;
    }
  }

  /** The entry points of a group, those of shadowed distributions among them (L3). */
  *group(name) {
    const wanted = encode(name), count = this.counts[GROUPS];
    const number = bisect(count, (at) => this.groupAt(at).name >= wanted);
    if (number === count) return;
    const group = this.groupAt(number);
    if (group.name === wanted) {
      for (const entry of this.entries(group.entries)) yield {...entry, distribution: this.distribution(entry.distribution)};
    }
  }

  /** The entry points of a distribution, as its file has them (L5). */
  entryPoints(distribution) {
    let room = this.end - this.pool;
    return this.run(REFERENCES, ...distribution.references).map((number) => {
      const row = this.row(REFERENCES, number, 8);
      const {at, end, name, value} = this.entry(row.readUInt32LE(0));
      require((room -= end - at) >= 0, "F50");
      const group = this.row(GROUPS, row.readUInt32LE(4), 16);
      return {group: this.text(group.readUInt32LE(0), group.readUInt32LE(4)), name, value};
    });
  }

  files(distribution) {
    return this.run(FILES, ...distribution.filesAt).map((number) => {
      const row = this.row(FILES, number, 24);
      return {kind: row.readUInt16LE(0), size: row.readUInt32LE(4), mtime: time(row, 8), ctime: time(row, 16)};
    });
  }

  /** The distributions of a key, the chosen one first (L4). */
  ofKey(key) {
    const wanted = encode(key), hashed = hash(wanted), found = [];
    const named = (at) => {
      const row = this.row(NAMES, at, 8);
      require(row.readUInt32LE(0) < this.counts[DISTRIBUTIONS], "F8");
      return [row.readUInt32LE(4), row.readUInt32LE(0)];
    };
    const keyOf = (number) => encode(this.distribution(number).key);
    let at = bisect(this.counts[NAMES], (at) => {
      const [here, number] = named(at);
      return here > hashed || here === hashed && keyOf(number) >= wanted;
    });
    for (; at < this.counts[NAMES] && named(at)[0] === hashed && keyOf(named(at)[1]) === wanted; at++) {
      found.push(this.distribution(named(at)[1]));
    }
    return found;
  }

  /** Requirements: null for None, undefined where this record does not say (F34). */
  requirements({flags, requirementsAt}) {
    if (flags & FLAG.requirementsUnknown) return undefined;
    const text = this.text(...requirementsAt);
    return flags & FLAG.requirements ? text ? text.split("\n") : [] : null;
  }

  /** Import names as the index has them, and the kind of the file that they come from (F35). */
  importNames({flags, importsAt}) {
    const source = flags >>> 12 & 7, text = this.text(...importsAt);
    if (flags & FLAG.importsUnknown || source > 4) return undefined;
    const names = text ? text.split("\n") : [];
    require(source > 0 || names.length === 0, "F35");
    require(source < 2 || names.every((name) => /^[0-7]./su.test(name)), "F35");
    return {source: source ? source + 4 : null, names};
  }
}

// ---- several search directories (part 2)

export class Reader {
  /** `level` is one of auto, fast, strict and trust (T4); `indexes` are paths, by default those of T1. */
  constructor(sysPath, {level = "auto", indexes = places(process.env)} = {}) {
    this.records = [];
    this.stale = [];
    const opened = indexes.map((path) => trustedFile(path)).filter((file) => file);
    try {
      for (const path of sysPath) this.records.push({path, record: this.answer(path, level, opened)});
    } finally {
      // What was read of them stays; what is read later needs them open.
      this.close = () => opened.forEach(({fd}) => fs.closeSync(fd));
    }
  }

  /** The record of the first index that is right about a directory (L10, T2), or one made on the spot. */
  answer(path, level, files) {
    let stale = null;
    for (const file of files) {
      if (file.damaged || !file.maySpeakOf(path)) continue;
      try {
        file.index ??= new Index(file.fd, file.path, file.stat);
        const record = file.index.find(path);
        const found = record && look(record, path, level);
        if (found?.fresh) return found.record;
        if (found) stale ??= (this.stale.push(path), found.record);
      } catch (error) {
        if (!(error instanceof Damage)) throw error;
        file.damaged = true;
      }
    }
    return stale ?? LiveRecord.of(path);
  }

  isHidden(at, distribution) {
    const hasMetadata = distribution.flags & FLAG.metadata;
    return this.records.some(({record}, other) => {
      if (other === at || other > at && hasMetadata) return false;
      const [chosen] = record.ofKey(distribution.key);
      return chosen && (chosen.flags & FLAG.metadata || other < at && !hasMetadata);
    });
  }

  *inOrder(list) {
    for (const metadata of [FLAG.metadata, 0]) {
      for (const [at, {path, record}] of this.records.entries()) {
        for (const one of list(record)) {
          const owner = one.distribution;
          if ((owner.flags & (FLAG.metadata | FLAG.shadowed)) === metadata && !this.isHidden(at, owner)) {
            yield {...one, path: `${path}/${owner.fileName}`};
          }
        }
      }
    }
  }

  /** The entry points of a group (L12), or all (L13). */
  *entryPoints(group) {
    if (group !== undefined) return yield* this.inOrder((record) => record.group(group));
    yield* this.inOrder(function* (record) {
      const done = new Set();
      const wanted = (one, metadata) => (one.flags & FLAG.metadata) === metadata;
      for (const metadata of [FLAG.metadata, 0]) {
        for (const one of record.distributions()) {
          if (done.has(one.key) || !wanted(one, metadata)) continue;
          const chosen = one.flags & FLAG.shadowed ? record.ofKey(one.key)[0] : one;
          if (!chosen || !wanted(chosen, metadata)) continue;
          done.add(one.key);
          for (const entry of record.entryPoints(chosen)) yield {...entry, distribution: chosen};
        }
      }
    });
  }

  /** All distributions (L11). */
  *distributions() {
    for (const {path, record} of this.records) {
      for (const one of record.distributions()) yield {...one, path: `${path}/${one.fileName}`};
    }
  }

  /** The distribution of a name (L14), or null. */
  distribution(name) {
    const wanted = normalize(name);
    for (const {path, record} of this.records) {
      const odd = record.flags & RECORD.odd;
      const all = odd ? record.distributions().filter((one) => isNamed(one.fileName, path, name))
        : record.ofKey(wanted).sort((one, other) => one.number - other.number);
      if (all.length) return {...all[0], path: `${path}/${all[0].fileName}`};
    }
    return null;
  }
}
