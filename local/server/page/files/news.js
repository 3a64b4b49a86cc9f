/** What an action has caused: read before and after it, and compared. */
import { read } from "./api.js";

/**
 * @typedef {Object} News
 * @property {string} text What was told, refused or ignored, in sentences.
 * @property {string} ended How offboardings have ended, in a sentence; empty if none has.
 * @property {{ExecutionArn: string, Label: string, Name: string, Outcome: string|null}[]} executions What was started.
 */

/**
 * Acts, and finds out what that has caused.
 * @param {() => Promise<any>} call
 * @returns {Promise<{answer: any, news: News}>}
 */
export async function observe(call) {
  const earlier = await readAll();
  const answer = await call();
  const later = await readAll(earlier.news.Last);
  const names = new Set(earlier.executions.map((row) => row.ExecutionArn));
  const executions = later.executions.filter((row) => !names.has(row.ExecutionArn));
  return { answer, news: { text: describe(earlier.news, later.news), ended: describeEnds(later.news.Ended), executions } };
}

async function readAll(since = 0) {
  // The answer comes when nothing runs any more: only then all that was started is there.
  const news = await read("/local/page/news", { since });
  const executions = await read("/local/page/executions", { machine: "offboarding" });
  return { news, executions: executions.Rows };
}

function describe(earlier, later) {
  const told = later.Told.map(({ Kind, Title, Count }) => `${Kind === "mail" ? "mail: " : ""}${Title}${Count > 1 ? ` (${Count} times)` : ""}`);
  const sentences = [];
  if (told.length) sentences.push(`Told: ${told.join("; ")}.`);
  if (later.Refused.Total > earlier.Refused.Total) sentences.push(`Refused: ${later.Refused.Text}`);
  if (later.Ignored.Total > earlier.Ignored.Total) sentences.push(`Ignored: ${later.Ignored.Text}`);
  return sentences.join(" ") || "Nothing was told.";
}

function describeEnds({ Total, Rows }) {
  if (!Total) return "";
  const texts = Rows.map((row) => `${row.Label || row.Name}: ${row.Outcome}`);
  if (Total > Rows.length) texts.push(`${Total - Rows.length} more`);
  return `Ended: ${texts.join("; ")}.`;
}
