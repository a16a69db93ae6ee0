# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever becomes of a token in a long life: runs with all kinds of options, runs that are killed, time, and people.

Each example is such a life of the token "ci", with a store, against the stand-in. A run happens in this process, and its requests
and what it writes into the store pass by here. So it can be killed right before any of its writes: from then on nothing that it
does has any effect, clean-up included. All that lies between two writes only reads, so no other moment leaves anything else. Beside
the entry in the store a kill leaves half a file.

After every write that reaches Dynatrace, what there is now is compared with what there was, and the difference has to be one that
the run may make:

- A run touches only API tokens that are named "ci", and those that runs have made and not named yet.
- Of these it touches the one that the store holds, those that the store has as retiring, what it makes itself, and what a run made
  that was cut off before it had saved the secret. Any other, such as one that a person made under the same name, only where

  - it is the current one: the store holds none that lives, on_missing_secret is rotate, and it is the only one that lives or the one
    that on_duplicates points at. It is replaced then; if it is disabled and is to stay so, its scopes are set;
  - or it has expired, and the run issues another one.

- If the token that the store holds was renamed by hand, a run touches nothing as long as that one lives.
- A token that works stops working through a run only where another one has replaced it, its overlap is over, retire is true, and the
  secret in the store works at that moment. So from the first success on there is always one that works, unless people or time took
  it away, and what was handed out last works until then. What nobody can have the secret of is no such token.
- What was disabled is deleted only when the time that delete_after gave it is over.
- A retiring token loses neither its name nor its scopes.

After every run that succeeds:

- Check mode right before it told what it would do, and wrote nothing. Where the run failed, check mode did with the same words,
  unless it was Dynatrace that refused.
- It says that it changed something if, and only if, Dynatrace or the store has something else than before. An intent does not count.
- What it handed out works, is what the store holds, and has the scopes that were asked for. It handed out something, unless the
  token is disabled and enabled was left out.
- No token that it or any earlier run made is without its name or forgotten: the store holds it, or has it as retiring. Whether a
  token is still one of these that a person has given another name, and then this one again, is open.
- Nothing is overdue, if retire is true and the token works.

In the end a person gives back its name to what the store holds, if it was renamed, because no run goes on before that. Then a run
makes everything normal, and the same run again changes nothing. A week later nothing is left of what was replaced. No secret stood
anywhere but under the key token of a result.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import itertools
import json
import os
import pathlib
import tempfile
import typing as t

