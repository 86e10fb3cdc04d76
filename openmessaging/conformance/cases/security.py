"""Who may do what: on a node that knows its users."""

from __future__ import annotations

from openmessaging.conformance.case import Skip, case, equal
from openmessaging.conformance.kit import Kit
from openmessaging.conformance.system import Secured

RULE = "runtime, exceptions: OMSSecurityException"


async def _secured(kit: Kit) -> Secured:
    found = await kit.system.secured()
    if found is None:
        raise Skip("the kit has no node of this system that knows users")
    return found


async def _connect(kit: Kit, secured: Secured, key: str | None = None) -> str:
    return await kit.connect(url=secured.url, attributes={"ACCOUNT_KEY": secured.account_key if key is None else key})


@case("security.allowed", RULE, "access-points")
async def allowed(kit: Kit) -> None:
    """Who shows a right key does what it may."""
    secured = await _secured(kit)
    point = await _connect(kit, secured)
    queue = f"{secured.queue}-{kit.queue()}"
    await (await kit.producer(point)).send(queue, b"mine")
    equal((await (await kit.pull(queue, point=point)).one()).text, "mine", "body")


@case("security.wrong-key", RULE, "access-points")
async def wrong_key(kit: Kit) -> None:
    """A wrong key is refused (1401)."""
    secured = await _secured(kit)
    async with kit.refused(1401, "OMSSecurityException", "a wrong key"):
        await _connect(kit, secured, "wrong")


@case("security.no-key", RULE, "access-points")
async def no_key(kit: Kit) -> None:
    """Nobody is let in without a key (1401)."""
    secured = await _secured(kit)
    async with kit.refused(1401, "OMSSecurityException", "no key"):
        await kit.connect(url=secured.url)


@case("security.send-forbidden", RULE, "access-points")
async def send_forbidden(kit: Kit) -> None:
    """Sending where one may not is forbidden (1403)."""
    secured = await _secured(kit)
    producer = await kit.producer(await _connect(kit, secured))
    async with kit.refused(1403, "OMSSecurityException", "a send to another's queue"):
        await producer.send(f"other-{kit.queue()}")


@case("security.receive-forbidden", RULE, "access-points")
async def receive_forbidden(kit: Kit) -> None:
    """Receiving where one may not is forbidden (1403)."""
    secured = await _secured(kit)
    point = await _connect(kit, secured)
    async with kit.refused(1403, "OMSSecurityException", "a consumer of another's queue"):
        consumer = await kit.pull(f"other-{kit.queue()}", point=point)
        await consumer.receive(0.5)


@case("security.manage-forbidden", RULE, "access-points")
async def manage_forbidden(kit: Kit) -> None:
    """Deleting a queue without that right is forbidden (1403)."""
    secured = await _secured(kit)
    point = await _connect(kit, secured)
    queue = f"{secured.queue}-{kit.queue()}"
    await (await kit.producer(point)).send(queue)
    async with kit.refused(1403, "OMSSecurityException", "deleteQueue"):
        await kit.call("deleteQueue", point=point, queue=queue)
