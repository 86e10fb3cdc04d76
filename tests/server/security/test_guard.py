"""A driver that checks, on a real store: what an identity may do, what not, and what happens when that changes."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openmessaging.drivers.embedded import driver as embedded
from openmessaging.model.access_point import parse
from openmessaging.model.batch import encode, encode_shared
from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException, error
from openmessaging.model.mail import Mail, MailKind
from openmessaging.model.message import Record
from openmessaging.model.settings import Backoff, GroupConfig
from openmessaging.model.spi import OutgoingBatch, SubscriptionSpec
from openmessaging.model.transaction import Preparation, Settlement, TransactionCheck
from openmessaging.model.unique import Unique
from openmessaging.server.security.audit import Audit
from openmessaging.server.security.grants import parse_grant
from openmessaging.server.security.guard import Guard, Openings
from openmessaging.server.security.identity import Identity
from openmessaging.server.security.quotas import Quota, Usage

ORDERS, OTHER = "default://orders", "default://other"
counter = itertools.count()


def batch(queue: str, *bodies: bytes, **properties: object) -> OutgoingBatch:
    records = [Record(body, None, dict(properties) or None) for body in bodies]
    first = next(counter) * 100
    return OutgoingBatch(
        queue, None, encode(records, shared=encode_shared({}), born_ms=1, producer_id=1, first_sequence=first)
    )


class Desk:
    """A store and identities on it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.openings = Openings()
        self.audit = Audit(None, lambda: 0)

    def guard(self, *grants: str, name: str = "alice", usage: Usage | None = None) -> Guard:
        identity = Identity(name, "token", [parse_grant(text) for text in grants], usage=usage)
        return Guard(self.driver, identity, self.openings, self.audit)


@asynccontextmanager
async def desk(**options: object) -> AsyncIterator[Desk]:
    driver = await embedded.open(parse("oms:memory:"), dict(options))
    try:
        yield Desk(driver)
    finally:
        await driver.close()


