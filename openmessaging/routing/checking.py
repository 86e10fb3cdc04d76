"""Whether a route makes sense: its operators one by one, and together with the routes that are there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openmessaging.model.destination import check_name
from openmessaging.model.errors import OMSRuntimeException, bad_format, error
from openmessaging.model.key_value import KeyValue
from openmessaging.model.routing import KEY, Assign, Deduplicate, Operator, Route, Sample, Transform
from openmessaging.routing.steps import step_of

MAX_TARGETS = 8
MAX_OPERATORS = 32
MAX_SECONDS = 366 * 86_400.0
_DEAD = ".dead-letter"


def check_operators(operators: Sequence[Operator]) -> None:
    """Raises OMSRuntimeException 1418 for an operator that is out of range or cannot be read, or does not go with the
    others; OMSMessageFormatException 1400 for a name that no property can have."""
    if len(operators) > MAX_OPERATORS:
        step = "Put the rest into a route behind this one"
        raise error(
            1418, f"{len(operators)} operators, the limit is {MAX_OPERATORS}", next_step=step, field="operators"
        )
    for number, operator in enumerate(operators):
        _check(operator)
        step_of(operator, number)
    kinds = {type(operator) for operator in operators}
    if {Deduplicate, Transform} <= kinds:
        step = "Deduplicate in a route of its own, to a queue that the route with the function reads"
        raise error(1418, "a route with a function cannot deduplicate", next_step=step, field="operators")


def _check(operator: Operator) -> None:
    match operator:
        case Sample():
            _require(0 < operator.share <= 1, f"sample: {operator.share!r} is not over 0 and at most 1")
        case Deduplicate():
            good = 0 < operator.window <= MAX_SECONDS
            _require(good, f"deduplicate: {operator.window!r} is not over 0 and at most a year, in seconds")
        case Transform():
            _require(operator.function.isprintable() and operator.function != "", "call: a function needs a name")
        case Assign():
            _require(bool(operator.values), "set: nothing is assigned")
            for name in operator.values:
                if name.startswith("header.") and name != KEY:
                    raise bad_format("operators", f"{name} cannot be set", next_step=f"Set a property, or {KEY}")
                KeyValue({name: 0})


def _require(good: bool, text: str) -> None:
    if not good:
        raise error(1418, text, field="operators")


def check_route(route: Route, others: Iterable[Route]) -> None:
    """Raises as `check_operators`, and OMSRuntimeException 1418 for targets that are none, too many or twice the same,
    and for a route that closes a circle with the others, which it names."""
    check_operators(route.operators)
    check_name(route.group, "group")
    if route.name.partition("://")[0] != route.source.partition("://")[0]:
        step = "Leave the namespace out of the route's name"
        raise error(1418, f"{route.name} is not in the namespace of {route.source}", next_step=step, field="name")
    if not 0 < len(route.targets) <= MAX_TARGETS or len(set(route.targets)) < len(route.targets):
        text = f"a route has 1 to {MAX_TARGETS} different targets, not {', '.join(route.targets) or 'none'}"
        raise error(1418, text, field="targets")
    way = find_circle(route, list(others))
    if way is not None:
        raise _circle(route, way)


def find_circle(route: Route, others: Sequence[Route]) -> list[tuple[str, str]] | None:
    """The way from a target of a route back to its source, as (what leads there, queue) in order; None without one."""
    routes = [route, *others]
    sources = {each.source for each in routes}
    ways: dict[str, list[tuple[str, str]]] = {target: [(route.name, target)] for target in route.targets}
    open_ends = list(ways)
    dead = {each for each in sources if each.endswith(_DEAD) and each.startswith(f"{route.source}.")}
    for each in sorted(dead):  # what the route itself gives up comes there
        ways.setdefault(each, [("dead letters", each)])
        open_ends.append(each)
    while open_ends:
        queue = open_ends.pop(0)
        if queue == route.source:
            return ways[queue]
        for name, following in _edges(queue, routes, sources):
            if following not in ways:
                ways[following] = [*ways[queue], (name, following)]
                open_ends.append(following)
    return None


def _edges(queue: str, routes: Sequence[Route], sources: set[str]) -> list[tuple[str, str]]:
    """Where messages of a queue get to: by routes, and to dead-letter queues that a route reads."""
    found = [(each.name, target) for each in routes if each.source == queue for target in each.targets]
    dead = [each for each in sources if each.endswith(_DEAD) and each.startswith(f"{queue}.")]
    return found + [("dead letters", each) for each in sorted(dead)]


def _circle(route: Route, way: Sequence[tuple[str, str]]) -> OMSRuntimeException:
    steps = " ".join(f"-> {queue} ({name})" for name, queue in way)
    text = f"messages would go round in a circle: {route.source} {steps}"
    step = "Leave one of these routes out, or send dead letters back with `oms dead-letter redrive`, which has a limit"
    return error(1418, text, next_step=step, field="targets")
