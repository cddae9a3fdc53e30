"""The same offers by the Python SDK: reference.py PORT"""

import sys

import uvicorn
from mcp.server.mcpserver import Image, MCPServer
from mcp_types import AudioContent, Completion, EmbeddedResource, ResourceLink
from pydantic import BaseModel, TypeAdapter

from offers import CONTENT, NOTE, PICTURE, VERSION

server = MCPServer("twin", version=VERSION, instructions="Made to be compared.", log_level="ERROR")


KINDS = TypeAdapter(AudioContent | ResourceLink | EmbeddedResource)


class Sum(BaseModel):
    sum: int


@server.tool(description="Say hello.", structured_output=False)
def hello(name: str) -> str:
    return f"Hello, {name}!"


@server.tool(description="Add two numbers.")
def add(a: int, b: int) -> Sum:
    return Sum(sum=a + b)


@server.tool(description="A picture.", structured_output=False)
def picture() -> Image:
    return Image(data=PICTURE, format="png")


@server.tool(description="What else there is.", structured_output=False)
def kinds() -> list[AudioContent | ResourceLink | EmbeddedResource]:
    return [KINDS.validate_python(kind) for kind in CONTENT]


@server.tool(description="Fails.", structured_output=False)
def fail() -> str:
    raise ValueError("it is broken")


@server.resource("note://today", name="today", mime_type="text/plain")
def today() -> str:
    return NOTE


@server.resource("picture://dot", name="dot", mime_type="image/png")
def dot() -> bytes:
    return PICTURE


@server.resource("note://days/{day}", name="day", mime_type="text/plain")
def day(day: str) -> str:
    return f"{NOTE} on {day}"


@server.prompt(description="Draft a greeting.")
def greet(name: str) -> str:
    return f"Greet {name}."


@server.completion()
async def complete(ref, argument, context):
    days = [day for day in ("monday", "tuesday") if day.startswith(argument.value)]
    return Completion(values=days, total=len(days), has_more=False)


uvicorn.run(server.streamable_http_app(json_response=True), port=int(sys.argv[1]), log_level="warning")
