// The list behind the conversations: every event delivered, every call to a platform, every log line of the daemon.

import { $, clock, h, toast } from "./dom.js";
import { ask } from "./link.js";
import { platform } from "./platforms.js";
import { entries, on, sides, state } from "./store.js";

const KEPT = 400; // rows in the page; older ones leave it
const FILTERS = { all: "All", delivery: "Events", call: "API calls", log: "Log" };
const rows = new Map();
let filter = "all";

const GOOD = new Set(["acked", "ok", "sent", "info", "debug"]);
const BAD = new Set(["gave_up", "error", "critical", "lost", "nobody"]);
const mood = (entry) => (GOOD.has(entry.state) ? "ok" : BAD.has(entry.state) ? "bad" : "wait");

function fill(row, entry) {
  const sign = { delivery: "→", call: "←", log: "·" }[entry.sort];
  row.dataset.sort = entry.sort;
  row.dataset.state = entry.state;
  row.dataset.type = entry.type;
  row.dataset.side = entry.side;
  row.querySelector("summary").replaceChildren(
    h("time", {}, clock(entry.at, true)),
    h("span", { class: "arrow", "aria-hidden": "true" }, sign),
    h("span", { class: "type" }, entry.side && sides.size > 1 && h("span", { class: "origin" }, platform(entry.side).label), entry.type, entry.redelivery && h("span", { class: "badge" }, "again")),
    h("span", { class: "about" }, entry.about),
    h("span", { class: "outcome", "data-mood": mood(entry) }, entry.outcome),
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
  const entry = entries.get(key);
  if (entry.sort === "log") {
    inside.replaceChildren(h("pre", {}, JSON.stringify({ logger: entry.logger, ...entry.fields }, null, 2)));
    return;
  }
  try {
    const found = await ask("details", { side: entry.side, key: entry.name });
    inside.replaceChildren(entry.sort === "delivery" && entry.side === "slack" ? deliveryTools(entry.name) : "", h("pre", {}, JSON.stringify(found, null, 2)));
  } catch (error) {
    inside.replaceChildren(error.message);
  }
}

function deliveryTools(key) {
  const button = (label, title, onclick) => h("button", { type: "button", class: "small", title, onclick }, label);
  const slack = { side: "slack", key };
  const again = () => ask("redeliver", slack).catch((error) => toast(error.message));
  const replay = () =>
    ask("replay", slack).then(
      ({ status }) => toast(`The very same bytes again: HTTP ${status}`),
      (error) => toast(error.message),
    );
  return h(
    "div",
    { class: "row" },
    button("Redeliver", "The same event once more, freshly signed, as Slack does when it believes that it was lost", again),
    sides.get("slack").transport === "http" && button("Replay bytes", "The recorded request, signature and all, as an eavesdropper could send it", replay),
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
    entries.delete(key);
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

/** Whether the other platform's rows are shown too. */
function drawScope() {
  const only = $("entries").dataset.only;
  const press = () => {
    if (only) delete $("entries").dataset.only;
    else $("entries").dataset.only = state.side;
    drawScope();
  };
  $("scope").replaceChildren(...(sides.size > 1 ? [h("button", { type: "button", class: "small", "aria-pressed": String(Boolean(only)), onclick: press }, `Only ${platform(only ?? state.side).label}`)] : []));
}

export function start() {
  drawFilters();
  on("side", () => {
    if ($("entries").dataset.only) $("entries").dataset.only = state.side;
    drawScope();
  });
  on("entry", take);
  on("reset", () => {
    drawScope();
    rows.clear();
    $("entries").replaceChildren();
    for (const entry of entries.values()) take({ entry });
  });
}
