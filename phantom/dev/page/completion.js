// The small list over a message box: `/phantom` and its words, `@` and people.

import { h } from "./dom.js";
import { state } from "./store.js";

const COMMANDS = [
  ["/phantom help", "what it can do"],
  ["/phantom status", "how it is"],
  ["/phantom new", "forget this conversation"],
  ["/phantom stop", "stop what it is doing"],
  ["/phantom ask ", "ask privately"],
];

export class Completion {
  constructor(form, input) {
    this.input = input;
    this.list = h("ul", { class: "completion", role: "listbox", id: `${input.id}-list`, "aria-label": "Completions", hidden: true });
    form.append(this.list);
    input.setAttribute("aria-controls", this.list.id);
    input.setAttribute("aria-autocomplete", "list");
    input.addEventListener("input", () => this.look());
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    this.offers = [];
    this.chosen = 0;
  }

  look() {
    const { value, selectionStart: at } = this.input;
    const name = /(^|\s)@([\w.-]*)$/.exec(value.slice(0, at));
    if (/^\/\S*( \S*)?$/.test(value)) {
      this.offers = COMMANDS.filter(([text]) => text.startsWith(value) && text.trim() !== value).map(([text, about]) => ({ text, about, from: 0 }));
    } else if (name) {
      const from = at - name[2].length - 1;
      this.offers = [...state.users.values()].filter((user) => user.name.startsWith(name[2]) && user.name !== name[2]).map((user) => ({ text: `@${user.name} `, about: user.role, from }));
    } else this.offers = [];
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
  }

  close() {
    this.offers = [];
    this.draw();
  }
}
