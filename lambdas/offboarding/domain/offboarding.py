"""Which execution offboards which entity."""

from dataclasses import dataclass

from offboarding.domain.entities import EntityMembers


@dataclass(frozen=True)
class Offboarding:
    """One execution and the entity that it offboards.

    Attributes
    ----------
    execution_arn
        The ARN of the execution.
    organization_id
        The organization of the entity.
    entity
        The entity as it was last read.
    """

    execution_arn: str
    organization_id: str
    entity: EntityMembers

    @property
    def entity_id(self) -> str:
        """WorkMail's id of the entity."""
        return self.entity["Id"]
