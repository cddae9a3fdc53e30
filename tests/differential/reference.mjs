// The same offers by the TypeScript SDK: version 1 for revisions with sessions, version 2 for 2026-07-28.
//   reference.mjs PORT PICTURE CONTENT (base64; JSON)

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import * as v1 from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import * as v2 from '@modelcontextprotocol/server';
import { z } from 'zod';

const [port, picture, kinds] = process.argv.slice(2);
const note = 'Buy milk';

function twin(sdk, schema) {
    const info = { name: 'twin', version: '1.0.0' };
    const server = new sdk.McpServer(info, { instructions: 'Made to be compared.' });
    const text = (text, more) => ({ content: [{ type: 'text', text }], ...more });
    const contents = (uri, more) => ({ contents: [{ uri: uri.href, ...more }] });
    server.registerTool('hello', { description: 'Say hello.', inputSchema: schema({ name: z.string() }) },
        ({ name }) => text(`Hello, ${name}!`));
    server.registerTool('add', {
        description: 'Add two numbers.',
        inputSchema: schema({ a: z.number().int(), b: z.number().int() }),
        outputSchema: schema({ sum: z.number().int() }),
    }, ({ a, b }) => text(JSON.stringify({ sum: a + b }), { structuredContent: { sum: a + b } }));
    server.registerTool('picture', { description: 'A picture.' },
        () => ({ content: [{ type: 'image', data: picture, mimeType: 'image/png' }] }));
    server.registerTool('kinds', { description: 'What else there is.' }, () => ({ content: JSON.parse(kinds) }));
    server.registerTool('fail', { description: 'Fails.' }, () => { throw new Error('it is broken'); });
    server.registerResource('today', 'note://today', { mimeType: 'text/plain' },
        uri => contents(uri, { mimeType: 'text/plain', text: note }));
    server.registerResource('dot', 'picture://dot', { mimeType: 'image/png' },
        uri => contents(uri, { mimeType: 'image/png', blob: picture }));
    const days = value => ['monday', 'tuesday'].filter(day => day.startsWith(value));
    const template = new sdk.ResourceTemplate('note://days/{day}', { list: undefined, complete: { day: days } });
    server.registerResource('day', template, { mimeType: 'text/plain' },
        (uri, { day }) => contents(uri, { mimeType: 'text/plain', text: `${note} on ${day}` }));
    server.registerPrompt('greet', { description: 'Draft a greeting.', argsSchema: schema({ name: z.string() }) },
        ({ name }) => ({ messages: [{ role: 'user', content: { type: 'text', text: `Greet ${name}.` } }] }));
    return server;
}

// ---- version 1, a transport for each session

const sessions = new Map();

async function legacy(request, response, body) {
    let transport = sessions.get(request.headers['mcp-session-id']);
    if (!transport && body?.method === 'initialize') {
        transport = new StreamableHTTPServerTransport({
            enableJsonResponse: true,
            sessionIdGenerator: randomUUID,
            onsessioninitialized: id => sessions.set(id, transport),
            onsessionclosed: id => sessions.delete(id),
        });
        await twin(v1, shape => shape).connect(transport);
    }
    if (!transport) {
        const status = request.headers['mcp-session-id'] ? 404 : 400;
        response.writeHead(status, { 'Content-Type': 'application/json' });
        response.end(JSON.stringify({ jsonrpc: '2.0', error: { code: -32000, message: 'no session' }, id: null }));
        return;
    }
    await transport.handleRequest(request, response, body);
}

// ---- version 2

const handler = v2.createMcpHandler(() => twin(v2, shape => z.object(shape)), { legacy: 'reject' });

async function modern(request, response, text) {
    const headers = new Headers(Object.entries(request.headers).filter(([name]) => name !== 'connection'));
    const asked = new Request(`http://127.0.0.1:${port}${request.url}`,
        { method: request.method, headers, body: text.length ? text : undefined });
    const answer = await (handler.fetch ?? handler)(asked);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    for await (const part of answer.body ?? []) response.write(part);
    response.end();
}

createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts);
    if (request.url === '/modern') return modern(request, response, text);
    let body;
    try { body = JSON.parse(text); } catch { body = undefined; }
    // What is not JSON is for the SDK to refuse.
    if (body === undefined && text.length) {
        request[Symbol.asyncIterator] = async function* () { yield text; };
    }
    await legacy(request, response, body);
}).listen(Number(port), '127.0.0.1');
