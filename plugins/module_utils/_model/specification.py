# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From options to what the user wants, or to an error that names the option and the reason."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import re
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import OptionError
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import (
    ACCESS,
    ATTRIBUTES,
    KINDS,
    PERSONAL_ACCESS,
    Kind,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.places import (
    parse_resources,
    place_of,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Redactor,
    Secret,
    could_be_secret,
    public_id,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.time import (
    NO_TIME,
    Period,
    format_timestamp,
    parse_period,
    parse_timestamp,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Identity,
    is_provisional,
    is_token_id,
    sorted_scopes,
)

_SCOPE = re.compile(r"[A-Za-z0-9._:-]{1,200}")


@dataclasses.dataclass(frozen=True)
class Specification:
    """One token as the user wants it. None means: not managed."""

    state: str = "present"
    name: str | None = None
    token_id: str | None = None
    kind: Kind = ACCESS
    place: str = ""  # the key of the environment, or of the resources
    scopes: tuple[str, ...] | None = None  # sorted
    scopes_mode: str = "exact"
    enabled: bool | None = None
    expires_in: Period | None = None
    expiration_date: dt.datetime | None = None
    rotate: str = "never"
    rotate_before: Period = NO_TIME
    overlap: Period = NO_TIME
    delete_after: Period = NO_TIME
    retire: bool = True
    on_immutable_change: str = "fail"
    on_duplicates: str = "fail"
    on_missing_secret: str = "ignore"
    token: Secret | None = None
    resources: tuple[str, ...] = ()  # sorted
    tags: tuple[str, ...] = ()
    user_uuid: str | None = None
    activegate_type: str | None = None
    seed: bool | None = None

    @property
    def identity(self) -> Identity:
        """By which the store and the locks know it; without a name, that of no entry."""
        return Identity(self.place, self.name or "", self.kind)

    def label(self) -> str:
        """How messages call this token."""
        return repr(self.name) if self.name is not None else str(self.token_id)


class Around(t.NamedTuple):
    """Where a task is: what the place of a token follows from."""

    environment: str = ""  # its key; empty where no address is given
    account_uuid: str | None = None


NOWHERE = Around()


def parse_kind(params: t.Mapping[str, t.Any]) -> Kind:
    """The kind that the options ask for.

    :raises OptionError: where ``kind`` and ``personal_access_token`` are at odds.
    """
    kind = KINDS[params["kind"] or ACCESS.option]
    if not params["personal_access_token"]:
        return kind
    if params["kind"] and kind is not PERSONAL_ACCESS:
        raise OptionError(
            f"personal_access_token: true means kind: {PERSONAL_ACCESS.option}, and kind is "
            f"{kind.option}. Leave one of them out."
        )
    return PERSONAL_ACCESS


def parse_identity(params: t.Mapping[str, t.Any], around: Around) -> Identity:
    """By which the store and the locks know the token; without a name, that of no entry.

    :raises OptionError: where it cannot be told.
    """
    kind = parse_kind(params)
    return Identity(_parse_place(params, kind, around), params.get("name") or "", kind)


def parse_identities(tokens: t.Sequence[t.Mapping[str, t.Any]], around: Around) -> list[Identity]:
    """Each as ``parse_identity`` does.

    :raises OptionError: naming the first that cannot work.
    """
    identities = []
    for number, params in enumerate(tokens):
        try:
            identities.append(parse_identity(params, around))
        except OptionError as error:
            raise OptionError(f"tokens[{number}]: {error}") from None
    return identities


def _parse_place(params: t.Mapping[str, t.Any], kind: Kind, around: Around) -> str:
    if "resources" not in kind.has:
        return around.environment
    resources = parse_resources(params.get("resources"), around.environment)
    return place_of(resources, around.account_uuid or "")


def parse_specification(
    params: t.Mapping[str, t.Any],
    now: dt.datetime,
    redactor: Redactor,
    stored: bool = False,
    around: Around = NOWHERE,
) -> Specification:
    """What the user wants, from the options of ``dynatrace_token``.

    :param params: the options, typed by the argument spec.
    :param now: the clock of this machine: no request has been made yet.
    :param redactor: knows the secrets that must not stand where a public value belongs.
    :param stored: whether a store keeps the secret. Somebody else may be using a token whose
        secret it does not have.
    :param around: the environment and account that the task is about.
    :raises OptionError: where an option cannot work; never with a secret in its message.
    """
    token = parse_held_token(params["token"])
    redactor.hide(token)
    check_public(params, redactor)
    _check_identity(params["name"], params["token_id"])
    kind = parse_kind(params)
    _check_attributes(params, kind)
    resources: tuple[str, ...] = ()
    if "resources" in kind.has:
        resources = parse_resources(params["resources"], around.environment)
    specification = Specification(
        state=params["state"],
        name=params["name"],
        token_id=params["token_id"],
        kind=kind,
        place=_parse_place(params, kind, around),
        resources=resources,
        tags=tuple(params["tags"] or ()),
        scopes=parse_scopes(params["scopes"]),
        expires_in=_parse_period(params, "expires_in"),
        expiration_date=_parse_expiration_date(params["expiration_date"], now, params["state"]),
        rotate_before=parse_period("rotate_before", params["rotate_before"]),
        overlap=parse_period("overlap", params["overlap"], or_none=True),
        delete_after=parse_period("delete_after", params["delete_after"], or_none=True),
        on_missing_secret=params["on_missing_secret"] or ("fail" if stored else "ignore"),
        token=token,
        **{option: params[option] for option in _TAKEN_AS_GIVEN},
    )
    _check_life(specification, now)
    _check_retirement(specification, stored)
    check_kind(specification)
    _check_longest_life(specification, now)
    return specification


_TAKEN_AS_GIVEN = (
    "scopes_mode",
    "enabled",
    "rotate",
    "retire",
    "on_immutable_change",
    "on_duplicates",
    "user_uuid",
    "activegate_type",
    "seed",
)


def _parse_period(params: t.Mapping[str, t.Any], option: str) -> Period | None:
    return None if params[option] is None else parse_period(option, params[option])


def _check_attributes(params: t.Mapping[str, t.Any], kind: Kind) -> None:
    """:raises OptionError: where an option is that of another kind."""
    for option in ATTRIBUTES:
        if params[option] is not None and option not in kind.has:
            kinds = " or ".join(one.option for one in KINDS.values() if option in one.has)
            raise OptionError(
                f"{option}: a token of kind {kind.option} has none. Leave the option out, or say "
                f"kind: {kinds}."
            )


def _check_longest_life(specification: Specification, now: dt.datetime) -> None:
    longest = specification.kind.longest_life
    if longest is None:
        return
    option, date = "expiration_date", specification.expiration_date
    if specification.expires_in is not None:
        option, date = "expires_in", specification.expires_in.after(now)
    if date is not None and date > longest.after(now):
        raise OptionError(
            f"{option}: a token of kind {specification.kind.option} lives {longest} at most. "
            "Shorten it."
        )


def check_kind(specification: Specification) -> None:
    """:raises OptionError: where an option asks for what tokens of this kind do not have."""
    kind = specification.kind
    if specification.scopes is not None and "scopes" not in kind.has:
        raise OptionError(f"scopes: a {kind.words} has no scopes. Leave the option out.")
    if specification.enabled is False and "enabled" not in kind.changes:
        raise OptionError(
            f"enabled: a {kind.words} cannot be disabled. Leave the option out, or delete the "
            "token with state: absent."
        )
    if specification.on_duplicates != "fail" and "creation_date" not in kind.tells:
        raise OptionError(
            f"on_duplicates: Dynatrace does not return the creation date of a {kind.words}, so the "
            f"{specification.on_duplicates} token is unknown. Leave the option out, and delete the "
            "surplus tokens by their token_id."
        )


def parse_specifications(
    tokens: t.Sequence[t.Mapping[str, t.Any]],
    now: dt.datetime,
    redactor: Redactor,
    stored: bool = False,
    around: Around = NOWHERE,
) -> list[Specification]:
    """Each as ``parse_specification`` does.

    :raises OptionError: naming all that cannot work.
    """
    specifications, problems = [], []
    for number, params in enumerate(tokens):
        try:
            specifications.append(parse_specification(params, now, redactor, stored, around))
        except OptionError as error:
            problems.append(f"tokens[{number}]: {error}")
    names = [(one.name, one.identity) for one in specifications if one.name]
    ids = [(one.token_id, None) for one in specifications if one.token_id]
    for (label, _identity), times in collections.Counter([*names, *ids]).items():
        if times > 1:
            problems.append(f"tokens: {label!r} stands more than once. Keep only one of them.")
    if problems:
        raise OptionError(" ".join(problems))
    return specifications


# The options that messages may show, so that a secret has no place in them, and what belongs there.
_PUBLIC = {
    "name": "token's name",
    "name_regex": "pattern of a name",
    "token_id": "token's id, which is all up to the second dot",
    "owner": "owner's name",
    "scopes": "names of scopes",
    "resources": "urn of an environment or an account",
    "tags": "tags",
    "user_uuid": "UUID of a user",
    "expires_in": "period",
    "expiration_date": "date",
    "rotate_before": "period",
    "overlap": "period",
    "delete_after": "period",
    "expires_within": "period",
    "unused_for": "period",
}


def check_public(params: t.Mapping[str, t.Any], redactor: Redactor) -> None:
    """:raises OptionError: where a secret stands in an option that messages may show."""
    for option, meant in _PUBLIC.items():
        value = params.get(option) or ""
        for text in value if isinstance(value, list) else [value]:
            if redactor.finds_secret(text):
                raise OptionError(
                    f"{option}: the value is, or holds, the secret of a token. It is not shown "
                    f"here. Give the {meant}."
                )


def check_token_id(token_id: str) -> None:
    """:raises OptionError: where this cannot be the id of a token."""
    if not is_token_id(token_id):
        raise OptionError(
            f"token_id: {token_id!r} is not the id of a token. An id is the public part of a "
            "token, such as "
            "dt0c01.ST2EY72KQINMH574WMNVI7YN, without a slash or a blank."
        )


def parse_held_token(text: str | None) -> Secret | None:
    if text is None:
        return None
    if not could_be_secret(text):
        raise OptionError(
            "token: the value is empty, or has a space, a line break or another character that no "
            "token has."
        )
    if public_id(Secret(text)) is None and "." in text:
        raise OptionError(
            "token: the value is not the whole secret of a token (prefix, public part and secret "
            "part)."
        )
    return Secret(text)


def _check_identity(name: str | None, token_id: str | None) -> None:
    if name is None and token_id is None:
        raise OptionError("name or token_id is needed: say which token is meant.")
    if name is not None:
        check_name(name)
    if token_id is not None:
        check_token_id(token_id)


_ROTATING = {
    "rotate": ("expiring", "always"),
    "on_immutable_change": ("rotate",),
    "on_missing_secret": ("rotate",),
}


def _check_life(specification: Specification, now: dt.datetime) -> None:
    """:raises OptionError: where options about expiration and rotation contradict each other."""
    expires_in, rotate_before = specification.expires_in, specification.rotate_before
    if expires_in is not None and specification.expiration_date is not None:
        raise OptionError(
            "expires_in and expiration_date exclude each other: give a period from now or a point "
            "in time."
        )
    if specification.token_id is not None:
        _check_rotation_by_id(specification)
    if specification.rotate != "expiring":
        return
    if expires_in is None:
        raise OptionError(
            "rotate: expiring needs expires_in, because it decides when the new token expires."
        )
    if rotate_before.after(now) >= expires_in.after(now):
        raise OptionError(
            f"rotate_before: {rotate_before} is not less than expires_in, {expires_in}, so every "
            "run would rotate the token. Shorten it."
        )


def _check_rotation_by_id(specification: Specification) -> None:
    for option, values in _ROTATING.items():
        value = getattr(specification, option)
        if value in values:
            raise OptionError(
                f"{option}: {value} cannot go with token_id, because the token that is issued "
                "instead has another id."
            )


def _check_retirement(specification: Specification, stored: bool) -> None:
    asked = {
        "overlap": bool(specification.overlap),
        "delete_after": bool(specification.delete_after),
        "retire: false": not specification.retire,
    }
    for option, is_given in asked.items():
        if is_given and not stored:
            raise OptionError(
                f"{option} needs store, which remembers when to disable and delete the old token. "
                "A shipped module has no store: say delegate_to: localhost. Without a store, the "
                "old token is deleted as soon as the new token is verified."
            )


def check_name(name: str) -> None:
    """:raises OptionError: where this cannot be the name of a token."""
    if not name.strip():
        raise OptionError("name: it is empty. Give the name of the token.")
    if name != name.strip():
        raise OptionError(
            f"name: {name!r} begins or ends with white space. Names are compared exactly. Remove "
            "the white space."
        )
    if not name.isprintable():
        raise OptionError(f"name: {name!r} has a character that cannot be shown. Remove it.")
    if is_provisional(name):
        raise OptionError(
            f"name: {name!r} is of the form that tokens carry while they are being issued. Choose "
            "another."
        )


def parse_scopes(scopes: list[str] | None) -> tuple[str, ...] | None:
    """The scopes, sorted. :raises OptionError: where one cannot be the name of a scope."""
    if scopes is None:
        return None
    if not scopes:
        raise OptionError(
            "scopes: the list is empty, and a token without a scope can do nothing. "
            "Name at least one scope, or leave the option out to leave the scopes as they are."
        )
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise OptionError(
                f"scopes: {scope!r} is not the name of a scope. Give a list, one name such as "
                "metrics.read an entry."
            )
    return sorted_scopes(scopes)


def _parse_expiration_date(text: str | None, now: dt.datetime, state: str) -> dt.datetime | None:
    if text is None:
        return None
    moment = parse_timestamp(text)
    if moment is None:
        raise OptionError(
            f"expiration_date: {text!r} is not a point in time with a zone. Give one such as "
            "2030-01-31T12:00:00Z. For a period from now, use expires_in."
        )
    if state == "present":
        check_not_past(moment, now)
    return moment


def check_not_past(end: dt.datetime, now: dt.datetime) -> None:
    """Raise ``OptionError`` for an end that no new token can have."""
    if end <= now:
        raise OptionError(
            f"expiration_date: {format_timestamp(end)} lies in the past (it is "
            f"{format_timestamp(now)}). Give a date in the future."
        )
