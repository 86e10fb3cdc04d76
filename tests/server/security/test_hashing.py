"""Passwords and tokens: what is kept recognises them, and says nothing."""

import pytest

from openmessaging.server.security import hashing
from openmessaging.server.security.hashing import draw_token, hash_password, hash_token, matches, token_id


def test_a_password_matches_its_hash_alone() -> None:
    kept = hash_password("correct horse", 10)
    assert "correct" not in kept
    assert kept != hash_password("correct horse", 10)
    assert matches("correct horse", kept)
    assert not matches("correct Horse", kept)


@pytest.mark.parametrize(
    "kept", ["", "x", "md5$1$2$3$4$5", "scrypt$30$8$3$AA==$AA==", "scrypt$15$8$3$!$?", "scrypt$a$8$3$AA==$AA=="]
)
def test_what_is_no_hash_matches_nothing(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "COST", 10)
    assert not matches("", kept)


def test_tokens_are_unlike_and_known_by_their_id() -> None:
    number, token, kept = draw_token()
    assert token_id(token) == number
    assert kept == hash_token(token)
    assert number not in draw_token()[1]
    assert len(token) > 50


@pytest.mark.parametrize("key", ["", "secret", "oms_1_x", "eyJ.x.y", "abc_12345678_x", "oms_12345678"])
def test_what_is_no_token(key: str) -> None:
    assert token_id(key) is None
