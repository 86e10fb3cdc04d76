"""What dead letters say is the same in every system."""

from openmessaging.model.dead_letter import gained, queue_of


def test_a_dead_letter_says_why_and_from_where() -> None:
    facts = gained("x" * 2_000, "default://q", "g", 3, 16, 77, 5)
    assert facts == {
        "dead-letter.reason": "x" * 1_000,
        "dead-letter.queue": "default://q",
        "dead-letter.group": "g",
        "dead-letter.partition": 3,
        "dead-letter.delivery-count": 16,
        "dead-letter.time": 77,
        "dead-letter.offset": 5,
    }
    assert "dead-letter.offset" not in gained("", "default://q", "g", 0, 1, 0, None)


def test_dead_letters_of_a_group_have_a_queue() -> None:
    assert queue_of("default://q", "g") == "default://q.g.dead-letter"
