"""Whom a person means by an address, a name, an id or an ARN. Two who fit are listed, and never guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operate.errors import Refusal
from operate.questions.table import RecordsTable, Values, identifier_key, lower_ascii
from operate.terminal import render_moment


@dataclass(frozen=True)
class Subject:
    """Whom the records are about: an entity of WorkMail, or a text that matched none.

    Attributes
    ----------
    key
        The partition of its steps: `m-…/entity-id`, or a hash of the text.
    text
        What the person typed.
    organization_id, entity_id
        None if no entity was found by the text.
    name, email, type
        As they were last recorded; None if they were not.
    first_at, last_at
        When it was first and last recorded under the text (RFC 3339); None if its steps do not have the text.
    """

    key: str
    text: str
    organization_id: str | None = None
    entity_id: str | None = None
    name: str | None = None
    email: str | None = None
    type: str | None = None
    first_at: str | None = None
    last_at: str | None = None

    @property
    def label(self) -> str:
        """Its address or name, and its id."""
        label = self.email or self.name or self.text
        return f"{label} ({self.entity_id})" if self.entity_id and self.entity_id != label else label


def has_primary_identifier(entity: Mapping[str, Any], text: str) -> bool:
    """Return whether an entity was recorded with this id, name or primary address; an alias does not count."""
    recorded = (entity.get(name) for name in ("Id", "Name", "Email"))
    return lower_ascii(text) in {lower_ascii(value) for value in recorded if value}


def has_alias(entity: Mapping[str, Any], text: str) -> bool:
    """Return whether an entity was recorded with this alias."""
    return lower_ascii(text) in {lower_ascii(alias) for alias in entity.get("Aliases") or ()}


def label_entity(entity: Mapping[str, Any]) -> str:
    """Return the address or the name of a recorded entity, and its id."""
    return f"{entity.get('Email') or entity['Name']} ({entity['Id']})"


def find_subjects(table: RecordsTable, text: str) -> list[Subject]:
    """Find all to whom a text leads: entities that have or had it, and requests that no entity matched.

    Parameters
    ----------
    table
        The table of records.
    text
        An address, a name, an id, or the ARN of an execution of an offboarding.
    """
    if text.startswith("arn:"):
        return _find_subjects_of_execution(table, text)
    subjects = [_describe_entity(table, key, text) for key in table.find_entity_keys(text)]
    unresolved = Subject(identifier_key(text), text)
    return subjects if subjects or not _has_steps(table, unresolved) else [unresolved]


def require_subject(table: RecordsTable, text: str) -> Subject:
    """Find the one subject of a text.

    Raises
    ------
    Refusal
        If there is none, or there are several; these are listed.
    """
    subjects = find_subjects(table, text)
    if not subjects:
        raise Refusal(
            f"Nothing is recorded of {text}. Check the spelling, or give another address, the name or the id."
        )
    return require_single(subjects, text)


def require_single(subjects: Sequence[Subject], text: str) -> Subject:
    """Return the only one of some subjects.

    Raises
    ------
    Refusal
        If there are several.
    """
    if len(subjects) > 1:
        lines = "\n".join(_describe_choice(subject) for subject in subjects)
        raise Refusal(f"{text} was recorded of {len(subjects)} entities. Give the id of one of them:\n{lines}")
    return subjects[0]


def _describe_choice(subject: Subject) -> str:
    """Describe one of several who had a text: who that is now, and when it was recorded under the text."""
    label = f"  {subject.label} of {subject.organization_id}"
    address = f", address now (as last recorded): {subject.email or 'none'}"
    if subject.first_at is None:
        return f"{label}{address}, under this text only as an alias, or by an event"
    since, until = (render_moment(moment) for moment in (subject.first_at, subject.last_at))
    period = f"at {since}" if since == until else f"from {since} to {until}"
    return f"{label}{address}, recorded under this text {period} (UTC)"


def _find_subjects_of_execution(table: RecordsTable, execution_arn: str) -> list[Subject]:
    items = list(table.iterate_execution(execution_arn))
    keys = dict.fromkeys(str(item["EntityKey"]) for item in items if "EntityKey" in item)
    return [_describe(key, execution_arn, [item for item in items if item.get("EntityKey") == key]) for key in keys]


def _describe_entity(table: RecordsTable, key: str, text: str) -> Subject:
    return _describe(key, text, list(table.iterate_steps_of_entity(key)))


def _describe(key: str, text: str, steps: Sequence[Values]) -> Subject:
    """Describe a subject by the last step that knows it."""
    organization_id, slash, entity_id = key.partition("/")
    is_entity = slash and organization_id.startswith("m-")
    names = ("EntityName", "EntityEmail", "EntityId")
    moments = [
        str(step["At"])
        for step in steps
        if "At" in step and lower_ascii(text) in {lower_ascii(str(step[name])) for name in names if step.get(name)}
    ]
    last: Mapping[str, Any] = next((step for step in reversed(steps) if "EntityName" in step), {})
    return Subject(
        key=key,
        text=text,
        organization_id=organization_id if is_entity else None,
        entity_id=entity_id if is_entity else None,
        name=last.get("EntityName"),
        email=last.get("EntityEmail"),
        type=last.get("EntityType"),
        first_at=min(moments, default=None),
        last_at=max(moments, default=None),
    )


def _has_steps(table: RecordsTable, subject: Subject) -> bool:
    return next(table.iterate_steps_of_entity(subject.key), None) is not None
