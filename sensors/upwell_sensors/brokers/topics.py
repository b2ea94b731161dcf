"""Names of topics, with captures: `orders.{region}` as the broker's own wildcard and as names to read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_CAPTURE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class TopicSyntax:
    """How a broker writes names: what lies between two words, any one word, and any number of words."""

    separator: str
    one: str
    rest: str
    rest_is_last: bool = True


NATS_SUBJECT = TopicSyntax(".", "*", ">")
MQTT_TOPIC = TopicSyntax("/", "+", "#")
AMQP_ROUTING_KEY = TopicSyntax(".", "*", "#", rest_is_last=False)


@dataclass(frozen=True)
class TopicPattern:
    """Which topics are meant; `{name}` stands for one word of a name, and captures it."""

    text: str
    syntax: TopicSyntax

    @classmethod
    def parse(cls, text: str, syntax: TopicSyntax) -> TopicPattern:
        """Read a pattern.

        Raises:
            ValueError: a word is empty or no word, a capture has no proper name, or "any number" is not at the end.
        """
        words = text.split(syntax.separator)
        named: set[str] = set()
        for at, word in enumerate(words):
            if capture := _CAPTURE.fullmatch(word):
                if capture[1] in named:
                    raise ValueError(f"{word} is there twice")
                named.add(capture[1])
            elif "{" in word or "}" in word:
                raise ValueError(
                    f"{word!r} is no word; a capture is a whole word between two {syntax.separator!r}, as {{name}}"
                )
            elif re.search(r"[\s\0]", word) or (not word and (syntax.separator != "/" or not text)):
                raise ValueError(f"{word!r} is no word of a name")
            elif word == syntax.rest and syntax.rest_is_last and at < len(words) - 1:
                raise ValueError(f"{syntax.rest!r} may only come last")
            elif word not in (syntax.one, syntax.rest) and set(word) & {syntax.one, syntax.rest}:
                raise ValueError(f"{word!r} is no word; {syntax.one!r} and {syntax.rest!r} stand alone")
        return cls(text, syntax)

    @property
    def filter(self) -> str:
        """The pattern as the broker understands it."""
        return _CAPTURE.sub(lambda _: self.syntax.one, self.text)

    def captures(self, name: str) -> Mapping[str, str]:
        """What the pattern captures from a topic's name; nothing if it does not match."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else {}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        separator, word_of_any = re.escape(self.syntax.separator), f"[^{re.escape(self.syntax.separator)}]"
        regex = ""
        for at, word in enumerate(self.text.split(self.syntax.separator)):
            lead = separator if at else ""
            if capture := _CAPTURE.fullmatch(word):
                regex += f"{lead}(?P<{capture[1]}>{word_of_any}+)"
            elif word == self.syntax.one:
                regex += f"{lead}{word_of_any}*"
            elif word == self.syntax.rest:
                regex += f"(?:{lead}.*)?"
            else:
                regex += lead + re.escape(word)
        return re.compile(regex, re.DOTALL)


@dataclass(frozen=True)
class FlatPattern:
    """A pattern over names without words, as Kafka has them: `{name}` is any run of characters without a dot."""

    text: str

    @classmethod
    def parse(cls, text: str) -> FlatPattern:
        """Read a pattern.

        Raises:
            ValueError: it is empty, has what no name of a topic has, or a capture has no proper name.
        """
        names = _CAPTURE.findall(text)
        if len(set(names)) < len(names):
            raise ValueError("a capture is there twice")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", _CAPTURE.sub("x", text)):
            raise ValueError("a topic has letters, digits, '.', '_' and '-'; a capture is written {name}")
        return cls(text)

    @property
    def is_plain(self) -> bool:
        """Whether it names one topic."""
        return "{" not in self.text

    @property
    def regex(self) -> str:
        """The pattern as a regular expression without groups, for the broker's client."""
        return "^" + re.sub(r"\(\?P<[^>]*>", "(?:", self._regex.pattern) + "$"

    def captures(self, name: str) -> Mapping[str, str]:
        """What the pattern captures from a topic's name; nothing if it does not match."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else {}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        regex, end = "", 0
        for capture in _CAPTURE.finditer(self.text):
            regex += re.escape(self.text[end : capture.start()]) + f"(?P<{capture[1]}>[^.]+)"
            end = capture.end()
        return re.compile(regex + re.escape(self.text[end:]))
