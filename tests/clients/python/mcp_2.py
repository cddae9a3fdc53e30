"""The Python SDK `mcp` 2.x: `Client` for the newest revision of either era, a bare session for an older one."""

import asyncio
import warnings
from contextlib import asynccontextmanager

import mcp_types as types
from mcp import Client, ClientSession, MCPDeprecationWarning, MCPError
from mcp.client.streamable_http import streamable_http_client

from conversation import Refused, answers, main

MODES = {"2026-07-28": "auto", "2025-11-25": "legacy"}


class Peer:
    def __init__(self, client):
        self.client = client
        self.revision = client.protocol_version
        self.server = client.server_info
        self.instructions = client.instructions

    async def tools(self):
        listed = await self.client.list_tools()
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]

    async def call(self, name, arguments, progress=None):
        try:
            result = await self.client.call_tool(name, arguments, progress_callback=progress)
        except MCPError as error:
            raise Refused(error.code, error.message) from error
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    async def ping(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            await self.client.send_ping()


class ListeningPeer(Peer):
    @asynccontextmanager
    async def changes(self):
        changed = asyncio.Event()
        async with self.client.listen(tools_list_changed=True) as subscription:

            async def hear():
                async for _ in subscription:
                    changed.set()

            hearing = asyncio.create_task(hear())
            yield changed
            hearing.cancel()


async def initialize(session, revision):
    """The handshake of an older client: the SDK's own always asks for 2025-11-25."""
    params = types.InitializeRequestParams(
        protocol_version=revision,
        capabilities=types.ClientCapabilities(),
        client_info=types.Implementation(name="mcp", version=revision),
    )
    session.adopt(await session.send_request(types.InitializeRequest(params=params), types.InitializeResult))
    await session.send_notification(types.InitializedNotification())


@asynccontextmanager
async def connect(url, revision):
    if revision in MODES:
        async with Client(url, mode=MODES[revision], **answers(types)) as client:
            yield (ListeningPeer if revision >= "2026" else Peer)(client)
    else:
        async with streamable_http_client(url) as (read, write), ClientSession(read, write) as session:
            await initialize(session, revision)
            yield Peer(session)


main("mcp", connect)
