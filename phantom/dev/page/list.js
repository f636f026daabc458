// A list of messages that follows the store: draws what changed and nothing else, and stays at the bottom when there.

import { h } from "./dom.js";
import { messageNode } from "./message.js";

const TOGETHER = 180; // seconds within which one author's messages stand under one name

export class MessageList {
  /** `source()` gives the messages; `intro()` a node to stand before them, or null. */
  constructor(node, source, { inThread = false, intro = () => null, hooks = {} } = {}) {
    Object.assign(this, { node, source, inThread, intro, hooks });
    this.atBottom = true;
    node.addEventListener("scroll", () => {
      this.atBottom = node.scrollHeight - node.scrollTop - node.clientHeight < 60;
    });
    node.addEventListener("keydown", (event) => this.move(event));
    new ResizeObserver(() => this.stay()).observe(node);
  }

  /** Draw everything anew. */
  reset() {
    this.node.replaceChildren();
    const intro = this.intro();
    if (intro) this.node.append(h("li", { class: "intro" }, intro));
    this.atBottom = true;
    this.sync();
  }

  /** Draw what differs. `changed` are the ids of messages that look different now. */
  sync(changed = []) {
    const messages = this.source();
    const nodes = new Map([...this.node.querySelectorAll(":scope > [data-id]")].map((node) => [node.dataset.id, node]));
    let before = null;
    let last = this.node.querySelector(":scope > .intro");
    for (const message of messages) {
      const follows = Boolean(before) && before.user === message.user && !message.only_for && !before.only_for && !message.answers && !before.notice && message.at - before.at < TOGETHER;
      const old = nodes.get(message.id);
      nodes.delete(message.id);
      const same = old && !changed.includes(message.id) && old.classList.contains("follows") === follows;
      const node = same ? old : messageNode(message, { inThread: this.inThread, follows, hooks: this.hooks });
      if (!same && old) replace(old, node);
      if (last ? last.nextElementSibling !== node : this.node.firstElementChild !== node) {
        if (last) last.after(node);
        else this.node.prepend(node);
      }
      last = node;
      before = message;
    }
    for (const gone of nodes.values()) gone.remove();
    this.rove();
    this.stay();
  }

  /** Exactly one message can be reached with Tab; arrow keys go on from there. */
  rove() {
    const items = [...this.node.querySelectorAll(":scope > [data-id]")];
    if (items.some((item) => item.tabIndex === 0)) return;
    if (items.length) items.at(-1).tabIndex = 0;
  }

  move(event) {
    const item = document.activeElement;
    if (item?.parentElement !== this.node || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    const next = event.key === "ArrowUp" ? item.previousElementSibling : item.nextElementSibling;
    if (!next?.dataset.id) return;
    event.preventDefault();
    item.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  stay() {
    if (this.atBottom) this.node.scrollTop = this.node.scrollHeight;
  }
}

/** Put `fresh` where `old` was, with the focus where it was. */
function replace(old, fresh) {
  const active = document.activeElement;
  const inside = old.contains(active);
  const label = inside && (active.getAttribute("aria-label") ?? active.textContent);
  fresh.tabIndex = old.tabIndex;
  old.replaceWith(fresh);
  if (!inside) return;
  const same = [...fresh.querySelectorAll("button, a")].find((one) => (one.getAttribute("aria-label") ?? one.textContent) === label);
  (same ?? fresh).focus({ preventScroll: true });
}
