# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the actions share: options from all their sources, in process or shipped, and no secret in any output."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import traceback
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.community.dynatrace.plugins.module_utils._errors import DynatraceError
from ansible_collections.community.dynatrace.plugins.module_utils._runtime import Runtime
from ansible_collections.community.dynatrace.plugins.module_utils._secret import HIDDEN, looks_like_secret, scrub
from ansible_collections.community.dynatrace.plugins.module_utils._store import NoStore, Store
from ansible_collections.community.dynatrace.plugins.module_utils._tasks import Report
from ansible_collections.community.dynatrace.plugins.plugin_utils._open_store import known_secrets, without_secrets
from ansible_collections.community.dynatrace.plugins.plugin_utils._resolve import resolve_options

Params = t.Mapping[str, t.Any]

display = Display()


class DynatraceAction(ActionBase):  # type: ignore[misc]
    """Runs its task in process where the connection is local, and ships its module elsewhere."""

    _supports_async = False

    MODULE: str
    OPTIONS: t.Mapping[str, t.Mapping[str, t.Any]]
    PERFORM: t.Callable[[Params, Runtime], Report]

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        super().run(tmp, task_vars)
        self._task_vars = task_vars or {}
        self._own_no_log = self._task.no_log
        # The options, as the task has them until they are resolved.
        self._given = dict(self._task.args)
        self._store: Store = NoStore()
        self._secret_options = [name for name, option in self.OPTIONS.items() if option.get("no_log")]
        self._forget_secret_arguments()
        try:
            report = self._perform()
        except DynatraceError as error:
            report = _failure(str(error))
        except AnsibleError:
            self._task.no_log = self._own_no_log
            raise
        except Exception as error:
            # Not left to Ansible: its traceback would show the message as it is.
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(where.filename)}:{where.lineno}"
            report = _failure(f"Unexpected {type(error).__name__} at {place}: {error}. Please report this.")
        return self._mark(report)

    def refuse(self) -> None:
        """Raise ``Refused`` where the task cannot be run the way it was called."""

    def open_store(self, warn: t.Callable[[str], None]) -> Store:
        """Where secrets are kept. The options are resolved by then."""
        return NoStore()

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """What to hold while the task is performed. The store is open by then."""
        return contextlib.nullcontext()

    def _perform(self) -> Report:
        self.refuse()
        self._given = resolve_options(self._given, self.OPTIONS, self._environments())
        self._store = self.open_store(self._warn)
        runtime = Runtime(
            check_mode=bool(self._task.check_mode),
            hands_out=self._hands_out(),
            may_issue=self._store.keeps or (self._hands_out() and not self._task.until),
            warn=self._warn,
            store=self._store,
            before_secret=self._hide_task,
        )
        with self.lock():
            if self._connection.transport == "local":
                return type(self).PERFORM(self._given, runtime)
            return self._ship(runtime)

    def _ship(self, runtime: Runtime) -> Report:
        """Run the module on the host. It gets what was resolved here, and says whether the secret may leave it by reveal."""
        arguments = {name: value for name, value in self._given.items() if value is not None}
        if "reveal" in self.OPTIONS:
            arguments["reveal"] = runtime.may_issue
            runtime.before_secret()
        result = self._execute_module(module_name=self.MODULE, module_args=arguments, task_vars=self._task_vars)
        if "module_stdout" in result:
            # The module's answer could not be read. It may hold a secret that nothing tells from the rest of it.
            raise DynatraceError(
                f"The module's answer from this host could not be read: {result.get('msg')}. If a token was issued, nobody knows its "
                "secret: look for it with dynatrace_token_info, and delete it."
            )
        result.pop("invocation", None)
        for warning in result.pop("warnings", []):
            runtime.warn(_text_of(warning))
        if runtime.hands_out and result.get("secret_available") and result["usable"] and result["action"] in ("none", "updated"):
            result["token"] = self._given["token"]  # the module cannot return what was given to it as a secret
        return Report(result, str(result.pop("public_line", result.get("msg", ""))))

    def _mark(self, report: Report) -> dict[str, t.Any]:
        """Mark the result so that Ansible hides it if it holds a secret, and say what may be said where it is hidden."""
        result = report.result
        if "msg" in result:
            result["msg"] = self._scrub(str(result["msg"]))
        if result.get("token") is not None and not self._given.get("reveal"):
            result["_ansible_no_log"] = True
            self._hide_task()
        else:
            self._task.no_log = self._own_no_log
        if self._task.no_log:
            self._say_publicly(report)
        return result

    def _say_publicly(self, report: Report) -> None:
        # To stderr, because stdout may be JSON.
        display.display(self._scrub(f"{self.MODULE.rpartition('.')[2]}: {report.public_line}"), stderr=True)
        diff = report.result.get("diff")
        if diff and self._task.diff and report.result["changed"]:
            before, after = (json.dumps(diff[side], indent=4, sort_keys=True).splitlines() for side in ("before", "after"))
            display.display(self._scrub("\n".join(difflib.unified_diff(before, after, "before", "after", lineterm=""))), stderr=True)

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
            if name in self._secret_options and value:
                self._task.args[name] = HIDDEN
            elif name == "store":
                self._task.args[name] = without_secrets(value)
            elif isinstance(value, str) and looks_like_secret(value):
                self._task.args[name] = self._scrub(value)

    def _environments(self) -> list[t.Mapping[str, str]]:
        """Where to look for what the task does not say: its own environment, then the controller's."""
        own: dict[str, str] = {}
        for layer in self._task.environment or []:
            own.update({str(name): str(value) for name, value in (layer or {}).items()})
        return [own, os.environ]

    def _warn(self, message: str) -> None:
        display.warning(self._scrub(message))

    def _scrub(self, text: str) -> str:
        return scrub(text, [*known_secrets(self._given, self.OPTIONS), *self._store.secrets])


def registers_token(register: t.Any) -> bool:
    """Whether what the task registers keeps the token. From ansible-core 2.21 on, register maps names to expressions."""
    if isinstance(register, dict):
        return any(
            str(expression).strip() in ("_task.polymorphic_result", "_task.result") or "token" in str(expression)
            for expression in register.values()
        )
    return bool(register)


def _text_of(warning: t.Any) -> str:
    """The text of a module's warning: an event from ansible-core 2.20 on, before that a summary of details, on 2.18 plain text."""
    details = getattr(warning, "details", None)
    return str(getattr(details[0] if details else getattr(warning, "event", None), "msg", warning))


def _failure(message: str) -> Report:
    return Report({"failed": True, "changed": False, "msg": message}, f"failed: {message}")
