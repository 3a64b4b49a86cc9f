"""From HTTP to the backend and back: all operations are handled in the same way."""

import json

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores, get_service_model

from .exceptions import CommonError
from .models import WorkMailBackend, workmail_backends

_TARGET_PREFIX = "WorkMailService"


class WorkMailResponse(BaseResponse):
    """Answers requests to Amazon WorkMail.

    moto looks for a method per operation: below, each of the model's gets one, all of them `_handle`.
    """

    def __init__(self) -> None:
        super().__init__(service_name="workmail")

    @property
    def workmail_backend(self) -> WorkMailBackend:
        """The backend of the request's account and Region."""
        try:
            return workmail_backends[self.current_account][self.region]
        except KeyError:
            raise CommonError(
                "UnknownEndpoint", f"Amazon WorkMail does not exist in {self.region}.", status=404
            ) from None

    def call_action(self) -> TYPE_RESPONSE:
        """Answer the request; an unknown operation gets an error, not a traceback."""
        if self._get_action() in get_service_model("workmail").operation_names:
            return super().call_action()
        error = CommonError("UnknownOperationException", f"There is no operation {self._get_action()!r}.")
        return error.code, {**self.response_headers, **dict(error.get_headers())}, error.description

    def _get_action(self) -> str:
        """Return the operation from the target header alone; moto would also find one in the body."""
        prefix, _, operation = self.headers.get("X-Amz-Target", "").partition(".")
        return operation if prefix == _TARGET_PREFIX else ""

    def _handle(self) -> ActionResult:
        try:
            request = json.loads(self.body or "{}")
        except ValueError:
            raise CommonError("SerializationException", "The body of the request is not JSON.") from None
        return ActionResult(self.workmail_backend.perform(self._get_action(), request))


for _operation in get_service_model("workmail").operation_names:
    setattr(WorkMailResponse, camelcase_to_underscores(_operation), WorkMailResponse._handle)
