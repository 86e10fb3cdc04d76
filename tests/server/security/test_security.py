"""Who is recognised, by what, and until when; and what happens to those that are connected when that changes."""

import asyncio
import json
import logging
from pathlib import Path

import pytest

from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.server.security import Action, Credentials, Identity, Security, TlsConfig
from openmessaging.server.security import security as module
from openmessaging.server.security.hashing import hash_password
from openmessaging.server.security.quotas import Quota
from openmessaging.server.security.users import Role, changing
from tests.server.security.helpers import add_user, security_of, users_of

LOOPBACK, FAR = "127.0.0.1", "192.0.2.7"


def known(security: Security, **shown: object) -> Identity:
    return asyncio.run(security.authenticate(Credentials(**{"peer": LOOPBACK, **shown})))  # type: ignore[arg-type]


def refused(security: Security, **shown: object) -> OMSRuntimeException:
    with pytest.raises(OMSRuntimeException) as caught:
        known(security, **shown)
    return caught.value


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def test_without_users_who_is_on_this_machine_may_do_everything(path: Path) -> None:
    security = security_of(path)
    driver = object()
    for peer in ("", LOOPBACK, "::1", "::ffff:127.0.0.1"):
        identity = known(security, peer=peer)
        assert (identity.name, identity.how) == ("local", "local")
        assert security.guard(driver, identity) is driver
        security.require(identity, Action.ADMIN)
    assert refused(security, peer=FAR).code == 1401
    assert refused(security, peer="::ffff:192.0.2.7").code == 1401


def test_with_users_a_key_is_needed_even_on_this_machine(path: Path) -> None:
    token = add_user(path, "alice", "send *")
    security = security_of(path)
    assert known(security, key=token).name == "alice"
    assert known(security, account="alice", key=token).how == "token"
    for shown in ({}, {"key": "x"}, {"account": "alice"}, {"key": token + "x"}, {"account": "bob", "key": token}):
        assert refused(security, **shown).code == 1401


def test_who_may_open_the_unix_socket_may_open_the_store(path: Path) -> None:
    token = add_user(path, "alice", "send *")
    security = security_of(path)
    assert known(security, peer="").everything
    assert known(security, peer="", key=token).name == "alice"


def test_keys_are_not_taken_without_tls_from_elsewhere(path: Path) -> None:
    token = add_user(path, "alice", "send *")
    security = security_of(path)
    assert "rotate that key" in refused(security, peer=FAR, key=token).next_step
    assert known(security, peer=FAR, key=token, secure=True).name == "alice"
    assert known(security_of(path, allow_cleartext=True), peer=FAR, key=token).name == "alice"


