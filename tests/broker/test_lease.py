from openmessaging.broker.lease import HeldLease


def lease(*left: int) -> HeldLease:
    return HeldLease(1, None, None, list(left), 1, 0)


def test_one_by_one_in_order():
    held = lease(0, 3)
    for offset in range(3):
        assert held.take([(offset, offset + 1)]) == [(offset, offset + 1)]
    assert held.left == []


def test_all_that_is_left():
    held = lease(0, 2, 5, 6)
    assert held.take(None) == [(0, 2), (5, 6)]
    assert held.left == []


def test_out_of_order_leaves_gaps():
    held = lease(0, 10)
    assert held.take([(3, 4), (0, 1), (8, 12)]) == [(3, 4), (0, 1), (8, 10)]
    assert held.left == [1, 3, 4, 8]
    assert held.take([(0, 20)]) == [(1, 3), (4, 8)]
    assert held.left == []
