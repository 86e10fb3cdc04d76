# Generated from tests/runtime/aio/test_mailboxes.py by scripts/unasync.py: change that file instead.
"""Mailboxes over queues, for a driver that has none."""

from openmessaging.blocking import connect
from openmessaging.model.mail import Mail, MailKind, ServiceInfo
from openmessaging.model.message import Record
from openmessaging.runtime.threads.mailboxes import QueueMailboxes, from_record, to_record
from openmessaging.runtime.threads.primitives import Event


def same(mail: Mail, other: Mail) -> bool:
    return all(getattr(mail, name) == getattr(other, name) for name in Mail.__struct_fields__)


def test_mail_is_read_as_it_was_written() -> None:
    for record in (None, Record(b""), Record(b"x", "k", {"a": 1}, {"traceId": "t"})):
        mail = Mail(MailKind.ITEM, "id", 3, "box", "g", record)
        assert same(from_record(to_record(mail)), mail)
    assert from_record(Record(b"x")) is None


def test_a_mailbox_is_a_queue_while_it_is_open(memory: str) -> None:
    with connect(memory) as access_point:
        mailboxes = QueueMailboxes(access_point.get_driver())
        came, arrived = [], Event()

        def take(mail: Mail) -> None:
            came.append(mail)
            arrived.set()

        address = mailboxes.open_mailbox(take)
        assert mailboxes.post(address, Mail(MailKind.ANSWER, "id"))
        assert arrived.wait_within(5)
        assert same(came[0], Mail(MailKind.ANSWER, "id"))
        assert mailboxes.has_mailbox(address)
        mailboxes.close_mailbox(address)
        mailboxes.close_mailbox(address)
        fresh = QueueMailboxes(access_point.get_driver())
        assert not fresh.post(address, Mail(MailKind.ANSWER, "id"))
        assert access_point.resource_manager().list_queues() == set()


def test_services_are_found_by_the_names_of_their_mailboxes(memory: str) -> None:
    with connect(memory) as access_point:
        mailboxes = QueueMailboxes(access_point.get_driver())
        for group in ("g", "g.h"):
            mailboxes.open_mailbox(lambda mail: None, ("default://a.b", group))
        found = mailboxes.services()
        assert {(info.queue, info.group) for info in found} == {("default://a.b", "g"), ("default://a.b", "g.h")}
        assert mailboxes.services("default://a") == []
        assert isinstance((mailboxes.services("default://a.b"))[0], ServiceInfo)
        for info in found:
            mailboxes.close_mailbox(info.mailbox)
