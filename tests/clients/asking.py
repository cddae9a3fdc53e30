"""An MCP server of the Python SDK's first major version, which asks its client in the middle of a call. Its argument is the port."""

import sys
from typing import Any

from mcp import types
from mcp.server.fastmcp import Context, FastMCP
from mcp.shared.message import ServerMessageMetadata
from pydantic import BaseModel

server = FastMCP("behind", host="127.0.0.1", port=int(sys.argv[1]), log_level="WARNING")


class Booking(BaseModel):
    seats: int
    name: str


async def ask(context: Context, request: types.ServerRequestType, result: type) -> Any:
    """Asks on the stream of the call, which the SDK does by itself for elicitation alone."""
    related = ServerMessageMetadata(related_request_id=context.request_id)
    return await context.session.send_request(types.ServerRequest(request), result, metadata=related)


@server.tool()
async def book(date: str, ctx: Context) -> dict[str, Any]:
    """Book seats."""
    booking = await ctx.elicit(f"How many on {date}?", Booking)
    words = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=f"A motto for {date}?"))
    sample = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[words], maxTokens=10))
    motto = await ask(ctx, sample, types.CreateMessageResult)
    roots = await ask(ctx, types.ListRootsRequest(), types.ListRootsResult)
    return {
        "action": booking.action,
        "booking": booking.data.model_dump(),
        "motto": motto.content.text,
        "roots": [str(root.uri) for root in roots.roots],
    }


server.run("streamable-http")
