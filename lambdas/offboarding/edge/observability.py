"""What every state's handler logs and counts, beside what it does itself."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from offboarding.adapters.telemetry import logger, metrics
from offboarding.domain.errors import OffboardingError

__all__ = ["Handler", "logger", "metrics", "observed"]

Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


def observed(handler: Handler) -> Handler:
    """Log what a state's handler does, under the execution's ARN, and count how it fails.

    An `OffboardingError` is logged as a warning by its name alone, and counted under it; it is then raised,
    because the state machine decides what becomes of it. Any other error is logged by its type alone, too: Lambda's own
    line about it has no ARN, so that a search for the execution would not find it.
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
        except Exception as error:
            metrics.add_metric(name="UnexpectedErrors", unit="Count", value=1)
            logger.error("failed unexpectedly", extra={"error": type(error).__name__})
            raise

    published: Handler = metrics.log_metrics(wrapper)
    return logger.inject_lambda_context(published, correlation_id_path="ExecutionArn", clear_state=True)
