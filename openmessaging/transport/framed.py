"""What both ends of a connection do: gather the frames of a turn into one write, cut what comes into frames, keep the
heartbeat."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import cast

from openmessaging.system.fork import keep_private
from openmessaging.wire import Frame, FrameReader, Kind, ProtocolError, encode_frame, encode_head

MOMENT = 0.02
"""Seconds that what is in no hurry waits for company."""
SILENT_HEARTBEATS = 3
"""Who was not heard of for so many is gone."""


class Framed(asyncio.Protocol, ABC):
    """One end of a connection.

    Args:
        max_bytes: the longest frame that is taken.
        logger: told of who has fallen silent.
        answers_at_once: frames told while others are taken go out when the last of those was taken, not at the end of
            the turn: for the end that answers.
    """

    def __init__(self, max_bytes: int, logger: logging.Logger, *, answers_at_once: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader(max_bytes)
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # there once connected
        self._logger = logger
        self._out: list[bytes] = []
        self._with_next: list[bytes] = []
        self._waits = False
        """Whether somebody looks after them in a moment."""
        self._in_pieces = False
        """Whether some of what goes out is too large to be copied."""
        self._at_once = answers_at_once
        self._taking = False
        self._reading = True
        """Whether what comes is read."""
        self._heard = self._said = 0.0
        self._heartbeat = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    @abstractmethod
    def _peer(self) -> str:
        """The other end's name, for the log."""

    @abstractmethod
    def _take(self, frame: Frame) -> None:
        """Do what a frame asks for. Raises ProtocolError."""

    @abstractmethod
    def _broken(self, cause: ProtocolError) -> None:
        """The other end does not speak the protocol."""

    # ---- the transport's calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = cast(asyncio.Transport, transport)
        keep_private(self)
        self._heard = self._said = self._loop.time()

    def fileno(self) -> int:
        """The descriptor of the connection, -1 where it has none."""
        connected = self._transport.get_extra_info("socket")
        return -1 if connected is None else int(connected.fileno())

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole now."""
        self._heard = self._loop.time()
        self._taking = self._at_once
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except ProtocolError as cause:
            self._broken(cause)
        finally:
            if self._taking:
                self._taking = False
                self.flush()

    def connection_lost(self, failure: Exception | None) -> None:  # noqa: ARG002 - for those who say why
        """Nothing comes any more."""
        if self._timer is not None:
            self._timer.cancel()

    # ---- frames ----------------------------------------------------------------------------------------------------

    def tell(self, kind: int, request: int, *pieces: bytes) -> None:
        """Send a frame, together with all others of this turn; a body in pieces is not copied."""
        if not self._out and not self._taking:
            self._loop.call_soon(self.flush)
        if len(pieces) > 1:
            self._out.append(encode_head(kind, request, sum(map(len, pieces))))
            self._out += pieces
            self._in_pieces = True
        else:
            self._out.append(encode_frame(kind, request, *pieces))

    def tell_with_next(self, kind: int, request: int, *body: bytes) -> None:
        """Send a frame that is in no hurry: with the next that is sent, or after a moment."""
        if not self._waits:
            self._waits = True
            self._loop.call_later(MOMENT, self._send_waiting)
        self._with_next.append(encode_frame(kind, request, *body))

    def _send_waiting(self) -> None:
        self._waits = False
        self._out += self._with_next
        self._with_next.clear()
        self.flush()

    def flush(self) -> None:
        """Send now what this turn has brought so far."""
        if self._out:
            out, self._out = self._with_next + self._out, []
            self._with_next.clear()
            in_pieces, self._in_pieces = self._in_pieces, False
            if not self._transport.is_closing():
                if in_pieces:
                    self._transport.writelines(out)
                else:
                    self._transport.write(out[0] if len(out) == 1 else b"".join(out))
                self._said = self._loop.time()

    # ---- heartbeat -------------------------------------------------------------------------------------------------

    def _beat_every(self, seconds: float) -> None:
        """Begin to say something at least so often, and to expect it of the other."""
        if self._timer is not None:
            self._timer.cancel()
        self._heartbeat = seconds
        self._timer = self._loop.call_later(seconds, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        if self._reading and now - self._heard > SILENT_HEARTBEATS * self._heartbeat:
            self._logger.info("%s has not been heard of for %.0f s", self._peer, now - self._heard)
            self._transport.abort()
            return
        if now - self._said > self._heartbeat:
            self.tell(Kind.PING, 0)
        self._timer = self._loop.call_later(self._heartbeat, self._beat)
