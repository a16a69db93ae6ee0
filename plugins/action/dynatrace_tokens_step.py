# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of the role dynatrace_tokens that are no task of another module's."""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    Refused,
    unexpected,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import Redactor
from ansible_collections.community.dynatrace.plugins.plugin_utils._role import (
    ask,
    gather,
    receive,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.given import (
    without_omitted,
)
from ansible_collections.community.dynatrace.plugins.plugin_utils._role.hosts import (
    answers_of,
    failed_hand_overs,
    variables_of,
)

Data = dict[str, t.Any]

OWN = "__dynatrace_tokens_own"
GATHERED = "__dynatrace_tokens_gathered"
RESULTS = "__dynatrace_tokens_results"


def _shown(text: str) -> str:
    """The text without anything that has the form of a token's secret."""
    return Redactor().text(text)


def _in_order(facts: Data, leads: bool) -> Data:
    """The facts as they are registered, with those that take the hidden answers away.

    A condition of the caller's can be about a fact that is public, and skips what comes after it:
    so the facts of the role itself come first. The last one takes away what the others are from.
    """
    if leads:
        facts = {**facts, RESULTS: None}
    private = {name: value for name, value in facts.items() if name.startswith("__")}
    return {**private, **facts, OWN: None}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Asks on each host, gathers once, and on each host receives and tells. Connects nowhere."""

    _requires_connection = False
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: Data | None = None) -> Data:
        super().run(tmp, task_vars)
        self._known = task_vars or {}
        steps = {"ask": self._ask, "gather": self._gather, "receive": self._receive}
        return {**steps, "tell": self._tell}[self._task.args["step"]]()

    def _ask(self) -> Data:
        use = {"use": str(self._task._uuid)}
        try:
            asked = self._asked(use["use"])
        except (DynatraceError, AnsibleError) as error:
            return {**use, "failed": True, "msg": _shown(str(error))}
        except Exception as error:
            return {**use, "failed": True, "msg": _shown(str(unexpected(error)))}
        return {**use, **asked, "changed": False, "_ansible_no_log": True}

    def _asked(self, use: str) -> Data:
        self._refuse_strategy()
        self._refuse_delegate_facts()
        variables = self._role_variables()
        place = ask.place_of(variables, self._environments())
        check_mode = bool(self._task.check_mode)
        entry = self._task.args["entry"]
        if entry == "revoke":
            return ask.revoking(self._known.get(receive.CREATED) or [], place, use, check_mode)
        if entry == "retire":
            return ask.retiring(self._known[receive.TO_HAND_OVER], place, use, check_mode)
        asked = ask.issuing(variables, place, self._loader.get_basedir(), use, check_mode)
        self._refuse_serial(asked)
        return asked

    def _role_variables(self) -> Data:
        """The variables of the role that are set, each templated once."""
        given = {name: self._known[name] for name in ask.ROLE_VARIABLES if name in self._known}
        templated = self._templar.template(given)
        variables: Data = without_omitted(templated, self._known.get("omit"))
        return variables

    def _environments(self) -> list[t.Mapping[str, str]]:
        own: dict[str, str] = {}
        for layer in self._task.environment or []:
            own.update({str(name): str(value) for name, value in (layer or {}).items()})
        return [own, os.environ]

    def _refuse_strategy(self) -> None:
        play = getattr(getattr(self._task, "_parent", None), "_play", None)
        strategy = str(getattr(play, "strategy", "")).rpartition(".")[2]
        hosts = self._known.get("ansible_play_hosts_all") or []
        if strategy in ("free", "host_pinned") and len(hosts) > 1:
            raise Refused(
                f"The role does not work under the strategy {strategy} with {len(hosts)} hosts, "
                "because it puts together what all of them ask for. Nothing was done. Use the "
                "strategy linear for this play, or issue in a play of its own."
            )

    def _refuse_delegate_facts(self) -> None:
        if self._task.delegate_to and self._task.delegate_facts:
            raise Refused(
                "The role does not work with delegate_facts, because each host that takes part "
                "gets the facts of its own tokens. Nothing was done. Leave delegate_facts out, and "
                "read the facts of other hosts from hostvars."
            )

    def _refuse_serial(self, asked: Data) -> None:
        batch = self._known.get("ansible_play_batch") or []
        hosts = self._known.get("ansible_play_hosts") or []
        if not asked["keeps"] and asked["wanted"] and len(batch) < len(hosts):
            raise Refused(
                "Under serial each batch of hosts runs the role again, and only the first would "
                "get the secrets. Nothing was done. Give dynatrace_tokens_store, or issue the "
                "tokens in a play of its own, on localhost, before this one."
            )

    def _gather(self) -> Data:
        """Never fails: a task with ``run_once`` would fail the hosts that take no part, too."""
        own = self._known.get(OWN) or {}
        try:
            asked_by = answers_of(self._known, own["use"])
            failed = failed_hand_overs(self._known, own.get("after"), asked_by)
            gathered = gather.gather(asked_by, failed)
        except Exception as error:
            told = error if isinstance(error, DynatraceError) else unexpected(error)
            gathered = gather.nothing(_shown(str(told)))
        return {"changed": False, "use": own.get("use"), **gathered}

    def _receive(self) -> Data:
        host, own = self._known["inventory_hostname"], self._known.get(OWN) or {}
        gathered = self._known.get(GATHERED) or {}
        received: Data = {"facts": {}, "problems": [], "summary": []}
        if "entry" in own:
            results = self._results(host, gathered)
            kept, problems = receive.receive(host, own, gathered, results)
            facts = self._facts(kept, own)
            received = {"facts": facts, "problems": problems}
            received["summary"] = receive.summary(host, gathered, results)
        received["facts"] = _in_order(received["facts"], host in (gathered.get("leaders") or []))
        return {"changed": False, "_ansible_no_log": True, **received}

    def _results(self, host: str, gathered: Data) -> t.Any:
        group = receive.group_of(host, gathered)
        return variables_of(self._known, group["leader"]).get(RESULTS) if group else None

    def _facts(self, kept: t.Sequence[receive.Received], own: Data) -> Data:
        if own["entry"] == "revoke":
            return receive.revoked_facts(kept, own, self._known)
        facts = receive.issued_facts(kept, own, self._known)
        due = receive.to_hand_over(kept, own)
        if due or self._known.get(receive.TO_HAND_OVER):
            facts[receive.TO_HAND_OVER] = due
        return facts

    def _tell(self) -> Data:
        own = self._known.get(OWN) or {}
        problems, lines = own.get("problems"), own.get("summary")
        result: Data = {"changed": False}
        if problems:
            return {**result, "failed": True, "msg": _shown(" ".join(problems)), "summary": lines}
        if lines:
            return {**result, "msg": lines, "_ansible_verbose_always": True}
        return result
