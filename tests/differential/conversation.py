"""One conversation with any server: what is said, and how what comes back is written down."""

import http.client
import json
import urllib.parse

LEGACY = ["2025-03-26", "2025-06-18", "2025-11-25"]
MODERN = "2026-07-28"
REVISIONS = [*LEGACY, MODERN]

CLIENT = {"name": "comparer", "version": "1.0.0"}
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}

# (name, method, params); every revision is asked all of it.
QUESTIONS = [
    ("list tools", "tools/list", {}),
    ("hello", "tools/call", {"name": "hello", "arguments": {"name": "Ada"}}),
    ("add", "tools/call", {"name": "add", "arguments": {"a": 2, "b": 40}}),
    ("picture", "tools/call", {"name": "picture", "arguments": {}}),
    ("kinds", "tools/call", {"name": "kinds", "arguments": {}}),
    ("no arguments at all", "tools/call", {"name": "picture"}),
    ("failing tool", "tools/call", {"name": "fail", "arguments": {}}),
    ("wrong argument", "tools/call", {"name": "add", "arguments": {"a": "two", "b": 40}}),
    ("missing argument", "tools/call", {"name": "hello", "arguments": {}}),
    ("unknown tool", "tools/call", {"name": "nothing", "arguments": {}}),
    ("call without a name", "tools/call", {}),
    ("list resources", "resources/list", {}),
    ("list templates", "resources/templates/list", {}),
    ("read text", "resources/read", {"uri": "note://today"}),
    ("read blob", "resources/read", {"uri": "picture://dot"}),
    ("read from template", "resources/read", {"uri": "note://days/monday"}),
    ("read nothing", "resources/read", {"uri": "note://nowhere/at/all"}),
    ("list prompts", "prompts/list", {}),
    ("prompt", "prompts/get", {"name": "greet", "arguments": {"name": "Ada"}}),
    ("prompt without its argument", "prompts/get", {"name": "greet"}),
    ("unknown prompt", "prompts/get", {"name": "nothing"}),
    (
        "complete",
        "completion/complete",
        {"ref": {"type": "ref/resource", "uri": "note://days/{day}"}, "argument": {"name": "day", "value": "tu"}},
    ),
    ("unknown method", "nothing/at/all", {}),
    ("ping", "ping", {}),
    ("invalid cursor", "tools/list", {"cursor": "nonsense"}),
]


class Conversation:
    """With one server, in one revision. `seen` gets what came of each step."""

    def __init__(self, url, revision):
        self.url, self.revision = urllib.parse.urlsplit(url), revision
        self.session, self.last_id, self.seen = None, 0, {}

    def post(self, body, headers):
        return self.send("POST", body, {"Content-Type": "application/json", **headers})

    def send(self, method, body, headers, read=None):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=30)
        lines = {"Accept": "application/json, text/event-stream", **headers}
        connection.request(method, self.url.path, body, {name: value for name, value in lines.items() if value})
        response = connection.getresponse()
        text = (read or http.client.HTTPResponse.read)(response).decode()
        connection.close()
        return response, text

    def listen(self):
        """Opens a stream, of which the first message is written down."""
        params = {"notifications": {"toolsListChanged": True, "resourceSubscriptions": ["note://today"]}, "_meta": META}
        message = {"jsonrpc": "2.0", "id": 4712, "method": "subscriptions/listen", "params": params}
        lines = {"Content-Type": "application/json", **self.headers("subscriptions/listen", params)}
        self.note("listen", *self.send("POST", json.dumps(message), lines, first_event))

    def headers(self, method, params):
        if self.revision == MODERN:
            name = params.get("name", params.get("uri"))
            return {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, "Mcp-Name": name}
        version = self.revision if self.revision != "2025-03-26" else None
        return {"Mcp-Session-Id": self.session, "MCP-Protocol-Version": version}

    def ask(self, step, method, params, **changed):
        """Asks, and writes down what came. `changed` are header lines; None leaves one out."""
        self.last_id += 1
        if self.revision == MODERN:
            params = {**params, "_meta": META}
        message = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params}
        lines = {**self.headers(method, params), **{name.replace("_", "-"): value for name, value in changed.items()}}
        return self.note(step, *self.post(json.dumps(message), lines), method)

    def note(self, step, response, text, method=None):
        self.seen[step] = {"status": response.status, "method": method, "message": message_in(response, text)}
        return response

    def run(self):
        if self.revision == MODERN:
            self.ask("discover", "server/discover", {})
        else:
            params = {"protocolVersion": self.revision, "capabilities": {}, "clientInfo": CLIENT}
            self.session = self.ask("initialize", "initialize", params).getheader("Mcp-Session-Id")
            self.tell("initialized", "notifications/initialized")
        for step, method, params in QUESTIONS:
            self.ask(step, method, params)
        self.tell("unknown notification", "notifications/nothing")
        self.tell("cancellation of nothing", "notifications/cancelled", {"requestId": 4711})
        lines = self.headers("tools/list", {})
        self.note("not JSON", *self.post("{", lines))
        self.note("not JSON-RPC", *self.post('{"id": 1}', lines))
        self.note("a batch", *self.post('[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', lines))
        self.note("PUT", *self.send("PUT", "{}", lines))
        self.ask("wrong version", "tools/list", {}, MCP_Protocol_Version="1999-01-01")
        self.ask("wrong content type", "tools/list", {}, Content_Type="text/plain")
        if self.revision == MODERN:
            self.listen()
            self.ask("without a version", "tools/list", {}, MCP_Protocol_Version=None)
            self.ask("without a method", "tools/list", {}, Mcp_Method=None)
            self.ask("another method", "tools/list", {}, Mcp_Method="prompts/list")
            self.ask("another name", "tools/call", {"name": "hello", "arguments": {}}, Mcp_Name="add")
        else:
            self.ask("subscribe", "resources/subscribe", {"uri": "note://today"})
            self.ask("unsubscribe", "resources/unsubscribe", {"uri": "note://today"})
            self.ask("unknown session", "tools/list", {}, Mcp_Session_Id="nonsense")
            self.ask("without a session", "tools/list", {}, Mcp_Session_Id=None)
            self.note("delete", *self.send("DELETE", None, self.headers("", {})))
            self.ask("after it", "tools/list", {})
        return self.seen

    def tell(self, step, method, params=None):
        params = {**(params or {}), **({"_meta": META} if self.revision == MODERN else {})}
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        self.note(step, *self.post(json.dumps(message), self.headers(method, {})))


def first_event(response):
    """A stream up to the end of its first event with data; whatever is no stream, whole."""
    if not (response.getheader("Content-Type") or "").startswith("text/event-stream"):
        return response.read()
    text = b""
    while line := response.readline():
        text += line
        if line.startswith(b"data: {"):
            break
    return text


def message_in(response, text):
    """The last message of an answer, be it JSON or a stream."""
    kind = response.getheader("Content-Type") or ""
    if kind.startswith("text/event-stream"):
        lines = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")]
        text = [line for line in lines if line][-1]
    elif not kind.startswith("application/json"):
        return f"<{kind.split(';')[0]}>" if text else None
    try:
        return json.loads(text)
    except ValueError:
        return f"<not JSON: {text}>" if text else None
