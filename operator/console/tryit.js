// Produce, consume and read from the browser.

import { token } from "./api.js";
import { base64, fromBase64, languages } from "./snippets.js";
import { element } from "./table.js";

const at = (id) => document.getElementById(id);
const keptFrames = 200;

let socket;
let sequence = 0;

// address is the endpoint that the form describes. Browsers cannot set headers, so the token may go into the query.
function address(withToken) {
  const url = new URL("../ws/v2/", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const kind = at("try-kind").value;
  const topic = at("try-topic").value.trim().replace("://", "/").split("/").map(encodeURIComponent).join("/");
  url.pathname += `${kind}/${topic}` + (kind === "consumer" ? "/" + encodeURIComponent(at("try-subscription").value) : "");
  url.search = at("try-query").value;
  if (withToken && token()) url.searchParams.set("token", token());
  return url.href;
}

function note(kind, text) {
  const frames = at("frames");
  frames.append(element("li", { class: kind }, text));
  while (frames.children.length > keptFrames) frames.firstChild.remove();
  frames.scrollTop = frames.scrollHeight;
}

function state(text) {
  at("try-state").textContent = text;
  const open = text === "open";
  at("try-open").disabled = Boolean(socket);
  at("try-close").disabled = !socket;
  at("try-send").hidden = !(open && at("try-kind").value === "producer");
  at("try-consume").hidden = !(open && at("try-kind").value !== "producer");
}

function connect() {
  const kind = at("try-kind").value;
  let opened = false;
  try {
    socket = new WebSocket(address(true));
  } catch (error) {
    note("event", error.message);
    return;
  }
  state("opening");
  note("event", "GET " + address(false));
  const mine = socket;
  mine.onopen = () => {
    opened = true;
    state("open");
    if (kind === "producer") at("try-message").focus();
  };
  mine.onmessage = ({ data }) => {
    note("received", data);
    const frame = JSON.parse(data);
    if (kind === "producer" || !frame.messageId) return;
    try {
      note("event", `payload: ${fromBase64(frame.payload ?? "")}`);
    } catch {
      // It is not text.
    }
    if (at("try-ack").checked) send(JSON.stringify({ messageId: frame.messageId }));
  };
  mine.onclose = ({ code, reason }) => {
    socket = null;
    state("closed");
    note("event", opened ? `closed with ${code} ${reason}`
      : "the connection was refused; browsers are not told why. The line for curl below shows the reason.");
    if (!opened) show("curl (why is it refused?)");
  };
}

function send(text) {
  socket.send(text);
  note("sent", text);
}

// frame is what the form sends.
function frame(context) {
  const message = { payload: base64(at("try-message").value), context };
  if (at("try-key").value) message.key = at("try-key").value;
  if (at("try-properties").value) {
    message.properties = Object.fromEntries(at("try-properties").value.split(",").map((p) => {
      const [name, ...value] = p.split("=");
      return [name.trim(), value.join("=").trim()];
    }));
  }
  return message;
}

function code() {
  at("try-code").textContent = languages[at("try-language").value]({
    url: address(false), kind: at("try-kind").value, token: Boolean(token()), frame: frame("1"),
  });
  at("try-subscription-label").hidden = at("try-kind").value !== "consumer";
}

function show(language) {
  at("try-language").value = language;
  code();
}

export function start() {
  at("try-language").replaceChildren(...Object.keys(languages).map((name) => element("option", {}, name)));
  at("try-form").addEventListener("submit", (event) => {
    event.preventDefault();
    connect();
  });
  at("try-close").addEventListener("click", () => socket?.close(1000));
  at("try-send").addEventListener("submit", (event) => {
    event.preventDefault();
    send(JSON.stringify(frame(String(++sequence))));
  });
  at("try").addEventListener("input", code);
  at("try-copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(at("try-code").textContent);
    at("try-copy").textContent = "Copied";
    setTimeout(() => at("try-copy").textContent = "Copy", 1500);
  });
  code();
}
