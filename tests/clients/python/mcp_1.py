"""The Python SDK `mcp` 1.x."""

import asyncio
from contextlib import asynccontextmanager

from mcp import ClientSession, McpError, types
from mcp.client.streamable_http import streamable_http_client

from conversation import Refused, main


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
    if revision == types.LATEST_PROTOCOL_VERSION:
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
async def connect(url, revision):
    changed = asyncio.Event()

    async def hear(message):
        if isinstance(message, types.ServerNotification) and isinstance(message.root, types.ToolListChangedNotification):
            changed.set()

    async with (
        streamable_http_client(url) as (read, write, _),
        ClientSession(read, write, message_handler=hear) as session,
    ):
        yield Peer(session, await initialize(session, revision), changed)


main("mcp", connect)
