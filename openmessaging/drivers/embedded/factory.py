"""Opening embedded stores: one per directory and process, shared by all access points on it; and one holder per
directory, which the other processes reach through its door (`docs/design/sharing.md`)."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import msgspec

from openmessaging.broker.store import Store, StoreOptions, open_memory, open_store
from openmessaging.drivers.embedded.aio import EmbeddedDriver
from openmessaging.drivers.embedded.door import open_door, read_door
from openmessaging.drivers.embedded.host import Host
from openmessaging.drivers.embedded.threads import BlockingEmbeddedDriver
from openmessaging.model.access_point import AccessPoint
from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.spi import Driver
from openmessaging.storage.lock import StoreLock

logger = logging.getLogger("openmessaging.store")
_OPTIONS = frozenset(StoreOptions.__struct_fields__)
T = TypeVar("T")


class _Place:
    """A store in use by this process: held by it, or by another process of which it is a guest."""

    def __init__(self, key: str, options: StoreOptions, store: Store | None = None) -> None:
        self.key = key
        self.options = options
        self.store = store
        self.host: Host | None = None
        self.users = 0

    def hold(self) -> Store:
        """Open the store. Raises OMSRuntimeException 1503 when another process holds it, and as `open_store`."""
        store = open_store(self.key, self.options)
        try:
            self.host = Host(store, open_door(self.key, msgspec.to_builtins(self.options)))
        except OSError as cause:
            logger.warning("other processes cannot use %s while this one does: %s", self.key, cause)
        self.store = store
        return store

    def close(self) -> None:
        """Let go of what is held."""
        host, self.host = self.host, None
        store, self.store = self.store, None
        try:
            if host is not None:
                host.close()
        finally:
            if store is not None:
                store.close()


class EmbeddedFactory:
    """Opens drivers on embedded stores; both faces of a directory share one store."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork, after_in_parent=self._in_parent, after_in_child=self._in_child
            )

    async def open(self, access_point: AccessPoint, attributes: dict[str, Any]) -> Driver:
        """Open for asyncio.

        Raises as `open_store`, and OMSRuntimeException 1418 for options that are wrong or contradict an open store,
        1503 when another process holds it and does not answer.
        """
        place = await _in_thread(partial(self._enter, access_point, attributes), self._release)
        if place.store is not None:
            return EmbeddedDriver(self._driver(place, place.store))
        from openmessaging.drivers.embedded.guest import open_guest

        release = partial(_in_thread, partial(self._release, place))
        try:
            return await open_guest(place.key, partial(_in_thread, partial(self._take_over, place)), release)
        except BaseException:
            self._release(place)
            raise

    async def hold(self, access_point: AccessPoint, attributes: dict[str, Any]) -> EmbeddedDriver:
        """Open for asyncio, in this process. Raises as `open`, and OMSRuntimeException 1503 when another has it."""
        return EmbeddedDriver(await _in_thread(partial(self._held, access_point, attributes), _close))

    def open_blocking(self, access_point: AccessPoint, attributes: dict[str, Any]) -> BlockingEmbeddedDriver | None:
        """Open for threads; None when another process holds the store, and only `open` will do. Raises as `open`."""
        place = self._enter(access_point, attributes)
        if place.store is None:
            self._release(place)
            return None
        return self._driver(place, place.store)

    def lend(self, key: str, store: Store, options: StoreOptions) -> BlockingEmbeddedDriver:
        """Have a store that the caller opened found by access points: `memory:NAME` by `oms:memory:NAME`. It closes
        with its last user, of which the returned driver is the first."""
        with self._lock:
            place = self._places[key] = _Place(key, options, store)
            place.users = 1
        return self._driver(place, store)

    def _driver(self, place: _Place, store: Store) -> BlockingEmbeddedDriver:
        return BlockingEmbeddedDriver(store, partial(self._release, place))

    def _held(self, access_point: AccessPoint, attributes: dict[str, Any]) -> BlockingEmbeddedDriver:
        place = self._enter(access_point, attributes)
        if place.store is None:
            self._release(place)
            StoreLock.acquire(place.key).release()  # raises who has it
            raise error(1503, f"{place.key} was in use until now", next_step="Try again")
        return self._driver(place, place.store)

    def _enter(self, access_point: AccessPoint, attributes: dict[str, Any]) -> _Place:
        """Use a place: as its holder, if nobody else is."""
        given = {name: value for name, value in attributes.items() if name in _OPTIONS}
        options = _options(given)
        memory = access_point.driver == "memory"
        path = access_point.path or ""
        key = f"memory:{path}" if memory else os.path.realpath(path)
        with self._lock:
            place = self._places.get(key) or _Place(key, options)
            if place.users and given and options != place.options:
                raise _contradiction("this process", access_point.url)
            if place.store is None and memory:
                place.store = open_memory(options)
            elif place.store is None:
                self._hold_or_visit(place, bool(given))
            self._places[key] = place
            place.users += 1
        return place

    def _hold_or_visit(self, place: _Place, given: bool) -> None:
        try:
            place.hold()
        except OMSRuntimeException as failure:
            if failure.code != 1503:
                raise
            door = read_door(place.key)
            if door is not None:
                theirs = _options({name: value for name, value in door.options.items() if name in _OPTIONS})
                if given and theirs != place.options:
                    raise _contradiction("another process", place.key) from failure
                place.options = theirs  # for the day when this process takes over

    def _take_over(self, place: _Place) -> bool:
        """Hold a place, if nobody else does; whether this process holds it."""
        with self._lock:
            if place.store is None and place.users:
                try:
                    place.hold()
                except OMSRuntimeException as failure:
                    if failure.code != 1503:
                        raise
                else:
                    logger.info("this process holds %s now", place.key)
            return place.store is not None

    def _release(self, place: _Place) -> None:
        """One user less; with the last one it closes. Others wait, so that a reopening finds it closed."""
        with self._lock:
            if self._places.get(place.key) is not place:
                return  # of the parent of this process
            place.users -= 1
            if place.users == 0:
                del self._places[place.key]
                place.close()

    # ---- forks -----------------------------------------------------------------------------------------------------

    def _before_fork(self) -> None:
        """Let nobody be in the middle of a change: the child gets a copy of all locks."""
        self._lock.acquire()
        for place in self._places.values():
            if place.store is not None:
                place.store.runner.lock.acquire()

    def _in_parent(self) -> None:
        for place in self._places.values():
            if place.store is not None:
                place.store.runner.lock.release()
        self._lock.release()

    def _in_child(self) -> None:
        """The stores are the parent's; this process opens them anew when it wants to."""
        for place in self._places.values():
            if place.store is not None:
                place.store.runner.leave_locked(_forked(place.key))
        self._in_parent()
        self._places = {}


