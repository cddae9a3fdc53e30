"""What every Python client says and hears, in the shapes of the wire. A client program only translates its SDK to these shapes."""

import asyncio
import json
import logging
import sys
import uuid
from importlib.metadata import version


# What every client answers that is asked: its user, its model, and itself.
BOOKING = {"seats": 3, "name": "Ann"}
MOTTO = "onward"
ROOT = "file:///home"


def answers(types):
    """The same as callbacks of `mcp`, whose classes 1.x and 2.x keep in different places."""

    async def elicit(context, params):
        return types.ElicitResult(action="accept", content=BOOKING)

    async def sample(context, params):
        text = types.TextContent(type="text", text=MOTTO)
        return types.CreateMessageResult(role="assistant", content=text, model="m")

    async def list_roots(context):
        return types.ListRootsResult(roots=[types.Root(uri=ROOT)])

    return {"elicitation_callback": elicit, "sampling_callback": sample, "list_roots_callback": list_roots}


class Refused(Exception):
    """A JSON-RPC error."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Complaints(logging.Handler):
    """Whatever an SDK warns about is a fault of the server."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.records = []

    def emit(self, record):
        # A client that leaves hears no more, and mcp 1.x warns of what is told to it meanwhile.
        if record.exc_info and type(record.exc_info[1]).__name__ in ("BrokenResourceError", "ClosedResourceError"):
            return
        self.records.append(f"{record.name}: {record.getMessage()}")


def same(what, heard, expected):
    assert heard == expected, f"{what}:\n  heard    {heard!r}\n  expected {expected!r}"


def as_listed(tool, revision):
    """A tool as its revision has it: 2025-03-26 knows no output schemas, and titles among the annotations only; 2024-11-05 neither."""
    if revision >= "2025-06-18":
        return tool
    if revision < "2025":
        return {key: tool[key] for key in ("name", "description", "inputSchema")}
    tool = {key: value for key, value in tool.items() if key != "outputSchema"}
    if "title" in tool:
        tool["annotations"] = {**tool.get("annotations", {}), "title": tool.pop("title")}
    return tool


def check_result(call, result, revision):
    what = f"{call['tool']} {call['arguments']}"
    content = result["content"]
    text = "\n".join(block.get("text", "") for block in content)
    same(f"isError of {what} ({text})", bool(result.get("isError")), "error" in call)
    if "structured" in call:
        same(what, json.loads(text), call["structured"])
        if revision >= "2025-06-18":
            same(what, result["structuredContent"], call["structured"])
    elif "text" in call:
        same(what, content, [{"type": "text", "text": call["text"]}])
    elif "image" in call:
        same(what, content, [{"type": "image", **call["image"]}])
    for part in call.get("error", []):
        assert part in text, f"{what}: no {part!r} in {text!r}"


async def check_call(peer, call):
    if "code" not in call:
        check_result(call, await peer.call(call["tool"], call["arguments"]), peer.revision)
        return
    try:
        result = await peer.call(call["tool"], call["arguments"])
    except Refused as refused:
        same(call["tool"], refused.code, call["code"])
        for part in call["error"]:
            assert part in refused.message, f"no {part!r} in {refused.message!r}"
    else:
        raise AssertionError(f"{call['tool']} was not refused: {result}")


async def check_meeting(peer, meeting):
    """Calls at the same time in one session: the upstream answers none before it has them all."""
    arguments = {"name": uuid.uuid4().hex, "size": meeting["size"]}
    results = await asyncio.gather(*(peer.call(meeting["tool"], arguments) for _ in range(meeting["size"])))
    seats = sorted(json.loads(result["content"][0]["text"])["seat"] for result in results)
    same("seats", seats, list(range(1, meeting["size"] + 1)))


async def check_news(peer, news):
    """What is said during a call, and between calls, to clients that can hear it."""
    progress, told = news["progress"], []

    async def tell(done, total, message):
        told.append([done, total, message])

    result = await peer.call(progress["tool"], {}, progress=tell)
    check_result({**progress, "arguments": {}}, result, peer.revision)
    # Progress has no message in 2024-11-05.
    expected = [[*numbers, message if peer.revision >= "2025" else None] for *numbers, message in progress["told"]]
    same("progress", told, expected)
    async with peer.changes() as changed:
        # A session's stream is opened beside everything else, and may not be open yet.
        for _ in range(50):
            await peer.call(news["change"]["tool"], {})
            try:
                await asyncio.wait_for(changed.wait(), 0.2)
                return
            except TimeoutError:
                pass
    raise AssertionError("the change was not heard of")


async def check_tools(peer, expected):
    """Of tools that are too large to be written down, only the names are expected."""
    heard = await peer.tools()
    tools = expected.get("tools", [])
    same("tools", [tool["name"] for tool in heard], expected.get("names", [tool["name"] for tool in tools]))
    for tool, listed in zip(heard, tools):
        same(tool["name"], tool, as_listed(listed, peer.revision))


async def converse(peer, expected, revision):
    same("revision", peer.revision, revision)
    same("server", {"name": peer.server.name, "version": peer.server.version}, expected["server"])
    same("instructions", peer.instructions, expected["instructions"])
    await check_tools(peer, expected)
    for call in expected["calls"]:
        await check_call(peer, call)
    if "meeting" in expected:
        await check_meeting(peer, expected["meeting"])
    if "news" in expected and hasattr(peer, "changes"):
        await check_news(peer, expected["news"])
    if revision < "2026":
        await peer.ping()


def main(package, connect):
    """`connect(url, revision)` is a context manager that gives the peer, and takes a transport where one is named."""
    url, expectations, revision, *transport = sys.argv[1:]
    with open(expectations, encoding="utf-8") as file:
        expected = json.load(file)
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)

    async def run():
        async with connect(url, revision, *transport) as peer:
            await converse(peer, expected, revision)

    asyncio.run(run())
    same("warnings", complaints.records, [])
    print(package, version(package), revision)
