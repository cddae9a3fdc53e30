"""The clients of scripts/chaos, and the upstream behind nginx: none of them does what it should."""

import collections
import http.client
import json
import random
import re
import socket
import struct
import threading
import time

counts = collections.Counter()
stop = threading.Event()
# Of all clients: sessions, URLs of HTTP+SSE that messages are posted to, and ids of events that somebody has seen.
sessions = collections.deque([""], 100)
endpoints = collections.deque(["/mcp?session_id=x"], 100)
ids = collections.deque(["get:1:1"], 1000)

HANDSHAKE = (
    b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mcp\r\n\r\n"
)
CONDITIONS = ("If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range")
TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG = 1, 0, 2, 8, 9, 10


def upstream(port):
    """Is gone for a moment now and then."""
    while not stop.is_set():
        with socket.create_server(("127.0.0.1", port), backlog=512) as listener:
            for _ in range(random.randrange(1, 2000)):
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()
        time.sleep(random.random() / 2)


def serve(connection):
    try:
        connection.settimeout(3)
        connection.recv(65536)
        act = random.randrange(8)
        if act == 0:
            return  # without a word
        head = b"HTTP/1.1 200 OK\r\nContent-Type: " + random.choice(
            [b"text/event-stream", b"application/x-ndjson", b"application/json", b"text/plain"]
        )
        ends = [b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", b"\r\nContent-Length: 50\r\n\r\n"]
        connection.sendall(head + random.choice(ends))
        for number in range(random.randrange(30)):
            events = [b'data: {"progress":%d}\n\n' % number, b"event: log\ndata: x\n\n", b"event: retry\ndata: 20\n\n"]
            connection.sendall(random.choice([*events, b"x" * random.randrange(5000), b"\n\n", b"5\r\nabcde\r\n"]))
            if act < 4:
                time.sleep(random.random() / 50)
        if act == 5:
            reset(connection)
        elif act == 6:
            time.sleep(1.5)
    except OSError:
        pass
    finally:
        connection.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def frame(opcode, payload, last=True):
    """A client's frame; the mask changes nothing."""
    length = len(payload)
    size = struct.pack("!BH", 0x80 | 126, length) if 125 < length < 65536 else bytes([0x80 | min(length, 125)])
    return bytes([(0x80 if last else 0) | opcode]) + size + bytes(4) + payload


class Client:
    """One thread that does one thing after the other."""

    def __init__(self, port, reconnects):
        self.port, self.session, self.reconnects = port, None, reconnects

    def run(self):
        acts = [self.call, self.call, self.listen, self.get, self.publish, self.half, self.initialize, self.slow, self.end]
        acts += [self.stay, self.reconnect, self.cancel]
        acts += [self.websocket, self.websocket, self.websocket, self.half_handshake, self.half_frame, self.slow_socket]
        acts += [self.sse, self.sse, self.slow_sse, self.post_to_any]
        if self.reconnects:
            acts = [*[self.reconnect] * 6, *[self.stay] * 3, self.listen, self.publish, self.initialize, self.cancel, self.end]
            acts += [self.websocket, self.sse, self.post_to_any]
        while not stop.is_set():
            act = random.choice(acts)
            counts[act.__name__] += 1
            try:
                act()
            except (OSError, http.client.HTTPException, ValueError):
                counts["errors"] += 1

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        # Who comes back does not wait for what may never come.
        connection.settimeout(random.choice([0.02, 0.1, 0.5] if self.reconnects else [0.2, 1, 5]))
        return connection

    def leave(self, connection):
        """After a while, in one way or another."""
        for _ in range(random.randrange(6)):
            part = connection.recv(random.choice([1, 100, 65536]))
            ids.extend(found.decode("latin-1") for found in re.findall(rb"^id: ?(.+)$", part, re.M))
            if not part:
                break
        if random.random() < 0.3:
            reset(connection)
        connection.close()

    # Streamable HTTP

    def body(self, method, params):
        meta = {"protocolVersion": "2026-07-28", "clientInfo": {"name": "c", "version": "1"}, "clientCapabilities": {}}
        meta = {f"io.modelcontextprotocol/{name}": value for name, value in meta.items()}
        params = {**params, "_meta": {**meta, "progressToken": random.choice([1, "t"])}}
        return json.dumps({"jsonrpc": "2.0", "id": random.randrange(99), "method": method, "params": params})

    def message(self, method, params):
        body = self.body(method, params)
        name = f"Mcp-Name: {params['name']}\r\n" if "name" in params else ""
        return (
            f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Method: {method}\r\nMCP-Protocol-Version: 2026-07-28\r\n{name}"
            f"Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def call(self):
        connection = self.connect()
        connection.sendall(self.message("tools/call", {"name": "work", "arguments": {"text": "x" * random.randrange(2000)}}))
        self.leave(connection)

    def listen(self):
        connection = self.connect()
        connection.sendall(self.message("subscriptions/listen", {"notifications": {"toolsListChanged": random.random() < 0.8}}))
        self.leave(connection)

    def half(self):
        connection = self.connect()
        whole = self.message("tools/call", {"name": "work", "arguments": {}})
        connection.sendall(whole[: random.randrange(len(whole))])
        self.leave(connection) if random.random() < 0.2 else connection.close()

    def slow(self):
        """A listener that reads nothing while much is said."""
        connection = self.connect()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(self.message("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
        time.sleep(random.random())
        connection.close()

    # Sessions

    def initialization(self, version):
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})

    def session_call(self, name):
        params = {"name": name, "arguments": {"text": "x" * random.randrange(2000)}, "_meta": {"progressToken": 1}}
        return {"jsonrpc": "2.0", "id": random.randrange(9), "method": "tools/call", "params": params}

    def cancellation(self):
        return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": random.randrange(9)}}

    def initialize(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        headers = {"Host": "localhost", "Content-Type": "application/json", "Accept": "application/json"}
        client.request("POST", "/mcp", self.initialization("2025-11-25"), headers)
        self.session = client.getresponse().getheader("Mcp-Session-Id")
        sessions.append(self.session)
        client.close()

    def post(self, message, target="/mcp"):
        """In a session, which the target may name."""
        connection = self.connect()
        body = json.dumps(message)
        session = "" if "session_id" in target else f"Mcp-Session-Id: {self.session}\r\n"
        connection.sendall(
            f"POST {target} HTTP/1.1\r\nHost: localhost\r\n{session}Content-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        self.leave(connection)

    def stay(self):
        self.post(self.session_call("stay"))

    def cancel(self):
        self.post(self.cancellation())

    def last_id(self):
        seen = random.choice(ids)
        now = int(time.time())
        return random.choice(
            [
                seen,
                seen,
                "",
                "x" * random.choice([200, 7000, 20000]),
                "+".join([seen] * 100)[:7000],
                "\xff\xfe\x80" * 5,
                f"get:{now * 1000 + 10**6}:0",
                f"get:{2**64 - 1}:{2**64 - 1}",
                "get:-1:-1",
                f"{now}:1",
                f"{now}:[0],-",
                f"{random.randrange(16**32):032x}:{now}000:0",
                seen[: random.randrange(len(seen) + 1)],
            ]
        )

    def reconnect(self):
        """Whatever a client may bring back, to whatever session."""
        lines = [f"Mcp-Session-Id: {random.choice([self.session, self.session, random.choice(sessions)])}"]
        for name in ("Last-Event-ID", "Last-Event-ID", *CONDITIONS):
            if random.random() < 0.6:
                lines.append(f"{name}: {self.last_id()}")
        head = "\r\n".join(["GET /mcp HTTP/1.1", "Host: localhost", "Accept: text/event-stream", *lines])
        connection = self.connect()
        connection.sendall(head.encode("latin-1") + b"\r\n\r\n")
        self.leave(connection)

    def get(self):
        last = random.choice(["get:1:1", "get:99999999999:0", "-1:[5],3", "1:[-5],3", "x" * 200, "get:0:0", ""])
        connection = self.connect()
        connection.sendall(
            f"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {self.session}\r\n"
            f"Last-Event-ID: {last}\r\nIf-None-Match: {last}\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n\r\n".encode()
        )
        self.leave(connection)

    def end(self):
        connection = self.connect()
        connection.sendall(f"DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {self.session}\r\n\r\n".encode())
        self.leave(connection)

    def publish(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        session = random.choice([None, self.session, "unknown"])
        note = {"method": "notifications/message", "params": {"level": "info", "data": "x" * random.randrange(20000)}}
        body = json.dumps(random.choice([note, {"method": "notifications/tools/list_changed"}, [note] * 5, {}, 7]))
        target = f"/publish?session={session}" if session else "/publish"
        client.request("POST", target, body, {"Host": "localhost", "Content-Type": "application/json"})
        if random.random() < 0.7:
            client.getresponse().read()
        client.close()

    # WebSocket

    def opened(self):
        connection = self.connect()
        connection.sendall(HANDSHAKE)
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(1)
            if not part:
                raise OSError("no handshake")
            head += part
        return connection

    def text(self):
        """A message, of whatever revision."""
        call = {"name": "work", "arguments": {"text": "x" * random.randrange(2000)}}
        return random.choice(
            [
                self.body("tools/call", call),
                self.body("tools/call", call),
                self.body("subscriptions/listen", {"notifications": {"toolsListChanged": True}}),
                self.body("tools/list", {}),
                self.initialization(random.choice(["2025-03-26", "2025-06-18", "2025-11-25"])),
                json.dumps(self.session_call("stay")),
                json.dumps([self.session_call("work"), self.session_call("stay")]),
                json.dumps(self.cancellation()),
                "{nonsense",
            ]
        ).encode()

    def frames(self):
        text = self.text()
        cut = random.randrange(len(text) + 1)
        whole = frame(TEXT, text)
        return random.choice(
            [
                whole,
                whole,
                whole,
                frame(TEXT, text[:cut], False) + frame(PING, b"?") + frame(CONTINUATION, text[cut:]),
                frame(PING, b"x" * random.randrange(125)),
                frame(PONG, b""),
                *random.choices([b"", frame(CLOSE, b"\x03\xe8"), frame(BINARY, text), frame(CONTINUATION, text), b"\xff" * 20]),
            ]
        )

    def websocket(self):
        connection = self.opened()
        for _ in range(random.randrange(1, 10)):
            connection.sendall(self.frames())
            if random.random() < 0.3:
                connection.recv(65536)
        self.leave(connection)

    def half_handshake(self):
        connection = self.connect()
        connection.sendall(HANDSHAKE[: random.randrange(len(HANDSHAKE))])
        self.leave(connection) if random.random() < 0.2 else connection.close()

    def half_frame(self):
        connection = self.opened()
        whole = frame(TEXT, self.text()) + frame(TEXT, self.text())
        connection.sendall(whole[: random.randrange(len(whole))])
        if random.random() < 0.5:
            reset(connection)
        connection.close()

    def slow_socket(self):
        """Asks for much and reads nothing of it."""
        connection = self.opened()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.sendall(b"".join(frame(TEXT, self.text()) for _ in range(random.randrange(200))))
        time.sleep(random.random())
        connection.close()

    # HTTP+SSE

    def sse_stream(self):
        connection = self.connect()
        connection.sendall(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        received = b""
        while not (found := re.search(rb"data: (/mcp\S+)\n", received)):
            part = connection.recv(65536)
            if not part:
                raise OSError("no endpoint")
            received += part
        endpoints.append(found[1].decode())
        return connection, endpoints[-1]

    def post_to(self, endpoint):
        messages = [json.loads(self.initialization("2024-11-05")), self.session_call("work"), self.session_call("stay")]
        self.post(random.choice([*messages, *messages, self.cancellation(), [self.session_call("work")], {}]), endpoint)

    def sse(self):
        connection, endpoint = self.sse_stream()
        for _ in range(random.randrange(5)):
            self.post_to(endpoint)
        self.leave(connection)

    def slow_sse(self):
        connection, endpoint = self.sse_stream()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        for _ in range(random.randrange(20)):
            self.post_to(endpoint)
        time.sleep(random.random())
        connection.close()

    def post_to_any(self):
        """To a session of somebody, who may have left long ago."""
        self.post_to(random.choice(endpoints))
