// The console: which page is shown, and when it is drawn anew.

import { get, getText, profile, setLevel, setToken, token } from "./api.js";
import { lists } from "./lists.js";
import { sample } from "./overview.js";
import { element } from "./table.js";
import { start as startTrying } from "./tryit.js";

const every = 2000; // ms between two looks

const notice = document.getElementById("notice");
const level = document.getElementById("level");

function failed(error) {
  notice.textContent = error.status === 401
    ? `${error.message}. These pages are for super-users: give a token of one above. “Try it” works with any.`
    : error.message;
  notice.hidden = false;
}

const filtered = lists(() => refresh(), failed);
const { sessions, topics, upstream, brokers, refusals } = filtered;

async function showConfig() {
  document.getElementById("config-text").textContent = await getText("config");
  if (document.activeElement !== level) level.value = (await get("log-level")).level;
}

// save takes a profile and has the browser keep it as a file.
async function save(kind) {
  const url = URL.createObjectURL(await profile(kind));
  element("a", { href: url, download: `pulsegate-${kind}.pprof` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser may still read it
}

// What is drawn of each page, beside the sample that all have.
const pages = {
  overview: async () => {},
  sessions: () => sessions.show(),
  topics: () => topics.show(),
  upstream: () => Promise.all([brokers.show(), upstream.show()]),
  refusals: () => refusals.show(),
  config: showConfig,
  try: null, // nothing is asked for
};

// A hash is the name of a page and, where that is a list, what it is filtered by: #sessions?upstream=7.
const parts = () => location.hash.slice(1).split("?");
const current = () => parts()[0] in pages ? parts()[0] : "overview";

let timer;
let turn = 0; // of the newest refresh; older ones draw no more

async function refresh() {
  clearTimeout(timer);
  const mine = ++turn;
  const page = current();
  try {
    if (pages[page]) {
      await Promise.all([sample(), pages[page]()]);
    }
    if (mine === turn) notice.hidden = true;
  } catch (error) {
    if (mine === turn) failed(error);
  }
  if (mine === turn) timer = setTimeout(refresh, document.hidden ? 10 * every : every);
}

function route() {
  const page = current();
  const filters = parts()[1];
  if (filters) filtered[page]?.filter(new URLSearchParams(filters));
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === "#" + page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = document.querySelector(`#${page} h2`).textContent + " – pulsegate";
  refresh();
}

document.getElementById("login").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(document.getElementById("token").value.trim());
  refresh();
});
level.addEventListener("change", () => setLevel(level.value).then(refresh, failed));
for (const button of document.querySelectorAll("[data-profile]")) {
  button.addEventListener("click", () => {
    button.disabled = true;
    save(button.dataset.profile).catch(failed).finally(() => button.disabled = false);
  });
}
document.getElementById("token").value = token();
addEventListener("hashchange", route);
startTrying();
fetch("mode.json").then((answer) => answer.json()).then(({ apart }) => {
  if (!apart) return;
  document.querySelector('nav a[href="#try"]').remove(); // there is nothing to connect to at this door
  delete pages.try;
  route();
}, () => {});
route();
