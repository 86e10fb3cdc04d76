"""Judging a history: what was sent and acknowledged, and what was handed out and settled, in the order of events.

What must hold whatever happened in between:
- nothing that was acknowledged to the sender is lost;
- nothing comes that was never sent;
- a message whose acknowledgement was confirmed does not come again (a duplicate without an explanation);
- first deliveries of a key come in the order of sending, of messages that were sent one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

import msgspec


class Event(StrEnum):
    """What happened to a message."""

    SENT = "sent"
    """Its send was acknowledged."""
    UNSURE = "unsure"
    """Its send failed, or was never answered: it may be there or not, once or twice."""
    GOT = "got"
    """It was handed out."""
    DONE = "done"
    """Its acknowledgement was confirmed."""


class Entry(msgspec.Struct, frozen=True):
    """One event. `number` tells messages of a key apart and grows with the order of sending."""

    event: Event
    key: str
    number: int
    again: bool = False
    """Of SENT: it was sent more than once, for an answer did not come."""


class Verdict(msgspec.Struct, frozen=True):
    """What does not hold; empty: all is well."""

    lost: list[tuple[str, int]]
    phantom: list[tuple[str, int]]
    doubled: list[tuple[str, int]]
    disordered: list[tuple[str, int]]
    redelivered: int
    """Duplicates that are allowed: handed out again without a confirmed acknowledgement before."""

    def __bool__(self) -> bool:
        """Whether all is well."""
        return not (self.lost or self.phantom or self.doubled or self.disordered)

    def __str__(self) -> str:
        kinds = {
            "lost": self.lost,
            "never sent": self.phantom,
            "duplicates without an explanation": self.doubled,
            "out of order": self.disordered,
        }
        told = [f"{len(found)} {kind} (first: {found[0]})" for kind, found in kinds.items() if found]
        return "; ".join(told) or "all is well"


def judge(history: Sequence[Entry], ordered: bool = True) -> Verdict:
    """The verdict over a history that has come to its end: whoever receives got nothing more for a while."""
    sent: dict[tuple[str, int], Entry] = {}
    unsure: set[tuple[str, int]] = set()
    got: Counter[tuple[str, int]] = Counter()
    done: Counter[tuple[str, int]] = Counter()
    newest: dict[str, int] = {}
    phantom, doubled, disordered = [], [], []
    known = {(entry.key, entry.number) for entry in history if entry.event in (Event.SENT, Event.UNSURE)}
    for entry in history:
        what = (entry.key, entry.number)
        if entry.event is Event.SENT:
            sent[what] = entry
        elif entry.event is Event.UNSURE:
            unsure.add(what)
        elif entry.event is Event.DONE:
            done[what] += 1
        else:
            got[what] += 1
            if what not in known:
                phantom.append(what)
            if done[what] and not _twice(what, sent, unsure):
                doubled.append(what)
            if got[what] == 1:
                if ordered and entry.number < newest.get(entry.key, -1):
                    disordered.append(what)
                newest[entry.key] = max(entry.number, newest.get(entry.key, -1))
    return Verdict(
        lost=[what for what in sent if not got[what]],
        phantom=phantom,
        doubled=doubled,
        disordered=disordered,
        redelivered=sum(times - 1 for times in got.values() if times > 1),
    )


def _twice(what: tuple[str, int], sent: dict[tuple[str, int], Entry], unsure: set[tuple[str, int]]) -> bool:
    """Whether a message may lie there twice, for its sender sent it again."""
    return what in unsure or (what in sent and sent[what].again)
