// Part 3 of the specification: where indexes lie, which of them are believed, and whether a record is still true.

import fs from "node:fs";

import {FLAG, RECORD} from "./epcache.mjs";
import {LiveRecord, encode, listing, readDistribution} from "./metadata.mjs";

const {O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK} = fs.constants;
const SECOND = 1_000_000_000n, AUTO_LIMIT = 1000, ENTRY_POINTS = 1;
const FILES = [null, "entry_points.txt", "METADATA", "PKG-INFO", "requires.txt", "top_level.txt", "RECORD",
  "installed-files.txt", "SOURCES.txt"];

// ---- places and trust

/** The paths of T1, without those of the configuration, which is the administrator's (epcache.conf(5)). */
export function places(environment) {
  const found = [];
  const privileged = process.getuid() !== process.geteuid() || process.getgid() !== process.getegid();
  if (!privileged) {
    found.push(...(environment.EPCACHE_INDEX ?? "").split(":").filter((path) => path));
    if (environment.VIRTUAL_ENV) found.push(`${environment.VIRTUAL_ENV}/.epcache/index`);
    const cache = environment.XDG_CACHE_HOME?.startsWith("/") ? environment.XDG_CACHE_HOME
      : environment.HOME && `${environment.HOME}/.cache`;
    if (cache) found.push(`${cache}/epcache/index`);
  }
  return [...found, "/usr/lib/epcache/index", "/var/cache/epcache/index"];
}

/** T6: whether the map of users covers all of them. */
function isKnown(user) {
  if (user !== 65534) return true;
  try {
    const lines = fs.readFileSync("/proc/self/uid_map", "latin1").split("\n");
    const covered = lines.map((line) => Number(line.trim().split(/\s+/)[2] ?? 0));
    return covered.reduce((sum, count) => sum + count, 0) >= 4294967295;
  } catch {
    return true;
  }
}

/** The file of an index that is trusted (T5, T7), or null. */
export function trustedFile(path) {
  let folder, fd;
  try {
    const real = fs.realpathSync(path), slash = real.lastIndexOf("/");
    folder = fs.openSync(real.slice(0, slash) || "/", O_RDONLY | O_DIRECTORY);
    // By its name in the folder that is looked at: Node has no openat(2).
    const name = `/proc/self/fd/${folder}${real.slice(slash)}`;
    if (!fs.lstatSync(name).isFile()) return null;
    fd = fs.openSync(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const stat = fs.fstatSync(fd, {bigint: true}), around = fs.fstatSync(folder);
    const owner = Number(stat.uid);
    if (!stat.isFile() || (Number(stat.mode) | around.mode) & 0o022) throw null;
    if (!isKnown(owner) || around.uid !== 0 && around.uid !== owner) throw null;
    const maySpeakOf = (directory) => owner === 0 || owner === process.geteuid()
      || statOf(directory)?.uid === stat.uid;
    return {fd, path, stat, maySpeakOf};
  } catch {
    if (fd !== undefined) fs.closeSync(fd);
    return null;
  } finally {
    if (folder !== undefined) fs.closeSync(folder);
  }
}

const binary = (path) => Buffer.from(encode(path), "latin1");

function statOf(path) {
  try {
    return fs.statSync(binary(path), {bigint: true});
  } catch {
    return null;
  }
}

/** Whether a path lies on a file system that is mounted read-only. Node has no statvfs(2). */
function isReadOnly(path) {
  const real = fs.realpathSync(binary(path), "buffer").latin1Slice();
  const mounts = fs.readFileSync("/proc/self/mountinfo", "latin1").split("\n").filter((line) => line);
  let found = {length: -1, readOnly: false};
  for (const line of mounts) {
    const [left, right] = line.split(" - ");
    const [, , , , point, options] = left.split(" ");
    const plain = point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
    const within = plain === "/" || real === plain || real.startsWith(`${plain}/`);
    if (within && plain.length >= found.length) {
      const all = [...options.split(","), ...right.split(" ")[2].split(",")];
      found = {length: plain.length, readOnly: all.includes("ro")};
    }
  }
  return found.readOnly;
}

// ---- freshness: the predicates

const same = (t, u) => t !== null && t !== undefined && t === u;
const whole = (t) => t !== null && t % SECOND === 0n;
const second = (t) => (t - ((t % SECOND) + SECOND) % SECOND) / SECOND;
const sameSecond = (t, u) => same(t, u)
  || t !== null && u !== null && second(t) === second(u) && (whole(t) || whole(u));
const early = (t) => t !== null && t < 2n * SECOND;
const bothSame = (stat, row) => same(stat.mtimeNs, row.mtime) && same(stat.ctimeNs, row.ctime);

/** What a record of the directory at `path` is worth: null where this index does not answer, else whether it is
 * fresh, and a record that is right. */
export function look(record, path, level) {
  if (level === "trust") return {fresh: true, record};
  const index = record.index;
  let now;
  try {
    now = fs.statSync(binary(path), {bigint: true});
    if (!now.isDirectory()) throw {code: "ENOTDIR"};
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes(error.code)) return null;
    return {fresh: record.counts[0] === 0, record: new LiveRecord(path, [])};
  }
  const silent = (record.flags & RECORD.silent) !== 0, sorted = (record.flags & RECORD.sorted) !== 0;
  const asked = silent || sorted || whole(now.ctimeNs) || early(now.mtimeNs);
  const readOnly = asked && isReadOnly(path);
  const here = readOnly && now.dev === index.stat.dev;
  const image = here && (silent || whole(now.ctimeNs) || early(now.mtimeNs));
  const count = here || !sorted;
  const speak = count && (image || !(silent || whole(now.ctimeNs) && readOnly));
  const each = level === "strict" || level === "auto" && record.counts[0] <= AUTO_LIMIT;
  const inside = (row) => statOf(`${path}/${row.fileName}`);
  const isUnmoved = (row) => {
    const stat = inside(row);
    return stat !== null && bothSame(stat, row) && filesAreUnmoved(record, path, row, level);
  };
  if (bothSame(now, record) && speak && !index.suspect && !(record.flags & RECORD.unread)
      && (!each || record.distributions().every(isUnmoved))) {
    return {fresh: true, record};
  }
  return lookCloser(record, path, level, now, {image, count, speak});
}

