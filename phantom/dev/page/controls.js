// The switches: each one does to the daemon what the world does to it sooner or later.

import { $, add, h, toast } from "./dom.js";
import { ask } from "./link.js";
import { on, state } from "./store.js";

// do, label, what one will see, the key under which it is armed, the transport it needs
const GROUPS = [
  [
    "Events to Phantom",
    ["delay", "Delay next 3 s", "The next event comes three seconds late", "delay"],
    ["lose_ack", "Lose next ack", "Slack does not hear the next ack and delivers again: still one answer", "lose_ack"],
    ["corrupt", "Corrupt signature", "The next post is signed wrongly: refused with 401, then retried", "corrupt", "http"],
    ["stale", "Stale timestamp", "The next post claims to be an hour old: refused", "stale", "http"],
  ],
  [
    "Slack's answers",
    ["rate_limit", "Rate-limit next post", "The next chat.postMessage gets 429 with Retry-After: 2", "reply ratelimited"],
    ["fail", "503 on next post", "The next chat.postMessage fails", "reply 503"],
    ["lose_answer", "Lose next answer", "The next chat.postMessage is applied, but its answer never arrives: Phantom looks before it posts again", "drop_after"],
  ],
  [
    "Connection and token",
    ["drop_socket", "Cut the socket", "TCP is cut; Phantom connects again", "", "socket"],
    ["disconnect", "Ask to reconnect", "Slack's refresh_requested", "", "socket"],
    ["revoke", "Revoke bot token", "Every call answers token_revoked; the channel stops and says so", ""],
    ["rotate", "Issue a new token", "The old one is revoked; Phantom finds the new one by itself and goes on", ""],
  ],
];

const perform = (what, values = {}) => ask(what, values).catch((error) => toast(error.message));

function control([what, label, title, armed, transport]) {
  if (transport && transport !== state.transport) return null;
  const waiting = state.controls.armed?.[armed] ?? 0;
  const active = waiting > 0 || (what === "revoke" && Boolean(state.controls.token));
  return h("button", { type: "button", class: "small", title, "data-do": what, "aria-pressed": armed ? String(active) : null, "data-active": active || null, onclick: () => perform(what) }, label, waiting > 0 && h("span", { class: "count" }, String(waiting)));
}

function draw() {
  const { holding, held, sockets } = state.controls;
  const focused = document.activeElement?.dataset?.do;
  const hold = holding
    ? h("button", { type: "button", class: "small", "data-do": "release", "data-active": true, "aria-pressed": "true", title: "Let the held events go, in order", onclick: () => perform("release") }, `Release ${held}`)
    : h("button", { type: "button", class: "small", "data-do": "hold", "aria-pressed": "false", title: "Keep events back until you release them", onclick: () => perform("hold") }, "Hold events");
  const reversed = holding && held > 1 && h("button", { type: "button", class: "small", title: "The last one first", onclick: () => perform("release", { order: "reversed" }) }, "…reversed");
  const groups = GROUPS.map(([title, ...items], index) =>
    h("div", { class: "group" }, h("h3", {}, title, index === 2 && state.transport === "socket" && h("span", { class: "dim" }, ` · ${sockets} socket${sockets === 1 ? "" : "s"}`)), h("div", { class: "row" }, index === 0 && [hold, reversed], items.map(control))),
  );
  groups.push(
    h(
      "div",
      { class: "group row" },
      h("button", { type: "button", class: "small strong", "data-do": "restart", title: "Cut the daemon off in the middle of what it does and start it on the same data: turns are resumed", onclick: () => perform("restart") }, "Kill and restart the daemon"),
      h("button", { type: "button", class: "small", "data-do": "clear", title: "Disarm everything and release what is held", onclick: () => perform("clear") }, "All as normal"),
    ),
  );
  const box = $("controls").querySelector(".groups");
  box.replaceChildren(...groups);
  if (focused) box.querySelector(`[data-do="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

export function start() {
  add($("controls"), [h("details", { class: "disturb", open: innerWidth > 900 }, h("summary", {}, "Disturb it"), h("div", { class: "groups" }))]);
  on("reset", draw);
  on("controls", draw);
}
