# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A secret that cannot print itself, and the removal of secrets from text."""

from __future__ import annotations

import re
import typing as t

HIDDEN = "***"

# Documented: <prefix>.<public part>.<secret part>. The lengths are looser than documented, because
# tokens with a shorter public part and cut-off ones are secrets too.
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


def scrub(text: str, secrets: t.Iterable[Secret] = ()) -> str:
    """The text without these secrets and without anything of the form of one."""
    for value in sorted(
        (secret.reveal() for secret in secrets if secret.reveal()), key=len, reverse=True
    ):
        text = text.replace(value, HIDDEN)
    return _DOTTED.sub(r"\1." + HIDDEN, text)


def printable(text: str) -> str:
    """The text in one line, with an escape sequence in place of each character that a terminal could obey."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1] for character in text
    )
