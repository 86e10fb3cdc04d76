"""`oms docs`."""

from __future__ import annotations

import click


@click.command("docs")
@click.argument("target", metavar="MODULE:APP")
@click.option("--json", "kind", flag_value="json", default=True, help="The document as JSON (the default).")
@click.option("--yaml", "kind", flag_value="yaml", help="The document as YAML.")
@click.option("--html", "kind", flag_value="html", help="A page that needs nothing from elsewhere.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write it there.")
def command(target: str, kind: str, output: str | None) -> None:
    """Write the AsyncAPI 3.0 document of an app, which need not run."""
    import json

    from openmessaging.app.asyncapi import document
    from openmessaging.app.loading import load
    from openmessaging.app.page import page

    found = document(load(target))
    if kind == "html":
        text = page(found)
    elif kind == "yaml":
        text = _yaml(found)
    else:
        text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        with open(output, "w", encoding="utf-8") as file:
            file.write(text)


def _yaml(found: object) -> str:
    try:
        import yaml
    except ImportError as cause:
        raise click.ClickException("YAML needs the package `pyyaml`; JSON is valid YAML, too") from cause
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True))
