"""The Python SDK `mcp` 1.x."""

import asyncio
from contextlib import asynccontextmanager

from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.websocket import websocket_client

from conversation import Refused, answers, main

TRANSPORTS = {"streamable_http": streamable_http_client, "sse": sse_client, "websocket": websocket_client}


class Peer:
    def __init__(self, session, initialized, changed):
        self.session = session
        self.changed = changed
        self.revision = initialized.protocolVersion
        self.server = initialized.serverInfo
        self.instructions = initialized.instructions

    async def tools(self):
        listed = await self.session.list_tools()
        return [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed.tools]

    async def call(self, name, arguments, progress=None):
        try:
            result = await self.session.call_tool(name, arguments, progress_callback=progress)
        except McpError as error:
            raise Refused(error.error.code, error.error.message) from error
        return result.model_dump(mode="json", by_alias=True, exclude_none=True)

    @asynccontextmanager
    async def changes(self):
        yield self.changed

    async def ping(self):
        await self.session.send_ping()


async def initialize(session, revision):
    # HTTP+SSE has the one revision, whatever is asked for.
    if revision in (types.LATEST_PROTOCOL_VERSION, "2024-11-05"):
        return await session.initialize()
    # An older client: the SDK's own handshake always asks for its latest revision.
    params = types.InitializeRequestParams(
        protocolVersion=revision,
        capabilities=types.ClientCapabilities(),
        clientInfo=types.Implementation(name="mcp", version=revision),
    )
    request = types.ClientRequest(types.InitializeRequest(params=params))
    initialized = await session.send_request(request, types.InitializeResult)
    await session.send_notification(types.ClientNotification(types.InitializedNotification()))
    return initialized


@asynccontextmanager
async def connect(url, revision, transport="streamable_http"):
    changed = asyncio.Event()

    async def hear(message):
        if isinstance(message, types.ServerNotification) and isinstance(message.root, types.ToolListChangedNotification):
            changed.set()

    async with (
        TRANSPORTS[transport](url) as (read, write, *_),
        ClientSession(read, write, message_handler=hear, **answers(types)) as session,
    ):
        yield Peer(session, await initialize(session, revision), changed)


main("mcp", connect)
