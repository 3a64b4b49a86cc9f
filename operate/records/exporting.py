"""Reads the whole table of records into a file."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO

from operate.account import Account
from operate.records.files import RecordsWriter

_PROGRESS_SECONDS = 5.0

Report = Callable[[str], None]
"""Tells a person how far a command has come."""


def export_records(account: Account, table: str, file: BinaryIO, report: Report) -> int:
    """Write every item of a table, a page at a time.

    Each item is read consistently. The items are not of one moment: what is written meanwhile may be left out.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Scan.html

    Parameters
    ----------
    account
        The account with the table.
    table
        Its name.
    file
        What is written to.
    report
        Called every few seconds.

    Returns
    -------
    int
        How many items there are.
    """
    header = {
        "Stack": account.stack_name,
        "Account": account.id,
        "Region": account.region,
        "Table": table,
        "ExportedAt": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    }
    writer = RecordsWriter(file, header)
    reported_at = time.monotonic()
    for page in account.client("dynamodb").get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            writer.write_item(item)
        if time.monotonic() - reported_at > _PROGRESS_SECONDS:
            report(f"Items read: {writer.count} …")
            reported_at = time.monotonic()
    writer.finish()
    return writer.count
