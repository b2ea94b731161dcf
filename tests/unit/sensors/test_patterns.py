from __future__ import annotations

import pytest

from upwell.errors import DefinitionError
from upwell_sensors.patterns import FilePattern


@pytest.mark.parametrize(
    ("text", "root", "segments"),
    [
        ("landing/orders-*.csv", "/home/landing", ("orders-*.csv",)),
        ("today.csv", "/home", ("today.csv",)),
        ("/data/in/{date}.csv", "/data/in", ("{date}.csv",)),
        ("/data/*/in/x.csv", "/data", ("*", "in", "x.csv")),
        ("../in/./**/*.csv", "/in", ("**", "*.csv")),
        ("/*.csv", "/", ("*.csv",)),
        ("{region}//x.csv", "/home", ("{region}", "x.csv")),
    ],
)
def test_the_root_is_what_stands_before_the_first_wildcard(text: str, root: str, segments: tuple[str, ...]) -> None:
    assert FilePattern.parse(text, base="/home") == FilePattern(root=root, segments=segments)


def test_a_working_directory_with_wildcard_characters_is_no_pattern() -> None:
    assert FilePattern.parse("in/*.csv", base="/home/[a]*").root == "/home/[a]*/in"


@pytest.mark.parametrize(
    ("pattern", "path", "captures"),
    [
        ("*.csv", "a.csv", {}),
        ("*.csv", "a.csv.gz", None),
        ("*.csv", "sub/a.csv", None),
        ("*.csv", ".a.csv", None),
        ("*", "a.tmp", None),
        ("*", "a~", None),
        ("*.tmp", "a.tmp", {}),
        (".*.csv", ".a.csv", {}),
        (".*", ".upwell-probe-0123", None),
        ("?.csv", "a.csv", {}),
        ("?.csv", "ab.csv", None),
        ("[ab].csv", "a.csv", {}),
        ("[!ab].csv", "a.csv", None),
        ("[a-c].csv", "b.csv", {}),
        ("a+b.csv", "aab.csv", None),
        ("{date}.csv", "2024-01-01.csv", {"date": "2024-01-01"}),
        ("{date}.csv", ".csv", None),
        ("{region}/{date}.csv", "eu/2024-01-01.csv", {"region": "eu", "date": "2024-01-01"}),
        ("{region}/{region}-{n}.csv", "eu/eu-1.csv", {"region": "eu", "n": "1"}),
        ("{region}/{region}-{n}.csv", "eu/us-1.csv", None),
        ("**/*.csv", "a.csv", {}),
        ("**/*.csv", "x/y/z/a.csv", {}),
        ("**/*.csv", "x/.git/a.csv", None),
        ("x/**", "x/a/b", {}),
        ("**/part-{n}/*.csv", "x/part-7/a.csv", {"n": "7"}),
        ("{name}.csv", "ünï cödé.csv", {"name": "ünï cödé"}),
        ("{name}.csv", "line\nbreak.csv", {"name": "line\nbreak"}),
    ],
)
def test_a_path_matches_or_not(pattern: str, path: str, captures: dict[str, str] | None) -> None:
    assert FilePattern(root="/", segments=tuple(pattern.split("/"))).match(path) == captures


@pytest.mark.parametrize(
    ("pattern", "folder", "entered"),
    [
        ("*.csv", "sub", False),
        ("{region}/*.csv", "eu", True),
        ("{region}/*.csv", "eu/deeper", False),
        ("in-*/*.csv", "out-1", False),
        ("**/*.csv", "any/depth/at/all", True),
        ("**/*.csv", "any/.git", False),
        ("**/.config/x", "any/.config", True),
        ("a/**/x", "b", False),
    ],
)
def test_only_folders_that_can_hold_a_match_are_entered(pattern: str, folder: str, entered: bool) -> None:
    assert FilePattern(root="/", segments=tuple(pattern.split("/"))).enters(folder) is entered


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "write a file name or pattern"),
        ("landing/", "write a file name or pattern"),
        ("*/../x.csv", "may not follow a wildcard"),
        ("{}.csv", "no name for a capture"),
        ("{a b}.csv", "no name for a capture"),
        ("{a.csv", "a brace has no partner"),
    ],
)
def test_a_wrong_pattern_is_refused_with_its_mend(text: str, complaint: str) -> None:
    with pytest.raises(DefinitionError, match=complaint):
        FilePattern.parse(text, base="/home")
