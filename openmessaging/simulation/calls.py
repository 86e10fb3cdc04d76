"""Requests, and messages of qos 1, on a simulated disk that loses power: what is to be handled once is never again.

    python -m openmessaging.simulation.calls --seeds 400
    python -m openmessaging.simulation.calls --seed 17

A run asks services, which take requests from the queue or from hand to hand, hold some for longer than their lease,
fail, are stopped in the middle, or die with the power before their acknowledgement is on the disk; services and a
consumer also get plain messages, some of qos 1. Whatever happens: a request that is not idempotent and a message of
qos 1 are handled at most once; no handler is called for a requester that is gone or has stopped waiting; a request that
went from hand to hand comes to nobody else; a call has one outcome, which is that of its own request. At the end, on a
healed disk, every call of the last life that has time left has its outcome, and (with `flush=always`) every plain
message its handler.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from openmessaging.broker.admin import Admin
from openmessaging.broker.store import StoreOptions, open_store
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver, BlockingSubscription
from openmessaging.model.batch import attributes_of, encode_shared
from openmessaging.model.errors import OMSRuntimeException
from openmessaging.model.mail import Handed, Mail, MailKind
from openmessaging.model.message import Message, Record
from openmessaging.model.spi import Backoff, Done, GroupConfig, OutgoingBatch, SubscriptionSpec
from openmessaging.runtime import wall
from openmessaging.runtime.interceptor import logger
from openmessaging.runtime.lease import DeliveryOrigin, leased
from openmessaging.runtime.membership import Membership
from openmessaging.runtime.outgoing import Packer
from openmessaging.runtime.replies import Calls
from openmessaging.runtime.rpc import Request
from openmessaging.runtime.serving import Arrived, Cancelled
from openmessaging.runtime.threads.received import received
from openmessaging.runtime.threads.requests import Requester
from openmessaging.runtime.threads.service import ServiceEndpoint
from openmessaging.runtime.threads.settling import settle_first
from openmessaging.runtime.threads.waits import Interruptible
from openmessaging.simulation import crashes
from openmessaging.simulation.transactions import ROOT, TransactionRun

ASKED, PULLED = "default://asked", "default://pulled"
CONFIG = GroupConfig(invisible_time=10, backoff=Backoff(initial=0.0, maximum=0.0, max_delivery=1_000))
_TIMEOUT = 60.0
_SHARED = encode_shared({"bornHost": "simulation"})


class _Stopped(BaseException):
    """A service is stopped while its handler is at work."""


class _Outcome:
    """What came of a call."""

    def __init__(self, name: str, deadline_ms: int) -> None:
        self.name = name
        self.deadline_ms = deadline_ms
        self.mail: Mail | None = None
        self.failure: BaseException | None = None

    def take(self, mail: Mail) -> bool:
        """The first one counts."""
        if self.over:
            return False
        self.mail = mail
        return True

    def fail(self, failure: BaseException) -> None:
        """It could not be sent."""
        self.failure = failure

    @property
    def over(self) -> bool:
        """Whether there is one."""
        return self.mail is not None or self.failure is not None


class _Driver(BlockingEmbeddedDriver):
    """Without threads, and with addresses that a seed repeats."""

    def __init__(self, store: Any, run: CallsRun) -> None:
        super().__init__(store, lambda: None)
        self._run = run

    def open_mailbox(self, take: Any, serves: tuple[str, str] | None = None, offer: Any = None) -> str:
        """Open a mailbox."""
        address = self._run.next_name("mailbox")
        self.mailboxes.open(address, take, serves, offer)
        return address

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Store one batch before it returns. Raises what it tells."""
        try:
            placement = self.runner.send([batch])[0]
        except OMSRuntimeException as failure:
            done(None, failure)
            raise
        done(placement, None)


class _AccessPoint:
    """What a service needs of one."""

    def full(self, queue: str) -> str:
        """The name, which is full."""
        return queue


class _Service(ServiceEndpoint):
    """A service whose jobs wait until the run lets them be done."""

    def __init__(self, run: CallsRun, driver: _Driver) -> None:
        membership = Membership("answerers", CONFIG, False, False)
        super().__init__(_AccessPoint(), membership, ASKED, run.handle, concurrency=1, grace=0)  # type: ignore[arg-type]
        self._max_body = driver.max_body_bytes
        self._mailboxes = driver
        self._subscription = driver.subscribe(SubscriptionSpec(ASKED, self.group, CONFIG))
        self._running = {}
        self._cancelled = Cancelled()
        self._chance = run.random
        self.jobs: list[Arrived | Handed] = []
        self.handed: set[str] = run.handed
        self.address = driver.open_mailbox(self._take, (ASKED, self.group), self._offer)

    def _offer(self) -> Callable[[Handed], object] | None:
        return self._accept if len(self.jobs) < 3 and self._chance.random() < 0.8 else None

    def _accept(self, handed: Handed) -> None:
        self.handed.add(_name(handed.record))
        self.jobs.append(handed)

    def fetch(self, count: int) -> None:
        """Take requests from the queue."""
        for delivery in self._subscription.fetch(count, 1 << 20, 0.0):
            origin = DeliveryOrigin(delivery)
            for place, record in enumerate(origin.members, delivery.first):
                assert _name(record) not in self.handed, f"{_name(record)} went from hand to hand, and comes again"
                self.jobs.append(Arrived(record, delivery, origin, place))

    def work(self) -> None:
        """Do a job, any of those that are here."""
        job = self.jobs.pop(self._chance.randrange(len(self.jobs)))
        with suppress(_Stopped):
            self._serve(job, Interruptible())


