"""Grants: what they allow, what they do not, and what is no grant."""

import pytest

from openmessaging.model.errors import OMSRuntimeException
from openmessaging.server.security.grants import GRANTABLE, Action, allowed, parse_grant


def names(mask: int) -> str:
    return " ".join(each.name.lower() for each in Action if mask & each)


@pytest.mark.parametrize(
    ("grant", "resource", "expected"),
    [
        ("send sales://orders", "sales://orders", "send look use"),
        ("send sales://orders", "sales://orders2", ""),
        ("send sales://orders", "sales://Orders", ""),
        ("send sales://orders", "other://orders", ""),
        ("send sales://orders*", "sales://orders-eu", "send look use"),
        ("send *://orders", "any://orders", "send look use"),
        ("send sales://*", "sales2://orders", ""),
        ("send sales://o.ders", "sales://orders", ""),
        ("send,receive sales://orders", "sales://orders/kitchen", "send receive look use"),
        ("receive sales://orders/kitchen", "sales://orders/kitchen", "receive look use"),
        ("receive sales://orders/kitchen", "sales://orders/bar", "look use"),
        ("receive sales://orders/kitchen", "sales://orders", "look use"),
        ("receive sales://orders/k*", "sales://orders/kitchen", "receive look use"),
        ("look sales://orders", "sales://orders", "look"),
        ("manage sales://*", "sales://", "look manage"),
        ("send,receive sales://*", "sales://", "send receive look"),
        ("manage sales://orders", "sales://", "look"),
        ("manage sales://*/*", "sales://", "look"),
        ("* *", "sales://orders", "send receive browse look manage use"),
        ("* *", "", "send receive browse look manage admin"),
        ("admin *", "", "admin"),
        ("admin *", "sales://orders", "look"),
        ("* sales://*", "", ""),
        ("* sales://*", "sales://orders", "send receive browse look manage use"),
        ("browse *", "sales://orders/kitchen", "browse look use"),
        ("send sales://orders", "orders", ""),
        ("* *", "orders", ""),
        ("send default://*", "://orders", ""),
    ],
)
def test_what_a_grant_allows(grant: str, resource: str, expected: str) -> None:
    assert names(allowed([parse_grant(grant)], resource)) == expected


def test_without_a_grant_nothing_is_allowed() -> None:
    assert allowed([], "sales://orders") == allowed([], "") == allowed([], "sales://") == 0


def test_grants_add_up() -> None:
    grants = [parse_grant("send sales://*"), parse_grant("receive sales://orders")]
    assert names(allowed(grants, "sales://orders")) == "send receive look use"
    assert names(allowed(grants, "sales://returns")) == "send look use"


@pytest.mark.parametrize(
    "text",
    ["", "send", "send orders", "read sales://orders", "send sales://", "send ://orders", "send sales://orders/",
     "send sales://orders/a/b", "send,,receive *", "admin sales://orders", "SEND *"],
)  # fmt: skip
def test_what_is_no_grant(text: str) -> None:
    with pytest.raises(OMSRuntimeException, match="1418") as caught:
        parse_grant(text)
    assert caught.value.field == "grant"


def test_every_action_can_be_granted_by_name() -> None:
    assert set(GRANTABLE) == {"send", "receive", "browse", "look", "manage", "admin"}
