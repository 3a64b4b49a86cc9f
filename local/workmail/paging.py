"""Pages of a list: a token stands for one position in one list, and is valid nowhere else."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import TypeVar

from .exceptions import InvalidParameterException

Item = TypeVar("Item")


@dataclass(frozen=True)
class Page:
    """The part of a list that a request asks for.

    Attributes
    ----------
    scope
        Everything that determines the content of the list: the operation and its parameters.
    max_results
        How many items fit on a page.
    next_token
        The token in the answer with the previous page, or None for the first page.
    """

    scope: tuple[object, ...]
    max_results: int | None = None
    next_token: str | None = None

    def slice(self, items: Iterable[Item]) -> tuple[list[Item], str | None]:
        """Return this page of the list, and the token of the next one if there is one."""
        start, size = self._start(), self.max_results or 100
        page = list(islice(items, start, start + size + 1))
        return page[:size], self._token(start + size) if len(page) > size else None

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
            raise InvalidParameterException("The NextToken does not belong to this list.")
        return offset
