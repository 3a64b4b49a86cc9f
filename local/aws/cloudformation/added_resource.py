"""The interface of a resource that moto's CloudFormation does not know."""

from __future__ import annotations

from typing import Any


class AddedResource:
    """The interface of a resource in moto's CloudFormation."""

    def __init__(self, properties: dict[str, Any]) -> None:
        self.properties = properties

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> AddedResource:
        """Make the resource."""
        resource = cls(cloudformation_json["Properties"])
        resource.make(resource_name, account_id, region_name)
        return resource

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: AddedResource,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> AddedResource:
        """Delete the resource and make it again."""
        original_resource.delete(account_id, region_name)
        return cls.create_from_cloudformation_json(new_resource_name, cloudformation_json, account_id, region_name)

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        """Tell whether a template can use the attribute."""
        return attr == "Arn" and hasattr(cls, "get_cfn_attribute")

    def is_created(self) -> bool:
        """Return true: it is made at once."""
        return True

    def make(self, resource_name: str, account_id: str, region_name: str) -> None:
        """Make the resource of the service."""
        raise NotImplementedError

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the resource of the service."""
        raise NotImplementedError
