"""Prints and acknowledges the messages of a subscription until it is interrupted.

    python consumer.py [URL]

URL is the server's, ws://localhost:8080 unless given here or in PULSEGATE_URL.
"""

import base64
import json
import os
import sys

import websocket

url = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PULSEGATE_URL", "ws://localhost:8080")
ws = websocket.create_connection(url.rstrip("/") + "/ws/consumer/persistent/sample/standalone/ns1/my-topic/my-sub")

try:
    while True:
        frame = ws.recv()
        if not frame:
            break
        msg = json.loads(frame)
        print("Received:", msg, "- payload:", base64.b64decode(msg["payload"]), flush=True)

        # Only what is acknowledged is not delivered again.
        ws.send(json.dumps({"messageId": msg["messageId"]}))
except KeyboardInterrupt:
    pass
finally:
    ws.close()
