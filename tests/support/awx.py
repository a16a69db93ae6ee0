# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Refuses what AWX 24.6.1 refuses. Each refusal names its file in the sources of AWX 24.6.1."""

from __future__ import annotations

import re
import typing as t

from jinja2 import StrictUndefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

Given = dict[str, t.Any]

# The options of each module that configure.yml uses: awx_collection/plugins/modules/MODULE.py.
OPTIONS = {
    "credential_type": {"name", "description", "kind", "inputs", "injectors"},
    "credential": {"name", "organization", "credential_type", "inputs", "update_secrets"},
    "execution_environment": {"name", "organization", "image"},
    "project": {"name", "organization", "scm_type", "scm_url", "default_environment"},
    "inventory": {"name", "organization"},
    "job_template": {
        "name",
        "description",
        "organization",
        "project",
        "playbook",
        "inventory",
        "execution_environment",
        "credentials",
        "ask_job_type_on_launch",
        "use_fact_cache",
        "extra_vars",
        "survey_enabled",
        "survey_spec",
    },
    "schedule": {"name", "unified_job_template", "rrule", "extra_data"},
}
_FIELD_KEYS = {
    *("type", "format", "choices", "id", "label", "help_text"),
    *("multiline", "secret", "ask_at_runtime", "default"),
}
_QUESTION_TYPES: dict[str, t.Any] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": (float, int),
}


class Refused(Exception):
    """What AWX answers instead of doing it."""


