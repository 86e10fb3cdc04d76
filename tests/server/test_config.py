"""The configuration of a server: what is read, and how mistakes are told."""

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.config import Config, address, load, options

FILE = """
[store]
path = "/var/lib/orders"
flush = "interval"

[listen]
tcp = "127.0.0.1:7000"

[limits]
max_connections = 50
"""


def refusal(text: str, environment: dict[str, str] | None = None) -> OMSRuntimeException:
    with pytest.raises(OMSRuntimeException) as failure:
        load(text, "oms.toml", environment or {})
    assert failure.value.code == 1418
    return failure.value


def test_nothing_said_is_the_default() -> None:
    assert load("", "", {"PATH": "/bin"}) == Config()


def test_what_a_file_says() -> None:
    config = load(FILE, "oms.toml", {})
    assert (config.store.path, config.store.flush, config.store.partitions) == ("/var/lib/orders", "interval", 1)
    assert (config.listen.tcp, config.limits.max_connections) == ("127.0.0.1:7000", 50)


def test_the_environment_wins_over_the_file() -> None:
    environment = {
        "OMS_SERVE_LIMITS_MAX_CONNECTIONS": "7",
        "OMS_SERVE_STORE_AUTO_CREATE": "false",
        "OMS_SERVE_SHUTDOWN_GRACE": "2.5",
        "OMS_SERVE_STORE_PATH": "[odd",
    }
    config = load(FILE, "oms.toml", environment)
    assert (config.limits.max_connections, config.store.auto_create, config.shutdown.grace) == (7, False, 2.5)
    assert (config.store.path, config.store.flush, config.listen.tcp) == ("[odd", "interval", "127.0.0.1:7000")


@pytest.mark.parametrize(
    ("text", "reason", "step"),
    [
        ("[stor]\npath = ''", "oms.toml:1: there is no option stor", "Did you mean store?"),
        ("[store]\n\npaht = ''", "oms.toml:3: there is no option store.paht", "Did you mean path?"),
        ("[listen]\nzzz = ''", "oms.toml:2: there is no option listen.zzz", "There are: tcp, unix"),
        ("store.paht = ''", "oms.toml:1: there is no option store.paht", "Did you mean path?"),
        ("[store]\nflush = 'often'", "oms.toml:2: store.flush: Invalid enum value 'often'", "See docs"),
        ("[limits]\nheartbeat = 'x'", "oms.toml:2: limits.heartbeat: Expected `float`, got `str`", "See docs"),
        ("[listen]\n[limits]\nstuck = '1.5'", "oms.toml:3: limits.stuck: Expected `float`, got `str`", "See docs"),
        ("store = 3", "oms.toml:1: store: Expected `object`, got `int`", "See docs"),
        ("[store", "oms.toml: Expected ']'", "Mend the file's syntax"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, reason: str, step: str) -> None:
    failure = refusal(text)
    assert failure.reason.startswith(reason)
    assert failure.next_step.startswith(step)


def test_mistakes_in_the_environment() -> None:
    unknown = refusal("", {"OMS_SERVE_STORE_PAHT": "x"})
    assert unknown.next_step == "Did you mean OMS_SERVE_STORE_PATH?"
    wrong = refusal("", {"OMS_SERVE_LIMITS_MAX_CONNECTIONS": "many"})
    assert wrong.reason.startswith("OMS_SERVE_LIMITS_MAX_CONNECTIONS: limits.max_connections: Expected `int`")


def test_every_option_has_a_variable_of_its_own() -> None:
    names = [f"{section}_{key}" for section, key in options()]
    assert len(names) == len(set(names)) > 15


@pytest.mark.parametrize(
    ("text", "expected"),
    [("localhost:1", ("localhost", 1)), ("7667", ("127.0.0.1", 7667)), ("[::1]:0", ("::1", 0))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert address(text) == expected


@pytest.mark.parametrize("text", ["", "localhost", "localhost:http", "localhost:65536"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="write HOST:PORT"):
        address(text)
