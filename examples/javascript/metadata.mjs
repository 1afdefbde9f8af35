// Part 4 of the specification: how a search directory becomes a record.

import fs from "node:fs";

import {FLAG, RECORD} from "./epcache.mjs";

const KINDS = {file: 0, entryPoints: 1, metadata: 2, pkgInfo: 3};
const ENTRY_POINTS_LIMIT = 2 ** 20, COUNT_LIMIT = 2 ** 16, HEADERS_LIMIT = 2 ** 20, STRING_LIMIT = 4096;

// ---- bytes and text

const UTF8 = new RegExp("[\\x00-\\x7f]+|[\\xc2-\\xdf][\\x80-\\xbf]|\\xe0[\\xa0-\\xbf][\\x80-\\xbf]"
  + "|[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}|\\xed[\\x80-\\x9f][\\x80-\\xbf]|\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}"
  + "|[\\xf1-\\xf3][\\x80-\\xbf]{3}|\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}|[^]", "g");

/** Text of binary: a byte that is not UTF-8 becomes a lone surrogate. */
export const decode = (binary) => binary.replace(UTF8, (part) => part.length === 1 && part >= "\x80"
  ? String.fromCharCode(0xdc00 + part.charCodeAt(0)) : Buffer.from(part, "latin1").toString());

/** And back. */
export const encode = (text) => text.split(/([\udc80-\udcff])/u).map((part, at) => at % 2
  ? String.fromCharCode(part.charCodeAt(0) - 0xdc00) : Buffer.from(part).latin1Slice()).join("");

const isUtf8 = (text) => !/[\ud800-\udfff]/u.test(text);
/** F6. */
export const hasControl = (text) => /[\0-\x1f\x7f-\x9f\u2028\u2029]/.test(text);

// Spaces of Python (M11): Unicode's White_Space, and U+001C to U+001F.
const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const AROUND = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
const strip = (text) => text.replace(AROUND, "");
const LINE_END = /\r\n|[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]/;

// ---- names (M2 to M6)

const fold = (name) => name.replace(/[-_.]+/g, "_");
/** M4. */
export const normalize = (name) => fold(name).toLowerCase();
const isEgg = (path) => /\.egg$/i.test(path.slice(path.lastIndexOf("/") + 1));
const firstPart = (stem) => stem.split("-", 1)[0];

function kindOf(fileName, path) {
  if (/\.dist-info$/i.test(fileName)) return 0;
  if (/\.egg-info$/i.test(fileName)) return 1;
  return isEgg(path) && /^egg-info$/i.test(fileName) ? 2 : null;
}

function stemOf(fileName, path) {
  const named = kindOf(fileName, path) === 2 ? path.slice(path.lastIndexOf("/") + 1) : fileName;
  return named.slice(0, named.lastIndexOf("."));
}

/** Whether the library finds a metadata directory by a name (L6). */
export function isNamed(fileName, path, name) {
  const wanted = kindOf(fileName, path) === 2 ? name.toLowerCase().replaceAll("-", "_") : normalize(name);
  return lookupName(fileName, path) === wanted;
}

/** M5. */
export function lookupName(fileName, path) {
  const egg = kindOf(fileName, path) === 2;
  const named = egg ? path.slice(path.lastIndexOf("/") + 1) : fileName;
  const lower = named.toLowerCase();
  const first = firstPart(lower.slice(0, lower.lastIndexOf(".")));
  return egg ? first.replaceAll("-", "_") : normalize(first);
}

/** M6. */
function keyOf(fileName, path, header) {
  const stem = stemOf(fileName, path);
  const plain = /\.(dist|egg)-info$/.test(fileName) && /[^.]/.test(stem);
  if (plain && firstPart(stem)) return normalize(firstPart(stem));
  return header === null ? lookupName(fileName, path) : normalize(header);
}

// ---- files (section 2)

