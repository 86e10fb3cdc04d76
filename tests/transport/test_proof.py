"""What a client shows: its key, TLS, and never the key in the clear."""

import ssl
from pathlib import Path

import pytest
import trustme

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.transport.proof import check_cleartext, key_of, tls_of


def test_a_key_may_be_asked_for_each_time() -> None:
    drawn = iter(["one", "two"])
    key = key_of({"ACCOUNT_KEY": lambda: next(drawn)})
    assert [key(), key()] == ["one", "two"]
    assert key_of({"ACCOUNT_KEY": "fixed"})() == "fixed"
    assert key_of({})() == ""


@pytest.mark.parametrize("given", [{}, {"TLS": False}, {"TLS": "0"}, {"TLS": "false"}, {"TLS": None}])
def test_without_tls(given: dict[str, object]) -> None:
    assert tls_of(given) is None


def test_tls_checks_the_server_in_every_form(tmp_path: Path) -> None:
    authority = trustme.CA()
    shown = authority.issue_cert(common_name="alice")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    shown.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "alice.pem"))
    own = ssl.create_default_context()
    assert tls_of({"TLS": own}) is own
    for given in (
        {"TLS": True},
        {"TLS": "1"},
        {"TLS_AUTHORITY": str(tmp_path / "ca.pem")},
        {"TLS_CERTIFICATE": str(tmp_path / "alice.pem")},
    ):
        context = tls_of(given)
        assert context is not None
        assert context.check_hostname
        assert context.verify_mode == ssl.CERT_REQUIRED
    assert tls_of({}, always=True) is not None


@pytest.mark.parametrize("name", ["TLS_AUTHORITY", "TLS_CERTIFICATE"])
def test_files_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    for path in ("x.pem", "missing.pem"):
        with pytest.raises(OMSRuntimeException, match=rf"1418.*{path}"):
            tls_of({name: str(tmp_path / path)})


def test_a_key_goes_to_no_other_machine_in_the_clear() -> None:
    key = {"ACCOUNT_KEY": "x"}
    with pytest.raises(OMSRuntimeException, match=r"1418.*would go to broker\.example without TLS"):
        check_cleartext(["127.0.0.1", "broker.example"], None, key)
    check_cleartext(["127.0.0.1", "::1", "localhost"], None, key)
    check_cleartext(["broker.example"], object(), key)
    check_cleartext(["broker.example"], None, {})
    check_cleartext(["broker.example"], None, {**key, "ALLOW_CLEARTEXT": True})
