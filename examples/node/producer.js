// Publishes one message to a topic.
//
//     node producer.js [URL]
//
// URL is the server's, ws://localhost:8080 unless given here or in PULSEGATE_URL.

import WebSocket from 'ws';

const url = process.argv[2] ?? process.env.PULSEGATE_URL ?? 'ws://localhost:8080';
const ws = new WebSocket(url.replace(/\/+$/, '') + '/ws/producer/persistent/my-property/us-west/my-ns/my-topic1');

const message = {
  payload: Buffer.from('Hello World').toString('base64'),
  properties: {
    key1: 'value1',
    key2: 'value2',
  },
  context: '1', // comes back in the answer and tells which message it is for
};

ws.on('open', () => {
  ws.send(JSON.stringify(message));
});

ws.on('message', (data) => {
  console.log('received ack: %s', data);
  process.exitCode = JSON.parse(data).result === 'ok' ? 0 : 1;
  ws.close();
});

ws.on('error', (err) => {
  console.error('failed: %s', err.message);
  process.exitCode = 1;
});
