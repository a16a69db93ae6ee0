# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run may do to tokens, and what has to be true after it, whatever happened before.

After every write, the tokens and the entries of the store are compared with those before it, and
the difference has to be one that
the run may make:

- A run for a name touches only tokens of its kind that have this name, and those that runs have
  issued and not named yet. A run for
  an id touches only the token with this id.
- Of the tokens of its name a run touches the one that the store holds, those that the store has as
  predecessors, what it issues
  itself, and what a run issued that was cut off before it had saved the secret. Any other, such as
  one that a person made under the
  same name, only where

  - it is the current one: the store holds none that lives, and its secret is given as token; or
    on_missing_secret is rotate or
    ignore, and it is the only one that lives or the one that on_duplicates points at;
  - or it has expired, and the run issues another one, or deletes all;
  - or the run deletes all of its name, and it is the only one that lives, or the store knows all of
    them.

- If a person renamed the token that the store holds, a run for its name touches nothing as long as
  that token lives.
- A token that works stops working through a run only if that is asked for (state: absent, enabled:
  false), or if another one has
  replaced it, its overlap is over, retire is true, and the secret in the store works at that
  moment. So from the first success on
  there is always one that works, unless people or time took it away. What nobody can have the
  secret of is no such token.
- A predecessor that was taken back by its id is a predecessor no more.
- What a run issued itself, and saw not to work, is deleted after the store has the old secret
  again.
- What was disabled is deleted only when the time that delete_after gave it is over.
- A predecessor loses neither its name nor its scopes to a run for its name.

After every run that succeeds:

- Check mode right before it told what it would do, and wrote nothing. If the run failed, check mode
  did with the same words, unless
  it was Dynatrace that refused.
- It reports a change if, and only if, Dynatrace or the store has something else than before. An
  intent does not count.
- What it returned works, is what the store holds, and has the scopes that were asked for. It
  returned a secret, unless the token is
  disabled and enabled was left out, or its secret is not known and that was to be ignored.
- The same again, in check mode, changes nothing and returns the same, unless it rotates always.
- No token that any run issued is without its name or forgotten: the store holds it, or has it as a
  predecessor. Whether a token is
  still one of these that a person has renamed is open.
- A new secret counts as handed over after a run that may retire, and not before.
- No predecessor is overdue, if retire is true and the token works.
- With state: absent there is none of them any more.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import typing as t

from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import Kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import (
    Token,
    final_name,
    is_provisional,
)

from support.memory import Faults

NAME = "ci"
MOVED = "moved"  # to which runs rename a token by its id
MANAGED = (NAME, MOVED)  # the names that runs are for
DAY = dt.timedelta(days=1)
TOLERANCE = dt.timedelta(seconds=5)  # a run knows the server's clock to the second

Options = dict[str, t.Any]
Result = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Trouble:
    """How a run is disturbed."""

    dies_before: int | None = None  # that write
    faults: Faults = dataclasses.field(default_factory=Faults)


NO_TROUBLE = Trouble()


class Scene(t.Protocol):
    """An environment and a store, whose clock and tokens people can change."""

    kind: Kind
    said: list[str]  # all that runs have said

    def now(self) -> dt.datetime: ...

    def wait(self, time: dt.timedelta) -> None: ...

    def tokens(self) -> dict[str, Token]:
        """All tokens, by id."""

    def entry(self, name: str) -> Entry: ...

    def find_working(self, secret: str | None) -> Token | None:
        """The token with this secret; None if it does not work."""

    def secret_of(self, entry: Entry) -> str | None: ...

    def known_secret(self, token: Token) -> str | None:
        """The secret of a token that a person can have."""

    def perform(
        self, options: Options, trouble: Trouble, watch: t.Callable[[], None], check_mode: bool
    ) -> Result | DynatraceError | None:
        """The result or the error of one run, None if it was killed. ``watch`` is called after
        each write."""

    def add(self, name: str, **fields: t.Any) -> None: ...

    def change(self, token: Token, **fields: t.Any) -> None: ...

    def delete(self, token: Token) -> None: ...


