"""The date of an offboarding, as a person types it."""

from datetime import UTC, datetime

import click


class Moment(click.ParamType[str]):
    """A date, or a moment of a day; without an offset from UTC it is in UTC."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the moment as RFC 3339."""
        try:
            parsed = datetime.fromisoformat(str(value))
            moment = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
            return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        except (ValueError, OverflowError):
            self.fail(
                f"{value} is no date like 2026-12-31, or 2026-12-31T17:00, or 2026-12-31T17:00+01:00.", param, ctx
            )
