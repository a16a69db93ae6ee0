# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by the actions: options of all sources, in process or shipped, no secret in any output."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import time
import traceback
import typing as t
import weakref

from ansible import constants, context
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import around
from ansible_collections.community.dynatrace.plugins.module_utils._long_waits import LongWaits
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    HIDDEN,
    Redactor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.specification import (
    parse_identities,
    parse_identity,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import Identity
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    NoStore,
    RunContext,
    Store,
)
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import (
    Report,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
from ansible_collections.community.dynatrace.plugins.plugin_utils._masking import mask
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
    store_from,
    variables_as_environment,
    without_secrets,
)

Params = t.Mapping[str, t.Any]

_SAID_EVERY = 3.0  # seconds

# How the names of variables begin that options are read from. A shipped module gets the options as
# arguments, and Ansible's ssh prints its variables at -vvv, also under no_log.
_READ_FROM = ("DYNATRACE_", "DT_", "ANSIBLE_HASHI_VAULT_", "VAULT_", "BAO_", "AWS_", "EC2_")

# What ansible-console calls its play. Like ansible, it prints every result.
_CONSOLE_PLAY = "Ansible Shell"

REVEALS_TO_NOBODY = (
    "reveal: nothing prints the result of a task in a playbook, so the secret would be lost. "
    "Nothing was done. Keep the secret with store, or hand it to later tasks with register. "
    "Only the commands ansible and ansible-console print a secret with reveal alone."
)

display = Display()


class _Asked(t.NamedTuple):
    """A task as it was before its secrets were hidden."""

    args: dict[str, t.Any]
    environment: dict[str, str]
    no_log: bool
    shown: dict[str, t.Any]  # the arguments that were left in their place


# The tasks that may run again, under until or retries: in the same process, with the same task.
_asked: weakref.WeakKeyDictionary[t.Any, _Asked] = weakref.WeakKeyDictionary()


