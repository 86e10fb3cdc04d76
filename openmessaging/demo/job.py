"""The main job: start a worker, kill it halfway, start another, count what was consumed, compare with the file."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO

import msgspec

from openmessaging import blocking as oms
from openmessaging.demo import worker
from openmessaging.demo.data import Flight, read
from openmessaging.demo.report import (
    Begun,
    Drained,
    Failed,
    Finished,
    Killed,
    Opened,
    Plan,
    Received,
    Report,
    Sent,
    Step,
)
from openmessaging.demo.table import Tally
from openmessaging.model.errors import error

FLIGHTS, LATE = "flights", "late-flights"
PARTITIONS = 4

_decode: Callable[[bytes], Report] = msgspec.json.Decoder(Report).decode


class Outcome(msgspec.Struct):
    """What came of it."""

    plan: Plan
    file: Tally
    consumed: Tally
    sent: int = 0
    """Flights in the queue at the end, each sent once."""
    received: int = 0
    """Different flights that were consumed."""
    duplicates: int = 0
    """Deliveries of a flight that had been delivered before."""
    late: int = 0
    """Different flights in the late queue."""
    lost: int = 0
    """Flights whose send was acknowledged before the kill and that were not there afterwards."""

    @property
    def matches_input(self) -> bool:
        """Whether what was consumed is what the file holds, all of it, once."""
        total = self.plan.total
        return self.consumed == self.file and self.sent == self.received == total and self.lost == 0

    def document(self) -> dict[str, object]:
        """The numbers as a JSON document."""
        return {
            "sent": self.sent,
            "received": self.received,
            "duplicates": self.duplicates,
            "late": self.late,
            "origins": {
                name: {"flights": origin.flights, "mean_delay": origin.mean_delay}
                for name, origin in sorted(self.consumed.origins.items())
            },
            "matches_input": self.matches_input,
        }


class Job:
    """One run of the main job.

    Args:
        store: directory of the store, empty or a store already.
        data: file of flights; None: those of the package.
        watch: called with each step as it happens.
    """

    def __init__(self, store: str, data: str | None, watch: Callable[[Step], None]) -> None:
        flights = read(data)
        self._watch = watch
        self._seen: set[str] = set()
        self._acknowledged = 0
        names = prepare(store)
        plan = Plan(os.path.abspath(store), *names, len(flights), 0, data and os.path.abspath(data))
        self.outcome = Outcome(plan, Tally.of(flights), Tally())

    def run(self) -> Outcome:
        """Everything, in order. Raises OMSRuntimeException: what the worker met, 1500 when it ended by itself."""
        plan = self.outcome.plan
        self._watch(Begun(plan.total, plan.flights, plan.late, plan.store))
        self._work(kill_at=plan.total // 2)
        self._work(kill_at=None)
        self._drain()
        return self.outcome

    def _work(self, kill_at: int | None) -> None:
        """A worker process, until it is done or, at that many flights received, killed."""
        outcome = self.outcome
        plan = msgspec.structs.replace(outcome.plan, received=outcome.received)
        process = subprocess.Popen(  # noqa: S603 - this interpreter, this package
            [sys.executable, "-P", "-m", worker.__name__, msgspec.json.encode(plan).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("OMS_DEBUG") else subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for this process, which then stops the worker
        )
        assert process.stdout is not None
        done = killed = False
        try:
            for report in reports(process.stdout):
                self._take(report)
                done = done or isinstance(report, Finished)
                if kill_at is not None and outcome.received >= kill_at and not killed:
                    process.kill()
                    killed = True
                    self._watch(Killed(process.pid, outcome.received))
        finally:
            process.kill()
            process.stdout.close()
            code = process.wait()
        if not (done or killed):
            raise error(1500, f"the worker process ended with {code}", next_step="Set OMS_DEBUG=1 to see why")

    def _take(self, report: Report) -> None:
        outcome = self.outcome
        if isinstance(report, Failed):
            raise report.exception()
        if isinstance(report, Received):
            if report.message_id in self._seen:
                outcome.duplicates += 1
                report = msgspec.structs.replace(report, again=True)
            else:
                self._seen.add(report.message_id)
                outcome.received += 1
                outcome.consumed.add(report.flight)
        elif isinstance(report, Sent):
            self._acknowledged += report.flights
            outcome.sent = self._acknowledged
        elif isinstance(report, Opened):
            outcome.lost += max(0, self._acknowledged - report.stored)
            self._acknowledged = outcome.sent = report.stored
        self._watch(report)

    def _drain(self) -> None:
        """Count the late flights from their queue, each once, and the flights that were ever stored."""
        plan = self.outcome.plan
        known: set[str] = set()
        with oms.connect(f"oms:embedded://{plan.store}") as access_point:
            offsets = access_point.resource_manager().describe_queue(plan.flights).offsets
            self.outcome.sent = sum(end for _, end in offsets)
            with access_point.create_pull_consumer(plan.late, "report") as consumer:
                while messages := consumer.batch_receive(timeout=0):
                    for message in messages:
                        correlation = str(message.extension_header.correlation_id)
                        if correlation not in known:
                            known.add(correlation)
                            self.outcome.consumed.add_late(msgspec.json.decode(message.data, type=Flight))
                    consumer.ack(messages)
                    self.outcome.late = len(known)
                    self._watch(Drained(len(known)))


def prepare(store: str) -> tuple[str, str]:
    """Make the two queues in a store and return their names, with a number behind when they are taken.

    Raises OMSRuntimeException 1418 for a directory that holds something else, 1501 for one that cannot be written,
    1503 for a store in use.
    """
    if os.path.isdir(store) and os.listdir(store) and not os.path.isdir(os.path.join(store, "log")):
        raise error(1418, f"{store} is not empty and holds no store", next_step="Name an empty or a new directory")
    with oms.connect(f"oms:embedded://{store}") as access_point:
        manager = access_point.resource_manager()
        taken = {name.rpartition("/")[2] for name in manager.list_queues()}
        flights, late, number = FLIGHTS, LATE, 1
        while flights in taken or late in taken:
            number += 1
            flights, late = f"{FLIGHTS}-{number}", f"{LATE}-{number}"
        manager.create_queue(flights, partitions=PARTITIONS)
        manager.create_queue(late)
    return flights, late


def reports(pipe: IO[bytes]) -> Iterator[Report]:
    """The reports of a worker until it ends; a line that the kill cut short was not acted upon, and is none."""
    for line in pipe:
        if line.endswith(b"\n"):
            yield _decode(line)
