"""Namespaces and queues."""

from __future__ import annotations

from openmessaging.conformance.case import case, equal, that
from openmessaging.conformance.kit import Got, Kit, message

RULE = "runtime, resource manager"
ADMIN = "admin"


@case("resources.create", f"{RULE}: createQueue", ADMIN)
async def create(kit: Kit) -> None:
    """A queue that was created has its partitions."""
    queue = await kit.create(kit.queue(), 3)
    equal((await kit.do("describeQueue", queue=queue))["partitions"], 3, "partitions")


@case("resources.create-again", f"{RULE}: createQueue", ADMIN)
async def create_again(kit: Kit) -> None:
    """A queue that is there cannot be created (1406)."""
    queue = await kit.create(kit.queue())
    async with kit.refused(1406, "OMSDestinationException", "the second createQueue"):
        await kit.create(queue)


@case("resources.delete", f"{RULE}: deleteQueue", ADMIN)
async def delete(kit: Kit) -> None:
    """A deleted queue is not there: deleting it again is refused (1404)."""
    queue = await kit.create(kit.queue())
    await kit.do("deleteQueue", queue=queue)
    async with kit.refused(1404, "OMSDestinationException", "the second deleteQueue"):
        await kit.do("deleteQueue", queue=queue)


@case("resources.list", f"{RULE}: listQueues", ADMIN, "listing")
async def listed(kit: Kit) -> None:
    """A queue is listed while it is there."""
    queue = await kit.create(kit.queue())
    that(f"default://{queue}" in await kit.do("listQueues"), "the queue is not listed")
    await kit.do("deleteQueue", queue=queue)
    that(f"default://{queue}" not in await kit.do("listQueues"), "the queue is still listed")


@case("resources.delete-messages", f"{RULE}: deleteQueue", ADMIN)
async def delete_messages(kit: Kit) -> None:
    """A queue that is deleted and made again is empty."""
    queue = await kit.create(kit.queue())
    producer = await kit.producer()
    await producer.send(queue, b"old")
    await kit.do("deleteQueue", queue=queue)
    await kit.create(queue)
    await producer.send(queue, b"new")
    consumer = await kit.pull(queue)
    equal((await consumer.one()).text, "new", "body")


@case("resources.describe-missing", RULE, ADMIN)
async def describe_missing(kit: Kit) -> None:
    """A queue that is not there cannot be described (1404)."""
    async with kit.refused(1404, "OMSDestinationException", "describing a missing queue"):
        await kit.do("describeQueue", queue=kit.queue("missing"))


@case("resources.purge", "features: purge", ADMIN)
async def purge(kit: Kit) -> None:
    """Purging drops all messages, and what is sent later comes."""
    queue = await kit.create(kit.queue())
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    await kit.do("purgeQueue", queue=queue)
    await producer.send(queue, b"later")
    equal((await (await kit.pull(queue)).one()).text, "later", "body")


@case("resources.metadata", "runtime, client: getQueueMetaData", ADMIN, "metadata")
async def metadata(kit: Kit) -> None:
    """Queue metadata has an entry per partition."""
    queue = await kit.create(kit.queue(), 2)
    producer = await kit.producer()
    found = await kit.call("queueMetaData", service=producer.handle, queue=queue)
    equal(sorted(each["partitionId"] for each in found), [0, 1], "partitions")
    equal({each["queueName"] for each in found}, {f"default://{queue}"}, "queue names")


@case("resources.namespace", f"{RULE}: createNamespace", ADMIN, "namespaces")
async def namespace(kit: Kit) -> None:
    """A namespace holds queues of its own: the same name in two namespaces is two queues."""
    space = kit.queue("space")
    await kit.do("createNamespace", name=space)
    that(space in await kit.do("listNamespaces"), "the namespace is not listed")
    producer = await kit.producer()
    await producer.send(f"{space}://{kit.queue()}", b"there")
    await producer.send(kit.queue(), b"here")
    equal((await (await kit.pull(f"{space}://{kit.queue()}")).one()).text, "there", "in the namespace")
    equal((await (await kit.pull(kit.queue())).one()).text, "here", "in the default namespace")


