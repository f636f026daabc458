// The small list over a message box: what the platform offers (commands), `@` and people.

import { h } from "./dom.js";
import { platform } from "./platforms.js";
import { state } from "./store.js";

export class Completion {
  constructor(form, input) {
    this.input = input;
    this.list = h("ul", { class: "completion", role: "listbox", id: `${input.id}-list`, "aria-label": "Completions", hidden: true });
    form.append(this.list);
    input.setAttribute("aria-controls", this.list.id);
    input.setAttribute("aria-autocomplete", "list");
    input.addEventListener("input", () => this.look());
    input.addEventListener("blur", () => setTimeout(() => document.activeElement !== input && this.close(), 150));
    this.offers = [];
    this.chosen = 0;
    this.asked = 0;
  }

  /** Offers may come from the app, so they may come late: those for an older text are not shown. */
  async look() {
    const mine = (this.asked += 1);
    const { value, selectionStart: at } = this.input;
    let offers = platform().complete(value.slice(0, at)) ?? named(value.slice(0, at));
    if (offers instanceof Promise) offers = await offers.catch(() => []);
    if (mine !== this.asked) return;
    this.offers = offers;
    this.chosen = 0;
    this.draw();
  }

  draw() {
    this.list.hidden = !this.offers.length;
    this.list.replaceChildren(
      ...this.offers.map((offer, index) =>
        h("li", { role: "option", id: `${this.list.id}-${index}`, "aria-selected": String(index === this.chosen), onmousedown: (event) => this.pick(event, index) }, h("b", {}, offer.text), h("span", { class: "dim" }, offer.about)),
      ),
    );
    if (this.offers.length) this.input.setAttribute("aria-activedescendant", `${this.list.id}-${this.chosen}`);
    else this.input.removeAttribute("aria-activedescendant");
  }

  /** True when the key was meant for the list. Enter takes an offer only where it would not send something whole. */
  key(event) {
    if (!this.offers.length) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.chosen = (this.chosen + step + this.offers.length) % this.offers.length;
      this.draw();
    } else if (event.key === "Tab" || event.key === "Enter") {
      this.pick(event, this.chosen);
      return true;
    } else if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
    } else return false;
    event.preventDefault();
    return true;
  }

  pick(event, index) {
    event.preventDefault();
    const { text, from } = this.offers[index];
    this.input.setRangeText(text, from, this.input.selectionStart, "end");
    this.close();
    this.input.focus();
  }

  close() {
    this.asked += 1;
    this.offers = [];
    this.draw();
  }
}

/** People, roles and (with #) channels whose names begin as typed. */
function named(text) {
  const found = /(^|\s)([@#])([\w.-]*)$/.exec(text);
  if (!found) return [];
  const [, , sign, begun] = found;
  const from = text.length - begun.length - 1;
  const people = [...state.users.values()].map((user) => ({ name: user.name, about: user.role }));
  const roles = state.roles.map((role) => ({ name: role.name, about: "role" })).filter(({ name }) => !people.some((user) => user.name === name));
  const places = [...state.channels.values()].filter((channel) => channel.name).map((channel) => ({ name: channel.name, about: channel.kind }));
  return (sign === "@" ? [...people, ...roles] : places)
    .filter(({ name }) => name.toLowerCase().startsWith(begun.toLowerCase()) && name !== begun && !name.includes(" "))
    .map(({ name, about }) => ({ text: `${sign}${name} `, about, from }));
}
