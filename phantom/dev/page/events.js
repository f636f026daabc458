// The list behind the conversation: every event delivered, every Web API call, every log line of the daemon.

import { $, clock, h, toast } from "./dom.js";
import { ask } from "./link.js";
import { on, state } from "./store.js";

const KEPT = 400; // rows in the page; older ones leave it
const FILTERS = { all: "All", delivery: "Events", call: "API calls", log: "Log" };
const rows = new Map();
let filter = "all";

const WORDS = {
  http_error: "refused",
  http_timeout: "no ack in time",
  timeout: "no ack in time",
  connection_failed: "not reachable",
  connection_lost: "socket lost",
  no_connection: "nobody connected",
};
const ms = (seconds) => (seconds < 0.01 ? `${(seconds * 1000).toFixed(1)} ms` : `${Math.round(seconds * 1000)} ms`);

/** The last column: what became of it, in words. */
function outcome(entry) {
  if (entry.sort === "call") return entry.state === "ok" ? "ok" : entry.state === "limited" ? "rate limited" : entry.state === "lost" ? "answer lost" : entry.error || `HTTP ${entry.status}`;
  if (entry.sort === "log") return entry.state;
  const last = entry.attempts.at(-1);
  const tries = entry.attempts.length > 1 ? ` · try ${entry.attempts.length}` : "";
  if (entry.state === "acked") return `acked ${ms(last.latency)}${tries}`;
  if (entry.state === "held" || !last) return entry.state;
  const status = last.status ? ` ${last.status}` : "";
  return `${WORDS[last.outcome] ?? last.outcome}${status}${entry.state === "retrying" ? ", retrying" : ""}${tries}`;
}

const GOOD = new Set(["acked", "ok", "info", "debug"]);
const BAD = new Set(["gave_up", "error", "critical", "lost"]);
const mood = (entry) => (GOOD.has(entry.state) ? "ok" : BAD.has(entry.state) ? "bad" : "wait");

function fill(row, entry) {
  const sign = { delivery: "→", call: "←", log: "·" }[entry.sort];
  row.dataset.sort = entry.sort;
  row.dataset.state = entry.state;
  row.dataset.type = entry.type;
  row.querySelector("summary").replaceChildren(
    h("time", {}, clock(entry.at, true)),
    h("span", { class: "arrow", "aria-hidden": "true" }, sign),
    h("span", { class: "type" }, entry.type, entry.redelivery && h("span", { class: "badge" }, "again")),
    h("span", { class: "about" }, entry.about),
    h("span", { class: "outcome", "data-mood": mood(entry) }, outcome(entry)),
  );
}

function makeRow(entry) {
  const inside = h("div", { class: "inside" });
  const details = h("details", { ontoggle: () => details.open && open(entry.key, inside) }, h("summary", {}), inside);
  const row = h("li", { "data-key": entry.key }, details);
  fill(row, entry);
  return row;
}

async function open(key, inside) {
  const entry = state.entries.get(key);
  if (entry.sort === "log") {
    inside.replaceChildren(h("pre", {}, JSON.stringify({ logger: entry.logger, ...entry.fields }, null, 2)));
    return;
  }
  try {
    const found = await ask("details", { key });
    inside.replaceChildren(entry.sort === "delivery" ? deliveryTools(key) : "", h("pre", {}, JSON.stringify(found, null, 2)));
  } catch (error) {
    inside.replaceChildren(error.message);
  }
}

function deliveryTools(key) {
  const button = (label, title, onclick) => h("button", { type: "button", class: "small", title, onclick }, label);
  const again = () => ask("redeliver", { key }).catch((error) => toast(error.message));
  const replay = () =>
    ask("replay", { key }).then(
      ({ status }) => toast(`The very same bytes again: HTTP ${status}`),
      (error) => toast(error.message),
    );
  return h(
    "div",
    { class: "row" },
    button("Redeliver", "The same event once more, freshly signed, as Slack does when it believes that it was lost", again),
    state.transport === "http" && button("Replay bytes", "The recorded request, signature and all, as an eavesdropper could send it", replay),
  );
}

function take({ entry }) {
  const old = rows.get(entry.key);
  if (old) {
    fill(old, entry);
    return;
  }
  const row = makeRow(entry);
  rows.set(entry.key, row);
  $("entries").prepend(row);
  if (rows.size > KEPT) {
    const [key, first] = rows.entries().next().value;
    rows.delete(key);
    state.entries.delete(key);
    first.remove();
  }
}

function drawFilters() {
  $("filters").replaceChildren(
    ...Object.entries(FILTERS).map(([name, label]) =>
      h("button", { type: "button", "aria-pressed": String(name === filter), onclick: () => choose(name) }, label),
    ),
  );
  $("entries").dataset.filter = filter;
}

function choose(name) {
  filter = name;
  drawFilters();
}

export function start() {
  drawFilters();
  on("entry", take);
  on("reset", () => {
    rows.clear();
    $("entries").replaceChildren();
    for (const entry of state.entries.values()) take({ entry });
  });
}
