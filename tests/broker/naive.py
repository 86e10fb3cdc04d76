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
    behind: set[tuple[int, str] | None] = field(default_factory=set)
    """Keys whose next message may wait until the dead letter of the one before is durable."""


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
    families: list[tuple[int, int]] = field(default_factory=list)  # (base, priority) per partition

    def __post_init__(self) -> None:
        self.families = [(number, 5) for number in range(len(self.partitions))]

    def lane(self, base: int, priority: int | None) -> int:
        """The number of the partition for messages of a priority, made when missing."""
        family = (base, priority or 5)
        if family not in self.families:
            self.families.append(family)
            self.partitions.append([])
            self.starts.append(0)
            self.visible.append(0)
        return self.families.index(family)

    def key_at(self, number: int, offset: int) -> tuple[int, str] | None:
        """What may be in flight once: the key with the partition that it belongs to."""
        key = self.partitions[number][offset][0]
        return None if key is None else (self.families[number][0], key)

    def most(self, group: Membership, places: set[tuple[int, int]]) -> int:
        """How many of some places can be in flight together."""
        keys = [self.key_at(*place) if group.keyed else None for place in places]
        return sum(key is None for key in keys) + len({key for key in keys if key is not None})

    def eligible(
        self, group: Membership, now_ms: int, *, patient: bool = False
    ) -> tuple[set[tuple[int, int]], set[tuple[int, int]]]:
        """(due again, new) places that may be handed out; with `patient` those that need not wait for anything."""
        seen: set[tuple[int, str]] = set()
        held = {self.key_at(*place) for place, letter in group.open.items() if letter.lease is not None}
        held |= group.behind if patient else set()
        due, fresh = set(), set()
        for (number, offset), letter in sorted(group.open.items()):
            if offset >= self.visible[number]:
                continue
            key = self.partitions[number][offset][0]
            if group.keyed and key is not None:
                if (number, key) in seen:
                    continue
                seen.add((number, key))
                if self.key_at(number, offset) in held:
                    continue
            if letter.lease is None and letter.visible_ms <= now_ms:
                (due if letter.deliveries else fresh).add((number, offset))
        return due, fresh

    def append(self, number: int, messages: list[tuple[str | None, str]]) -> None:
        """Put messages at the end of a partition, for all groups."""
        for message in messages:
            offset = len(self.partitions[number])
            self.partitions[number].append(message)
            for group in self.groups.values():
                group.open[number, offset] = Letter()

    def all_visible(self) -> None:
        self.visible = [len(messages) for messages in self.partitions]
