"""The rules of the repository that no linter knows (CONTRIBUTING.md says why each is there).

Lengths are ratchets: what is over the limit today is listed with its length and may only become shorter.
"""

import ast
import importlib
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "openmessaging"
MODULES = sorted(PACKAGE.rglob("*.py"))
FILE_LINES = 400
FUNCTION_LINES = 70
LONG_FILES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}
LARGEST_BYTES = 1 << 20
TESTED_WITH = {
    "drivers/kafka/atomic.py": "drivers/kafka/test_sender.py",
    "drivers/kafka/failures.py": "drivers/kafka/test_cluster.py",
    "drivers/kafka/groups.py": "drivers/kafka/test_cluster.py",
    "drivers/kafka/listener.py": "drivers/kafka/test_source.py",
    "drivers/kafka/topics.py": "drivers/kafka/test_cluster.py",
    "broker/belonging.py": "server/security/test_guard.py",
    "broker/timed_state.py": "broker/test_delays.py",
    "broker/holds.py": "broker/test_backups.py",
    "broker/restoring.py": "storage/test_backup.py",
    "storage/restore.py": "storage/test_backup.py",
    "broker/copy.py": "broker/test_copies.py",
    "broker/replaying.py": "broker/test_copies.py",
    "model/settings.py": "broker/test_group.py",
    "model/percent.py": "model/test_http_headers.py",
    "model/value_text.py": "model/test_json_form.py",
    "simulation/clock.py": "simulation/test_broker.py",
    "storage/timer_chunk.py": "storage/test_timer_index.py",
    "simulation/appointments.py": "simulation/test_time.py",
    "simulation/prices.py": "simulation/test_time.py",
    "simulation/effects.py": "simulation/test_transactions.py",
    "simulation/crashes.py": "simulation/test_transactions.py",
    "simulation/consumers.py": "simulation/test_broker.py",
    "simulation/promises.py": "simulation/test_broker.py",
    "model/trace_context.py": "test_tracing.py",
    "drivers/nats/connection.py": "drivers/nats/test_faults.py",
    "drivers/nats/groups.py": "drivers/nats/test_source.py",
    "drivers/nats/puller.py": "drivers/nats/test_source.py",
    "drivers/nats/streams.py": "drivers/nats/test_driver.py",
    "drivers/rocketmq/proxy.py": "drivers/rocketmq/test_driver.py",
    "drivers/rocketmq/topics.py": "drivers/rocketmq/test_driver.py",
    "drivers/rabbitmq/failures.py": "drivers/rabbitmq/test_publisher.py",
    "drivers/turns.py": "drivers/embedded/test_sender.py",
    "testing/servers/artemis.py": "testing/servers/test_systems.py",
    "testing/servers/mosquitto.py": "testing/servers/test_systems.py",
    "testing/servers/nats.py": "testing/servers/test_systems.py",
    "testing/servers/pulsar.py": "testing/servers/test_systems.py",
    "testing/servers/rocketmq.py": "testing/servers/test_systems.py",
    "testing/servers/rabbitmq.py": "testing/servers/test_systems.py",
    "testing/servers/redis.py": "testing/servers/test_systems.py",
    "server/http/writing.py": "server/http/test_http2.py",
    "drivers/oms/mailbox.py": "drivers/oms/test_channel.py",
    "transport/framed.py": "server/test_connection.py",
    "server/batches.py": "server/test_connection.py",
    "server/requests.py": "server/test_connection.py",
    "server/http/native.py": "drivers/http/test_factory.py",
    "drivers/http/carriers.py": "drivers/http/test_factory.py",
    "server/http/app.py": "server/http/test_queues.py",
    "server/http/table.py": "server/http/test_queues.py",
    "server/http/names.py": "server/http/test_queues.py",
    "server/http/routes.py": "server/http/test_queues.py",
    "server/http/problem.py": "server/http/test_queues.py",
    "server/http/messages.py": "server/http/test_sends.py",
    "server/http/sharing.py": "server/http/test_sends.py",
    "server/http/request.py": "server/http/test_http1.py",
    "server/http/streams.py": "server/http/test_following.py",
    "server/http/binding/callback.py": "server/http/callbacks/test_manager.py",
    "server/http/binding/fields.py": "server/http/binding/test_produce.py",
    "server/http/binding/form.py": "server/http/binding/test_produce.py",
    "server/http/binding/parts.py": "server/http/binding/test_consume.py",
    "server/http/binding/routes.py": "server/http/binding/test_produce.py",
    "server/http/callbacks/delivery.py": "server/http/callbacks/test_manager.py",
    "server/http/callbacks/registry.py": "server/http/callbacks/test_manager.py",
    "server/settling.py": "server/test_connection.py",
    "app/listener.py": "app/test_application.py",
    "app/outbox/django/models.py": "app/outbox/test_relay.py",
    "app/outbox/django/rows.py": "app/outbox/test_relay.py",
    "app/publisher.py": "app/test_application.py",
    "drivers/pulsar/groups.py": "drivers/pulsar/test_access.py",
    "drivers/pulsar/topics.py": "drivers/pulsar/test_access.py",
    "testing/time.py": "testing/test_app.py",
    "mirror/plan.py": "mirror/test_mirror.py",
    "mirror/taking.py": "mirror/test_mirror.py",
    "mirror/writing.py": "mirror/test_mirror.py",
    "conformance/catalogue.py": "conformance/test_cases.py",
    "conformance/case.py": "conformance/test_run.py",
    "conformance/kit.py": "conformance/test_cases.py",
    "conformance/named.py": "conformance/test_cases.py",
    "conformance/system.py": "conformance/test_cases.py",
    "conformance/history.py": "conformance/test_cases.py",
    "conformance/protocol.py": "conformance/test_child.py",
    "conformance/page.py": "conformance/test_report.py",
    "conformance/adapter/core.py": "conformance/test_child.py",
    "conformance/adapter/whole.py": "conformance/test_child.py",
    "conformance/adapter/producing.py": "conformance/test_cases.py",
    "conformance/adapter/consuming.py": "conformance/test_cases.py",
    "conformance/adapter/watching.py": "conformance/test_cases.py",
    "conformance/adapter/resources.py": "conformance/test_cases.py",
    "conformance/adapter/calling.py": "conformance/test_cases.py",
}
TESTED_WITH |= {
    name_of: "conformance/test_cases.py"
    for path in (PACKAGE / "conformance/cases").glob("[a-z]*.py")
    if (name_of := path.relative_to(PACKAGE).as_posix())
}
"""Modules without a file of tests of their own, and where under tests/ they are tested: parts of one thing."""

