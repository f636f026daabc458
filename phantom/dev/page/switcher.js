// Ctrl+K: to another conversation of any platform by a few letters.

import { $, h, takeAway } from "./dom.js";
import { platform } from "./platforms.js";
import { choose } from "./sidebar.js";
import { nameOf, places, show as showSide, sides, state } from "./store.js";

let dialog = null;

export function toggle() {
  if (dialog) close();
  else show();
}

function close() {
  dialog?.close();
}

function gone(event) {
  takeAway(event.currentTarget);
  dialog = null;
}

/** Every conversation, those of the side that is shown first. */
function everywhere() {
  const order = [state, ...[...sides.values()].filter((side) => side !== state)];
  return order.flatMap((side) =>
    places(side).map((channel) => {
      const { place, label } = platform(side.side);
      const here = side === state && channel.id === state.place;
      const about = [sides.size > 1 && ` · ${label}`, here && " · here"].filter(Boolean).join("");
      return { side: side.side, id: channel.id, name: nameOf(channel, side), sign: `${place(channel)} `.trimStart(), about };
    }),
  );
}

function show() {
  const input = h("input", { type: "text", role: "combobox", "aria-label": "Go to a conversation", "aria-expanded": "true", "aria-controls": "switch-list", autocomplete: "off", placeholder: "Go to…" });
  const list = h("ul", { id: "switch-list", class: "options", role: "listbox" });
  let chosen = 0;
  let found = [];
  const draw = () => {
    const typed = input.value.trim().toLowerCase();
    found = everywhere().filter(({ name }) => name.toLowerCase().includes(typed));
    chosen = Math.min(chosen, Math.max(0, found.length - 1));
    list.replaceChildren(
      ...found.map((one, index) =>
        h("li", { role: "option", id: `switch-${index}`, "aria-selected": String(index === chosen), onclick: () => go(one) }, one.sign, one.name, one.about && h("span", { class: "dim" }, one.about)),
      ),
    );
    if (found.length) input.setAttribute("aria-activedescendant", `switch-${chosen}`);
  };
  const go = ({ side, id }) => {
    close();
    showSide(side);
    choose(id);
  };
  input.addEventListener("input", () => {
    chosen = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : found.length - 1)) % Math.max(1, found.length);
      draw();
    } else if (event.key === "Enter" && found[chosen]) {
      event.preventDefault();
      go(found[chosen]);
    }
  });
  dialog = h("dialog", { class: "modal switcher", "aria-label": "Go to a conversation", onclose: gone, onclick: (event) => event.target === dialog && close() }, input, list);
  document.body.append(dialog);
  dialog.showModal();
  draw();
  input.focus();
}

export function start() {
  $("open-switcher").addEventListener("click", toggle);
}
