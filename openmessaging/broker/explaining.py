"""What the routes of a queue would do with a message, operator by operator, without doing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from openmessaging.broker.draft import queue_named
from openmessaging.broker.forwarding import changed_record
from openmessaging.broker.route import StoredRoute, near
from openmessaging.broker.state import State
from openmessaging.filters import compile_condition
from openmessaging.model.batch import decode, with_own
from openmessaging.model.message import Record
from openmessaging.model.routing import KEY, Assign, Explanation, Operator, Sample, Transform, Verdict
from openmessaging.routing.steps import Seen, Subject, step_of
from openmessaging.routing.text import show_operator


def explain(state: State, now_ms: int, queue: str, message: bytes) -> list[Explanation]:
    """What would become of a message (an encoded batch of it alone) that is stored in a queue at a time.

    Raises 1404 for a missing queue, 1501 for bytes that are no batch.
    """
    queue_named(state, queue)
    header, shared, records = decode(message)
    return _explain(state, now_ms, queue, with_own(header, shared, records[0], 0))


def _explain(state: State, now_ms: int, queue: str, record: Record) -> list[Explanation]:
    found: list[Explanation] = []
    for route in state.routes.of_queue(queue):
        subject = _subject(queue, now_ms, record)
        steps = _queue_filter(state, queue, subject)
        for number, operator in enumerate(route.definition.operators):
            if steps and steps[-1].verdict == "drops":
                break
            steps.append(_verdict(route, operator, number, subject, now_ms))
            if isinstance(operator, Transform):
                break
        dropped = bool(steps) and steps[-1].verdict == "drops"
        targets = [] if dropped else list(route.definition.targets)
        then: list[Explanation] = []
        if not route.definition.functions:
            for target in targets:
                then += _explain(state, now_ms, target, changed_record(record, subject))
        found.append(Explanation(route.definition.name, queue, steps, targets, then))
    return found


def _queue_filter(state: State, queue: str, subject: Subject) -> list[Verdict]:
    """The condition that a queue has for all who read it, as a first step."""
    text = state.queues[queue].config.get("filter")
    if not text:
        return []
    good = compile_condition(text).matches(subject.properties, subject.header)
    return [Verdict(f"filter of the queue: {text}", "passes" if good else "drops")]


def _verdict(route: StoredRoute, operator: Operator, number: int, subject: Subject, now_ms: int) -> Verdict:
    text, step = show_operator(operator), step_of(operator, number)
    if step is None:
        return Verdict(text, "unknown", "the function decides, where it runs; then follow the operators behind it")
    if isinstance(operator, Sample) and not subject.text(operator.by):
        return Verdict(text, "unknown", "the id decides, which the message gets when it is sent")
    before = subject.key, dict(subject.properties or {})
    if not step(subject, _seen(route, now_ms)):
        return Verdict(text, "drops")
    if isinstance(operator, Assign):
        return _changes(text, operator, before, subject)
    return Verdict(text, "passes")


def _changes(text: str, operator: Assign, before: tuple[str | None, dict[str, Any]], subject: Subject) -> Verdict:
    old: dict[str, Any] = {**before[1], KEY: before[0]}
    new: dict[str, Any] = {**(subject.properties or {}), KEY: subject.key}
    changed = [name for name in operator.values if old.get(name) != new.get(name)]
    detail = ", ".join(f"{name}: {_shown(old.get(name))} -> {_shown(new.get(name))}" for name in changed)
    return Verdict(text, "changes", detail) if changed else Verdict(text, "passes")


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)


def _seen(route: StoredRoute, now_ms: int) -> Seen:
    def seen(digest: bytes, window: float) -> bool:
        return near(route.seen.get(digest), now_ms, window)

    return seen


def _subject(queue: str, now_ms: int, record: Record) -> Subject:
    """A message as it would be right after it was stored."""
    headers = record.headers or {}
    known = {**headers, "destination": queue, "storeTimestamp": headers.get("storeTimestamp", now_ms)}
    read: Callable[[str], Any] = known.get
    return Subject(record.message_key, record.properties, read)
