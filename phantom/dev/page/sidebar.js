// The platforms, where one can write on the one that is shown, as whom, and how the daemon is.

import { $, h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar } from "./parts.js";
import { platform } from "./platforms.js";
import { become, goTo, nameOf, on, places, shared, show, sides, state, unreadOf } from "./store.js";

const SIGNS = { channel: "hash", group: "lock", forum: "forum", thread: "thread" };
const UP = ["ready", "connected", "up"];

// --- the rail ---

function sideButton(side) {
  const { label } = platform(side.side);
  const unread = side === state ? 0 : unreadOf(side);
  const current = side === state;
  const [mood, words] = moodOf(side.side);
  return h(
    "button",
    { type: "button", class: "side", "data-side": side.side, "aria-pressed": String(current), title: `${label}: ${platform(side.side).title(side.team)}`, onclick: () => show(side.side) },
    h("span", { class: "tile", "aria-hidden": "true" }, label[0], h("span", { class: "dot", "data-mood": mood })),
    h("span", { class: "label" }, label),
    h("span", { class: "unseen" }, words),
    unread > 0 && h("span", { class: "count", "aria-label": `${unread} unread` }, String(unread)),
  );
}

function drawRail() {
  const focused = document.activeElement?.closest?.("#rail")?.querySelector(":focus")?.dataset.side;
  $("rail").hidden = sides.size < 2;
  $("rail").replaceChildren(...[...sides.values()].map(sideButton));
  if (focused) $("rail").querySelector(`[data-side="${focused}"]`)?.focus();
}

// --- places ---

function placeButton(channel) {
  const unread = state.unread.get(channel.id) ?? 0;
  const current = channel.id === state.place;
  const sign = channel.shared ? "shared" : channel.private ? "lock" : SIGNS[channel.kind];
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
  const groups = platform().groups(places()).filter(([, found]) => found.length);
  const focused = document.activeElement?.dataset?.place;
  $("places").replaceChildren(...groups.flatMap(([title, found]) => [h("h2", {}, title), ...found.map(placeButton)]));
  if (focused) document.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus();
}

function drawPeople() {
  const people = [...state.users.values()].filter((user) => user.id !== state.bot);
  const rows = people.map((user) =>
    h(
      "label",
      { class: "person" },
      h("input", { type: "radio", name: "me", value: user.id, checked: user.id === state.me, onchange: () => become(user.id) }),
      avatar(user.id, user.name),
      h("span", { class: "name" }, user.name),
      user.badge && h("span", { class: `badge ${user.role}` }, user.badge),
    ),
  );
  const box = $("people");
  box.replaceChildren(box.querySelector("legend"), ...rows);
}

// --- the daemon ---

/** How a channel of the daemon is, in a mood and in words. */
function moodOf(name) {
  const { state: phase, report } = shared.daemon;
  const channel = report?.channels.find((one) => one.name === name);
  if (phase !== "running") return ["wait", phase];
  if (!channel) return ["wait", "starting…"];
  if (!UP.includes(channel.state)) return [channel.state === "connecting" ? "wait" : "bad", `${channel.name}: ${channel.state}`, channel];
  return report.agent ? ["ok", `ready · agent ${report.agent}`] : ["wait", "ready, loading the agent…"];
}

/** The pill: what is seen of the daemon, in a word, and its health page behind it. */
function drawStatus() {
  const [mood, text, bad] = moodOf(state.side);
  const pill = $("status");
  pill.dataset.mood = mood;
  $("status-text").textContent = text;
  pill.title = bad ? [bad.detail, bad.cure].filter(Boolean).join(" — ") : "Open the health page";
  if (shared.daemon.health) pill.href = shared.daemon.health;
  else pill.removeAttribute("href");
  drawRail();
}

export function lost() {
  $("status").dataset.mood = "bad";
  $("status-text").textContent = "phantom dev is not running";
}

function drawAll() {
  const { title, transports } = platform();
  $("team").textContent = title(state.team);
  $("transport").textContent = transports[state.transport] ?? state.transport;
  Object.assign(document.body.dataset, { side: state.side, transport: state.transport });
  drawPlaces();
  drawPeople();
  drawStatus();
}

export function start() {
  on("reset", drawAll);
  on("side", drawAll);
  on("people", () => {
    drawPlaces();
    drawRail();
  });
  on("place", drawPlaces);
  on("daemon", drawStatus);
}
