"""What an API description costs: nginx with it beside nginx without it, in turns, and FastMCP on the same document.

  load     time of `nginx -t` with the document, less the same without it
  memory   of a worker after it started, less that of one without the document: all of it, and what it does not share
  list     every page of tools/list: tools, bytes, time
"""

import http.client
import json
import os
import pathlib
import re
import statistics
import subprocess
import time

FASTMCP = """
import asyncio, json, pathlib, resource, sys, time
import httpx2, yaml
from fastmcp import Client, FastMCP

text = pathlib.Path(sys.argv[1]).read_text()
begin = time.perf_counter()
document = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
server = FastMCP.from_openapi(openapi_spec=document, client=httpx2.AsyncClient(base_url="http://127.0.0.1:9"))
loaded = time.perf_counter()

async def tools():
    async with Client(server) as client:
        return await client.list_tools()

tools = asyncio.run(tools())
size = sum(len(tool.model_dump_json(exclude_none=True)) for tool in tools)
print(json.dumps([len(tools), size, loaded - begin, time.perf_counter() - loaded,
                  resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""

CONF = """
{modules}
daemon off; error_log {work}/documents.log notice; pid documents.pid; {user}
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path temp-body; proxy_temp_path temp-proxy; fastcgi_temp_path temp-fastcgi; uwsgi_temp_path temp-uwsgi; scgi_temp_path temp-scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /mcp {{
            mcp on;
            mcp_page_size 100;
            {block}
        }}
    }}
}}
"""


META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1.0.0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/list",
}


class Bench:
    def __init__(self, nginx, module, work, port, rounds):
        self.nginx, self.work, self.port, self.rounds = nginx, work, port, rounds
        self.user = "user root;" if os.geteuid() == 0 else ""
        self.module = f"load_module {module};"

    def conf(self, document):
        block = f"mcp_openapi {document} {{ pass http://127.0.0.1:9; }}" if document else ""
        text = CONF.format(modules=self.module, work=self.work, user=self.user, port=self.port, block=block)
        path = self.work / ("document.conf" if document else "empty.conf")
        path.write_text(text)
        return path

    def command(self, conf):
        return [self.nginx, "-p", self.work, "-e", self.work / "documents.log", "-c", conf]

    def test(self, conf):
        begin = time.perf_counter()
        subprocess.run([*self.command(conf), "-t", "-q"], check=True, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begin

    def load(self, document):
        with_it, without = self.conf(document), self.conf(None)
        return [self.test(with_it) - self.test(without) for _ in range(self.rounds)]

    def serve(self, document):
        """Returns (resident kB, private kB) of the worker, and what listing gave if there is a document."""
        process = subprocess.Popen(self.command(self.conf(document)), stderr=subprocess.DEVNULL)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            while True:
                try:
                    connection.connect()
                    break
                except ConnectionRefusedError:
                    if process.poll() is not None:
                        raise SystemExit(f"nginx did not start: {(self.work / 'documents.log').read_text()}")
                    time.sleep(0.02)
            # The socket is open before the worker runs: its first answer shows that it does.
            connection.request("GET", "/mcp")
            connection.getresponse().read()
            worker = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
            rollup = pathlib.Path(f"/proc/{worker}/smaps_rollup").read_text()
            field = lambda name: sum(int(kb) for kb in re.findall(rf"^{name}:\s+(\d+)", rollup, re.M))
            memory = field("Rss"), field("Private_(?:Clean|Dirty)")
            return memory, list_tools(connection) if document else None
        finally:
            process.terminate()
            process.wait(timeout=60)


def list_tools(connection):
    """Every page. Returns (tools, bytes, seconds)."""
    cursor, tools, size = {}, 0, 0
    begin = time.perf_counter()
    while True:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": META, **cursor}}
        connection.request("POST", "/mcp", json.dumps(message), HEADERS)
        body = connection.getresponse().read()
        result = json.loads(body)["result"]
        tools, size = tools + len(result["tools"]), size + len(body)
        if "nextCursor" not in result:
            return tools, size, time.perf_counter() - begin
        cursor = {"cursor": result["nextCursor"]}


def run(bench, documents, python):
    (base_rss, base_private), _ = bench.serve(None)
    for document in documents:
        path = pathlib.Path(document).resolve()
        load = bench.load(path)
        (rss, private), (tools, size, seconds) = bench.serve(path)
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB")
        print(
            f"  nginx      {tools:5} tools; load {statistics.median(load) * 1e3:.0f} ms "
            f"[{min(load) * 1e3:.0f}..{max(load) * 1e3:.0f}]; a worker has {(rss - base_rss) / 1e3:.1f} MB more, "
            f"{(private - base_private) / 1e3:.1f} MB of it its own; list {size / 1e6:.2f} MB in {seconds * 1e3:.0f} ms"
        )
        if python is None:
            continue
        done = subprocess.run([python, "-c", FASTMCP, path], capture_output=True, text=True)
        if done.returncode:
            print(f"  FastMCP    failed: {done.stderr.strip().splitlines()[-1][:160]}")
            continue
        tools, size, loaded, listed, rss = json.loads(done.stdout.splitlines()[-1])
        print(
            f"  FastMCP    {tools:5} tools; load {loaded * 1e3:.0f} ms; the process has {rss / 1e3:.1f} MB; "
            f"list {size / 1e6:.2f} MB in {listed * 1e3:.0f} ms"
        )
