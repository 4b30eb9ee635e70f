// Prints and acknowledges the messages of a subscription until it is interrupted.
//
//     node consumer.js [URL]
//
// URL is the server's, ws://localhost:8080 unless given here or in PULSEGATE_URL.

import WebSocket from 'ws';

const url = process.argv[2] ?? process.env.PULSEGATE_URL ?? 'ws://localhost:8080';
const socket = new WebSocket(url.replace(/\/+$/, '') + '/ws/consumer/persistent/my-property/us-west/my-ns/my-topic1/my-sub1');

socket.onmessage = (packet) => {
  const received = JSON.parse(packet.data);
  console.log('received: %s - payload: %s', packet.data, Buffer.from(received.payload, 'base64'));

  // Only what is acknowledged is not delivered again.
  socket.send(JSON.stringify({ messageId: received.messageId }));
};

socket.onerror = (event) => {
  console.error('failed: %s', event.message);
  process.exitCode = 1;
};

process.on('SIGINT', () => socket.close());
