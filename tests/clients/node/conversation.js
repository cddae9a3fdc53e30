// What every JavaScript client says and hears. A client program only translates its SDK to these shapes.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

process.on("uncaughtException", (error) => {
  process.stderr.write(`${error.stack}\n${error.cause ?? ""}\n`);
  process.exit(1);
});

// What every client answers that is asked: its user, its model, and itself.
export const ANSWERS = {
  "elicitation/create": { action: "accept", content: { seats: 3, name: "Ann" } },
  "sampling/createMessage": { role: "assistant", content: { type: "text", text: "onward" }, model: "m" },
  "roots/list": { roots: [{ uri: "file:///home" }] },
};
export const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };

// A JSON-RPC error.
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export function expectations() {
  const [url, file, revision, transport] = process.argv.slice(2);
  return { url, revision, transport, expected: JSON.parse(readFileSync(file, "utf8")) };
}

// A tool as its revision has it: 2025-03-26 knows no output schemas, and titles among the annotations only; 2024-11-05 neither.
function asListed(listed, revision) {
  if (revision >= "2025-06-18") return listed;
  if (revision < "2025") return { name: listed.name, description: listed.description, inputSchema: listed.inputSchema };
  const { title, outputSchema, ...tool } = listed;
  return title ? { ...tool, annotations: { ...tool.annotations, title } } : tool;
}

// Of tools that are too large to be written down, only the names are expected.
export function checkTools(heard, { tools = [], names }, revision) {
  assert.deepEqual(
    heard.map((tool) => tool.name),
    names ?? tools.map((tool) => tool.name),
  );
  tools.forEach((tool, index) => assert.deepEqual(heard[index], asListed(tool, revision)));
}

export function checkResult(call, { content, structuredContent, isError = false }, revision) {
  const what = `${call.tool} ${JSON.stringify(call.arguments)}`;
  const text = content.map((block) => block.text ?? "").join("\n");
  assert.equal(isError, "error" in call, `isError of ${what}: ${text}`);
  if (call.structured) {
    assert.deepEqual(JSON.parse(text), call.structured, what);
    if (revision >= "2025-06-18") assert.deepEqual(structuredContent, call.structured, what);
  } else if (call.text) {
    assert.deepEqual(content, [{ type: "text", text: call.text }], what);
  } else if (call.image) {
    assert.deepEqual(content, [{ type: "image", ...call.image }], what);
  }
  for (const part of call.error ?? []) assert.ok(text.includes(part), `${what}: no "${part}" in "${text}"`);
}

export function checkRefusal(call, { code, message }) {
  assert.equal(code, call.code, message);
  for (const part of call.error) assert.ok(message.includes(part), `no "${part}" in "${message}"`);
}

async function checkCall(peer, call, revision) {
  if (!call.code) return checkResult(call, await peer.call(call.tool, call.arguments), revision);
  const refused = await peer.call(call.tool, call.arguments).catch((error) => error);
  assert.ok(refused instanceof Refused, `${call.tool} was not refused: ${JSON.stringify(refused)}`);
  checkRefusal(call, refused);
}

// Calls at the same time in one session: the upstream answers none before it has them all.
async function checkMeeting(peer, { tool, size }) {
  const meeting = { name: randomUUID(), size };
  const results = await Promise.all(Array.from({ length: size }, () => peer.call(tool, meeting)));
  const seats = results.map(({ content }) => JSON.parse(content[0].text).seat).sort((a, b) => a - b);
  assert.deepEqual(seats, Array.from({ length: size }, (_, index) => index + 1));
}

// What is said during a call, and between calls, to clients that can hear it.
async function checkNews(peer, { progress, change }, revision) {
  const told = [];
  // Progress has no message in 2024-11-05.
  const expected = progress.told.map(([done, total, message]) => [done, total, revision >= "2025" ? message : undefined]);
  const tell = ({ progress: done, total, message }) => told.push([done, total, message]);
  checkResult({ ...progress, arguments: {} }, await peer.call(progress.tool, {}, tell), revision);
  assert.deepEqual(told, expected);
  if (!change) return;
  const changes = await peer.changes();
  // A session's stream is opened beside everything else, and may not be open yet.
  for (let turn = 0; turn < 50; turn += 1) {
    await peer.call(change.tool, {});
    const pause = new Promise((resolve) => setTimeout(resolve, 200));
    if (await Promise.race([changes.heard.then(() => true), pause])) return changes.close?.();
  }
  assert.fail("the change was not heard of");
}

// `connect(url, revision, complain, transport)` gives the peer, by its usual transport where none is named; whatever the SDK
// complains about is a fault of the server.
export async function main(name, version, connect) {
  const { url, revision, transport, expected } = expectations();
  const complaints = [];
  const complain = (...words) => complaints.push(words.map(String).join(" "));
  console.warn = console.error = complain;
  process.on("warning", complain);

  const peer = await connect(url, revision, complain, transport);
  assert.equal(peer.revision, revision);
  assert.deepEqual({ name: peer.server.name, version: peer.server.version }, expected.server);
  assert.equal(peer.instructions, expected.instructions);
  checkTools(await peer.tools(), expected, revision);
  for (const call of expected.calls) await checkCall(peer, call, revision);
  if (expected.meeting) await checkMeeting(peer, expected.meeting);
  if (expected.news && peer.changes) await checkNews(peer, expected.news, revision);
  if (revision < "2026") await peer.ping();
  await peer.close();
  const unprovoked = complaints.filter((complaint) => !expected.provoked || !complaint.includes(expected.provoked));
  assert.deepEqual(unprovoked, []);
  console.log(name, version, revision);
}
