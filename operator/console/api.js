// What the console asks the gateway for, below ../gateway/.

const key = "pulsegate-token";

export const token = () => sessionStorage.getItem(key) ?? "";
export const setToken = (text) => text ? sessionStorage.setItem(key, text) : sessionStorage.removeItem(key);

// Refused is an answer that is none: its message is the gateway's reason.
export class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

async function ask(method, path, parameters = {}, body) {
  const url = new URL("../gateway/" + path, document.baseURI);
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== "" && value != null) url.searchParams.set(name, value);
  }
  const headers = token() ? { Authorization: "Bearer " + token() } : {};
  let response;
  try {
    response = await fetch(url, { method, headers, body, cache: "no-store" });
  } catch {
    throw new Refused(0, "the gateway does not answer");
  }
  if (response.ok) return response;
  let reason = response.statusText;
  try {
    reason = (await response.json()).reason ?? reason;
  } catch {
    // Something in front of the gateway has answered.
  }
  throw new Refused(response.status, reason);
}

export const get = async (path, parameters) => (await ask("GET", path, parameters)).json();
export const getText = async (path) => (await ask("GET", path)).text();
export const closeSession = (id, reason) => ask("DELETE", "sessions/" + id, { reason });
export const setLevel = (level) => ask("PUT", "log-level", {}, JSON.stringify({ level }));
export const profile = async (kind) => (await ask("POST", "profiles/" + kind, kind === "cpu" ? { seconds: 10 } : {})).blob();
