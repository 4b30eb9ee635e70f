// The session that is tried, as a program.

const q = JSON.stringify;

// Each takes {url, kind, token, frame} and gives the text of a program. token tells whether it logs in, with what the
// environment variable TOKEN holds; frame is what a producer sends.
export const languages = {
  "Python (websocket-client)": ({ url, kind, token, frame }) => `import base64, json, ${token ? "os, " : ""}websocket

ws = websocket.create_connection(${q(url)}${token ? `, header=["Authorization: Bearer " + os.environ["TOKEN"]]` : ""})
${kind === "producer" ? `ws.send(json.dumps({"payload": base64.b64encode(${q(fromBase64(frame.payload))}.encode()).decode()${rest(frame)}}))
print(json.loads(ws.recv()))` : `while True:
    message = json.loads(ws.recv())
    print(base64.b64decode(message["payload"]))
    ws.send(json.dumps({"messageId": message["messageId"]}))`}
`,
  "JavaScript (Node, ws)": ({ url, kind, token, frame }) => `import WebSocket from "ws";

const ws = new WebSocket(${q(url)}${token ? `, { headers: { Authorization: "Bearer " + process.env.TOKEN } }` : ""});
${kind === "producer" ? `ws.on("open", () => ws.send(JSON.stringify({ "payload": Buffer.from(${q(fromBase64(frame.payload))}).toString("base64")${rest(frame)} })));
ws.on("message", (text) => { console.log(JSON.parse(text)); ws.close(); });` : `ws.on("message", (text) => {
  const message = JSON.parse(text);
  console.log(Buffer.from(message.payload, "base64").toString());
  ws.send(JSON.stringify({ messageId: message.messageId }));
});`}
ws.on("unexpected-response", (_, response) => response.on("data", (why) => console.error("refused: " + why)));
`,
  "Go (coder/websocket)": ({ url, kind, token, frame }) => `package main

import (
	"context"
	"fmt"
${token ? `	"net/http"
	"os"
` : ""}
	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

func main() {
	ctx := context.Background()
	ws, _, err := websocket.Dial(ctx, ${q(url)}, ${token ? `&websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + os.Getenv("TOKEN")}},
	}` : "nil"})
	if err != nil {
		panic(err)
	}
	defer ws.CloseNow()
${kind === "producer" ? `	if err := wsjson.Write(ctx, ws, map[string]any{"payload": []byte(${q(fromBase64(frame.payload))})${rest(frame, "map[string]string")}}); err != nil {
		panic(err)
	}
	var answer map[string]any
	if err := wsjson.Read(ctx, ws, &answer); err != nil {
		panic(err)
	}
	fmt.Println(answer)` : `	for {
		var message struct {
			MessageID string \`json:"messageId"\`
			Payload   []byte \`json:"payload"\`
		}
		if err := wsjson.Read(ctx, ws, &message); err != nil {
			panic(err)
		}
		fmt.Printf("%s\\n", message.Payload)
		if err := wsjson.Write(ctx, ws, map[string]string{"messageId": message.MessageID}); err != nil {
			panic(err)
		}
	}`}
}
`,
  "websocat": ({ url, kind, token, frame }) => kind === "producer"
    ? `printf '%s' ${shell(q(frame))} | websocat -n1 ${token ? `-H="Authorization: Bearer $TOKEN" ` : ""}${shell(url)}\n`
    : `websocat ${token ? `-H="Authorization: Bearer $TOKEN" ` : ""}${shell(url)}\n`,
  "curl (why is it refused?)": ({ url, token }) =>
    `curl -i --max-time 5 -H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' \\
  -H 'Sec-WebSocket-Key: dHJ5IGl0IHRyeSBpdCB0cg==' ${token ? `-H "Authorization: Bearer $TOKEN" ` : ""}${shell(url.replace(/^ws/, "http"))}\n`,
};

// rest is what a frame has beside its payload, all of which is strings: these are written alike in all the languages, but
// Go wants the type of an object before it.
const rest = ({ payload, ...others }, type = "") =>
  Object.entries(others).map(([name, value]) => `, ${q(name)}: ${typeof value === "object" ? type : ""}${q(value)}`).join("");

const shell = (text) => "'" + text.replaceAll("'", `'\\''`) + "'";

export function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

export function fromBase64(text) {
  return new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
}
