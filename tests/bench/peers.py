"""The same tool on servers of others, side by side: every one, and a bare proxy_pass, has the same core, the same load and the
same upstream, in turns.

What is measured of each: calls a second, latency, CPU time for each call, memory at rest and under load; and, of those that
make tools of a description, how long a large one takes to load, and the memory with it.
"""

import datetime
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
FIXTURE = HERE / "peers"
ROOT = HERE.parent.parent
INSTALLED = ROOT / "target/peers"
REPORT, PLOT = ROOT / "docs/benchmarks.md", ROOT / "docs/benchmarks.svg"
NODE = os.environ.get("NODE", "node")
# Of the time of its last release, as it no longer works with what came after.
HTTMCP = ["httmcp==0.3.1", "mcp==1.6.0", "pydantic==2.10.6", "fastapi==0.115.12", "uvicorn==0.34.0"]

NGINX = """
{modules}
daemon off; error_log {work}/{name}.log notice; pid {name}.pid; {user}
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off; variables_hash_max_size 2048;
    client_body_temp_path temp-body; proxy_temp_path temp-proxy; fastcgi_temp_path temp-fastcgi; uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
    keepalive_requests 1000000000; keepalive_timeout 10m;
    upstream service {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; keepalive_timeout 10m; }}
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""
MCP = "location = /mcp {{ mcp on; mcp_page_size 200; mcp_openapi {document} {{ pass http://service; }} }}"
PROXY = 'location = /mcp { proxy_pass http://service/items/42; proxy_http_version 1.1; proxy_set_header Connection ""; }'
BEHIND = """location /mcp/bench/ {{ proxy_pass http://127.0.0.1:{app}; proxy_http_version 1.1; proxy_set_header Connection ""; }}"""


class Peer:
    """A server: how it is started, and what its client sends."""

    path, documents = "/mcp", False

    def __init__(self, name, commands, **more):
        self.name, self.commands = name, commands
        self.__dict__.update(more)


def peers(bench, document):
    """Those that are installed; `document` is what those read that make tools of a description."""
    upstream = f"http://127.0.0.1:{bench.upstream}"
    file = lambda name: FIXTURE / name
    nginx = lambda name, server, port: [bench.nginx, "-p", bench.work, "-c", bench.configure(name, server, port)]
    module_version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    mcp = MCP.format(document=document)
    found = [
        Peer("proxy_pass", lambda port: [nginx("proxy", PROXY, port)], raw=True, version=bench.nginx_version),
        Peer("ngx_http_mcp_module", lambda port: [nginx("mcp", mcp, port)], documents=True, version=module_version),
    ]
    fastmcp = INSTALLED / "fastmcp/bin/python"
    if fastmcp.exists():
        program = [fastmcp, file("fastmcp_4.py")]
        version = version_of(fastmcp, "fastmcp")
        command = lambda port: [[*program, port, document, upstream]]
        found.append(Peer("FastMCP", command, documents=True, version=version))
    modules = INSTALLED / "node/node_modules"
    if modules.exists():
        script = shutil.copy(file("sdk_2.mjs"), INSTALLED / "node")
        version = json.loads((modules / "@modelcontextprotocol/server/package.json").read_text())["version"]
        found.append(Peer("TypeScript SDK, undici", lambda port: [[NODE, script, port, upstream]], version=version))
    rmcp = INSTALLED / "release/peer"
    if rmcp.exists():
        lock = (FIXTURE / "rmcp/Cargo.lock").read_text()
        version = re.search(r'name = "rmcp"\nversion = "(.*)"', lock)[1]
        found.append(Peer("rmcp, reqwest", lambda port: [[rmcp, port, upstream]], version=version))
    openapi = INSTALLED / "bin/rmcp-openapi-server"
    if openapi.exists():
        words = [openapi, document, "--base-url", upstream, "--bind-address", "127.0.0.1", "--port"]
        version = subprocess.run([openapi, "--version"], capture_output=True, text=True).stdout.split()[-1]
        found.append(Peer("rmcp-openapi-server", lambda port: [[*words, port]], documents=True, version=version))
    httmcp = INSTALLED / "httmcp/bin/python"
    if httmcp.exists() and bench.nchan:

        def behind_nchan(port):
            (app,) = bench.free_ports(1)
            return [[httmcp, file("httmcp_app.py"), app, upstream], nginx("httmcp", BEHIND.format(app=app), port)]

        found.append(Peer("httmcp, Nchan", behind_nchan, path="/mcp/bench/", version=version_of(httmcp, "httmcp")))
    return found


def version_of(python, package):
    code = f"import importlib.metadata as m; print(m.version('{package}'))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def install():
    """Everything from the registries, below target/peers; what does not install is left out, and said."""
    INSTALLED.mkdir(parents=True, exist_ok=True)

    def attempt(name, *commands, **settings):
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, **settings)
            if done.returncode:
                print(f"{name} does not install: {(done.stderr or done.stdout).strip().splitlines()[-1:]}", file=sys.stderr)
                return

    for name, packages in [("fastmcp", ["fastmcp>=4,<5", "pyyaml"]), ("httmcp", HTTMCP)]:
        if not (INSTALLED / name / "bin/python").exists():
            pip = [INSTALLED / name / "bin/pip", "install", "--quiet", *packages]
            attempt(name, [sys.executable, "-m", "venv", INSTALLED / name], pip)
    if not (INSTALLED / "node/node_modules").exists():
        (INSTALLED / "node").mkdir(exist_ok=True)
        (INSTALLED / "node/package.json").write_text('{"private": true, "type": "module"}')
        packages = ["@modelcontextprotocol/server@2", "@modelcontextprotocol/node@2", "undici", "zod"]
        attempt("the TypeScript SDK", ["npm", "install", "--silent", *packages], cwd=INSTALLED / "node")
    if not (INSTALLED / "release/peer").exists():
        build = ["cargo", "build", "--release", "--locked", "--target-dir", INSTALLED]
        attempt("rmcp", build, cwd=FIXTURE / "rmcp")
    if not (INSTALLED / "bin/rmcp-openapi-server").exists():
        build = ["cargo", "install", "--locked", "rmcp-openapi-server", "--root", INSTALLED, "--target-dir", INSTALLED]
        attempt("rmcp-openapi-server", build)


class Running:
    """A peer's processes, all on one core."""

    def __init__(self, bench, peer):
        self.bench, self.peer = bench, peer
        (self.port,) = bench.free_ports(1)
        started = time.perf_counter()
        self.processes = [self.start(command) for command in peer.commands(self.port)]
        self.headers, self.session = None, None
        self.await_answer()
        self.startup = time.perf_counter() - started

    def start(self, command):
        pin = {"preexec_fn": lambda: os.sched_setaffinity(0, {self.bench.core}), "start_new_session": True}
        log = open(self.bench.work / f"{self.peer.name.split(',')[0]}.out", "ab")
        environment = {**os.environ, "RUST_LOG": "error", "NODE_ENV": "production"}
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, **pin)

    def stop(self):
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)

    def await_answer(self):
        deadline = time.monotonic() + 300
        while True:
            if any(process.poll() is not None for process in self.processes) or time.monotonic() > deadline:
                raise Unusable("does not start")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                self.speak()
                return
            except (ConnectionError, http.client.HTTPException, Unusable) as error:
                if isinstance(error, Unusable) and "502" not in str(error):
                    raise
                time.sleep(0.02)

    def speak(self):
        """Finds out what the server speaks: 2026-07-28, else a session, else nothing but JSON-RPC."""
        if getattr(self.peer, "raw", False):
            self.headers = {}
            return
        for headers, meta in ({"MCP-Protocol-Version": "2026-07-28"}, META), (None, None):
            self.meta, self.headers = meta, headers
            if headers is None:
                self.headers = self.open_session()
            try:
                result = self.ask("tools/list", {})
                # Some take whatever they are told for theirs.
                is_newest = headers and "resultType" in result
                self.revision = "2026-07-28" if is_newest else "2025-06-18" if headers is None else "not looked at"
                return
            except Unusable as error:
                if headers is None:
                    raise

    def open_session(self):
        self.headers, self.meta = {}, None
        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        received, _ = self.send(self.message("initialize", client))
        session = received.get("Mcp-Session-Id")
        headers = {"MCP-Protocol-Version": "2025-06-18", **({"Mcp-Session-Id": session} if session else {})}
        self.headers = headers
        if session:
            self.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        return headers

    def message(self, method, params):
        params = {**params, "_meta": self.meta} if self.meta else params
        return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, separators=(",", ":"))

    def request_headers(self, method, name=None):
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **self.headers}
        if self.meta:
            headers |= {"Mcp-Method": method, **({"Mcp-Name": name} if name else {})}
        return headers

    def send(self, body, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        headers = headers or self.request_headers(json.loads(body).get("method", ""))
        connection.request("POST", self.peer.path, body, headers)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
        connection.close()
        if response.status >= 300:
            raise Unusable(f"status {response.status}: {text[:200]}")
        return response.headers, text

    def ask(self, method, params, name=None):
        _, text = self.send(self.message(method, params), self.request_headers(method, name))
        data = re.findall(r"^data: ?(\{.*)$", text, re.M)
        message = json.loads(data[-1] if data else text)
        if "result" not in message:
            raise Unusable(f"{method}: {text[:200]}")
        return message["result"]

    def case(self):
        """The call that is sent again and again, once its answer was found right."""
        if getattr(self.peer, "raw", False):
            headers = {"Content-Type": "application/json"}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": CALL})
            _, text = self.send(body, headers)
        else:
            result = self.ask("tools/call", CALL, CALL["name"])
            if result.get("isError"):
                raise Unusable(f"the call fails: {result}")
            text = result["content"][0]["text"]
            body, headers = self.message("tools/call", CALL), self.request_headers("tools/call", CALL["name"])
        if "hex bolt" not in text:
            raise Unusable(f"wrong answer: {text[:200]}")
        return body, headers

    def tree(self):
        """All of its processes."""
        pids = [process.pid for process in self.processes]
        for pid in pids:
            try:
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    pids += [int(child) for child in (task / "children").read_text().split() if int(child) not in pids]
            except FileNotFoundError:
                pass
        return pids

    def memory(self):
        """MB, what is shared divided among those that share it."""
        total = 0
        for pid in self.tree():
            try:
                rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])
        return total / 1000

    def cpu(self):
        ticks = 0
        for pid in self.tree():
            try:
                fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class Unusable(Exception):
    """A server does not do what is to be measured."""


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALL = {"name": "get_item", "arguments": {"id": 42, "lang": "en"}}


