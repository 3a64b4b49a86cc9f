/** Times and numbers as people read them. */

const MOMENT = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit",
});
const SECONDS = new Intl.DateTimeFormat("en-GB", {
  timeZone: "UTC", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const DAY = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", day: "numeric", month: "short", year: "numeric" });
const WEEKDAY = new Intl.DateTimeFormat("en-GB", { timeZone: "UTC", weekday: "short" });
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAYS = 24 * HOUR;

/** @param {string|null} text An instant (RFC 3339). */
export function formatMoment(text) {
  return text ? `${MOMENT.format(new Date(text))} UTC` : "";
}

/** @param {string} text An instant (RFC 3339). */
export function formatNow(text) {
  return `${WEEKDAY.format(new Date(text))} ${formatMoment(text)}`;
}

/** @param {string} text An instant (RFC 3339). */
export function formatSeconds(text) {
  return SECONDS.format(new Date(text));
}

/** @param {string|null} text An instant (RFC 3339). */
export function formatDay(text) {
  return text ? DAY.format(new Date(text)) : "";
}

/**
 * @param {number|null} count
 * @returns {string}
 */
export function formatDays(count) {
  if (count === null || count === undefined) return "";
  return count === 1 ? "1 day" : `${count} days`;
}

/**
 * @param {string} from An instant (RFC 3339).
 * @param {string} to A later one.
 */
export function formatDuration(from, to) {
  const milliseconds = new Date(to).getTime() - new Date(from).getTime();
  const parts = [
    [Math.floor(milliseconds / DAYS), "day"],
    [Math.floor((milliseconds % DAYS) / HOUR), "hour"],
    [Math.floor((milliseconds % HOUR) / MINUTE), "minute"],
    [Math.floor((milliseconds % MINUTE) / 1000), "second"],
  ];
  const texts = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count} ${unit}${count === 1 ? "" : "s"}`);
  return texts.slice(0, 2).join(" ") || "no time";
}

/** @param {any} value */
export function formatJson(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}
