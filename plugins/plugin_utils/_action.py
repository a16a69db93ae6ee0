# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the actions share: options from all their sources, in process or shipped, and no secret in any output."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import time
import traceback
import typing as t

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Identity
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.kinds import access_kind
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    HIDDEN,
    Redactor,
)
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    NoStore,
    RunContext,
    Store,
)
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import Report
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
from ansible_collections.community.dynatrace.plugins.plugin_utils._masking import mask
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.backend import (
    StoreContext,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
    store_from,
    without_secrets,
)

Params = t.Mapping[str, t.Any]

_SAID_EVERY = 3.0  # seconds

display = Display()


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
        self._own_no_log = self._task.no_log
        # The options, as the task has them until they are resolved.
        self._given = dict(self._task.args)
        self._redactor = Redactor()
        self._store: Store = NoStore()
        self._last_said = time.monotonic()
        try:
            self._redactor.hide(*known_secrets(self._given, self.OPTIONS))
            self._forget_secret_arguments()
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

    def _perform(self) -> Report:
        self.refuse()
        self._given = resolve_options(self._given, self.OPTIONS, self._environments())
        self._redactor.hide(*known_secrets(self._given, self.OPTIONS))
        self._store = self._open_store()
        context = RunContext(
            check_mode=bool(self._task.check_mode),
            return_secret=self._hands_out(),
            secret_has_receiver=self._store.keeps or (self._hands_out() and not self._task.until),
            warn=self._warn,
            store=self._store,
            on_secret_expected=self._hide_task,
            progress=self._say_progress,
            redactor=self._redactor,
        )
        with self.lock():
            if self._connection.transport == "local":
                return type(self).PERFORM(self._given, context)
            return self._ship(context)

    def _open_store(self) -> Store:
        options = self._given
        if not options.get("store") or not options["environment_url"]:
            return NoStore()
        if self._connection.transport != "local":
            raise Refused(
                "store: it is kept on the controller, and this task would run on another host. Nothing was done. Say delegate_to: "
                "localhost, with proxy if Dynatrace can only be reached through one, or have no store (store: '') and register the token."
            )
        context = StoreContext(
            self._loader.get_basedir(),
            self._loader,
            self._environments(),
            self._warn,
            self._redactor,
        )
        return store_from(options["store"], context)

    def _ship(self, context: RunContext) -> Report:
        """Run the module on the host. It gets what was resolved here, and says whether the secret may leave it by reveal."""
        arguments = _without_none(self._given)
        if "reveal" in self.OPTIONS:
            arguments["reveal"] = context.secret_has_receiver
            context.on_secret_expected()
        result = self._execute_module(
            module_name=self.MODULE, module_args=arguments, task_vars=self._task_vars
        )
        if "module_stdout" in result:
            # The module's answer could not be read. It may hold a secret that nothing tells from the rest of it.
            raise DynatraceError(
                f"The module's answer from this host could not be read: {result.get('msg')}. If a token was issued, nobody knows its "
                "secret: look for it with dynatrace_token_info, and delete it."
            )
        result.pop("invocation", None)
        for warning in result.pop("warnings", []):
            context.warn(_text_of(warning))
        # The module cannot return what was given to it as a secret.
        for one, given in zip(
            _parts(result) or [result], self._given.get("tokens") or [self._given]
        ):
            if (
                context.return_secret
                and one.get("secret_available")
                and one["usable"]
                and one["action"] in ("none", "updated")
            ):
                one["token"] = given["token"]
        return Report(result, str(result.pop("public_line", result.get("msg", ""))))

    def _mark(self, report: Report) -> dict[str, t.Any]:
        """Mark the result so that Ansible hides it if it holds a secret, and say what may be said where it is hidden."""
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
        # To stderr, because stdout may be JSON.
        for line in report.public_line.splitlines():
            display.display(
                self._redactor.text(f"{self.MODULE.rpartition('.')[2]}: {line}"), stderr=True
            )
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
            display.display(f"{self.MODULE.rpartition('.')[2]}: {done}/{total} done", stderr=True)

    def _hide_task(self) -> None:
        # The mark on the result alone does not do: on ansible-core 2.18 callbacks see the items of a loop through the task.
        self._task.no_log = True

    def _hands_out(self) -> bool:
        return bool(self._given.get("reveal")) or registers_token(self._task.register)

    def _forget_secret_arguments(self) -> None:
        # Callbacks can read a task's arguments even under no_log. A task that is run again needs them again.
        if self._task.until or self._task.retries:
            return
        for name, value in self._given.items():
            self._task.args[name] = (
                without_secrets(value)
                if name == "store"
                else self._hidden(value, self.OPTIONS.get(name, {}))
            )

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
        if isinstance(value, str) and "options" in option:
            return HIDDEN  # what should be a list, and may be one as text
        if isinstance(value, str) and self._redactor.finds_secret(value):
            return self._redactor.text(value)
        return value

    def _environments(self) -> list[t.Mapping[str, str]]:
        """Where to look for what the task does not say: its own environment, then the controller's."""
        own: dict[str, str] = {}
        for layer in self._task.environment or []:
            own.update({str(name): str(value) for name, value in (layer or {}).items()})
        return [own, os.environ]

    def _warn(self, message: str) -> None:
        display.warning(self._redactor.text(message))


class IssuingAction(DynatraceAction):
    """May issue tokens, so that of each only one task at a time may be at work."""

    def refuse(self) -> None:
        hosts = self._task_vars.get("ansible_play_hosts_all") or []
        strategy = str(self._task._parent._play.strategy).rpartition(".")[2]
        if self._task.run_once and strategy in ("free", "host_pinned") and len(hosts) > 1:
            raise Refused(
                f"run_once does not work under the strategy {strategy}: each of the {len(hosts)} hosts would run this task. "
                "Use the strategy linear for this play, or a play of its own on localhost."
            )

    @contextlib.contextmanager
    def lock(self) -> t.Iterator[None]:
        if self._task.check_mode or not self._given["environment_url"]:
            yield
            return
        identities = self._identities()
        folder = constants.config.get_config_value("ANSIBLE_HOME")
        file = os.path.join(folder, "community.dynatrace", "lock")
        keys = [(one.place, one.kind.words, one.name) for one in identities]
        with contextlib.ExitStack() as locks:
            if identities:
                locks.enter_context(identity_locks(file, keys))
                locks.enter_context(self._store.lock(identities))
            yield

    def _identities(self) -> list[Identity]:
        """Those that a token may be issued for, or that are purged.

        A token that is named by its id only is there already.
        """
        options = self._given
        place = environment_key(options["environment_url"])
        identities = [
            Identity(place, one["name"], access_kind(one["personal_access_token"]))
            for one in options.get("tokens", [options])
            if one.get("name")
        ]
        if options.get("purge"):
            identities += [entry.identity for entry in self._store.entries(place)]
        return identities


def _without_none(value: t.Any) -> t.Any:
    """The same without the options that were not given."""
    if isinstance(value, dict):
        return {name: _without_none(one) for name, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list) else value


def registers_token(register: t.Any) -> bool:
    """Whether what the task registers keeps the token. From ansible-core 2.21 on, register maps names to expressions."""
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
    """The text of a module's warning: an event from ansible-core 2.20 on, before that a summary of details, on 2.18 plain text."""
    details = getattr(warning, "details", None)
    return str(getattr(details[0] if details else getattr(warning, "event", None), "msg", warning))


def _failure(message: str) -> Report:
    return Report({"failed": True, "changed": False, "msg": message}, f"failed: {message}")
