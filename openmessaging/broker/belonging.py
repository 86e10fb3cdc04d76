"""Which queues something belongs to that is called by a name of its own: who asks for it must have a right to them."""

from __future__ import annotations

from openmessaging.broker.runner import Runner


def queues_of(runner: Runner, kind: str, name: str) -> list[str]:
    """Full names of queues: of a `transaction` that waits, of those that wait for answers of a producer id (`checks`),
    of a named `producer` (where it has sent), of a `copy` (source and target), a `schedule`, or a `route` (its source).
    Empty when there is no such thing."""
    with runner.lock:
        engine = runner.engine
        if kind == "transaction":
            waiting = engine.prepared.waiting.get(name)
            return [waiting.queue] if waiting is not None else []
        if kind == "checks":
            return sorted({each.queue for each in engine.prepared.waiting.values() if each.producer == name})
        if kind == "producer":
            named = engine.once.producers.get(name)
            return sorted(named.queues) if named is not None else []
        if kind == "copy":
            copy = engine.copies.get(name)
            return [copy.source, copy.target] if copy is not None else []
        if kind == "schedule":
            schedule = engine.timetable.by_name.get(name)
            return [schedule.spec.queue] if schedule is not None else []
        assert kind == "route", kind
        route = engine.routes.by_name.get(name)
        return [route.definition.source] if route is not None else []
