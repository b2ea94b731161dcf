"""Selections of assets in settings and silences, as they are meant on the graph of the moment."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from upwell.definitions.graph import AssetGraph
from upwell.definitions.project import Project
from upwell.definitions.selection import select
from upwell.errors import UpwellError

log = structlog.get_logger(__name__)


class ProjectSelecting:
    """Looks selections up in the graph of a project, each once for as long as the graph stays."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._graph: AssetGraph | None = None
        self._chosen: dict[str, frozenset[str]] = {}

    @property
    def graph(self) -> AssetGraph:
        return self._project.graph

    def has_any(self, selection: str, assets: Sequence[str]) -> bool:
        """Whether one of these assets is chosen. A selection that names what is not there chooses nothing."""
        if self._graph is not self._project.graph:
            self._graph, self._chosen = self._project.graph, {}
        if selection not in self._chosen:
            self._chosen[selection] = self._choose(self._project.graph, selection)
        chosen = self._chosen[selection]
        return any(asset in chosen for asset in assets)

    def knows_any(self, assets: Sequence[str]) -> bool:
        """Whether one of these is there."""
        return any(asset in self._project.graph.assets for asset in assets)

    async def until_known(self) -> None:
        """Return once any code is loaded: before, nothing is there."""
        await self._project.until_loaded()

    def owners(self, assets: Sequence[str]) -> set[str]:
        """Who owns any of these assets."""
        nodes = self._project.graph.assets
        return {owner for asset in assets if asset in nodes for owner in nodes[asset].owners}

    def _choose(self, graph: AssetGraph, selection: str) -> frozenset[str]:
        try:
            return frozenset(select(graph, selection))
        except UpwellError as error:
            log.warning("alert.selection_unusable", select=selection, reason=str(error))
            return frozenset()
