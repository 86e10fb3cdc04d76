"""What a transport says about a client, and what is remembered of it."""

import socket
from types import SimpleNamespace as Some

import pytest

from openmessaging.server.security import identity as module
from openmessaging.server.security.grants import Action
from openmessaging.server.security.identity import Credentials, Identity, subject_of


def test_what_a_transport_says() -> None:
    tcp = {"peername": ("192.0.2.7", 4711), "sslcontext": object(), "peercert": {"subject": ((("commonName", "a"),),)}}
    found = Credentials.of(tcp.get, "alice", "key")
    assert found == Credentials("alice", "key", "CN=a", "192.0.2.7", True)
    unix = Credentials.of({"peername": "", "socket": Some(family=socket.AF_UNIX)}.get)
    assert unix.local
    assert not unix.secure


@pytest.mark.parametrize("name", [None, "", ()])
def test_who_hung_up_before_it_could_be_asked_is_not_local(name: object) -> None:
    """Its address is not known any more; it must not pass for a client of a Unix socket, who may do everything."""
    assert not Credentials.of({"peername": name, "socket": Some(family=socket.AF_INET)}.get).local
    assert not Credentials.of({"peername": name}.get).local


def test_no_value_of_a_subject_passes_for_two() -> None:
    two = {"subject": ((("organizationName", "Shop"),), (("commonName", "alice"),))}
    one = {"subject": ((("organizationName", "Shop,CN=alice"),),)}
    assert subject_of(two) == "O=Shop,CN=alice"
    assert subject_of(one) != subject_of(two)
    assert subject_of(None) == subject_of({}) == ""


def test_it_remembers_a_bounded_number_of_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    identity = Identity("alice", "token")
    assert identity.note(Action.SEND, "a://b")
    assert not identity.note(Action.SEND, "a://b")
    for number in range(10):
        identity.note(Action.SEND, f"a://{number}")
    assert len(identity.passed[Action.SEND]) <= 3
    assert "alice" in repr(identity)
