"""The table of the outbox."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Creates it."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                ("number", models.BigAutoField(primary_key=True, serialize=False)),
                ("id", models.CharField(max_length=32, unique=True)),
                ("queue", models.CharField(max_length=255)),
                ("key", models.CharField(max_length=255, null=True)),
                ("properties", models.JSONField(default=dict)),
                ("body", models.BinaryField()),
            ],
            options={"ordering": ("number",)},
        ),
    )
