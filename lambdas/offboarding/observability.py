"""The one place that makes the Logger and the Metrics, so that every function logs alike.

Log lines hold ids, types, states and dates. They never hold names, addresses or any other member that
the WorkMail service model marks as sensitive.
"""

from aws_lambda_powertools import Logger, Metrics

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics()

CORRELATION_ID_PATH = "ExecutionArn"
