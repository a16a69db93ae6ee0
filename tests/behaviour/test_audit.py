# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbook that audits tokens: what it finds, and a page that is safe to open."""

from __future__ import annotations

import html.parser
import json
import pathlib
import re
import shlex
import typing as t

import pytest

from support import stand_in
from support.runs import Ansible, Env, Run, token
from support.stand_in import Environment

VOID = ("meta", "link", "input")
PAGE = "dynatrace-tokens.html"
SUNDAY = 1795946400  # 2026-11-29, when the first week of the year ahead is the last of a month
CHARACTERS = [*map(chr, (0, 7, 27, 127, 0x9B, 0x200B, 0x202E, 0x2066, 0xFEFF))]

# Each finding, by the token that has it and nothing else.
PLANTED: dict[str, dict[str, t.Any]] = {
    "fine": {},
    "ended": {"expires": "now-1d"},
    "ending": {"expires": "now+29d"},
    "not ending": {"expires": "now+31d"},
    "wide": {"scopes": ["settings.write"]},
    "many": {"scopes": ["logs.read", "slo.read", "metrics.read", "entities.read"]},
    "not many": {"scopes": ["logs.read", "slo.read", "metrics.read"]},
    "never_used": {"last_used": None},
    "new": {"created": "now-89d", "last_used": None},
    "unused": {"last_used": "now-91d"},
    "not unused": {"last_used": "now-89d"},
    "no_end": {"expires": None},
    "later": {"expires": "now+2y"},
    "disabled": {
        "enabled": False,
        "expires": None,
        "last_used": None,
        "scopes": ["settings.write"],
    },
    "personal": {"personal_access_token": True},
}
TITLES = {
    "ending": "Expire soon",
    "wide": "Over-privileged",
    "never_used": "Never used",
    "unused": "Unused",
    "no_end": "Never expire",
    "same_name": "Same name",
    "ended": "Expired",
    "disabled": "Disabled",
    "retiring": "Predecessors",
}
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)><a href='https://example.com'>",
    "' onmouseover='alert(1)",
    "</style></title></table></ol><!--",
    "&lt;b&gt; &amp; ]]>",
    "{{ 7 * 191 }}{% raw %}{# #}",
    "line\nbreak\ttab",
    "between" + "".join(CHARACTERS) + "these",
    "w" * 300,
    "日本語 العربية",
]


def plant(environment: Environment, name: str, **facts: t.Any) -> None:
    usual = {"created": "now-100d", "expires": "now+100d", "last_used": "now-1d"}
    kept = {**usual, **facts}
    environment.plant(name, **{key: value for key, value in kept.items() if value is not None})


