"""`oms user`: what it writes is what a server goes by."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from openmessaging.cli.root import main, run
from openmessaging.server.security import Action, Credentials, Quota, Security, hashing
from openmessaging.server.security.users import read_users


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "COST", 10)
    monkeypatch.setattr(hashing.hash_password, "__defaults__", (10,))


class Cli:
    """Runs commands on a file of users."""

    def __init__(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = store / "users.json"
        self.store = store
        self.capsys = capsys

    def __call__(self, *arguments: str) -> str:
        status = run(main, ["user", *arguments, "--store", str(self.store)])
        out, err = self.capsys.readouterr()
        assert status == 0, err
        return out.strip()

    def fails(self, *arguments: str) -> str:
        assert run(main, ["user", *arguments, "--store", str(self.store)]) != 0
        return self.capsys.readouterr().err

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    @property
    def users(self) -> Any:
        return read_users(str(self.path))

    def identity(self, key: str, account: str = "") -> Any:
        import asyncio

        return asyncio.run(Security(str(self.path)).authenticate(Credentials(account, key, peer="127.0.0.1")))


@pytest.fixture
def oms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path / "store", capsys)


def test_a_token_is_printed_once_and_lets_its_user_in(oms: Cli) -> None:
    token = oms("add", "alice", "--grant", "send sales://*", "--role", "admin", "--subject", "CN=a")
    assert oms.identity(token).name == "alice"
    assert token not in oms.path.read_text()
    assert token not in oms("list")
    assert "there" in oms.fails("add", "alice")
    assert "is a role" in oms.fails("add", "@clerk")
    assert "no valid name" in oms.fails("add", "a/b")
    assert "which is not there" in oms.fails("add", "bob", "--role", "clerk")
    assert list(oms.users.users) == ["alice"]


def test_passwords(oms: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    assert oms("add", "alice", "--password", "--no-token") == "alice is added"
    assert oms.identity("correct horse", "alice").how == "password"
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "at least 8 characters" in oms.fails("password", "alice")
    monkeypatch.setattr("sys.stdin", io.StringIO("battery staple\n"))
    oms("password", "alice")
    assert oms.identity("battery staple", "alice").name == "alice"
    oms("password", "alice", "--none")
    assert oms.users.users["alice"].password == ""


def test_grants_and_roles(oms: Cli) -> None:
    token = oms("add", "alice")
    oms("grant", "@clerk", "send sales://*", "receive sales://*")
    oms("grant", "alice", "@clerk", "look *")
    oms("grant", "alice", "@clerk")
    identity = oms.identity(token)
    assert identity.mask("sales://a") & Action.SEND
    assert oms.users.users["alice"].roles == ["clerk"]
    oms("revoke", "@clerk", "send sales://*")
    assert not oms.identity(token).mask("sales://a") & Action.SEND
    oms("revoke", "alice", "@clerk", "look *")
    assert oms.identity(token).mask("sales://a") == 0
    assert "is no action" in oms.fails("grant", "alice", "fly *")
    assert "has no" in oms.fails("revoke", "alice", "send *")
    assert "no role @nobody" in oms.fails("revoke", "@nobody", "send *")
    assert "no user bob" in oms.fails("grant", "bob", "send *")
    assert "may do everything already" in oms.fails("grant", "@admin", "send *")
    assert "a role cannot have" in oms.fails("grant", "@clerk", "@admin")
    oms("grant", "alice", "@clerk")
    oms("delete", "@clerk", "--yes")
    assert oms.users.users["alice"].roles == []
    assert "no role" in oms.fails("delete", "@clerk", "--yes")


def test_further_tokens_and_their_end(oms: Cli) -> None:
    oms("add", "alice", "--grant", "send *", "--no-token")
    made = oms.json("token", "alice", "--expires", "1h", "--grant", "send a://b", "--note", "for the till")["token"]
    identity = oms.identity(made)
    assert identity.expires_ms is not None
    assert not identity.mask("a://c")
    number = made.split("_")[1]
    assert oms.json("list")["users"]["alice"]["tokens"][number]["note"] == "for the till"
    oms("revoke", "alice", number)
    assert oms.users.users["alice"].tokens == {}


def test_rotation_lets_old_tokens_last_a_while(oms: Cli) -> None:
    old = oms("add", "alice")
    new = oms("rotate", "alice", "--keep", "10m")
    assert oms.identity(old).expires_ms is not None
    assert oms.identity(new).expires_ms is None
    newest = oms("rotate", "alice", "--keep", "0")
    assert list(oms.users.users["alice"].tokens) == [newest.split("_")[1]]


def test_limits(oms: Cli) -> None:
    oms("add", "alice")
    oms("limit", "alice", "--messages-per-s", "10", "--connections", "2")
    oms("limit", "alice", "--stored-bytes", "1000")
    assert oms.users.users["alice"].quota == Quota(10.0, None, 2, 1000)
    oms("limit", "alice", "--none", "--bytes-per-s", "5")
    assert oms.users.users["alice"].quota == Quota(None, 5.0)


def test_disabling_and_deleting(oms: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    token = oms("add", "alice")
    oms("disable", "alice")
    assert "(disabled)" in oms("list")
    with pytest.raises(Exception, match="1401"):
        oms.identity(token)
    oms("disable", "alice", "--undo")
    assert oms.identity(token).name == "alice"
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "not confirmed" in oms.fails("delete", "alice")
    oms("delete", "alice", "--yes")
    assert oms.users.users == {}
    assert "no user alice" in oms.fails("token", "alice")


def test_another_file_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["user", "add", "alice", "--users", str(tmp_path / "who.json")]) == 0
    assert (tmp_path / "who.json").exists()
    assert run(main, ["user", "list", "--users", str(tmp_path / "none.json"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"users": {}, "roles": {}}
