"""The documentation is true: every block runs as pasted, every link and file it names is there.

Of README.md and docs/, page by page, in an empty directory, in the order of the page. A page of the order
system goes on with the files of the pages before it, and those of examples/orders/ that are no programs.

- a `python` block is run as a script; a `text` block right after it is its whole output. A block whose first line is
  `# name.py` is saved under that name instead, for a command or a block further down the page to run;
- in a `console` block, lines after `$ ` are commands (continued by lines after `> `), the others their output;
- in output, `...` stands for anything, and runs of white space count as one;
- `sh` blocks are for the reader's own machine (`make`, `pip install`): their make targets must exist.
"""

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SERIES = ROOT / "docs" / "tutorial" / "orders"
PROSE = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
BLOCK = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"python", "console", "text", "sh", "json", "toml"}
SAVED = re.compile(r"# (\w+\.py)\n")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[int, str, str]]:
    """Line, language and text of each block."""
    text = page.read_text()
    found = []
    for match in BLOCK.finditer(text):
        indent, language, body = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        found.append((line, language, re.sub(f"^{indent}", "", body, flags=re.MULTILINE)))
    return found


def environment(home: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    python_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMS_", "XDG_", "COVERAGE_"))}
    return kept | {
        "PATH": path,
        "PYTHONPATH": python_path,
        "HOME": str(home),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONSAFEPATH": "",
    }


def run(command: list[str], directory: Path, where: str) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment(directory),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{where}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def assert_output(expected: str, actual: str, where: str) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(expected.strip() + "\n", actual.strip() + "\n", options)
    assert same, f"{where}: the page says\n{expected}\nbut the output is\n{actual}"


def commands(text: str) -> list[tuple[str, str]]:
    """Command and expected output, one after the other."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], ""])
        elif line.startswith("> ") and not found[-1][1]:
            found[-1][0] += "\n" + line[2:]
        else:
            found[-1][1] += line + "\n"
    return [(command, output) for command, output in found]


def programs(page: Path) -> dict[str, str]:
    """The blocks of a page that are saved as files, by name."""
    found = ((SAVED.match(text), text) for _, language, text in blocks(page) if language == "python")
    return {saved[1]: text for saved, text in found if saved}


def bring_earlier_files(page: Path, directory: Path) -> None:
    for before in PAGES:
        if before.parent == SERIES and before < page:
            for name, text in programs(before).items():
                (directory / name).write_text(text)
    for path in (ROOT / "examples" / "orders").iterdir():
        if path.is_file() and path.suffix != ".py":
            shutil.copy(path, directory)


@pytest.mark.timeout(300)  # some pages start many processes
@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_run_as_pasted(page: Path, tmp_path: Path) -> None:
    if page.parent == SERIES:
        bring_earlier_files(page, tmp_path)
    printed = ""
    before = ""
    for line, language, text in blocks(page):
        where = f"{page_id(page)}:{line}"
        if language == "python" and (saved := SAVED.match(text)):
            (tmp_path / saved[1]).write_text(text)
        elif language == "python":
            printed = run([sys.executable, "-c", text], tmp_path, where)
        elif language == "console":
            for command, expected in commands(text):
                assert_output(expected, run(["bash", "-c", command], tmp_path, f"{where}: {command}"), where)
        elif language == "text" and before == "python":
            assert_output(text, printed, where)
        before = language


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks_are_of_a_known_kind(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    later = ""
    for line, language, text in reversed(blocks(page)):
        where = f"{page_id(page)}:{line}"
        assert language in LANGUAGES, f"{where}: a block says its language, one of {sorted(LANGUAGES)}"
        if language == "python" and (saved := SAVED.match(text)):
            name = saved[1].removesuffix(".py")
            used = rf"(?:python|pytest\b.*) {name}\.py|from {name} import|\b{name}:app\b"
            assert re.search(used, later), f"{where}: nothing further down runs {saved[1]}"
        if language == "sh":
            targets = re.findall(r"^make (\w+)", text, re.MULTILINE)
            assert all(f"\n{target}:" in makefile for target in targets), f"{where}: no such make target: {targets}"
        later += text


@pytest.mark.parametrize("page", PROSE, ids=page_id)
def test_links_and_files_named_are_there(page: Path) -> None:
    text = BLOCK.sub("", page.read_text())
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    folders = "openmessaging|tests|docs|examples|benchmarks|scripts|spec"
    names = re.findall(rf"`((?:{folders})/[\w./-]*)`", text)
    missing += [name for name in names if not (ROOT / name).exists()]
    assert not missing, f"{page_id(page)} names what is not there"


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    reached, waiting = set(), [index]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
        waiting += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert not set(PAGES) - reached - {ROOT / "README.md"}


def test_reference_tables_agree_with_the_code() -> None:
    run([sys.executable, str(ROOT / "scripts" / "reference.py"), "--check"], ROOT, "docs/reference")
