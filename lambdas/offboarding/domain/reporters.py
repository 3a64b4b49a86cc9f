"""Reporters: who said that somebody left, and may say later that the person is back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from offboarding.domain.identifiers import casefolded

REQUESTS = "offboardingRequested"
"""The provider of the open contract, whose users are requests."""

_DIRECTORIES = {"identityCenterCloudTrail": "identityCenter", "identityCenterScim": "identityCenter"}
"""Different ways to hear the same provider: what one of them reports, another one can take back."""


@dataclass(frozen=True)
class Reporter:
    """One user of an identity provider, or one request.

    Attributes
    ----------
    provider
        The key of the provider in the settings; the same for all ways to hear it.
    user_id
        The provider's own id of the user, which stays when login or address change; the id of a request.
    """

    provider: str
    user_id: str = field(repr=False)

    @classmethod
    def of(cls, provider: str, user_id: str) -> "Reporter":
        """Return the reporter behind a provider's user, however it was heard."""
        return cls(_DIRECTORIES.get(provider, provider), user_id)

    @classmethod
    def of_requester(cls, requester: Mapping[str, Any]) -> "Reporter":
        """Return the reporter behind the `Requester` of an execution's input."""
        return cls.of(requester["Provider"], requester.get("ProviderUserId", requester["EventId"]))

    @classmethod
    def of_all_requests(cls, entity_key: str) -> "Reporter":
        """Return what stands for all requests for an entity, which can be withdrawn together."""
        return cls(REQUESTS, f"entity {entity_key}")


def requesters_of(requested_by: str | None, requester: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the requesters, casefolded: the person in the input, and the person in the identity provider's event."""
    return casefolded(requested_by, (requester or {}).get("RequestedBy"))
