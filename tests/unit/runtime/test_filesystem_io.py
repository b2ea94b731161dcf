"""The default IO manager: which values it keeps, where, and that no reader sees half of one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from upwell.definitions.keys import AssetKey
from upwell.definitions.specs import UNSET
from upwell.runtime.io.contexts import InputContext, OutputContext
from upwell.runtime.io.filesystem import FilesystemIOManager, ValueNotFound, _safe
from upwell.runtime.io.formats import ValueNotStorable
from upwell.runtime.io.memory import InMemoryIOManager


def output(*key: str, partition: str | None = None, annotation: object = UNSET) -> OutputContext:
    return OutputContext(**_common(key, [partition] if partition is not None else None), annotation=annotation)


def input_(
    *key: str, partitions: Sequence[str] | None = None, annotation: object = UNSET, **metadata: object
) -> InputContext:
    common = _common(key, partitions)
    return InputContext(
        **common, annotation=annotation, definition_metadata=metadata, upstream_output=OutputContext(**common)
    )


def _common(key: Sequence[str], partitions: Sequence[str] | None) -> dict[str, Any]:
    return {
        "asset_key": AssetKey(list(key)),
        "name": "x",
        "step_key": "x",
        "run_id": "r",
        "log": logging.getLogger(),
        "resources": SimpleNamespace(),
        "partition_keys": partitions,
    }


@pytest.fixture
def manager(tmp_path: Path) -> FilesystemIOManager:
    return FilesystemIOManager(tmp_path)


@pytest.mark.parametrize(
    ("value", "extension"),
    [
        (None, "json"),
        ({"a": [1, 2.5, None, True, "é"]}, "json"),
        ([], "json"),
        (np.int64(3), "json"),
        (b"\x00raw", "bin"),
    ],
)
def test_a_value_comes_back_as_it_was(
    manager: FilesystemIOManager, tmp_path: Path, value: object, extension: str
) -> None:
    manager.handle_output(output("shop", "orders"), value)
    assert (tmp_path / "shop" / "orders" / f"value.{extension}").is_file()
    assert manager.load_input(input_("shop", "orders")) == value


def test_a_frame_is_parquet_with_its_index_and_types(manager: FilesystemIOManager, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"at": pd.to_datetime(["2024-01-01", None]), "name": ["a", None], "n": pd.array([1, None], dtype="Int64")},
        index=pd.Index([10, 20], name="id"),
    )
    manager.handle_output(output("orders"), frame)
    assert (tmp_path / "orders" / "value.parquet").is_file()
    pd.testing.assert_frame_equal(manager.load_input(input_("orders")), frame)


def test_the_reader_s_annotation_chooses_the_kind_of_frame(manager: FilesystemIOManager) -> None:
    manager.handle_output(output("orders"), pa.table({"n": [1, 2]}))
    assert isinstance(manager.load_input(input_("orders")), pd.DataFrame)
    assert isinstance(manager.load_input(input_("orders", annotation=pa.Table)), pa.Table)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (object(), "io_manager_key"),
        ((1, 2), "list(value)"),
        (pd.Series([1]), "to_frame()"),
        ({1: 2}, "str(key)"),
        ([{"a": {2}}], "the value[0]['a'] is a set"),
        (float("nan"), "use None"),
    ],
)
def test_what_would_not_come_back_as_it_was_is_refused_with_the_mend(
    manager: FilesystemIOManager, tmp_path: Path, value: object, said: str
) -> None:
    with pytest.raises(ValueNotStorable) as raised:
        manager.handle_output(output("shop", "orders"), value)
    assert said in str(raised.value) and "asset 'shop/orders'" in str(raised.value)
    assert not list(tmp_path.rglob("*.*"))


def test_the_path_is_in_the_metadata(manager: FilesystemIOManager, tmp_path: Path) -> None:
    context = output("orders", partition="2024-01-01")
    manager.handle_output(context, 1)
    assert context.added_metadata["path"].value == str(tmp_path / "orders" / "2024-01-01.json")


def test_a_new_type_replaces_the_old_file(manager: FilesystemIOManager, tmp_path: Path) -> None:
    manager.handle_output(output("orders"), b"old")
    manager.handle_output(output("orders"), {"new": 1})
    assert [path.name for path in (tmp_path / "orders").iterdir()] == ["value.json"]


@pytest.mark.parametrize("make", [FilesystemIOManager, lambda _: InMemoryIOManager()], ids=["filesystem", "memory"])
def test_several_partitions_load_as_a_dict_and_one_as_itself(make: Callable[[Path], Any], tmp_path: Path) -> None:
    manager = make(tmp_path)
    for day in ("01", "02"):
        manager.handle_output(output("orders", partition=day), int(day))
    assert manager.load_input(input_("orders", partitions=["01", "02"])) == {"01": 1, "02": 2}
    assert manager.load_input(input_("orders", partitions=["02"])) == 2
    assert manager.load_input(input_("orders", partitions=[])) == {}
    with pytest.raises(ValueNotFound, match="partition '03' of asset 'orders'"):
        manager.load_input(input_("orders", partitions=["01", "03"]))
    found = manager.load_input(input_("orders", partitions=["01", "03"], allow_missing_partitions=True))
    assert found == {"01": 1}


def test_an_asset_without_a_value_says_what_to_do(manager: FilesystemIOManager) -> None:
    with pytest.raises(ValueNotFound, match=r"materialise it first.*deps="):
        manager.load_input(input_("orders"))


@given(part=st.text(min_size=1, max_size=300))
def test_no_key_leads_out_of_its_folder(part: str) -> None:
    try:
        part.encode()
    except UnicodeEncodeError:
        return
    name = _safe(part)
    assert Path(name).name == name and name not in (".", "..") and not name.startswith(".")
    assert len(name.encode()) < 255 - len(".parquet")


@given(one=st.text(max_size=40), other=st.text(max_size=40))
def test_two_keys_never_share_a_file(one: str, other: str) -> None:
    if one != other and _encodable(one) and _encodable(other):
        assert _safe(one) != _safe(other)


def _encodable(text: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in text)


def test_a_reader_never_sees_half_a_value(manager: FilesystemIOManager) -> None:
    manager.handle_output(output("orders"), "0" * 100_000)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % 10
            manager.handle_output(output("orders"), str(number) * 100_000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            text = manager.load_input(input_("orders"))
            assert len(text) == 100_000 and len(set(text)) == 1
    finally:
        stop.set()
        writer.join()
