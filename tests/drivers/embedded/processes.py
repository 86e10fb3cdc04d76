"""Other processes that have a store open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from openmessaging import blocking
from openmessaging.drivers.embedded import door

door.TRANSPORT = sys.argv[2]
with blocking.connect("oms:embedded://" + sys.argv[1], {"flush": "never"}) as access_point:
    with access_point.create_producer() as producer:
        producer.send(producer.create_message("queue", b"from the holder"))
        print("ready", flush=True)
        sys.stdin.read()
"""


@contextmanager
def holder(directory: Path, transport: str = "unix") -> Iterator[subprocess.Popen[str]]:
    """A process that opens a store, sends a message, and closes it when its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(directory), transport],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()
