"""The language of selection strings, as a tree that says nothing yet about any graph.

```
expression := negation (("and" | "or") negation)*      "and" binds tighter; AND, OR and NOT are the same words
negation   := "not" negation | traversal
traversal  := [N]"+" operand "+"[N]                    with N levels, or all of them; either side may be missing
operand    := FIELD ":" TEXT ["=" TEXT] | FUNCTION "(" expression ")" | "(" expression ")" | "*" | name
name       := ["*" | "+"…] NAME ["*" | "+"…]           a key as it is: one level for each plus, all for a star
```
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from upwell.definitions.errors import DagsterInvalidAssetSelectionError

FIELDS = ("key", "group", "tag", "kind", "owner")
FUNCTIONS = ("roots", "sinks")

_TOKEN = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<word>[A-Za-z0-9_./<>@*-]+)|(?P<mark>[():=+]))')
_PATTERN_FIELDS = ("key",)


@dataclass(frozen=True)
class Everything:
    """`*`"""


@dataclass(frozen=True)
class Named:
    """A bare key."""

    key: str


@dataclass(frozen=True)
class Attribute:
    """`field:text`, or for tags `tag:text=value`."""

    field: str
    text: str
    value: str = ""


@dataclass(frozen=True)
class Around:
    """`N+operand+N`: how many levels up and down; none means all of them."""

    operand: Tree
    up: int | None = 0
    down: int | None = 0


@dataclass(frozen=True)
class Call:
    """`roots(…)`, `sinks(…)`"""

    function: str
    operand: Tree


@dataclass(frozen=True)
class Not:
    operand: Tree


@dataclass(frozen=True)
class And:
    left: Tree
    right: Tree


@dataclass(frozen=True)
class Or:
    left: Tree
    right: Tree


Tree: TypeAlias = Everything | Named | Attribute | Around | Call | Not | And | Or


@dataclass(frozen=True)
class _Token:
    kind: str  # "word", "quoted", "mark" or "end"
    text: str
    start: int
    end: int


def parse(text: str) -> Tree:
    """The tree of a selection string.

    Raises:
        DagsterInvalidAssetSelectionError: it cannot be read; points at the character.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0

    def parse(self) -> Tree:
        tree = self._alternatives()
        if self._token.kind != "end":
            self._fail("expected 'and', 'or' or the end")
        return tree

    def _split(self) -> list[_Token]:
        tokens, position = [], 0
        end = len(self._text.rstrip())
        while position < end:
            found = _TOKEN.match(self._text, position)
            if found is None:
                position += len(self._text[position:]) - len(self._text[position:].lstrip())
                unclosed = self._text[position] == '"'
                self._fail("this quotation mark is never closed" if unclosed else "cannot read this sign", position)
            kind = str(found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.end() - len(found[0].lstrip()), found.end()))
            position = found.end()
        return [*tokens, _Token("end", "", end, end)]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _fail(self, problem: str, at: int | None = None) -> NoReturn:
        at = self._token.start if at is None else at
        raise DagsterInvalidAssetSelectionError(f"cannot read the selection: {problem}\n  {self._text}\n  {' ' * at}^")

    def _take(self, *texts: str) -> _Token | None:
        token = self._token
        if token.kind in ("word", "mark") and token.text in texts:
            self._next += 1
            return token
        return None

    def _demand(self, text: str) -> None:
        if not self._take(text):
            self._fail(f"expected '{text}'")

    def _alternatives(self) -> Tree:
        tree = self._conjunction()
        while self._take("or", "OR"):
            tree = Or(tree, self._conjunction())
        return tree

    def _conjunction(self) -> Tree:
        tree = self._negation()
        while self._take("and", "AND"):
            tree = And(tree, self._negation())
        return tree

    def _negation(self) -> Tree:
        return Not(self._negation()) if self._take("not", "NOT") else self._traversal()

    def _traversal(self) -> Tree:
        start, up = self._next, self._levels_before()
        operand = self._operand()
        if isinstance(operand, Named):
            return self._named(operand, start, up)
        down = self._levels_after()
        if (up, down) == (0, 0):
            return operand
        if isinstance(operand, Everything):
            self._fail("'*' is everything already; leave the plus out", self._tokens[start].start)
        return Around(operand, up, down)

    def _levels_before(self) -> int | None:
        token, following = self._token, self._tokens[min(self._next + 1, len(self._tokens) - 1)]
        if token.kind == "word" and token.text.isdigit() and following.text == "+" and following.kind == "mark":
            self._next += 2
            return int(token.text)
        pluses = self._pluses()
        return None if pluses == 1 else pluses

    def _levels_after(self) -> int | None:
        if self._pluses(most=1) == 0:
            return 0
        token = self._token
        if token.kind == "word" and token.text.isdigit():
            self._next += 1
            return int(token.text)
        return None

    def _pluses(self, most: int = 1000) -> int:
        count = 0
        while count < most and self._take("+"):
            count += 1
        return count

    def _operand(self) -> Tree:
        token = self._token
        if self._take("("):
            tree = self._alternatives()
            self._demand(")")
            return tree
        if token.kind not in ("word", "quoted") or token.text in ("and", "or", "AND", "OR"):
            self._fail("expected a key, 'field:value', '*' or '('")
        self._next += 1
        if token.kind == "word" and self._take(":"):
            return self._attribute(token)
        if token.kind == "word" and self._take("("):
            return self._call(token)
        return Everything() if token.text == "*" and token.kind == "word" else Named(token.text)

    def _attribute(self, field: _Token) -> Tree:
        if field.text not in FIELDS:
            self._fail(f"there is no field {field.text!r}; the fields are {', '.join(FIELDS)}", field.start)
        text = self._value()
        if "*" in text and field.text not in _PATTERN_FIELDS and self._tokens[self._next - 1].kind == "word":
            self._fail("a star works in key: only", self._tokens[self._next - 1].start)
        if field.text == "tag" and self._take("="):
            return Attribute(field.text, text, self._value())
        return Attribute(field.text, text)

    def _value(self) -> str:
        token = self._token
        if token.kind not in ("word", "quoted"):
            self._fail(
                "expected a value; put it into quotation marks if it has other signs than letters, digits and _./-"
            )
        self._next += 1
        return token.text

    def _call(self, function: _Token) -> Tree:
        if function.text not in FUNCTIONS:
            self._fail(
                f"there is no function {function.text!r}; the functions are {', '.join(FUNCTIONS)}", function.start
            )
        operand = self._alternatives()
        self._demand(")")
        return Call(function.text, operand)

    def _named(self, name: Named, start: int, up: int | None) -> Tree:
        """A bare key counts its pluses, one level each, and takes a star for all levels."""
        levels_up = 1 if up is None else up
        pluses = self._pluses()
        key = name.key.strip("*")
        if not key or "*" in key:
            self._fail(f'a pattern needs its field: key:"{name.key}"', self._tokens[start].start)
        above = None if name.key.startswith("*") else levels_up
        below = None if name.key.endswith("*") else pluses
        return Named(key) if (above, below) == (0, 0) else Around(Named(key), above, below)
