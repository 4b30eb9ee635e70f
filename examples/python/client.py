"""Publishes, consumes or reads, and comes back when a connection ends.

    python client.py produce TOPIC MESSAGE...
    python client.py consume TOPIC SUBSCRIPTION
    python client.py read TOPIC

TOPIC is persistent/TENANT/NAMESPACE/NAME, percent-encoded. The server is ws://localhost:8080 unless PULSEGATE_URL names another, and a token
is taken from PULSEGATE_TOKEN.
"""

import base64
import json
import os
import random
import sys
import time
from urllib.parse import quote

import websocket

SERVER = os.environ.get("PULSEGATE_URL", "ws://localhost:8080").rstrip("/")
TOKEN = os.environ.get("PULSEGATE_TOKEN")
LONGEST_WAIT = 30  # seconds
FOR_GOOD = {400, 401, 403, 404, 4006}  # refusals and ends after which another try cannot work


class Closed(Exception):
    """The server has closed the session with a code and a reason."""

    def __init__(self, data):
        self.code = int.from_bytes(data[:2], "big") if len(data) >= 2 else 1005
        super().__init__(f"{self.code} {data[2:].decode('utf-8', 'replace')}")


def connect(path):
    header = [f"Authorization: Bearer {TOKEN}"] if TOKEN else []
    return websocket.create_connection(SERVER + path, header=header)


def receive(ws):
    opcode, data = ws.recv_data()
    if opcode == websocket.ABNF.OPCODE_CLOSE:
        raise Closed(data)
    return json.loads(data)


def keep_trying(session):
    """Calls session until it returns. Each time it fails, the next try comes after a random time, which grows."""
    failures = 0

    def opened():
        nonlocal failures
        failures = 0

    while True:
        try:
            return session(opened)
        except websocket.WebSocketBadStatusException as refusal:
            # The server says in the body of its answer why.
            reason = json.loads(refusal.resp_body or b"{}").get("reason", "")
            print(f"refused: {refusal.status_code} {reason}", flush=True)
            if refusal.status_code in FOR_GOOD:
                sys.exit(1)
        except Closed as end:
            print(f"closed: {end}", flush=True)
            if end.code in FOR_GOOD:
                sys.exit(1)
            if end.code == 1012:  # another server is there already
                continue
        except (OSError, websocket.WebSocketException) as error:
            print(f"lost: {error}", flush=True)
        time.sleep(random.uniform(0, min(LONGEST_WAIT, 0.5 * 2**failures)))
        failures += 1


def produce(topic, messages):
    waiting = {str(i): text for i, text in enumerate(messages)}  # what is not answered yet, by its context

    def session(opened):
        ws = connect(f"/ws/v2/producer/{topic}")
        opened()
        for context, text in waiting.items():
            ws.send(json.dumps({"payload": base64.b64encode(text.encode()).decode(), "context": context}))
        failed = 0
        while len(waiting) > failed:
            answer = receive(ws)
            if answer["result"] == "ok":
                print("published:", waiting.pop(answer["context"]), "as", answer["messageId"], flush=True)
            else:
                failed += 1
                print("failed:", answer["errorMsg"], flush=True)
        ws.close()
        return failed

    sys.exit(1 if keep_trying(session) else 0)


def consume(topic, subscription):
    def session(opened):
        ws = connect(f"/ws/v2/consumer/{topic}/{quote(subscription, safe='')}?subscriptionInitialPosition=Earliest")
        opened()
        while True:
            message = receive(ws)
            print("received:", base64.b64decode(message["payload"]).decode(), flush=True)
            # What is not acknowledged when a connection ends comes again with the next.
            ws.send(json.dumps({"messageId": message["messageId"]}))

    keep_trying(session)


def read(topic):
    last = "earliest"

    def session(opened):
        nonlocal last
        ws = connect(f"/ws/v2/reader/{topic}?messageId={quote(last, safe='')}")
        opened()
        while True:
            message = receive(ws)
            print("read:", base64.b64decode(message["payload"]).decode(), flush=True)
            last = message["messageId"]  # the next session goes on behind it
            ws.send(json.dumps({"messageId": last}))  # there is room for one more

    keep_trying(session)


if __name__ == "__main__":
    try:
        command, arguments = sys.argv[1], sys.argv[2:]
        if command == "produce" and len(arguments) > 1:
            produce(arguments[0], arguments[1:])
        elif command == "consume" and len(arguments) == 2:
            consume(*arguments)
        elif command == "read" and len(arguments) == 1:
            read(*arguments)
        else:
            raise IndexError
    except IndexError:
        sys.exit(__doc__)
    except KeyboardInterrupt:
        pass
