"""A driver that checks: the SPI as one identity may use it. Each call is looked up in `operations.TABLE`; sends and
fetches, which come often, are written out, and cost a look into a set once they were allowed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.mail import Mailboxes, ServiceInfo
from openmessaging.model.replay import Delivery, Refused
from openmessaging.model.spi import Done, OutgoingBatch, Placement, Subscription, SubscriptionSpec
from openmessaging.model.spi import Driver as AnyDriver
from openmessaging.model.transaction import Preparation, Settlement
from openmessaging.server.security.grants import GRANTABLE, Action
from openmessaging.server.security.identity import Identity
from openmessaging.server.security.operations import ANYWHERE, TABLE, Rule

if TYPE_CHECKING:
    from openmessaging.broker.mailboxes import Offer, Take
    from openmessaging.server.security.audit import Audit

_VIEWS = 10_000
"""Views of tables that are remembered; one lives for a minute."""
_STORING = frozenset({"advance_copy", "begin_copy", "create_schedule", "create_route"})
"""Operations that store more than they are given: not begun by who has used up his rate or space."""
_SEND, _RECEIVE = int(Action.SEND), int(Action.RECEIVE)


class Openings:
    """What users have opened that has a name of its own and no place in the store; shared by all guards."""

    def __init__(self) -> None:
        self.mailboxes: dict[str, tuple[str, str | None]] = {}
        """By address: whose it is, and which queue it serves."""
        self.views: dict[int, str] = {}
        """Queues of open views."""

    def note_view(self, number: int, queue: str) -> None:
        """A view was opened; the oldest are forgotten."""
        self.views[number] = queue
        if len(self.views) > _VIEWS:
            del self.views[next(iter(self.views))]


class Guard:
    """A driver for one identity; what it may not do raises OMSSecurityException 1403, and 1401 once it has ended."""

    def __init__(self, driver: Any, identity: Identity, openings: Openings, audit: Audit) -> None:
        self._driver = driver
        self._openings = openings
        self._audit = audit
        self.identity = identity
        self.capabilities = driver.capabilities
        self.max_body_bytes = driver.max_body_bytes
        self.mailboxes = GuardedMailboxes(self, driver.mailboxes)
        self._sendable = identity.passed[_SEND]
        self._usage = identity.usage

    # ---- checking --------------------------------------------------------------------------------------------------

    def need(self, operation: str, action: int, resource: str, *, audited: bool = False) -> None:
        """Check an action on a resource. Raises OMSSecurityException 1403, or what ended the identity."""
        identity = self.identity
        if resource in identity.passed[action] and not audited:
            return
        if identity.ended is not None:
            raise identity.ended
        if not (identity.somewhere(action) if resource is ANYWHERE else identity.mask(resource) & action):
            raise self._denied(operation, action, resource)
        if identity.note(action, resource) or audited:
            self._audit.allowed(identity, operation, action, resource)

    def _denied(self, operation: str, action: int, resource: str) -> OMSRuntimeException:
        self._audit.denied(self.identity, operation, action, resource)
        return forbidden(self.identity, action, resource)

    def may(self, action: int, resource: str) -> bool:
        """Whether it would be allowed; nothing is audited."""
        return bool(self.identity.mask(resource) & action)

    def look(self, kind: str, name: Any) -> Sequence[str]:
        """The queues of what has a name of its own."""
        if kind == "mailbox":
            _, queue = self._openings.mailboxes.get(name, ("", None))
            return [queue] if queue else []
        if kind == "view":
            return [self._openings.views[name]] if name in self._openings.views else []
        found: Sequence[str] = self._driver.queues_of(kind, name)
        return found

    def __getattr__(self, name: str) -> Any:
        rule = TABLE.get(name)
        if rule is None:
            raise AttributeError(name)
        call = self._checked(name, rule)
        setattr(self, name, call)
        return call

    def _checked(self, name: str, rule: Rule) -> Callable[..., Any]:
        """An operation of the table as it is called."""
        method = getattr(self._driver, name)
        signature = _signature(name)

        def call(*arguments: Any, **named: Any) -> Any:
            given = signature.bind(*arguments, **named)
            given.apply_defaults()
            for action, resource in rule.needs(self.look, given.arguments):
                self.need(name, action, resource, audited=rule.audited)
            if name in _STORING and self._usage is not None:
                self._usage.check()
            result = method(*arguments, **named)
            if rule.keep is None:
                return result
            return self._kept_later(result, rule) if inspect.isawaitable(result) else self._kept(result, rule)

        return call

    def _kept(self, items: Iterable[Any], rule: Rule) -> list[Any]:
        assert rule.keep is not None
        action, resource = rule.keep
        return [item for item in items if self.identity.mask(resource(item)) & action]

    async def _kept_later(self, items: Any, rule: Rule) -> list[Any]:
        return self._kept(await items, rule)

    # ---- sending ---------------------------------------------------------------------------------------------------

    def _admit(self, operation: str, batches: Sequence[OutgoingBatch]) -> None:
        for batch in batches:
            if batch.destination not in self._sendable:
                self.need(operation, _SEND, batch.destination)
        usage = self._usage
        if usage is not None and usage.counts:
            usage.check()
            for batch in batches:
                usage.take(batch.batch.count, len(batch.batch.payload))

    async def send(self, batches: Sequence[OutgoingBatch]) -> list[Placement]:
        """Store all batches or none."""
        self._admit("send", batches)
        return await self._driver.send(batches)  # type: ignore[no-any-return] # whichever driver

    def submit(self, batch: OutgoingBatch, done: Done) -> None:
        """Hand one batch over."""
        usage = self._usage
        if batch.destination not in self._sendable or (usage is not None and usage.counts):
            self._admit("submit", (batch,))
        self._driver.submit(batch, done)

    def ask(self, batch: OutgoingBatch, done: Done) -> None:
        """Send a request."""
        self._admit("ask", (batch,))
        self._driver.ask(batch, done)

    def send_now(self, batch: OutgoingBatch) -> Placement | None:
        """Store one batch within the call. Counted only when it was stored: otherwise it comes again by `submit`."""
        if batch.destination not in self._sendable:
            self.need("send_now", _SEND, batch.destination)
        usage = self._usage
        counted = usage is not None and usage.counts
        if usage is not None and counted:
            usage.check()
        placement: Placement | None = self._driver.send_now(batch)
        if usage is not None and counted and placement is not None:
            usage.take(batch.batch.count, len(batch.batch.payload))
        return placement

    async def prepare(self, preparation: Preparation) -> None:
        """Store a message that stays invisible until it is committed."""
        self._admit("prepare", (preparation.batch,))
        await self._driver.prepare(preparation)

    async def commit(self, batches: Sequence[OutgoingBatch], settlements: Sequence[Settlement]) -> list[Placement]:
        """Store all batches and settle all messages; these come from subscriptions, which were checked."""
        self._admit("commit", batches)
        inner = [
            msgspec.structs.replace(each, subscription=each.subscription.inner)
            if isinstance(each.subscription, GuardedSubscription)
            else each
            for each in settlements
        ]
        return await self._driver.commit(batches, inner)  # type: ignore[no-any-return] # whichever driver

    # ---- what is opened --------------------------------------------------------------------------------------------

    async def subscribe(self, spec: SubscriptionSpec) -> Subscription:
        """Join a consumer group."""
        resource = f"{spec.destination}/{spec.group}"
        self.need("subscribe", _RECEIVE, resource)
        return GuardedSubscription(self, await self._driver.subscribe(spec), resource)

    async def open_view(self, destination: str) -> Any:
        """See a queue as it is now."""
        self.need("open_view", Action.BROWSE, destination)
        view = await self._driver.open_view(destination)
        self._openings.note_view(view.id, destination)
        return view

    async def open_mailbox(self, take: Take, serves: tuple[str, str] | None = None, offer: Offer | None = None) -> str:
        """Open a mailbox."""
        self.mailboxes.check_serves(serves)
        opened = self._driver.open_mailbox(take, serves, offer)
        address: str = await opened if inspect.isawaitable(opened) else opened
        self._openings.mailboxes[address] = self.identity.name, serves[0] if serves else None
        return address

    def close_mailbox(self, address: str) -> Any:
        """Take no more mail; those of others stay open."""
        if self._openings.mailboxes.get(address, ("",))[0] != self.identity.name:
            return _nothing()
        del self._openings.mailboxes[address]
        return self._driver.close_mailbox(address) or _nothing()

    async def close(self) -> None:
        """Nothing: what is served belongs to the server."""


class GuardedSubscription:
    """A hold on a group that ends with the right to it. Settling what was received stays allowed."""

    def __init__(self, guard: Guard, inner: Any, resource: str) -> None:
        self._guard = guard
        self._resource = resource
        self._receivable = guard.identity.passed[_RECEIVE]
        self.inner = inner
        self.ack = inner.ack
        self.nack = inner.nack
        self.reject = inner.reject
        self.release = inner.release
        self.extend = inner.extend
        self.flush = inner.flush
        self.close = inner.close

    async def fetch(self, max_messages: int, max_bytes: int, wait: float) -> list[Delivery]:
        """Messages as soon as there are any."""
        if self._resource not in self._receivable:
            self._guard.need("fetch", _RECEIVE, self._resource)
        found: list[Delivery] = await self.inner.fetch(max_messages, max_bytes, wait)
        if found and self._resource not in self._receivable and not self._guard.may(_RECEIVE, self._resource):
            for delivery in found:  # the right went while it waited
                self.inner.release(delivery.lease_id, None)
            self._guard.need("fetch", _RECEIVE, self._resource)
        return found

    async def move(
        self, lease_id: int, offsets: Sequence[int] | None, target: str | None, max_redrives: int
    ) -> list[Refused]:
        """Send dead letters back; where each came from is said by itself, so the store asks for each queue."""
        if target is not None:
            self._guard.need("move", _SEND, target)
        guard = self._guard
        moved: list[Refused] = await self.inner.move(
            lease_id, offsets, target, max_redrives, lambda queue: guard.may(_SEND, queue)
        )
        return moved


class GuardedMailboxes:
    """The mailboxes of a server, whose addresses clients choose: nobody takes over somebody else's."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        self._guard = guard
        self._inner = inner

    def check_serves(self, serves: tuple[str, str] | None) -> None:
        """Whoever opens one for a service receives from its queue; a requester sends somewhere."""
        if serves is not None:
            self._guard.need("open_mailbox", _RECEIVE, f"{serves[0]}/{serves[1]}")
        else:
            self._guard.need("open_mailbox", _SEND, ANYWHERE)

    def open(self, address: str, take: Take, serves: tuple[str, str] | None, offer: Offer | None = None) -> None:
        """Open a mailbox of an address. Raises OMSSecurityException 1403 for one that is another user's."""
        self.check_serves(serves)
        openings, name = self._guard._openings, self._guard.identity.name
        owner = openings.mailboxes.get(address, (None,))[0]
        if owner != name and (owner is not None or self._inner.has(address)):
            raise error(1403, "this mailbox is another user's", next_step="Draw an address at random", field="address")
        openings.mailboxes[address] = name, serves[0] if serves else None
        self._inner.open(address, take, serves, offer)

    def services(self, queue: str) -> list[ServiceInfo]:
        """The services of a queue, for who may send requests to it."""
        self._guard.need("ask", _SEND, queue)
        found: list[ServiceInfo] = self._inner.services(queue)
        return found

    def close(self, address: str, take: Take | None = None) -> None:
        """Take no more mail, if it is this user's."""
        if self._guard._openings.mailboxes.get(address, ("",))[0] == self._guard.identity.name:
            self._inner.close(address, take)
            if not self._inner.has(address):
                del self._guard._openings.mailboxes[address]


