// Lints definitions with the language service of AWS's editors: `node tools/lint_definitions.mjs <files>`.
//
// Prints each finding, and exits with 1 if there is one.

import { readFileSync } from "node:fs";
import service from "amazon-states-language-service";

const { TextDocument, getLanguageService } = service;
const languageService = getLanguageService({});

let findings = 0;
for (const file of process.argv.slice(2)) {
  const document = TextDocument.create(`file://${file}`, "asl", 1, readFileSync(file, "utf8"));
  const diagnostics = await languageService.doValidation(document, languageService.parseJSONDocument(document));
  for (const { range, message } of diagnostics) {
    console.error(`${file}:${range.start.line + 1}: ${message}`);
    findings += 1;
  }
}
console.log(`${process.argv.length - 2} definitions, ${findings} findings`);
process.exit(findings ? 1 : 0);