def _options(given: dict[str, Any]) -> StoreOptions:
    try:
        return msgspec.convert(given, StoreOptions)
    except msgspec.ValidationError as cause:
        raise OMSRuntimeException(1418, f"store options: {cause}") from cause


def _contradiction(who: str, what: str) -> OMSRuntimeException:
    step = "Close the other access point first, or use the same options"
    return error(1418, f"{who} has {what} open with other options", next_step=step)


def _forked(directory: str) -> OMSRuntimeException:
    step = "Create producers and consumers in the child: they use the store through the parent"
    return error(1503, f"{directory} was opened by the parent of this process, before the fork", next_step=step)


async def _in_thread(work: Callable[[], T], undo: Callable[[T], object] = lambda _: None) -> T:
    """What a function returns, done in a thread of its own: the loop's own may all be busy. `undo` takes the result
    when nobody waits for it any more."""
    result: Future[T] = Future()

    def run() -> None:
        result.set_running_or_notify_cancel()
        try:
            result.set_result(work())
        except BaseException as cause:
            result.set_exception(cause)

    threading.Thread(target=run, name="openmessaging-open", daemon=True).start()
    try:
        return await asyncio.wrap_future(result)
    except asyncio.CancelledError:
        result.add_done_callback(lambda done: undo(done.result()) if done.exception() is None else None)
        raise


def _close(opened: BlockingEmbeddedDriver) -> None:
    opened.close()
