// Publishes, consumes or reads, and comes back when a connection ends.
//
//     node client.js produce TOPIC MESSAGE...
//     node client.js consume TOPIC SUBSCRIPTION
//     node client.js read TOPIC
//
// TOPIC is persistent/TENANT/NAMESPACE/NAME, percent-encoded. The server is ws://localhost:8080 unless PULSEGATE_URL names another, and a token
// is taken from PULSEGATE_TOKEN.

import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';

const server = (process.env.PULSEGATE_URL ?? 'ws://localhost:8080').replace(/\/+$/, '');
const token = process.env.PULSEGATE_TOKEN;
const longestWait = 30_000; // milliseconds
const forGood = [400, 401, 403, 404, 4006]; // refusals and ends after which another try cannot work

// session runs one session to its end and tells what that was: {refused: status}, {closed: code} or {lost: error}.
// use is called with the open socket and returns what is done with each message.
function session(path, use) {
  return new Promise((resolve) => {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const ws = new WebSocket(server + path, { headers });
    let opened = false;
    let lost;
    ws.on('open', () => {
      opened = true;
      const handle = use(ws);
      ws.on('message', (data) => handle(JSON.parse(data)));
    });
    // The server says in the body of its answer why.
    ws.on('unexpected-response', async (request, response) => {
      let body = '';
      for await (const part of response) body += part;
      const reason = body.startsWith('{') ? JSON.parse(body).reason : '';
      console.log(`refused: ${response.statusCode} ${reason}`);
      request.destroy();
      resolve({ opened, code: response.statusCode });
    });
    ws.on('error', (error) => { lost = error; });
    ws.on('close', (code, reason) => {
      console.log(lost === undefined ? `closed: ${code} ${reason}` : `lost: ${lost.message}`);
      resolve({ opened, code });
    });
  });
}

// keepTrying opens sessions until done says that it is enough. After each that fails it waits a random time, which grows.
async function keepTrying(path, use, done = () => false) {
  for (let failures = 0; ; failures++) {
    const { opened, code } = await session(path(), use);
    if (done()) return;
    if (forGood.includes(code)) process.exit(1);
    if (opened) failures = 0;
    if (code === 1012) continue; // another server is there already
    await sleep(Math.random() * Math.min(longestWait, 500 * 2 ** failures));
  }
}

async function produce(topic, messages) {
  const waiting = new Map(messages.map((text, i) => [String(i), text])); // what is not answered yet, by its context
  let failed = 0;
  await keepTrying(() => `/ws/v2/producer/${topic}`, (ws) => {
    failed = 0;
    for (const [context, text] of waiting) {
      ws.send(JSON.stringify({ payload: Buffer.from(text).toString('base64'), context }));
    }
    return (answer) => {
      if (answer.result === 'ok') {
        console.log('published: %s as %s', waiting.get(answer.context), answer.messageId);
        waiting.delete(answer.context);
      } else {
        failed++;
        console.log('failed: %s', answer.errorMsg);
      }
      if (waiting.size === failed) ws.close(1000);
    };
  }, () => waiting.size === failed);
  process.exitCode = failed === 0 ? 0 : 1;
}

function consume(topic, subscription) {
  const path = `/ws/v2/consumer/${topic}/${encodeURIComponent(subscription)}?subscriptionInitialPosition=Earliest`;
  return keepTrying(() => path, (ws) => (message) => {
    console.log('received: %s', Buffer.from(message.payload, 'base64'));
    // What is not acknowledged when a connection ends comes again with the next.
    ws.send(JSON.stringify({ messageId: message.messageId }));
  });
}

function read(topic) {
  let last = 'earliest';
  return keepTrying(() => `/ws/v2/reader/${topic}?messageId=${encodeURIComponent(last)}`, (ws) => (message) => {
    console.log('read: %s', Buffer.from(message.payload, 'base64'));
    last = message.messageId; // the next session goes on behind it
    ws.send(JSON.stringify({ messageId: last })); // there is room for one more
  });
}

const [command, ...args] = process.argv.slice(2);
if (command === 'produce' && args.length > 1) await produce(args[0], args.slice(1));
else if (command === 'consume' && args.length === 2) await consume(...args);
else if (command === 'read' && args.length === 1) await read(...args);
else {
  console.error('node client.js produce TOPIC MESSAGE... | consume TOPIC SUBSCRIPTION | read TOPIC');
  process.exit(2);
}
