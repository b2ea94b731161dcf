"""Whether the config of a whole run fits what the run consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from upwell.definitions.config.resolving import problems_of
from upwell.definitions.errors import DagsterInvalidConfigError
from upwell.definitions.specs import UNSET

PARTS = ("ops", "resources", "execution", "loggers")


def check_parts(run_config: Any) -> None:
    """See that run config consists of what run config consists of, whatever the run has. (`Any`: as below.)

    Raises:
        DagsterInvalidConfigError: it does not.
    """
    if not isinstance(run_config or {}, Mapping) or (strange := sorted(set(run_config or {}) - {*PARTS, "inputs"})):
        what = ", ".join(strange) if isinstance(run_config, Mapping) else repr(run_config)
        raise DagsterInvalidConfigError(
            f'run config has {what}, and is a dict of {", ".join(PARTS)}: {{"ops": {{"orders": {{"config": {{…}}}}}}}}'
        )


def check_run_config(
    run_config: Any, ops: Mapping[str, object], resources: Mapping[str, object], inputs: Iterable[str] = ()
) -> None:
    """See that run config says all that it has to say, and nothing else. (`Any`: whatever the caller gave.)

    Args:
        ops: by function of the run: what may be said, as a schema.
        resources: the same by resource that the run uses.
        inputs: inputs of the run itself, for a job of ops.

    Raises:
        DagsterInvalidConfigError: with every problem.
    """
    problems = list(_problems(run_config, ops, resources, set(inputs)))
    if problems:
        raise DagsterInvalidConfigError("run config: " + "; ".join(problems))


def _problems(
    run_config: Any, ops: Mapping[str, object], resources: Mapping[str, object], inputs: set[str]
) -> Iterable[str]:
    if not isinstance(run_config or {}, Mapping):
        yield f"it is {run_config!r}, and has to be a dict"
        return
    given = dict(run_config or {})
    parts = (*PARTS, "inputs") if inputs else PARTS
    for name in given.keys() - set(parts):
        yield f"{name} is not known; it takes {', '.join(parts)}"
    yield from _part_problems("ops", given.get("ops"), ops)
    yield from _part_problems("resources", given.get("resources"), resources)


def _part_problems(part: str, given: Any, schemas: Mapping[str, object]) -> Iterable[str]:
    if not isinstance(given or {}, Mapping):
        yield f"{part} is {given!r}, and has to be a dict"
        return
    for name in (given or {}).keys() - schemas.keys():
        yield f"{part}.{name} is not known; this run has {', '.join(sorted(schemas)) or 'none'}"
    for name, schema in schemas.items():
        where = f"{part}.{name}"
        said = (given or {}).get(name) or {}
        if not isinstance(said, Mapping):
            yield f"{where} is {said!r}, and has to be a dict"
            continue
        for key in said.keys() - {"config", "inputs", "outputs"}:
            yield f"{where}.{key} is not known; write {where}.config"
        yield from problems_of(schema, said.get("config", UNSET), f"{where}.config")
