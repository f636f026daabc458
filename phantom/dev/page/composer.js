// The message box: sends, edits, completes commands and names, takes files. One stands below a conversation, one below
// a thread.

import { bytes, h, toast } from "./dom.js";
import { icon } from "./icons.js";
import { ask, upload } from "./link.js";
import { nameOf, state } from "./store.js";
import { Completion } from "./completion.js";

const plain = (text) =>
  text
    .replace(/<@([A-Z0-9]+)>/g, (whole, id) => (state.users.has(id) ? `@${state.users.get(id).name}` : whole))
    .replace(/<!(\w+)>/g, "@$1")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");

export class Composer {
  /** `own()` gives the user's last message here, `thread()` the thread to write in ("" outside of threads). Slack has
   * slash commands outside of threads only. */
  constructor(node, { id, own, thread, commands = false }) {
    Object.assign(this, { own, thread });
    this.files = [];
    this.editing = null;
    this.aimed = "";
    this.drafts = new Map(); // where -> what was typed there and not sent
    this.input = h("textarea", { id, rows: "1", "aria-label": "Message", autocomplete: "off", spellcheck: "true" });
    this.picker = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true", onchange: () => this.take(this.picker.files) });
    this.waiting = h("div", { class: "waiting" });
    this.note = h("div", { class: "note", hidden: true });
    const button = (label, sign, onclick) => h("button", { type: "button", class: "icon", title: label, "aria-label": label, onclick }, sign);
    this.send = h("button", { type: "submit", class: "send", "aria-label": "Send" }, "Send");
    this.form = h(
      "form",
      { class: "composer", onsubmit: (event) => this.submit(event) },
      this.note,
      this.waiting,
      this.input,
      h(
        "div",
        { class: "row" },
        button("Attach a file", icon("attach"), () => this.picker.click()),
        commands && button("Slash command", "/", () => this.begin("/phantom ")),
        button("Mention the agent", "@", () => this.insert(`@${state.users.get(state.bot)?.name ?? "phantom"} `)),
        button("Shortcut: ask Phantom (opens a form)", icon("bolt"), () => ask("shortcut", { as: state.me }).catch((error) => toast(error.message))),
        h("span", { class: "dim hint" }, "Enter sends · Shift+Enter breaks the line"),
        this.send,
      ),
      this.picker,
    );
    node.append(this.form);
    this.completion = new Completion(this.form, this.input);
    this.input.addEventListener("keydown", (event) => this.key(event));
    this.input.addEventListener("input", () => this.grow());
    this.input.addEventListener("paste", (event) => event.clipboardData.files.length && this.take(event.clipboardData.files));
    const area = node.parentElement;
    area.addEventListener("dragover", (event) => {
      event.preventDefault();
      area.classList.add("dropping");
    });
    area.addEventListener("dragleave", () => area.classList.remove("dropping"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      area.classList.remove("dropping");
      this.take(event.dataTransfer.files);
    });
  }

  focus() {
    this.input.focus({ preventScroll: true });
  }

  /** Say where it writes; what was typed for another place waits there. */
  aim() {
    const channel = state.channels.get(state.place);
    if (!channel) return;
    const aim = `${state.place} ${this.thread()}`;
    if (aim !== this.aimed) {
      if (!this.editing) this.drafts.set(this.aimed, this.input.value);
      this.stopEditing();
      this.set(this.drafts.get(aim) ?? "");
      this.aimed = aim;
    }
    const where = channel.kind === "channel" || channel.kind === "group" ? `#${nameOf(channel)}` : nameOf(channel);
    this.input.placeholder = this.thread() ? "Reply…" : `Message ${where}`;
  }

  key(event) {
    if (event.isComposing || this.completion.key(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.form.requestSubmit();
    } else if (event.key === "ArrowUp" && !this.input.value) {
      const last = this.own();
      if (last) {
        event.preventDefault();
        this.edit(last);
      }
    } else if (event.key === "Escape" && this.editing) {
      event.stopPropagation();
      this.stopEditing();
    }
  }

  async submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text && !this.files.length) return;
    const [was, files, editing] = [this.input.value, this.files, this.editing];
    this.stopEditing();
    this.files = [];
    this.drawFiles();
    this.completion.close();
    try {
      await this.perform(text, files, editing);
    } catch (error) {
      toast(error.message);
      if (!this.input.value) this.set(was);
    }
  }

  perform(text, files, editing) {
    const where = { as: state.me, channel: state.place };
    if (editing) return ask("edit", { ...where, ts: editing.ts, text });
    if (text.startsWith("/") && !files.length) {
      if (this.thread()) throw new Error("Slack takes no slash commands in threads; use it in the conversation.");
      if (!/^\/phantom(\s|$)/.test(text)) throw new Error(`${text.split(/\s/)[0]} is not installed here; /phantom is.`);
      return ask("command", { ...where, text });
    }
    return ask("post", { ...where, text, thread: this.thread() || null, files: files.map((file) => file.id) });
  }

  // --- text ---

  set(text) {
    this.input.value = text;
    this.grow();
  }

  begin(text) {
    this.set(text);
    this.focus();
    this.input.dispatchEvent(new Event("input"));
  }

  insert(text) {
    this.input.setRangeText(text, this.input.selectionStart, this.input.selectionEnd, "end");
    this.focus();
    this.grow();
  }

  grow() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 220)}px`;
  }

  edit(message) {
    this.editing = message;
    this.note.hidden = false;
    this.note.textContent = "Editing your message. Esc cancels.";
    this.send.textContent = "Save";
    this.set(plain(message.text));
    this.focus();
  }

  stopEditing() {
    this.editing = null;
    this.note.hidden = true;
    this.send.textContent = "Send";
    this.set("");
  }

  // --- files ---

  async take(list) {
    for (const file of [...list]) {
      try {
        this.files.push(await upload(file, state.me));
      } catch (error) {
        toast(error.message);
      }
    }
    this.picker.value = "";
    this.drawFiles();
    this.focus();
  }

  drawFiles() {
    const drop = (file) => {
      this.files = this.files.filter((one) => one !== file);
      this.drawFiles();
    };
    this.waiting.replaceChildren(
      ...this.files.map((file) =>
        h("span", { class: "chip" }, icon("file"), ` ${file.name} `, h("span", { class: "dim" }, bytes(file.size)), h("button", { type: "button", "aria-label": `Remove ${file.name}`, onclick: () => drop(file) }, "✕")),
      ),
    );
  }
}