def test_a_refusal_says_nothing_about_what_was_wrong(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmessaging.server.security.hashing.COST", 10)
    token = add_user(path, "alice", password=hash_password("correct horse", 10))
    add_user(path, "gone", disabled=True)
    old = add_user(path, "old", expires_ms=1)
    security = security_of(path)
    shown = [
        {"account": "alice", "key": "wrong password"},
        {"account": "nobody", "key": "wrong password"},
        {"account": "gone", "key": "wrong password"},
        {"key": old},
        {"key": token[:-1]},
        {"key": "eyJhbGciOiJub25lIn0.e30."},
    ]
    assert len({str(refused(security, **each)) for each in shown}) == 1


def test_passwords_are_checked_slowly_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_user(path, "alice", password=hash_password("correct horse", 10))
    security = security_of(path)
    checked = []
    monkeypatch.setattr(module, "matches", lambda *given: checked.append(given) or module_matches(*given))
    for _ in range(3):
        assert known(security, account="alice", key="correct horse").how == "password"
    assert len(checked) == 1
    assert security.recognise(Credentials("alice", "correct horse", peer=LOOPBACK)) is not None
    assert security.recognise(Credentials("alice", "correct horse", peer="::1")) is None


module_matches = module.matches


def test_who_fails_too_often_has_to_wait_and_others_do_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openmessaging.server.security.hashing.COST", 10)
    token = add_user(path, "alice", "send *", password=hash_password("correct horse", 10))
    security = security_of(path)
    guess = {"peer": FAR, "secure": True, "account": "alice"}
    codes = [refused(security, **guess, key=f"guess {number}").code for number in range(30)]
    assert codes[:5] == [1401] * 5
    assert set(codes) == {1401, 1503}
    assert refused(security, **guess, key="correct horse").code == 1503
    # Another account, another address, and a token, which nobody can guess, are let in: a proxy may stand before all.
    assert refused(security, peer=FAR, secure=True, account="bob", key="x").code == 1401
    assert known(security, account="alice", key="correct horse").name == "alice"
    assert known(security, **guess, key=token).name == "alice"


def test_certificates_are_known_by_their_whole_subject(path: Path) -> None:
    add_user(path, "alice", "send *")
    add_user(path, "till", subjects=["O=Shop,CN=till 3"])
    security = security_of(path)
    assert known(security, subject="CN=alice").how == "certificate"
    assert known(security, subject="O=Shop,CN=till 3", account="till").name == "till"
    for subject in ("O=Evil,CN=alice", "CN=bob", "CN=alice,O=Shop"):
        assert refused(security, subject=subject).code == 1401
    assert refused(security, subject="CN=alice", account="till").code == 1401


def test_a_token_may_do_less_than_its_user(path: Path) -> None:
    token = add_user(path, "alice", "send,manage *", scope=["send sales://*", "receive *"])
    identity = known(security_of(path), key=token)
    assert identity.mask("sales://a") & Action.SEND
    assert not identity.mask("sales://a") & (Action.MANAGE | Action.RECEIVE)
    assert not identity.mask("other://a") & Action.SEND
    assert identity.somewhere(Action.SEND)
    assert not identity.somewhere(Action.RECEIVE)


def test_roles_bring_their_grants(path: Path) -> None:
    with changing(str(path)) as users:
        users.roles["clerk"] = Role(["send sales://*"])
    clerk, root = add_user(path, "alice", roles=["clerk"]), add_user(path, "root", roles=["admin"])
    security = security_of(path)
    assert known(security, key=clerk).mask("sales://a") & Action.SEND
    security.require(known(security, key=root), Action.ADMIN)
    with pytest.raises(OMSSecurityException, match="no right to admin the server"):
        security.require(known(security, key=clerk), Action.ADMIN)


def test_changes_reach_who_is_connected(path: Path) -> None:
    token = add_user(path, "alice", "send sales://*")
    security = security_of(path)
    identity = known(security, key=token)
    ended: list[OMSRuntimeException] = []
    security.enter(identity, ended.append)
    security.look_around()
    assert identity.mask("sales://a") & Action.SEND
    add_user(path, "alice", "receive sales://*", quota=Quota(connections=1))
    security.look_around()
    assert not identity.mask("sales://a") & Action.SEND
    assert identity.mask("sales://a") & Action.RECEIVE
    with pytest.raises(OMSRuntimeException, match="1503"):
        security.enter(identity, print)
    with changing(str(path)) as users:
        users.users["alice"].tokens.clear()
    security.look_around()
    assert [each.code for each in ended] == [1401]
    assert refused(security, key=token).code == 1401
    security.leave(identity, ended.append)
    security.leave(identity, ended.append)
    assert identity.usage is not None
    assert identity.usage.connections == 0


def test_a_new_token_works_at_once_beside_the_old_one(path: Path) -> None:
    old = add_user(path, "alice", "send *")
    security = security_of(path)
    before = known(security, key=old)
    new = add_user(path, "alice", "send *")
    security.look_around()
    assert known(security, key=new).name == "alice"
    assert before.ended is None


def test_another_password_ends_who_came_with_the_old_one(path: Path) -> None:
    token = add_user(path, "alice", password=hash_password("correct horse", 10), subjects=["CN=old"])
    security = security_of(path)
    by_password = known(security, account="alice", key="correct horse")
    by_certificate = known(security, subject="CN=old")
    by_token = known(security, key=token)
    add_user(path, "alice", password=hash_password("battery staple", 10), subjects=[])
    security.reload()
    assert by_password.ended is not None
    assert by_certificate.ended is not None
    assert by_token.ended is None


def test_tokens_end_at_their_time(path: Path) -> None:
    now = [1_000]
    token = add_user(path, "alice", "send *", expires_ms=5_000)
    security = Security(str(path), now_ms=lambda: now[0])
    identity = known(security, key=token)
    ended: list[OMSRuntimeException] = []
    security.enter(identity, ended.append)
    now[0] = 5_000
    assert refused(security, key=token).code == 1401
    security.look_around()
    assert ended[0].reason == "the token has expired"


def test_a_file_that_cannot_be_read_changes_nothing(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = add_user(path, "alice", "send *")
    security = security_of(path)
    path.write_text("{")
    security.look_around()
    assert "the users stay as they were" in caplog.text
    assert known(security, key=token).name == "alice"


def test_a_server_that_had_users_never_has_none(path: Path) -> None:
    token = add_user(path, "alice", "send *")
    security = security_of(path)
    path.unlink()
    security.look_around()
    assert refused(security).code == refused(security, key=token).code == 1401


def test_the_first_user_closes_a_server_that_was_open(path: Path) -> None:
    security = security_of(path)
    assert known(security).everything
    add_user(path, "alice", "send *")
    security.look_around()
    assert refused(security).code == 1401


def test_it_watches_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    security = security_of(path)

    async def work() -> None:
        watching = asyncio.ensure_future(security.watch())
        add_user(path, "alice")
        async with asyncio.timeout(10):
            while not security.active:  # noqa: ASYNC110 - it is a file that changes
                await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(work())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_may_be_listened_on_without_users(path: Path, host: str) -> None:
    security_of(path).check_listen(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", ""])
def test_elsewhere_needs_users_and_tls(path: Path, host: str) -> None:
    security = security_of(path)
    with pytest.raises(OMSRuntimeException, match=r"there are no users\. Make one first: oms user add"):
        security.check_listen(host, TlsConfig("server.pem"))
    add_user(path, "alice")
    security.look_around()
    with pytest.raises(OMSRuntimeException, match="there is no TLS"):
        security.check_listen(host)
    security.check_listen(host, TlsConfig("server.pem"))
    security_of(path, allow_cleartext=True).check_listen(host)


def test_a_store_in_memory_has_no_users() -> None:
    assert not Security.of_store(None).active


def test_the_audit_log_tells_who_did_what_and_no_secret(path: Path, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    token = add_user(path, "alice", "manage sales://*")
    security = security_of(path, audit=str(log))
    identity = known(security, key=token)
    refused(security, account="alice\n", key="oms_00000000_secret")
    security.require(identity, Action.MANAGE, "sales://a", operation="create_queue")
    with pytest.raises(OMSSecurityException):
        security.require(identity, Action.SEND, "sales://a", operation="send")
    security.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["user"], line["operation"], line["outcome"]) for line in lines] == [
        ("alice", "sign-in", "allowed"),
        ("alice\n", "sign-in", "denied"),
        ("alice", "create_queue", "allowed"),
        ("alice", "send", "denied"),
    ]
    assert token.split("_", 2)[2] not in log.read_text()
    assert "secret" not in log.read_text()
    assert users_of(path).users["alice"].tokens.keys() == {lines[0]["token"]}


def test_what_is_known_is_remembered_within_bounds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 3)
    token = add_user(path, "alice")
    security = security_of(path)
    for number in range(10):
        known(security, key=token, peer=f"127.0.0.{number + 1}")
    assert len(security._known) <= 3


def test_secrets_are_not_shown(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    credentials = Credentials("alice", "a secret", "CN=x", LOOPBACK)
    assert "a secret" not in repr(credentials)
    assert "a secret" not in str(credentials)
    token = add_user(path, "alice")
    known(security_of(path), key=token)
    assert token not in caplog.text


def test_who_has_filled_his_space_sends_no_more_until_some_is_consumed(path: Path) -> None:
    token = add_user(path, "alice", "send sales://*", quota=Quota(stored_bytes=1_000))
    security = security_of(path)
    held = {"sales://a": 600, "sales://b": 300, "other://c": 5_000}
    security.stored_bytes = lambda wanted: sum(size for name, size in held.items() if wanted(name))
    usage = known(security, key=token).usage
    assert usage is not None
    asyncio.run(security.measure())
    usage.check()
    usage.take(1, 200)
    with pytest.raises(OMSRuntimeException, match=r"1502.*hold 1,100 bytes, the limit is 1,000"):
        usage.check()
    held["sales://a"] = 0
    asyncio.run(security.measure())
    usage.check()


def test_what_the_server_does_for_a_user_lasts_as_long_as_the_user(path: Path) -> None:
    add_user(path, "alice", "receive sales://*")
    security = security_of(path)
    identity = security.on_behalf("alice")
    add_user(path, "bob")
    security.look_around()
    assert identity.ended is None
    assert identity.mask("sales://a") & Action.RECEIVE
    add_user(path, "alice", disabled=True)
    security.look_around()
    assert identity.ended is not None
