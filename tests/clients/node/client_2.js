// The client package of the TypeScript SDK's second major version.

import { readFileSync } from "node:fs";
import { Client, ProtocolError, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { ANSWERS, CAPABILITIES, main, Refused } from "./conversation.js";

async function connect(url, revision, complain) {
  const options =
    revision < "2026" ? { supportedProtocolVersions: [revision] } : { versionNegotiation: { mode: "auto" } };
  const client = new Client({ name: "client", version: "2" }, { ...options, capabilities: CAPABILITIES });
  for (const [method, answer] of Object.entries(ANSWERS)) client.setRequestHandler(method, () => answer);
  const transport = new StreamableHTTPClientTransport(new URL(url));
  client.onerror = complain;
  const changed = new Promise((resolve) =>
    client.setNotificationHandler("notifications/tools/list_changed", resolve),
  );
  await client.connect(transport);
  return {
    revision: client.getNegotiatedProtocolVersion(),
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    tools: async () => (await client.listTools()).tools,
    call: (name, args, onprogress) => client.callTool({ name, arguments: args }, { onprogress }).catch(refuse),
    changes: async () => {
      const listening = revision < "2026" ? undefined : await client.listen({ toolsListChanged: true });
      return { heard: changed, close: () => listening?.close() };
    },
    ping: () => client.ping(),
    close: async () => {
      await transport.terminateSession();
      await client.close();
    },
  };
}

function refuse(error) {
  throw error instanceof ProtocolError ? new Refused(error.code, error.message) : error;
}

const path = new URL("./node_modules/@modelcontextprotocol/client/package.json", import.meta.url);
const { name, version } = JSON.parse(readFileSync(path));
await main(name, version, connect);
