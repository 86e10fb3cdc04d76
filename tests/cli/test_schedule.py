import pytest

from tests.cli.conftest import Oms


def test_create_and_show(oms_cli: Oms) -> None:
    text = oms_cli("schedule", "create", "beat", "beats", "ping", "--every", "1h30m", "--count", "9").stdout
    assert text.startswith("beat sends to default://beats every 5400 s, next at 20")
    text = oms_cli("schedule", "show", "beat").stdout
    assert "sent      0 of 9\n" in text
    assert "problem" not in text
    info = oms_cli.json("schedule", "show", "beat")
    assert (info["every"], info["count"], info["paused"], info["problem"]) == (5400.0, 9, False, None)


def test_create_by_cron(oms_cli: Oms) -> None:
    info = oms_cli.json(
        "schedule", "create", "report", "reports", "--cron", "0 6 * * MON", "--zone", "Europe/Berlin",
        "--start", "2199-01-01T00:00+00:00", "--end", "2199-02-01T00:00+00:00", "--key", "k", "--priority", "9",
        "--catch-up", "1",
    )  # fmt: skip
    assert info["next_ms"] == 7_227_118_800_000  # Monday the 7th, 06:00 in Berlin
    assert (info["catch_up"], info["end_ms"]) == (1, 7_229_260_800_000)
    assert "at 0 6 * * MON (Europe/Berlin)" in oms_cli("schedule", "show", "report").stdout


@pytest.mark.parametrize(
    "wrong", [[], ["--every", "1m", "--cron", "* * * * *"], ["--every", "soon"], ["--every", "1m", "--end", "soon"]]
)
def test_the_command_line_is_wrong(oms_cli: Oms, wrong: list[str]) -> None:
    oms_cli("schedule", "create", "s", "q", *wrong, code=2)


def test_errors(oms_cli: Oms) -> None:
    oms_cli("schedule", "create", "s", "q", "--every", "1h")
    assert oms_cli.error("schedule", "create", "s", "q", "--every", "1h")["field"] == "name"
    assert oms_cli.error("schedule", "create", "t", "q", "--cron", "x")["field"] == "cron"
    assert oms_cli.json("schedule", "create", "s", "q", "--every", "2h", "--replace")["every"] == 7200.0
    for command in ("show", "pause", "resume"):
        assert oms_cli.error("schedule", command, "nothing")["code"] == 1404


def test_list_pause_resume_delete(oms_cli: Oms) -> None:
    oms_cli("schedule", "create", "b", "q", "x", "--every", "1h")
    oms_cli("schedule", "create", "a", "q", "x", "--every", "1h")
    assert oms_cli("schedule", "pause", "a").stdout == "paused a\n"
    head, first, second = oms_cli("schedule", "list").stdout.splitlines()
    assert head.split() == ["schedule", "queue", "when", "next", "sent"]
    assert first.split() == ["a", "default://q", "every", "3600", "s", "paused", "0"]
    assert second.split()[0] == "b"
    assert oms_cli("schedule", "resume", "a").stdout.startswith("a goes on, 20")
    assert [info["name"] for info in oms_cli.json("schedule", "list")] == ["a", "b"]
    oms_cli("schedule", "delete", "a", code=1)
    assert oms_cli("schedule", "delete", "a", "--yes").stdout == "deleted the schedule a\n"
    assert oms_cli.json("schedule", "delete", "b", "--yes") == {"schedule": "b", "deleted": True}
    assert oms_cli.json("schedule", "list") == []


def test_what_came_to_its_end_is_over(oms_cli: Oms) -> None:
    oms_cli("schedule", "create", "s", "q", "x", "--every", "100ms", "--count", "1")
    assert oms_cli("receive", "q", "--group", "g", "--timeout", "5").stdout == "x\n"
    assert "next      over\n" in oms_cli("schedule", "show", "s").stdout


def test_steps_that_grow(oms_cli: Oms) -> None:
    text = oms_cli("schedule", "create", "look", "q", "--every", "2s", "--growth", "3").stdout
    assert "every 2 s, each step 3 times the last" in text
    assert oms_cli.json("schedule", "show", "look")["growth"] == 3.0
    assert oms_cli.error("schedule", "create", "t", "q", "--every", "1h", "--growth", "1")["field"] == "growth"
