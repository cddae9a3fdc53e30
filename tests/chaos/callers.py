"""The clients of scripts/chaos --reloads, and the upstream behind nginx: all of them do what they should."""

import http.client
import json
import socketserver
import threading

stop = threading.Event()
META = {"protocolVersion": "2026-07-28", "clientInfo": {"name": "c", "version": "1"}, "clientCapabilities": {}}
META = {f"io.modelcontextprotocol/{name}": value for name, value in META.items()}
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{"a":1}'


class Upstream(socketserver.ThreadingTCPServer):
    request_queue_size = 512
    daemon_threads = True


class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        self.wfile.write(ANSWER)


def upstream(port):
    Upstream(("127.0.0.1", port), Answer).serve_forever()


class Caller:
    """Lists and calls, each on a connection of its own: nginx closes those that it keeps when it reloads."""

    def __init__(self, port):
        self.port, self.answered, self.lost = port, 0, []

    def send(self, method, params):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}})
        lines = {"Host": "localhost", "Mcp-Method": method, "MCP-Protocol-Version": "2026-07-28"}
        lines |= {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if "name" in params:
            lines["Mcp-Name"] = params["name"]
        connection.request("POST", "/mcp", body, lines)
        return connection.getresponse()

    def run(self):
        while not stop.is_set():
            for method, params in [("tools/list", {}), ("tools/call", {"name": "work", "arguments": {}})]:
                try:
                    answer = self.send(method, params).read()
                    if b'"result"' not in answer or b'"isError":true' in answer:
                        raise ValueError(answer[:200])
                    self.answered += 1
                except (OSError, http.client.HTTPException, ValueError) as error:
                    self.lost.append(repr(error))


class Listener(Caller):
    """Listens, and comes back when its stream ends."""

    def run(self):
        while not stop.is_set():
            try:
                response = self.send("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                while not stop.is_set() and response.readline():
                    pass
                self.answered += 1
            except TimeoutError:
                pass
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
