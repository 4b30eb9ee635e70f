// The gateway at a glance, with charts of the last minutes.

import { get } from "./api.js";
import { ago, count, size } from "./format.js";
import { draw, element } from "./table.js";

const kept = 180; // points of each chart

const clock = (time) => new Date(time * 1000).toLocaleTimeString("en-GB");

// Chart draws one list of rates over time.
class Chart {
  constructor(id, names, write) {
    this.at = document.getElementById(id);
    this.names = names;
    this.write = write;
    this.data = [[], ...names.map(() => [])];
  }

  add(time, values) {
    [time, ...values].forEach((v, i) => {
      this.data[i].push(v);
      if (this.data[i].length > kept) this.data[i].shift();
    });
    if (!this.at.clientWidth) return; // not on the page that is shown
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink"), line = style.getPropertyValue("--line");
    const dimensions = { width: this.at.clientWidth, height: 180 };
    if (this.plot && this.ink === ink) {
      if (this.plot.width !== dimensions.width) this.plot.setSize(dimensions);
      this.plot.setData(this.data);
      return;
    }
    this.plot?.destroy();
    this.ink = ink;
    const colours = [style.getPropertyValue("--accent"), "#c2601c", "#2d8a5b"];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    this.plot = new uPlot({
      ...dimensions,
      scales: { y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
      series: [{ label: "time", value: (_, v) => v == null ? "" : clock(v) }, ...this.names.map((label, i) => ({ label, stroke: colours[i], width: 2, value: (_, v) => v == null ? "" : this.write(v) }))],
      axes: [{ ...axis, values: (_, ticks) => ticks.map(clock) }, { ...axis, size: 70, values: (_, ticks) => ticks.map(this.write) }],
    }, this.data, this.at);
  }
}

const charts = {
  messages: new Chart("chart-messages", ["published", "delivered", "acknowledged"], count),
  bytes: new Chart("chart-bytes", ["from clients", "to clients"], size),
  sessions: new Chart("chart-sessions", ["producers", "consumers", "readers"], count),
};

let before;

// sample asks for the state once; the charts grow whatever page is shown.
export async function sample() {
  const now = { time: Date.now() / 1000, status: await get("status") };
  const { status } = now;
  document.getElementById("version").textContent = status.version;
  const sessions = ["producer", "consumer", "reader"].map((kind) => status.sessions[kind] ?? 0);
  charts.sessions.add(now.time, sessions);
  let rates = {};
  if (before && before.status.started === status.started) {
    const passed = Math.max(.1, now.time - before.time);
    rates = Object.fromEntries(Object.entries(status.counters).map(([name, v]) => [name, (v - before.status.counters[name]) / passed]));
    charts.messages.add(now.time, [rates.published, rates.delivered, rates.acknowledged]);
    charts.bytes.add(now.time, [rates.receivedBytes, rates.sentBytes]);
  }
  before = now;
  const card = (name, value, kind) => element("li", { class: kind }, element("b", {}, value), element("span", {}, name));
  document.getElementById("cards").replaceChildren(
    card("state", status.draining ? "draining" : "serving", status.draining ? "warn" : null),
    card("brokers", status.ready === "yes" ? "reachable" : status.ready, status.ready === "yes" ? null : "bad"),
    card("up for", ago(status.started)),
    card("sessions", count(sessions.reduce((a, b) => a + b))),
    card("published per second", count(rates.published ?? 0)),
    card("delivered per second", count(rates.delivered ?? 0)),
    card("unacknowledged", count(status.counters.unacknowledged ?? 0)),
  );
  const amount = (v, unit) => unit === "bytes" ? size(v) : count(v);
  draw(document.getElementById("limits"), [
    { head: "Limit", cell: (l) => l.key },
    { head: "Used", number: true, cell: (l) => amount(l.used, l.unit) },
    { head: "Most", number: true, cell: (l) => l.most > 0 ? amount(l.most, l.unit) : "none" },
    { head: "Share", cell: (l) => l.most > 0 ? element("meter", { min: 0, max: l.most, value: l.used, high: l.most * .8, "aria-label": l.key + " used" }) : "" },
  ], status.limits);
}
