"""Publishes one message to a topic.

    python producer.py [URL]

URL is the server's, ws://localhost:8080 unless given here or in PULSEGATE_URL.
"""

import base64
import json
import os
import sys

import websocket

url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PULSEGATE_URL", "ws://localhost:8080")
ws = websocket.create_connection(url.rstrip("/") + "/ws/producer/persistent/sample/standalone/ns1/my-topic")

# The context comes back in the answer and tells which message it is for.
ws.send(json.dumps({
    "payload": base64.b64encode(b"Hello World").decode("ascii"),
    "properties": {
        "key1": "value1",
        "key2": "value2",
    },
    "context": 5,
}))

response = json.loads(ws.recv())
if response["result"] == "ok":
    print("Message published successfully")
else:
    print("Failed to publish message:", response)
ws.close()

sys.exit(0 if response["result"] == "ok" else 1)