/** The content of a file as binary, with its times; else what its absence means. */
function read(path, limit) {
  let fd;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    const stat = fs.fstatSync(fd, {bigint: true});
    if (stat.isDirectory()) return {exists: true, flag: FLAG.problem};
    if (!stat.isFile()) return {exists: true, flag: FLAG.problem};
    const bytes = Buffer.alloc(Math.min(Number(stat.size) + 1, limit + 1));
    const length = fs.readSync(fd, bytes, 0, bytes.length, 0);
    return {exists: true, flag: 0, stat, length, text: decode(bytes.latin1Slice(0, Math.min(length, limit)))};
  } catch (error) {
    if (error.code === "EACCES") return {exists: fs.existsSync(path), flag: FLAG.unread};
    if (error.code === "ENXIO") return {exists: true, flag: FLAG.problem};
    const absent = ["ENOENT", "ENOTDIR"].includes(error.code);
    return {exists: false, flag: absent ? 0 : FLAG.problem};
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

// ---- headers (M7 to M10)

function dedent(text) {
  const lines = text.split("\n");
  const isBlank = (line) => strip(line) === "";
  let margin = null;
  for (const line of lines.filter((line) => !isBlank(line))) {
    const own = /^[ \t]*/.exec(line)[0];
    let common = own.length;
    if (margin !== null) for (common = 0; common < Math.min(own.length, margin.length) && own[common] === margin[common];) common++;
    margin = own.slice(0, common);
  }
  return lines.map((line) => isBlank(line) ? "" : line.slice((margin ?? "").length)).join("\n");
}

/** The values of the first headers Name and Version. */
export function headers(content) {
  const found = {name: null, version: null}, seen = new Set();
  let open = null, raw = "";
  const close = () => {
    if (open) {
      let value = raw.replace(/^[ \t\r\n]+/, "").replace(/[\r\n]+$/, "").replace(/\r\n?/g, "\n");
      if (/\n {8}/.test(value)) value = dedent(" ".repeat(8) + value);
      found[open] = value;
    }
    open = null;
  };
  for (const line of content.match(/[^\r\n]*(\r\n|\r|\n)|[^\r\n]+$/g) ?? []) {
    if (/^[ \t]/.test(line)) {
      raw += line;
      continue;
    }
    close();
    const header = /^([!-9;-~]*):/.exec(line);
    if (!header && !line.startsWith("From ")) break;
    const name = header?.[1].toLowerCase();
    if ((name === "name" || name === "version") && !seen.has(name)) {
      seen.add(name);
      [open, raw] = [name, line.slice(header[0].length)];
    }
  }
  close();
  return found;
}

// ---- entry_points.txt (M11 to M14)

/** The entry points of a file, and whether there is a problem with it. */
export function entryPoints(content) {
  const found = [];
  let group = null, problem = false;
  if (!isUtf8(content)) return {found, problem: true};
  for (const line of content.split(LINE_END).map(strip)) {
    if (!line || line.startsWith("#")) continue;
    if (line.startsWith("[") && line.endsWith("]")) {
      group = line.replace(/^[[\]]+|[[\]]+$/g, "");
    } else if (group !== null) {
      const equals = line.indexOf("=");
      if (equals < 0 || found.length === COUNT_LIMIT) return {found: [], problem: true};
      found.push({group, name: strip(line.slice(0, equals)), value: strip(line.slice(equals + 1))});
    }
  }
  const plain = found.filter(({group, name, value}) => !hasControl(group) && !hasControl(name) && !hasControl(value));
  problem = plain.length < found.length;
  return {found: plain, problem};
}

// ---- one metadata directory

const timesOf = (stat) => ({mtime: stat.mtimeNs, ctime: stat.ctimeNs});
const at = (path, name) => Buffer.from(`${encode(path)}/${encode(name)}`, "latin1");

/** A metadata directory as it is now; `stat` is what `listing` has of it. */
export function readDistribution(path, {fileName, stat, error}) {
  const kind = kindOf(fileName, path), stem = stemOf(fileName, path);
  const own = {fileName, flags: kind, entries: [], files: [], ...(stat ? timesOf(stat) : {mtime: null, ctime: null})};
  const inside = (name) => Buffer.concat([at(path, fileName), Buffer.from(`/${name}`)]);
  const file = (number, name, limit) => {
    const found = read(name === "" ? at(path, fileName) : inside(name), limit);
    own.flags |= found.flag;
    if (found.stat) own.files.push({kind: number, size: Number(found.stat.size), ...timesOf(found.stat)});
    return found;
  };
  let metadata = null;
  if (!stat) {
    own.flags |= error === "EACCES" ? FLAG.unread : FLAG.problem;
  } else if (stat.isFile()) {
    own.flags |= FLAG.file | FLAG.metadata;
    metadata = file(KINDS.file, "", HEADERS_LIMIT);
  } else if (!stat.isDirectory()) {
    own.flags |= FLAG.problem;
  } else {
    const list = file(KINDS.entryPoints, "entry_points.txt", ENTRY_POINTS_LIMIT);
    if (list.length > ENTRY_POINTS_LIMIT) own.flags |= FLAG.problem;
    else if (list.text !== undefined) {
      const {found, problem} = entryPoints(list.text);
      own.entries = found;
      if (problem) own.flags |= FLAG.problem;
    }
    for (const [number, name] of [[KINDS.metadata, "METADATA"], [KINDS.pkgInfo, "PKG-INFO"]]) {
      const found = file(number, name, HEADERS_LIMIT);
      if (found.exists) own.flags |= FLAG.metadata;
      if (found.text) {
        metadata = found;
        break;
      }
    }
  }
  const {name, version} = headers(metadata?.text ?? "");
  const usable = (value) => {
    if (value === null) return null;
    const long = [value, value.toLowerCase()].some((text) => Buffer.byteLength(text) > STRING_LIMIT);
    if (!isUtf8(value) || hasControl(value)) own.flags |= FLAG.problem;
    return !isUtf8(value) || hasControl(value) || long ? null : value;
  };
  const headerName = usable(name), headerVersion = usable(version);
  if (headerName === null) own.flags |= FLAG.nameFromFile;
  if (headerVersion === null) own.flags |= FLAG.versionFromFile;
  own.key = keyOf(fileName, path, headerName);
  own.name = headerName ?? firstPart(stem);
  own.version = headerVersion ?? stem.split("-")[1] ?? "";
  return own;
}

/** The metadata directories of a search directory, as it lists them (M2, M3); throws what readdir(3) says. */
export function listing(path) {
  // Not by readdirSync(), which sorts.
  const directory = fs.opendirSync(Buffer.from(encode(path), "latin1"), {encoding: "buffer"}), names = [];
  for (let entry = directory.readSync(); entry; entry = directory.readSync()) names.push(decode(entry.name.latin1Slice()));
  directory.closeSync();
  const found = names
    .filter((name) => kindOf(name, path) !== null && !hasControl(name));
  return found.map((fileName) => {
    try {
      return {fileName, stat: fs.statSync(at(path, fileName), {bigint: true})};
    } catch (error) {
      return {fileName, error: error.code};
    }
  });
}

// ---- versions (L8)

const VERSION = new RegExp("^v?(?:([0-9]+)!)?([0-9]+(?:\\.[0-9]+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]+)?)?"
  + "(?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]+)?)?(?:[-_.]?(dev)[-_.]?([0-9]+)?)?"
  + "(?:\\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$", "i");

/** What sorts as the version does, or null where PEP 440 does not allow it. */
function versionKey(version) {
  const match = VERSION.exec(strip(version));
  if (!match) return null;
  const [, epoch, release, preWord, pre, dashed, post, postNumber, dev, devNumber, local] = match;
  const number = (digits) => BigInt(digits ?? 0);
  const numbers = release.split(".").map(number);
  const parts = local?.toLowerCase().split(/[-_.]/).map((part) => /^[0-9]+$/.test(part) ? [1, number(part)] : [0, part]);
  const all = [number(epoch), ...numbers, number(pre), number(dashed), number(postNumber), number(devNumber)];
  if ([...all, ...(parts ?? []).map(([is, part]) => is ? part : 0n)].some((one) => one >= 2n ** 64n)) return null;
  while (numbers.length > 1 && numbers.at(-1) === 0n) numbers.pop();
  const letter = {a: 1, alpha: 1, b: 2, beta: 2, c: 3, rc: 3, pre: 3, preview: 3}[preWord?.toLowerCase()];
  const isPost = dashed !== undefined || post !== undefined;
  return [[number(epoch)], numbers, letter ? [letter, number(pre)] : [!isPost && dev ? 0 : 4],
    isPost ? [1, number(dashed ?? postNumber)] : [0], dev ? [0, number(devNumber)] : [1], parts ? [1, ...parts.flat()] : [0]];
}

function compareLists(one, other) {
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    if (at >= one.length) return -1;
    if (at >= other.length) return 1;
    const [a, b] = [one[at], other[at]];
    const order = Array.isArray(a) ? compareLists(a, b) : a < b ? -1 : a > b ? 1 : 0;
    if (order) return order;
  }
  return 0;
}

