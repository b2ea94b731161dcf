"""The project as it stands: the graph of all loaded code locations, replaced as a whole when code changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import anyio

from upwell.definitions.freshness.defaults import DefaultPolicy, with_default_policies
from upwell.definitions.graph import AssetGraph
from upwell.definitions.partitions.dynamic import DynamicKeys
from upwell.definitions.snapshot import Snapshot


class Project:
    """Holds the current graph; stations read `graph` once per decision and may be told of a change.

    A location's new snapshot takes over only if the whole still makes a valid graph. Assets without a freshness policy
    get the default that fits. `dynamic` has the keys of dynamic partitions, changed between decisions only.
    """

    def __init__(self, default_policies: Sequence[DefaultPolicy] = ()) -> None:
        self._default_policies = default_policies
        self._snapshots: dict[str, Snapshot] = {}
        self.dynamic = DynamicKeys()
        self._graph = AssetGraph(dynamic=self.dynamic)
        self._watchers: list[Callable[[AssetGraph], None]] = []
        self._first_loaded = anyio.Event()

    @property
    def graph(self) -> AssetGraph:
        return self._graph

    @property
    def loaded(self) -> bool:
        """Whether any code location has been loaded yet."""
        return bool(self._snapshots)

    async def until_loaded(self) -> None:
        """Return once a code location has been loaded: before, there is nothing to decide by."""
        await self._first_loaded.wait()

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        return tuple(self._snapshots.values())

    def replace(self, snapshot: Snapshot) -> None:
        """Let `snapshot` take the place of its location's older one.

        Raises:
            DefinitionErrors: the locations no longer fit together; the old graph stays.
        """
        snapshot = with_default_policies(snapshot, self._default_policies)
        snapshots = {**self._snapshots, snapshot.location: snapshot}
        self._graph = AssetGraph(snapshots.values(), self.dynamic)
        self._snapshots = snapshots
        self._first_loaded.set()
        for watcher in self._watchers:
            watcher(self._graph)

    def watch(self, watcher: Callable[[AssetGraph], None]) -> None:
        """Call `watcher` with each new graph; it must be quick and must not raise."""
        self._watchers.append(watcher)
