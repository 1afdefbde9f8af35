#!/usr/bin/env node
// The reader as a command, for tests and for a look at an index.

import fs from "node:fs";

import {Damage, FLAG, Index, RECORD, Reader} from "./epcache.mjs";
import {decode, encode} from "./metadata.mjs";

const USAGE = `usage: command.mjs dump FILE                        everything in an index
       command.mjs query [OPTION...] PATH...        entry points along these search directories
       command.mjs names [OPTION...] NAME PATH...   the distribution of a name
       command.mjs list [OPTION...] PATH...         all distributions
options: --group GROUP, --index FILE (several times), --level auto|fast|strict|trust
`;

const KINDS = ["dist-info", "egg-info", "EGG-INFO"];
const FILES = {5: "top_level.txt", 6: "RECORD", 7: "installed-files.txt", 8: "SOURCES.txt"};

/** Text in which each byte that is no printable ASCII, and %, is %XX. */
const spelled = (text) => encode(text).replace(/[^ -$&-~]/g, (byte) =>
  `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);

const words = (flags, names) => Object.entries(names).filter(([, bit]) => flags & bit).map(([word]) => word);
const stamp = (time) => time === null ? null : String(time);

function dump(index) {
  const numbers = (count) => Array.from({length: count}, (_, number) => number);
  return {
    suspect: index.suspect,
    directories: numbers(index.directoryCount).map((number) => {
      const {path, record, alias} = index.directory(number);
      return {path: spelled(decode(path)), record, alias};
    }),
    records: numbers(index.recordCount).map((number) => dumpRecord(index.record(number))),
  };
}

function dumpRecord(record) {
  const groups = {};
  let room = record.end - record.pool;
  for (let number = 0; number < record.counts[2]; number++) {
    const {name, entries} = record.groupAt(number);
    if ((room -= name.length) < 0) throw new Damage("F50");
    if (Buffer.from(decode(name)).latin1Slice() !== name) throw new Damage("F5");
    groups[spelled(decode(name))] = [...record.entries(entries)]
      .map((entry) => [spelled(entry.name), spelled(entry.value), entry.distribution]);
  }
  return {flags: words(record.flags, RECORD), mtime: stamp(record.mtime), ctime: stamp(record.ctime),
    distributions: record.distributions().map((one) => dumpDistribution(record, one)), groups};
}

function dumpDistribution(record, one) {
  const flags = {"file": FLAG.file, "has metadata": FLAG.metadata, "shadowed": FLAG.shadowed, "unread": FLAG.unread,
    "problem": FLAG.problem, "name from file": FLAG.nameFromFile, "version from file": FLAG.versionFromFile};
  const requirements = record.requirements(one), imports = record.importNames(one);
  return {
    "file name": spelled(one.fileName), "key": spelled(one.key), "name": spelled(one.name),
    "version": spelled(one.version), "kind": KINDS[one.flags & 3], "flags": words(one.flags, flags),
    "mtime": stamp(one.mtime), "ctime": stamp(one.ctime),
    "requirements": requirements === undefined ? "unknown" : requirements && requirements.map(spelled),
    "import names": imports === undefined ? "unknown"
      : {from: FILES[imports.source] ?? null, names: imports.names.map(spelled)},
    "entry points": record.entryPoints(one).map(({group, name, value}) => [group, name, value].map(spelled)),
    "files": record.files(one).map((file) => ({...file, mtime: stamp(file.mtime), ctime: stamp(file.ctime)})),
  };
}

function query(command, rest) {
  const options = {}, paths = [];
  let group;
  while (rest.length) {
    const word = rest.shift();
    if (word === "--group") group = decode(Buffer.from(rest.shift()).latin1Slice());
    else if (word === "--index") (options.indexes ??= []).push(rest.shift());
    else if (word === "--level") options.level = rest.shift();
    else paths.push(word);
  }
  const name = command === "names" ? paths.shift() : undefined;
  const reader = new Reader(paths, options);
  const distribution = ({path, name, version}) => ({path: spelled(path), name: spelled(name), version: spelled(version)});
  let answer;
  if (command === "names") {
    const found = reader.distribution(name);
    answer = found && distribution(found);
  } else if (command === "list") {
    answer = [...reader.distributions()].map(distribution);
  } else {
    answer = [...reader.entryPoints(group)].map(({group: own, name, value, path}) =>
      [own ?? group, name, value, path].map(spelled));
  }
  return {answer, stale: reader.stale.map(spelled)};
}

function main([command, ...rest]) {
  try {
    let answer;
    if (command === "dump" && rest.length === 1) answer = dump(new Index(fs.openSync(rest[0], "r"), rest[0]));
    else if (["query", "names", "list"].includes(command)) answer = query(command, rest);
    else {
      process.stderr.write(USAGE);
      return 2;
    }
    process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    process.stderr.write(`damaged: it breaks rule ${error.message}\n`);
    return 1;
  }
}

process.exitCode = main(process.argv.slice(2));
