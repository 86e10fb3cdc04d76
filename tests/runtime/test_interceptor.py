import logging
from collections.abc import Iterator
from contextlib import contextmanager
from operator import attrgetter

import pytest

from openmessaging.model.message import Message, Record
from openmessaging.runtime.interceptor import (
    ConsumerInterceptor,
    InterceptContext,
    ProducerInterceptor,
    Reception,
    around,
    run_post,
    run_pre,
)

MESSAGE = Message(Record(b""), "q")


class Noting(ProducerInterceptor):
    def __init__(self, name: str, seen: list[str]) -> None:
        self.name = name
        self.seen = seen

    def pre_send(self, message: Message, context: InterceptContext) -> None:
        self.seen.append(self.name)

    def post_send(self, message: Message, context: InterceptContext) -> None:
        self.seen.append(self.name)
        raise ValueError("late")


def test_pre_in_order_post_in_reverse_and_late_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    both = [Noting("a", seen), Noting("b", seen)]
    context = run_pre(both, attrgetter("pre_send"), MESSAGE)
    with caplog.at_level(logging.ERROR, "openmessaging"):
        run_post(both, attrgetter("post_send"), MESSAGE, context)
    assert seen == ["a", "b", "b", "a"]
    assert len(caplog.records) == 2


def test_the_roots_do_nothing() -> None:
    for root, pre in ((ProducerInterceptor(), "pre_send"), (ConsumerInterceptor(), "pre_receive")):
        context = run_pre([root], attrgetter(pre), MESSAGE)
        run_post([root], attrgetter(pre.replace("pre", "post")), MESSAGE, context)
        run_post([root], attrgetter("on_error"), MESSAGE, context, ValueError())
        assert context.attributes == {}


class Surrounding(ConsumerInterceptor):
    def __init__(self, name: str, seen: list[str], *, fails: bool = False) -> None:
        self.name = name
        self.seen = seen
        self.fails = fails

    @contextmanager
    def around(self, reception: Reception) -> Iterator[None]:
        if self.fails:
            raise ValueError("no")
        self.seen.append(f"{self.name} {reception.operation} {len(reception.messages)} {reception.group}")
        yield
        self.seen.append(f"{self.name} out")


def test_what_is_around_is_left_in_reverse() -> None:
    seen: list[str] = []
    with around([Surrounding("a", seen), ConsumerInterceptor(), Surrounding("b", seen)], "process", [MESSAGE], "g"):
        seen.append("within")
    assert seen == ["a process 1 g", "b process 1 g", "within", "b out", "a out"]
    with around([], "receive", [MESSAGE], "g"):
        pass


def test_what_was_entered_is_left_when_the_next_fails() -> None:
    seen: list[str] = []
    both = [Surrounding("a", seen), Surrounding("b", seen, fails=True)]
    with pytest.raises(ValueError, match="no"):
        around(both, "process", [MESSAGE], "g")
    assert seen == ["a process 1 g", "a out"]
