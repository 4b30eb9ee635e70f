// Makes the JSON Schema files and the TypeScript types of the protocol's description.
//
//     node generate.mjs DIRECTORY
//
// writes schemas/*.json and pulsegate.d.ts into the directory.

import fs from 'node:fs';
import path from 'node:path';
import yaml from 'js-yaml';
import { compile } from 'json-schema-to-typescript';

const draft = 'http://json-schema.org/draft-07/schema#';
const out = process.argv[2];
const source = new URL('../asyncapi.yaml', import.meta.url);
const { schemas } = yaml.load(fs.readFileSync(source, 'utf8')).components;

// fileName turns SendRequest into send-request.json.
const fileName = (name) => name.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase() + '.json';

// relink returns a schema whose references lead where to says.
function relink(schema, to) {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === '$ref' && typeof value === 'string' ? to(value.replace('#/components/schemas/', '')) : value);
}

const dir = path.join(out, 'schemas');
fs.rmSync(dir, { recursive: true, force: true });
fs.mkdirSync(dir, { recursive: true });
for (const [name, schema] of Object.entries(schemas)) {
  const file = { $schema: draft, $id: fileName(name), title: name, ...relink(schema, fileName) };
  fs.writeFileSync(path.join(dir, fileName(name)), JSON.stringify(file, null, 2) + '\n');
}

const definitions = Object.fromEntries(Object.entries(schemas).map(
  ([name, schema]) => [name, { title: name, ...relink(schema, (other) => '#/definitions/' + other) }]));
const all = { $schema: draft, title: 'Everything', type: 'object', definitions, additionalProperties: false };
const types = await compile(all, 'Everything', {
  additionalProperties: false,
  unreachableDefinitions: true,
  bannerComment: '// The frames and parameters of Pulsar\'s WebSocket API. Made from asyncapi.yaml by `make protocol`.',
  style: { singleQuote: true, printWidth: 120 },
});
// The schema that holds the others together is no part of the protocol.
fs.writeFileSync(path.join(out, 'pulsegate.d.ts'), types
  .replace(/export interface Everything \{\}\n+/, '')
  .replace(/( \*\n)? \* This interface was referenced by `Everything`'s JSON-Schema\n \* via the `definition` "\w+"\.\n/g, '')
  .replace(/\/\*\*\n \*\/\n/g, ''));