class CallsRun(TransactionRun):
    """One seed."""

    def __init__(self, seed: int) -> None:
        self._options = StoreOptions(segment_bytes=64 * 1024, flush="interval" if seed % 3 else "always")
        self._life = 0
        self.handled: Counter[str] = Counter()
        self.handed: set[str] = set()
        self._plain: set[str] = set()  # plain messages of which the sender was told that they are stored
        self._calls: dict[str, _Outcome] = {}  # of this life, by id
        self._calm = False
        self._broken: list[str] = []  # what handlers saw: what they raise is caught, as the service's
        self._driver: _Driver
        self._services: list[_Service]
        self._requester: Requester
        super().__init__(seed)

    def run(self, steps: int = 120) -> str:
        """Random steps, then heal and finish; returns the hash of the disk's trace."""
        usual, wall.time_ns = wall.time_ns, lambda: self.clock.now_ms() * 1_000_000
        told, logger.disabled = logger.disabled, True  # that leases are over, again and again
        try:
            actions: list[Callable[[], None]] = (
                [self._ask] * 10 + [self._send] * 6 + [self._fetch] * 8 + [self._work] * 12 + [self._pull] * 6
                + [self._record] * 3 + [self._pause] * 3 + [self._cancel] * 2 + [self._upkeep] * 2
            )  # fmt: skip
            for _ in range(steps):
                self.random.choice(actions)()
            self._finish()
        finally:
            wall.time_ns, logger.disabled = usual, told
        return self.disk.trace_hash()

    # ---- what happens ------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> bytes:
        """What services do with a request: note it, then answer, fail, or be stopped."""
        name = _name(request.record)
        kind, life = name.split("-")[0], int(name.split("-")[1])
        if request.reply_to is not None:
            if life != self._life:
                self._broken.append(f"{name} is handled, and its requester is gone")
            if self.clock.now_ms() >= request.deadline_ms:
                self._broken.append(f"{name} is handled, and nobody waits any more")
        self._note(name, kind)
        if not self._calm:
            chance = self.random.random()
            if chance < 0.1:
                raise ValueError(name)
            if chance < 0.2:
                raise _Stopped
        return name.upper().encode()

    def _note(self, name: str, kind: str) -> None:
        self.handled[name] += 1
        if kind not in ("often", "sure") and self.handled[name] > 1:
            self._broken.append(f"{name} is handled again")

    def _ask(self) -> None:
        kind = self.random.choice(("once", "often"))
        name = f"{kind}-{self._life}-{self.next_name('call')}"
        outcome = _Outcome(name, self.clock.now_ms() + int(_TIMEOUT * 1000))
        requester = self._requester
        call_id = requester.calls.begin(outcome)
        message = Message(Record(name.encode()), ASKED)
        self._calls[call_id] = outcome
        self._tried(lambda: requester._submit(message, ASKED, call_id, outcome, _TIMEOUT, kind == "often", 0))

    def _cancel(self) -> None:
        """A requester waits for something no more."""
        under_way = [call_id for call_id, call in self._calls.items() if not call.over]
        if under_way:
            call_id = self.random.choice(under_way)
            del self._calls[call_id]
            self._requester.calls.end(call_id)
            self._requester._cancel(ASKED, call_id)

    def _send(self) -> None:
        """Plain messages for the services, or for the consumer."""
        queue = self.random.choice((ASKED, PULLED))
        kinds = [self.random.choice(("lossy", "sure")) for _ in range(self.random.choice((1, 3)))]
        names = [f"{kind}-{self._life}-{self.next_name('plain')}" for kind in kinds]
        records = [
            Record(name.encode(), None, None, {"qos": 1} if kind == "lossy" else None)
            for name, kind in zip(names, kinds, strict=True)
        ]
        outgoing, _ = self._packer().pack(queue, None, records, attributes_of(records))
        if self._tried(lambda: self.store.runner.send([outgoing])):
            self._plain.update(name for name in names if name.startswith("sure"))

    def _fetch(self) -> None:
        service = self.random.choice(self._services)
        self._tried(lambda: service.fetch(self.random.choice((1, 3))))

    def _work(self) -> None:
        service = self.random.choice(self._services)
        if service.jobs:
            self._tried(service.work)

    def _pull(self) -> None:
        """The consumer takes some messages, and acknowledges some of them."""
        self._tried(lambda: self._consume(self.random.choice((1, 2, 5))))

    def _consume(self, count: int) -> None:
        subscription = BlockingSubscription(self._driver, self._pullers, SubscriptionSpec(PULLED, "pullers", CONFIG))
        deliveries = subscription.fetch(count, 1 << 20, 0.0)
        messages = [each for lease, delivery in leased(subscription, deliveries) for each in received(lease, delivery)]
        for message in settle_first(messages):
            name = _name(message.record)
            self._note(name, name.split("-")[0])
            if self._calm or self.random.random() < 0.7:
                message.ack()

    def _record(self) -> None:
        """What went from hand to hand is written down, and perhaps synced."""
        self.store.hand_overs.record()
        if self.random.random() < 0.5:
            self._tried(self.store.runner.flush)

    def _pause(self) -> None:
        self.clock.advance(self.random.choice((1.0, 1.0, 12.0, 12.0, 12.0, 61.0)))

    # ---- the store ---------------------------------------------------------------------------------------------------

    def _tried(self, call: Callable[[], object]) -> bool:
        """Make a call that may meet a crash; a log that failed in it is one, too."""

        def checked() -> None:
            call()
            failure = self.store.runner.committer.failure
            if failure is not None:
                raise failure

        make = self._faulty if self.random.random() < 0.25 else self._calmly  # else no life would be long
        returned = make(checked, expected=1418)
        self._check()
        return returned

    def _open(self) -> None:
        self._life += 1
        self.store = open_store(ROOT, self._options, disk=self.disk, clock=self.clock, chance=self.random, upkeep=False)
        self._driver = _Driver(self.store, self)
        self._services = [_Service(self, self._driver) for _ in range(2)]
        self._pullers = Admin(self.store.runner).join(SubscriptionSpec(PULLED, "pullers", CONFIG))
        self._calls = {}
        requester = self._requester = Requester(self._driver, "default", "none")
        requester._packer = self._packer()
        requester._producer_id = self._life
        requester.calls = Calls(f"life{self._life}")
        requester.open()

    def _packer(self) -> Packer:
        packer = Packer("default", "none")
        packer.producer_id, packer.born_host, packer._shared = self._life, "simulation", _SHARED
        packer._sequence, self._numbers = self._numbers, self._numbers + 100
        packer.capabilities = self._driver.capabilities
        return packer

    def _create(self) -> None:
        """The queues came with the services."""

    def next_name(self, kind: str) -> str:
        """A name that is used once."""
        return self._name(kind)

    # ---- verdicts ----------------------------------------------------------------------------------------------------

    def _check(self) -> dict[str, bool]:
        """Outcomes are those of their own requests."""
        assert not self._broken, self._broken
        for call in self._calls.values():
            if call.mail is not None and call.mail.kind == MailKind.ANSWER:
                assert call.mail.record is not None
                assert call.mail.record.data == call.name.upper().encode(), f"{call.name} has the answer of another"
                assert self.handled[call.name], f"{call.name} was answered, and nobody handled it"
        return {}

    def _finish(self) -> None:
        """No more faults: what waits is handled, and who asks has an outcome."""
        self._check()
        self._faulty = self._calmly  # type: ignore[method-assign]
        self._calm = True
        soon = self.clock.now_ms() + 50_000
        asked = [call for call in self._calls.values() if call.deadline_ms > soon]
        for _ in range(300):
            if all(call.over for call in asked) and not self._lag():
                break
            for service in self._services:
                service.fetch(5)
                while service.jobs:
                    service.work()
            self._consume(5)
            self.clock.advance(3)
        else:
            raise AssertionError(f"no end: {[call.name for call in asked if not call.over]}, lag {self._lag()}")
        self._check()
        if self._options.flush == "always":
            missing = sorted(name for name in self._plain if not self.handled[name])
            assert not missing, f"never handled: {missing}"

    def _lag(self) -> int:
        admin = Admin(self.store.runner)
        return sum(admin.describe_group(*place).lag for place in ((ASKED, "answerers"), (PULLED, "pullers")))


def _name(record: Record) -> str:
    return record.data.decode()


def run_seed(seed: int) -> tuple[str, CallsRun | None, BaseException | None]:
    """The trace hash of a seed, or what went wrong with it."""
    return crashes.run_seed(CallsRun, seed)


def main(arguments: list[str] | None = None) -> int:
    """Run seeds; returns the exit code: 1 when a promise was broken."""
    return crashes.run_seeds(CallsRun, arguments, __doc__)


if __name__ == "__main__":
    sys.exit(main())
