import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.cloud_event import CloudEvent, check_attributes, from_cloudevent, rfc3339, to_cloudevent
from openmessaging.model.errors import OMSMessageFormatException
from openmessaging.model.headers import FIELDS
from openmessaging.model.json_form import DocumentOrigin, to_json
from openmessaging.model.message import Message, Record
from tests.model.values import ALL_HEADERS, headers, printable, properties
from tests.model.vectors import load, same

VECTORS = load("cloudevents")
EVENT = {"specversion": "1.0", "id": "a-1", "source": "/shop", "type": "order.placed"}

NOT_EXTENSIONS = (
    "data", "partitionkey", "correlationid", *EVENT, "datacontenttype", "dataschema", "subject", "time"
)  # fmt: skip
texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1, max_size=20)
uris = st.text(string.ascii_letters + string.digits + "/:?#[]@!$&'()*+,;=-._~", min_size=1, max_size=20)
extensions = st.dictionaries(
    st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
        lambda name: not name.startswith("oms") and name not in NOT_EXTENSIONS
    ),
    texts | st.just("") | st.booleans() | st.integers(-(1 << 31), (1 << 31) - 1) | st.binary(max_size=9),
    max_size=4,
)
core = st.fixed_dictionaries(
    {"specversion": st.just("1.0"), "id": texts, "source": uris, "type": texts},
    optional={
        "subject": texts,
        "datacontenttype": st.sampled_from(["application/json", "text/plain; charset=utf-8", "image/png"]),
        "dataschema": uris.map(lambda uri: f"https:{uri}"),
        "time": st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
        "partitionkey": printable,
        "correlationid": printable,
    },
)


@st.composite
def events(draw: Any) -> CloudEvent:
    return CloudEvent({**draw(extensions), **draw(core)}, draw(st.binary(max_size=20)))


@pytest.mark.parametrize("case", VECTORS["messages"], ids=lambda case: case["name"])
def test_vectors(case: dict[str, Any]) -> None:
    event = CloudEvent(case["attributes"], bytes.fromhex(case["data"]))
    message = from_cloudevent(event, case.get("destination"))
    assert to_json(message) == case["message"]
    if case["inverse"]:
        assert to_cloudevent(message) == event


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_invalid_vectors(case: dict[str, Any]) -> None:
    with pytest.raises(OMSMessageFormatException) as caught:
        from_cloudevent(CloudEvent(case["attributes"]), "orders")
    assert (caught.value.code, caught.value.field) == (case.get("code", 1400), case["field"])


@given(events(), printable)
def test_an_event_is_itself_again(event: CloudEvent, destination: str) -> None:
    found = to_cloudevent(from_cloudevent(event, destination))
    attributes = dict(found.attributes)
    assert attributes.pop("omsdestination") == destination
    assert same(attributes, dict(event.attributes))
    assert found.data == event.data


@given(
    st.binary(max_size=20),
    printable,
    st.none() | printable,
    properties,
    st.booleans() | st.just("1.0"),
    headers([name for name in ALL_HEADERS if not FIELDS[name].provider]),
    headers([name for name in ALL_HEADERS if FIELDS[name].provider]),
)
def test_a_message_is_itself_again(
    body: bytes, destination: str, key: str | None, own: dict[str, Any], seems: Any, said: Any, given: Any
) -> None:
    if seems:
        own = {**own, "ce_specversion": seems, "ce_id": "1", "ce_source": "/a", "ce_type": "b", "ce_x": 5}
    given = {"messageId": "m-1", **given}
    message = Message(Record(body, key, own or None, said or None), destination, DocumentOrigin(given))
    event = to_cloudevent(message)
    check_attributes(event.attributes)
    found = from_cloudevent(event)
    assert to_json(found) == to_json(message)
    assert same(dict(sorted(found.properties.items())), dict(sorted(message.properties.items())))
    assert to_cloudevent(found) == event


def test_who_poses_as_a_plain_message_is_kept_as_he_is() -> None:
    plain = to_cloudevent(Message(Record(b""), "orders", DocumentOrigin({"messageId": "m-1"})))
    assert plain.attributes["type"] == "openmessaging.message"
    posing = {f"ce_{name}": value for name, value in plain.attributes.items() if not name.startswith("oms")}
    message = Message(Record(b"", None, posing), "orders", DocumentOrigin({"messageId": "m-1"}))
    assert to_json(from_cloudevent(to_cloudevent(message))) == to_json(message)
    other = Message(Record(b"", None, posing), "orders", DocumentOrigin({"messageId": "m-2"}))
    assert to_cloudevent(other).attributes["id"] == "m-1"
    assert to_json(from_cloudevent(to_cloudevent(other))) == to_json(other)


def test_a_message_that_was_not_sent_has_no_id() -> None:
    with pytest.raises(OMSMessageFormatException, match="Send it first"):
        to_cloudevent(Message(Record(b""), "orders"))
    own = {"ce_specversion": "1.0", "ce_id": "7", "ce_source": "/a", "ce_type": "b"}
    assert to_cloudevent(Message(Record(b"", None, dict(own)), "orders")).attributes["id"] == "7"


def test_an_event_needs_a_queue() -> None:
    with pytest.raises(OMSMessageFormatException) as caught:
        from_cloudevent(CloudEvent(EVENT))
    assert caught.value.field == "omsdestination"
    assert from_cloudevent(CloudEvent({**EVENT, "omsdestination": "a"})).destination == "a"
    assert from_cloudevent(CloudEvent({**EVENT, "omsdestination": "a"}), "b").destination == "b"


def test_times() -> None:
    assert rfc3339(1533780827824) == "2018-08-09T02:13:47.824Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1 << 62) is None


@given(
    st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "time", "omsproperties", "omspriority", "x"])
        | st.text(),
        st.sampled_from(["1.0", "{}", '{"a": {"long": "x"}}', "[", 5, True, 1 << 40, 1.5, b"", None, [], {}])
        | st.text(),
    )
)
def test_whatever_comes_is_taken_or_refused_by_name(attributes: Any) -> None:
    try:
        message = from_cloudevent(CloudEvent({**EVENT, **attributes}), "orders")
    except OMSMessageFormatException as failure:
        assert failure.code in (1400, 1412)
        assert failure.field
    else:
        assert to_cloudevent(message)
