// Evaluates rows with the reference JSONata as Step Functions does: an array of rows on stdin, of their outcomes on stdout.
//
// A row has `expression`, `variables` by name, and `now` if the expression reads the time. An outcome has one member:
// `result`, `undefined` (true) or `error` (the code). Both undefined results and errors fail the state on AWS.
// https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html

import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import jsonata from "jsonata";

const DIGESTS = { MD5: "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512" };
const SystemDate = Date;

const stepFunctions = {
  parse: (text) => (text === undefined ? undefined : parse(text)),
  partition: (items, size) =>
    Array.from({ length: Math.ceil(items.length / size) }, (_, part) => items.slice(part * size, (part + 1) * size)),
  range: (start, end, step) =>
    Array.from({ length: Math.max(0, Math.floor((end - start) / step) + 1) }, (_, index) => start + index * step),
  hash: (text, algorithm) => createHash(DIGESTS[algorithm]).update(text).digest("hex"),
  random: () => Math.random(),
  uuid: () => randomUUID(),
  eval: () => refuse("eval"),
};

function parse(text) {
  if (typeof text !== "string") refuse("parse");
  try {
    return JSON.parse(text);
  } catch {
    return refuse("parse");
  }
}

function isFunction(result) {
  return typeof result === "function" || Boolean(result?._jsonata_function || result?._jsonata_lambda);
}

function refuse(name) {
  throw { code: `$${name}` };
}

function setTime(now) {
  // jsonata reads the time once per evaluation, with `new Date()`.
  globalThis.Date = class extends SystemDate {
    constructor(...parts) {
      super(...(parts.length ? parts : [now]));
    }
  };
}

async function evaluate({ expression, variables, now }) {
  setTime(now ?? NaN);
  try {
    const result = await jsonata(expression).evaluate(undefined, { ...stepFunctions, ...variables });
    if (isFunction(result)) refuse("unsupported");
    return result === undefined ? { undefined: true } : { result };
  } catch (error) {
    return { error: error.code ?? String(error) };
  }
}

const outcomes = [];
for (const row of JSON.parse(readFileSync(0, "utf8"))) outcomes.push(await evaluate(row));
process.stdout.write(JSON.stringify(outcomes));
