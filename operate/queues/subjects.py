"""Who an event is about, in the words of its provider: what a person needs to offboard somebody by hand.

It is printed for the person who has asked, and written nowhere.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

_PATHS = (
    ("target", "alternateId"),
    ("target", "displayName"),
    ("target", "id"),
    ("data", "user_name"),
    ("data", "user_id"),
    ("identity", "email"),
    ("identity", "name"),
    ("account", "nativeIdentity"),
    ("userName",),
    ("responseElements", "userName"),
    ("userId",),
    ("requestParameters", "userId"),
    ("EntityId",),
    ("Entity", "Email"),
    ("Entity", "Name"),
    ("Entity", "Id"),
    ("executionArn",),
)
"""Where Okta, Auth0, SailPoint, Identity Center, requests and events of this stack have it, the address first."""
_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_MANAGEMENT_CALL = "sapi"
_USER_PATH = re.compile(r"/users/([^/?]+)")
NOBODY = "The event names nobody in a form that is known here."


def describe_subject(event: Mapping[str, Any]) -> str:
    """Return the login, the address, the name and the id that an event has, or that it has none."""
    detail = event.get("detail")
    if not isinstance(detail, dict):
        return NOBODY
    data = detail.get("data")
    if isinstance(data, dict) and data.get("type") == _MANAGEMENT_CALL:
        # Its user is the administrator who has made the call.
        texts = _find_user_of_call(data)
    else:
        texts = [text for path in _PATHS for text in _iterate_texts(_select_users(detail), path)]
    return ", ".join(dict.fromkeys(texts)) or NOBODY


def _find_user_of_call(data: Mapping[str, Any]) -> list[str]:
    paths = _iterate_texts(data, ("details", "request", "path"))
    return [unquote(match[1]) for path in paths if (match := _USER_PATH.search(path))]


def _select_users(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the members of an event, with the users alone of the targets: Okta lists applications and groups too."""
    targets = detail.get("target")
    if not isinstance(targets, list):
        return detail
    users = [target for target in targets if isinstance(target, dict) and target.get("type") == "User"]
    return {**detail, "target": users or targets}


def _iterate_texts(value: object, path: tuple[str, ...]) -> Iterator[str]:
    """Go through the texts at a path of members; each element of a list is looked at."""
    if isinstance(value, list):
        for element in value:
            yield from _iterate_texts(element, path)
    elif isinstance(value, dict) and path:
        yield from _iterate_texts(value.get(path[0]), path[1:])
    elif isinstance(value, str) and value.strip() and not path and value != _HIDDEN:
        yield value
