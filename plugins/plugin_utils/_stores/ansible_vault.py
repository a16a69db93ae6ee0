# Copyright (c) 2026, the community.dynatrace project
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in files, encrypted as ansible-vault does it, with the vault secrets of the play."""

from __future__ import annotations

import threading
import typing as t

from ansible import constants
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultLib
from ansible_collections.community.dynatrace.plugins.module_utils._model.entry import Sealed
from ansible_collections.community.dynatrace.plugins.module_utils._model.errors import (
    DynatraceError,
    OptionError,
)
from ansible_collections.community.dynatrace.plugins.module_utils._model.secret import (
    Secret,
    could_be_secret,
)

try:
    from ansible.parsing.vault import VaultSecretsContext
except ImportError:  # ansible-core 2.18
    VaultSecretsContext = None

HOW_TO_GIVE = "--vault-password-file, --vault-id, --ask-vault-pass or ANSIBLE_VAULT_PASSWORD_FILE"

_VaultSecrets = t.Sequence[tuple[str, t.Any]]


def vault_secrets(loader: t.Any) -> _VaultSecrets:
    """The vault secrets of this run of Ansible: pairs of a vault id and a secret."""
    if VaultSecretsContext is None:
        return loader._vault.secrets or []
    context = VaultSecretsContext.current(optional=True)
    return context.secrets if context else []


class AnsibleVault:
    """Seals secrets with one of these vault secrets, and opens what any of them has sealed."""

    def __init__(self, secrets: _VaultSecrets, encrypt_vault_id: str | None) -> None:
        self._secrets = secrets
        self._encrypt_vault_id = (
            encrypt_vault_id
            or constants.config.get_config_value("DEFAULT_VAULT_ENCRYPT_IDENTITY")
            or None
        )

    def check(self) -> None:
        """:raises OptionError: where nothing tells which vault secret to seal with."""
        self._sealing_secret()

    @property
    def sealing_id(self) -> str:
        """The vault id of the vault secret to seal with."""
        return self._sealing_secret()[0]

    def opens_with_sealing_secret(self, text: bytes) -> bool:
        """Whether this was sealed with the vault secret to seal with, whatever its vault id."""
        try:
            VaultLib([self._sealing_secret()]).decrypt(text)
        except (AnsibleError, ValueError):
            return False
        return True

    def seal(self, secret: Secret) -> Sealed:
        vault_id, vault_secret = self._sealing_secret()
        text = VaultLib(self._secrets).encrypt(secret.reveal(), vault_secret, vault_id)
        return Sealed(text.decode())

    def unseal(self, sealed: Sealed, place: str) -> Secret:
        """:raises DynatraceError: where none of the vault secrets opens it."""
        if not self._secrets:
            raise DynatraceError(
                f"The secret in the {place} is encrypted, and there is no vault secret. Give one "
                f"with {HOW_TO_GIVE}."
            )
        try:
            text = VaultLib(self._secrets).decrypt(sealed.text.encode()).decode()
        except (AnsibleError, ValueError):
            # Not chained: the library's message may quote anything.
            raise DynatraceError(
                f"The secret in the {place} cannot be decrypted with the vault secrets at hand "
                f"({self._vault_ids()}). Nothing was changed. Give the one that it was encrypted "
                "with; if that is lost, remove the file, and the next run has no secret for the "
                "token."
            ) from None
        if not could_be_secret(text):
            raise DynatraceError(
                f"The value in the {place} is not the secret of a token: it is empty, or has a "
                "space or a line break in it."
            )
        return Secret(text)

    def _sealing_secret(self) -> tuple[str, t.Any]:
        """The vault id and the vault secret to seal with."""
        if not self._secrets:
            raise OptionError(
                "store: a secret would be written, and there is no vault secret to encrypt it "
                f"with. Give one with {HOW_TO_GIVE}, or say encrypt: false in store to have it "
                "written in the clear."
            )
        wanted = self._encrypt_vault_id
        fitting = [secret for secret in self._secrets if wanted in (None, secret[0])]
        if not fitting:
            raise OptionError(
                f"store: encrypt_vault_id is {wanted!r}, and there is no vault secret of that id, "
                f"but of {self._vault_ids()}."
            )
        if wanted is None and len(fitting) > 1:
            raise OptionError(
                f"store: there are several vault secrets ({self._vault_ids()}), and nothing tells "
                "which one to encrypt with. Name its vault id as encrypt_vault_id in store, or set "
                "vault_encrypt_identity."
            )
        return fitting[0]  # given several times, the first counts, as in ansible-vault

    def _vault_ids(self) -> str:
        return ", ".join(vault_id for vault_id, _secret in self._secrets)


class InTheClear:
    """Writes secrets in the clear, warns of that once, and opens those that are encrypted."""

    def __init__(self, vault: AnsibleVault, path: str, warn: t.Callable[[str], None]) -> None:
        self._vault = vault
        self._path = path
        self._warn = warn
        self._lock = threading.Lock()
        self._warned = False

    def check(self, place: str) -> None:
        with self._lock:
            if not self._warned:
                self._warned = True
                self._warn(
                    f"Secrets are kept in the clear in {self._path}, because store says "
                    "encrypt: false."
                )

    def prepare(self, place: str) -> None:
        pass

    def seal(self, secret: Secret, place: str) -> Secret | Sealed:
        return secret

    def unseal(self, sealed: Sealed, described: str) -> Secret:
        return self._vault.unseal(sealed, described)
