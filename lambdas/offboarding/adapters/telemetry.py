"""The Logger and the Metrics, made in one place so that every function logs and counts alike.

Log lines hold ids, types, states and dates. They never hold names, addresses or any other member that
the WorkMail service model marks as sensitive.
"""

from aws_lambda_powertools import Logger, Metrics

logger = Logger(use_rfc3339=True, utc=True)
metrics = Metrics()
