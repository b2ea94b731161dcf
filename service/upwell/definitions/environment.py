"""Values that stand for environment variables until somebody uses them."""

from __future__ import annotations

import builtins
import os
from typing import Any


class EnvVar(str):
    """A value that is read from an environment variable, in the process that uses it and no earlier."""

    @property
    def env_var_name(self) -> str:
        """The variable."""
        return str.__str__(self)

    @classmethod
    def int(cls, name: str) -> Any:
        """The same for a field that is an int. (`Any`: it stands where an int is wanted.)"""
        return IntEnvVar.of(name)

    def get_value(self, default: str | None = None) -> str | None:
        """What the variable holds now, or `default`."""
        return os.environ.get(self.env_var_name, default)

    def __str__(self) -> str:
        raise RuntimeError(
            f"EnvVar({self.env_var_name!r}) is not the value itself; hand it to a resource, or ask its get_value()"
        )

    def __repr__(self) -> str:
        return f"EnvVar({self.env_var_name!r})"


class IntEnvVar(builtins.int):
    """A number that is read from an environment variable; what `EnvVar.int("PORT")` makes."""

    env_var_name: str

    @classmethod
    def of(cls, name: str) -> IntEnvVar:
        """The number that the variable of this name holds."""
        made = cls(0)
        made.env_var_name = name
        return made

    def get_value(self, default: builtins.int | None = None) -> builtins.int | None:
        """What the variable holds now, or `default`.

        Raises:
            ValueError: it is no number.
        """
        found = os.environ.get(self.env_var_name)
        return default if found is None else builtins.int(found)

    def __int__(self) -> builtins.int:
        raise RuntimeError(f"{self!r} is not the value itself; hand it to a resource, or ask its get_value()")

    def __str__(self) -> str:
        raise RuntimeError(f"{self!r} is not the value itself; hand it to a resource, or ask its get_value()")

    def __repr__(self) -> str:
        return f"EnvVar.int({self.env_var_name!r})"
