"""JWTs: an issuer on this machine, whose keys change; what is believed, and what is not."""

import asyncio
import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from openmessaging.model.errors import OMSRuntimeException, OMSSecurityException
from openmessaging.server.security import Action, Credentials, Identity, Security, SecurityConfig, issuer
from openmessaging.server.security.users import Role, User, changing


class Provider:
    """An identity provider: it signs tokens and publishes its keys, counting who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: dict[str, Any] = {}
        self.add("one")
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                body = {"jwks_uri": f"{provider.url}/keys"} if "openid" in self.path else provider.published()
                if self.path == "/moved":
                    self.send_response(302)
                    self.send_header("Location", f"{provider.url}/keys")
                    self.end_headers()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, kid: str, *, elliptic: bool = False) -> None:
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1()) if elliptic else rsa.generate_private_key(65537, 2048)

    def published(self) -> dict[str, Any]:
        found = []
        for kid, key in self.keys.items():
            kind = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            found.append({**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        return {"keys": found}

    def sign(self, kid: str = "one", algorithm: str = "RS256", **claims: Any) -> str:
        now = int(time.time())
        said = {"iss": self.url, "aud": "openmessaging", "sub": "alice", "exp": now + 300, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, self.keys[kid], algorithm, {"kid": kid})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.server.shutdown()


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "users.json"
    with changing(str(path)) as read:
        read.roles["clerk"] = Role(["send sales://*"])
        read.users["till"] = User(grants=["receive sales://*"], subjects=["jwt:till@example.org"])
    return path


def config(provider: Provider, **more: Any) -> SecurityConfig:
    names = {"shop-clerks": "clerk", "root": "admin"}
    return SecurityConfig(jwt_issuer=provider.url, jwt_role_names=names, **more)


@pytest.fixture
def security(provider: Provider, users: Path) -> Security:
    return Security(str(users), config(provider))


def known(security: Security, key: str, account: str = "") -> Identity:
    return asyncio.run(security.authenticate(Credentials(account, key, peer="127.0.0.1")))


def refused(security: Security, key: str) -> bool:
    with pytest.raises(OMSSecurityException) as caught:
        known(security, key)
    return caught.value.code == 1401


def test_claims_become_a_user_and_its_roles(security: Security, provider: Provider) -> None:
    identity = known(security, provider.sign(roles=["shop-clerks", "unheard-of", 7]))
    assert (identity.name, identity.how, identity.claimed) == ("jwt:alice", "jwt", ("clerk",))
    assert identity.mask("sales://a") & Action.SEND
    assert identity.mask("other://a") == 0
    nobody = known(security, provider.sign(sub="bob"))
    assert nobody.mask("sales://a") == 0


def test_a_role_counts_only_under_the_name_that_was_agreed(security: Security, provider: Provider) -> None:
    assert not known(security, provider.sign(roles=["admin", "clerk"])).mask("sales://a")
    assert known(security, provider.sign(roles="root x")).mask("") & Action.ADMIN


def test_roles_may_lie_deeper(provider: Provider, users: Path) -> None:
    security = Security(str(users), config(provider, jwt_roles="realm_access.roles"))
    assert known(security, provider.sign(realm_access={"roles": ["shop-clerks"]})).claimed == ("clerk",)
    assert known(security, provider.sign(realm_access=["x"])).claimed == ()


def test_a_user_of_the_file_may_stand_behind_it(security: Security, provider: Provider, users: Path) -> None:
    till = known(security, provider.sign(sub="till@example.org"))
    assert till.name == "till"
    assert till.mask("sales://a") & Action.RECEIVE
    assert known(security, provider.sign(sub="till")).name == "jwt:till"  # which is not the user till
    with changing(str(users)) as read:
        read.users["till"].grants = []
    security.reload()
    assert not till.mask("sales://a") & Action.RECEIVE
    with changing(str(users)) as read:
        read.users["till"].disabled = True
    security.reload()
    assert till.ended is not None


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"sub": None},
        {"sub": 7},
        {"sub": ""},
        {"sub": "a\nb"},
        {"nbf": 4_000_000_000},
    ],
)
def test_what_is_not_for_us_or_not_now(security: Security, provider: Provider, claims: dict[str, Any]) -> None:
    assert refused(security, provider.sign(**claims))


def test_forged_tokens(security: Security, provider: Provider) -> None:
    token = provider.sign(roles=["root"])
    head, body, signature = token.split(".")
    assert refused(security, f"{head}.{body}.{signature[:-6]}AAAAAA")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=").decode()
    assert refused(security, f"{none}.{body}.")
    # The public key, which everybody has, as the secret of a symmetric signature.
    public = provider.keys["one"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    symmetric = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=").decode()
    digest = hmac.new(pem, f"{symmetric}.{body}".encode(), hashlib.sha256).digest()
    assert refused(security, f"{symmetric}.{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}")
    assert refused(security, provider.sign() + "x" * 20_000)


def test_keys_that_rotate_and_ids_that_are_made_up(
    provider: Provider, users: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    checked = issuer.Issuer(config(provider), lambda: now[0])

    def claims(token: str) -> Any:
        return asyncio.run(checked.claims(token))

    assert claims(provider.sign())["sub"] == "alice"
    provider.add("two", elliptic=True)
    stranger = Provider()
    stranger.add("made-up")
    asked = len(provider.asked)
    with pytest.raises(OMSSecurityException):  # asked a moment ago
        claims(provider.sign("two", "ES256"))
    assert len(provider.asked) == asked
    now[0] += issuer.PAUSE + 1
    assert claims(provider.sign("two", "ES256"))["sub"] == "alice"
    asked = len(provider.asked)
    for _ in range(20):
        with pytest.raises(OMSSecurityException):
            claims(stranger.sign("made-up"))
    assert len(provider.asked) == asked
    taken_back = provider.sign("two", "ES256")
    del provider.keys["two"]
    now[0] += issuer.LIFETIME + 1
    with pytest.raises(OMSSecurityException):
        claims(taken_back)


def test_keys_in_a_file(provider: Provider, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(provider.published()))
    security = Security(None, SecurityConfig(jwt_issuer=provider.url, jwt_keys=str(file)))
    assert security.active
    assert known(security, provider.sign()).name == "jwt:alice"


def test_an_issuer_that_cannot_be_reached(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    for where in ("http://127.0.0.1:1/keys", f"{provider.url}/moved", "/nowhere/keys.json"):
        security = Security(None, SecurityConfig(jwt_issuer=provider.url, jwt_keys=where))
        assert refused(security, provider.sign())
        assert "cannot be read" in caplog.text
        caplog.clear()


def test_keys_come_by_https_alone(provider: Provider) -> None:
    for wrong in (
        SecurityConfig(jwt_issuer="http://login.example"),
        SecurityConfig(jwt_issuer="https://x", jwt_keys="http://login.example/keys"),
    ):
        with pytest.raises(OMSRuntimeException, match="by https alone"):
            Security(None, wrong)


def test_its_end_ends_the_connection(provider: Provider) -> None:
    now = [int(time.time() * 1000)]
    security = Security(None, config(provider), lambda: now[0])
    identity = known(security, provider.sign())
    ended: list[OMSRuntimeException] = []
    security.enter(identity, ended.append)
    now[0] += 300_000
    security.look_around()
    assert ended == []
    now[0] += issuer.LEEWAY * 1000 + 1
    security.look_around()
    assert [each.code for each in ended] == [1401]


def test_other_keys_are_no_jwt(provider: Provider, users: Path) -> None:
    checked = issuer.Issuer(config(provider))
    assert [checked.looks_like(key) for key in ("a.b.c", "", "correct.horse.battery", provider.sign())] == [
        False, False, False, True,
    ]  # fmt: skip
