"""What streams cost, in one run.

  event    from the upstream's write of an event to the client's read of it as progress, by each transport, beside a proxy_pass
           without buffering
  fan-out  from a POST to mcp_publish to the client's read, over all listeners
  cpu      the workers' time for each publication, and for each listener that hears of one
  idle     memory of the workers for each listener of a kind that waits, each kind with workers of its own
  reload   until every open stream has ended, and how many of them with a word
  hop      from a POST on one machine to the client's read on another, by Nchan and Redis, if both are here
"""

import http.client
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import threading
import time

CONF = """
{modules}
daemon off; error_log {work}/{name}.log notice; pid {name}.pid; {user}
worker_processes 2; worker_rlimit_nofile 20000;
events {{ worker_connections 15000; }}
http {{
    access_log off; variables_hash_max_size 2048;
    client_body_temp_path temp-body; proxy_temp_path temp-proxy; fastcgi_temp_path temp-fastcgi; uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
    upstream work {{ server 127.0.0.1:{upstream}; }}
    {http}
    server {{
        listen 127.0.0.1:{port} reuseport;
        location = /mcp {{ mcp on; mcp_heartbeat 0; {location} mcp_tool work {{ description d; pass POST http://work/; }} }}
        location = /publish {{ mcp_publish /mcp; }}
        location = /proxy {{ proxy_pass http://work/; proxy_buffering off; proxy_http_version 1.1; }}
    }}
}}
"""
META = "io.modelcontextprotocol/"
HANDSHAKE = b"".join(
    line + b"\r\n"
    for line in (
        b"GET /mcp HTTP/1.1",
        b"Host: localhost",
        b"Connection: Upgrade",
        b"Upgrade: websocket",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Protocol: mcp",
        b"",
    )
)
CALLS = 400
LISTENERS = 1000
PUBLICATIONS = 2000
HEARD = 20
HOPS = 300


