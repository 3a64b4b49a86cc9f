/** The requests of the page to its own server. */

/**
 * An answer of the server that is an error; the message is a sentence for a person.
 */
export class RequestError extends Error {}

/**
 * @param {string} path
 * @param {Object<string, string|number>} [query]
 * @returns {Promise<any>}
 */
export function read(path, query = {}) {
  const text = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
  return send(`${path}${text ? `?${text}` : ""}`, {});
}

/**
 * @param {string} path
 * @param {any} body
 * @returns {Promise<any>}
 */
export function post(path, body) {
  const headers = { "Content-Type": "application/json" };
  return send(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/**
 * @param {string} path
 * @param {RequestInit} options
 */
async function send(path, options) {
  let response;
  try {
    response = await fetch(path, { cache: "no-store", ...options });
  } catch {
    throw new RequestError("The server does not answer. Has it ended? Everything in it is then lost.");
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new RequestError(`The server answered with status ${response.status}, and without JSON.`);
  }
  if (!response.ok) throw new RequestError(answer.Error ?? `The server answered with status ${response.status}.`);
  return answer;
}