import pytest
import requests
from ansible_collections.community.dynatrace.plugins.module_utils._http import client
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Entry
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._options import TOKEN_OPTIONS
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import Runtime
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import manage_token
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.ansible_vault import (
    AnsibleVault,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.file import FileStore
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.stand_in import Environment, new_environment

NAME = "ci"
PROVISIONAL = NAME + " ~pending-"
RENAMED = "renamed"
DAY = dt.timedelta(days=1)
TOLERANCE = dt.timedelta(seconds=5)  # a run knows the server's clock to the second
DATES = [
    f"{dt.datetime.now(dt.timezone.utc) + days * DAY:%Y-%m-%dT%H:%M:%SZ}" for days in (50, 5000)
]
DEFAULTS = {name: option.get("default") for name, option in TOKEN_OPTIONS.items()}

Options = dict[str, t.Any]


class Run(t.NamedTuple):
    options: Options


class KilledRun(t.NamedTuple):
    options: Options
    before_write: int  # or at its end


class Wait(t.NamedTuple):
    days: int


class ByHand(t.NamedTuple):
    """What a person does with a token: with the one that the store holds, or the newest of the others."""

    does: str
    to: str


class MadeByHand(t.NamedTuple):
    name: str
    facts: Options


Step = t.Union[Run, KilledRun, Wait, ByHand, MadeByHand]

SCOPES = [["metrics.read"], ["logs.read", "metrics.read"]]
EXPIRING = {"expires_in": "30d", "rotate": "expiring", "rotate_before": "7d"}
ALWAYS = {"rotate": "always"}
DATED = [{"expiration_date": date, "on_immutable_change": "rotate"} for date in DATES]
SPANS = [{}, {"overlap": "2d"}, {"delete_after": "3d"}, {"overlap": "2d", "delete_after": "3d"}]
CHOICES = {
    "retire": st.booleans(),
    "on_missing_secret": st.just("rotate"),
    "on_duplicates": st.sampled_from(["newest", "oldest"]),
    "enabled": st.just(True),
}
NORMAL: Options = {"on_missing_secret": "rotate", "enabled": True}
NORMALLY = [
    {**NORMAL, "scopes": scopes, "on_duplicates": duplicates, **life, **spans}
    for scopes, duplicates, life, spans in itertools.product(
        SCOPES, ["newest", "oldest"], [{}, EXPIRING], SPANS
    )
]


def _merge(*parts: Options) -> Options:
    return {name: value for part in parts for name, value in part.items()}


def _options(*lives: Options) -> st.SearchStrategy[Options]:
    scopes = st.fixed_dictionaries({"scopes": st.sampled_from(SCOPES)})
    return st.builds(
        _merge,
        scopes,
        st.sampled_from(lives),
        st.sampled_from(SPANS),
        st.fixed_dictionaries({}, optional=CHOICES),
    )


MILD = _options({}, EXPIRING, EXPIRING, *DATED)
ROTATING = _options(ALWAYS)
MOMENTS = st.integers(1, 7)  # a rotation writes six times, if nothing was left for it to do
BY_HAND = st.builds(
    ByHand,
    st.sampled_from(["disable", "enable", "delete", "rename", "name again"]),
    st.sampled_from(["held", "other"]),
)
MADE_BY_HAND = st.builds(
    MadeByHand,
    st.sampled_from([NAME, NAME, NAME, "other", PROVISIONAL + "0123456789abcdef"]),
    st.sampled_from([{}, {"expirationDate": "now+10d"}, {"personalAccessToken": True}]),
)
STEPS = st.one_of(
    st.builds(Run, MILD),
    st.builds(Run, ROTATING),
    st.builds(KilledRun, MILD, MOMENTS),
    st.builds(KilledRun, ROTATING, MOMENTS),
    st.builds(Wait, st.sampled_from([1, 3, 24, 31])),
    BY_HAND,
    MADE_BY_HAND,
)
# unique_by, because otherwise most of the examples would be earlier ones with a step in two places.
HISTORIES = st.lists(STEPS, min_size=3, max_size=12, unique_by=id)


class Killed(BaseException):
    """The end of a process."""


class Process:
    """What a run has of the world, until it dies right before one of its writes."""

    def __init__(self, dies_before: int | None) -> None:
        self.writes = 0
        self._dies_before = dies_before

    def read(self, act: t.Callable[[], t.Any]) -> t.Any:
        if self._dies_before is not None and self.writes >= self._dies_before:
            raise Killed
        return act()

    def write(self, act: t.Callable[[], t.Any]) -> t.Any:
        self.writes += 1
        return self.read(act)


class Session:
    """A session whose requests are those of a process."""

    def __init__(
        self, session: requests.Session, process: Process, watch: t.Callable[[], None]
    ) -> None:
        self._session = session
        self._process = process
        self._watch = watch
        self.close = session.close

    def request(self, method: str, url: str, **more: t.Any) -> requests.Response:
        send = functools.partial(self._session.request, method, url, **more)
        if method == "GET" or url.endswith("/lookup"):
            return self._process.read(send)
        response = self._process.write(send)
        self._watch()
        return response


def _store(
    folder: pathlib.Path, warn: t.Callable[[str], None], cls: type[FileStore] = FileStore
) -> FileStore:
    return cls(str(folder), "here", AnsibleVault([], None), False, warn)


class ProcessStore(FileStore):
    """The store as a process has it."""

    process: Process
    watch: t.Callable[[Entry], None]

    def load(self, name: str, personal_access_token: bool) -> Entry:
        return self.process.read(
            lambda: super(ProcessStore, self).load(name, personal_access_token)
        )

    def save(self, entry: Entry) -> Entry:
        saved = self.process.write(lambda: super(ProcessStore, self).save(entry))
        self.watch(saved)
        return saved

    def remove(self, entry: Entry) -> None:
        self.process.write(lambda: super(ProcessStore, self).remove(entry))


@dataclasses.dataclass(frozen=True)
class Token:
    """What Dynatrace tells of a token, but for when it was used and changed."""

    id: str
    name: str
    enabled: bool
    personal_access_token: bool
    scopes: tuple[str, ...]
    created: str
    expires: str | None

    @classmethod
    def from_json(cls, data: t.Mapping[str, t.Any]) -> Token:
        return cls(
            id=data["id"],
            name=data["name"],
            enabled=data["enabled"],
            personal_access_token=data["personalAccessToken"],
            scopes=tuple(sorted(data["scopes"])),
            created=data["creationDate"],
            expires=data.get("expirationDate"),
        )

    @property
    def bears_name(self) -> bool:
        return self.name == NAME and not self.personal_access_token

    @property
    def is_provisional(self) -> bool:
        return self.name.startswith(PROVISIONAL)

    def ended(self, now: dt.datetime) -> bool:
        return self.expires is not None and dt.datetime.fromisoformat(self.expires) <= now

    def works(self, now: dt.datetime) -> bool:
        return self.enabled and not self.ended(now)


class World:
    """The environment and the store, and what is known of them."""

    def __init__(self, environment: Environment, folder: pathlib.Path) -> None:
        self.environment = environment
        self.folder = folder
        self.tokens: dict[str, Token] = {}  # as they were last seen
        self.made: set[str] = set()  # by runs
        self.renamed: set[str] = set()  # by people
        self.held: set[str] = set()  # by the store at any time
        self.works_until: dict[str, dt.datetime] = {}  # promised to what was replaced
        self.kept_until: dict[str, dt.datetime] = {}  # promised to what was disabled
        self.said: list[str] = []
        self._store = _store(folder, self.said.append)
        self._read: tuple[bytes | None, Entry] = (None, Entry(NAME, False))
        self._ahead = dt.timedelta(0)

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.timezone.utc) + self._ahead

    def wait(self, days: int = 0) -> None:
        """Let time pass: a minute, or days and an hour, so that nothing is due at the very moment at which something else happens."""
        minutes = days * 24 * 60 + 60 if days else 1
        self.environment.set_clock(f"now+{minutes}m")
        self._ahead += dt.timedelta(minutes=minutes)

    @property
    def _file(self) -> pathlib.Path:
        return self.folder / "here" / f"{NAME}.yml"

    def content(self) -> bytes | None:
        return self._file.read_bytes() if self._file.exists() else None

    def entry(self) -> Entry:
        if self._read[0] != self.content():
            self._read = (self.content(), self._store.load(NAME, False))
        return self._read[1] if self._read[0] is not None else Entry(NAME, False)

    def retiring(self) -> set[str]:
        return {note.id for note in self.entry().retiring}

    def leave_half_a_file(self) -> None:
        """What a kill amid a write leaves."""
        if self._file.parent.exists():
            self._file.with_name(f".{self._file.name}.new").write_text("# A Dynatrace acc")

    def look(self) -> None:
        self.tokens = {data["id"]: Token.from_json(data) for data in self.environment.tokens()}

    def tell(self, secret: str) -> Token | None:
        """The token with this secret, asked for with it; None where it does not work."""
        answer = self.environment.call("POST", "/lookup", token=secret, json={"token": secret})
        return Token.from_json(answer.json()) if answer.ok else None

    def tell_held(self) -> Token | None:
        """The same for the secret in the store."""
        secret = self._store.unseal(self.entry())
        return self.tell(secret.reveal()) if secret else None

    def held_token(self) -> Token | None:
        return self.tokens.get(self.entry().id or "")

    def is_orphan(self, token: Token) -> bool:
        """Whether a run made it, and nobody has its secret."""
        return token.id in self.made - self.held and token.is_provisional

    def issue(self, step: MadeByHand) -> None:
        self.environment.issue(step.name, **step.facts)
        self.look()

    def touch(self, step: ByHand) -> None:
        token = self.held_token() if step.to == "held" else self._other()
        if token is None:
            return
        if step.does == "delete":
            self.environment.call("DELETE", f"/{token.id}").raise_for_status()
        elif step.does in ("disable", "enable"):
            self._put(token, enabled=step.does == "enable")
        else:
            self._put(token, name=RENAMED if step.does == "rename" else NAME)
            self.renamed.add(token.id)
        self.look()

    def _other(self) -> Token | None:
        held = self.entry().id
        others = [
            token
            for token in self.tokens.values()
            if token.id != held and (token.bears_name or token.id in self.made)
        ]
        return max(others, key=lambda token: token.created, default=None)

    def _put(self, token: Token, **facts: t.Any) -> None:
        body = {"name": token.name, "enabled": token.enabled, "scopes": list(token.scopes), **facts}
        self.environment.call("PUT", f"/{token.id}", json=body).raise_for_status()


