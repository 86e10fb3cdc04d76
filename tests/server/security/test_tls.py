"""TLS: certificates both ways, read again when they change, and what cannot be read."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server import Limits
from openmessaging.server.security import SecurityConfig, TlsConfig
from openmessaging.server.security.security import Security
from openmessaging.server.security.tls import Tls
from openmessaging.wire import Hello, Kind
from tests.server.security.helpers import add_user
from tests.server.test_connection import Raw
from tests.servers import Serving, serving


class Files:
    """Certificates of an authority in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificate, self.key = directory / "server.pem", directory / "server.key"
        self.authorities = directory / "clients.pem"
        self.authority = trustme.CA()
        self.renew()

    def renew(self) -> None:
        """Another certificate for the server, by the same authority; clients of that one alone are trusted."""
        issued = self.authority.issue_cert("localhost", "127.0.0.1")
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.certificate.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        self.authority.cert_pem.write_to_path(str(self.authorities))

    @property
    def section(self) -> dict[str, str]:
        return {"certificate": str(self.certificate), "key": str(self.key)}

    def client(self, shown: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if shown is not None:
            shown.configure_cert(context)
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def users(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def connect(server: Serving, context: ssl.SSLContext) -> Raw:
    raw = Raw(server.port)
    raw.socket = context.wrap_socket(raw.socket, server_hostname="localhost")
    return raw


@pytest.fixture
def server(files: Files, users: Path) -> Iterator[Serving]:
    add_user(users, "alice", "send *")
    with serving("oms:memory:", tls=files.section, security={"users": str(users)}) as running:
        yield running


def turned_away(server: Serving, context: ssl.SSLContext) -> bool:
    """Whether a client does not get through TLS; with version 1.3 it learns so with the first bytes."""
    try:
        raw = connect(server, context)
        raw.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", ""))
        return raw.next() is None
    except (ssl.SSLError, ConnectionError):
        return True


def serial(raw: Raw) -> object:
    certificate = raw.socket.getpeercert()  # type: ignore[attr-defined]
    return certificate["serialNumber"]


def look_around(server: Serving) -> None:
    async def work() -> None:
        server.node.security.look_around()

    asyncio.run_coroutine_threadsafe(work(), server.loop).result(5)


def test_a_new_certificate_is_shown_and_connections_go_on(server: Serving, files: Files) -> None:
    old = connect(server, files.client())
    files.renew()
    look_around(server)
    new = connect(server, files.client())
    assert serial(old) != serial(new)
    old.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", "", "alice", "wrong"))
    assert old.refused().code == 1401  # and was answered


def test_files_that_are_not_whole_yet_change_nothing(
    server: Serving, files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    before = serial(connect(server, files.client()))
    files.key.write_text("half")
    look_around(server)
    look_around(server)
    assert caplog.text.count("the certificates stay as they were") == 1
    assert serial(connect(server, files.client())) == before
    files.renew()
    look_around(server)
    assert serial(connect(server, files.client())) != before


def test_who_speaks_without_tls_gets_nothing(server: Serving) -> None:
    raw = Raw(server.port)
    raw.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", ""))
    assert raw.next() is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_of_tls_are_refused(server: Serving, files: Files) -> None:
    context = files.client()
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        connect(server, context)


def test_a_certificate_is_who_it_was_made_out_to(files: Files, users: Path) -> None:
    stranger = trustme.CA()
    alice = files.authority.issue_cert(common_name="alice", organization_name="Shop", organization_unit_name="Till")
    add_user(users, "alice", "send *", subjects=["O=Shop,OU=Till,CN=alice"])
    section = {**files.section, "client_authority": str(files.authorities)}
    with serving("oms:memory:", tls=section, security={"users": str(users)}) as server:
        raw = connect(server, files.client(alice))
        raw.hello()
        raw.call(2, "partition_count", "default://orders")
        assert raw.next().kind == Kind.RESULT  # type: ignore[union-attr]
        assert turned_away(server, files.client())
        assert turned_away(server, files.client(stranger.issue_cert(common_name="alice")))
        bob = connect(server, files.client(files.authority.issue_cert(common_name="bob")))
        bob.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", ""))
        assert bob.refused().code == 1401


def test_an_authority_that_is_taken_away_is_trusted_no_more(files: Files, users: Path) -> None:
    other = trustme.CA()
    subject = {"common_name": "till", "organization_name": "Shop", "organization_unit_name": "Till"}
    add_user(users, "till", "send *", subjects=["O=Shop,OU=Till,CN=till"])
    files.authorities.write_bytes(files.authority.cert_pem.bytes() + other.cert_pem.bytes())
    section = {**files.section, "client_authority": str(files.authorities)}
    with serving("oms:memory:", tls=section, security={"users": str(users)}) as server:
        connect(server, files.client(other.issue_cert(**subject))).hello()
        files.authority.cert_pem.write_to_path(str(files.authorities))
        look_around(server)
        assert turned_away(server, files.client(other.issue_cert(**subject)))
        connect(server, files.client(files.authority.issue_cert(**subject))).hello()


def test_with_optional_certificates_a_key_will_do(files: Files, users: Path) -> None:
    token = add_user(users, "alice", "send *")
    section = {**files.section, "client_authority": str(files.authorities), "client": "optional"}
    with serving("oms:memory:", tls=section, security={"users": str(users)}) as server:
        raw = connect(server, files.client())
        raw.tell(Kind.HELLO, 1, Hello("OMS", [1], "test", "", "", token))
        assert raw.next().kind == Kind.WELCOME  # type: ignore[union-attr]


def test_a_handshake_that_never_ends_is_ended(files: Files) -> None:
    with (
        serving("oms:memory:", tls=files.section, limits=Limits(handshake=0.2)) as server,
        socket.create_connection(("127.0.0.1", server.port), 5) as silent,
    ):
        assert silent.recv(1) == b""


def test_what_cannot_be_read_is_refused_at_the_start(files: Files, tmp_path: Path) -> None:
    assert Security(None, SecurityConfig()).tls(TlsConfig()) is None
    files.authorities.write_text("nothing")
    for wrong in (
        {"certificate": str(tmp_path / "missing.pem")},
        {"certificate": str(files.certificate)},
        {**files.section, "client_authority": str(files.authorities)},
    ):
        with pytest.raises(OMSRuntimeException, match=r"1418.*tls: .*Give PEM files"):
            Tls(TlsConfig(**wrong))


def test_an_encrypted_key_is_refused(files: Files) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    files.key.write_bytes(encrypted)
    with pytest.raises(OMSRuntimeException, match="the key is encrypted"):
        Tls(TlsConfig(**files.section))


def test_protocols_within_tls_are_offered(files: Files) -> None:
    tls = Tls(TlsConfig(**files.section), ["h2", "http/1.1"])
    client = files.client()
    client.set_alpn_protocols(["h2"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    back, forth = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = tls.context.wrap_bio(incoming, outgoing, server_side=True)
    two = client.wrap_bio(back, forth, server_hostname="localhost")
    for _ in range(4):
        for end in (two, one):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
            incoming.write(forth.read())
            back.write(outgoing.read())
    assert two.selected_alpn_protocol() == "h2"
