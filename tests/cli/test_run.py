import signal
import sys
import urllib.error
import urllib.request

import pytest

from tests.cli.conftest import Oms

PROGRAM = """
import openmessaging as oms

app = oms.App("oms:embedded://./store", title="shop")


@app.listener("orders")
async def cook(dish: str) -> None:
    print("cooking", dish, flush=True)
"""


def test_several_processes_on_a_store_in_memory_are_refused(oms_cli: Oms, tmp_path, monkeypatch) -> None:
    (tmp_path / "brief.py").write_text(PROGRAM.replace("oms:embedded://./store", "oms:memory:brief"))
    monkeypatch.syspath_prepend(tmp_path)
    assert "held by one process" in oms_cli("run", "brief:app", "--workers", "2", code=2).stderr
    target = "tests.app.program:app"
    assert "PORT" in oms_cli("run", target, "--health", "x", code=2).stderr
    assert "there is no module" in oms_cli("run", "tests.app.nothing:app", code=1).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of Windows are others")
def test_it_runs_answers_and_stops(oms_cli: Oms, tmp_path) -> None:
    (tmp_path / "shop.py").write_text(PROGRAM)
    process = oms_cli.popen("run", "shop:app", "--health", "0", cwd=tmp_path)
    assert process.stderr is not None
    line = ""
    while "health on" not in line:
        line = process.stderr.readline()
    url = line.split()[-1]
    while "listener(s)" not in line:
        line = process.stderr.readline()
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "shop has stopped" in rest
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


CHAIN = """
import openmessaging as oms

app = oms.App("oms:embedded://./store")


@app.listener("a", sends_to="b", concurrency=2)
async def one(text: str) -> str:
    return text


@app.listener("b", sends_to="c")
async def two(text: str) -> str:
    if text == "bad":
        raise ValueError(text)
    return text
"""


def test_once_works_off_what_is_due_and_ends(oms_cli: Oms, tmp_path) -> None:
    (tmp_path / "chain.py").write_text(CHAIN)
    where = ("--url", f"oms:embedded://{tmp_path}/store")
    oms_cli("send", "a", *(["good"] * 50), "bad", *where)
    for _ in range(2):  # the second time there is nothing to do
        process = oms_cli.popen("run", "chain:app", "--once", "--quiet", cwd=tmp_path)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0
    assert oms_cli("receive", "c", "--peek", "--max", "100", *where).stdout.split() == ["good"] * 50
    assert "leave out" in oms_cli("run", "tests.app.program:app", "--once", "--reload", code=2).stderr