class Going:
    """A run that is going on, and whether it keeps to what it may do."""

    def __init__(self, world: World, options: Options, dies_before: int | None = None) -> None:
        self.world = world
        self.options = options
        self.process = Process(dies_before)
        self.start = world.now()
        self.entry = world.entry()
        self.refused = self._is_to_be_refused()
        self.current = self._find_current()
        self.made: set[str] = set()

    def perform(self, check_mode: bool = False) -> Options | DynatraceError | None:
        """Its result or its error; None where it was killed."""
        say = self.world.said.append
        store = t.cast(ProcessStore, _store(self.world.folder, say, ProcessStore))
        store.process, store.watch = self.process, self.remember
        runtime = Runtime(
            check_mode,
            hands_out=True,
            may_issue=True,
            warn=say,
            store=store,
            sleep=lambda _seconds: None,
        )
        environment = self.world.environment
        where = {
            "environment_url": environment.url,
            "api_token": environment.api_token,
            "api_version": environment.api_version,
        }
        real = client.session_for
        try:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(
                    client,
                    "session_for",
                    lambda connection: Session(real(connection), self.process, self.compare),
                )
                result, line = manage_token(
                    {**DEFAULTS, **where, "name": NAME, **self.options}, runtime
                )
        except Killed:
            self.world.leave_half_a_file()
            return None
        except DynatraceError as error:
            say(repr(error))
            return error
        say(line)
        say(json.dumps({**result, "token": None}))
        return result

    def remember(self, saved: Entry) -> None:
        """What it has promised with what it has put into the store."""
        if saved.id is not None and saved.id != self.entry.id:
            assert saved.id in self.made
            self.world.held.add(saved.id)
            if self.current is not None:
                self.world.works_until[self.current] = self.start + self._span("overlap")
        for note in saved.retiring:
            if note.delete_at is not None and note not in self.entry.retiring:
                self.world.kept_until[note.id] = self.start + self._span("delete_after")

    def compare(self) -> None:
        """It may do what it has just done."""
        before, _looked = self.world.tokens, self.world.look()
        for token in self.world.tokens.values():
            if token.id not in before:
                assert token.is_provisional
                assert not token.personal_access_token
                self.world.made.add(token.id)
                self.made.add(token.id)
        for token in before.values():
            if self.world.tokens.get(token.id) != token:
                self._check_touched(token, self.world.tokens.get(token.id))

    def _span(self, option: str) -> dt.timedelta:
        return int(self.options.get(option, "0").rstrip("d")) * DAY

    def _is_to_be_refused(self) -> bool:
        held = self.world.held_token()
        return (
            held is not None
            and not held.bears_name
            and not held.is_provisional
            and not held.ended(self.start)
        )

    def _find_current(self) -> str | None:
        """What it may bring up to date or replace."""
        held = self.world.held_token()
        if held is not None and not held.ended(self.start):
            return held.id
        retiring = self.world.retiring()
        live = [
            token
            for token in self.world.tokens.values()
            if token.bears_name and not token.ended(self.start)
        ]
        live = sorted(
            (token for token in live if token.id not in retiring), key=lambda token: token.created
        )
        if (
            not live
            or self.options.get("on_missing_secret") != "rotate"
            or (len(live) > 1 and "on_duplicates" not in self.options)
        ):
            return None
        return live[0 if self.options.get("on_duplicates") == "oldest" else -1].id

    def _check_touched(self, token: Token, now: Token | None) -> None:
        assert self._may_touch(token)
        if now is None:
            assert self.world.now() > self.world.kept_until.get(token.id, self.start) - TOLERANCE
        elif token.id in self.world.retiring():
            assert dataclasses.replace(now, enabled=token.enabled) == token
        if (
            token.works(self.world.now())
            and not (now and now.enabled)
            and not self.world.is_orphan(token)
        ):
            self._check_end(token, deleted=now is None)

    def _may_touch(self, token: Token) -> bool:
        if self.refused or not (
            token.bears_name or (token.id in self.world.made and token.is_provisional)
        ):
            return False
        own = {self.entry.id, self.current, *self.made, *(note.id for note in self.entry.retiring)}
        return (
            token.id in own
            or self.world.is_orphan(token)
            or (token.ended(self.start) and bool(self.made))
        )

    def _check_end(self, token: Token, deleted: bool) -> None:
        """What has worked until now may go."""
        world = self.world
        assert self.options.get("retire", True)
        assert token.id in world.works_until
        assert world.now() > world.works_until[token.id] - TOLERANCE
        assert not deleted or token.id in world.kept_until or not self._span("delete_after")
        other = world.tell_held()
        assert other is not None
        assert other.bears_name
        assert other.id != token.id


