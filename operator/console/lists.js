// The pages that are lists.

import { closeSession, get } from "./api.js";
import { ago, count, seconds, size, topic } from "./format.js";
import { element, List } from "./table.js";

const n = (head, field, cell) => ({ head, field, cell, number: true });
const t = (head, field, cell, long) => ({ head, field, cell, long });

async function close(session, refresh) {
  const reason = prompt(`Close session ${session.id} of ${session.role || session.address}? The client is told:`, "closed by an operator");
  if (reason === null) return;
  await closeSession(session.id, reason);
  refresh();
}

const slow = (s) => s.unsentBytes > 0 ? element("span", { class: s.slowSeconds > 5 ? "bad" : "warn" }, seconds(s.slowSeconds)) : "";

// Rates are messages a second by a session's id, from one answer to the next. Answers that follow each other at once, as when a filter
// is changed, are not compared.
class Rates {
  before = { time: 0, messages: new Map() };
  rates = new Map();

  take(sessions, time = performance.now()) {
    const passed = (time - this.before.time) / 1000;
    if (passed >= 1) {
      const earlier = this.before.messages;
      this.rates = new Map(sessions.filter((s) => earlier.get(s.id) <= s.messages).map((s) => [s.id, (s.messages - earlier.get(s.id)) / passed]));
      this.before = { time, messages: new Map(sessions.map((s) => [s.id, s.messages])) };
    }
  }

  of(session) {
    const rate = this.rates.get(session.id);
    return rate === undefined ? "" : count(Math.round(rate));
  }
}

// link leads to a list with that filter only. focus is not that of another link in the table.
const link = (text, list, filter, label, focus) => element("a", { href: `#${list}?${new URLSearchParams(filter)}`, "aria-label": label, "data-focus": focus }, text);

// clients are links to those of a session at the brokers. There are many where a topic has many partitions.
function clients(session) {
  const all = session.upstream ?? [], most = 3;
  const shown = all.slice(0, most).flatMap((id, i) => [i ? ", " : "", link(String(id), "upstream", { id }, "Client " + id, `client-${session.id}-${id}`)]);
  return element("span", {}, ...shown, all.length > most ? ` and ${all.length - most} more` : "");
}

// loading asks for a page of a list, whose lines the answer has under another name at most.
const loading = (list, lines = list) => async (query) => {
  const page = await get(list, query);
  return { rows: page[lines], total: page.total };
};

// lists makes them. refresh draws the page that is shown anew; failed is told of errors.
export function lists(refresh, failed) {
  const rates = new Rates();
  const sessions = new List("sessions", [
    n("Id", "id", (s) => String(s.id)),
    t("Kind", "kind", (s) => s.kind),
    t("Topic", "topic", (s) => topic(s.topic)),
    t("Subscription", "subscription", (s) => s.subscription ? `${s.subscription} (${s.subscriptionType})` : ""),
    t("Role", "role", (s) => s.role),
    t("Address", "address", (s) => s.address),
    n("Age", "ageSeconds", (s) => ago(s.opened)),
    n("Idle", "idleSeconds", (s) => seconds(s.idleSeconds)),
    n("Messages", "messages", (s) => count(s.messages)),
    n("Per second", null, (s) => rates.of(s)),
    n("Unacknowledged", "unacknowledged", (s) => s.window ? `${s.unacknowledged} of ${s.window}` : String(s.unacknowledged)),
    n("In flight", "inFlight", (s) => String(s.inFlight)),
    n("Unsent", "unsentBytes", (s) => size(s.unsentBytes)),
    n("Slow for", "slowSeconds", slow),
    n("Shared by", "sharing", (s) => String(s.sharing)),
    n("Client", "upstream", clients),
    { head: "User agent", field: "userAgent", cut: true, cell: (s) => s.userAgent },
    { head: "Action", cell: (s) => element("button", { type: "button", "aria-label": "Close session " + s.id, "data-focus": "close-" + s.id, onclick: () => close(s, refresh).catch(failed) }, "Close") },
  ], { field: "unsentBytes", falling: true }, async (query) => {
    const page = await get("sessions", query);
    rates.take(page.sessions);
    return { rows: page.sessions, total: page.total };
  });

  const topics = new List("topics", [
    t("Topic", "topic", (x) => topic(x.topic)),
    n("Sessions", "sessions", (x) => count(x.sessions)),
    n("Producers", "producers", (x) => count(x.producers)),
    n("Consumers", "consumers", (x) => count(x.consumers)),
    n("Readers", "readers", (x) => count(x.readers)),
    n("Subscriptions", "subscriptions", (x) => count(x.subscriptions)),
    n("Published", "published", (x) => count(x.published)),
    n("Delivered", "delivered", (x) => count(x.delivered)),
    n("Unacknowledged", "unacknowledged", (x) => count(x.unacknowledged)),
    n("Unsent", "unsentBytes", (x) => size(x.unsentBytes)),
    n("Slow clients", "slow", (x) => count(x.slow)),
  ], { field: "sessions", falling: true }, loading("topics"));

  const upstream = new List("upstream", [
    n("Id", "id", (c) => String(c.id)),
    t("Kind", "kind", (c) => c.kind),
    t("Topic", "topic", (c) => topic(c.topic)),
    t("Subscription", "subscription", (c) => c.subscription),
    t("Role", "role", (c) => c.role),
    n("Sessions", "sessions", (c) => link(count(c.sessions), "sessions", { upstream: c.id }, `Sessions of client ${c.id}: ${count(c.sessions)}`, "sessions-" + c.id)),
    t("Connected", "connected", (c) => c.connected ? "yes" : element("span", { class: "bad" }, "no")),
  ], { field: "sessions", falling: true }, loading("upstream", "clients"));

  const brokers = new List("brokers", [
    t("Broker", "address", (b) => b.address),
    t("Role", "role", (b) => b.role),
    t("State", "state", (b) => element("span", { class: b.state === "up" ? "" : "bad" }, b.state)),
    n("For", "since", (b) => ago(b.since)),
    n("Producers", "producers", (b) => count(b.producers)),
    n("Consumers", "consumers", (b) => count(b.consumers)),
    n("Requests", "requests", (b) => count(b.requests)),
    n("Unsent bytes", "unsentBytes", (b) => size(b.unsentBytes)),
    t("Error", "error", (b) => b.error ?? "", true),
  ], { field: "state", falling: false }, loading("brokers"));

  const refusals = new List("refusals", [
    n("Ago", "time", (r) => ago(r.time)),
    t("What", "what", (r) => r.what),
    n("Code", "code", (r) => r.code ? String(r.code) : ""),
    t("Reason", "reason", (r) => r.reason, true),
    t("Address", "address", (r) => r.address),
    t("Limit", "key", (r) => r.key),
    t("More", null, (r) => Object.entries(r.more ?? {}).map(([k, v]) => `${k}=${v}`).join(" "), true),
  ], { field: "time", falling: true }, loading("refusals"));

  const all = { sessions, topics, upstream, brokers, refusals };
  for (const list of Object.values(all)) list.changed = refresh;
  return all;
}
