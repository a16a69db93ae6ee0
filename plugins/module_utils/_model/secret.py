# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret that cannot print itself, and the removal of secrets from text."""

from __future__ import annotations

import itertools
import re
import threading
import typing as t

HIDDEN = "***"

_LONGEST_WORD_ONLY = 4

# Documented: <prefix>.<public part>.<secret part>. The lengths are looser than documented, because
# tokens with a shorter public part and cut-off ones are secrets too.
_DOTTED_BEGINS = "dt0"
_DOTTED = re.compile(r"(dt0[a-zA-Z][0-9]{2}\.[A-Za-z0-9]{4,})\.[A-Za-z0-9]{8,}")


class Secret:
    """Holds a token's secret; prints as ``***``. Only :meth:`reveal` gives the text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = str(value)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> t.NoReturn:
        raise TypeError("a secret is not to be serialised")


def public_id(secret: Secret) -> str | None:
    """The id of the token with this secret, or None for a token of the old format without dots.

    Documented: the id of a dotted token is all up to its second dot.
    """
    match = _DOTTED.fullmatch(secret.reveal())
    return match.group(1) if match else None


def could_be_secret(text: str) -> bool:
    """Whether the text has none of the characters that no secret has."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def looks_like_secret(text: str) -> bool:
    return _DOTTED.search(text) is not None


def printable(text: str) -> str:
    """The text in one line, with each character that a terminal could obey written as an escape."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )


class _Finder:
    """Finds one secret; a short one as a word of its own only, so that other words stay whole."""

    __slots__ = ("_pattern", "_value")

    def __init__(self, value: str) -> None:
        is_short = len(value) <= _LONGEST_WORD_ONLY
        before = r"(?<!\w)" if is_short and value[0].isalnum() else ""
        after = r"(?!\w)" if is_short and value[-1].isalnum() else ""
        self._value = value
        self._pattern = re.compile(before + re.escape(value) + after)

    def hidden(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text) if self._value in text else text


class Redactor:
    """Takes secrets out of every text that somebody may see.

    The secret of a token is recognised by its form. Any other secret is hidden once it is known.
    """

    def __init__(self, *secrets: Secret | None) -> None:
        self._lock = threading.Lock()
        self._values: frozenset[str] = frozenset()
        self._first: tuple[_Finder, ...] = ()
        self._last: tuple[_Finder, ...] = ()
        self.hide(*secrets)

    def hide(self, *secrets: Secret | None) -> None:
        """Keep these secrets out of every text from now on, in every thread."""
        new = {secret.reveal() for secret in secrets if secret is not None}
        # The form alone tells most of them, so that a text is not searched for each of a thousand.
        new = {value for value in new if value and not _DOTTED.fullmatch(value)}
        with self._lock:
            if new <= self._values:
                return
            self._values |= new
            longest_first = sorted(self._values, key=len, reverse=True)
            # A longer secret around one of the known form: the end of it would stay.
            self._first = tuple(map(_Finder, filter(looks_like_secret, longest_first)))
            others = itertools.filterfalse(looks_like_secret, longest_first)
            self._last = tuple(map(_Finder, others))

    def text(self, text: str) -> str:
        """The text, with ``***`` in place of each secret."""
        for finder in self._first:
            text = finder.hidden(text)
        if _DOTTED_BEGINS in text:
            text = _DOTTED.sub(r"\1." + HIDDEN, text)
        for finder in self._last:
            text = finder.hidden(text)
        return text

    def finds_secret(self, text: str) -> bool:
        """Whether the text is, or holds, a secret."""
        return self.text(text) != text