class Ledger:
    """What was seen last, and what runs have issued and promised until then."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.kind = scene.kind
        self.issued: set[str | None] = set()
        self.saved: set[str | None] = set()  # what the store held at any time
        self.renamed: set[str | None] = set()  # by people
        self.usable_until: dict[str | None, dt.datetime] = {}  # promised to what was replaced
        self.kept_until: dict[str | None, dt.datetime] = {}  # promised to what was disabled
        self.look()

    def look(self) -> None:
        self.tokens = self.scene.tokens()
        self.entries = {name: self.scene.entry(name) for name in MANAGED}

    def public_state(self) -> tuple[dict[str, Token], dict[str, Entry]]:
        """The tokens, and the entries without their intents."""
        entries = {}
        for name, entry in self.entries.items():
            public = dataclasses.replace(entry, intents=())
            entries[name] = Entry(entry.identity) if public.is_empty else public
        return self.tokens, entries

    def held(self, name: str) -> Token | None:
        """The token that the entry holds, unless a run has renamed it and was cut off."""
        token = self.tokens.get(self.entries[name].id or "")
        return None if token is None or self.has_moved(token, name) else token

    def has_moved(self, token: Token, name: str) -> bool:
        """Whether it has another name by now, whose entry knows it too."""
        has_other_name = token.name != name and token.name in MANAGED
        return has_other_name and token.id in self.known(token.name)

    def predecessors(self, name: str) -> set[str]:
        return {one.id for one in self.entries[name].predecessors if one.due is not None}

    def taken_back(self) -> set[str]:
        """The predecessors that stay, and that no entry has among those that go."""
        going = set().union(*map(self.predecessors, MANAGED))
        all_of_them = [one for entry in self.entries.values() for one in entry.predecessors]
        return {one.id for one in all_of_them} - going

    def known(self, name: str) -> set[str | None]:
        """The ids that the entry has, of what was taken back too."""
        entry = self.entries[name]
        return {entry.id, *(one.id for one in entry.predecessors)}

    def is_lost(self, token: Token) -> bool:
        """Whether a run issued it, and nobody has its secret."""
        if token.id not in self.issued - self.saved:
            return False
        return self.kind.marked_by != "name" or is_provisional(token.name)

    def is_doubtful(self, token: Token) -> bool:
        """Whether it is lost, and nothing but the ids that were there before marks it."""
        unmarked = self.kind.marked_by == "expiration_date" and token.expires is None
        return self.is_lost(token) and (self.kind.marked_by == "ids" or unmarked)

    def is_of_kind(self, token: Token, name: str) -> bool:
        return token.kind is self.kind and token.name == name

    def live(self, name: str) -> list[Token]:
        """The tokens of this name that a run can take for the current one, the oldest first."""
        gone = self.predecessors(name)
        live = [
            token
            for token in self.tokens.values()
            if self.is_of_kind(token, name)
            and not token.has_expired(self.scene.now())
            and token.id not in gone
            and not self.is_lost(token)
        ]
        return sorted(live, key=lambda token: (_creation(token, self.kind), token.id))


def _creation(token: Token, kind: Kind) -> float:
    told = token.created is not None and "creation_date" in kind.tells
    return token.created.timestamp() if told and token.created else 0.0


class WatchedRun:
    """A run that is going on, and whether it does only what it may do."""

    def __init__(self, ledger: Ledger, options: Options) -> None:
        self.ledger = ledger
        self.options = options
        self.token_id = options.get("token_id")
        self.name = options.get("name", "")
        self.is_absent = options.get("state") == "absent"
        self.start = ledger.scene.now()
        self.issued: set[str | None] = set()
        self.own: set[str | None] = {self.token_id}
        self.current: str | None = None
        if self.token_id is None:
            self.is_refused = self._is_to_be_refused()
            self.predecessors = ledger.predecessors(self.name)
            self.current = self._find_current()
            self.own = {ledger.entries[self.name].id, self.current, *self.predecessors}
            self.own.update(self._find_doomed())

    def perform(self, trouble: Trouble = NO_TROUBLE) -> Result | DynatraceError | None:
        return self.ledger.scene.perform(self.options, trouble, self.observe, check_mode=False)

    def observe(self) -> None:
        """It may do what it has just done."""
        ledger = self.ledger
        tokens, entries = ledger.tokens, ledger.entries
        ledger.look()
        for token_id, token in ledger.tokens.items():
            if token_id not in tokens:
                self._check_issued(token)
        for token_id, token in tokens.items():
            if ledger.tokens.get(token_id) != token:
                self._check_touched(token, ledger.tokens.get(token_id))
        for name, entry in entries.items():
            if ledger.entries[name] != entry:
                self._remember(entry, ledger.entries[name])
        for token_id in ledger.taken_back():
            ledger.usable_until.pop(token_id, None)
            ledger.kept_until.pop(token_id, None)

    def _span(self, option: str) -> dt.timedelta:
        return int(self.options.get(option, "0").rstrip("d")) * DAY

    def _is_to_be_refused(self) -> bool:
        held = self.ledger.held(self.name)
        return (
            held is not None
            and final_name(held.name) != self.name
            and not held.has_expired(self.start)
        )

    def _find_current(self) -> str | None:
        """What it may bring up to date or replace."""
        held = self.ledger.held(self.name)
        if held is not None and not held.has_expired(self.start):
            return held.id
        live = self.ledger.live(self.name)
        given = self.options.get("token")
        for token in live:
            # Also of a token that is disabled, and so does not work.
            if given is not None and self.ledger.scene.known_secret(token) == given:
                return token.id
        if "on_missing_secret" not in self.options or not live:
            return None
        if len(live) > 1 and "on_duplicates" not in self.options:
            return None
        return live[0 if self.options.get("on_duplicates") == "oldest" else -1].id

    def _find_doomed(self) -> set[str | None]:
        """What it may delete because all of this name is to go."""
        if not self.is_absent:
            return set()
        live = {token.id for token in self.ledger.live(self.name)}
        known = self.ledger.known(self.name)
        return live if len(live) == 1 or live <= known else set()

    def _remember(self, before: Entry, saved: Entry) -> None:
        """What it has promised with what it has put into the store."""
        ledger = self.ledger
        if saved.id not in (None, before.id):
            ledger.saved.add(saved.id)
            if saved.id in self.issued and self.current is not None:
                ledger.usable_until[self.current] = self.start + self._span("overlap")
        for predecessor in set(saved.predecessors) - set(before.predecessors):
            if predecessor.id in self.issued:  # it was seen not to work
                ledger.usable_until[predecessor.id] = self.start
            if predecessor.delete_at is not None:
                ledger.kept_until[predecessor.id] = self.start + self._span("delete_after")

    def _check_issued(self, token: Token) -> None:
        assert self.token_id is None
        assert not self.is_absent
        assert token.kind is self.ledger.kind
        assert final_name(token.name) == self.name
        assert is_provisional(token.name) == (token.kind.marked_by == "name")
        self.ledger.issued.add(token.id)
        self.issued.add(token.id)

    def _check_touched(self, before: Token, after: Token | None) -> None:
        assert self._may_touch(before), before
        is_lost = self.ledger.is_lost(before)
        if self.token_id is None and not is_lost:
            self._check_predecessor(before, after)
        works_after = after is not None and self._works(after)
        if self._works(before) and not works_after and not is_lost:
            self._check_end(before, deleted=after is None)

    def _check_predecessor(self, before: Token, after: Token | None) -> None:
        now = self.ledger.scene.now()
        if after is None and not self.is_absent:
            assert now > self.ledger.kept_until.get(before.id, self.start) - TOLERANCE
        elif after is not None and before.id in self.predecessors:
            assert dataclasses.replace(after, enabled=before.enabled) == before

    def _works(self, token: Token) -> bool:
        return token.enabled and not token.has_expired(self.ledger.scene.now())

    def _may_touch(self, token: Token) -> bool:
        if self.token_id is not None:
            return token.id == self.token_id
        is_new = is_provisional(token.name) and token.id in self.ledger.issued
        has_name = token.name == self.name or (is_new and final_name(token.name) == self.name)
        if self.is_refused or token.kind is not self.ledger.kind or not has_name:
            return False
        if token.id in self.own | self.issued:
            return True
        if token.id in self.ledger.renamed & (self.ledger.issued - self.ledger.saved):
            return True  # whether it still is of the run that issued it is open
        if self.ledger.is_lost(token):
            return not self.ledger.is_doubtful(token)
        return token.has_expired(self.start) and (bool(self.issued) or self.is_absent)

    def _check_end(self, token: Token, deleted: bool) -> None:
        """What has worked until now may go."""
        ledger, options = self.ledger, self.options
        if self.is_absent:
            return
        if deleted and token.id in self.issued:  # it was seen not to work
            assert ledger.entries[self.name].id != token.id
            return
        if options.get("enabled") is False:
            assert not deleted or token.id in ledger.usable_until
            return
        assert self.token_id is None
        assert options.get("retire", True)
        assert token.id in ledger.usable_until
        assert ledger.scene.now() > ledger.usable_until[token.id] - TOLERANCE
        if deleted and self._span("delete_after") and "enabled" in ledger.kind.changes:
            assert token.id in ledger.kept_until
        secret = ledger.scene.secret_of(ledger.entries[self.name])
        other = ledger.scene.find_working(secret)
        assert other is not None
        assert other.name == self.name
        assert other.id != token.id


def run_and_check(ledger: Ledger, options: Options) -> Result | None:
    """One run, and check mode before and after it; its result if it has one."""
    foretold = _run_in_check_mode(ledger, options)
    before, entries = ledger.public_state(), ledger.entries
    result = WatchedRun(ledger, options).perform()
    if isinstance(foretold, DynatraceError) or isinstance(result, DynatraceError):
        assert str(foretold) == str(result) or "Dynatrace answered 400" in str(result)
        return None
    assert foretold is not None
    assert result is not None
    for key in ("action", "changed", "diff", "retired", "store_updated"):
        assert foretold[key] == result[key], key
    assert result["changed"] == (ledger.public_state() != before)
    _check_result(ledger, options, result)
    _check_order(ledger, options, result)
    _check_hand_over(entries, options, result)
    _check_again(ledger, options, result)
    return result


def _run_in_check_mode(ledger: Ledger, options: Options) -> Result | DynatraceError | None:
    before = ledger.tokens, ledger.entries
    result = ledger.scene.perform(options, NO_TROUBLE, _nothing_may_be_written, check_mode=True)
    ledger.look()
    assert (ledger.tokens, ledger.entries) == before
    return result


def _nothing_may_be_written() -> None:
    raise AssertionError("check mode wrote something")


def _check_again(ledger: Ledger, options: Options, result: Result) -> None:
    if options.get("rotate") == "always":
        return
    again = _run_in_check_mode(ledger, options)
    assert isinstance(again, dict), again
    assert not again["changed"], again
    assert again["token"] == result["token"] or not result["usable"]


def _check_result(ledger: Ledger, options: Options, result: Result) -> None:
    if options.get("state") == "absent" or "token_id" in options:
        _check_result_by_id(ledger, options, result)
        return
    if result["token"] is None:
        is_ignored = options.get("on_missing_secret") == "ignore"
        assert not result["usable"] or (is_ignored and not result["secret_available"])
        assert result["usable"] or not options.get("enabled")
        return
    token = ledger.scene.find_working(result["token"])
    if result["usable"]:
        assert token == ledger.tokens[result["token_id"]]
        assert token.name == options["name"]
    if "scopes" in options and options.get("on_immutable_change") != "ignore":
        assert ledger.tokens[result["token_id"]].scopes == tuple(sorted(options["scopes"]))
    assert ledger.entries[options["name"]].id == result["token_id"]


def _check_result_by_id(ledger: Ledger, options: Options, result: Result) -> None:
    if options.get("state") == "absent":
        assert result["token"] is None
        assert options.get("token_id") not in ledger.tokens
        return
    token = ledger.tokens[options["token_id"]]
    assert result["token_id"] == token.id
    if "name" in ledger.kind.changes:
        assert token.name == options.get("name", token.name)
    if result["token"] is not None:
        assert ledger.scene.find_working(result["token"]) == token


def _check_hand_over(entries: dict[str, Entry], options: Options, result: Result) -> None:
    """Only a run that may retire says that the users of a new secret have it."""
    if "token_id" in options or "token" in options or result["handed_over"] is None:
        return
    before = entries[options["name"]]
    was_handed_over = before.id == result["token_id"] and before.handed_over
    assert result["handed_over"] == (options.get("retire", True) or was_handed_over)


def _check_order(ledger: Ledger, options: Options, result: Result) -> None:
    name = options.get("name")
    if name is None or "token_id" in options:
        return
    entry = ledger.entries[name]
    assert entry.intents == () or ledger.kind.marked_by != "name"
    for token in ledger.tokens.values():
        if token.id in ledger.issued - ledger.renamed and final_name(token.name) == name:
            assert token.name == name
            assert token.id in ledger.known(name) or ledger.is_doubtful(token), token
    if result["usable"] and options.get("retire", True):
        late = ledger.scene.now() - TOLERANCE
        assert [one for one in entry.predecessors if one.due and one.due <= late] == []
    if options.get("state") == "absent":
        assert (entry.id, entry.predecessors) == (None, ())
        assert ledger.live(name) == [] or entry.intents  # which say that it may be a leftover
