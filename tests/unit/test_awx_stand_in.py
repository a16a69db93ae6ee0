# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stand-in for AWX refuses what AWX refuses: its files are named in tests/support/awx.py."""

from __future__ import annotations

import typing as t

import pytest

from support.awx import Awx, Given, Refused, launch

QUESTION = {"type": "text", "question_name": "Name", "variable": "name", "required": True}
DAYS = {"type": "integer", "question_name": "Days", "variable": "days", "required": False, "max": 9}
FIELDS = [{"id": "token", "label": "Token", "secret": True}, {"id": "url", "label": "Address"}]


@pytest.fixture
def awx() -> Awx:
    """AWX with one of each that configure.yml makes."""
    held = Awx()
    for endpoint, item in (
        ("credential_types", {"inputs": {"fields": FIELDS}, "injectors": {"env": {}}}),
        ("credentials", {"credential_type": 2, "inputs": {"token": "s", "url": ""}}),
        ("job_templates", {"survey_enabled": True, "extra_vars": '{"own": 1}'}),
        ("job_templates/4/survey_spec", ask(QUESTION, DAYS)),
        ("schedules", {"unified_job_template": 4, **rule(), "extra_data": {"name": "a"}}),
    ):
        status, said = held.answer("POST", f"/api/v2/{endpoint}/", item)
        assert status in (200, 201), said
    return held


def ask(*questions: Given) -> Given:
    return {"name": "x", "description": "", "spec": list(questions)}


def rule(start: str = "DTSTART:20260101T050000Z", rule: str = "FREQ=DAILY;INTERVAL=1") -> Given:
    return {"rrule": f"{start} RRULE:{rule}"}


def inject(name: str, template: str) -> Given:
    return {"injectors": {"env": {name: template}}}


def field(**facts: t.Any) -> Given:
    return {"inputs": {"fields": [{"id": "x", "label": "X"} | facts]}}


def answer(**answers: t.Any) -> Given:
    return {"extra_data": answers}


CREDENTIAL_TYPE, CREDENTIAL, SCHEDULE = "credential_types/2", "credentials/3", "schedules/5"
SURVEY = "job_templates/4/survey_spec"
REFUSED: dict[str, tuple[str, Given, str]] = {
    "a field that is none": (CREDENTIAL_TYPE, inject("X", "{{ y }}"), "uses an undefined field"),
    "a variable of Ansible": (
        CREDENTIAL_TYPE,
        inject("ANSIBLE_X", "x"),
        "ANSIBLE_X is not allowed",
    ),
    "a variable of AWX": (CREDENTIAL_TYPE, inject("PATH", "x"), "PATH is not allowed"),
    "a misspelt key of a field": (CREDENTIAL_TYPE, field(helptext="x"), "Schema validation error"),
    "a default of another type": (CREDENTIAL_TYPE, field(default=1), "default of wrong type"),
    "an input that is none": (CREDENTIAL, {"inputs": {"x": "x"}}, "Additional properties"),
    "an input that is no text": (CREDENTIAL, {"inputs": {"url": 1}}, "not of type 'string'"),
    "a type of question": (SURVEY, ask(QUESTION | {"type": "bool"}), "allowed question types"),
    "no word on being required": (SURVEY, ask({**DAYS, "required": None}), "to be boolean"),
    "a default that is no choice": (
        SURVEY,
        ask(QUESTION | {"type": "multiplechoice", "choices": ["a"], "default": "b"}),
        "Default choice must be answered",
    ),
    "a rule without interval": (SCHEDULE, rule(rule="FREQ=DAILY"), "INTERVAL required"),
    "a start without a zone": (SCHEDULE, rule("DTSTART:20260101T050000"), "naive datetime"),
    "no answer": (SCHEDULE, answer(), "'name' value missing"),
    "an answer to no question": (SCHEDULE, answer(name="a", x=1), "x are not allowed on launch"),
    "an answer of another type": (SCHEDULE, answer(name="a", days=""), "expected to be integer"),
    "an answer too large": (SCHEDULE, answer(name="a", days=10), "is too large"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused(awx: Awx, case: str) -> None:
    path, change, said = REFUSED[case]
    before = awx.all(path.split("/")[0])
    method = "POST" if path == SURVEY else "PATCH"
    status, refusal = awx.answer(method, f"/api/v2/{path}/", change)
    assert status == 400
    assert said in refusal["__all__"][0]
    assert awx.all(path.split("/")[0]) == before


def test_the_default_of_a_required_question_is_no_answer(awx: Awx) -> None:
    template = awx.all("job_templates")[0]
    template["survey_spec"]["spec"][0]["default"] = "a"
    assert awx.answer("PATCH", f"/api/v2/{SCHEDULE}/", answer())[0] == 400
    with pytest.raises(Refused, match="'name' value missing"):
        launch(template, {})


def test_a_launch_takes_no_variable_that_was_not_asked_for(awx: Awx) -> None:
    template = awx.all("job_templates")[0]
    assert launch(template, {"name": "a", "x": "y", "own": 2}) == {"name": "a", "own": 1}
    asking = {**template, "ask_variables_on_launch": True}
    assert launch(asking, {"name": "a", "x": "y"}) == {"name": "a", "own": 1, "x": "y"}


def test_secrets_are_not_shown_and_empty_ones_not_kept(awx: Awx) -> None:
    assert awx.all("credentials")[0]["inputs"] == {"token": "$encrypted$", "url": ""}
    _status, said = awx.answer("PATCH", f"/api/v2/{CREDENTIAL}/", {"inputs": {"token": ""}})
    assert said["inputs"] == {}
