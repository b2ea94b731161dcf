"""`upwell dev` and `upwell serve`."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import anyio
import typer

from upwell import logs
from upwell.cli.failures import leaves
from upwell.cli.options import Files, Modules, required_specs, settings_with
from upwell.errors import SettingsError, UpwellError
from upwell.runtime.messages import LocationSpec
from upwell.service import run_service
from upwell.settings import Settings

log = logs.get_logger()

_ADDRESS_ERRORS = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES}

Host = Annotated[str | None, typer.Option("--host", help="Address to listen on; by default 127.0.0.1.")]
Port = Annotated[int | None, typer.Option("--port", "-p", min=0, max=65535, help="Port to listen on; by default 8600.")]


def dev(file: Files = None, module: Modules = None, host: Host = None, port: Port = None) -> None:
    """Run the service: code is loaded anew when its files change, and the log is for people."""
    settings = settings_with(file, module, host=host, port=port)
    _run(settings, required_specs(settings), form="console", reload=True)


def serve(file: Files = None, module: Modules = None, host: Host = None, port: Port = None) -> None:
    """Run the service for production: one JSON object a line on stdout; SIGHUP loads code anew, SIGTERM drains."""
    settings = settings_with(file, module, host=host, port=port)
    _run(settings, required_specs(settings), form="json", reload=settings.reload)


def _run(settings: Settings, specs: Sequence[LocationSpec], *, form: Literal["json", "console"], reload: bool) -> None:
    wanted = settings.log.format
    writer = logs.configure(
        format=form if wanted == "auto" else wanted, level=settings.log.level, secrets=settings.secrets()
    )
    try:
        work = partial(run_service, settings, specs, reload=reload)
        code = anyio.run(work, backend="asyncio", backend_options={"use_uvloop": True})
    except Exception as error:
        errors = list(leaves(error))
        _explain_address(errors, settings)
        if all(isinstance(one, UpwellError) for one in errors):
            raise
        # Whoever collects the log must find the reason there, in its form.
        log.critical("service.crashed", exc_info=error)
        code = 1
    finally:
        writer.close()
    raise typer.Exit(code)


def _explain_address(errors: Sequence[BaseException], settings: Settings) -> None:
    for error in errors:
        if isinstance(error, OSError) and error.errno in _ADDRESS_ERRORS:
            raise SettingsError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
                "Does a service run there already? Choose another with --port or UPWELL_PORT"
            ) from None
