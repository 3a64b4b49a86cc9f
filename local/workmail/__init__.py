"""Amazon WorkMail for moto, which has none: after `register`, every entry point of moto reaches it."""

import re
import sys

import moto
from moto import backend_index

from .behaviour import Behaviour
from .exports.contents import MailboxContents, MailItem
from .models import Call, WorkMailBackend, covered_operations, workmail_backends
from .urls import url_bases

__all__ = [
    "Behaviour",
    "Call",
    "MailItem",
    "MailboxContents",
    "WorkMailBackend",
    "covered_operations",
    "register",
    "workmail_backends",
]

_judged_names: set[str] = set()


def register() -> None:
    """Make moto know Amazon WorkMail, for ``mock_aws`` and for ``ThreadedMotoServer``; again does nothing.

    moto finds a service by the pattern of its URL, then imports ``moto.<service>``. This package's modules
    have both names, so that there is no second copy of the backends.
    """
    # Each name is judged once: thousands of modules are loaded, and each environment registers.
    names = sys.modules.keys() - _judged_names
    for name in names:
        if name == __name__ or name.startswith(f"{__name__}."):
            sys.modules.setdefault(name.replace(__name__, "moto.workmail", 1), sys.modules[name])
    _judged_names.update(names)
    moto.workmail = sys.modules[__name__]
    services = {service for service, _ in backend_index.backend_url_patterns}
    if "workmail" not in services:
        backend_index.backend_url_patterns.extend(("workmail", re.compile(base)) for base in url_bases)
