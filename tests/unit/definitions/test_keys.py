"""Keys of assets and checks."""

from __future__ import annotations

import pytest

from upwell import AssetCheckKey, AssetKey


def test_a_text_is_one_component_and_a_user_string_several() -> None:
    assert AssetKey("a/b").path == ("a/b",)
    assert AssetKey.from_user_string("a/b") == AssetKey(["a", "b"])
    assert AssetKey(["a", "b"]).to_user_string() == "a/b"


def test_keys_are_equal_and_hashed_by_their_components() -> None:
    assert len({AssetKey("a"), AssetKey(["a"]), AssetKey(("a",))}) == 1
    assert str(AssetKey(["a", "b"])) == "AssetKey(['a', 'b'])"


def test_keys_have_an_order() -> None:
    assert sorted([AssetKey("b"), AssetKey(["a", "z"]), AssetKey("a")])[0] == AssetKey("a")


def test_prefixes() -> None:
    key = AssetKey(["b", "c"])
    assert key.with_prefix("a") == AssetKey(["a", "b", "c"])
    assert key.with_prefix(["x", "y"]).has_prefix(["x", "y", "b"])
    assert not key.has_prefix(["c"])


def test_a_key_names_a_step_without_signs_that_a_step_cannot_have() -> None:
    assert AssetKey(["p-q", "a.b"]).to_python_identifier("suffix") == "p_q__a_b__suffix"


def test_a_check_key_survives_its_text() -> None:
    key = AssetCheckKey(AssetKey(["a", "b"]), "total")
    assert key.to_user_string() == "a/b:total"
    assert AssetCheckKey.from_user_string("a/b:total") == key


def test_a_component_that_is_no_text_is_refused() -> None:
    with pytest.raises(TypeError, match="made of strings, not 3"):
        AssetKey(["a", 3])
