"""Why a message would go where it would go, verdict by verdict."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from openmessaging.broker.explaining import explain
from openmessaging.model.batch import OWN_IDS, encode, encode_shared
from openmessaging.model.message import Record
from openmessaging.model.routing import KEY, Assign, Deduplicate, Explanation, Filter, Sample, Transform, Verdict
from openmessaging.simulation.clock import SimulatedClock
from tests.broker.routes import ORDERS, add, full, message, route, texts, work
from tests.broker.stores import Client, open_client, simulated


def explained(client: Client, record: Record) -> list[Explanation]:
    batch = client.batch(record)
    return explain(client.runner.engine, client.runner.clock.now_ms(), ORDERS, batch.head + batch.payload)


def verdicts(client: Client, record: Record) -> list[tuple[str, str]]:
    (found,) = explained(client, record)
    return [(each.verdict, each.detail) for each in found.steps]


def test_operator_by_operator_until_one_drops_it(client: Client) -> None:
    operators = (Filter("n > 1"), Assign({"m": "n * 2", KEY: "'k'", "same": "n IS NULL"}), Filter("m < 8"), Sample(1.0))
    add(client, route("r", "orders", "out", operators=operators))
    assert verdicts(client, message("", n=1)) == [("drops", "")]
    changes = f"m: nothing -> 6, {KEY}: nothing -> 'k', same: nothing -> False"
    assert verdicts(client, message("", n=3)) == [("passes", ""), ("changes", changes), ("passes", ""), ("passes", "")]
    assert verdicts(client, message("", n=4))[2:] == [("drops", "")]
    (found,) = explained(client, message("", n=4))
    assert (found.targets, found.steps[0].operator) == ([], "filter n > 1")


def test_it_goes_on_through_the_targets_with_what_became_of_the_message(client: Client) -> None:
    add(client, route("a", "orders", "middle", "side", operators=(Assign({"n": "2"}),)))
    add(client, route("b", "middle", "end", operators=(Filter("n = 2"),)))
    add(client, route("c", "orders", "other"))
    first, second = explained(client, message("", n=1))
    assert first.targets == [full("middle"), full("side")]
    assert first.then == [Explanation(full("b"), full("middle"), [Verdict("filter n = 2", "passes")], [full("end")])]
    assert (second.route, second.steps, second.targets) == (full("c"), [], [full("other")])


def test_a_deduplicator_knows_what_it_has_seen(client: Client, clock: SimulatedClock) -> None:
    add(client, route("r", "orders", "out", operators=(Deduplicate(10, "key"),)))
    client.send(message("", "k"))
    work(client)
    assert verdicts(client, message("", "k")) == [("drops", "")]
    assert verdicts(client, message("", "l")) == [("passes", "")]
    clock.advance(11)
    assert verdicts(client, message("", "k")) == [("passes", "")]


def test_what_cannot_be_known_is_said(client: Client) -> None:
    add(client, route("f", "orders", "middle", operators=(Filter("n = 1"), Transform("enrich"), Filter("n = 2"))))
    add(client, route("s", "middle", "end"))
    (found,) = explained(client, message("", n=1))
    assert [each.verdict for each in found.steps] == ["passes", "unknown"]
    assert found.steps[1].operator == "call enrich"
    assert (found.targets, found.then) == ([full("middle")], [])
    add(client, route("z", "orders", "sampled", operators=(Sample(0.5), Filter("n = 1"))))
    own = {"messageId": "", "bornTimestamp": 1}
    batch = encode(
        [Record(b"", None, {"n": 1}, own)],
        shared=encode_shared({}), born_ms=1, producer_id=0, first_sequence=0, attributes=OWN_IDS,
    )  # fmt: skip
    found = explain(client.runner.engine, 1, ORDERS, batch.head + batch.payload)[1]
    assert [each.verdict for each in found.steps] == ["unknown", "passes"]
    assert "the id decides" in found.steps[0].detail


def test_the_condition_of_the_queue_comes_first(client: Client) -> None:
    client.admin.create_queue(ORDERS, 1, {"filter": "n = 1"})
    add(client, route("r", "orders", "out", operators=(Filter("n < 2"),)))
    (found,) = explained(client, message("", n=2))
    assert found.steps == [Verdict("filter of the queue: n = 1", "drops")]
    assert len(verdicts(client, message("", n=1))) == 2


OPERATORS = st.lists(
    st.sampled_from(
        [
            Filter("n > 1"),
            Sample(0.5, "key"),
            Assign({"n": "n + 1"}),
            Assign({KEY: "NULL"}),
            Deduplicate(60, "key"),
        ]
    ),
    max_size=4,
)


@settings(max_examples=30)
@given(OPERATORS, st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), min_size=1, max_size=6))
def test_what_is_explained_is_what_happens(operators, messages) -> None:
    client = open_client("/store", disk=simulated())
    add(client, route("r", "orders", "out", operators=tuple(operators)))
    expected = []
    for key, n in messages:
        record = message(f"{key}{n}", key, n=n)
        (told,) = explained(client, record)
        expected += [record.data.decode()] * len(told.targets)
        client.sequence -= 1  # it is sent under the id that was asked about
        client.send(record)
        work(client)
    assert texts(client, "out") == expected
    client.close()
