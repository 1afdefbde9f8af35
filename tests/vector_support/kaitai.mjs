// What a parser that Kaitai Struct generates from epcache.ksy finds in indexes.
//
//     node kaitai.mjs MODULES KSY INDEX...
//
// MODULES is a folder node_modules that has kaitai-struct-compiler, kaitai-struct and yaml. Prints one line of JSON for
// each index, in the form of tests/vectors, or {"error": ...}.

import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import vm from "node:vm";

const [modules, ksy, ...indexes] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "x.js"));
const yaml = require("yaml"), compiler = require("kaitai-struct-compiler");
const {KaitaiStream} = {KaitaiStream: require("kaitai-struct/KaitaiStream")};

async function parser() {
  const made = await compiler.compile("javascript", yaml.parse(fs.readFileSync(ksy, "utf8")), null, false);
  const module = {exports: {}};
  const wanted = () => KaitaiStream;
  vm.runInThisContext(`(function (module, exports, require) {${made["EpcacheIndex.js"]}\n})`)(module, module.exports, wanted);
  return module.exports.EpcacheIndex ?? module.exports;
}

const KINDS = ["dist-info", "egg-info", "EGG-INFO"];
const SOURCES = [null, "top_level.txt", "RECORD", "installed-files.txt", "SOURCES.txt"];
const binary = (bytes) => Buffer.from(bytes).latin1Slice();
const spelled = (text) => text.replace(/[^ -$&-~]/g, (byte) =>
  `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
const text = (bytes) => spelled(binary(bytes));
const lines = (bytes) => bytes.length ? binary(bytes).split("\n").map(spelled) : [];

function dump(index, Index, bytes) {
  // KaitaiStream has no 64-bit integers that are exact: times are read once more where it says that they are.
  const words = (flags, names, wanted) => Object.entries(names)
    .filter(([word, bit]) => Number.isInteger(bit) && flags & bit && wanted.includes(word))
    .map(([word]) => word.toLowerCase().replaceAll("_", " "));
  const time = (at) => {
    const stamp = bytes.readBigInt64LE(at);
    return stamp === -(2n ** 63n) ? null : String(stamp);
  };
  const sizes = index.header.rowSizes, body = index.bodyStart;
  return {
    "suspect": index.header.suspect !== 0,
    "directories": index.directories.map((row) => ({path: text(row.path.bytes), record: row.record, alias: (row.flags & 1) !== 0})),
    "records": index.records.map((record, number) => {
      const row = body + sizes[0] * index.header.directoryCount + sizes[1] * number;
      const {distributions, groups, entries, references, files} = record;
      return {
        "flags": words(record.flags, Index.RecordFlag, ["MISSING", "SILENT", "SORTED", "UNREAD", "ODD"]),
        "mtime": time(row + 32), "ctime": time(row + 40),
        "distributions": distributions.map((one, at) => {
          const row = body + record.segment.first + sizes[2] * at, flag = Index.DistributionFlag;
          const source = one.flags >>> 12 & 7;
          const run = (rows, {first, count}) => rows.slice(first, first + count);
          return {
            "file name": text(one.fileName), "key": text(one.key), "name": text(one.name), "version": text(one.version),
            "kind": KINDS[one.flags & 3],
            "flags": words(one.flags, flag, ["FILE", "HAS_METADATA", "SHADOWED", "UNREAD", "PROBLEM", "NAME_FROM_FILE", "VERSION_FROM_FILE"]),
            "mtime": time(row + 16), "ctime": time(row + 24),
            "requirements": one.flags & flag.REQUIREMENTS_UNKNOWN ? "unknown"
              : one.flags & flag.HAS_REQUIREMENTS ? lines(one.requirements.bytes) : null,
            "import names": one.flags & flag.IMPORT_NAMES_UNKNOWN ? "unknown"
              : {from: SOURCES[source], names: lines(one.importNames.bytes)},
            "entry points": run(references, one.references).map(({entry, group}) =>
              [groups[group].name.bytes, entries[entry].name, entries[entry].value].map(text)),
            "files": run(files, one.files).map((file, number) => {
              const row = record.filesStart + sizes[7] * (one.files.first + number);
              return {kind: file.kind, size: file.size, mtime: time(row + 8), ctime: time(row + 16)};
            }),
          };
        }),
        "groups": Object.fromEntries(groups.map(({name, entries: {first, count}}) => [text(name.bytes),
          entries.slice(first, first + count).map((one) => [text(one.name), text(one.value), one.distribution])])),
      };
    }),
  };
}

const Index = await parser();
for (const file of indexes) {
  const bytes = fs.readFileSync(file);
  let told;
  try {
    const stream = new KaitaiStream(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length), 0);
    told = dump(new Index(stream), Index, bytes);
  } catch (error) {
    told = {error: String(error)};
  }
  process.stdout.write(`${JSON.stringify(told)}\n`);
}
