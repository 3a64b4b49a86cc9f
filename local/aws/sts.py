"""AWS STS where moto's differs from AWS's: temporary credentials are valid for clients, which have the machine's time.

The embedded clock stands still, so what it calls an hour from now can be past for a client.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from moto.sts.models import AssumedRole, Token

from local.clock import read_real_time
from local.hooks import Hooks


def install(hooks: Hooks) -> None:
    """Have credentials expire for clients as on AWS for as long as the hooks are in place."""
    for kind in (AssumedRole, Token):
        hooks.replace(kind, "__init__", _make_initializer(kind.__init__))


def _make_initializer(initialize: Any) -> Any:
    def initialize_and_extend(self: Any, *args: Any, **kwargs: Any) -> None:
        initialize(self, *args, **kwargs)
        # moto's times have no zone.
        expiration = read_real_time().replace(tzinfo=None) + timedelta(seconds=int(kwargs["duration"]))
        self.expiration = max(self.expiration, expiration)

    return initialize_and_extend
