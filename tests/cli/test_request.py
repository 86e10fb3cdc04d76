"""`oms request`."""

from openmessaging import blocking as oms
from tests.cli.conftest import Oms


def handler(request: oms.Request) -> object:
    if request.data == b"bad":
        raise oms.OMSRuntimeException(1418, "that is bad")
    if request.window:
        return (b"%d" % number for number in range(int(request.data)))
    return request.data.upper() + str(dict(request.properties) or "").encode()


def test_one_answer(oms_cli: Oms) -> None:
    with oms.connect(oms_cli.url) as access_point, access_point.create_service("prices", handler):
        assert oms_cli("request", "prices", "tea").stdout == "TEA\n"
        assert oms_cli("request", "prices", "tea", "--property", "a=b").stdout == "TEA{'a': 'b'}\n"
        assert oms_cli.json("request", "prices", "tea")["body"] == "TEA"
        assert oms_cli("request", "prices", "--idempotent").stdout == "\n"
        assert "error 1418 " in (told := oms_cli("request", "prices", "bad", code=1).stderr)
        assert "that is bad" in told


def test_from_another_process(oms_cli: Oms) -> None:
    """Whatever the options are with which it has the store open."""
    with (
        oms.connect(oms_cli.url, {"flush": "interval"}) as access_point,
        access_point.create_service("prices", handler),
    ):
        assert oms_cli.process("request", "prices", "tea") == ("TEA\n", "")
        assert '"prices"' not in oms_cli.process("rpc", "ping")[0]


def test_a_stream(oms_cli: Oms) -> None:
    with oms.connect(oms_cli.url) as access_point, access_point.create_service("count", handler):
        assert oms_cli("request", "count", "3", "--stream").stdout == "0\n1\n2\n"
        assert [line["body"] for line in oms_cli.lines("request", "count", "2", "--stream")] == ["0", "1"]
        assert "not both" in oms_cli("request", "count", "2", "--stream", "--all", code=2).stderr


def test_one_of_each_group(oms_cli: Oms) -> None:
    with (
        oms.connect(oms_cli.url) as access_point,
        access_point.create_service("health", lambda request: b"a", group="a"),
        access_point.create_service("health", lambda request: b"b", group="b"),
    ):
        assert sorted(oms_cli("request", "health", "--all").stdout.split()) == ["a", "b"]
        with access_point.create_service("health", handler, group="c"):
            told = oms_cli("request", "health", "bad", "--all", code=1)
            assert sorted(told.stdout.split()) == ["a", "b"]
            assert "a service answered: error 1418" in told.stderr


def test_nobody_there_and_too_late(oms_cli: Oms) -> None:
    with oms.connect(oms_cli.url) as access_point:
        assert oms_cli.error("request", "prices", "tea")["code"] == 1503

        def wait(request: oms.Request) -> None:
            while not request.is_cancelled():
                pass

        with access_point.create_service("slow", wait):
            assert oms_cli.error("request", "slow", "--timeout", "0.05s")["code"] == 1410
            assert "not all answered" in oms_cli("request", "slow", "--all", "--timeout", "0.05s", code=1).stderr
