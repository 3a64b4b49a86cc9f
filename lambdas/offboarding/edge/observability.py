"""The Logger and the Metrics, made in one place so that every function logs alike.

Log lines hold ids, types, states and dates. They never hold names, addresses or any other member that
the WorkMail service model marks as sensitive.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.domain.errors import OffboardingError

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics()

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def observed(handler: Handler) -> Handler:
    """Log what a state's handler does, under the execution's ARN, and count how it fails.

    An `OffboardingError` is logged as a warning by its name alone, and counted under it; it is then raised,
    because the state machine decides what becomes of it.
    """

    @wraps(handler)
    def wrapper(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        try:
            return handler(event, context)
        except OffboardingError as error:
            name = type(error).__name__
            metrics.add_metric(name=name, unit="Count", value=1)
            logger.warning("failed", extra={"error": name})
            raise
        except Exception:
            metrics.add_metric(name="UnexpectedErrors", unit="Count", value=1)
            raise

    published: Handler = metrics.log_metrics(wrapper)
    return logger.inject_lambda_context(published, correlation_id_path="ExecutionArn", clear_state=True)
