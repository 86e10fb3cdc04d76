"""All callbacks of a server: registered with a handshake, taken up again when it starts, stopped on request."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.message import VERSION
from openmessaging.server.config import CallbacksSection
from openmessaging.server.http.callbacks.addresses import FIELD, Rules
from openmessaging.server.http.callbacks.delivery import Callback, signed
from openmessaging.server.http.callbacks.registry import Registration, Registry
from openmessaging.server.http.callbacks.transport import Poster, Resolve, resolve
from openmessaging.server.served import Driver

if TYPE_CHECKING:
    from openmessaging.server.http.app import Serving

CHALLENGE = "x-oms-challenge"
MIN_SECRET = 32


class Callbacks:
    """The callbacks of a store.

    Args:
        driver: of the store, unguarded.
        config: the section `[callbacks]`.
        driver_of: gives the guarded driver of a user by his name; raises when there is no such user any more.
        resolve: gives the addresses of a host.
    """

    def __init__(
        self,
        driver: Driver,
        config: CallbacksSection,
        driver_of: Callable[[str], Driver],
        resolve: Resolve = resolve,
    ) -> None:
        self._config = config
        self._driver_of = driver_of
        self._keys = {key.id: key.secret for key in config.keys}
        rules = rules_of(config)
        self._poster = Poster(rules, config.timeout, config.concurrency, resolve)
        self._registry = Registry(driver, self._keys)
        self._slots = asyncio.Semaphore(config.concurrency)
        self._running: dict[str, Callback] = {}
        self._changing = asyncio.Lock()

    @property
    def running(self) -> Sequence[Callback]:
        """Those at work."""
        return list(self._running.values())

    async def start(self) -> None:
        """Take up what was registered before."""
        for registration in await self._registry.load():
            self._begin(registration)

    async def register(self, registration: Registration) -> None:
        """Prove an address, remember it, and begin; a callback of the same group is replaced. Returns when it is
        durable.

        Raises OMSRuntimeException 1418 for an address that is none, or did not prove itself; OMSSecurityException 1403
        for one that is not allowed; 1401 for a user whom the server only knows by a token of somebody else; 1415 when
        there are too many.
        """
        self._poster.rules.target(registration.url)
        self._driver_of(registration.user)
        if registration.key not in self._running and len(self._running) >= self._config.maximum:
            raise error(1415, f"there are {len(self._running)} callbacks already", next_step="Stop one first")
        await self._shake_hands(registration)
        async with self._changing:
            await self._registry.put(registration)
            await self._end(registration.key)
            self._begin(registration)

    async def stop(self, queue: str, group: str) -> bool:
        """Stop the callback of a group, for good; False when there was none."""
        async with self._changing:
            key = f"{group}/{queue}"
            if key not in self._running:
                return False
            await self._registry.remove(key)
            await self._end(key)
            return True

    async def _shake_hands(self, registration: Registration) -> None:
        challenge = secrets.token_urlsafe(32)
        part = [("x-oms-version", VERSION), (CHALLENGE, challenge)]
        try:
            answer = await self._poster.post(registration.url, signed(self._keys, registration, part, b""), b"")
        except OMSRuntimeException as failure:
            if failure.code == 1403:
                raise
            raise _unproven(failure.reason) from failure
        if not answer.good:
            raise _unproven(f"it answered {answer.status}")
        if not secrets.compare_digest(answer.body.strip(), challenge.encode()):
            raise _unproven("its answer is not the challenge")

    def _begin(self, registration: Registration) -> None:
        config = self._config

        async def gone() -> None:
            await self.stop(registration.queue, registration.group)

        self._running[registration.key] = Callback(
            registration,
            lambda: self._driver_of(registration.user),
            self._poster,
            self._keys,
            self._slots,
            config.per_callback,
            config.timeout,
            gone,
        )

    async def _end(self, key: str) -> None:
        callback = self._running.pop(key, None)
        if callback is not None:
            await callback.close()

    async def close(self) -> None:
        """Stop posting; registrations stay."""
        running, self._running = list(self._running.values()), {}
        await asyncio.gather(*(callback.close() for callback in running))
        await self._poster.close()


def _unproven(reason: str) -> OMSRuntimeException:
    step = f"Answer the handshake with 2xx and the value of {CHALLENGE} as the body"
    return error(1418, f"the URL did not prove itself: {reason}", next_step=step, field=FIELD)


def rules_of(config: CallbacksSection) -> Rules:
    """Where callbacks may go. Raises OMSRuntimeException 1418 for a configuration that cannot be meant."""
    try:
        rules = Rules(config.hosts, config.networks, config.plain_http)
    except ValueError as cause:
        raise error(1418, f"callbacks: {cause}", field="callbacks.hosts") from cause
    names = [key.id for key in config.keys]
    if config.hosts and not names:
        step = "Add [[callbacks.keys]] with id and secret, so that receivers know who calls"
        raise error(1418, "callbacks.keys: there are hosts and no key", next_step=step, field="callbacks.keys")
    for key in config.keys:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", key.id) or names.count(key.id) > 1:
            raise error(1418, f"callbacks.keys: {key.id!r} is no id, or given twice", field="callbacks.keys")
        if len(key.secret) < MIN_SECRET:
            step = "Make one: openssl rand -hex 32"
            reason = f"callbacks.keys: the secret of {key.id} has less than {MIN_SECRET} characters"
            raise error(1418, reason, next_step=step, field="callbacks.keys")
    if min(config.timeout, config.concurrency, config.per_callback, config.maximum) <= 0:
        raise error(1418, "callbacks: times and limits are above 0", field="callbacks")
    return rules


async def callbacks_of(node: Serving) -> Callbacks | None:
    """The callbacks of a node, at work; None where its operator allows none."""
    config = node.config.callbacks
    if not config.hosts:
        return None

    def driver_of(user: str) -> Driver:
        guarded: Driver = node.security.guard(node.driver, node.security.on_behalf(user))
        return guarded

    callbacks = Callbacks(node.driver, config, driver_of)
    await callbacks.start()
    return callbacks
