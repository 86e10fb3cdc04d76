"""Quotas: rates that refill, connections that are counted."""

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security.quotas import Quota, Usage


def test_bytes_refill_with_time_and_large_batches_are_owed() -> None:
    now = [0.0]
    usage = Usage("alice", Quota(bytes_per_s=1_000), lambda: now[0])
    usage.check()
    usage.take(1, 5_000)
    with pytest.raises(OMSRuntimeException, match=r"1502.*again in 4\.000 s") as caught:
        usage.check()
    assert caught.value.retryable
    assert usage.refused == 1
    now[0] += 4.1
    usage.check()


def test_the_longer_wait_counts() -> None:
    usage = Usage("alice", Quota(messages_per_s=10, bytes_per_s=1_000), lambda: 0.0)
    usage.check()
    usage.take(30, 1_500)
    with pytest.raises(OMSRuntimeException, match=r"again in 2\.000 s"):
        usage.check()


def test_what_is_not_used_does_not_pile_up() -> None:
    now = [0.0]
    usage = Usage("alice", Quota(messages_per_s=10), lambda: now[0])
    now[0] = 1_000.0
    usage.check()
    usage.take(10, 0)
    with pytest.raises(OMSRuntimeException, match="1502"):
        usage.check()


def test_without_limits_nothing_is_refused() -> None:
    usage = Usage("alice", Quota(), lambda: 0.0)
    usage.take(10**9, 10**12)
    usage.check()
    for _ in range(100):
        usage.enter()


def test_connections_are_counted() -> None:
    usage = Usage("alice", Quota(connections=2), lambda: 0.0)
    usage.enter()
    usage.enter()
    with pytest.raises(OMSRuntimeException, match=r"1503.*limit is 2"):
        usage.enter()
    usage.leave()
    usage.enter()


def test_a_change_begins_anew() -> None:
    usage = Usage("alice", Quota(messages_per_s=1), lambda: 0.0)
    usage.take(100, 0)
    usage.change(Quota(messages_per_s=2))
    usage.check()
