from openmessaging.broker.cursor import Cursor
from openmessaging.broker.lease import HeldLease
from openmessaging.broker.partition import Partition


def cursor() -> Cursor:
    return Cursor(Partition(1, 0, None, 0, 100), 5)


def test_floor_is_the_lowest_of_the_three_places():
    here = cursor()
    assert here.floor() == 5
    here.hand_out(8, 20)
    assert (here.next, here.floor(), here.unsettled()) == (20, 5, [(5, 8)])
    here.leases[1] = HeldLease(1, None, here, [10, 12, 15, 16], 1, 0)
    here.hand_out(5, 8)
    assert (here.next, here.floor(), here.unsettled()) == (20, 10, [(10, 12), (15, 16)])
    here.waiting.add(17, 18, 1, 0)
    assert (here.floor(), here.unsettled()) == (10, [(10, 12), (15, 16), (17, 18)])


def test_passed_over_messages_wait_undelivered():
    here = cursor()
    here.hand_out(6, 7)
    assert [(span.start, span.end, span.attempt, span.visible_ms) for span in here.waiting] == [(5, 6, 0, 0)]
