"""Whom an event is about: the organization by the settings, and exactly one user of WorkMail."""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.directory import Directory, workmail_client
from offboarding.adapters.intake_settings import ConfiguredOrganization, IntakeSettings, read_intake_settings
from offboarding.adapters.records import Records, entity_key
from offboarding.adapters.reports import Reports
from offboarding.domain.entities import EntityReference, EntityType, LeavingUser, is_directory_id, is_entity_id
from offboarding.domain.errors import EntityNotFound, InvalidRequest
from offboarding.domain.identifiers import lower_ascii
from offboarding.domain.reporters import Reporter
from offboarding.edge.identity_providers import LeaverEvent, RefusedEvent, RequestedEntity, SubjectKind
from offboarding.edge.remaining_time import require_time

workmail = workmail_client()

_FURTHER_ORGANIZATION_MS = 20_000
"""The most that a message takes from the look-up of its user on, in the last of several organizations."""
_LOOK_UP_MS = 25_000
"""The most that a look-up in the records and a second one in WorkMail take, before the execution starts."""
_UNKNOWN_USER_ADVICE = (
    "The leaver may have no mailbox, or be disabled already. (WorkMail knows an Identity Center user id only after the "
    "user's first sign-in there.) Offboard by hand if there is a mailbox."
)


class DepartureRepeated(Exception):  # noqa: N818 (it is a result, and not a fault)
    """The leaver was offboarded before, and deleted since. The message is the name of the execution."""


def match_organizations(leaver: LeaverEvent, settings: IntakeSettings) -> Sequence[ConfiguredOrganization]:
    """Find the organizations to which a leaver can belong, by the settings.

    It is exactly one, except for a leaver from an identity store: several organizations can have the same one.

    Raises
    ------
    RefusedEvent
        If none fits, or several do that may not.
    """
    if leaver.identity_store_id and not leaver.organization_id:
        return list_organizations_of_store(leaver.identity_store_id, settings)
    return [_match_organization(leaver, settings)]


def list_organizations_of_store(identity_store_id: str, settings: IntakeSettings) -> list[ConfiguredOrganization]:
    """List the organizations that have an identity store, by the settings.

    Raises
    ------
    RefusedEvent
        If none has it.
    """
    fitting = [o for o in settings.organizations if identity_store_id in o.identity_stores]
    if not fitting:
        raise RefusedEvent(
            f"0 organizations of the settings fit identity store {identity_store_id}, and at least one must fit. See "
            "organizations under offboarding in cdk.json."
        )
    return fitting


def _match_organization(leaver: LeaverEvent, settings: IntakeSettings) -> ConfiguredOrganization:
    configured = settings.organizations
    if leaver.organization_id:
        criterion, fitting = "this OrganizationId", [o for o in configured if o.id == leaver.organization_id]
    elif leaver.subject_kind is SubjectKind.EMAIL:
        domain = lower_ascii(leaver.subject.rpartition("@")[2])
        criterion, fitting = "the leaver's mail domain", [o for o in configured if domain in o.mail_domains]
    else:
        fallback = settings.providers[leaver.provider].organization_id
        criterion, fitting = "a leaver without a mail domain", [o for o in configured if o.id == fallback]
    if len(fitting) != 1:
        raise RefusedEvent(
            f"{len(fitting)} organizations of the settings fit {criterion}, and exactly one must fit. See "
            "organizations and identityProviders under offboarding in cdk.json."
        )
    return fitting[0]


