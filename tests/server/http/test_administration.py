"""Who is connected, and who may do what, over HTTP."""

from __future__ import annotations

from tests.server.http.test_rights import asked, node, tokens, users
from tests.servers import Serving

__all__ = ["node", "tokens", "users"]


def test_users_without_what_they_sign_in_by(node: Serving, tokens: dict[str, str]) -> None:
    answer = asked(node, tokens["root"], "users")
    found = answer.json()
    assert found["you"] == "root"
    by_name = {user["name"]: user for user in found["users"]}
    assert list(by_name) == ["cook", "guard", "root"]
    assert by_name["root"]["grants"] == ["* *"]
    assert by_name["root"]["signsInBy"] == ["password", "token"]
    assert by_name["cook"]["grants"] == ["browse default://menus", "receive default://orders"]
    assert by_name["cook"]["tokens"][0]["expiresMs"] == 1 << 50
    assert "hash" not in answer.text
    assert not any(token in answer.text for token in tokens.values())
