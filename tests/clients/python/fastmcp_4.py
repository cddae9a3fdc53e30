"""The client of `fastmcp` 4."""

from contextlib import asynccontextmanager

from fastmcp import Client
from mcp import MCPError

from conversation import Refused, main

MODES = {"2026-07-28": "auto", "2025-11-25": "legacy"}


class Peer:
    def __init__(self, client):
        self.client = client
        self.revision = client.protocol_version
        self.server = client.server_info
        self.instructions = client.instructions

    async def tools(self):
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in await self.client.list_tools()]

    async def call(self, name, arguments):
        try:
            result = await self.client.call_tool(name, arguments, raise_on_error=False)
        except MCPError as error:
            raise Refused(error.code, error.message) from error
        content = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]
        return {"content": content, "structuredContent": result.structured_content, "isError": result.is_error}

    async def ping(self):
        assert await self.client.ping()


@asynccontextmanager
async def connect(url, revision):
    async with Client(url, mode=MODES[revision]) as client:
        yield Peer(client)


main("fastmcp", connect)
