// A server on the TypeScript SDK, its tool by undici: sdk_2.mjs PORT UPSTREAM

import { createServer } from 'node:http';
import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { Pool } from 'undici';
import { z } from 'zod';

const [port, upstream] = process.argv.slice(2);
const pool = new Pool(upstream, { connections: 64 });
const inputSchema = z.object({ id: z.number().int().min(1), lang: z.enum(['en', 'de']).optional() });

function server() {
    const server = new McpServer({ name: 'inventory', version: '1.4.0' });
    server.registerTool('get_item', { description: 'Look up one item by its id.', inputSchema }, async ({ id, lang }) => {
        const answer = await pool.request({ method: 'GET', path: `/items/${id}?lang=${lang ?? 'en'}` });
        const item = await answer.body.json();
        return { content: [{ type: 'text', text: JSON.stringify(item) }], structuredContent: item };
    });
    return server;
}

createServer(toNodeHandler(createMcpHandler(server))).listen(Number(port), '127.0.0.1');
