"""Asks a route of the app as `ui/widgets/poll.js` does, at next to no cost of its own: one bare connection."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_REST_PER_ANSWER, _LONGEST_REST = 12, 2


@dataclass
class Poll:
    """One address that is asked again and again. `take` gets every new answer, with what came before in it; `note` the
    seconds that an answer took and its bytes."""

    server: str
    address: str
    take: Callable[[dict[str, Any]], None]
    note: Callable[[float, int], None]
    _known: dict[str, Any] = field(default_factory=dict)
    _tag: str = ""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            # The server closes a connection that rests for long; a browser opens another one.
            with suppress(asyncio.IncompleteReadError, ConnectionResetError):
                await self._ask_over_one_connection()

    async def _ask_over_one_connection(self) -> None:
        at = urlsplit(self.server)
        reader, writer = await asyncio.open_connection(at.hostname, at.port)
        try:
            while True:
                began = time.perf_counter()
                writer.write(self._question(at.netloc).encode())
                wait, size = await self._answer(reader)
                took = time.perf_counter() - began
                self.note(took, size)
                await asyncio.sleep(min(_LONGEST_REST * wait, max(wait, _REST_PER_ANSWER * took)))
        finally:
            writer.close()

    def _question(self, host: str) -> str:
        base = self._known.get("base")
        address = f"/{self.address}" + (f"{'&' if '?' in self.address else '?'}base={base}" if base else "")
        known = f"If-None-Match: {self._tag}\r\n" if self._tag else ""
        return f"GET {address} HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n{known}\r\n"

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[float, int]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if " 200 " in status:
            self._tag = headers["etag"]
            found = json.loads(gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body)
            same = bool(found.get("base")) and found.get("base") == self._known.get("base")
            self._known = self._known | found if same else found
            self.take(self._known)
        elif " 304 " not in status:
            raise RuntimeError(f"{self.address}: {status} {body[:200]!r}")
        return float(headers.get("palimpsest-look-again", 1)), len(head) + len(body)
