"""The files of the dashboard, over HTTP; what the page does is tested in tests/dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from openmessaging.server.http import ui


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A dashboard that is as small as can be."""
    (tmp_path / ui.FOLDER / "assets").mkdir(parents=True)
    for name, text in {
        "index.html": "<!doctype html>",
        "assets/a-1.js": "1",
        "assets/a-2.css": "",
        "notes.txt": "",
    }.items():
        (tmp_path / ui.FOLDER / name).write_text(text)
    monkeypatch.setattr(ui, "files", lambda _: tmp_path)
    ui.pages.cache_clear()
    yield tmp_path
    ui.pages.cache_clear()


def test_files_are_handed_out_with_a_strict_policy(client: httpx.Client, built: Path) -> None:
    page = client.get("/ui/")
    assert (page.status_code, page.text) == (200, "<!doctype html>")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    script = client.get("/ui/assets/a-1.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "immutable" in script.headers["cache-control"]
    again = client.get("/ui/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["notes.txt", "assets", "assets/", "none.js", "..%2Fhttp%2Fui.py", "%2e%2e/ui.py"])
def test_nothing_else_is(client: httpx.Client, built: Path, path: str) -> None:
    assert client.get(f"/ui/{path}").status_code == 404


def test_the_way_there(client: httpx.Client, built: Path) -> None:
    there = client.get("/ui", follow_redirects=True)
    assert (there.url.path, there.status_code) == ("/ui/", 200)


def test_without_a_build_it_says_how(client: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "files", lambda _: tmp_path)
    ui.pages.cache_clear()
    try:
        answer = client.get("/ui/")
    finally:
        ui.pages.cache_clear()
    assert answer.status_code == 404
    assert "make dashboard" in answer.text
