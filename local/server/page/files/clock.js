/** The clock: its time, and the buttons that move it. */
import { post, RequestError } from "./api.js";
import { element } from "./dom.js";
import { formatDuration, formatMoment, formatNow } from "./format.js";
import { observe } from "./news.js";

const MOVES = [
  ["1 hour", "PT1H"],
  ["1 day", "P1D"],
  ["30 days", "P30D"],
  ["to what is due next", "next"],
];

/**
 * @param {import("./main.js").Page} page
 */
export function createClock(page) {
  const time = document.getElementById("now");
  const due = document.getElementById("due");
  const move = async (duration) => {
    try {
      const { answer, news } = await page.act("The clock moves", () => observe(() => post("/local/clock", { advance: duration })));
      const reached = answer.Due ? ` Due was: ${answer.Due}.` : "";
      const moved = `The clock moved by ${formatDuration(answer.Before, answer.Now)} to ${formatMoment(answer.Now)}.${reached}`;
      page.say([moved, news.ended, news.text].filter(Boolean).join(" "));
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      page.say(error.message, true);
    }
  };
  document.getElementById("moves").append(...MOVES.map(([text, duration]) =>
    element("button", { type: "button", "data-move": duration, click: () => move(duration) }, text)));
  return {
    update: ({ Now, Next, IsMoving }) => {
      time.textContent = formatNow(Now);
      time.dateTime = Now;
      const next = Next ? `Due next: ${Next.Name}, ${formatMoment(Next.At)}` : "Nothing is due.";
      due.textContent = IsMoving ? "The clock moves …" : next;
    },
  };
}