class Page(html.parser.HTMLParser):
    """The page in parts; fails where its elements are not nested as they should be."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[tuple[str, str]] = []  # their classes and names
        self.kinds: list[str] = []  # of the rows
        self.text = ""
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag == "tr" and "tbody" in self.open:
            classes = (dict(attrs)["class"] or "").split()
            self.rows.append((" ".join(one for one in classes if one in TITLES), ""))
            self.kinds.append(dict(attrs)["data-kind"] or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open[-2:] == ["th", "bdi"]:
            classes, name = self.rows.pop()
            self.rows.append((classes, name + data))

    def figures(self) -> dict[str, int]:
        """The figure of each finding."""
        titles = "|".join([*TITLES.values(), "All tokens"])
        said = re.findall(rf"(\d+)\s+({titles})\b", self.text)
        return {title: int(figure) for figure, title in said}


def audit(
    ansible: Ansible,
    env: Env = None,
    others: t.Mapping[str, t.Any] | None = None,
    **variables: t.Any,
) -> Run:
    extra = {f"dynatrace_audit_{name}": value for name, value in variables.items()}
    return ansible.command(
        "ansible-playbook",
        "community.dynatrace.audit_tokens",
        "-e",
        json.dumps({**extra, **(others or {})}),
        env=env,
    )


def artifact(run: Run) -> dict[str, t.Any]:
    """What AWX keeps with the job."""
    stats = run.result("Keep the result as an artifact of the job")["ansible_stats"]
    found: dict[str, t.Any] = stats["data"]["dynatrace_audit"]
    return found


def written(folder: pathlib.Path) -> tuple[Page, dict[str, t.Any]]:
    page, report = (folder / f"dynatrace-tokens.{kind}" for kind in ("html", "json"))
    assert {path.stat().st_mode & 0o777 for path in (page, report)} == {0o600}
    return Page(page.read_text(encoding="utf-8")), json.loads(report.read_text())


def files(folder: pathlib.Path) -> dict[str, str]:
    return {kind: str(folder / f"dynatrace-tokens.{kind}") for kind in ("html", "json")}


@pytest.mark.once
def test_every_kind_of_token_is_found(ansible: Ansible, environment: Environment) -> None:
    for name, facts in PLANTED.items():
        plant(environment, name, **facts)
    plant(environment, "same", expires="now+50d")
    plant(environment, "same", expires="now+60d")
    plant(environment, "Same")
    plant(environment, "same", personal_access_token=True)
    run = audit(
        ansible, **files(ansible.folder), max_scopes=3, wide_scopes=["settings.write"]
    ).succeeded()
    page, report = written(ansible.folder)

    findings = {
        (listed["name"], listed["expiration_date"] or ""): listed["findings"]
        for listed in report["tokens"]
    }
    told = {name: found for (name, _end), found in findings.items() if found}
    assert told == {
        **{
            name: [name]
            for name in ("ended", "ending", "wide", "never_used", "unused", "no_end", "disabled")
        },
        "many": ["wide"],
        "same": ["same_name"],
        "admin": ["no_end"],
    }
    assert [found for (name, _end), found in sorted(findings.items()) if name == "same"] == [
        ["same_name"],
        ["same_name"],
        [],
    ]
    assert report["environment"] == environment.url
    assert (report["ending_days"], report["unused_days"], report["max_scopes"]) == (30, 90, 3)
    assert {"id", "owner", "scopes", "enabled", "personal_access_token", "retiring"} <= set(
        report["tokens"][0]
    )

    ends = sorted(listed["expiration_date"] or "never" for listed in report["tokens"])
    assert report["tokens"][0]["name"] == "ending"
    assert page.rows == [
        (" ".join(listed["findings"]), listed["name"]) for listed in report["tokens"]
    ]
    figures = page.figures()
    assert figures.pop("All tokens") == len(report["tokens"]) == len(PLANTED) + 5
    classes = " ".join(classes for classes, _name in page.rows).split()
    assert figures == {title: classes.count(finding) for finding, title in TITLES.items()}
    kept = artifact(run)
    assert (kept["environment"], kept["tokens"]) == (environment.url, len(report["tokens"]))
    assert kept["findings"] == {
        finding: classes.count(finding) for finding in TITLES if finding in classes
    }
    keys = ("id", "kind", "name", "expiration_date", "findings")
    assert (kept["listed"], kept["not_listed"]) == (
        [{key: listed[key] for key in keys} for listed in report["tokens"] if listed["findings"]],
        0,
    )
    assert "never_used: " in run.stdout
    weeks = [attributes for tag, attributes in page.elements if tag == "li"]
    assert len(weeks) == 53
    in_a_year = [end for end in ends if end != "never"][
        1:-1
    ]  # but what has ended, and what ends later
    bars = [re.fullmatch(r"--n: (\d+); --soon: (\d+)", week.get("style") or "") for week in weeks]
    assert sum(int(week[1]) for week in bars if week) == len(in_a_year)
    assert sum(int(week[2]) for week in bars if week) == figures["Expire soon"]
    assert environment.writes() == []


@pytest.mark.once
def test_the_commands_of_the_page_do_what_they_are_for(
    ansible: Ansible, environment: Environment
) -> None:
    for name in ("ended", "ending", "never_used", "unused", "no_end", "disabled"):
        plant(environment, name, **PLANTED[name])
    plant(environment, "wide", scopes=["logs.read", "settings.write"])
    plant(environment, "same")
    plant(environment, "same")
    audit(ansible, **files(ansible.folder), wide_scopes=["settings.write"]).succeeded()
    _page, report = written(ansible.folder)
    commands = {
        command
        for listed in report["tokens"]
        for command in listed["commands"].values()
        if listed["name"] != "admin"
    }
    assert len(commands) == 8
    before = {token["name"]: token["id"] for token in environment.tokens()}
    tasks: list[dict[str, t.Any]] = []
    for command in sorted(commands):
        _ansible, _host, _m, module, _a, arguments = shlex.split(command)
        tasks.append({"name": command, module: arguments, "register": "done"})
    ansible.play(*tasks).succeeded()
    left = {token["name"]: token for token in environment.tokens()}
    assert set(left) == set(before) - {"ended", "disabled"}
    assert [left[name]["enabled"] for name in ("never_used", "unused")] == [False, False]
    assert left["wide"]["scopes"] == ["logs.read"]
    for name in ("ending", "no_end"):
        newest, oldest = environment.tokens(name)
        assert oldest["id"] == before[name]
        assert newest["expirationDate"]


def test_hostile_names_stay_text_and_empty_variables_are_not_given(
    ansible: Ansible, environment: Environment
) -> None:
    for name in HOSTILE:
        plant(environment, name, owner=name, expires="now+10d")
    plant(environment, "half \ud800")
    empty = dict.fromkeys(
        [
            *("html", "json", "environment_url", "store", "ending_days", "unused_days"),
            *("max_scopes", "wide_scopes", "fail"),
        ],
        "",
    )
    # The folder that Ansible was started in, whatever PWD says.
    run = audit(ansible, {"PWD": "/nonexistent"}, {"__dynatrace_audit_now": SUNDAY}, **empty)
    run.succeeded()
    page, report = written(ansible.folder)
    commands = [c for listed in report["tokens"] for c in listed["commands"].values()]
    assert not [command for command in commands if re.search(r"[^\w .:=,\"-]", command)]
    labels = re.findall(r"<li\b[^>]*>(?:<i>(\w+)</i>)?", (ansible.folder / PAGE).read_text())
    assert labels[:2] == ["", "Dec"]  # a label for November would reach into this
    places = [place for place, label in enumerate(labels) if label]
    assert min(after - place for place, after in zip(places, places[1:])) >= 3
    assert places[-1] < 51
    assert (report["ending_days"], report["unused_days"], report["max_scopes"]) == (30, 90, 10)
    assert "WARNING" not in run.output
    kept = {listed["name"] for listed in artifact(run)["listed"]}
    assert {name[:100] for name in HOSTILE} <= kept
    names = sorted(
        listed["name"] for listed in report["tokens"] if not listed["name"].startswith("half ")
    )
    assert names == sorted([*HOSTILE, "admin"])
    marked = {re.sub(r"[\x00-\x1f]", "\ufffd", name) for name in HOSTILE if "between" not in name}
    marked |= {"admin", "between" + "\ufffd" * len(CHARACTERS) + "these"}
    assert {name for _classes, name in page.rows if not name.startswith("half ")} == marked

    expected = {
        "html",
        "head",
        "meta",
        "link",
        "title",
        "style",
        "body",
        "header",
        "main",
        "section",
        "div",
        "form",
        "button",
        "select",
        "option",
        "label",
        "input",
    }
    expected |= {
        "h1",
        "h2",
        "p",
        "b",
        "i",
        "span",
        "small",
        "time",
        "ol",
        "li",
        "bdi",
        "code",
        "mark",
        "details",
        "summary",
    }
    expected |= {"table", "thead", "tbody", "tr", "th", "td"}
    assert {tag for tag, _attributes in page.elements} <= expected
    assert not [
        name for _tag, attributes in page.elements for name in attributes if name.startswith("on")
    ]
    references = [
        (tag, attributes[name])
        for tag, attributes in page.elements
        for name in ("src", "href", "action")
        if name in attributes
    ]
    assert references == [("link", "data:,")]
    source = (ansible.folder / "dynatrace-tokens.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in source
    style = source.partition("<style>")[2].partition("</style>")[0]
    assert not re.search(r"url\(|@import|//", style)
    assert not set(source) & set(CHARACTERS)
    assert "1337" not in source


def test_a_playbook_imports_it_check_mode_writes_nothing_and_a_store_tells_what_is_retiring(
    ansible: Ansible, environment: Environment
) -> None:
    lasting = {"scopes": ["metrics.read"], "store": "store", "overlap": "2d"}
    tasks = [token("ci", **lasting), token("ci", rotate="always", **lasting)]
    variables = {"html": "page.html", "json": "report.json", "store": str(ansible.folder / "store")}
    variables = {f"dynatrace_audit_{name}": value for name, value in variables.items()}
    for name in ("html", "json"):
        variables[f"dynatrace_audit_{name}"] = str(
            ansible.folder / variables[f"dynatrace_audit_{name}"]
        )
    imported = [
        {
            "name": "audit",
            "ansible.builtin.import_playbook": "community.dynatrace.audit_tokens",
            "vars": variables,
        }
    ]
    ansible.playbook(
        [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}, *imported]
    ).succeeded()
    tokens = json.loads((ansible.folder / "report.json").read_text())["tokens"]
    found = {
        (listed["name"], listed["retiring"] is not None): listed["findings"] for listed in tokens
    }
    assert "retiring" in found["ci", True]
    assert "same_name" not in found["ci", True] + found["ci", False]
    page = Page((ansible.folder / "page.html").read_text(encoding="utf-8"))
    assert page.figures()["Predecessors"] == 1
    assert "usable until" in page.text

    for name in ("page.html", "report.json"):
        (ansible.folder / name).unlink()
    for number in range(110):
        plant(environment, f"{number:03}" + "w" * 297, expires=None)
    environment.forget_requests()
    run = ansible.playbook(imported, ["--check"]).succeeded()
    kept = artifact(run)
    assert len(kept["listed"]) == 100
    assert 100 + kept["not_listed"] == kept["tokens"] == 113
    assert len(json.dumps(kept)) < 30_000
    assert run.result("Write the page")["changed"]
    assert not (ansible.folder / "page.html").exists()
    assert not (ansible.folder / "report.json").exists()
    assert environment.writes() == []


@pytest.mark.once
def test_tokens_of_every_kind_are_found_and_can_be_looked_at_by_themselves(
    ansible: Ansible, environment: Environment
) -> None:
    account = stand_in.account_of(environment)
    other = account.new_environment()
    admin = environment.plant("admin", ["apiTokens.read", "activeGateTokenManagement.read"])
    plant(environment, "ci")
    usual = {"expires": "now+100d", "last_used": "now-1d"}
    account.plant("ci", **usual)
    other.plant("ci", **usual)
    account.plant("wide", ["settings:objects:write"], **usual)
    environment.plant_activegate_token("ci", last_used="now-1d", expires="now+20d")
    env = {**account.environment_variables(), "DYNATRACE_API_TOKEN": admin["token"]}
    run = audit(
        ansible,
        env,
        **files(ansible.folder),
        kinds=["access", "platform", "activegate"],
        account_url=account.url,
    ).succeeded()
    page, report = written(ansible.folder)
    found = {
        (listed["kind"], listed["name"], listed["findings"][0] if listed["findings"] else "")
        for listed in report["tokens"]
        if listed["name"] != "admin"
    }
    assert found == {
        ("access", "ci", ""),
        ("platform", "ci", ""),  # for two environments, which makes them two names
        ("platform", "wide", "wide"),
        ("activegate", "ci", "ending"),
    }
    assert page.kinds == [listed["kind"] for listed in report["tokens"]]
    filters = [made["value"] for tag, made in page.elements if tag == "option"]
    filters = filters[: filters.index("anybody")]
    assert filters == ["any", "access", "platform", "activegate"]
    source = (ansible.folder / "dynatrace-tokens.html").read_text(encoding="utf-8")
    for kind in filters[1:]:
        shown = f"form:has([value={kind}]:checked) ~ section tbody tr:not([data-kind={kind}])"
        assert f"{shown} {{ display: none !important }}" in source
    assert account.resource in page.text
    assert "None" not in page.text
    assert {listed["kind"] for listed in artifact(run)["listed"]} == {
        "access",
        "platform",
        "activegate",
    }
    assert environment.writes() == []
