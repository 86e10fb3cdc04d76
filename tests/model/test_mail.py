from openmessaging.model.mail import Handed
from openmessaging.model.message import Record


def test_a_request_from_hand_to_hand_says_of_itself_what_a_stored_one_would() -> None:
    handed = Handed("default://q", 1, Record(b"x"), "id", "box", 5, 0, 1_700_000_000_000, "host", 2, 3)
    given = {name: handed.header(name, 0) for name in ("partition", "offset", "deliveryCount", "storeTimestamp")}
    assert given == {"partition": 1, "offset": None, "deliveryCount": 1, "storeTimestamp": None}
    whole = handed.whole()
    assert whole.properties == {"rpc.reply-to": "box"}
    assert whole.headers == {
        "correlationId": "id",
        "expireTime": 5,
        "bornTimestamp": 1_700_000_000_000,
        "bornHost": "host",
        "messageId": handed.header("messageId", 0),
    }
    assert handed.headers() == {"correlationId": "id", "expireTime": 5}, "the rest is the origin's"
    own = Handed("default://q", 1, Record(b"x", None, {"a": 1}, {"traceId": "t"}), "id", "box", 5, 4, 1, "h", 2, 3)
    assert own.whole().properties == {"a": 1, "rpc.reply-to": "box", "rpc.window": 4}
    assert own.headers()["traceId"] == "t"
