from openmessaging.demo.data import Flight
from openmessaging.demo.table import BUSIEST, Origin, Tally, rows


def flight(origin: str, delay: int) -> Flight:
    return Flight("2001/01/01 00:00", delay, 100, origin, "LAX")


FLIGHTS = [flight("ATL", 10), flight("ATL", 61), flight("BOS", 60), flight("BOS", -7)]


def test_counting() -> None:
    tally = Tally.of(FLIGHTS)
    assert tally.origins == {"ATL": Origin(2, 71, 1), "BOS": Origin(2, 53, 0)}
    assert tally.origins["ATL"].mean_delay == 35.5
    assert Origin().mean_delay == 0.0
    assert tally.total == Origin(4, 124, 1)


def test_equal_means_everything_counted_is() -> None:
    more, late = Tally.of(FLIGHTS), Tally.of(FLIGHTS)
    assert more == late == Tally.of(reversed(FLIGHTS))
    more.add(FLIGHTS[0])
    late.add_late(FLIGHTS[0])
    assert more != Tally.of(FLIGHTS) != late
    assert Tally() != 0


def test_rows_show_the_busiest_and_what_differs() -> None:
    file = Tally.of([flight(f"X{number:02}", 0) for number in range(40) for _ in range(100 - number)])
    consumed = Tally.of([flight(f"X{number:02}", 0) for number in range(40) for _ in range(100 - number)])
    consumed.add(flight("X39", 5))
    consumed.add(flight("NEW", 5))
    found = list(rows(consumed, file))
    assert [row.name for row in found[:BUSIEST]] == [f"X{number:02}" for number in range(BUSIEST)]
    assert [row.name for row in found[BUSIEST:]] == ["X39", "NEW", "19 others", "all"]
    assert [row.name for row in found if not row.equal] == ["X39", "NEW", "all"]
    assert found[-1].consumed.flights == found[-1].file.flights + 2


def test_few_origins_have_no_others() -> None:
    assert [row.name for row in rows(Tally.of(FLIGHTS), Tally.of(FLIGHTS))] == ["ATL", "BOS", "all"]
