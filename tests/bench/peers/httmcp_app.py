"""httmcp with a tool that calls the service, behind an nginx with Nchan: httmcp_app.py PORT UPSTREAM"""

import sys

import httpx
import uvicorn
from fastapi import FastAPI
from httmcp import HTTMCP

port, upstream = sys.argv[1:]
server = HTTMCP(name="bench", publish_server=f"http://127.0.0.1:{port}", log_level="ERROR")
client = httpx.AsyncClient(base_url=upstream)


@server.tool(description="Look up one item by its id.")
async def get_item(id: int, lang: str = "en") -> dict:
    return (await client.get(f"/items/{id}", params={"lang": lang})).json()


app = FastAPI()
app.include_router(server.router)
uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="error")
