"""Names of streams and positions in them: text, as the streaming interface has it.

Source: OMSI 0.3.1; stream names `<full queue name>#<partition>` and the two kinds of positions are this project's.
"""

from __future__ import annotations

from openmessaging.model.errors import error


def stream_name(queue: str, partition: int) -> str:
    """The stream of a partition; `queue` by full name."""
    return f"{queue}#{partition}"


def split_stream(stream: str) -> tuple[str, int]:
    """Queue and partition of a stream. Raises OMSRuntimeException 1418 for a text that names none."""
    queue, mark, partition = stream.rpartition("#")
    if not (mark and queue and partition.isascii() and partition.isdigit()):
        raise error(1418, f"{stream!r} is no stream", next_step="Take one from list_streams(queue)", field="stream")
    return queue, int(partition)


def split_position(position: str) -> tuple[str, int]:
    """Kind (`offset` or `ts`) and number of a position. Raises OMSRuntimeException 1418 for any other text."""
    kind, _, number = position.partition(":")
    if kind not in ("offset", "ts") or not (number.isascii() and number.removeprefix("-").isdigit()):
        step = "Positions are `offset:<n>` and `ts:<ms>`"
        raise error(1418, f"{position!r} is no position", next_step=step, field="position")
    return kind, int(number)