class DynatraceAction(ActionBase):  # type: ignore[misc]
    """Runs its task in process where the connection is local, and ships its module elsewhere."""

    _supports_async = False

    MODULE: str
    OPTIONS: t.Mapping[str, t.Mapping[str, t.Any]]
    PERFORM: t.Callable[[Params, RunContext], Report]

    def run(
        self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        asked = self._ask()
        self._own_no_log = asked.no_log
        self._own_environment = asked.environment
        # The options, as the task has them until they are resolved.
        self._given = dict(asked.args)
        self._redactor = Redactor()
        self._store: Store = NoStore()
        self._last_said = time.monotonic()
        try:
            self._redactor.hide(*known_secrets(self._given, self.OPTIONS))
            self._forget_secret_arguments()
            self._forget_secret_environment()
            report = self._perform()
        except DynatraceError as error:
            report = _failure(str(error))
        except AnsibleError:
            self._task.no_log = self._own_no_log
            raise
        except Exception as error:
            # Not left to Ansible: its traceback would show the message as it is.
            report = _failure(str(unexpected(error)))
            # The frames only: a chained exception could quote what nobody knows to be a secret.
            frames = "".join(traceback.format_tb(error.__traceback__))
            display.vvv(self._redactor.text(frames))
        return self._mark(report)

    def refuse(self) -> None:
        """Raise ``Refused`` where the task cannot be run the way it was called."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """What to hold while the task is performed. The store is open by then."""
        return contextlib.nullcontext()

    def _ask(self) -> _Asked:
        """The task as its author wrote it, also where an earlier attempt hid its secrets."""
        asked = _asked.get(self._task)
        if asked is not None and asked.shown == self._task.args:
            return asked
        layers = self._task.environment or []
        environment = {
            str(name): str(value)
            for layer in layers
            if isinstance(layer, t.Mapping)
            for name, value in layer.items()
        }
        return _Asked(dict(self._task.args), environment, self._task.no_log, {})

    def _perform(self) -> Report:
        self._given = resolve_options(self._given, self.OPTIONS, self._environments())
        self._redactor.hide(*known_secrets(self._given, self.OPTIONS))
        self._forget_secret_environment()
        self.refuse()
        self._store = self._open_store()
        run = RunContext(
            check_mode=bool(self._task.check_mode),
            return_secret=self._hands_out(),
            secret_has_receiver=self._store.keeps or (self._hands_out() and not self._task.until),
            warn=self._warn,
            store=self._store,
            on_secret_expected=self._hide_task,
            progress=self._say_progress,
            say=self._say,
            redactor=self._redactor,
        )
        with self.lock():
            if self._connection.transport == "local":
                return type(self).PERFORM(self._given, run)
            return self._ship(run)

    def _open_store(self) -> Store:
        options = self._given
        if not options.get("store"):
            return NoStore()
        if self._connection.transport != "local":
            raise Refused(self._store_is_out_of_reach())
        opening = StoreContext(
            self._loader.get_basedir(),
            self._loader,
            [self._store_variables(), *self._environments()],
            self._warn,
            self._redactor,
        )
        return store_from(options["store"], opening)

    def _store_variables(self) -> dict[str, str]:
        return variables_as_environment(self._task_vars, self._templar.template)

    def _store_is_out_of_reach(self) -> str:
        if self._task.delegate_to == "localhost":
            return (
                "store: it is kept on the controller, and the inventory has localhost with the "
                f"connection {self._connection.transport}, so that this task would leave the "
                "controller. Nothing was done. Set ansible_connection: local for localhost in the "
                "inventory, or leave localhost out of it."
            )
        return (
            "store: it is kept on the controller, and this task would run on another host. Nothing "
            "was done. Say delegate_to: localhost, with proxy if Dynatrace can only be reached "
            "through one, or have no store (store: '') and register the token."
        )

    def _ship(self, run: RunContext) -> Report:
        """Run the module on the host, with the resolved options.

        Its ``reveal`` says whether the secret may leave the host.
        """
        arguments = _without_none(self._given)
        if "reveal" in self.OPTIONS:
            arguments["reveal"] = run.secret_has_receiver
            run.on_secret_expected()
        result = self._run_module(arguments)
        if "module_stdout" in result:
            # The answer may hold a secret that nothing tells from the rest of it.
            raise DynatraceError(
                f"The module's answer from this host could not be read: {result.get('msg')}. "
                "If a token was issued, nobody knows its secret: look for it with "
                "dynatrace_token_info, and delete it."
            )
        result.pop("invocation", None)
        for warning in result.pop("warnings", []):
            run.warn(_text_of(warning))
        if run.return_secret:
            self._return_given_secrets(result)
        return Report(result, str(result.pop("public_line", result.get("msg", ""))))

    def _return_given_secrets(self, result: dict[str, t.Any]) -> None:
        """Put back what a module cannot return, because it was given to it as a secret."""
        specifications = self._given.get("tokens") or [self._given]
        for part, given in zip(_parts(result) or [result], specifications):
            is_kept = part.get("action") in ("none", "updated")
            if is_kept and part["secret_available"] and part["usable"]:
                part["token"] = given["token"]

    def _run_module(self, arguments: Params) -> dict[str, t.Any]:
        try:
            with self._hidden_connection():
                result: dict[str, t.Any] = self._execute_module(
                    module_name=self.MODULE, module_args=arguments, task_vars=self._task_vars
                )
                return result
        except AnsibleConnectionFailure:
            # The reason is hidden too. A harmless command fails for the same one, and shows it.
            self._low_level_execute_command("exit 0", sudoable=False)
            raise

    @contextlib.contextmanager
    def _hidden_connection(self) -> t.Iterator[None]:
        """Keep ssh, winrm and psrp from printing a module's answer, which they do from -vvv on.

        They do not look at the task. If Ansible drops the attribute, the task fails here.
        """
        play_context = self._connection._play_context
        before, play_context.no_log = play_context.no_log, True
        try:
            yield
        finally:
            play_context.no_log = before

    def _mark(self, report: Report) -> dict[str, t.Any]:
        """Mark a result that holds a secret, so that Ansible hides it; print what may be shown."""
        result = report.result
        parts = (result, *_parts(result))
        for part in parts:
            if "msg" in part:
                part["msg"] = self._redactor.text(str(part["msg"]))
        secrets = [part["token"] for part in parts if part.get("token") is not None]
        if secrets and not self._given.get("reveal"):
            for secret in secrets:
                mask(secret)
            result["_ansible_no_log"] = True
            self._hide_task()
        else:
            self._task.no_log = self._own_no_log
        if self._task.no_log:
            self._say_publicly(report)
        return result

    def _say_publicly(self, report: Report) -> None:
        for line in report.public_line.splitlines():
            self._say(line)
        diffs = report.result.get("diff") or []
        if self._task.diff and report.result["changed"]:
            for diff in [diffs] if isinstance(diffs, dict) else diffs:
                before, after = (
                    json.dumps(diff[side], indent=4, sort_keys=True).splitlines()
                    for side in ("before", "after")
                )
                display.display(
                    self._redactor.text(
                        "\n".join(
                            difflib.unified_diff(before, after, "before", "after", lineterm="")
                        )
                    ),
                    stderr=True,
                )

    def _say_progress(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last_said >= _SAID_EVERY:
            self._last_said = now
            self._say(f"{done}/{total} done")

    def _say(self, line: str) -> None:
        # To stderr, because stdout may be JSON.
        display.display(
            self._redactor.text(f"{self.MODULE.rpartition('.')[2]}: {line}"), stderr=True
        )

    def _hide_task(self) -> None:
        # The mark on the result is not enough: on ansible-core 2.18 callbacks see the items of a
        # loop through the task.
        self._task.no_log = True

    def _hands_out(self) -> bool:
        return bool(self._given.get("reveal")) or registers_token(self._task.register)

    def _is_ad_hoc(self) -> bool:
        """Whether ansible or ansible-console runs the task, which print every result."""
        play = self._task_vars.get("ansible_play_name")
        return "module_name" in context.CLIARGS or play == _CONSOLE_PLAY

    def _forget_secret_arguments(self) -> None:
        # Callbacks can read a task's arguments even under no_log.
        for name, value in self._given.items():
            self._task.args[name] = (
                without_secrets(value)
                if name == "store"
                else self._hidden(value, self.OPTIONS.get(name, {}))
            )
        self._task.module_defaults = []  # before ansible-core 2.19 these are templated, too
        if self._task.until or self._task.retries:
            _asked[self._task] = _Asked(
                self._given, self._own_environment, self._own_no_log, dict(self._task.args)
            )

    def _forget_secret_environment(self) -> None:
        """Leave only variables that no option is read from. Callbacks and ssh show what is left."""
        self._task.environment = [
            {
                name: value
                for name, value in self._own_environment.items()
                if not name.upper().startswith(_READ_FROM)
                and not name.upper().endswith("_PROXY")
                and not self._redactor.finds_secret(value)
            }
        ]

    def _hidden(self, value: t.Any, option: t.Mapping[str, t.Any]) -> t.Any:
        """What callbacks may see of the value of an option."""
        if option.get("no_log"):
            return HIDDEN if value else value
        if isinstance(value, t.Mapping):
            return {
                name: self._hidden(one, option.get("options", {}).get(name, {}))
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self._hidden(one, option) for one in value]
        return self._hidden_text(value, option) if isinstance(value, str) else value

    def _hidden_text(self, value: str, option: t.Mapping[str, t.Any]) -> str:
        if "options" in option:
            return HIDDEN  # what should be a list, and may be one as text
        return self._redactor.text(value) if self._redactor.finds_secret(value) else value

    def _environments(self) -> list[t.Mapping[str, str]]:
        """Where options are looked for: the task's environment, then the controller's."""
        return [self._own_environment, os.environ]

    def _warn(self, message: str) -> None:
        display.warning(self._redactor.text(message))


class IssuingAction(DynatraceAction):
    """May issue tokens, so that of each only one task at a time may be at work."""

    def refuse(self) -> None:
        if self._given["reveal"] and not self._task.register and not self._is_ad_hoc():
            raise Refused(REVEALS_TO_NOBODY)
        if self._task.run_once:
            self._refuse_each_host()

    def _refuse_each_host(self) -> None:
        hosts = self._task_vars.get("ansible_play_hosts_all") or []
        strategy = strategy_of(self._task)
        if strategy in ("free", "host_pinned") and len(hosts) > 1:
            raise Refused(
                f"run_once does not work under the strategy {strategy}: each of the {len(hosts)} "
                "hosts would run this task. Use the strategy linear for this play, or a play of "
                "its own on localhost."
            )

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        if self._task.check_mode:
            yield
            return
        identities = self._identities()
        folder = constants.config.get_config_value("ANSIBLE_HOME")
        file = os.path.join(folder, "community.dynatrace", "lock")
        keys = [(one.place, one.kind.words, one.name) for one in identities]
        with contextlib.ExitStack() as locks:
            if identities:
                locks.enter_context(identity_locks(file, keys, long_waits=LongWaits(self._say)))
                locks.enter_context(self._store.lock(identities))
            yield

    def _identities(self) -> list[Identity]:
        """Those that a token may be issued for, or that are purged.

        A token that is named by its id only is there already.
        """
        options = self._given
        here = around(options)
        if "tokens" in options:
            identities = parse_identities(options["tokens"], here)
        else:
            identities = [parse_identity(options, here)]
        if options.get("purge"):
            identities += [entry.identity for entry in self._store.entries(here.environment)]
        return [identity for identity in identities if identity.place and identity.name]


def _without_none(value: t.Any) -> t.Any:
    """The same without the options that were not given."""
    if isinstance(value, dict):
        return {name: _without_none(one) for name, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list) else value


def strategy_of(task: t.Any) -> str:
    """The strategy of the task's play without its collection; empty where Ansible does not tell."""
    try:
        strategy = task.get_play().strategy
    except AttributeError:
        return ""
    return str(strategy).rpartition(".")[2]


def registers_token(register: t.Any) -> bool:
    """Whether the registered variable has the token.

    From ansible-core 2.21 on, register can map names to expressions.
    """
    if isinstance(register, dict):
        return any(
            str(expression).strip() in ("_task.polymorphic_result", "_task.result")
            or "token" in str(expression)
            for expression in register.values()
        )
    return bool(register)


def _parts(result: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The results of the single tokens, where the task is about many."""
    tokens = result.get("tokens")
    return tokens if isinstance(tokens, list) else []


def _text_of(warning: t.Any) -> str:
    """The text of a module's warning.

    It is an event from ansible-core 2.20 on, a summary of details on 2.19, plain text on 2.18.
    """
    details = getattr(warning, "details", None)
    return str(getattr(details[0] if details else getattr(warning, "event", None), "msg", warning))


def _failure(message: str) -> Report:
    return Report({"failed": True, "changed": False, "msg": message}, f"failed: {message}")
