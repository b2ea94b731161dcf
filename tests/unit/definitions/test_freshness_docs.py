from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from upwell.definitions.definitions import Definitions

PAGE = (Path(__file__).parents[3] / "docs" / "freshness.md").read_text()


def test_what_the_page_shows_can_be_pasted_into_a_file_and_loaded() -> None:
    shown: dict[str, Any] = {}
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    exec(compile(code, "freshness.md", "exec", dont_inherit=True), shown)
    assert isinstance(shown["defs"], Definitions)
    policies = {spec.key.to_user_string(): spec.freshness_policy for spec in shown["defs"].resolve_all_asset_specs()}
    assert None not in policies.values()
