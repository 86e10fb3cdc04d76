"""The table."""

from django.db import models


class OutboxMessage(models.Model):
    """A message that waits until a relay has sent it."""

    number = models.BigAutoField(primary_key=True)
    id = models.CharField(max_length=32, unique=True)
    queue = models.CharField(max_length=255)
    key = models.CharField(max_length=255, null=True)
    properties = models.JSONField(default=dict)
    body = models.BinaryField()

    class Meta:
        """In the order of writing."""

        ordering = ("number",)

    def __str__(self) -> str:
        return f"{self.queue} {self.id}"