class Bench:
    def __init__(self, nginx, modules, work, ports, name="streams", http="", location=""):
        self.work, (self.port, upstream) = work, ports
        words = {"name": name, "http": http, "location": location, "work": work, "port": self.port, "upstream": upstream}
        modules = " ".join(f"load_module {module};" for module in modules)
        user = "user root;" if os.geteuid() == 0 else ""
        conf = work / f"{name}.conf"
        conf.write_text(CONF.format(modules=modules, user=user, **words))
        threading.Thread(target=self.upstream, args=(upstream,), daemon=True).start()
        self.nginx = subprocess.Popen([nginx, "-p", work, "-c", conf], stderr=subprocess.DEVNULL)
        while True:
            try:
                self.connect().close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)

    def upstream(self, port):
        """Says when it writes, in an event of its own, and closes."""
        listener = socket.create_server(("127.0.0.1", port))
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            time.sleep(0.002)
            connection.sendall(b'data: {"progress":%d}\n\n' % time.perf_counter_ns())
            time.sleep(0.002)
            connection.close()

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))

    def renew(self):
        """Has new workers, and awaits the end of the old ones."""
        old = self.workers()
        self.nginx.send_signal(signal.SIGHUP)
        while len(self.workers()) != 2 or set(old) & set(self.workers()):
            time.sleep(0.05)

    def workers(self):
        children = f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children"
        with open(children) as file:
            return file.read().split()

    def memory(self):
        """KB that the workers have of their own."""
        total = 0
        for pid in self.workers():
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+)", file.read(), re.M))
        return total

    def cpu(self):
        """Seconds that the workers have worked."""
        ticks = 0
        for pid in self.workers():
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def message(self, method, params):
        meta = {"protocolVersion": "2026-07-28", "clientInfo": {"name": "bench", "version": "1"}, "clientCapabilities": {}}
        params = {**params, "_meta": {**params.get("_meta", {}), **{META + key: value for key, value in meta.items()}}}
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})

    def request(self, method, params, name=None):
        body = self.message(method, params)
        head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Method: {method}\r\nMCP-Protocol-Version: 2026-07-28\r\n"
        head += f"Mcp-Name: {name}\r\n" if name else ""
        head += "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def listener(self):
        connection = self.connect()
        connection.sendall(self.request("subscriptions/listen", {"notifications": {"toolsListChanged": True}}))
        return connection, b"acknowledged"

    def get_stream(self):
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        headers = {"Host": "localhost", "Content-Type": "application/json", "Accept": "application/json"}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
        client.request("POST", "/mcp", body, headers)
        session = client.getresponse().getheader("Mcp-Session-Id")
        client.close()
        connection = self.connect()
        connection.sendall(
            f"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n".encode()
        )
        return connection, b"event-stream"

    def sse(self):
        connection = self.connect()
        connection.sendall(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        return connection, b"session_id="

    def websocket(self):
        connection = self.connect()
        connection.sendall(HANDSHAKE)
        return connection, b"\r\n\r\n"

    def websocket_listener(self):
        connection, begin = self.websocket()
        await_text(connection, begin)
        connection.sendall(frame(self.message("subscriptions/listen", {"notifications": {"toolsListChanged": True}})))
        return connection, b"acknowledged"

    def open(self, kind, count):
        """Opens so many streams and awaits their beginning."""
        connections = []
        for _ in range(count):
            connection, begin = getattr(self, kind)()
            await_text(connection, begin)
            connections.append(connection)
        return connections

    def ask(self, way, method, params, name):
        """A connection on which the answer to a request comes."""
        if way == "streamable HTTP":
            connection = self.connect()
            connection.sendall(self.request(method, params, name))
        elif way == "websocket":
            connection, begin = self.websocket()
            await_text(connection, begin)
            connection.sendall(frame(self.message(method, params)))
        else:
            connection, begin = self.sse()
            head = await_text(connection, rb"data: (\S+)\n")
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            client = http.client.HTTPConnection("127.0.0.1", self.port)
            client.request("POST", head[1].decode(), body, {"Host": "localhost", "Content-Type": "application/json"})
            assert client.getresponse().status == 202
            client.close()
        return connection

    def publish(self, listening):
        assert self.post() == {"published": 1, "listening": listening}

    def post(self):
        """What is answered to a publication; none if it did not reach everybody."""
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        body = json.dumps({"method": "notifications/tools/list_changed"})
        client.request("POST", "/publish", body, {"Host": "localhost", "Content-Type": "application/json"})
        response = client.getresponse()
        return json.load(response) if response.status == 200 else None


def frame(text):
    """A client's frame; the mask changes nothing."""
    head = struct.pack("!BBH", 0x81, 0x80 | 126, len(text)) if len(text) > 125 else bytes([0x81, 0x80 | len(text)])
    return head + bytes(4) + text.encode()


def await_text(connection, pattern):
    """Reads until this is there."""
    received = b""
    while not (found := re.search(pattern, received)):
        part = connection.recv(65536)
        assert part, received
        received += part
    return found


def event_time(connection):
    """Microseconds from when the upstream has written an event to here."""
    found = await_text(connection, rb'"progress":(\d{6,})')
    seen = time.perf_counter_ns()
    connection.close()
    return (seen - int(found[1])) / 1000


def drop(connections):
    """Closes them without a trace, as so many would keep their ports for a minute."""
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()


def read_all(connections, wanted):
    """Seconds after which each has received `wanted`, or its end; and what they received."""
    poll, received, times = select.epoll(), {}, []
    by_fd = {connection.fileno(): connection for connection in connections}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
        received[fd] = b""
    while by_fd:
        for fd, _ in poll.poll():
            part = by_fd[fd].recv(65536)
            received[fd] += part
            if wanted in received[fd] or not part:
                times.append(time.perf_counter())
                poll.unregister(fd)
                del by_fd[fd]
    return times, received.values()


def spread(name, values, unit):
    values = sorted(values)
    p99 = values[min(len(values) - 1, len(values) * 99 // 100)]
    print(f"{name:34} median {statistics.median(values):8.1f} {unit}   p99 {p99:8.1f}   last {values[-1]:8.1f}")


def run(bench, idle):
    times = {way: [] for way in ("proxy_pass", "streamable HTTP", "websocket", "sse")}
    for _ in range(CALLS):
        for way, values in times.items():
            if way == "proxy_pass":
                connection = bench.connect()
                connection.sendall(b"POST /proxy HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
            else:
                params = {"name": "work", "arguments": {}, "_meta": {"progressToken": 1}}
                connection = bench.ask(way, "tools/call", params, "work")
            values.append(event_time(connection))
    for way, values in times.items():
        spread(f"event, {way}", values, "us")

    before = bench.cpu()
    for _ in range(PUBLICATIONS):
        bench.publish(0)
    alone = (bench.cpu() - before) / PUBLICATIONS
    print(f"{'publication, nobody listens':34} {alone * 1e6:8.0f} us of CPU each, with its connection")

    listeners = bench.open("listener", LISTENERS)
    before = bench.cpu()
    for _ in range(HEARD):
        publisher = threading.Thread(target=bench.publish, args=(LISTENERS,))
        publisher.start()
        read_all(listeners, b"list_changed")
        publisher.join()
    each = ((bench.cpu() - before) / HEARD - alone) / LISTENERS
    print(f"{'listener that hears of one':34} {each * 1e6:8.2f} us of CPU each")
    for _ in range(5):
        begin = time.perf_counter()
        publisher = threading.Thread(target=bench.publish, args=(LISTENERS,))
        publisher.start()
        seen, _ = read_all(listeners, b"list_changed")
        publisher.join()
        spread(f"fan-out to {LISTENERS} listeners", [(when - begin) * 1000 for when in seen], "ms")

    begin = time.perf_counter()
    bench.nginx.send_signal(signal.SIGHUP)
    seen, received = read_all(listeners, b"resultType")
    ended = sum(b"resultType" in text for text in received)
    print(f"{'reload':34} {(max(seen) - begin) * 1000:8.0f} ms until the last of {LISTENERS} ended, {ended} with a result")
    drop(listeners)

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle = min(idle, most - 100)
    for kind in ("listener", "get_stream", "sse", "websocket", "websocket_listener"):
        # What a kind before has used and left would make the next one look smaller.
        bench.renew()
        before = bench.memory()
        streams = bench.open(kind, idle)
        print(f"{'idle ' + kind:34} {(bench.memory() - before) / idle:8.2f} KB each, {idle} of them", flush=True)
        drop(streams)
    bench.nginx.terminate()
    bench.nginx.wait()


def hop(nginx, modules, work, ports):
    """Two machines, which is two nginx with one Redis."""
    redis_port, ports = ports[0], ports[1:]
    # Debian's redis-tools has the whole server under this name.
    server = shutil.which("redis-server") or shutil.which("redis-check-rdb")
    options = ["--bind", "127.0.0.1", "--save", "", "--port", str(redis_port)]
    redis = subprocess.Popen(["redis-server", *options], executable=server, stdout=subprocess.DEVNULL)
    http = f"upstream redis {{ nchan_redis_server redis://127.0.0.1:{redis_port}; nchan_redis_storage_mode distributed; }}"
    location = "mcp_channels { nchan_redis_pass redis; }"
    machines = [
        Bench(nginx, modules, work, ports[2 * number : 2 * number + 2], f"machine{number}", http, location)
        for number in range(2)
    ]
    try:
        here, there = machines
        listener = await_link(here, there)
        latencies, before = [], [machine.cpu() for machine in machines]
        for _ in range(HOPS):
            begin = time.perf_counter()
            assert here.post()
            while b"list_changed" not in listener.recv(65536):
                pass
            latencies.append((time.perf_counter() - begin) * 1000)
        spread("hop to another machine, by Redis", latencies, "ms")
        used = [(machine.cpu() - spent) / HOPS * 1e6 for machine, spent in zip(machines, before)]
        print(f"{'hop to another machine':34} {used[0]:8.0f} us of CPU here, {used[1]:.0f} us there")
    finally:
        for process in [*(machine.nginx for machine in machines), redis]:
            process.terminate()
            process.wait()


def await_link(here, there):
    """A listener over there that hears of what is published here."""
    while True:
        connection, _ = there.listener()
        connection.settimeout(1)
        try:
            if b"acknowledged" in connection.recv(65536) and here.post():
                while b"list_changed" not in connection.recv(65536):
                    pass
                connection.settimeout(30)
                return connection
        except TimeoutError:
            pass
        connection.close()
