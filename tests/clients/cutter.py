"""A proxy that cuts the connection of every call once its answer has begun. Prints its port, then a line for each cut."""

import asyncio
import sys

# The event without data that a stream begins with, which has an id to resume from.
FIRST_EVENT = b"data: \n\n"


async def serve(reader, writer):
    server_reader, server_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    asked, said, is_cut = b"", b"", False

    async def ask():
        nonlocal asked
        while part := await reader.read(65536):
            asked += part
            server_writer.write(part)
        server_writer.close()

    asking = asyncio.ensure_future(ask())
    try:
        while part := await server_reader.read(65536):
            said += part
            end = said.find(FIRST_EVENT)
            is_cut = b'"tools/call"' in asked and end >= 0
            # Of what came with the event nothing more is passed on.
            rest = len(said) - end - len(FIRST_EVENT) if is_cut else 0
            writer.write(part[: max(len(part) - rest, 0)])
            await writer.drain()
            if is_cut:
                print("cut", flush=True)
                break
    except ConnectionError:
        pass
    asking.cancel()
    writer.close()
    server_writer.transport.abort()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
