"""Pages of a list: a token stands for one place in one list, and is good for nothing else."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar

from .exceptions import InvalidParameterException

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """Which part of which list a request asks for.

    Attributes
    ----------
    scope
        All that decides what the list holds: the operation and its parameters.
    max_results
        How many items fit on a page.
    next_token
        What the page before answered, or None for the first.
    """

    scope: tuple[object, ...]
    max_results: int | None = None
    next_token: str | None = None

    def cut(self, items: list[Item]) -> tuple[list[Item], str | None]:
        """Return this page of the list, and the token of the next one if there is one."""
        start = self._start()
        end = start + (self.max_results or 100)
        return items[start:end], self._token(end) if end < len(items) else None

    def _token(self, offset: int) -> str:
        digest = sha256(json.dumps(self.scope, sort_keys=True).encode()).hexdigest()[:16]
        return urlsafe_b64encode(f"{offset}.{digest}".encode()).decode()

    def _start(self) -> int:
        if self.next_token is None:
            return 0
        try:
            offset = int(urlsafe_b64decode(self.next_token).decode().partition(".")[0])
        except ValueError:
            offset = -1
        if offset < 1 or self._token(offset) != self.next_token:
            raise InvalidParameterException("The NextToken is not one that this list answered.")
        return offset
