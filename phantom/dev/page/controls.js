// The switches: each one does to the daemon what the world does to it sooner or later. Which there are, the platform says.

import { act } from "./act.js";
import { $, add, h, toast } from "./dom.js";
import { ask } from "./link.js";
import { platform } from "./platforms.js";
import { on, state } from "./store.js";

const restart = () => ask("restart").catch((error) => toast(error.message));

function control([what, label, title, armed, transport]) {
  if (transport && transport !== state.transport) return null;
  const waiting = state.controls.armed?.[armed] ?? 0;
  const active = waiting > 0 || platform().isActive(armed, state.controls);
  return h("button", { type: "button", class: "small", title, "data-do": what, "aria-pressed": armed ? String(active) : null, "data-active": active || null, onclick: () => press(what) }, label, waiting > 0 && h("span", { class: "count" }, String(waiting)));
}

async function press(what) {
  const answer = await act(what);
  if (answer?.status) toast(`The very same bytes again: HTTP ${answer.status}`);
}

/** Slack's events can be kept back. */
function holdButtons({ holding, held }) {
  if (holding === undefined) return null;
  const hold = holding
    ? h("button", { type: "button", class: "small", "data-do": "release", "data-active": true, "aria-pressed": "true", title: "Let the held events go, in order", onclick: () => act("release") }, `Release ${held}`)
    : h("button", { type: "button", class: "small", "data-do": "hold", "aria-pressed": "false", title: "Keep events back until you release them", onclick: () => act("hold") }, "Hold events");
  const reversed = holding && held > 1 && h("button", { type: "button", class: "small", title: "The last one first", onclick: () => act("release", { order: "reversed" }) }, "…reversed");
  return [hold, reversed];
}

function draw() {
  const focused = document.activeElement?.dataset?.do;
  const { switches, connections, connected } = platform();
  const drawn = switches.map(([title, ...items]) => [title, items.map(control).filter(Boolean)]).filter(([, buttons]) => buttons.length);
  const groups = drawn.map(([title, buttons], index) => {
    const count = title === connected && connections(state.controls, state.transport);
    return h("div", { class: "group" }, h("h3", {}, title, count && h("span", { class: "dim" }, ` · ${count}`)), h("div", { class: "row" }, index === 0 && holdButtons(state.controls), buttons));
  });
  groups.push(
    h(
      "div",
      { class: "group row" },
      h("button", { type: "button", class: "small strong", "data-do": "restart", title: "Cut the daemon off in the middle of what it does and start it on the same data: turns are resumed", onclick: () => restart() }, "Kill and restart the daemon"),
      h("button", { type: "button", class: "small", "data-do": "clear", title: "Disarm everything and release what is held", onclick: () => act("clear") }, "All as normal"),
    ),
  );
  const box = $("controls").querySelector(".groups");
  box.replaceChildren(...groups);
  if (focused) box.querySelector(`[data-do="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

export function start() {
  add($("controls"), [h("details", { class: "disturb", open: innerWidth > 900 }, h("summary", {}, "Disturb it"), h("div", { class: "groups" }))]);
  for (const topic of ["reset", "side", "controls"]) on(topic, draw);
}
