// Where one can write, as whom, and how the daemon is.

import { $, h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./message.js";
import { become, goTo, nameOf, on, places, state } from "./store.js";

const SIGNS = { channel: "hash", group: "lock" };
const ROLES = { owner: "owner", member: "member", guest: "guest", external: "external" };

function placeButton(channel) {
  const unread = state.unread.get(channel.id) ?? 0;
  const current = channel.id === state.place;
  const sign = channel.shared ? "shared" : SIGNS[channel.kind];
  return h(
    "button",
    { type: "button", class: `place${unread ? " unread" : ""}`, "aria-current": current ? "page" : null, "data-place": channel.id, "data-kind": channel.kind, onclick: () => choose(channel.id) },
    sign ? icon(sign) : h("img", { class: "sign", src: "icon.svg", alt: "" }),
    h("span", { class: "name" }, nameOf(channel)),
    channel.shared && h("span", { class: "badge external" }, "shared"),
    unread > 0 && h("span", { class: "count", "aria-label": `${unread} unread` }, String(unread)),
  );
}

/** Open a conversation, and on a narrow screen leave the list. */
export function choose(id) {
  document.body.dataset.panel = "";
  goTo(id);
}

function drawPlaces() {
  const all = places();
  const direct = all.filter((one) => one.kind === "im" || one.kind === "mpim").sort((a, b) => (a.kind < b.kind ? -1 : 1));
  const rest = all.filter((one) => !direct.includes(one));
  const focused = document.activeElement?.dataset?.place;
  $("places").replaceChildren(
    h("h2", {}, "Direct messages"),
    ...direct.map(placeButton),
    ...(rest.length ? [h("h2", {}, "Channels"), ...rest.map(placeButton)] : []),
  );
  if (focused) document.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
}

function drawPeople() {
  const people = [...state.users.values()].filter((user) => user.role !== "bot");
  const rows = people.map((user) =>
    h(
      "label",
      { class: "person" },
      h("input", { type: "radio", name: "me", value: user.id, checked: user.id === state.me, onchange: () => become(user.id) }),
      avatar(user.id, user.name),
      h("span", { class: "name" }, user.name),
      h("span", { class: `badge ${user.role}` }, ROLES[user.role]),
    ),
  );
  const box = $("people");
  box.replaceChildren(box.querySelector("legend"), ...rows);
}

/** The pill: what is seen of the daemon, in a word, and its health page behind it. */
function drawStatus() {
  const { state: phase, report, health } = state.daemon;
  const pill = $("status");
  const bad = report?.channels.find((channel) => !["ready", "connected", "up"].includes(channel.state));
  let [mood, text] = ["wait", phase === "running" ? "starting…" : phase];
  if (report?.ok && report.agent) [mood, text] = ["ok", `ready · agent ${report.agent}`];
  else if (report?.ok) text = "ready, loading the agent…";
  else if (bad) [mood, text] = ["bad", `${bad.name}: ${bad.state}`];
  pill.dataset.mood = mood;
  $("status-text").textContent = text;
  pill.title = bad ? [bad.detail, bad.cure].filter(Boolean).join(" — ") : "Open the health page";
  if (health) pill.href = health;
  else pill.removeAttribute("href");
}

export function lost() {
  $("status").dataset.mood = "bad";
  $("status-text").textContent = "phantom dev is not running";
}

export function start() {
  on("reset", () => {
    $("team").textContent = `${state.team} workspace`;
    $("transport").textContent = state.transport === "http" ? "signed HTTP posts" : "Socket Mode";
    document.body.dataset.transport = state.transport;
    drawPlaces();
    drawPeople();
    drawStatus();
  });
  on("people", drawPlaces);
  on("place", drawPlaces);
  on("daemon", drawStatus);
}
