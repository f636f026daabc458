// The message box: sends, edits, answers, completes, takes files. One stands below a conversation, one below a thread.

import { bytes, h, toast } from "./dom.js";
import { request, that } from "./act.js";
import { Completion } from "./completion.js";
import { icon } from "./icons.js";
import { upload } from "./link.js";
import { platform } from "./platforms.js";
import { nameOf, state } from "./store.js";

export class Composer {
  /** `own()` gives the user's last message here, `thread()` the thread beside the conversation to write in, or "". */
  constructor(node, { id, own, thread }) {
    Object.assign(this, { own, thread });
    this.files = [];
    this.editing = null;
    this.answering = null;
    this.ping = true;
    this.aimed = "";
    this.drafts = new Map(); // where -> what was typed there and not sent
    this.title = h("input", { class: "title", type: "text", maxlength: "100", placeholder: "Title of the new post", "aria-label": "Title", autocomplete: "off", hidden: true });
    this.input = h("textarea", { id, rows: "1", "aria-label": "Message", autocomplete: "off", spellcheck: "true" });
    this.picker = h("input", { type: "file", multiple: true, class: "unseen", tabindex: "-1", "aria-hidden": "true", onchange: () => this.take(this.picker.files) });
    this.waiting = h("div", { class: "waiting" });
    this.note = h("div", { class: "note", hidden: true });
    const button = (label, sign, onclick) => h("button", { type: "button", class: "icon", title: label, "aria-label": label, onclick }, sign);
    this.command = button("Slash command", "/", () => this.begin(platform().commandStart));
    this.shortcut = button("Shortcut: ask Phantom (opens a form)", icon("bolt"), () => platform().shortcut?.());
    this.send = h("button", { type: "submit", class: "send", "aria-label": "Send" }, "Send");
    this.form = h(
      "form",
      { class: "composer", onsubmit: (event) => this.submit(event) },
      this.note,
      this.waiting,
      this.title,
      this.input,
      h(
        "div",
        { class: "row" },
        button("Attach a file", icon("attach"), () => this.picker.click()),
        this.command,
        button("Mention the agent", "@", () => this.insert(`@${state.users.get(state.bot)?.name ?? "phantom"} `)),
        this.shortcut,
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
    const aim = `${state.side} ${state.place} ${this.thread()}`;
    if (aim !== this.aimed) {
      if (!this.editing) this.drafts.set(this.aimed, this.input.value);
      this.calm();
      this.set(this.drafts.get(aim) ?? "");
      this.aimed = aim;
    }
    const { place, shortcut, threadsBeside } = platform();
    this.title.hidden = channel.kind !== "forum";
    this.command.hidden = Boolean(this.thread()) && threadsBeside;
    this.shortcut.hidden = !shortcut;
    const where = `${place(channel).replace("@", "")}${nameOf(channel)}`;
    this.input.placeholder = this.thread() ? "Reply…" : channel.kind === "forum" ? "The new post; mention @phantom to be answered" : `Message ${where}`;
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
    } else if (event.key === "Escape" && (this.editing || this.answering)) {
      event.stopPropagation();
      this.calm();
    }
  }

  async submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (!text && !this.files.length) return;
    const { editing, answering, ping, files } = this;
    const [was, title] = [this.input.value, this.title.hidden ? null : this.title.value];
    this.calm();
    this.set("");
    this.files = [];
    this.drawFiles();
    this.completion.close();
    try {
      if (editing) await request("edit", { ...that(editing), text });
      else await platform().send({ text, files, answering, ping, title, thread: this.thread() });
      this.title.value = "";
    } catch (error) {
      toast(error.message);
      if (!this.input.value) this.set(was);
    }
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
    this.calm();
    this.editing = message;
    this.remark("Editing your message. Esc cancels.");
    this.send.textContent = "Save";
    this.set(platform().plain(message.text));
    this.focus();
  }

  /** Write the next message in answer to this one. */
  answer(message) {
    this.calm();
    Object.assign(this, { answering: message, ping: true });
    const name = state.users.get(message.user)?.name ?? "somebody";
    const box = h("input", { type: "checkbox", checked: true, onchange: () => (this.ping = box.checked) });
    const stop = h("button", { type: "button", class: "icon", "aria-label": "Do not reply", onclick: () => this.calm() }, icon("close"));
    this.remark("Replying to ", h("b", {}, name), h("label", { class: "ping" }, box, ` notify @${name}`), stop);
    this.focus();
  }

  remark(...children) {
    this.note.hidden = false;
    this.note.replaceChildren(...children);
  }

  /** Neither editing nor answering any more; what was being edited leaves the box. */
  calm() {
    if (this.editing) this.set("");
    Object.assign(this, { editing: null, answering: null });
    this.note.hidden = true;
    this.send.textContent = "Send";
  }

  // --- files ---

  async take(list) {
    for (const file of [...list]) {
      try {
        this.files.push(await upload(file));
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
