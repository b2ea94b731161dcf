"""Resources as they are declared, and values from the environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from upwell import ConfigurableResource, DagsterInvalidConfigError, DagsterInvalidInvocationError, EnvVar


class Api(ConfigurableResource):
    url: str
    retries: int = 1


def test_a_variable_is_read_when_the_resource_is_used_and_no_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api(url="http://x", retries=EnvVar.int("RETRIES"))
    with pytest.raises(DagsterInvalidConfigError, match=r"Api\.retries .* RETRIES, which is not set"):
        api.completed({})
    monkeypatch.setenv("RETRIES", "7")
    assert api.completed({}).retries == 7
    monkeypatch.setenv("RETRIES", "many")
    with pytest.raises(DagsterInvalidConfigError, match="does not hold an integer"):
        api.completed({})


def test_a_run_may_say_what_the_resource_left_open() -> None:
    api = Api.configure_at_launch(retries=3)
    assert api.run_schema.fields.keys() == {"url", "retries"}
    assert api.completed({"url": "u"}) == Api(url="u", retries=3)
    with pytest.raises(ValidationError):
        api.completed({})


def test_each_use_has_an_object_of_its_own() -> None:
    api = Api.model_validate({"url": "u", "unknown_field": 1})
    assert api.completed({}) == api
    assert api.completed({}) is not api
    with pytest.raises(ValidationError):
        Api(**{})


def test_a_resource_is_fixed_once_made() -> None:
    with pytest.raises(DagsterInvalidInvocationError, match=r"Api\.retries cannot be set: .* private attribute"):
        Api(url="u").retries = 4


def test_the_name_of_a_variable_does_not_pass_for_its_value() -> None:
    for secret in (EnvVar("SECRET"), EnvVar.int("SECRET")):
        assert secret.env_var_name == "SECRET"
        with pytest.raises(RuntimeError, match="is not the value itself"):
            f"{secret}"
    assert repr(EnvVar("SECRET")) == "EnvVar('SECRET')"
    assert EnvVar("SECRET").get_value("default") == "default"
