"""`oms diff`: nothing, or what differs, and the exit code."""

from pathlib import Path

from tests.cli.conftest import Oms


def test_queues_are_compared(oms_cli: Oms, tmp_path: Path) -> None:
    target = f"oms:embedded://{tmp_path}/target"
    oms_cli("send", "orders", "a", "b")
    oms_cli("mirror", oms_cli.url, target)
    same = oms_cli("diff", oms_cli.url, target).stdout.splitlines()
    assert same[0].split() == ["queue", "from", "to", "missing", "extra", "repeated", "changed", "reordered"]
    assert same[1].split() == ["default://orders", "2", "2", "0", "0", "0", "0", "0"]
    oms_cli("send", "orders", "c")
    found = oms_cli.json("diff", oms_cli.url, target, "--queues", "orders", code=4)
    assert (found[0]["missing"], found[0]["source"], found[0]["target"]) == (1, 3, 2)
    told = oms_cli("diff", oms_cli.url, target, code=4).stdout
    assert f"default://orders: missing {found[0]['examples']['missing'][0]}" in told
    assert oms_cli.error("diff", oms_cli.url, target, "--queues", "nowhere")["code"] == 1404