def run(work: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with desk() as opened:
            await work(opened)

    asyncio.run(whole())


def test_sends_and_receives_where_it_may() -> None:
    async def work(desk: Desk) -> None:
        guard = desk.guard("send,receive default://orders")
        await guard.send([batch(ORDERS, b"1")])
        done: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        guard.submit(batch(ORDERS, b"2"), lambda placed, failure: done.set_result(placed or failure))
        await done
        subscription = await guard.subscribe(SubscriptionSpec(ORDERS, "kitchen", GroupConfig()))
        found = await subscription.fetch(10, 1 << 20, 1.0)
        await guard.commit([batch(ORDERS, b"3")], [Settlement(subscription, found[0].lease_id, None)])
        await subscription.close()
        await guard.close()
        assert (await desk.driver.describe_queue(ORDERS)).messages == 3

    run(work)


def test_one_forbidden_queue_keeps_the_whole_send_back() -> None:
    async def work(desk: Desk) -> None:
        guard = desk.guard("send default://orders")
        for send in (guard.send, lambda batches: guard.commit(batches, [])):
            with pytest.raises(OMSSecurityException, match=r"no right to send default://other.*oms user grant alice"):
                await send([batch(ORDERS, b"1"), batch(OTHER, b"2")])
        for one in (guard.send_now, lambda each: guard.submit(each, print)):
            with pytest.raises(OMSSecurityException, match="1403"):
                one(batch(OTHER, b"x"))
        assert await desk.driver.list_queues("default") == []

    run(work)


def test_a_right_that_is_taken_away_ends_a_fetch_that_waits() -> None:
    async def work(desk: Desk) -> None:
        guard = desk.guard("receive default://orders")
        subscription = await guard.subscribe(SubscriptionSpec(ORDERS, "kitchen", GroupConfig()))
        fetching = asyncio.ensure_future(subscription.fetch(1, 1 << 20, 10.0))
        await asyncio.sleep(0)
        guard.identity.regrant([], [], None)
        await desk.driver.send([batch(ORDERS, b"1")])
        with pytest.raises(OMSSecurityException, match="1403"):
            await fetching
        with pytest.raises(OMSSecurityException, match="1403"):
            await subscription.fetch(1, 1 << 20, 0.0)
        allowed = await desk.driver.subscribe(SubscriptionSpec(ORDERS, "kitchen", GroupConfig()))
        [delivery] = await allowed.fetch(1, 1 << 20, 5.0)
        assert delivery.attempt == 1  # what was leased for it went back uncounted

    run(work)


def test_an_identity_that_has_ended_may_do_nothing_more() -> None:
    async def work(desk: Desk) -> None:
        guard = desk.guard("* *")
        await guard.send([batch(ORDERS, b"1")])
        ended: list[OMSRuntimeException] = []
        guard.identity.open.add(ended.append)
        guard.identity.end(error(1401, "the token has expired"))
        assert [each.code for each in ended] == [1401]
        with pytest.raises(OMSSecurityException, match="1401"):
            await guard.send([batch(ORDERS, b"2")])
        with pytest.raises(OMSSecurityException, match="1401"):
            await guard.open_producer("x")
        with pytest.raises(OMSSecurityException, match="1401"):
            await guard.list_queues("default")

    run(work)


def test_dead_letters_go_back_only_where_their_mover_may_send() -> None:
    """Where a dead letter came from is a property, which whoever may send to its queue can write."""

    async def work(desk: Desk) -> None:
        config = GroupConfig(backoff=Backoff(max_delivery=1))
        await desk.driver.send([batch(OTHER, b"secret")])
        dead = "default://dead"
        forged = {"dead-letter.queue": OTHER}
        await desk.driver.send(
            [batch(dead, b"mine", **{"dead-letter.queue": ORDERS}), batch(dead, b"forged", **forged)]
        )
        guard = desk.guard("receive default://dead", "send default://orders")
        subscription = await guard.subscribe(SubscriptionSpec(dead, "redrive", config))
        deliveries = await subscription.fetch(10, 1 << 20, 1.0)
        for lease_id in {each.lease_id for each in deliveries}:
            refused = await subscription.move(lease_id, None, None, 3)
        assert [each.reason for each in refused] == ["no right to send to default://other"]
        assert (await desk.driver.describe_queue(ORDERS)).messages == 1
        assert (await desk.driver.describe_queue(OTHER)).messages == 1
        with pytest.raises(OMSSecurityException, match="1403"):
            await subscription.move(deliveries[0].lease_id, None, OTHER, 3)

    run(work)


def test_named_producers_belong_to_who_may_send_where_they_sent() -> None:
    async def work(desk: Desk) -> None:
        till = desk.guard("send default://orders")
        opened = await till.open_producer("till")
        outgoing = batch(ORDERS, b"1")
        outgoing.unique = Unique(opened.name, opened.epoch, 0)
        await till.commit([outgoing], [])
        with pytest.raises(OMSSecurityException, match="1403"):
            await desk.guard("send default://other", name="bob").open_producer("till")

    run(work)


def test_mail_needs_the_right_of_its_direction() -> None:
    async def work(desk: Desk) -> None:
        came: list[Mail] = []
        service = desk.guard("receive default://orders/kitchen", name="service")
        client = desk.guard("send default://orders", name="client")
        stranger = desk.guard("look *", name="stranger")
        at_service = await service.open_mailbox(came.append, (ORDERS, "kitchen"))
        at_client = await client.open_mailbox(came.append)
        assert client.post(at_service, Mail(MailKind.PING, "c"))
        assert service.post(at_client, Mail(MailKind.ANSWER, "c"))
        assert len(came) == 2
        for address in (at_service, at_client):
            with pytest.raises(OMSSecurityException, match="1403"):
                stranger.post(address, Mail(MailKind.ANSWER, "c"))
        with pytest.raises(OMSSecurityException, match="1403"):
            client.post(at_client, Mail(MailKind.ANSWER, "c"))
        for forbidden in ((ORDERS, "bar"), None):
            with pytest.raises(OMSSecurityException, match="1403"):
                await service.open_mailbox(came.append, forbidden)
        await stranger.close_mailbox(at_client)
        assert desk.driver.has_mailbox(at_client)
        await client.close_mailbox(at_client)
        assert not desk.driver.has_mailbox(at_client)

    run(work)


def test_nobody_takes_over_a_mailbox() -> None:
    async def work(desk: Desk) -> None:
        first: list[Mail] = []
        second: list[Mail] = []
        alice, mallory = desk.guard("send *"), desk.guard("send *", name="mallory")
        alice.mailboxes.open("a" * 32, first.append, None)
        desk.driver.mailboxes.open("b" * 32, first.append, None)  # of one who may do everything
        for address in ("a" * 32, "b" * 32):
            with pytest.raises(OMSSecurityException, match="another user's"):
                mallory.mailboxes.open(address, second.append, None)
            mallory.mailboxes.close(address)
            assert desk.driver.has_mailbox(address)
        take = second.append
        alice.mailboxes.open("a" * 32, take, None)  # over a new connection
        alice.mailboxes.close("a" * 32, first.append)  # the old one's end
        assert desk.driver.has_mailbox("a" * 32)
        alice.mailboxes.close("a" * 32, take)
        assert not desk.driver.has_mailbox("a" * 32)
        assert desk.openings.mailboxes == {}

    run(work)


def test_views_are_renewed_by_who_may_read_the_queue() -> None:
    async def work(desk: Desk) -> None:
        await desk.driver.create_queue(ORDERS, 1, {"compact": True})
        reader, other = desk.guard("browse default://orders"), desk.guard("browse default://other", name="bob")
        view = await reader.open_view(ORDERS)
        await reader.renew_view(view.id)
        for attempt in (other.renew_view, other.close_view):
            with pytest.raises(OMSSecurityException, match="1403"):
                await attempt(view.id)
        await reader.close_view(view.id)

    run(work)


def test_rates_refuse_what_comes_too_fast_and_count_once() -> None:
    async def work(desk: Desk) -> None:
        now = [100.0]
        usage = Usage("alice", Quota(messages_per_s=10), lambda: now[0])
        guard = desk.guard("send *", usage=usage)
        await guard.send([batch(ORDERS, *[b"x"] * 25)])  # more than a second's worth passes, and is owed
        for attempt in (lambda: guard.submit(batch(ORDERS, b"x"), print), lambda: guard.send_now(batch(ORDERS, b"x"))):
            with pytest.raises(OMSRuntimeException, match=r"1502.*used up its rate"):
                attempt()
        now[0] += 1.6
        await guard.send([batch(ORDERS, b"x")])
        assert (await desk.driver.describe_queue(ORDERS)).messages == 26

    run(work)


def test_what_is_stored_within_the_call_is_counted_once() -> None:
    async def work(desk: Desk) -> None:
        usage = Usage("alice", Quota(messages_per_s=50), lambda: 0.0)
        guard = desk.guard("send *", usage=usage)
        with pytest.raises(OMSRuntimeException, match="1502"):
            while True:
                if guard.send_now(batch(ORDERS, b"x")) is None:  # quicker with the next turn
                    await guard.send([batch(ORDERS, b"x")])
        assert (await desk.driver.describe_queue(ORDERS)).messages == 50

    run(work)


def test_who_has_used_up_his_rate_prepares_and_copies_nothing() -> None:
    async def work(desk: Desk) -> None:
        usage = Usage("alice", Quota(messages_per_s=1), lambda: 0.0)
        guard = desk.guard("* *", usage=usage)
        await guard.send([batch(ORDERS, b"x")])
        preparation = Preparation(batch(ORDERS, b"x"), "t", "p", TransactionCheck())
        with pytest.raises(OMSRuntimeException, match="1502"):
            await guard.prepare(preparation)
        with pytest.raises(OMSRuntimeException, match="1502"):
            await guard.begin_copy("c", ORDERS, OTHER, [(0, 1)], True)
        assert await desk.driver.list_transactions() == []

    run(work)


def test_what_the_store_says_belongs_to_queues(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        await desk.driver.send([batch(ORDERS, b"1")])
        await desk.driver.create_queue(OTHER, 1, {})
        await desk.driver.begin_copy("c", ORDERS, OTHER, [(0, 1)], True)
        assert desk.driver.queues_of("copy", "c") == [ORDERS, OTHER]
        for kind in ("copy", "schedule", "route", "producer", "checks", "transaction"):
            assert desk.driver.queues_of(kind, "nothing") == []
        with pytest.raises(OMSSecurityException, match="1403"):
            await desk.guard("browse default://orders").advance_copy("c", 1)

    run(work)
