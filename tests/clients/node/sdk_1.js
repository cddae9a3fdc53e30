// The TypeScript SDK `@modelcontextprotocol/sdk` 1.x.

import { readFileSync } from "node:fs";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { WebSocketClientTransport } from "@modelcontextprotocol/sdk/client/websocket.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  McpError,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { ANSWERS, CAPABILITIES, main, Refused } from "./conversation.js";

const TRANSPORTS = {
  streamable_http: StreamableHTTPClientTransport,
  sse: SSEClientTransport,
  websocket: WebSocketClientTransport,
};

// An older client: the SDK's own handshake always asks for its latest revision. HTTP+SSE has the one, whatever is asked for.
const asking = (Transport) =>
  class extends Transport {
    constructor(url, revision) {
      super(url);
      this.revision = revision;
      this.sent = [];
    }

    send(message, options) {
      if (message.method === "initialize" && this.revision > "2025") message.params.protocolVersion = this.revision;
      const sent = super.send(message, options);
      this.sent.push(sent);
      return sent;
    }

    setProtocolVersion(version) {
      super.setProtocolVersion?.(version);
      this.negotiated = version;
    }
  };

async function connect(url, revision, complain, kind = "streamable_http") {
  const client = new Client({ name: "sdk", version: "1" }, { capabilities: CAPABILITIES });
  for (const schema of [CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema]) {
    client.setRequestHandler(schema, ({ method }) => ANSWERS[method]);
  }
  const transport = new (asking(TRANSPORTS[kind]))(new URL(url), revision);
  client.onerror = complain;
  const changed = new Promise((resolve) => client.setNotificationHandler(ToolListChangedNotificationSchema, resolve));
  await client.connect(transport);
  return {
    revision: transport.negotiated,
    server: client.getServerVersion(),
    instructions: client.getInstructions(),
    tools: async () => (await client.listTools()).tools,
    call: (name, args, onprogress) =>
      client.callTool({ name, arguments: args }, undefined, { onprogress }).catch(refuse),
    changes: async () => ({ heard: changed }),
    ping: () => client.ping(),
    close: async () => {
      // An answer may come on the stream before that of its POST, which closing would cut, and the SDK complain of.
      await Promise.allSettled(transport.sent);
      await transport.terminateSession?.();
      await client.close();
    },
  };
}

function refuse(error) {
  throw error instanceof McpError ? new Refused(error.code, error.message) : error;
}

const path = new URL("./node_modules/@modelcontextprotocol/sdk/package.json", import.meta.url);
const { name, version } = JSON.parse(readFileSync(path));
await main(name, version, connect);
