"""Parts of each request to moto whose result nobody reads, made in less time: speed only.

- botocore makes the name of the client from thirty parts each time.
- moto draws each character of an id by itself.
- moto writes down with each request which services are in use, and when it starts which URLs it answers. It lists the
  Regions of each service that is used.
"""

from __future__ import annotations

import string
from functools import cache
from typing import Any

from botocore.useragent import UserAgentString
from moto.cloudformation import parsing
from moto.core import models, responses
from moto.core.base_backend import AccountSpecificBackend, BackendDict
from moto.moto_api._internal.moto_random import MotoRandom
from moto.sqs import models as sqs_models

from local.aws import in_process_requests
from local.hooks import Hooks

_HEX_DIGITS = "0123456789abcdef"
_callbacks_by_method: dict[str, list[Any]] = {}
_regions_by_service: dict[str, list[str]] = {}
_find_name_property = cache(parsing.resource_name_property_from_type)
_convert_name = cache(responses.camelcase_to_underscores)


def install(hooks: Hooks) -> None:
    """Save this work for as long as the hooks are in place; before moto starts, to save that of its start."""
    in_process_requests.install(hooks)
    hooks.replace(UserAgentString, "to_string", lambda self: "embedded")
    _hook_ids(hooks)
    _hook_registrations(hooks)
    _hook_start(hooks)
    hooks.replace(parsing, "resource_name_property_from_type", _find_name_property)
    for module in (responses, sqs_models):
        hooks.replace(module, "camelcase_to_underscores", _convert_name)


def _hook_ids(hooks: Hooks) -> None:
    def get_random_hex(self: MotoRandom, length: int = 8) -> str:
        return "".join(self.choices(_HEX_DIGITS, k=length))

    def get_random_string(
        self: MotoRandom, length: int = 20, include_digits: bool = True, lower_case: bool = False
    ) -> str:
        characters = string.ascii_letters + (string.digits if include_digits else "")
        text = "".join(self.choices(characters, k=length))
        return text.lower() if lower_case else text

    hooks.replace(MotoRandom, "get_random_hex", get_random_hex)
    hooks.replace(MotoRandom, "get_random_string", get_random_string)


def _hook_registrations(hooks: Hooks) -> None:
    register = BackendDict._create_account_specific_backend

    def register_once(self: BackendDict[Any], account_id: str) -> None:
        # A reset forgets the accounts and the registration together.
        if not dict.__contains__(self, account_id):
            register(self, account_id)

    hooks.replace(BackendDict, "_create_account_specific_backend", register_once)
    list_regions = AccountSpecificBackend._generate_regions

    def list_regions_once(self: AccountSpecificBackend[Any], service_name: str) -> list[str]:
        if service_name not in _regions_by_service:
            _regions_by_service[service_name] = list_regions(self, service_name)
        return _regions_by_service[service_name]

    hooks.replace(AccountSpecificBackend, "_generate_regions", list_regions_once)


def _hook_start(hooks: Hooks) -> None:
    enable = models.MockAWS._enable_patching

    def enable_patching(self: models.MockAWS, reset: bool = True) -> None:
        """Register the URLs of all services for `requests`: moto makes a thousand objects for them each time."""
        if not _callbacks_by_method:
            enable(self, reset)
            registered = models.responses_mock._registry._registered
            _callbacks_by_method.update({method: list(callbacks) for method, callbacks in registered.items()})
            return
        models.botocore_stubber.enabled = True
        if reset:
            self.reset()
        models.responses_mock.start()
        for method, callbacks in _callbacks_by_method.items():
            models.responses_mock._registry._registered[method].extend(callbacks)

    hooks.replace(models.MockAWS, "_enable_patching", enable_patching)
