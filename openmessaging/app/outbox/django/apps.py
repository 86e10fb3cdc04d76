"""The Django app."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """Its tables are those of the outbox."""

    name = "openmessaging.app.outbox.django"
    label = "openmessaging_outbox"
    verbose_name = "OpenMessaging outbox"
    default_auto_field = "django.db.models.BigAutoField"