def forbidden(identity: Identity, action: int, resource: str) -> OMSRuntimeException:
    """The error for what an identity may not do."""
    word = next((name for name, each in GRANTABLE.items() if each & action), "use")
    where = "anything" if resource is ANYWHERE else resource or "the server"
    pattern = "*" if not resource or resource is ANYWHERE else f"{resource}*" if resource.endswith("://") else resource
    step = f"Somebody who may has to grant it: oms user grant {identity.name} '{word} {pattern}'"
    return error(1403, f"{identity.name} has no right to {word} {where}", next_step=step)


async def _nothing() -> None:
    pass


_signatures: dict[str, inspect.Signature] = {}


def _signature(name: str) -> inspect.Signature:
    """Of a method of the SPI, without `self`."""
    found = _signatures.get(name)
    if found is None:
        method = getattr(AnyDriver, name, None) or getattr(Mailboxes, name, None) or _SERVED[name]
        whole = inspect.signature(method)
        kept = [each for each in whole.parameters.values() if each.name != "self"]
        found = _signatures[name] = whole.replace(parameters=kept)
    return found


def _find_sent(batch: OutgoingBatch, since_ms: int) -> None:
    """As it is called."""


def _totals() -> None:
    """As it is called."""


_SERVED: dict[str, Callable[..., Any]] = {"find_sent": _find_sent, "totals": _totals}
"""Operations that only what can be served has."""
