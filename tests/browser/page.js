// A page that talks to an MCP server by everything that a browser has for it, and tells its own server how that went.
//   ?url=URL             of the MCP location
//   &expect=served       (or refused)

const query = new URLSearchParams(location.search);
const url = query.get("url");
const patience = 20000;

const info = { name: "browser", version: "1" };
const initialize = (version) => ({
    jsonrpc: "2.0", id: 0, method: "initialize",
    params: { protocolVersion: version, capabilities: {}, clientInfo: info },
});
const initialized = { jsonrpc: "2.0", method: "notifications/initialized" };
const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
const call = { jsonrpc: "2.0", id: 2, method: "tools/call", params: { name: "count", arguments: {}, _meta: { progressToken: "p" } } };
const json = { "Content-Type": "application/json", Accept: "application/json, text/event-stream" };

function check(holds, what) {
    if (!holds) throw new Error(what);
}

/** Messages as they come, and who waits for the next one. */
class Inbox {
    #messages = [];
    #waiting = [];

    put(message) {
        const next = this.#waiting.shift();
        if (next) next(message);
        else this.#messages.push(message);
    }

    async next() {
        return this.#messages.shift() ?? (await new Promise((resolve) => this.#waiting.push(resolve)));
    }
}

/** Lists, calls, and hears of a change, by `say` and what comes of it. */
async function converse(say, inbox, version) {
    await say(initialize(version));
    const hello = await inbox.next();
    check(hello.id === 0 && hello.result.serverInfo, `initialize: ${JSON.stringify(hello)}`);
    await say(initialized);
    await say(list);
    const tools = await inbox.next();
    check(tools.id === 1 && tools.result.tools[0].name === "count", `tools/list: ${JSON.stringify(tools)}`);
    await say(call);
    for (const number of [1, 2]) {
        const progress = await inbox.next();
        check(progress.params?.progressToken === "p" && progress.params.progress === number, `progress: ${JSON.stringify(progress)}`);
    }
    const counted = await inbox.next();
    check(counted.id === 2 && counted.result.content[0].text.includes("two"), `tools/call: ${JSON.stringify(counted)}`);
    await publish();
    const change = await inbox.next();
    check(change.method === "notifications/tools/list_changed", `published: ${JSON.stringify(change)}`);
}

/** By the page's own server, which is the same. */
async function publish() {
    const body = JSON.stringify({ method: "notifications/tools/list_changed" });
    const response = await fetch("/publish", { method: "POST", headers: json, body });
    check(response.status === 200, `publish: ${response.status}`);
}

async function webSocket() {
    const socket = new WebSocket(url.replace(/^http/, "ws"), "mcp");
    const inbox = new Inbox();
    socket.onmessage = (event) => inbox.put(JSON.parse(event.data));
    await new Promise((resolve, reject) => {
        socket.onopen = resolve;
        socket.onerror = () => reject(new Error("refused"));
    });
    check(socket.protocol === "mcp", `subprotocol: ${socket.protocol}`);
    await converse((message) => socket.send(JSON.stringify(message)), inbox, "2025-11-25");
    const closed = new Promise((resolve) => (socket.onclose = resolve));
    socket.close(1000);
    const { code, wasClean } = await closed;
    check(code === 1000 && wasClean, `closed with ${code}`);
}

async function eventSource() {
    const source = new EventSource(url);
    const inbox = new Inbox();
    source.onmessage = (event) => inbox.put(JSON.parse(event.data));
    const endpoint = await new Promise((resolve, reject) => {
        source.addEventListener("endpoint", (event) => resolve(new URL(event.data, url)));
        source.onerror = () => reject(new Error("refused"));
    });
    const say = async (message) => {
        const response = await fetch(endpoint, { method: "POST", headers: json, body: JSON.stringify(message) });
        check(response.status === 202, `POST: ${response.status}`);
    };
    await converse(say, inbox, "2024-11-05");
    source.close();
}

/** Reads events and hands on their messages. */
async function read(response, inbox) {
    let text = "";
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
            const data = text.slice(0, end).match(/^data: (.+)$/m);
            if (data) inbox.put(JSON.parse(data[1]));
        }
    }
}

async function streamableHttp() {
    const version = "2025-11-25";
    const headers = { ...json };
    const inbox = new Inbox();
    const say = async (message) => {
        const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(message) });
        check(response.ok, `${message.method}: ${response.status}`);
        if (message.method === "initialize") {
            const session = response.headers.get("Mcp-Session-Id");
            check(session, "no Mcp-Session-Id that a page can read");
            Object.assign(headers, { "Mcp-Session-Id": session, "MCP-Protocol-Version": version });
        }
        if (message === initialized) {
            const stream = await fetch(url, { headers: { ...headers, Accept: "text/event-stream" } });
            check(stream.status === 200, `GET: ${stream.status}`);
            read(stream, inbox).catch(() => {});
        } else if (response.headers.get("Content-Type") === "text/event-stream") {
            await read(response, inbox);
        } else {
            inbox.put(await response.json());
        }
    };
    await converse(say, inbox, version);
    const ended = await fetch(url, { method: "DELETE", headers });
    check(ended.status === 204, `DELETE: ${ended.status}`);
    const meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": info,
        "io.modelcontextprotocol/clientCapabilities": {},
    };
    const response = await fetch(url, {
        method: "POST",
        headers: { ...json, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list" },
        body: JSON.stringify({ ...list, params: { _meta: meta } }),
    });
    check((await response.json()).result.tools[0].name === "count", "tools/list of 2026-07-28");
}

const verdict = {};
for (const way of [webSocket, eventSource, streamableHttp]) {
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("took too long")), patience));
    verdict[way.name] = await Promise.race([way(), late]).then(() => "served", (error) => `${error.name}: ${error.message}`);
}
await fetch("/verdict", { method: "POST", body: JSON.stringify(verdict) });
