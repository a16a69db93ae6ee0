# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that describe one token: of a task, or of each token in a list."""

from __future__ import annotations

import re
import textwrap


def _as_suboptions(documentation: str) -> str:
    """The same options below ``tokens``, with references that resolve there."""
    names = "|".join(re.findall(r"^  (\w+):$", documentation, re.MULTILINE))
    text = re.sub(rf"\bO\(({names})\b", r"O(tokens[].\1", documentation)
    text = text.replace("RV(", "RV(community.dynatrace.dynatrace_token#module:")
    _options, _line, suboptions = text.partition("options:\n")
    return "options:\n  tokens:\n    suboptions:\n" + textwrap.indent(suboptions, "    ")


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  state:
    description:
      - With V(present), the token is issued if it does not exist, and updated if it differs.
      - With V(absent), the token is deleted, together with expired tokens of the same name and
        kind, its predecessors, and its entry in O(store).
    type: str
    choices: [present, absent]
    default: present
  name:
    description:
      - The name of the token. The name and the O(kind) identify the token in its environment, or
        among the tokens with the same O(resources).
      - Names are not unique in Dynatrace, see O(on_duplicates).
      - At least one of O(name) and O(token_id) is required. If both are given, the token with this
        id is renamed to O(name), and its entry in O(store) moves along.
    type: str
  kind:
    description:
      - The kind of the token. V(access) and V(personal_access) are access tokens, V(platform) is a
        platform token, V(activegate) is an ActiveGate token. The default is V(access), or
        V(personal_access) with O(personal_access_token=true).
      - Tokens of the same name and of different kinds are different tokens.
      - Platform tokens need an OAuth client, with O(oauth_client_id), O(oauth_client_secret) and
        O(account_uuid). Their scopes and their name cannot be changed, see O(on_immutable_change).
        O(enabled) and O(expiration_date) can.
      - ActiveGate tokens have no scopes, and cannot be disabled or changed. They expire after two
        years at the latest.
    type: str
    choices: [access, personal_access, platform, activegate]
    version_added: 1.1.0
  resources:
    description:
      - For O(kind=platform) only. The environments or the account that the token is for, such as
        V(urn:dtenvironment:abc12345) or V(urn:dtaccount:UUID).
      - Tokens of the same name with other resources are different tokens, which this task leaves
        alone.
      - The default is the environment of O(environment_url). Without O(environment_url), this
        option is required.
    type: list
    elements: str
    version_added: 1.1.0
  tags:
    description:
      - For O(kind=platform) only. The tags of a new token. Dynatrace does not return the tags of a
        token, so they are never compared.
    type: list
    elements: str
    version_added: 1.1.0
  user_uuid:
    description:
      - For O(kind=platform) only. The UUID of the user or service user who owns a new token. The
        default is the owner of the OAuth client. Dynatrace does not return the owner of a platform
        token, so it is never compared.
    type: str
    version_added: 1.1.0
  activegate_type:
    description:
      - For O(kind=activegate) only. The type of the ActiveGate. A new token is for V(environment)
        if this option is not given.
    type: str
    choices: [environment, cluster]
    version_added: 1.1.0
  seed:
    description:
      - For O(kind=activegate) only. Whether the token is a seed token. A new token is an individual
        token if this option is not given, which Dynatrace recommends.
    type: bool
    version_added: 1.1.0
  token_id:
    description:
      - The id of an existing token. This is the public part of the token, up to the second dot.
    type: str
  scopes:
    description:
      - The scopes of the token. Order and repetitions make no difference. If not given, an existing
        token keeps its scopes.
      - Required to issue a token.
      - A scope that this collection does not know causes a warning. Dynatrace decides whether the
        scope exists.
    type: list
    elements: str
  scopes_mode:
    description:
      - With V(exact), the token gets O(scopes) and no others. With V(add), O(scopes) are added to
        the scopes of the token. With V(remove), they are removed from the scopes of the token.
    type: str
    choices: [exact, add, remove]
    default: exact
  enabled:
    description:
      - Whether the token can be used. If not given, a new token is enabled, and an existing token
        is left as it is.
    type: bool
  personal_access_token:
    description:
      - Whether the token is a personal access token, the same as O(kind=personal_access). A
        personal access token and an API token of the same name are different tokens.
    type: bool
    default: false
  expires_in:
    description:
      - The lifetime of a new token, as a number and a unit. The units are V(m) for minutes, V(h)
        for hours, V(d) for days, V(w) for weeks, V(M) for months and V(y) for years.
      - Used only when a token is issued. An existing token is never changed to match, but see
        O(rotate).
      - If neither O(expires_in) nor O(expiration_date) is given, a new token never expires.
      - Mutually exclusive with O(expiration_date).
    type: str
  expiration_date:
    description:
      - When the token expires, as an ISO 8601 date and time with a time zone.
      - If an existing token expires at another time, O(on_immutable_change) decides.
    type: str
  rotate:
    description:
      - When to replace an existing token with a new token.
      - With V(expiring), the token is replaced if it expires within O(rotate_before). Requires
        O(expires_in), the lifetime of the new token. A token that never expires is not replaced.
      - With V(always), the token is replaced in each run, which is not idempotent.
      - The new token gets the same scopes, unless other O(scopes) are given. Its secret is saved
        and verified with a request. Only then is the predecessor retired, after O(overlap). If the
        new token does not work, it is deleted again, and the existing token is left as it is.
      - A disabled token is not replaced, unless O(enabled) is given.
      - The token that the task itself calls Dynatrace with is never replaced. The task fails.
      - Cannot be combined with O(token_id), because the new token has another id.
    type: str
    choices: [never, expiring, always]
    default: never
  rotate_before:
    description:
      - How long before its expiration date a token is replaced with O(rotate=expiring), in the
        format of O(expires_in). Must be less than O(expires_in).
    type: str
    default: 7d
  overlap:
    description:
      - How long the predecessor stays usable after a rotation, in the format of O(expires_in). With
        V(0), it is retired in the same run.
      - Never later than the predecessor's own expiration date.
      - The time is kept in O(store). The first run after that time deletes the predecessor, or
        disables it if O(delete_after) is set. Until then, runs change nothing. RV(retiring) lists
        the predecessors that still exist.
      - Requires O(store).
    type: str
    default: '0'
  delete_after:
    description:
      - How long a predecessor is kept disabled before it is deleted, in the format of
        O(expires_in). With V(0), it is deleted without being disabled first. Until it is deleted,
        it can be enabled again by its O(token_id).
      - Counts from the run that disables it.
      - Requires O(store).
    type: str
    default: '0'
  retire:
    description:
      - Whether predecessors are disabled and deleted in this run.
      - With V(false), they are left as they are, even after O(overlap) or O(delete_after). A later
        run with V(true) retires them. Between the two runs, RV(handed_over) is V(false), and you
        can give the new secret to its consumers.
      - V(false) requires O(store). O(state=absent) also deletes all predecessors, whatever
        O(retire) says.
    type: bool
    default: true
  on_immutable_change:
    description:
      - What to do if an existing token does not expire on O(expiration_date). Dynatrace cannot
        change the expiration date of a token.
      - With V(rotate), a new token that expires on O(expiration_date) replaces it, as with
        O(rotate).
    type: str
    choices: [fail, rotate, ignore]
    default: fail
  on_duplicates:
    description:
      - What to do if several tokens have this name and kind, and neither O(store) nor O(token)
        identifies the right token.
      - With V(fail), the error lists their ids. With V(newest) or V(oldest), the token created last
        or first is managed, and the others are left as they are.
      - With O(state=absent), several tokens are always an error, because each run would delete
        another token. To delete a token among several, give its O(token_id).
    type: str
    choices: [fail, newest, oldest]
    default: fail
  token:
    description:
      - The secret of the token, if you already hold it. One request checks that it belongs to the
        existing token.
      - If it does, RV(secret_available) is true and RV(token) is this secret. If O(store) is given,
        the secret is saved there.
    type: str
  on_missing_secret:
    description:
      - What to do if the token exists and its secret is not known. The secret is neither in
        O(store) nor given as O(token), or the secret found there belongs to another token.
      - With V(rotate), a new token is issued, its secret is saved, and the existing token is
        deleted. The new token has the same scopes and expiration date, unless others are given.
        Consumers of the existing token are locked out. A disabled token is not replaced, unless
        O(enabled) is given.
      - If not given, V(fail) is used with O(store), because somebody else may be using the token,
        and V(ignore) without O(store).
    type: str
    choices: [fail, ignore, rotate]
"""

    # Annotated, because ansible-test reads the plain assignments of a fragment as literals.
    SUBOPTIONS: str = _as_suboptions(DOCUMENTATION)
