// The MCP Inspector's CLI: one process and one connection a request.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkResult, checkTools, expectations } from "./conversation.js";

const folder = new URL("./node_modules/@modelcontextprotocol/inspector/", import.meta.url);
const { name, version, bin } = JSON.parse(readFileSync(new URL("package.json", folder)));
const program = fileURLToPath(new URL(bin["mcp-inspector"], folder));
const { url, revision, expected } = expectations();
const era = revision < "2026" ? "legacy" : "modern";

function inspect(method, ...options) {
  const server = ["--cli", url, "--transport", "http", "--protocol-era", era, "--format", "json"];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...server, "--method", method, ...options], {
    encoding: "utf8",
  });
  return { status, stderr, result: stdout && JSON.parse(stdout).result };
}

function checkCall(call) {
  const options = ["--tool-name", call.tool, "--tool-args-json", JSON.stringify(call.arguments)];
  const { status, stderr, result } = inspect("tools/call", ...options);
  // Exit status 5 is a result that is an error, or a tool that the Inspector does not find in the list.
  assert.equal(status, "error" in call ? 5 : 0, stderr);
  if (call.code) assert.equal(JSON.parse(stderr).error.code, "tool_not_found");
  else checkResult(call, result, revision);
}

const { status, stderr, result } = inspect("initialize");
assert.equal(status, 0, stderr);
assert.equal(result.protocolVersion, revision);
assert.deepEqual({ name: result.serverInfo.name, version: result.serverInfo.version }, expected.server);
assert.equal(result.instructions, expected.instructions);

// `--strict` ends with 6 over a schema that other clients could not read.
const listed = inspect("tools/list", "--strict");
assert.deepEqual([listed.status, listed.stderr], [0, ""]);
checkTools(listed.result.tools, expected, revision);
for (const kind of ["structured", "text", "image", "error", "code"]) checkCall(expected.calls.find((call) => kind in call));
console.log(name, version, revision);
