"""The file of users: written whole, readable by its owner alone, refused when it is wrong."""

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security.users import Role, User, Users, changing, read_users, write_users


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "store" / "users.json")


def test_what_is_written_is_read_again(path: str) -> None:
    assert read_users(path) is None
    with changing(path) as users:
        users.users["alice"] = User(roles=["clerk"], grants=["send a://b"])
        users.roles["clerk"] = Role(["look *"])
    found = read_users(path)
    assert found is not None
    assert found.users["alice"].grants == ["send a://b"]
    assert len(found.grants_of(found.users["alice"])) == 2
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_change_that_fails_writes_nothing(path: str) -> None:
    with changing(path) as users:
        users.users["alice"] = User()
    with pytest.raises(RuntimeError), changing(path) as users:
        users.users.clear()
        raise RuntimeError
    for wrong in (User(grants=["fly *"]), User(roles=["nobody"])):
        with pytest.raises(OMSRuntimeException, match="1418"), changing(path) as users:
            users.users["bob"] = wrong
    assert list(read_users(path).users) == ["alice"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Change it with `oms user` alone"),
        ('{"users": 7}', "Expected"),
        ('{"version": 2}', "newer version"),
        ('{"users": {"a": {"grants": ["x"]}}}', "is no action"),
        ('{"users": {"a": {"tokens": {"t": {"hash": "", "created_ms": 0, "grants": ["x"]}}}}}', "is no action"),
        ('{"roles": {"a": {"grants": ["x"]}}}', "is no action"),
        ('{"users": {"a": {"roles": ["x"]}}}', "which is not there"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "users.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(OMSRuntimeException, match=reason):
        read_users(str(path))


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    path.write_text("{}")
    path.chmod(0o620)
    with pytest.raises(OMSRuntimeException, match="chmod 600"):
        read_users(str(path))
    with pytest.raises(OMSRuntimeException, match="1418"):
        read_users(str(tmp_path))


def test_many_change_it_at_the_same_time(path: str) -> None:
    def add(number: int) -> None:
        with changing(path) as users:
            users.users[f"user{number}"] = User()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_users(path).users) == 20  # type: ignore[union-attr]


def test_the_admin_may_do_everything() -> None:
    [grant] = Users().grants_of(User(roles=["admin"]))
    assert grant.whole


def test_names_of_fields_stay(path: str) -> None:
    """They are a format: a file written today is read by later versions."""
    write_users(path.replace("store/", ""), Users(users={"a": User(subjects=["CN=b"])}))
    text = json.loads(Path(path.replace("store/", "")).read_text())
    assert text == {"version": 1, "users": {"a": {"subjects": ["CN=b"]}}, "roles": {}}
