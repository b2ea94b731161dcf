"""Resources and values from the environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from upwell import Config, ConfigurableResource, DagsterInvalidConfigError, DagsterInvalidInvocationError, EnvVar


class Api(ConfigurableResource):
    url: str
    retries: int = 1


def test_a_variable_is_read_when_the_resource_is_used_and_no_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(url="http://x", retries=EnvVar("RETRIES"))
    with pytest.raises(DagsterInvalidConfigError, match=r"Api\.retries .* RETRIES, which is not set"):
        api.resolved()
    monkeypatch.setenv("RETRIES", "7")
    assert api.resolved().retries == 7
    monkeypatch.setenv("RETRIES", "many")
    with pytest.raises(ValidationError):
        api.resolved()


def test_a_resource_without_variables_resolves_to_itself() -> None:
    api = Api(url="u", unknown_field=1)
    assert api.resolved() is api
    with pytest.raises(ValidationError):
        Api()


def test_the_name_of_a_variable_does_not_pass_for_its_value() -> None:
    secret = EnvVar("SECRET")
    assert repr(secret) == "EnvVar('SECRET')"
    assert secret.env_var_name == "SECRET"
    assert secret.get_value("default") == "default"
    with pytest.raises(RuntimeError, match="is not the value itself"):
        f"{secret}"


def test_config_is_fixed_and_knows_its_fields() -> None:
    class Conf(Config):
        n: int = 3

    with pytest.raises(DagsterInvalidInvocationError, match=r"Conf\.n cannot be set"):
        Conf().n = 4
    with pytest.raises(ValidationError):
        Conf(m=1)