def find_leaver(leaver: LeaverEvent, context: LambdaContext) -> tuple[ConfiguredOrganization, LeavingUser | None]:
    """Find the leaver in the organization, or in one of those that have the same identity store.

    Returns
    -------
    tuple[ConfiguredOrganization, LeavingUser | None]
        No user for a request that may be about a group or a resource.

    Raises
    ------
    RefusedEvent
        If it is in doubt which organization and whose mailbox is meant.
    DepartureRepeated
        If the leaver was offboarded before, and deleted since.
    NoTimeLeftError
        If there is too little time to look again.
    """
    organizations = match_organizations(leaver, read_intake_settings())
    if len(organizations) == 1:
        return organizations[0], _find_user(leaver, organizations[0], context)
    matches: list[tuple[ConfiguredOrganization, LeavingUser]] = []
    for organization in organizations:
        require_time(context, _FURTHER_ORGANIZATION_MS)
        users = _open_directory(organization).list_users_by_identity_provider_id(leaver.subject)
        matches += [(organization, user) for user in users]
    if not matches:
        matches = _find_recorded_users(leaver, organizations, context)
    if len(matches) != 1:
        raise RefusedEvent(
            f"{len(matches)} users of {len(organizations)} organizations have this Identity Center user id, and "
            f"exactly one must have it. {_UNKNOWN_USER_ADVICE}"
        )
    return matches[0]


def _find_recorded_users(
    leaver: LeaverEvent, organizations: Sequence[ConfiguredOrganization], context: LambdaContext
) -> list[tuple[ConfiguredOrganization, LeavingUser]]:
    require_time(context, _LOOK_UP_MS)
    candidates = ((o, _find_recorded_user(leaver, o, _open_directory(o))) for o in organizations)
    return [(organization, user) for organization, user in candidates if user is not None]


def _open_directory(organization: ConfiguredOrganization) -> Directory:
    return Directory(workmail, organization.id, invalid_parameter=InvalidRequest)


def _find_user(leaver: LeaverEvent, organization: ConfiguredOrganization, context: LambdaContext) -> LeavingUser | None:
    """Find the leaver, exactly; None for a request that may be about a group or a resource."""
    directory = _open_directory(organization)
    if leaver.subject_kind is SubjectKind.IDENTITY_STORE_USER:
        users = directory.list_users_by_identity_provider_id(leaver.subject)
        criterion = "this Identity Center user id"
    elif leaver.subject_kind is SubjectKind.EMAIL:
        criterion, users = "this primary address", directory.list_users_by_address(leaver.subject)
    elif leaver.allows_any_entity_type and is_directory_id(leaver.subject):
        return directory.find_user(leaver.subject)
    else:
        criterion, users = "this name", directory.list_users_by_name(leaver.subject)
    if len(users) == 1:
        return users[0]
    require_time(context, _LOOK_UP_MS)
    holder = _find_address_holder(leaver, directory)
    holding_user = directory.find_user(holder.id) if holder and holder.type is EntityType.USER else None
    if holding_user and not holding_user.is_enabled and holding_user.email is None:
        # A disabled user, whose address WorkMail does not show, but still knows.
        return holding_user
    if leaver.allows_any_entity_type and (leaver.subject_kind is not SubjectKind.EMAIL or holder is not None):
        # The execution finds a group or a resource by the same text, or says that there is none.
        return None
    recorded_user = None if users else _find_recorded_user(leaver, organization, directory)
    if recorded_user is not None or leaver.allows_any_entity_type:
        return recorded_user
    if not users and holding_user and holding_user.is_enabled:
        raise RefusedEvent(
            f"This login is an alias of the user {holding_user.id}, and not a primary address. Somebody else may have "
            "had it before. Offboard that user by hand, by the id, if it is the leaver."
        )
    raise RefusedEvent(
        f"{len(users)} users of the organization have {criterion}, and exactly one must have it. {_UNKNOWN_USER_ADVICE}"
    )


