// Looks at the protocol's description and at what it says of frames.
//
//     node check.mjs < FRAMES
//
// Each line of FRAMES is a JSON object {schema, text}. For each that the schema
// refuses, or that is no JSON, a line {line, parsed, errors} is printed. What is wrong
// with the description, or with an example in it, ends this with 1.

import fs from 'node:fs';
import readline from 'node:readline';
import Ajv from 'ajv';
import { Parser } from '@asyncapi/parser';

const source = new URL('../asyncapi.yaml', import.meta.url);
const { document, diagnostics } = await new Parser().parse(fs.readFileSync(source, 'utf8'));
const serious = diagnostics.filter((d) => d.severity <= 1);
for (const d of serious) console.error(`asyncapi.yaml:${d.range.start.line + 1}: ${d.path.join('.')}: ${d.message}`);
if (document === undefined || serious.length > 0) process.exit(1);

const ajv = new Ajv({ strict: true, allowUnionTypes: true });
const schemas = new URL('../schemas/', import.meta.url);
const names = {};
for (const file of fs.readdirSync(schemas)) {
  const schema = JSON.parse(fs.readFileSync(new URL(file, schemas), 'utf8'));
  names[schema.title] = file;
  ajv.addSchema(schema, file);
}

// The server sends nothing that its frames' schemas do not name.
const closed = new Ajv({ strict: true, allowUnionTypes: true });
for (const file of Object.values(names)) {
  const schema = structuredClone(ajv.getSchema(file).schema);
  close(schema);
  closed.addSchema(schema, file);
}
function close(schema) {
  if (schema === null || typeof schema !== 'object') return;
  if (schema.properties !== undefined && schema.additionalProperties === undefined) schema.additionalProperties = false;
  Object.values(schema).forEach(close);
}

let wrong = false;
for (const message of document.allMessages().all()) {
  for (const example of message.examples().all()) {
    const validate = ajv.getSchema(names[message.id()]);
    if (!validate(example.payload())) {
      console.error(`the example of ${message.id()} is refused: ${ajv.errorsText(validate.errors)}: ${JSON.stringify(example.payload())}`);
      wrong = true;
    }
  }
}
if (wrong) process.exit(1);

let line = 0;
for await (const text of readline.createInterface({ input: process.stdin })) {
  line++;
  const frame = JSON.parse(text);
  const validate = (frame.closed ? closed : ajv).getSchema(names[frame.schema]);
  if (validate === undefined) throw new Error(`there is no schema ${frame.schema}`);
  let value;
  try {
    value = JSON.parse(frame.text);
  } catch (err) {
    console.log(JSON.stringify({ line, parsed: false, errors: err.message }));
    continue;
  }
  if (!validate(value)) console.log(JSON.stringify({ line, parsed: true, errors: ajv.errorsText(validate.errors) }));
}