class Bench:
    """`wrk(port, path, headers, body, seconds)` gives requests, µs that they took, failures, and the latency's p50 and p99 in µs."""

    def __init__(self, nginx, module, nchan, work, core, upstream, free_ports, wrk):
        self.nginx, self.module, self.nchan, self.work = nginx, module, nchan, work
        self.core, self.upstream, self.free_ports, self.wrk = core, upstream, free_ports, wrk
        said = subprocess.run([nginx, "-v"], capture_output=True, text=True).stderr
        self.nginx_version = said.strip().rpartition("/")[2]

    def configure(self, name, server, port):
        modules = f"load_module {self.module};"
        if name == "httmcp":
            modules = f"load_module {self.nchan};"
        user = "user root;" if os.geteuid() == 0 else ""
        words = {"modules": "" if name == "proxy" else modules, "work": self.work, "name": name, "user": user}
        path = self.work / f"{name}.conf"
        path.write_text(NGINX.format(**words, upstream=self.upstream, port=port, server=server))
        return path


def run(bench, document, rounds, seconds):
    rows, running = [], []
    for peer in peers(bench, FIXTURE / "service.json"):
        row = {"name": peer.name, "version": peer.version, "turns": [], "under_load": 0, "note": ""}
        rows.append(row)
        try:
            server = Running(bench, peer)
        except Unusable as error:
            row["note"] = str(error)
            continue
        row |= {"startup": server.startup, "at_rest": server.memory(), "revision": getattr(server, "revision", "")}
        try:
            row["case"] = server.case()
            running.append((row, server))
        except Unusable as error:
            row["note"] = str(error)
            server.stop()
    # Those that wait take no time on the core, but memory; none of them takes much.
    try:
        for number in range(-1, rounds):
            start = max(number, 0) % len(running)
            for row, server in running[start:] + running[:start]:
                before = server.cpu()
                requests, duration, failures, median, slow = bench.wrk(
                    server.port, server.peer.path, row["case"][1], row["case"][0], 1 if number < 0 else seconds
                )
                used = server.cpu() - before
                row["under_load"] = max(row["under_load"], server.memory())
                if failures:
                    row["note"] = f"{failures} of {requests} calls failed"
                if number >= 0 and requests:
                    row["turns"].append((requests / duration * 1e6, used / requests * 1e6, median, slow))
                    print(f"{row['name']:24} {requests / duration * 1e6:9.0f} calls/s", file=sys.stderr)
    finally:
        for _, server in running:
            server.stop()
    loads = load_document(bench, document) if document else []
    conditions = {"rounds": rounds, "seconds": seconds, "document": document}
    write(rows, loads, conditions, bench)