def _find_recorded_user(
    leaver: LeaverEvent, organization: ConfiguredOrganization, directory: Directory
) -> LeavingUser | None:
    """Find somebody who was offboarded before by the records, because WorkMail may hide the address of who is disabled.

    Returns None if there is no such record, or it may be about somebody else.
    """
    records = Records()
    reporter = Reporter.of(leaver.provider, leaver.provider_user_id) if leaver.provider_user_id else None
    entity_id = _find_id_of_provider_user(reporter, organization, records) if reporter else None
    is_same_person = entity_id is not None or reporter is None
    entity_id = entity_id or _find_id_of_identifier(leaver, reporter, organization, records)
    if entity_id is None:
        return None
    lock = records.find_lock(organization.id, entity_id)
    if lock is None or lock.window_execution_arn is None:
        return None
    user = directory.find_user(entity_id)
    is_back = reporter is not None and Reports().find_presence(reporter).is_back
    if user is None and is_same_person and not is_back:
        raise DepartureRepeated(lock.window_execution_arn.rpartition(":")[2])
    if user is not None and user.is_enabled:
        raise RefusedEvent(
            f"The leaver was offboarded before as the user {user.id}, who is enabled again and has another name or "
            "address now. Offboard that user by hand if it is the leaver."
        )
    return user


def _find_id_of_provider_user(reporter: Reporter, organization: ConfiguredOrganization, records: Records) -> str | None:
    """Return the id of the entity for which the provider's user stood, if that is one of the organization."""
    key = records.find_entity_of_provider_user(reporter) or Reports().find_presence(reporter).entity_key or ""
    prefix = entity_key(organization.id, "")
    return key.removeprefix(prefix) if key.startswith(prefix) else None


def _find_id_of_identifier(
    leaver: LeaverEvent, reporter: Reporter | None, organization: ConfiguredOrganization, records: Records
) -> str | None:
    """Return the id of the entity that alone has or had the name or address, if it can be the same person."""
    if leaver.subject_kind is SubjectKind.IDENTITY_STORE_USER:
        return None
    ids = records.find_entity_ids(organization.id, leaver.subject)
    if len(ids) != 1:
        return None
    # Addresses of former people are given to new ones.
    is_of_another = reporter and records.has_provider_user_moved(entity_key(organization.id, ids[0]), reporter)
    return None if is_of_another else ids[0]


def _find_address_holder(leaver: LeaverEvent, directory: Directory) -> EntityReference | None:
    """Return the entity that has the leaver's address as its primary one or an alias; None if WorkMail knows none."""
    if leaver.subject_kind is not SubjectKind.EMAIL:
        return None
    try:
        return directory.find_by_address(leaver.subject)
    except EntityNotFound:
        return None


def find_withdrawn_entities(requested: RequestedEntity) -> list[str]:
    """Return the keys of the entities that a withdrawal may mean: one for each organization that fits.

    Raises
    ------
    RefusedEvent
        If none or several entities have or had the name or address.
    """
    domain = lower_ascii(requested.subject.rpartition("@")[2]) if "@" in requested.subject else None
    organizations = [
        organization
        for organization in read_intake_settings().organizations
        if requested.organization_id in {None, organization.id}
        and (domain is None or requested.organization_id or domain in organization.mail_domains)
    ]
    if not organizations:
        raise RefusedEvent(
            "0 organizations of the settings fit the withdrawal. Check OrganizationId and the mail domain."
        )
    if is_entity_id(requested.subject):
        return [_find_key_of_id(organization, requested.subject) for organization in organizations]
    keys = [key for organization in organizations for key in _find_entity_keys(organization, requested.subject)]
    if len(keys) != 1:
        raise RefusedEvent(
            f"{len(keys)} entities of the configured organizations have or had this name or address, and exactly one "
            "must. Give the RequestId, or the entity's id."
        )
    return keys


def _find_key_of_id(organization: ConfiguredOrganization, entity_id: str) -> str:
    """Return the key of the entity with an id, as it is recorded if that is written in another case."""
    ids = Records().find_entity_ids(organization.id, entity_id)
    return entity_key(organization.id, ids[0] if len(ids) == 1 else entity_id)


def _find_entity_keys(organization: ConfiguredOrganization, identifier: str) -> list[str]:
    """Return the keys of the entities that have or had a name or an address, by the records and WorkMail's users."""
    directory = _open_directory(organization)
    list_users = directory.list_users_by_address if "@" in identifier else directory.list_users_by_name
    ids = {*Records().find_entity_ids(organization.id, identifier), *(user.id for user in list_users(identifier))}
    return [entity_key(organization.id, id_) for id_ in sorted(ids)]