IMPURE = {"asyncio", "time", "random", "secrets", "socket", "os", "threading", "subprocess", "signal", "select", "uuid"}
PURE = {
    "model/": IMPURE,
    "filters/": IMPURE,
    "routing/": IMPURE,
    "wire/": IMPURE,
    "broker/": IMPURE,
    "storage/": IMPURE - {"os", "threading"},
}
"""What code that decides without I/O may not import: clock, randomness, disk and network are handed in. Storage has
locks of its own, and joins paths."""
SHELLS = {
    "broker/runner.py",  # the lock around the engine
    "broker/committer.py",  # the thread that syncs
    "broker/maintenance.py",  # the thread of upkeep
    "broker/writeback.py",  # the thread that brings to the disk what nobody waits for
    "broker/store.py",  # puts the parts together
    "storage/lock.py",  # processes and their ids
    "broker/restoring.py",  # puts the parts together, to read them
}
"""Files in these folders that do what the others decide."""


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST, module: str) -> Iterator[str]:
    """Every module that is imported, and every name from a module as `module.name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or module
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def files_touched(tree: ast.AST) -> Iterator[str]:
    """Uses of files that bypass the disk: `open(…)`, and anything of `os` but its paths."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            yield f"line {node.lineno}: open"
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and node.attr != "path":
            yield f"line {node.lineno}: os.{node.attr}"


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def does_something(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a body is more than a docstring, `...` or `pass`."""
    return any(
        not (isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)))
        for node in function.body
    )


TREES = {path: ast.parse(path.read_text()) for path in MODULES}


def ratchet(found: dict[str, int], limit: int, allowed: dict[str, int]) -> None:
    over = {name: size for name, size in found.items() if size > limit}
    grown = {name: size for name, size in over.items() if size > allowed.get(name, 0)}
    assert not grown, f"longer than {limit} lines: split it"
    stale = {name: size for name, size in allowed.items() if over.get(name, 0) < size}
    assert not stale, "shorter than the ratchet says: lower the ratchet"


def test_files_are_short() -> None:
    sources = [
        *MODULES,
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "scripts").glob("*.py"),
        *(ROOT / "benchmarks").rglob("*.py"),
    ]
    ratchet({str(path.relative_to(ROOT)): path.read_text().count("\n") for path in sources}, FILE_LINES, LONG_FILES)


def test_functions_are_short() -> None:
    found = {
        f"{name_of(path)}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path, tree in TREES.items()
        for function in functions(tree)
    }
    ratchet(found, FUNCTION_LINES, LONG_FUNCTIONS)


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) not in SHELLS], ids=name_of)
def test_pure_modules_do_no_io(path: Path) -> None:
    banned = next((names for folder, names in PURE.items() if name_of(path).startswith(folder)), set())
    found = {name.partition(".")[0] for name in imports(TREES[path], dotted(path)) if not name.startswith("os.path")}
    assert not found & banned, "hand it in: this module decides without I/O"
    if banned:
        assert not list(files_touched(TREES[path])), "go through the disk that was handed in"


def test_folders_are_packages() -> None:
    folders = {path.parent for path in MODULES}
    assert [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_shells_are_there() -> None:
    assert set(map(name_of, MODULES)) >= SHELLS


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py"], ids=name_of)
def test_packages_say_what_they_export(path: Path) -> None:
    """What a package imports from its own modules under a public name is for others, and stands in `__all__`."""
    package = importlib.import_module(dotted(path))
    exported = list(getattr(package, "__all__", []))
    assert len(exported) == len(set(exported)), "__all__ names something twice"
    assert [name for name in exported if not hasattr(package, name)] == [], "in __all__, but not there"
    public = {
        alias.asname or alias.name
        for node in TREES[path].body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(dotted(path))
        for alias in node.names
    }
    assert {name for name in public if not name.startswith("_")} <= set(exported), "imported, but not in __all__"


def test_every_module_is_used() -> None:
    used = {name for path, tree in TREES.items() for name in imports(tree, dotted(path))}
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    entries = [*project["scripts"].values(), *(e for group in project["entry-points"].values() for e in group.values())]
    used |= {entry.partition(":")[0] for entry in entries}
    # `simulation`, `testing` serve tests; `blocking`, `tracing`, outboxes are imported by users, commands when named.
    # So are the parts that drivers of other systems are made of, by other people's drivers too.
    parts = r"drivers\.(?:naming|partial|consuming|mapping)"
    public = re.compile(rf"openmessaging\.(simulation|blocking|testing|tracing|cli|app\.outbox|{parts})\b")
    dead = [
        dotted(path)
        for path in MODULES
        if path.stem not in {"__init__", "__main__"} and dotted(path) not in used and not public.match(dotted(path))
    ]
    assert not dead, "imported by nobody"


def has_tests(path: Path) -> bool:
    """Whether there is a file of tests by a module's name, in the part of tests/ that bears the name of its folder."""
    folder, name = name_of(path).partition("/")[0].removesuffix(".py"), f"test_{path.stem}.py"
    return bool([*(ROOT / "tests" / folder).rglob(name), *(ROOT / "tests").glob(name)])


def test_every_module_has_its_tests() -> None:
    """What is generated is tested by the tests that are generated with it."""
    running = {
        name_of(path): path
        for path, tree in TREES.items()
        if path.stem not in {"__init__", "__main__"}
        and not path.read_text().startswith("# Generated from")
        and any(map(does_something, functions(tree)))
    }
    bare = {name for name, path in running.items() if not has_tests(path)}
    assert bare - TESTED_WITH.keys() == set(), "no file of tests"
    assert TESTED_WITH.keys() - bare == set(), "has its own file of tests, or is gone: strike it from the list"
    assert [test for test in TESTED_WITH.values() if not (ROOT / "tests" / test).exists()] == []


def tracked() -> list[Path]:
    """The files of the repository; without git, all that are there but what is made by tools."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "-co", "--exclude-standard"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        found = [ROOT / name for name in listed.stdout.splitlines()]
    else:
        made = {"__pycache__", "build", "dist", "mutants", "node_modules", ".git", ".venv"}
        made |= {f".{tool}" for tool in ("hypothesis", "mypy_cache", "pytest_cache", "ruff_cache")}
        found = [path for path in ROOT.rglob("*") if not made & set(path.relative_to(ROOT).parts)]
    return [path for path in found if path.is_file() and not path.name.startswith(".coverage")]


def test_no_file_names_a_machine() -> None:
    """A checkout is the same everywhere: no path of somebody's machine, no address of a package index."""
    betrays = re.compile(
        rb"/(?:work|root|opt|Users|home/(?!alice)\w+)/\w|(?:^|[^.\w])(?:pypi|pythonhosted)\.org|--(?:extra-)?index-url",
        re.MULTILINE,
    )
    found = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path != Path(__file__) and betrays.search(path.read_bytes())
    ]
    assert not found


def test_no_file_is_large() -> None:
    assert not [str(path.relative_to(ROOT)) for path in tracked() if path.stat().st_size > LARGEST_BYTES]


def test_at_most_six_dependencies_each_with_its_reason() -> None:
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[<>=~ ;\[]", line)[0] for line in dependencies]
    assert len(names) <= 6
    reasons = (ROOT / "docs/design/dependencies.md").read_text()
    assert [name for name in names if f"| `{name}` |" not in reasons] == []
    assert all(re.search(r">=\S+,<", line) for line in dependencies), "bounded on both sides"


def test_make_help_names_every_target() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    targets = next(line for line in lines if line.startswith(".PHONY:")).split()[1:]
    assert [target for target in targets if not any(re.match(rf"{target}:.* ## ", line) for line in lines)] == []
