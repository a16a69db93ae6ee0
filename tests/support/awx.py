# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stand-in for the API of AWX 24.6.1, as far as the modules of awx.awx use it.

It keeps what AWX keeps and refuses what AWX refuses. Each refusal names its file in the sources of
AWX 24.6.1.
"""

from __future__ import annotations

import contextlib
import copy
import http.server
import itertools
import json
import re
import threading
import typing as t
import urllib.parse

from jinja2 import StrictUndefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

Given = dict[str, t.Any]
Reply = tuple[int, Given]  # a status, and what is sent as JSON

VERSION = "24.6.1"
ENCRYPTED = "$encrypted$"
_API = "/api/v2/"
_FIELD_KEYS = {
    *("type", "format", "choices", "id", "label", "help_text"),
    *("multiline", "secret", "ask_at_runtime", "default"),
}
_QUESTION_TYPES: dict[str, t.Any] = {
    **dict.fromkeys(("text", "textarea", "password", "multiplechoice", "multiselect"), str),
    "integer": int,
    "float": (float, int),
}
# awx/main/constants.py, ENV_BLOCKLIST
_NOT_IN_CREDENTIALS = {
    *("VIRTUAL_ENV", "PATH", "PYTHONPATH", "JOB_ID", "INVENTORY_ID", "INVENTORY_SOURCE_ID"),
    *("INVENTORY_UPDATE_ID", "AD_HOC_COMMAND_ID", "REST_API_URL", "REST_API_TOKEN"),
    *("MAX_EVENT_RES", "CALLBACK_QUEUE", "CALLBACK_CONNECTION", "CACHE", "JOB_CALLBACK_DEBUG"),
    *("INVENTORY_HOSTVARS", "AWX_HOST", "PROJECT_REVISION", "SUPERVISOR_CONFIG_PATH"),
}


class Refused(Exception):
    """A request that AWX answers with status 400."""


class Awx:
    """What AWX holds: for each endpoint its items, by id."""

    def __init__(self) -> None:
        self.url = ""
        self.writes: list[str] = []  # the endpoints of the requests that changed something
        self._ids = itertools.count(1)
        self._items: dict[str, dict[int, Given]] = {}
        self._create("organizations", {"name": "Default"})

    def all(self, endpoint: str) -> list[Given]:
        return list(self._items.get(endpoint, {}).values())

    def named(self, endpoint: str, name: str) -> Given:
        return next(item for item in self.all(endpoint) if item["name"] == name)

    def answer(self, method: str, address: str, body: Given) -> Reply:
        """What AWX answers to a request, once it is carried out."""
        parts = urllib.parse.urlsplit(address)
        endpoint, *rest = parts.path.removeprefix(_API).strip("/").split("/")
        try:
            if method == "GET" and not rest:
                return self._list(endpoint, dict(urllib.parse.parse_qsl(parts.query)))
            if method != "GET":
                self.writes.append("/".join([endpoint, *rest[1:]]))
            if not rest:
                return 201, self._create(endpoint, body)
            item = self._items[endpoint][int(rest[0])]
            if not rest[1:]:
                return 200, self.update(endpoint, item, body)
            return self._part(method, item, rest[1], body)
        except Refused as refused:
            return 400, {"__all__": [str(refused)]}

    def _list(self, endpoint: str, query: dict[str, str]) -> Reply:
        endpoint = "job_templates" if endpoint == "unified_job_templates" else endpoint
        found = [
            _shown(item)
            for item in self.all(endpoint)
            if all(str(item.get(key)) == value for key, value in query.items())
        ]
        return 200, {"count": len(found), "next": None, "results": found}

    def _create(self, endpoint: str, body: Given) -> Given:
        number = next(self._ids)
        url = f"{_API}{endpoint}/{number}/"
        item = {"id": number, "type": endpoint[:-1], "url": url, "summary_fields": {}}
        item["related"] = {"survey_spec": f"{url}survey_spec/"}
        return self.update(endpoint, {**item, "scm_revision": "", "credentials": []}, body)

    def update(self, endpoint: str, item: Given, body: Given) -> Given:
        """:raises Refused: where AWX would, and changes nothing."""
        item = {**item, **copy.deepcopy(body)}
        checks = {
            "credential_types": check_credential_type,
            "credentials": self._check_credential,
            "schedules": self._check_schedule,
        }
        checks.get(endpoint, lambda item: None)(item)
        self._items.setdefault(endpoint, {})[item["id"]] = item
        return _shown(item)

    def _part(self, method: str, item: Given, part: str, body: Given) -> Reply:
        if part == "survey_spec":
            if method == "POST":
                check_survey(body)
                item["survey_spec"] = body
            return 200, item.get("survey_spec", {})
        if method == "POST":
            item[part].append(body["id"])
            return 204, {}
        found = [{"id": number} for number in item[part]]
        return 200, {"count": len(found), "next": None, "results": found}

    def _check_credential(self, item: Given) -> None:
        credential_type = self._items["credential_types"][item["credential_type"]]
        check_inputs(credential_type, item.setdefault("inputs", {}))
        # awx/main/models/credential/__init__.py, Credential.encrypt_field and display_inputs
        for field in credential_type["inputs"]["fields"]:
            if field.get("secret") and field["id"] in item["inputs"]:
                given = item["inputs"].pop(field["id"])
                item["inputs"].update({field["id"]: ENCRYPTED} if given else {})

    def _check_schedule(self, item: Given) -> None:
        template = self._items["job_templates"][item["unified_job_template"]]
        check_rule(item["rrule"])
        # awx/api/serializers.py, LaunchConfigurationBaseSerializer.validate
        answers = item.get("extra_data", {})
        check_answers(questions_of(template), answers)
        unknown = not_allowed(template, answers)
        _refuse(unknown, f"Variables {', '.join(sorted(unknown))} are not allowed on launch.")


def _shown(item: Given) -> Given:
    """What AWX sends of it: the survey is asked for separately."""
    return {key: value for key, value in item.items() if key not in ("survey_spec", "credentials")}


@contextlib.contextmanager
def awx() -> t.Iterator[Awx]:
    """Serve one with nothing but its first organization, until the block ends."""
    running = Awx()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, said = running.answer(self.command, self.path, json.loads(body or b"{}"))
            content = b"" if status == 204 else json.dumps(said).encode()
            self.send_response_only(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", VERSION)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815

        def log_message(self, *arguments: t.Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield running
        finally:
            server.shutdown()


def launch(template: Given, answers: Given) -> Given:
    """The variables of a job: those of the template, the defaults of its survey, the answers.

    :raises Refused: if an answer is missing or wrong.
    """
    questions = questions_of(template)
    check_answers(questions, answers)
    # awx/api/serializers.py, JobLaunchSerializer.validate: what was not asked for is ignored
    accepted = {
        name: value for name, value in answers.items() if name not in not_allowed(template, answers)
    }
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._update_unified_job_kwargs
    defaults = {
        question["variable"]: question["default"]
        for question in questions
        if "default" in question
        and not _faults(question, {question["variable"]: question["default"]})
    }
    return {**_extra_vars(template), **defaults, **accepted}


def questions_of(template: Given) -> list[Given]:
    questions: list[Given] = template.get("survey_spec", {}).get("spec", [])
    return questions if template.get("survey_enabled") else []


def _extra_vars(template: Given) -> Given:
    variables: Given = json.loads(template.get("extra_vars") or "{}")
    return variables


def check_answers(questions: list[Given], answers: Given) -> None:
    """For a launch and for a schedule: a default is no answer to a required question."""
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._accept_or_ignore_variables
    faults = [fault for question in questions for fault in _faults(question, answers)]
    _refuse(faults, f"variables_needed_to_start: {faults}")


def not_allowed(template: Given, answers: Given) -> set[str]:
    """The variables that the template does not ask for."""
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._accept_or_ignore_variables
    if template.get("ask_variables_on_launch"):
        return set()
    own = _extra_vars(template)
    same = {name for name, value in answers.items() if name in own and own[name] == value}
    return set(answers) - {question["variable"] for question in questions_of(template)} - same


def _faults(question: Given, answers: Given) -> list[str]:
    # awx/main/models/mixins.py, SurveyJobTemplateMixin._survey_element_validation
    name = question["variable"]
    if name not in answers:
        return [f"'{name}' value missing"] if question["required"] else []
    value = answers[name]
    if question["type"] == "multiplechoice":
        is_choice = value in question["choices"]
        return [] if is_choice else [f"Value {value} for '{name}' expected to be one of"]
    expected = _QUESTION_TYPES[question["type"]]
    if not isinstance(value, expected) or isinstance(value, bool):
        return [f"Value {value} for '{name}' expected to be {question['type']}"]
    size = len(value) if isinstance(value, str) else value
    if size < question.get("min", size):
        return [f"'{name}' value {value} is too small"]
    if size > question.get("max", size):
        return [f"'{name}' value {value} is too large"]
    return []


def check_survey(survey: Given) -> None:
    # awx/api/views/__init__.py, JobTemplateSurveySpec._validate_spec_data
    for key, expected in (("name", str), ("description", str), ("spec", list)):
        _refuse(not isinstance(survey.get(key), expected), f"Field '{key}' is missing from survey")
    _refuse(not survey["spec"], "'spec' doesn't contain any items.")
    names = [question.get("variable") for question in survey["spec"]]
    _refuse(len(set(names)) < len(names), "'variable' duplicated in survey question")
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
    _refuse(wrong, f"Default value {default!r} in survey question expected to be another type")
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
    ids = [field.get("id") for field in fields]
    _refuse(len(set(ids)) < len(ids), "field IDs must be unique")
    for field in fields:
        _check_field(field)
    # awx/main/fields.py, CredentialTypeInjectorField
    unknown = set(given["injectors"]) - {"env", "extra_vars", "file"}
    _refuse(unknown, f"Schema validation error: {sorted(unknown)}")
    for name, template in given["injectors"]["env"].items():
        is_blocked = name.startswith("ANSIBLE_") or name in _NOT_IN_CREDENTIALS
        _refuse(is_blocked, f"Environment variable {name} is not allowed in credentials")
        _refuse(not re.fullmatch(r"[\x00-\x7F]*", template), f"{name} is not ASCII")
        try:
            jinja = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
            jinja.from_string(template).render(dict.fromkeys(ids, "EXAMPLE"))
        except UndefinedError as error:
            raise Refused(f"{name} uses an undefined field ({error})") from None


def _check_field(field: Given) -> None:
    # awx/main/fields.py, CredentialTypeInputField
    wrong = set(field) - _FIELD_KEYS or {"id", "label"} - set(field)
    _refuse(wrong, f"Schema validation error: {wrong}")
    is_name = re.fullmatch(r"[a-zA-Z_]+[a-zA-Z0-9_]*", field["id"]) and field["id"] != "tower"
    _refuse(not is_name, f"{field['id']} is an invalid variable name")
    field.setdefault("type", "string")  # and so a later run sees another field than it gave
    _refuse(field["type"] not in ("string", "boolean"), f"{field['type']} is not one of")
    of_type = {"string": str, "boolean": bool}[field["type"]]
    _refuse(not isinstance(field.get("default", of_type()), of_type), "default of wrong type")


def check_inputs(credential_type: Given, inputs: Given) -> None:
    # awx/main/fields.py, CredentialInputField
    fields = {field["id"] for field in credential_type["inputs"]["fields"]}
    _refuse(set(inputs) - fields, f"Additional properties {sorted(set(inputs) - fields)}")
    _refuse(not all(isinstance(value, str) for value in inputs.values()), "not of type 'string'")


def check_rule(rule: str) -> None:
    # awx/api/serializers.py, SchedulePreviewSerializer.validate_rrule
    starts = re.findall(r"DTSTART(?:;[^:]+)?:[0-9]+T[0-9]+Z?", rule)
    _refuse(not starts, "Valid DTSTART required in rrule.")
    _refuse(len(starts) > 1, "Multiple DTSTART is not supported.")
    _refuse(re.search(r"DTSTART:[0-9]+T[0-9]+ ", rule), "DTSTART cannot be a naive datetime.")
    _refuse("RRULE:" not in rule, "One or more rule required in rrule.")
    for date in ("EXDATE:", "RDATE:"):
        _refuse(date in rule, f"{date} not allowed in rrule.")
    _refuse("INTERVAL" not in rule, "INTERVAL required in rrule")
    _refuse("SECONDLY" in rule, "SECONDLY is not supported")
    _refuse(re.search("BYDAY=[0-9]", rule), "BYDAY with numeric prefix not supported")
    _refuse("COUNT" in rule and "UNTIL" in rule, "RRULE may not contain both COUNT and UNTIL")


def _refuse(wrong: t.Any, message: str) -> None:
    if wrong:
        raise Refused(message)