def run(world: World, options: Options) -> Options | None:
    """One run, and check mode before it; its result, if it has one."""
    tokens, entry, content = world.tokens, world.entry(), world.content()
    rehearsal = Going(world, options)
    told = rehearsal.perform(check_mode=True)
    assert (rehearsal.process.writes, world.content()) == (0, content)
    done = Going(world, options).perform()
    if isinstance(told, DynatraceError) or isinstance(done, DynatraceError):
        assert str(told) == str(done) or "Dynatrace answered 400" in str(done)
        return None
    assert told is not None
    assert done is not None
    for key in ("action", "changed", "diff", "retired", "store_updated"):
        assert told[key] == done[key], key
    assert done["changed"] == (
        world.tokens != tokens or world.entry() != dataclasses.replace(entry, intent=None)
    )
    return done


def run_and_check(world: World, options: Options) -> Options | None:
    result = run(world, options)
    if result is not None:
        check_result(world, options, result)
        check_order(world, options, result)
    return result


def check_result(world: World, options: Options, result: Options) -> None:
    assert (result["token"] is not None) == result["usable"]
    if result["token"] is None:
        assert "enabled" not in options
        return
    token = world.tell(result["token"])
    assert token == world.tokens[result["token_id"]]
    assert token.bears_name
    assert list(token.scopes) == options["scopes"]
    assert world.entry().id == token.id