/** Negative where the first of two twins is the one that is chosen (L8). */
export function precedence(one, other) {
  const metadata = (other.flags & FLAG.metadata) - (one.flags & FLAG.metadata);
  if (metadata) return metadata;
  const [a, b] = [one, other].map(({version}) => versionKey(version));
  const binary = (text) => encode(text);
  const versions = a && b ? compareLists(b, a) : !a !== !b ? (a ? -1 : 1) : compareLists([binary(other.version)], [binary(one.version)]);
  return versions || (one.flags & 3) - (other.flags & 3) || compareLists([binary(one.fileName)], [binary(other.fileName)]);
}

// ---- a record made on the spot, which answers as one of an index does

export class LiveRecord {
  static of(path) {
    try {
      const found = listing(path);
      return new LiveRecord(path, found.map((one) => readDistribution(path, one)));
    } catch (error) {
      if (error.code === undefined) throw error;
      return new LiveRecord(path, []); // missing, a file, or closed
    }
  }

  /** Distributions in the order in which the directory lists them. */
  constructor(path, distributions) {
    const ranks = new Map();
    for (const one of distributions) {
      const rank = `${(one.flags & 3) === 2} ${lookupName(one.fileName, path)}`;
      if (!ranks.has(rank)) ranks.set(rank, ranks.size);
      one.rank = [(one.flags & 3) === 2 ? 1 : 0, ranks.get(rank)];
    }
    // The sort is stable (L7).
    this.all = distributions.sort((one, other) => compareLists(one.rank, other.rank));
    this.keys = new Map();
    const places = new Map();
    this.all.forEach((one, number) => {
      one.number = number;
      const like = `${one.flags & FLAG.metadata} ${one.key}`;
      if (!places.has(like)) places.set(like, number);
      one.place = places.get(like);
      this.keys.set(one.key, [...(this.keys.get(one.key) ?? []), one]);
    });
    for (const twins of this.keys.values()) {
      const chosen = twins.reduce((best, one) => precedence(one, best) < 0 ? one : best);
      for (const one of twins) one.flags = one === chosen ? one.flags & ~FLAG.shadowed : one.flags | FLAG.shadowed;
      twins.sort((one, other) => (one.flags & FLAG.shadowed) - (other.flags & FLAG.shadowed) || one.number - other.number);
    }
    this.flags = this.all.some((one) => lookupName(one.fileName, path) !== one.key) ? RECORD.odd : 0;
  }

  distributions() {
    return this.all;
  }

  ofKey(key) {
    return [...(this.keys.get(key) ?? [])];
  }

  entryPoints(distribution) {
    return distribution.entries;
  }

  group(name) {
    const found = this.all.flatMap((distribution) => distribution.entries
      .filter(({group}) => group === name).map((entry) => ({...entry, distribution})));
    const order = ({distribution: {flags, place}}) => [flags & FLAG.metadata ? 0 : 1, place];
    return found.sort((one, other) => compareLists(order(one), order(other)));
  }
}
