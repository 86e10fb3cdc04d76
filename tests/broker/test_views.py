from openmessaging.broker.views import Views
from tests.broker.stores import code_of


def test_the_earliest_end_counts_until_its_view_is_over():
    views = Views()
    assert views.earliest_end(1, 0.0) is None
    early, late = views.open({1: 5, 2: 7}, 0.0), views.open({1: 9}, 30.0)
    assert (views.earliest_end(1, 30.0), views.earliest_end(2, 30.0), views.earliest_end(3, 30.0)) == (5, 7, None)
    views.renew(early, 59.0)
    assert views.earliest_end(1, 95.0) == 5
    assert code_of(views.renew, late, 95.0) == 1418
    views.close(early)
    views.close(early)
    assert views.earliest_end(1, 95.0) is None
    assert code_of(views.renew, early, 95.0) == 1418