class Awx:
    """What was given to the modules of awx.awx, by module and name."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Given]] = {module: [] for module in OPTIONS}

    def take(self, module: str, given: Given) -> None:
        """:raises Refused: where the module or AWX would."""
        unknown = set(given) - OPTIONS[module]
        _refuse(unknown, f"Unsupported parameters for (awx.awx.{module}): {sorted(unknown)}")
        if module == "credential_type":
            check_credential_type(given)
        if module == "credential":
            check_inputs(self.named("credential_type", given["credential_type"]), given["inputs"])
        if module == "job_template":
            self._check_job_template(given)
        if module == "schedule":
            template = self.named("job_template", given["unified_job_template"])
            check_rule(given["rrule"])
            check_answers(template, given.get("extra_data", {}))
        self.calls[module].append(given)

    def named(self, module: str, name: str) -> Given:
        # awx_collection/plugins/module_utils/controller_api.py, get_exactly_one
        found = [given for given in self.calls[module] if given["name"] == name]
        _refuse(len(found) != 1, f"The {module} '{name}' was not found")
        return found[0]

    def _check_job_template(self, given: Given) -> None:
        for module in ("project", "inventory", "execution_environment"):
            self.named(module, given[module])
        for name in given["credentials"]:
            self.named("credential", name)
        if given["survey_enabled"]:
            check_survey(given["survey_spec"])


def launch(template: Given, answers: Given) -> Given:
    """The variables of a job: those of the template, the defaults of its survey, the answers.

    :raises Refused: if an answer is missing, wrong, or to no question.
    """
    check_answers(template, answers)
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._update_unified_job_kwargs
    defaults = {
        question["variable"]: question["default"]
        for question in _questions(template)
        if "default" in question
        and not _faults(question, {question["variable"]: question["default"]})
    }
    return {**template.get("extra_vars", {}), **defaults, **answers}


def check_answers(template: Given, answers: Given) -> None:
    """For a launch and for a schedule: a default is no answer to a required question."""
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._accept_or_ignore_variables
    faults = [fault for question in _questions(template) for fault in _faults(question, answers)]
    _refuse(faults, f"variables_needed_to_start: {faults}")
    same = {
        key for key, value in template.get("extra_vars", {}).items() if answers.get(key) == value
    }
    unknown = set(answers) - {question["variable"] for question in _questions(template)} - same
    if not template.get("ask_variables_on_launch"):
        _refuse(unknown, f"Variables {sorted(unknown)} are not allowed on launch.")


def _questions(template: Given) -> list[Given]:
    questions: list[Given] = template.get("survey_spec", {}).get("spec", [])
    return questions if template["survey_enabled"] else []


def _faults(question: Given, answers: Given) -> list[str]:
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._survey_element_validation
    name = question["variable"]
    if name not in answers:
        return [f"'{name}' value missing"] if question["required"] else []
    value = answers[name]
    if question["type"] == "multiplechoice":
        return [] if value in question["choices"] else [f"'{name}' is none of the choices"]
    expected = _QUESTION_TYPES[question["type"]]
    if not isinstance(value, expected) or isinstance(value, bool):
        return [f"'{name}' has the wrong type"]
    size = len(value) if isinstance(value, str) else value
    if size < question.get("min", size):
        return [f"'{name}' value {value} is too small"]
    if size > question.get("max", size):
        return [f"'{name}' value {value} is too large"]
    return []


def check_survey(survey: Given) -> None:
    # awx/api/views/__init__.py, JobTemplateSurveySpec._validate_spec_data
    for key, expected in (("name", str), ("description", str), ("spec", list)):
        _refuse(not isinstance(survey.get(key), expected), f"Field '{key}' of the survey")
    _refuse(not survey["spec"], "'spec' doesn't contain any items.")
    names = [question.get("variable") for question in survey["spec"]]
    _refuse(len(set(names)) < len(names), "'variable' duplicated in a survey question")
    for question in survey["spec"]:
        _check_question(question)


def _check_question(question: Given) -> None:
    # awx/api/views/__init__.py, JobTemplateSurveySpec._validate_spec_data
    for key in ("type", "question_name", "variable"):
        _refuse(not isinstance(question.get(key), str), f"'{key}' missing from survey question")
    _refuse(not isinstance(question.get("required"), bool), "'required' expected to be boolean.")
    _refuse(question["type"] not in _QUESTION_TYPES, "not one of the allowed question types")
    default = question.get("default", "")
    wrong = default != "" and not isinstance(default, _QUESTION_TYPES[question["type"]])
    _refuse(wrong, f"Default value {default!r} has the wrong type")
    for key in ("min", "max"):
        _refuse(not isinstance(question.get(key, 0), int), f"The {key} limit to be integer.")
    if question["type"] == "multiplechoice":
        _refuse("choices" not in question, "multiplechoice must specify choices.")
        is_choice = not default or default in question["choices"]
        _refuse(not is_choice, "Default choice must be answered from the choices listed.")


def check_credential_type(given: Given) -> None:
    # awx/main/fields.py, CredentialTypeInputField
    unknown = set(given["inputs"]) - {"fields", "required"}
    _refuse(unknown, f"Schema validation error: {sorted(unknown)}")
    fields = given["inputs"]["fields"]
    ids = [field["id"] for field in fields]
    _refuse(len(set(ids)) < len(ids), "field IDs must be unique")
    for field in fields:
        wrong = set(field) - _FIELD_KEYS or {"id", "label"} - set(field)
        _refuse(wrong, f"Schema validation error: {wrong}")
        is_name = re.fullmatch(r"[a-zA-Z_]+[a-zA-Z0-9_]*", field["id"]) and field["id"] != "tower"
        _refuse(not is_name, f"{field['id']} is an invalid variable name")
        of_type = {"string": str, "boolean": bool}[field.get("type", "string")]
        _refuse(not isinstance(field.get("default", of_type()), of_type), "default of wrong type")
    # awx/main/fields.py, CredentialTypeInjectorField
    for name, template in given["injectors"]["env"].items():
        _refuse(name.startswith("ANSIBLE_"), f"{name} may affect Ansible configuration")
        _refuse(not re.fullmatch(r"[\x00-\x7F]*", template), f"{name} is not ASCII")
        try:
            jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
            jinja.from_string(template).render(dict.fromkeys(ids, "EXAMPLE"))
        except UndefinedError as error:
            raise Refused(f"{name} uses an undefined field ({error})") from None


def check_inputs(credential_type: Given, inputs: Given) -> None:
    # awx/main/fields.py, CredentialInputField
    fields = {field["id"] for field in credential_type["inputs"]["fields"]}
    _refuse(set(inputs) - fields, f"Additional properties {sorted(set(inputs) - fields)}")
    _refuse(not all(isinstance(value, str) for value in inputs.values()), "not of type 'string'")


def check_rule(rule: str) -> None:
    # awx/api/serializers.py, SchedulePreviewSerializer.validate_rrule
    _refuse(not re.match(r"DTSTART(;[^:]+)?:[0-9]+T[0-9]+Z? ", rule), "Valid DTSTART required")
    _refuse(bool(re.match(r"DTSTART:[0-9]+T[0-9]+ ", rule)), "DTSTART cannot be a naive datetime")
    _refuse("RRULE:" not in rule, "One or more rule required in rrule.")
    _refuse("INTERVAL" not in rule, "INTERVAL required in rrule")
    _refuse("SECONDLY" in rule, "SECONDLY is not supported")


def _refuse(wrong: t.Any, message: str) -> None:
    if wrong:
        raise Refused(message)
