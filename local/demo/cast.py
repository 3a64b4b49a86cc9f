"""The people and things of the demo's organization, and the rows about them."""

from collections.abc import Iterator
from dataclasses import dataclass

from local.defaults import COMPANY_DOMAIN
from local.demo.progress import NOTHING_STARTED, REFUSED
from local.demo.provider_events import make_identity_center_event, make_offboarding_request, make_okta_event
from local.demo.rows import (
    ENABLED,
    STARTS_AT,
    ApprovalRow,
    BurstRow,
    OffboardingRow,
    RegistrationRow,
    RestoreRow,
    ReturnRow,
    Row,
)
from local.organization import OrganizationBuilder

RESTORE_DAY = 12
REGISTRATION_DAY = 30
_STORE_USER_ID = "94482488-3041-7097-2d41-0242ac120002"
_BURST_SIZE = 30
_LAST_WORKING_DAY = "2027-03-12T17:00:00Z"
_BY_HAND = "IT offboards {}"
_BY_PROVIDERS = "Okta, Identity Center and HR report {}"


@dataclass(frozen=True)
class Cast:
    """Everything that has to end as expected.

    Attributes
    ----------
    offboardings
        The rows that begin on the first day, in this order.
    doubtful
        The one of them about which a person has to decide.
    burst
        Many leavers at once.
    approved, rejected, withdrawn, undecided
        Four of the burst that need an approval.
    returned, restored
        The leaver who is back, and the restore.
    registered
        The user whom a person registers again in WorkMail.
    """

    offboardings: tuple[OffboardingRow, ...]
    doubtful: OffboardingRow
    burst: BurstRow
    approved: ApprovalRow
    rejected: ApprovalRow
    withdrawn: ApprovalRow
    undecided: ApprovalRow
    returned: ReturnRow
    restored: RestoreRow
    registered: RegistrationRow

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them, in the order in which they begin."""
        return (
            *self.offboardings,
            self.burst,
            self.approved,
            self.rejected,
            self.withdrawn,
            self.undecided,
            self.returned,
            self.restored,
            self.registered,
        )


def create_cast(people: OrganizationBuilder) -> Cast:
    """Create the people, groups and resources in WorkMail."""
    manual = (*_add_manual_rows(people), *_make_mistaken_rows(people))
    restored = _add_restore_row(people)
    doubtful = _add_doubtful_row(people)
    burst = _add_burst_row(people)
    return Cast(
        offboardings=(*manual, *_add_provider_rows(people, restored), *_add_rows_without_execution(people), doubtful),
        doubtful=doubtful,
        burst=burst,
        approved=ApprovalRow("a waiting offboarding, approved", "", burst, "Approved", "CleanupVerified"),
        rejected=ApprovalRow("a waiting offboarding, rejected", "", burst, "Rejected", "Rejected"),
        withdrawn=ApprovalRow(
            "a waiting offboarding, taken back", "Okta activates {} again", burst, "Withdrawn", "Withdrawn"
        ),
        undecided=ApprovalRow("a waiting offboarding, not decided", "", burst, None, "ApprovalTimedOut"),
        returned=ReturnRow(
            title="Okta reports that a leaver is back",
            action="Okta: {} is back",
            name=restored.name,
            entity_id=restored.entity_id,
            expected="1 mail, 1 restore",
        ),
        restored=restored,
        registered=RegistrationRow(
            title="a user is registered again in WorkMail's console",
            action="Somebody registers {} again in WorkMail",
            name="nora.new",
            expected=ENABLED,
        ),
    )


def _add_manual_rows(people: OrganizationBuilder) -> Iterator[OffboardingRow]:
    """Create the entities that a person offboards."""
    dana = people.create_user("dana.leaver", 'Dana "DJ" Leaver')
    people.create_group("project-apollo", (dana,))
    room = people.create_resource("room-4.12")
    for name in ("petra.planned", "lena.lastday", "nora.new", "arthur.archived"):
        people.create_user(name)
    people.create_user("it.admin", domain=COMPANY_DOMAIN)
    yield OffboardingRow(
        title="a plan: DryRun",
        action="Dry run for {}",
        name="petra.planned",
        entity_id=people.address("petra.planned"),
        expected="Planned",
        extra_input={"DryRun": True},
    )
    yield OffboardingRow(
        "a user, by e-mail address", _BY_HAND, "dana.leaver", people.address("dana.leaver"), "CleanupVerified"
    )
    yield OffboardingRow("a group, by name", _BY_HAND, "project-apollo", "project-apollo", "CleanupVerified")
    yield OffboardingRow("a resource, by id", _BY_HAND, "room-4.12", room, "CleanupVerified")
    yield OffboardingRow(
        f"a user who is registered again on day {REGISTRATION_DAY}",
        _BY_HAND,
        "nora.new",
        "nora.new",
        "ReenabledAfterRetention",
    )
    yield OffboardingRow(
        title="a user whose mailbox is exported first",
        action="{} leaves, archive first",
        name="arthur.archived",
        entity_id=people.address("arthur.archived"),
        expected="CleanupVerified",
        extra_input={"Export": "Required"},
    )
    yield OffboardingRow(
        title=f"a user whose last working day is {_LAST_WORKING_DAY[:10]}",
        action=f"{{}} leaves on {_LAST_WORKING_DAY[:10]}",
        name="lena.lastday",
        entity_id=people.address("lena.lastday"),
        expected="ServiceEnded",
        extra_input={"NotBefore": _LAST_WORKING_DAY},
    )


def _make_mistaken_rows(people: OrganizationBuilder) -> Iterator[OffboardingRow]:
    """Make the rows of what a person offboards by mistake."""
    yield OffboardingRow(
        "an administrator, protected by the settings",
        "IT offboards {} by mistake",
        "it.admin",
        "it.admin",
        "EntityProtected",
    )
    yield OffboardingRow(
        "a user who does not exist",
        "IT mistypes a name: {}",
        "dana.leever",
        people.address("dana.leever"),
        "EntityNotFound",
    )


def _add_provider_rows(people: OrganizationBuilder, restored: RestoreRow) -> Iterator[OffboardingRow]:
    """Create the users that the identity providers report, and their events."""
    for name in ("olivia.okta", "henri.hr"):
        people.create_user(name, domain=COMPANY_DOMAIN)
    ines = people.create_user("ines.identity", domain=COMPANY_DOMAIN, IdentityProviderUserId=_STORE_USER_ID)
    olivia, henri = (f"{name}@{COMPANY_DOMAIN}" for name in ("olivia.okta", "henri.hr"))
    deactivated = make_okta_event("okta-1", olivia, STARTS_AT)
    deleted = make_okta_event("okta-2", olivia, STARTS_AT, "user.lifecycle.delete.initiated")
    yield OffboardingRow(
        f"a user who is restored on day {RESTORE_DAY}",
        _BY_PROVIDERS,
        restored.name,
        restored.entity_id,
        "Reenabled",
        (make_okta_event("okta-5", restored.entity_id, STARTS_AT),),
    )
    yield OffboardingRow(
        "Identity Center deletes a user",
        _BY_PROVIDERS,
        "ines.identity",
        ines,
        "CleanupVerified",
        (make_identity_center_event(_STORE_USER_ID),),
    )
    yield OffboardingRow(
        "a script requests an offboarding",
        _BY_PROVIDERS,
        "henri.hr",
        henri,
        "CleanupVerified",
        (make_offboarding_request("hr-417", henri, "hr-system"),),
    )
    yield OffboardingRow(
        "Okta deactivates a user, and reports it three times",
        "Okta reports {} 3 times",
        "olivia.okta",
        olivia,
        "CleanupVerified",
        (deactivated, deactivated, deleted),
    )


def _add_rows_without_execution(people: OrganizationBuilder) -> Iterator[OffboardingRow]:
    """Create a user whom a provider reports, and the events that start nothing."""
    sam, stranger = f"sam.suspended@{COMPANY_DOMAIN}", "eve@other.example"
    people.create_user("sam.suspended", domain=COMPANY_DOMAIN)
    yield OffboardingRow(
        "Okta suspends a user",
        "Okta suspends {}",
        "sam.suspended",
        sam,
        NOTHING_STARTED,
        (make_okta_event("okta-3", sam, STARTS_AT, "user.lifecycle.suspend"),),
    )
    yield OffboardingRow(
        "Okta deactivates a user of another company",
        "Okta reports {}, of another company",
        stranger,
        stranger,
        REFUSED,
        (make_okta_event("okta-4", stranger, STARTS_AT),),
    )


def _add_doubtful_row(people: OrganizationBuilder) -> OffboardingRow:
    """Create a user who has the address that somebody else had before, and the event about that other person."""
    people.create_user("nina.namesake", "Nina Namesake", domain=COMPANY_DOMAIN)
    login = f"nina.namesake@{COMPANY_DOMAIN}"
    former_owner = "Norbert Former"
    return OffboardingRow(
        title="Okta deactivates a person whose name differs",
        action=f"Okta reports {former_owner}, with the address of {{}}",
        name="nina.namesake",
        entity_id=login,
        expected="Rejected",
        events=(make_okta_event("okta-6", login, STARTS_AT, display_name=former_owner),),
    )


def _add_burst_row(people: OrganizationBuilder) -> BurstRow:
    """Create more leavers than the daily cap allows."""
    names = [f"leaver.{number:02}" for number in range(1, _BURST_SIZE + 1)]
    for name in names:
        people.create_user(name, domain=COMPANY_DOMAIN)
    return BurstRow(
        title=f"{_BURST_SIZE} leavers at once",
        action="Okta reports {} at once",
        entity_ids=tuple(f"{name}@{COMPANY_DOMAIN}" for name in names),
        expected="20 deregistered, 10 await approval",
        expected_outcomes={"CleanupVerified": 21, "Rejected": 1, "Withdrawn": 1, "ApprovalTimedOut": 7},
        expected_messages=1,
    )


def _add_restore_row(people: OrganizationBuilder) -> RestoreRow:
    """Create the user who comes back, and read the state that a restore must bring back."""
    name = "robin.rehired"
    robin = people.create_user(name, "Robin Rehired", domain=COMPANY_DOMAIN)
    people.create_alias(robin, "robin", COMPANY_DOMAIN)
    people.create_group("support", (robin,))
    return RestoreRow(
        title="a restore, by e-mail address",
        action="IT restores {}",
        name=name,
        entity_id=people.address(name, COMPANY_DOMAIN),
        expected="Restored",
        state_before=people.read_user_state(robin),
        read_state=lambda: people.read_user_state(robin),
    )
