"""The HTTP service behind the conformance fixture's tools. It knows nothing of MCP beyond the bodies that
`result mcp` takes as they are. Prints its port once it listens."""

import base64
import http.server
import json
import time
import urllib.parse
import urllib.request

import jobs
from questions import ask, text

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAAAAA=="


def resource(uri, mime_type, value):
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": value}}


EMBEDDED = resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")
MIXED = [
    text("Multiple content types test:"),
    {"type": "image", "data": PNG, "mimeType": "image/png"},
    resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
]
# path: status, media type, body
ANSWERS = {
    "/trigger-tool-change": (200, "text/plain", b"The tools have changed."),
    "/trigger-prompt-change": (200, "text/plain", b"The prompts have changed."),
    "/simple-text": (200, "text/plain", b"This is a simple text response for testing."),
    "/image": (200, "image/png", base64.b64decode(PNG)),
    "/audio": (200, "audio/wav", base64.b64decode(WAV)),
    "/embedded-resource": (200, "application/json", {"content": [EMBEDDED]}),
    "/mixed-content": (200, "application/json", {"content": MIXED}),
    "/error": (500, "text/plain", b"This tool intentionally returns an error for testing"),
    "/suggestions": (200, "application/json", {"values": ["testValue1", "testValue2"], "total": 2}),
    "/address": (200, "application/json", {"accepted": True}),
}


# path: events that come one after the other
STREAMS = {
    "/with-logging": [("log", {"level": "info", "data": f"step {step}"}) for step in (1, 2, 3)],
    "/reconnection": [("retry", "200"), ("ping", ""), ("ping", ""), ("ping", "")],
    "/with-progress": [("progress", {"progress": progress, "total": 100}) for progress in (0, 50, 100)],
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet
    disable_nagle_algorithm = True

    def answer(self):
        url = urllib.parse.urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        location = None
        if url.path == "/trigger-tool-change":
            self.publish({"method": "notifications/tools/list_changed"})
        if url.path == "/trigger-prompt-change":
            self.publish({"method": "notifications/prompts/list_changed"})
        if url.path in STREAMS:
            self.stream(STREAMS[url.path])
            return
        if url.path == "/echo":
            value = urllib.parse.parse_qs(url.query).get("value", [""])[0]
            status, media_type, body = 200, "text/plain", value.encode()
        elif url.path == "/prompt-with-resource":
            embedded = resource(json.loads(sent)["resourceUri"], "text/plain", "Embedded resource content for testing.")
            messages = [{"role": "user", "content": content} for content in (embedded, text("Process the resource above."))]
            status, media_type, body = 200, "application/json", {"messages": messages}
        elif url.path == "/greet":
            status, media_type, body = 200, "text/plain", f"Hello, {json.loads(sent)['name']}!".encode()
        elif url.path.startswith("/start/"):
            status, body, location = jobs.call(url.path, json.loads(sent))
            media_type = "application/json"
        elif url.path.startswith("/jobs/"):
            status, body = jobs.look(url.path, self.command, json.loads(sent or b"{}"))
            media_type = "application/json" if isinstance(body, dict) else "text/plain"
        elif url.path.startswith("/ask/"):
            body = ask(url.path, json.loads(sent), self.headers.get("X-Capabilities", "").split())
            status, media_type = 200, "application/json"
        elif url.path.startswith("/data/"):
            data = {"id": url.path.removeprefix("/data/"), "templateTest": True}
            status, media_type, body = 200, "application/json", data
        else:
            status, media_type, body = ANSWERS.get(url.path, (404, "text/plain", b"no such path"))
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        if isinstance(body, str):
            body = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def publish(self, notification):
        body, headers = json.dumps(notification).encode(), {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(self.headers["X-Publish"], body, headers)).close()

    def stream(self, events):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for name, data in [*events, ("result", "All steps are done.")]:
            self.wfile.write(f"event: {name}\ndata: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode())
            self.wfile.flush()
            time.sleep(0.05)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