def check_order(world: World, options: Options, result: Options) -> None:
    entry = world.entry()
    assert entry.intent is None
    for token in world.tokens.values():
        if token.id in world.made - world.renamed:
            assert token.name == NAME
            assert token.id in {entry.id, *world.retiring()}
    if result["usable"] and options.get("retire", True):
        assert [note for note in entry.retiring if note.due <= world.now() - TOLERANCE] == []


def check_end(world: World, options: Options) -> None:
    held = world.held_token()
    if held is not None and held.name == RENAMED:
        world.touch(ByHand("name again", "held"))
    first = run_and_check(world, options)
    world.wait()
    world.environment.forget_requests()
    second = run_and_check(world, options)
    assert first is not None
    assert second is not None
    assert (second["changed"], world.environment.writes()) == (False, [])
    assert second["token"] is not None
    assert second["token"] == first["token"]
    for days, last in ((3, {}), (4, {"overlap": "0", "delete_after": "0"})):
        world.wait(days)
        assert run_and_check(world, {**options, "rotate": "never", **last})
    assert world.retiring() == set()
    assert {
        token.id for token in world.tokens.values() if token.id in world.made - world.renamed
    } <= {world.entry().id}


def take(world: World, step: Step) -> None:
    if isinstance(step, Run):
        run_and_check(world, step.options)
    elif isinstance(step, KilledRun):
        Going(world, step.options, step.before_write).perform()
    elif isinstance(step, Wait):
        world.wait(step.days)
    elif isinstance(step, ByHand):
        world.touch(step)
    else:
        world.issue(step)
    world.wait()


PLAIN: Options = {"scopes": SCOPES[0]}
OVERLAPPING = {**PLAIN, **ALWAYS, "overlap": "2d"}
UNNAMED = KilledRun(PLAIN, 4)  # the secret is saved, and the token has not got its name


@settings(
    max_examples=int(os.environ.get("HISTORIES", "40")),
    deadline=None,
    derandomize=False,
    database=None,
)
@given(steps=HISTORIES, normal=st.sampled_from(NORMALLY))
@example(
    steps=[KilledRun({**PLAIN, **EXPIRING}, 4), Wait(31), Run({**PLAIN, "retire": False})],
    normal=NORMALLY[0],
)
@example(
    steps=[KilledRun({**PLAIN, **EXPIRING}, 4), Wait(31), KilledRun(PLAIN, 3)], normal=NORMALLY[0]
)
@example(steps=[UNNAMED, Run(OVERLAPPING), Wait(3)], normal=NORMALLY[0])
@example(steps=[UNNAMED, KilledRun({**PLAIN, **ALWAYS}, 4)], normal=NORMALLY[0])
@example(
    steps=[Run(PLAIN), Run(OVERLAPPING), ByHand("disable", "held"), Wait(3), Run(PLAIN)],
    normal=NORMALLY[0],
)
@example(
    steps=[Run(PLAIN), Run(OVERLAPPING), ByHand("rename", "other"), Wait(3), Run(PLAIN)],
    normal=NORMALLY[0],
)
@example(steps=[MadeByHand(NAME, {}), MadeByHand(NAME, {})], normal=NORMALLY[0])
@example(steps=[Run(PLAIN), Run(OVERLAPPING), ByHand("rename", "held")], normal=NORMALLY[0])
@example(steps=[UNNAMED, ByHand("rename", "held")], normal=NORMALLY[0])
@example(steps=[Run({**PLAIN, **EXPIRING}), ByHand("rename", "held"), Wait(31)], normal=NORMALLY[0])
def test_there_is_always_a_token_that_works_and_the_next_run_puts_all_right(
    server: Environment, steps: list[Step], normal: Options
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(new_environment(server), pathlib.Path(folder))
        for step in steps:
            take(world, step)
        check_end(world, normal)
        said = "\n".join(world.said)
        assert [
            secret for secret in world.environment.secrets() if secret.rpartition(".")[2] in said
        ] == []
