"""The requester's book: whatever comes in whatever order, each call has at most one outcome, and of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.errors import OMSRuntimeException, error
from openmessaging.model.mail import Mail, MailKind
from openmessaging.model.message import Record
from openmessaging.runtime.replies import Calls, Gathering, ItemsInOrder, check_timeout


class One:
    """Takes one piece of mail."""

    def __init__(self) -> None:
        self.came: list[Mail] = []
        self.failure: BaseException | None = None

    def take(self, mail: Mail) -> bool:
        if self.came:
            return False
        self.came.append(mail)
        return True

    def fail(self, failure: BaseException) -> None:
        self.failure = failure


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_answers_are_never_crossed_and_each_call_has_at_most_one(steps):
    """Answers to six calls, and ends of them, in any order and number: all that is of no use is counted."""
    calls = Calls("p")
    ones = [One() for _ in range(6)]
    ids = [calls.begin(one) for one in ones]
    assert len(set(ids)) == 6
    open_calls, answered, late = set(range(6)), set(), 0
    for number, ends in steps:
        if ends:
            calls.end(ids[number])
            open_calls.discard(number)
            continue
        late += number not in open_calls or number in answered
        answered |= {number} & open_calls
        calls.land(Mail(MailKind.ANSWER, ids[number]))
    assert calls.late == late
    assert len(calls) == len(open_calls)
    for number, one in enumerate(ones):
        assert [mail.correlation_id for mail in one.came] == [ids[number]] * (number in answered)


def test_all_calls_fail_at_the_end():
    calls, one = Calls("p"), One()
    calls.begin(one)
    calls.fail_all(error(1503, "stopped"))
    assert one.failure.code == 1503


def test_gathering_takes_one_of_each_group():
    done = []
    gathering = Gathering(2, lambda: done.append(1))
    assert gathering.take(Mail(MailKind.ANSWER, "1", group="a"))
    assert not gathering.take(Mail(MailKind.ANSWER, "1", group="a"))
    assert not gathering.take(Mail(MailKind.ITEM, "1", group="b"))
    assert not gathering.complete
    assert gathering.take(Mail(MailKind.ERROR, "1", group="b"))
    assert gathering.complete
    assert not gathering.take(Mail(MailKind.ANSWER, "1", group="c"))
    gathering.fail(error(1501, "x"))
    assert done == [1, 1]
    assert gathering.failure.code == 1501


@given(st.integers(0, 12), st.randoms(use_true_random=False), st.integers(0, 3))
def test_items_come_in_order_each_once_whatever_the_way_did_to_them(count, chance, strangers):
    items = ItemsInOrder(count + 1, lambda: None)
    mails = [Mail(MailKind.ITEM, "1", number, "me", "", Record(b"%d" % number)) for number in range(count)]
    mails += [chance.choice(mails) for _ in range(3) if mails]  # twice
    mails.append(Mail(MailKind.END, "1", count, "me"))
    chance.shuffle(mails)
    mails[1:1] = [Mail(MailKind.ITEM, "1", number, "stranger") for number in range(strangers)]
    taken = [items.take(mail) for mail in mails]
    assert sum(taken) == count + 1
    read = []
    while (mail := items.pop()).kind == MailKind.ITEM:
        read.append(mail.sequence)
    assert read == list(range(count))
    assert mail.kind == MailKind.END
    assert not items.take(mail), "it is over"


def test_a_stream_refuses_what_is_over_its_window_and_asks_for_more_by_halves():
    items = ItemsInOrder(4, lambda: None)
    assert [items.take(Mail(MailKind.ITEM, "1", number)) for number in range(5)] == [True] * 4 + [False]
    credits = []
    for _ in range(4):
        items.pop()
        credits.append(items.due_credit())
    assert credits == [False, True, False, True]
    assert items.pop() is None
    assert items.take(Mail(MailKind.ITEM, "1", 4))


def test_an_answer_is_a_stream_of_one_and_an_error_ends_it():
    items = ItemsInOrder(4, lambda: None)
    items.take(Mail(MailKind.ANSWER, "1"))
    assert [items.pop().kind, items.pop().kind] == [MailKind.ANSWER, MailKind.END]
    items = ItemsInOrder(4, lambda: None)
    items.take(Mail(MailKind.ITEM, "1", 0))
    items.take(Mail(MailKind.ERROR, "1", 1))
    assert [items.pop().kind, items.pop().kind] == [MailKind.ITEM, MailKind.ERROR]
    items = ItemsInOrder(4, lambda: None)
    items.fail(error(1501, "x"))
    with pytest.raises(OMSRuntimeException):
        items.pop()


def test_a_timeout_is_over_0():
    check_timeout(0.1)
    for bad in (0, -1.0):
        with pytest.raises(OMSRuntimeException, match="timeout"):
            check_timeout(bad)
