"""Programs that commit and relay, to be killed: `python -m tests.app.outbox.programs KIND DIRECTORY ROLE COUNT`."""

import asyncio
import sys
from typing import Any

import openmessaging as oms


def sql(directory: str) -> tuple[Any, Any]:
    """How to commit a message, and the outbox."""
    from sqlalchemy import MetaData, create_engine

    from openmessaging.app.outbox.sqlalchemy import SqlOutbox

    engine = create_engine(f"sqlite:///{directory}/shop.db", connect_args={"timeout": 30})
    metadata = MetaData()
    outbox = SqlOutbox(engine, metadata)
    metadata.create_all(engine)

    def commit(number: int) -> None:
        with engine.begin() as connection:
            connection.execute(outbox.message("orders", {"number": number}, key=f"key {number}"))

    return commit, outbox


def django(directory: str) -> tuple[Any, Any]:
    """How to commit a message, and the outbox."""
    import django
    from django.conf import settings
    from django.core.management import call_command

    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{directory}/shop.db", "OPTIONS": {"timeout": 30}}
    settings.configure(INSTALLED_APPS=["openmessaging.app.outbox.django"], DATABASES={"default": database})
    django.setup()
    call_command("migrate", verbosity=0)
    from django.db import transaction

    from openmessaging.app.outbox.django.rows import DjangoOutbox, send

    def commit(number: int) -> None:
        with transaction.atomic():
            send("orders", {"number": number}, key=f"key {number}")

    return commit, DjangoOutbox()


async def relay(directory: str, outbox: Any, count: int) -> None:
    """Relay until the queue has so many."""
    app = oms.App(f"oms:embedded://{directory}/store")
    app.relay(outbox, interval=0.01, batch=3)
    print("relaying", flush=True)
    async with app:
        while True:
            for row in await app.access_point.resource_manager().list_queues():
                if row.endswith("//orders"):
                    info = await app.access_point.resource_manager().describe_queue("orders")
                    print(info.messages, flush=True)
                    if info.messages >= count and not await outbox.pending(1):
                        return
            await asyncio.sleep(0.002)


def main() -> None:
    kind, directory, role, count = sys.argv[1:]
    commit, outbox = {"sql": sql, "django": django}[kind](directory)
    if role == "commit":
        for number in range(int(count)):
            commit(number)
    else:
        asyncio.run(relay(directory, outbox, int(count)))


if __name__ == "__main__":
    main()