def load_document(bench, document):
    """Of those that make tools of a description: seconds to the first answer, memory, and the tools listed."""
    loads = []
    for peer in [peer for peer in peers(bench, document) if peer.documents]:
        load = {"name": peer.name, "note": ""}
        loads.append(load)
        try:
            server = Running(bench, peer)
        except Unusable as error:
            load["note"] = str(error)
            continue
        try:
            tools, cursor = 0, {}
            while True:
                page = server.ask("tools/list", cursor)
                tools += len(page["tools"])
                if not page.get("nextCursor"):
                    break
                cursor = {"cursor": page["nextCursor"]}
            load |= {"startup": server.startup, "memory": server.memory(), "tools": tools}
        except (Unusable, TimeoutError) as error:
            load["note"] = str(error)
        finally:
            server.stop()
    return loads


# What is written ------------------------------------------------------------------------------------------------------


def processor():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", info, re.M)
    return found[1] if found else platform.machine()


def write(rows, loads, conditions, bench):
    rates = {row["name"]: [turn[0] for turn in row["turns"]] for row in rows}
    bare = rates["proxy_pass"]
    median = lambda row, index: statistics.median(turn[index] for turn in row["turns"])
    lines = []
    for row in rows:
        if not row["turns"]:
            lines.append(f"| {row['name']} | {row['version']} | — | — | — | — | — | — | — | {row['note'][:120]} |")
            continue
        # By pairs of turns, so that what the machine did meanwhile counts for both.
        row["share"] = statistics.median(one / other for one, other in zip(rates[row["name"]], bare))
        lines.append(
            f"| {row['name']} | {row['version']} | {median(row, 0):,.0f} | {row['share']:.3f} | {median(row, 1):,.0f} | "
            f"{median(row, 2) / 1000:.2f} | {median(row, 3) / 1000:.2f} | {row['at_rest']:.1f} | {row['under_load']:.1f} | "
            f"{', '.join(filter(None, [row['revision'], row['note']]))} |"
        )
    table = "\n".join(
        f"| {load['name']} | — | — | — | {load['note'][:120]} |"
        if "tools" not in load
        else f"| {load['name']} | {load['startup']:.2f} | {load['memory']:.1f} | {load['tools']:,} | {load['note']} |"
        for load in loads
    )
    document = ""
    if loads:
        size = conditions["document"].stat().st_size / 1e6
        document = f"""
## A large description

A document of {size:.1f} MB, from the start of the server to its first answer to `tools/list`; memory after all tools were listed.

| server | start, s | memory, MB | tools | |
|---|---|---|---|---|
{table}
"""
    cores = len(os.sched_getaffinity(0))
    REPORT.write_text(
        f"""# Beside others

Written by `scripts/bench peers`, which installs all of them from their registries: the same tool, which calls the same upstream, on
servers that others have made, and a bare `proxy_pass` to that upstream. In turns, so that what else the machine does counts for all.

{datetime.date.today():%-d %B %Y}; {processor()}, {cores} cores; Linux {platform.release().split('-')[0]}; nginx {bench.nginx_version}.
{conditions['rounds']} rounds of {conditions['seconds']} s each; every server on one core with one process as it comes, wrk with 32 kept connections and the upstream (nginx, 80 bytes of
JSON) on another. Medians; the share is of `proxy_pass` in the same round. CPU time is that of all of a server's processes; memory is
their proportional set size. A call is `tools/call` with two arguments that are checked against a schema, and becomes a GET.

![calls a second as a share of proxy_pass](benchmarks.svg)

| server | version | calls/s | of `proxy_pass` | CPU µs/call | p50, ms | p99, ms | MB at rest | MB under load | revision spoken |
|---|---|---|---|---|---|---|---|---|---|
{chr(10).join(lines)}
{document}
What this does not say: servers on SDKs do whatever their program does, and those of several processes take several cores. They were taken
as their documentation shows them, with kept connections to the upstream, JSON replies and no sessions where they offer that.

## What they do that this module does not

- All but rmcp-openapi-server and httmcp: a tool is any function of a programming language; here it is a request to a service, or a file.
- FastMCP: logs users in itself (OAuth flows, proxies for identity providers; here that is nginx's `auth_*` modules' and a gateway's work),
  transforms tools in code, composes servers within a process, serves over stdio, and has a client of its own.
- The TypeScript SDK and rmcp: stdio as a transport, clients beside servers, and storage of events and tasks that a program can supply.
- rmcp-openapi-server: needs no web server around it, and is a library for programs in Rust as well.
- httmcp: lets a Python service say in its own code what its tools are.
"""
    )
    PLOT.write_text(plot([row for row in rows if row["turns"]]))
    print(REPORT.read_text())


def plot(rows):
    """Bars on a plain ground, readable on light and dark pages."""
    height, left, width = 34, 230, 460
    bars = []
    for number, row in enumerate(rows):
        y, share = 16 + number * height, row["share"]
        own = row["name"] == "ngx_http_mcp_module"
        bars.append(
            f'<text x="{left - 10}" y="{y + 17}" text-anchor="end">{row["name"]}</text>'
            f'<rect x="{left}" y="{y}" width="{max(share, 0.002) * width:.1f}" height="22" fill="{"#2a7d4f" if own else "#8a8f98"}"/>'
            f'<text x="{left + share * width + 8:.1f}" y="{y + 17}">{share:.3f}</text>'
        )
    total = 24 + len(rows) * height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 80} {total}" font-family="sans-serif" font-size="14">'
        f'<rect width="100%" height="100%" fill="#fff"/>{"".join(bars)}</svg>\n'
    )
