// The frames and parameters of Pulsar's WebSocket API. Made from asyncapi.yaml by `make protocol`.

/**
 * Standard base64. Padding may be missing, but not partly.
 */
export type Base64 = string;
/**
 * A position in a topic, as base64 of Pulsar's MessageIdData. Clients give it back as it came; two ids of one message may differ as text.
 */
export type MessageId = string;
/**
 * Text. A number or a boolean stands for its characters as they were sent; null is as if the field were not there.
 */
export type Text = string | number | boolean | null;
/**
 * A whole number, or one in quotes. null and blank text are as if the field were not there.
 */
export type WholeNumber = number | string | null;
/**
 * What a producer's client sends.
 */
export type ProducerFrame = SendRequest | AuthResponse;
/**
 * What a producer's client gets.
 */
export type ProducerAnswer = SendReceipt | SendFailure | AuthChallenge;
/**
 * What a consumer's client sends.
 */
export type ConsumerFrame =
  Acknowledgement | NegativeAcknowledgement | Permit | Unsubscribe | EndOfTopicQuestion | AuthResponse;
/**
 * What a reader's client sends.
 */
export type ReaderFrame = EndOfTopicQuestion | AuthResponse | ReaderAnswer;
/**
 * What a consumer's or reader's client gets.
 */
export type Delivery = Message | EndOfTopicAnswer | AuthChallenge;
/**
 * A JSON web token, with or without "Bearer " in front, where the header Authorization cannot be set.
 */
export type Token = string;
/**
 * How many messages may be out that the client has not answered. 0 acts as 1, more than 1000 as 1000.
 */
export type ReceiverQueueSize = number;
/**
 * What becomes of a message that cannot be decrypted.
 */
export type CryptoFailureAction = 'FAIL' | 'DISCARD' | 'CONSUME';
/**
 * The parameters of a consumer over many topics. Exactly one of topics and topicsPattern is given.
 */
export type ManyTopicsQuery = ConsumerQuery &
  (
    | {
        /**
         * Names of topics, separated by commas; a name alone is in public/default.
         */
        topics: string;
      }
    | {
        /**
         * A topic's name of which the last part is a regular expression of RE2's syntax.
         */
        topicsPattern: string;
      }
  );

/**
 * Names and values that go with the message.
 */
export interface Properties {
  [k: string]: string | number | boolean;
}
/**
 * What a producer's client sends. Unknown fields are ignored.
 */
export interface SendRequest {
  payload: Base64;
  properties?: Properties | null;
  context?: Text;
  key?: Text;
  /**
   * Clusters to which the message is replicated; as the namespace says if empty.
   */
  replicationClusters?: (string | number | boolean)[] | null;
  /**
   * Keeps the message in this cluster, whatever replicationClusters says.
   */
  disableReplication?: boolean | null;
  /**
   * When what the message tells of has happened, in ISO 8601 with an offset.
   */
  eventTime?: string | null;
  /**
   * When the message is to be delivered, in milliseconds since 1970. It counts for Shared subscriptions.
   */
  deliverAt?: WholeNumber;
  /**
   * After how many milliseconds the message is to be delivered. It counts more than deliverAt.
   */
  deliverAfterMs?: WholeNumber;
  encryptionParam?: Text;
  /**
   * How a client that encrypts by itself has compressed the payload; with uncompressedMessageSize.
   */
  compressionType?: 'NONE' | 'LZ4' | 'ZLIB' | 'ZSTD' | 'SNAPPY' | '' | null;
  uncompressedMessageSize?: WholeNumber;
}
export interface SendReceipt {
  result: 'ok';
  messageId: MessageId;
  /**
   * The request's, as text; missing if that had none.
   */
  context?: string;
  errorCode: 0;
  schemaVersion: 0;
}
export interface SendFailure {
  /**
   * The error: 3, the frame is not what it should be; 5 and 6, the brokers do not take the role; 7, the payload or a time is not what it should be; 8, it could not be published.
   */
  result: 'send-error:3' | 'send-error:5' | 'send-error:6' | 'send-error:7' | 'send-error:8';
  /**
   * The error's text and what is wrong, for people.
   */
  errorMsg: string;
  /**
   * The request's, as text, where it could be read.
   */
  context?: string;
  errorCode: 0;
  schemaVersion: 0;
}
export interface Message {
  messageId: MessageId;
  payload: Base64;
  properties: {
    [k: string]: string;
  };
  /**
   * UTC with milliseconds: 2026-11-23T18:14:33.278Z; on paths of version 1 2026-11-23 18:14:33.278, unless v1PublishTimeFormat=iso.
   */
  publishTime?: string;
  /**
   * The session's, if it was opened with one.
   */
  context?: string;
  redeliveryCount: number;
  eventTime?: string;
  key?: string;
  encryptionContext?: EncryptionContext;
}
/**
 * What it takes to decrypt a message that is passed on as it is (cryptoFailureAction=CONSUME).
 */
