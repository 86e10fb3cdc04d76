"""The effects that a run of transactions may have had, remembered apart from the store that had them."""

from __future__ import annotations

from collections import Counter


class Effects:
    """What was asked for, and how it ended as far as the caller knows.

    Every transaction has a name and writes it, once each, to the queues it is said to write to. What the caller was
    told is certain; a call that failed or never returned may have happened, but as a whole or not at all.
    """

    def __init__(self) -> None:
        self.queues: dict[str, tuple[str, ...]] = {}
        self.certain: dict[str, bool] = {}
        """By name: whether it has its effect; absent while nobody knows."""

    def begin(self, name: str, queues: tuple[str, ...]) -> None:
        """From now on it may have its effect."""
        self.queues[name] = queues

    def done(self, name: str) -> None:
        """The caller was told that it has its effect."""
        assert self.certain.get(name) is not False, f"{name} was done after it was undone"
        self.certain[name] = True

    def undone(self, name: str) -> None:
        """The caller was told that it has none, and will have none."""
        assert self.certain.get(name) is not True, f"{name} was undone after it was done"
        self.certain[name] = False

    def check(self, found: dict[str, list[str]]) -> dict[str, bool]:
        """Whether each transaction had its effect, by what lies in the queues: never half of it, never twice, nothing
        that nobody asked for, and what the caller was told."""
        counts = {queue: Counter(names) for queue, names in found.items()}
        for queue, names in counts.items():
            for name, count in names.items():
                assert count == 1, f"{name} lies {count} times in {queue}"
                assert queue in self.queues.get(name, ()), f"{name} lies in {queue}, where it does not belong"
        had: dict[str, bool] = {}
        for name, queues in self.queues.items():
            there = [queue for queue in queues if name in counts.get(queue, ())]
            assert len(there) in (0, len(queues)), f"half an effect: {name} lies in {there} of {queues}"
            had[name] = bool(there)
            known = self.certain.get(name)
            assert known is None or known == had[name], f"{name}: the caller was told {known}, it is {had[name]}"
        return had
