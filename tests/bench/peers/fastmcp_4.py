"""FastMCP's own way from a description to a server: fastmcp_4.py PORT DOCUMENT UPSTREAM"""

import json
import pathlib
import sys

import httpx2
import yaml
from fastmcp import FastMCP

port, document, upstream = sys.argv[1:]
text = pathlib.Path(document).read_text()
specification = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
client = httpx2.AsyncClient(base_url=upstream, limits=httpx2.Limits(max_keepalive_connections=64))
server = FastMCP.from_openapi(openapi_spec=specification, client=client)
settings = {"stateless_http": True, "json_response": True, "show_banner": False, "log_level": "error"}
server.run(transport="http", host="127.0.0.1", port=int(port), path="/mcp", uvicorn_config={"access_log": False}, **settings)