@case("resources.namespace-errors", f"{RULE}: createNamespace, deleteNamespace", ADMIN, "namespaces")
async def namespace_errors(kit: Kit) -> None:
    """A namespace that is there (1407), one that is missing (1405), and one with queues are refused."""
    space = kit.queue("space")
    await kit.do("createNamespace", name=space)
    async with kit.refused(1407, "OMSDestinationException", "the second createNamespace"):
        await kit.do("createNamespace", name=space)
    await kit.create(f"{space}://q")
    async with kit.refused(1400, None, "deleting a namespace with queues"):
        await kit.do("deleteNamespace", name=space)
    await kit.do("deleteQueue", queue=f"{space}://q")
    await kit.do("deleteNamespace", name=space)
    async with kit.refused(1405, "OMSDestinationException", "the second deleteNamespace"):
        await kit.do("deleteNamespace", name=space)


@case("resources.switch-namespace", f"{RULE}: switchNamespace", ADMIN, "namespaces", "access-points")
async def switch_namespace(kit: Kit) -> None:
    """After switching, bare names lie in the namespace; one that is missing is refused (1405)."""
    space, point = kit.queue("space"), await kit.connect()
    async with kit.refused(1405, "OMSDestinationException", "switching to a missing namespace"):
        await kit.call("switchNamespace", point=point, name=space)
    await kit.do("createNamespace", name=space)
    await kit.call("switchNamespace", point=point, name=space)
    found = await (await kit.producer(point)).send("q")
    equal(found["destination"], f"{space}://q", "destination")


@case("resources.queue-in-missing-namespace", f"{RULE}: createQueue", ADMIN, "namespaces")
async def queue_in_missing_namespace(kit: Kit) -> None:
    """A queue of a missing namespace cannot be created (1405)."""
    kit.need_namespaces()
    async with kit.refused(1405, "OMSDestinationException", "createQueue"):
        await kit.create(f"{kit.queue('missing')}://q")


@case("resources.list-missing-namespace", f"{RULE}: listQueues", ADMIN, "namespaces")
async def list_missing_namespace(kit: Kit) -> None:
    """The queues of a missing namespace cannot be listed (1405)."""
    async with kit.refused(1405, "OMSDestinationException", "listQueues"):
        await kit.do("listQueues", namespace=kit.queue("missing"))


@case("resources.browse", "features: look inside", "browse")
async def browse(kit: Kit) -> None:
    """Browsing shows what a queue holds, and takes nothing."""
    queue = kit.queue()
    producer = await kit.producer()
    await producer.send_many([message(queue, str(n)) for n in range(5)])
    found = [Got(each).text for each in await kit.do("browse", queue=queue)]
    equal(found, ["0", "1", "2", "3", "4"], "bodies")
    equal(len(await (await kit.pull(queue)).take(5)), 5, "messages of a group")


@case("resources.copy", "features: replay", "copy")
async def copy(kit: Kit) -> None:
    """A queue is copied into another one with ids, keys and order."""
    queue, target = kit.queue(), kit.queue("copy")
    producer = await kit.producer()
    sent = await producer.send_many([message(queue, str(n), key="k") for n in range(5)])
    await kit.do("copyQueue", queue=queue, target=target)
    got = await (await kit.pull(target)).take(5)
    equal([each.text for each in got], ["0", "1", "2", "3", "4"], "bodies")
    equal([each.id for each in got], [each["messageId"] for each in sent], "ids")


@case("resources.table", "features: compaction", "table")
async def table(kit: Kit) -> None:
    """A queue as a table holds the newest message of each key; an empty body takes a key out."""
    queue = await kit.create(kit.queue(), compact=True)
    producer = await kit.producer()
    for key, body in (("a", b"1"), ("b", b"1"), ("a", b"2"), ("b", b""), ("c", b"1")):
        await producer.send(queue, body, key=key)
    equal(await kit.do("table", queue=queue), {"a": "2", "c": "1"}, "table")
