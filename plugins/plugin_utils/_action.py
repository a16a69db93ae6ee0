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
import typing as t

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.community.dynatrace.plugins.module_utils._http.connection import (
    environment_key,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    HIDDEN,
    Secret,
    scrub,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.token import kind_name
from ansible_collections.community.dynatrace.plugins.module_utils._run.ports import (
    NoStore,
    Runtime,
    Store,
)
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import Report
from ansible_collections.community.dynatrace.plugins.plugin_utils._lock import identity_locks
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options
from ansible_collections.community.dynatrace.plugins.plugin_utils._stores.registry import (
    known_secrets,
    open_store,
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
    PERFORM: t.Callable[[Params, Runtime], Report]

    def run(
        self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None
    ) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        self._own_no_log = self._task.no_log
        # The options, as the task has them until they are resolved, and the secrets among them.
        self._given = dict(self._task.args)
        self._given_secrets: list[Secret] = []
        self._store: Store = NoStore()
        self._last_said = time.monotonic()
        try:
            self._given_secrets = known_secrets(self._given, self.OPTIONS)
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
        return self._mark(report)

    def refuse(self) -> None:
        """Raise ``Refused`` where the task cannot be run the way it was called."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """What to hold while the task is performed. The store is open by then."""
        return contextlib.nullcontext()

    def _perform(self) -> Report:
        self.refuse()
        self._given = resolve_options(self._given, self.OPTIONS, self._environments())
        self._given_secrets = known_secrets(self._given, self.OPTIONS)
        self._store = self._open_store()
        runtime = Runtime(
            check_mode=bool(self._task.check_mode),
            hands_out=self._hands_out(),
            may_issue=self._store.keeps or (self._hands_out() and not self._task.until),
            warn=self._warn,
            store=self._store,
            before_secret=self._hide_task,
            progress=self._say_progress,
        )
        with self.lock():
            if self._connection.transport == "local":
                return type(self).PERFORM(self._given, runtime)
            return self._ship(runtime)

    def _open_store(self) -> Store:
        options = self._given
        if not options.get("store") or not options["environment_url"]:
            return NoStore()
        if self._connection.transport != "local":
            raise Refused(self._store_is_out_of_reach())
        folder = self._loader.get_basedir()
        return open_store(
            options["store"],
            options["environment_url"],
            folder,
            self._loader,
            self._environments(),
            self._warn,
        )

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

    def _ship(self, runtime: Runtime) -> Report:
        """Run the module on the host. It gets what was resolved here, and says whether the secret may leave it by reveal."""
        arguments = _without_none(self._given)
        if "reveal" in self.OPTIONS:
            arguments["reveal"] = runtime.may_issue
            runtime.before_secret()
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
            runtime.warn(_text_of(warning))
        # The module cannot return what was given to it as a secret.
        for one, given in zip(
            _parts(result) or [result], self._given.get("tokens") or [self._given]
        ):
            if (
                runtime.hands_out
                and one.get("secret_available")
                and one["usable"]
                and one["action"] in ("none", "updated")
            ):
                one["token"] = given["token"]
        return Report(result, str(result.pop("public_line", result.get("msg", ""))))

    def _mark(self, report: Report) -> dict[str, t.Any]:
        """Mark the result so that Ansible hides it if it holds a secret, and say what may be said where it is hidden."""
        result = report.result
        for one in (result, *_parts(result)):
            if "msg" in one:
                one["msg"] = self._scrub(str(one["msg"]))
        if any(
            one.get("token") is not None for one in (result, *_parts(result))
        ) and not self._given.get("reveal"):
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
            display.display(self._scrub(f"{self.MODULE.rpartition('.')[2]}: {line}"), stderr=True)
        diffs = report.result.get("diff") or []
        if self._task.diff and report.result["changed"]:
            for diff in [diffs] if isinstance(diffs, dict) else diffs:
                before, after = (
                    json.dumps(diff[side], indent=4, sort_keys=True).splitlines()
                    for side in ("before", "after")
                )
                display.display(
                    self._scrub(
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
        return (
            self._scrub(value) if isinstance(value, str) and self._scrub(value) != value else value
        )

    def _environments(self) -> list[t.Mapping[str, str]]:
        """Where to look for what the task does not say: its own environment, then the controller's."""
        own: dict[str, str] = {}
        for layer in self._task.environment or []:
            own.update({str(name): str(value) for name, value in (layer or {}).items()})
        return [own, os.environ]

    def _warn(self, message: str) -> None:
        display.warning(self._scrub(message))

    def _scrub(self, text: str) -> str:
        return scrub(text, [*self._given_secrets, *self._store.secrets])


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
        options = self._given
        # What has no name is there already, and nothing can be issued in its place.
        identities = [
            (one["name"], one["personal_access_token"])
            for one in options.get("tokens", [options])
            if one.get("name")
        ]
        if options.get("purge"):
            identities += [
                (entry.name, entry.personal_access_token) for entry in self._store.entries()
            ]
        with contextlib.ExitStack() as locks:
            if not self._task.check_mode and identities and options["environment_url"]:
                environment = environment_key(options["environment_url"])
                file = os.path.join(
                    constants.config.get_config_value("ANSIBLE_HOME"), "community.dynatrace", "lock"
                )
                locks.enter_context(
                    identity_locks(
                        file, [(environment, kind_name(kind), name) for name, kind in identities]
                    )
                )
                locks.enter_context(self._store.lock(identities))
            yield


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
