"""What the cases share. `dg` is always the module under test; only its public names are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

ANY_ERROR = "error:any"


def outcome(dg: ModuleType, question: Callable[[], Any]) -> Any:
    """What the question answers, or `error:` with the error's most specific public class of a name of Dagster's."""
    try:
        return question()
    except AttributeError as error:
        if getattr(error, "obj", None) is dg:
            raise  # a name is missing, which is no answer
        return error_name(dg, error)
    except Exception as error:  # noqa: BLE001 - any error is an answer
        return error_name(dg, error)


def error_name(dg: ModuleType, error: Exception) -> str:
    for kind in type(error).__mro__:
        if kind.__name__.startswith("Dagster") and getattr(dg, kind.__name__, None) is kind:
            return ANY_ERROR if kind.__name__ == "DagsterError" else f"error:{kind.__name__}"
    return ANY_ERROR


def outcomes(dg: ModuleType, questions: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """The outcome of each question."""
    return {name: outcome(dg, question) for name, question in questions.items()}


def fine(question: Callable[[], Any]) -> Callable[[], str]:
    """A question of which only matters whether it is answered."""

    def asked() -> str:
        question()
        return "fine"

    return asked


def at(text: str, zone: str = "UTC") -> datetime:
    """`2024-01-05 10:30` of the clocks of a time zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def request(one: Any) -> list[Any]:
    """A run request, without the tags that say who asked."""
    selection = None if one.asset_selection is None else sorted(key.to_user_string() for key in one.asset_selection)
    tags = {key: text for key, text in sorted(one.tags.items()) if not key.startswith("dagster/")}
    return [one.run_key, one.job_name, one.partition_key, selection, tags, dict(one.run_config)]


def tick(data: Any, *own: str) -> dict[str, Any]:
    """What a call comes to. Of a message that the case did not write (`own`) it only counts whether there is one."""
    message = data.skip_message
    shown = {"runs": [request(one) for one in data.run_requests], "skip": message if message in own else bool(message)}
    if hasattr(data, "cursor"):
        shown["cursor"] = data.cursor
    return shown


def body(context: Any) -> None:
    """A function with a valid name that answers nothing."""


def body_without_context() -> None:
    """The same without an argument."""


def after(first: object, answer: Any) -> Any:
    """`answer`, once `first` was evaluated: two expressions in a lambda."""
    return answer


class Script:
    """Conditions over time: move the clock, say what happened, evaluate; `log` has what each evaluation requested."""

    def __init__(self, dg: ModuleType, defs: Any, start: str, zone: str = "UTC") -> None:
        self.dg = dg
        self.instance = dg.DagsterInstance.ephemeral()
        self.now = at(start, zone)
        self.log: list[dict[str, list[str]]] = []
        self._defs = self._definitions(defs)
        self._cursor: Any = None

    def _definitions(self, defs: Any) -> Any:
        return defs if isinstance(defs, self.dg.Definitions) else self.dg.Definitions(assets=list(defs))

    def to(self, text: str, zone: str = "UTC") -> Script:
        self.now = at(text, zone)
        return self

    def plus(self, minutes: int) -> Script:
        # Real minutes: in a zone Python adds those that a clock on the wall shows.
        self.now = (self.now.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(self.now.tzinfo)
        return self

    def mat(self, name: str, partition: str | None = None) -> Script:
        self.instance.report_runless_asset_event(self.dg.AssetMaterialization(name, partition=partition))
        return self

    def tick(self, defs: Any = None) -> Script:
        if defs is not None:
            self._defs = self._definitions(defs)
        result = self.dg.evaluate_automation_conditions(
            defs=self._defs, instance=self.instance, cursor=self._cursor, evaluation_time=self.now
        )
        self._cursor = result.cursor
        asked: dict[str, list[str]] = {}
        for key in sorted(self._defs.resolve_asset_graph().get_all_asset_keys()):
            if result.get_num_requested(key):
                asked[key.to_user_string()] = sorted(str(one or "-") for one in result.get_requested_partitions(key))
        self.log.append(asked)
        return self

    def fulfil(self) -> Script:
        """Everything that was requested last was made."""
        for name, partitions in self.log[-1].items() if self.log else ():
            for partition in partitions:
                self.mat(name, None if partition == "-" else partition)
        return self
