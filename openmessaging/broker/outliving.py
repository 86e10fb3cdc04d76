"""What other processes are told must outlive this one: a lease that a killed process forgot would be given out again,
and an acknowledgement that it forgot would have to be made again. A write is enough for that, it need not be synced.
"""

from __future__ import annotations

from contextlib import suppress

from openmessaging.broker.committer import Release
from openmessaging.broker.runner import Runner
from openmessaging.model.errors import OMSRuntimeException


def write(runner: Runner, release: Release) -> bool:
    """Give all that was decided so far to the operating system. True: it has it. False: somebody is writing, and
    `release` is called when the sync that covers it is over, from any thread. A log that failed is not waited for.

    Raises OMSRuntimeException 1503 when the store is closed.
    """
    committer = runner.committer
    with runner.lock:
        runner.tick_locked()
        if committer.failure is not None:
            return True
        if not committer.claim_locked():
            committer.wait_locked(runner.storage.max_index(), release)
            return False
    with suppress(OMSRuntimeException):
        committer.lead(write_only=True)
    return True