export interface EncryptionContext {
  keys: {
    [k: string]: {
      keyValue: Base64;
      metadata: {
        [k: string]: string;
      };
    };
  };
  param: Base64;
  algorithm?: string;
  compressionType: 'NONE' | 'LZ4' | 'ZLIB' | 'ZSTD' | 'SNAPPY';
  uncompressedMessageSize: number;
  batchSize: number | null;
}
export interface Acknowledgement {
  type?: 'ack' | '' | null;
  messageId: MessageId;
  /**
   * Only single messages are acknowledged.
   */
  ackType?: string | null;
}
export interface NegativeAcknowledgement {
  type: 'negativeAcknowledge';
  messageId: MessageId;
}
export interface Permit {
  type: 'permit';
  /**
   * How many more messages may come. 0 and less change nothing.
   */
  permitMessages: number | string;
}
export interface Unsubscribe {
  type: 'unsubscribe';
}
export interface EndOfTopicQuestion {
  type: 'isEndOfTopic';
}
export interface EndOfTopicAnswer {
  endOfTopic: boolean;
}
/**
 * Any JSON object.
 */
export interface ReaderAnswer {
  type?: Text;
  messageId?: Text;
  permitMessages?: WholeNumber;
}
export interface AuthChallenge {
  type: 'AUTH_CHALLENGE';
  authChallenge: {
    challenge: {
      authMethodName: 'token';
      authData: 'token';
    };
    protocolVersion: 0;
  };
}
export interface AuthResponse {
  type: 'AUTH_RESPONSE';
  authResponse: {
    clientVersion?: string;
    protocolVersion?: number;
    response: {
      authMethodName?: string;
      /**
       * The token.
       */
      authData: string;
    };
  };
}
/**
 * The body of the answer to a request that opens no session, with the fitting HTTP status.
 */
export interface Refusal {
  /**
   * What is wrong, for people. It names the parameter, segment or topic at fault.
   */
  reason: string;
}
/**
 * A producer's parameters. Names are case-sensitive; of one given twice the first counts; unknown ones are ignored; a bad value is refused with 400.
 */
export interface ProducerQuery {
  /**
   * The producer's name, unique on the topic; else the broker makes one.
   */
  producerName?: string;
  /**
   * The number of the first message less one, for a broker that leaves out what it has already.
   */
  initialSequenceId?: number;
  /**
   * How a message's key finds its partition.
   */
  hashingScheme?: 'JavaStringHash' | 'Murmur3_32Hash';
  /**
   * After this time without the broker's answer a publish fails with error 8; 0 is never. Less than 100 acts as 100.
   */
  sendTimeoutMillis?: number;
  /**
   * The partition of messages without a key. CustomPartition acts as the default.
   */
  messageRoutingMode?: 'SinglePartition' | 'RoundRobinPartition' | 'CustomPartition';
  compressionType?: 'NONE' | 'LZ4' | 'ZLIB' | 'ZSTD' | 'SNAPPY';
  /**
   * Names of keys that the server has, separated by commas, or the encrypted keys of a client that encrypts by itself.
   */
  encryptionKeys?: string;
  batchingEnabled?: boolean;
  /**
   * With batchingEnabled. 0 and less are no bound.
   */
  batchingMaxMessages?: number;
  /**
   * With batchingEnabled. 0 is the server's bound.
   */
  maxPendingMessages?: number;
  /**
   * With batchingEnabled. How long a batch waits for more, in milliseconds.
   */
  batchingMaxPublishDelay?: number;
  token?: Token;
}
/**
 * A consumer's parameters.
 */
export interface ConsumerQuery {
  subscriptionType?: 'Exclusive' | 'Shared' | 'Failover' | 'Key_Shared';
  /**
   * A NonDurable subscription ends with its consumer.
   */
  subscriptionMode?: 'Durable' | 'NonDurable';
  /**
   * Where a subscription begins that does not exist yet.
   */
  subscriptionInitialPosition?: 'Latest' | 'Earliest';
  /**
   * The consumer's name in the broker's statistics.
   */
  consumerName?: string;
  /**
   * Consumers of a lower level get messages first.
   */
  priorityLevel?: number;
  receiverQueueSize?: ReceiverQueueSize;
  /**
   * A message that is not answered within this time comes again. 0 is never, else at least 1000.
   */
  ackTimeoutMillis?: number;
  /**
   * After how many milliseconds a message comes again that was negatively acknowledged.
   */
  negativeAckRedeliveryDelay?: number;
  /**
   * After so many redeliveries a message goes to the dead letter topic.
   */
  maxRedeliverCount?: number;
  /**
   * With maxRedeliverCount. The topic TOPIC-SUBSCRIPTION-DLQ if missing.
   */
  deadLetterTopic?: string;
  /**
   * Messages come only for permits.
   */
  pullMode?: boolean;
  cryptoFailureAction?: CryptoFailureAction;
  /**
   * Text that is repeated in every message of the session.
   */
  context?: string;
  token?: Token;
}
/**
 * A reader's parameters.
 */
export interface ReaderQuery {
  /**
   * The reader's name in the broker's statistics.
   */
  readerName?: string;
  /**
   * earliest, latest or a message id, behind which it begins. An id of a partitioned topic is of one partition: in the others it begins with what was published when that message was, or later.
   */
  messageId?: string;
  receiverQueueSize?: ReceiverQueueSize;
  cryptoFailureAction?: CryptoFailureAction;
  /**
   * Text that is repeated in every message of the session.
   */
  context?: string;
  token?: Token;
}
