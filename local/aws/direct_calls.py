"""Calls of moto's operations without a request and an answer: speed only, for a deployment, which makes dozens.

A client makes a request of the parameters, moto reads them back from it, and both do the same with the answer. That is
nine tenths of the time of such a call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore import xform_name
from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.exceptions import HTTPException, ServiceException
from moto.core.responses import BaseResponse
from moto.logs.responses import LogsResponse
from moto.ssm.responses import SimpleSystemManagerResponse

_RESPONSES: dict[str, Callable[[], BaseResponse]] = {
    "cloudwatch": CloudWatchResponse,
    "logs": LogsResponse,
    "ssm": SimpleSystemManagerResponse,
}
"""What makes the object whose methods are the operations of a service, for services whose operations read nothing else
than the parameters, the account and the Region."""
_validator = ParamValidator()


def call_operation(service: str, operation: str, parameters: Mapping[str, Any], *, account: str, region: str) -> Any:
    """Call an operation of moto, and return its result.

    Parameters
    ----------
    service
        One of `_RESPONSES`, as boto3 has it.
    operation
        For example ``PutMetricAlarm``.
    parameters
        Those of the operation. moto keeps parts of them.
    account, region
        The place of the call.

    Raises
    ------
    ParamValidationError
        If botocore's model of the operation does not have such parameters.
    ClientError
        If the operation refuses them.
    """
    response, client = _RESPONSES[service](), boto3.client(service, region)
    report = _validator.validate(parameters, client.meta.service_model.operation_model(operation).input_shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())
    response.current_account, response.region = account, region
    response.automated_parameter_parsing, response.params, response.uri_match = True, parameters, {}
    try:
        return getattr(response, xform_name(operation))().result
    except (HTTPException, ServiceException):
        # A refused call has had no effect. Repeated by a client it ends with the error of the API.
        return client._make_api_call(operation, parameters)
