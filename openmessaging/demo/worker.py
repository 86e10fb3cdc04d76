"""The process that holds the store: a sender and a consumer group of three members. It may be killed at any moment.

Run as `python -m openmessaging.demo.worker PLAN`; standard output is the pipe to `job`.

- The sender sends in batches that are stored whole or not at all, in the order of the file. So after a kill the queue
  itself says how far the sender came, by the number of messages ever stored, be the last batch acknowledged or not.
- A member reports a flight before it acknowledges it: what was consumed is always counted. A flight that was reported
  and not acknowledged comes again, and is known by its message id.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import msgspec

from openmessaging import blocking as oms
from openmessaging.demo.data import Flight, read
from openmessaging.demo.report import Failed, Finished, Opened, Plan, Received, Report, Sent
from openmessaging.model.errors import OMSRuntimeException

GROUP = "delays"
MEMBERS = 3
BATCH = 200
"""Flights of one send."""
AHEAD = 3_000
"""The sender is at most this far ahead of the consumers, so that the kill finds both at work."""
PREFETCH = 20


class Worker:
    """The threads of one worker process and what they share."""

    def __init__(self, plan: Plan, access_point: oms.AccessPoint, pipe: int) -> None:
        self.plan = plan
        self._access_point = access_point
        self._pipe = pipe
        self._writing = threading.Lock()
        self._moved = threading.Condition()
        self._received = plan.received
        self._finished = threading.Event()
        self._failed = threading.Event()

    def run(self) -> None:
        """Send what is missing, consume until the group has acknowledged everything."""
        manager = self._access_point.resource_manager()
        stored = sum(end for _, end in manager.describe_queue(self.plan.flights).offsets)
        with self._consumer():  # the group is there before anybody asks how far it is
            waiting = manager.describe_group(self.plan.flights, GROUP).lag
        self.tell(Opened(os.getpid(), stored, waiting))
        threads = [threading.Thread(target=self._guard, args=(self._send, stored))]
        threads += [threading.Thread(target=self._guard, args=(self._consume, number + 1)) for number in range(MEMBERS)]
        for thread in threads:
            thread.start()
        threads[0].join()
        while not self._failed.is_set() and manager.describe_group(self.plan.flights, GROUP).lag:
            self._failed.wait(0.02)
        self._finished.set()
        for thread in threads[1:]:
            thread.join()

    def tell(self, report: Report) -> None:
        """Write a report to the pipe, whole, before anything else happens. A reader that is gone ends the process."""
        line = memoryview(msgspec.json.encode(report) + b"\n")
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._pipe, line) :]
            except BrokenPipeError:
                os._exit(1)

    @property
    def failed(self) -> bool:
        """Whether a thread gave up, and said why."""
        return self._failed.is_set()

    def _guard(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except Exception as failure:
            self._failed.set()
            self.tell(failed(failure))
            with self._moved:
                self._moved.notify_all()

    def _send(self, begin: int) -> None:
        flights = read(self.plan.data)
        with self._access_point.create_producer() as producer:
            for start in range(begin, len(flights), BATCH):
                self._wait_for_consumers(start)
                if self._failed.is_set():
                    return
                batch = flights[start : start + BATCH]
                producer.send([self._message(producer, flight) for flight in batch])
                self.tell(Sent(len(batch)))

    def _wait_for_consumers(self, sent: int) -> None:
        with self._moved:
            self._moved.wait_for(lambda: sent - self._received < AHEAD or self._failed.is_set())

    def _message(self, producer: oms.Producer, flight: Flight) -> oms.Message:
        return producer.create_message(self.plan.flights, msgspec.json.encode(flight), message_key=flight.origin)

    def _consume(self, member: int) -> None:
        decode = msgspec.json.Decoder(Flight).decode
        with self._access_point.create_producer() as producer, self._consumer() as consumer:
            while not self._finished.is_set() and not self._failed.is_set():
                for message in consumer.batch_receive(PREFETCH, timeout=0.1):
                    flight = decode(message.data)
                    message_id = message.message_id or ""
                    self.tell(Received(member, message_id, flight))
                    if flight.late:
                        late = producer.create_message(
                            self.plan.late, message.data, message_key=flight.origin, correlation_id=message_id
                        )
                        producer.send(late)
                    message.ack()
                    self._count()

    def _consumer(self) -> oms.PullConsumer:
        return self._access_point.create_pull_consumer(self.plan.flights, GROUP, order="key", prefetch=PREFETCH)

    def _count(self) -> None:
        with self._moved:
            self._received += 1
            self._moved.notify_all()


def failed(failure: Exception) -> Failed:
    """An exception as a report."""
    if isinstance(failure, OMSRuntimeException):
        return Failed(failure.code, failure.reason, failure.next_step)
    return Failed(1500, f"unexpected {type(failure).__name__} in the worker process: {failure}")


def main(arguments: list[str]) -> int:
    """Work to the plan given as JSON; the exit code. Everything else is said through the pipe."""
    plan = msgspec.json.decode(arguments[0], type=Plan)
    pipe = sys.stdout.fileno()
    try:
        with oms.connect(f"oms:embedded://{plan.store}") as access_point:
            worker = Worker(plan, access_point, pipe)
            worker.run()
    except OMSRuntimeException as failure:
        os.write(pipe, msgspec.json.encode(failed(failure)) + b"\n")
        return 1
    if worker.failed:
        return 1
    worker.tell(Finished())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
