"""A broker as simple as can be: a dictionary entry per message and group. What the engine is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Letter:
    """A message as one group sees it."""

    deliveries: int = 0
    visible_ms: int = 0
    lease: int | None = None


@dataclass
class Membership:
    """A group: what is not settled, by (partition number, offset)."""

    keyed: bool
    open: dict[tuple[int, int], Letter] = field(default_factory=dict)


@dataclass
class Held:
    place: tuple[str, str]
    number: int
    attempt: int
    deadline_ms: int
    left: set[int]


@dataclass
class NaiveQueue:
    partitions: list[list[tuple[str | None, str]]]  # (key, id or data) per offset
    starts: list[int]
    visible: list[int]
    groups: dict[str, Membership] = field(default_factory=dict)

    def eligible(self, group: Membership, now_ms: int) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """(due again, new) places that may be handed out."""
        seen: set[tuple[int, str]] = set()
        due, fresh = set(), set()
        for (number, offset), letter in sorted(group.open.items()):
            if offset >= self.visible[number]:
                continue
            key = self.partitions[number][offset][0]
            if group.keyed and key is not None:
                if (number, key) in seen:
                    continue
                seen.add((number, key))
            if letter.lease is None and letter.visible_ms <= now_ms:
                (due if letter.deliveries else fresh).add((number, offset))
        return due, fresh

    def all_visible(self) -> None:
        self.visible = [len(messages) for messages in self.partitions]
