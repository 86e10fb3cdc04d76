"""The order system: its pages show the programs of examples/orders/, all of them and as they are; and it survives."""

import csv
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from openmessaging import blocking as oms
from tests.test_docs import PAGES, ROOT, SERIES, environment, programs, run

FOLDER = ROOT / "examples" / "orders"


def test_the_pages_show_the_programs_as_they_are() -> None:
    shown: dict[str, str] = {}
    for page in (page for page in PAGES if page.parent == SERIES):
        again = shown.keys() & programs(page).keys()
        assert not again, f"{page.name} shows {again} once more"
        shown |= programs(page)
    assert shown == {path.name: path.read_text() for path in FOLDER.glob("*.py")}


def test_each_order_has_each_effect_once_however_often_the_system_is_killed(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    run([sys.executable, "load.py"], tmp_path, "load")
    letters = tmp_path / "letters.txt"
    letters.touch()
    command = [sys.executable, "-m", "openmessaging.cli", "run", "system:app", "--quiet"]
    for moment in (30, 100, 170):
        process = subprocess.Popen(command, cwd=tmp_path, env=environment(tmp_path))
        end = time.monotonic() + 60
        while letters.read_text().count("\n") < moment:
            assert process.poll() is None
            assert time.monotonic() < end, letters.read_text()
            time.sleep(0.005)
        process.kill()
        process.wait()
    run([*command, "--once"], tmp_path, "run")
    with open(tmp_path / "cdnow.csv", encoding="utf-8") as file:
        right = [row for row in csv.DictReader(file) if float(row["total"]) > 0]
    numbers = [int(row["number"]) for row in right]
    with oms.connect(f"oms:embedded://{tmp_path}/store") as access_point:
        manager = access_point.resource_manager()
        found = {
            queue: sorted(msgspec.json.decode(message.data)[field] for message in manager.browse(queue))
            for queue, field in (("orders", "number"), ("invoices", "order"), ("parcels", "order"))
        }
        stock = access_point.table("stock").get("cd")
    assert found == {"orders": numbers, "invoices": numbers, "parcels": numbers}
    assert stock is not None
    assert int(stock.data) == -sum(int(row["quantity"]) for row in right)
