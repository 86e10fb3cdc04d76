from openmessaging.broker.mailboxes import Mailboxes
from openmessaging.model.mail import Mail, MailKind, ServiceInfo


def test_mail_reaches_an_open_mailbox_and_no_other():
    boxes = Mailboxes()
    mine: list[Mail] = []
    boxes.open("a", mine.append, None)
    boxes.open("b", lambda mail: None, None)
    mail = Mail(MailKind.ANSWER, "1")
    assert boxes.post("a", mail)
    assert mine == [mail]
    assert not boxes.post("c", mail)
    assert boxes.has("a")
    boxes.close("a")
    boxes.close("a")
    assert not boxes.has("a")
    assert not boxes.post("a", mail)
    assert len(mine) == 1


def test_services_are_found_by_queue_while_they_are_open():
    boxes = Mailboxes()
    for address, serves in (("a", ("x://q", "g")), ("b", ("x://q", "h")), ("c", ("x://r", "g")), ("d", None)):
        boxes.open(address, lambda mail: None, serves)
    assert boxes.services("x://q") == [ServiceInfo("x://q", "g", "a"), ServiceInfo("x://q", "h", "b")]
    boxes.close("a")
    assert [info.mailbox for info in boxes.services("x://q")] == ["b"]
    assert sorted(info.mailbox for info in boxes.services(None)) == ["b", "c"]
    assert boxes.services("x://none") == []
