"""What a consumer knows of a partition, and how it outlives the consumer."""

from hypothesis import given
from hypothesis import strategies as st

from openmessaging.drivers.kafka.book import TEXT_BYTES, Book, read_text, write_text


def read(book: Book, *offsets: int) -> list[int]:
    return [book.take(offset) for offset in offsets]


def test_the_oldest_that_is_not_settled_is_kept() -> None:
    book = Book(0, 10, None)
    assert book.commitment() is None
    assert read(book, 10, 11, 12, 14) == [1, 1, 1, 1]
    assert book.commitment() == (10, "oms1 d5 s a")
    book.settle([11, 14])
    assert book.commitment() == (10, "oms1 d5 s1,4 a")
    book.settle([10])
    assert book.commitment() == (12, "oms1 d3 s2 a")
    book.settle([12])
    assert book.commitment() == (15, "")
    assert not book.at_end(15)
    assert book.at_end(17)  # a mark of a transaction lies between
    assert book.commitment() == (17, "")


def test_the_next_owner_goes_on_from_there() -> None:
    book = Book(0, 10, None)
    read(book, 10, 11, 12, 13)
    book.settle([11, 13])
    book.attempts[12] = 3
    kept = book.commitment()
    assert kept is not None
    following = Book(0, *kept)
    assert read(following, 10, 11, 12, 13, 14) == [2, 0, 4, 0, 1]
    following.settle([10, 12])
    assert following.commitment() == (14, "oms1 d1 s a")


def test_an_end_without_messages_says_nothing() -> None:
    assert not Book(0, 0, None).at_end(5)


def test_texts_of_others_are_nothing() -> None:
    for text in (
        None,
        "",
        "metadata",
        "oms2 d1 s a",
        "oms1 dx s a",
        "oms1 d1 s1-x a",
        "oms1 d9 s0-99999999 a",
        "oms1 d1",
    ):
        assert read_text(7, text) == (7, set(), {})
    assert read_text(7, "oms1 d2 s0-9 a" + "1:1," * 5000) == (7, set(), {})


places = st.sets(st.integers(0, 3000), max_size=400)


@given(st.integers(0, 1 << 40), places, st.dictionaries(st.integers(0, 3000), st.integers(1, 99), max_size=300))
def test_what_fits_comes_back_and_the_rest_is_delivered_again(
    offset: int, settled: set[int], attempts: dict[int, int]
) -> None:
    done = {offset + each for each in settled}
    made = {offset + each: count for each, count in attempts.items()}
    text = write_text(offset, offset + 3001, done, made)
    assert len(text) <= TEXT_BYTES
    handed, found, counted = read_text(offset, text)
    assert handed == offset + 3001
    assert found <= done
    assert counted.items() <= made.items()
    if len(settled) < 100 and len(attempts) < 50:
        assert (found, counted) == (done, made)


@given(st.lists(st.integers(0, 30)))
def test_nothing_that_is_not_settled_is_ever_passed_over(order: list[int]) -> None:
    book = Book(0, 0, None)
    read(book, *range(30))
    settled: set[int] = set()
    for each in order:
        if each < 30 and each not in settled:
            book.settle([each])
            settled.add(each)
        offset, text = book.commitment() or (0, "")
        _, found, _ = read_text(offset, text)
        assert set(range(offset)) | found == settled | set(range(offset))
        assert set(range(offset)) <= settled
