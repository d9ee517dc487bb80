"""A target that is further away than loopback: a forwarder in a process of its own that holds back what passes."""

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from urllib.parse import urlsplit, urlunsplit

CHUNK = 64 * 1024


@contextmanager
def at_a_distance(url: str, round_trip_seconds: float) -> Iterator[str]:
    """The URL under which the same target answers so much later, until the block ends."""
    parts = urlsplit(url)
    ours, theirs = multiprocessing.Pipe()
    arguments = (str(parts.hostname), parts.port or 80, round_trip_seconds / 2, theirs)
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments, daemon=True)
    process.start()
    try:
        yield urlunsplit(parts._replace(netloc=f"127.0.0.1:{ours.recv()}"))
    finally:
        process.terminate()
        process.join()


def _serve(host: str, port: int, delay: float, told: Connection) -> None:
    asyncio.run(_forward(host, port, delay, told))


async def _forward(host: str, port: int, delay: float, told: Connection) -> None:
    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(_carry(reader, back, delay), _carry(there, writer, delay))

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Writes what is read, each piece so much later."""
    clock = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        while piece := await reader.read(CHUNK):
            pieces.put_nowait((clock.time() + delay, piece))
        pieces.put_nowait((clock.time() + delay, b""))

    async def write() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(max(0.0, due - clock.time()))
            if not piece:
                writer.close()
                return
            writer.write(piece)

    with suppress(ConnectionError):
        await asyncio.gather(read(), write())
