"""AWS KMS where moto differs from AWS: a symmetric key has no key pair, which takes moto tenths of a second to make."""

from __future__ import annotations

from typing import Any

from moto.kms.utils import generate_private_key

from local.hooks import Hooks

_SYMMETRIC = "SYMMETRIC_DEFAULT"


def install(hooks: Hooks) -> None:
    """Have keys made as on AWS for as long as the hooks are in place."""

    def generate(key_spec: str) -> Any:
        return None if key_spec == _SYMMETRIC else generate_private_key(key_spec)

    hooks.replace_imported("moto.kms", generate_private_key, generate)
