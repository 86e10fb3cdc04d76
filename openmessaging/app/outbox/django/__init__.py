"""An outbox in a table of Django: add `openmessaging.app.outbox.django` to INSTALLED_APPS, and migrate.

from openmessaging.app.outbox.django.rows import send

with transaction.atomic():
    order.save()
    send("orders", {"id": order.pk}, key=order.customer)
"""
