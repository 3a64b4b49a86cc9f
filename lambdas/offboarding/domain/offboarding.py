"""What identifies one offboarding wherever it is recorded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Offboarding:
    """One execution that offboards one entity.

    Attributes
    ----------
    execution_arn
        The execution.
    organization_id, entity_id
        The entity, by its ids in WorkMail.
    """

    execution_arn: str
    organization_id: str
    entity_id: str