/** T13 to T15. */
function lookCloser(record, path, level, now, {image, count, speak}) {
  const recorded = new Map(record.distributions().map((row) => [row.fileName, row]));
  const suspect = record.index.suspect;
  let seen;
  try {
    seen = listing(path);
  } catch {
    return null;
  }
  const mtimes = seen.map(({stat}) => stat?.mtimeNs ?? null);
  const oneTime = new Set(mtimes).size === 1;
  const one = oneTime && mtimes[0] === now.mtimeNs;
  const mixed = mtimes.length > 1 && !oneTime && !mtimes.some(early);
  const names = seen.length === recorded.size && seen.every(({fileName}) => recorded.has(fileName));
  const like = ({fileName, stat}) => {
    const row = recorded.get(fileName);
    return stat && !same(stat.ctimeNs, row.ctime) && sameSecond(stat.mtimeNs, row.mtime) && isFileLike(record, path, row, level);
  };
  const copy = count && names && !same(now.ctimeNs, record.ctime) && !suspect && (image || mixed) && seen.every(like);
  let fresh = seen.length === recorded.size, read = false;
  const all = seen.map((sighting) => {
    const {fileName, stat} = sighting, row = recorded.get(fileName);
    if (row && !(row.flags & FLAG.unread) && stat
        && (speak && bothSame(stat, row) && filesAreUnmoved(record, path, row, level) || copy || image && !suspect && (one || early(stat.mtimeNs)))) {
      return {...row, entries: record.entryPoints(row)};
    }
    read = true;
    const found = readDistribution(path, sighting);
    if (!row || !(row.flags & FLAG.unread) && !saysTheSame(record, row, found)) fresh = false;
    return found;
  });
  if (fresh && !read && record.flags & RECORD.sorted) return {fresh, record};
  return {fresh, record: new LiveRecord(path, all)};
}

/** At level strict, whether the files that a distribution was read from are as they were. */
function filesAreUnmoved(record, path, row, level) {
  if (level !== "strict") return true;
  const recorded = record.files(row);
  const now = (kind) => statOf(`${path}/${row.fileName}/${FILES[kind]}`);
  const isKept = ({kind, size, mtime, ctime}) => {
    const stat = FILES[kind] && now(kind);
    return !FILES[kind] || stat !== null && Number(stat.size) === size && bothSame(stat, {mtime, ctime});
  };
  const isAbsent = (kind) => recorded.some((file) => file.kind === kind) || !now(kind)?.isFile();
  return recorded.every(isKept) && lookedFor(row, recorded).every(isAbsent);
}

/** The kinds of the files that were looked for, whether they were there or not. */
function lookedFor(row, recorded) {
  if (recorded.some(({kind}) => kind === 0)) return [];
  const metadata = recorded.some(({kind, size}) => kind === 2 && size > 0);
  const source = row.flags >>> 12 & 7, [hasRequirements, requirements, imports] = [9, 10, 11];
  const has = (bit) => (row.flags >>> bit & 1) !== 0;
  const lists = has(imports) ? [] : [5, 6, 7, 8].filter((kind) => source === 0 || kind <= source + 4);
  return [1, 2, ...metadata ? [] : [3], ...has(hasRequirements) || has(requirements) ? [] : [4], ...lists];
}

function isFileLike(record, path, row, level) {
  if (row.flags & FLAG.unread) return true;
  const recorded = record.files(row), strict = level === "strict";
  const kinds = strict ? [...recorded.map(({kind}) => kind), ...lookedFor(row, recorded)] : [ENTRY_POINTS];
  return kinds.filter((kind) => FILES[kind]).every((kind) => {
    const then = recorded.find((file) => file.kind === kind);
    const now = statOf(`${path}/${row.fileName}/${FILES[kind]}`);
    if (!then || !now) return !then && !now?.isFile();
    return Number(now.size) === then.size && sameSecond(now.mtimeNs, then.mtime);
  });
}

/** T14, but for requirements and import names, which are not read here. */
function saysTheSame(record, row, now) {
  const flags = (one) => one.flags & 0x1ff & ~FLAG.shadowed;
  const entries = record.entryPoints(row);
  return flags(row) === flags(now) && ["key", "name", "version"].every((field) => row[field] === now[field])
    && entries.length === now.entries.length
    && entries.every(({group, name, value}, at) => {
      const other = now.entries[at];
      return group === other.group && name === other.name && value === other.value;
    });
}
