import sys

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.model.offset_table import OffsetTable


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(0, 1 << 48))))
def test_it_is_a_dictionary(puts):
    table, plain = OffsetTable(), {}
    for key, offset in puts:
        table.put(key, offset)
        plain[key] = offset
    assert len(table) == len(plain)
    assert {key: table.get(key) for key in plain} == plain
    assert table.get("none of these") == -1


def test_it_grows_and_is_small():
    table = OffsetTable()
    for number in range(20_000):
        table.put(f"key {number}", number)
    assert [table.get(f"key {number}") for number in (0, 1, 10_000, 19_999)] == [0, 1, 10_000, 19_999]
    held = sum(sys.getsizeof(values) for values in (table._high, table._low, table._after))
    assert held / len(table) < 75
