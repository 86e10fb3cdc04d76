"""The access point: its URL, versions and attributes."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Kit

URL = "specification 1.0.0, access point"


async def _illegal(kit: Kit, url: str, code: int = 10001) -> None:
    async with kit.refused(code, "OMSRuntimeException", url):
        await kit.connect(url=url)


@case("access-point.no-driver", URL, "access-points")
async def no_driver(kit: Kit) -> None:
    """A URL without a driver is illegal (10001)."""
    await _illegal(kit, "oms://alice@rocketmq.apache.org/us-east")


@case("access-point.no-region", URL, "access-points")
async def no_region(kit: Kit) -> None:
    """A URL without a region is illegal (10001)."""
    await _illegal(kit, "oms:rocketmq://alice@rocketmq.apache.org/")


@case("access-point.no-prefix", URL, "access-points")
async def no_prefix(kit: Kit) -> None:
    """A URL that does not begin with `oms:` is illegal (10001)."""
    await _illegal(kit, "amqp://127.0.0.1:5672/local")


@case("access-point.unknown-driver", URL, "access-points")
async def unknown_driver(kit: Kit) -> None:
    """A driver that is not there cannot be built (10000)."""
    await _illegal(kit, "oms:nosuchsystem://127.0.0.1/local", 10000)


@case("access-point.not-reachable", "runtime, entry", "access-points", seconds=60)
async def not_reachable(kit: Kit) -> None:
    """Where nobody listens, connecting fails with a code of the table, and does not hang."""
    from openmessaging.model.access_point import parse
    from openmessaging.testing.servers.server import free_port

    point = parse(kit.system.url)
    if not point.hosts:
        await _illegal(kit, "oms:oms://127.0.0.1/")
        return
    async with kit.refused(None, None, "a port where nobody listens"):
        await kit.connect(url=f"oms:{point.driver}://127.0.0.1:{free_port()}/local")


@case("access-point.versions", "runtime, entry")
async def versions(kit: Kit) -> None:
    """It says its own version and that of the standard."""
    equal(kit.facts["specVersion"], "1.0.0", "specVersion")
    that(kit.facts["version"], "there is no version of the implementation")


@case("access-point.two", "runtime, entry")
async def two(kit: Kit) -> None:
    """What is sent through one access point is received through another one."""
    queue = kit.queue()
    producer = await kit.producer(await kit.connect())
    consumer = await kit.pull(queue, point=await kit.connect())
    await producer.send(queue, b"from one to the other")
    equal((await consumer.one()).text, "from one to the other", "body")


@case("access-point.attributes", URL, "access-points")
async def attributes(kit: Kit) -> None:
    """Its attributes hold what the caller gave, beside what the URL says."""
    point = await kit.connect(attributes={"CONSUMER_ID": "someone"})
    found = await kit.call("attributes", point=point)
    equal(found.get("CONSUMER_ID"), "someone", "CONSUMER_ID")


@case("access-point.max-body", "runtime, entry")
async def max_body(kit: Kit) -> None:
    """It says how large a body may be."""
    that(kit.facts["maxBodyBytes"] >= 1024, f"maxBodyBytes is {kit.facts['maxBodyBytes']}")


@case("access-point.bad-timeout", "runtime, attributes: OPERATION_TIMEOUT", "access-points")
async def bad_timeout(kit: Kit) -> None:
    """An OPERATION_TIMEOUT that is no number of milliseconds is refused (1418)."""
    async with kit.refused(1418, "OMSRuntimeException", "OPERATION_TIMEOUT soon"):
        await kit.producer(await kit.connect(attributes={"OPERATION_TIMEOUT": "soon"}))
