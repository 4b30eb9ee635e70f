// A client's code in TypeScript, which is only compiled: what is right has to fit the
// types, and what is marked must not.

import type { Acknowledgement, ConsumerFrame, Delivery, ProducerAnswer, SendRequest } from '../pulsegate';

const request: SendRequest = { payload: 'aGk=', properties: { n: 1 }, context: 5, deliverAfterMs: '5000' };
// @ts-expect-error There is no payload.
const empty: SendRequest = { context: '1' };
// @ts-expect-error Only individual messages are acknowledged, by this name.
const cumulative: ConsumerFrame = { type: 'acknowledgeCumulatively', messageId: 'CAEQADAA' };

function answered(answer: ProducerAnswer): string {
  if ('type' in answer) return answer.authChallenge.challenge.authMethodName;
  return answer.result === 'ok' ? answer.messageId : answer.errorMsg;
}

function received(delivery: Delivery): Acknowledgement | undefined {
  if ('payload' in delivery) return { messageId: delivery.messageId };
  // @ts-expect-error It is a challenge or an answer.
  return { messageId: delivery.messageId };
}

export { answered, cumulative, empty, received, request };
