// Writes the JSON schemas of the specification, which the suite has inside of it, as <revision>/schema.json into a directory.
//
//   node schemas.mjs SUITE DIRECTORY

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// In the order in which the suite has them, each with a definition that no revision before it has.
const REVISIONS = [
  ["2025-03-26", "AudioContent"],
  ["2025-06-18", "ElicitRequest"],
  ["2025-11-25", "Icon"],
  ["2026-07-28", "DiscoverResult"],
];

const [suite, directory] = process.argv.slice(2);
const source = readFileSync(suite, "utf8");
const schemas = [...source.matchAll(/=(\{\$schema:`[^`]*`,(?:definitions|\$defs):)/g)]
  .map((match) => new Function(`return ${literal(source, match.index + 1)}`)())
  .filter((schema) => (schema.definitions ?? schema.$defs).JSONRPCRequest);

if (schemas.length !== REVISIONS.length) {
  throw new Error(`the suite has ${schemas.length} schemas of the specification, not ${REVISIONS.length}`);
}
schemas.forEach((schema, index) => {
  const [revision, definition] = REVISIONS[index];
  const definitions = schema.definitions ?? schema.$defs;
  const later = REVISIONS.slice(index + 1).find(([, name]) => name in definitions);
  if (!(definition in definitions) || later) {
    throw new Error(`schema ${index} of the suite is not that of ${revision}`);
  }
  mkdirSync(join(directory, revision), { recursive: true });
  writeFileSync(join(directory, revision, "schema.json"), JSON.stringify(schema));
});

// The object literal that begins at a place.
function literal(text, start) {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const letter = text[at];
    if ("\"'`".includes(letter)) {
      while (text[++at] !== letter) at += text[at] === "\\" ? 1 : 0;
    } else if (letter === "{") {
      depth++;
    } else if (letter === "}" && --depth === 0) {
      return text.slice(start, at + 1);
    }
  }
  throw new Error("a schema of the suite has no end");
}
