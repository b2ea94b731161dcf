"""The public names of the package, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import upwell


def test_the_exported_names_are_sorted_and_exist() -> None:
    assert upwell.__all__ == sorted(upwell.__all__)
    assert all(hasattr(upwell, name) for name in upwell.__all__)
    assert set(upwell.__all__) <= set(dir(upwell))


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    assert not hasattr(upwell, "assset")
    with pytest.raises(ImportError, match="cannot import name 'assset'"):
        exec("from upwell import assset")


def test_the_service_starts_without_loading_what_only_definitions_need() -> None:
    script = "import upwell.service, sys; print(*[name for name in sys.modules if name.startswith('upwell.oneshot')])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_importing_it_loads_neither_web_nor_database_nor_frames() -> None:
    heavy = "fastapi starlette uvicorn sqlalchemy aiosqlite alembic asyncpg pandas pyarrow httpx"
    script = f"from upwell import *; import sys; print(*[name for name in {heavy.split()} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []


def test_importing_the_sources_loads_no_client_library_and_no_logging() -> None:
    heavy = "structlog rich httpx sqlalchemy asyncpg fsspec watchfiles faststream nats redis aio_pika aiokafka pandas"
    script = f"import upwell_sensors, sys; print(*[name for name in {heavy.split()} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.split() == []
