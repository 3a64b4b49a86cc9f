"""Rules for an execution's input that several handlers share."""

from offboarding import configuration
from offboarding.adapters.policy import Policy, find_policy
from offboarding.domain import errors
from offboarding.domain.entities import Entity, EntityState
from offboarding.domain.identifiers import is_same_identifier
from offboarding.domain.reporters import requesters_of
from offboarding.edge.steps import Expected, OffboardingInput, RecordedRequest, RestoreInput


def require_configured_organization(organization_id: str) -> Policy:
    """Require that an organization is one of the settings, and return its policy.

    Raises
    ------
    InvalidRequest
        If it is not.
    SettingsUnavailable, AccessDenied
        If the settings cannot be read.
    """
    policy = find_policy(organization_id)
    if policy is None:
        raise errors.InvalidRequest(
            f"OrganizationId {organization_id} is not configured in this stack. It has to be one of "
            "offboarding.organizations in cdk.json. Correct the input, or add the organization and deploy."
        )
    return policy


def require_requester(request: OffboardingInput | RestoreInput) -> None:
    """Require that a person who starts an execution gives a name, if the settings require that.

    Raises
    ------
    InvalidRequest
        If there is no `RequestedBy`. An identity provider's event names its own requester.
    """
    if configuration.requires_requested_by() and "RequestedBy" not in request and "Requester" not in request:
        raise errors.InvalidRequest(
            "The execution's input lacks RequestedBy, which this stack requires. Give the name of the person who asks."
        )


def require_expected(entity: Entity, expected: Expected) -> None:
    """Require that an entity is what the requester expects, compared as identifiers.

    The address of a disabled entity is compared only if there is one: WorkMail may not show it.

    Raises
    ------
    EntityMismatch
        If it differs; the message names the members and the entity's id.
    """
    actual = {
        "Type": entity.type.value,
        "Name": entity.name,
        "Email": entity.email or "",
        "DisplayName": entity.display_name or "",
    }
    is_hidden = entity.email is None and entity.state is EntityState.DISABLED and not entity.never_registered
    compared = {member: value for member, value in expected.items() if member != "Email" or not is_hidden}
    mismatches = [member for member, value in compared.items() if not is_same_identifier(actual[member], str(value))]
    if mismatches:
        raise errors.EntityMismatch(
            f"The input means the {entity.type.value} {entity.id}, which differs from Expected in "
            f"{' and '.join(mismatches)}. Correct the input if you mean another entity, or Expected if it is out of "
            "date."
        )


def requesters(request: OffboardingInput | RecordedRequest) -> frozenset[str]:
    """Return the requesters, casefolded: the person in the input, and the person in the identity provider's event."""
    return requesters_of(request.get("RequestedBy"), request.get("Requester"))
