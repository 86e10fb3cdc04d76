"""The outbox in a table of Django: rows appear and vanish with their transaction, and leave as messages."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction

import openmessaging as oms
from openmessaging.testing import TestApp


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Django, once in this process, with two databases."""
    folder, engine = tmp_path_factory.mktemp("django"), "django.db.backends.sqlite3"
    databases = {
        name: {"ENGINE": engine, "NAME": f"{folder}/{name}.db", "OPTIONS": {"timeout": 30}}
        for name in ("default", "other")
    }
    settings.configure(INSTALLED_APPS=["openmessaging.app.outbox.django"], DATABASES=databases)
    django.setup()
    for name in databases:
        call_command("migrate", database=name, verbosity=0)
    yield
    connections.close_all()


@pytest.fixture
def database(configured: None) -> Iterator[None]:
    """Empty tables."""
    from openmessaging.app.outbox.django.models import OutboxMessage

    yield
    for name in ("default", "other"):
        OutboxMessage.objects.using(name).all().delete()


def test_the_migration_is_what_the_model_says(database: None) -> None:
    call_command("makemigrations", "openmessaging_outbox", check=True, dry_run=True, verbosity=0)


async def test_a_message_leaves_if_its_transaction_commits(database: None) -> None:
    from asgiref.sync import sync_to_async

    from openmessaging.app.outbox.django.rows import DjangoOutbox, send

    def work() -> None:
        with transaction.atomic():
            send("orders", {"id": 1}, key="alice", properties={"color": "red", "n": 5})
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            send("orders", {"id": 2})
            raise ZeroDivisionError
        with transaction.atomic():
            send("orders", {"id": 3})

    await sync_to_async(work)()
    app = oms.App("oms:memory:never-opened")
    relay = app.relay(DjangoOutbox(), interval=1.0)
    async with TestApp(app) as test:
        while await DjangoOutbox().pending(10):
            relay.wake()
            await test.advance(1.0)
        assert test.sent("orders") == [{"id": 1}, {"id": 3}]
        first, second = test.messages("orders")
        assert (first.message_key, dict(first.properties)["color"], first.properties["n"]) == ("alice", "red", 5)
        assert second.message_key is None


async def test_another_database_and_the_order_of_rows(database: None) -> None:
    from asgiref.sync import sync_to_async

    from openmessaging.app.outbox.django.models import OutboxMessage
    from openmessaging.app.outbox.django.rows import DjangoOutbox, send

    def work() -> None:
        for number in range(5):
            send("orders", number, using="other")
        assert str(OutboxMessage.objects.using("other").first()).startswith("orders ")

    await sync_to_async(work)()
    outbox = DjangoOutbox("other")
    assert await DjangoOutbox().pending(10) == []
    rows = await outbox.pending(3)
    assert [(row.queue, row.body) for row in rows] == [("orders", b"0"), ("orders", b"1"), ("orders", b"2")]
    await outbox.delete([row.id for row in rows])
    assert [row.body for row in await outbox.pending(10)] == [b"3", b"4"]


def test_what_cannot_be_a_message_is_told_when_it_is_written(database: None) -> None:
    from openmessaging.app.outbox.django.rows import send

    wrong: Any = {"price": Decimal("1.5")}
    with pytest.raises(oms.OMSMessageFormatException, match="price"):
        send("orders", 1, properties=wrong)
    with pytest.raises(TypeError):
        send("orders", object())
