// One message: its author, blocks, files, reactions, and what one can do with it.

import { add, announce, bytes, clock, h, hue, toast } from "./dom.js";
import { emoji, PICK } from "./emoji.js";
import { icon } from "./icons.js";
import { ask } from "./link.js";
import { markdown, mrkdwn } from "./markdown.js";
import { openThread, repliesTo, state } from "./store.js";

/** Ask the server, and show its own words when it refuses. */
export const act = (what, values) => ask(what, { as: state.me, ...values }).catch((error) => toast(error.message));

/** The list item of a message. `inThread` leaves out what leads to the thread; `follows` hides a repeated author. */
export function messageNode(message, { inThread = false, follows = false, onEdit = () => {} } = {}) {
  const user = state.users.get(message.user);
  const name = message.author || user?.name || "somebody";
  const isBot = user?.role === "bot";
  const node = h(
    "li",
    {
      class: `message${follows ? " follows" : ""}${message.only_for ? " private" : ""}`,
      tabindex: "-1",
      "data-ts": message.ts,
      "data-author": isBot ? "agent" : "person",
    },
    avatar(message.user, name, isBot),
    h(
      "div",
      { class: "body" },
      h("div", { class: "head" }, h("strong", {}, name), badge(user), time(message)),
      message.only_for && h("div", { class: "dim only" }, "Only visible to you"),
      content(message),
      message.files.map(fileNode),
      reactions(message),
      !inThread && threadLink(message),
    ),
    tools(message, inThread, onEdit),
  );
  return node;
}

export function avatar(id, name, isBot = false) {
  const node = h("span", { class: `avatar${isBot ? " bot" : ""}`, "aria-hidden": "true" }, isBot ? h("img", { src: "icon.svg", alt: "" }) : name[0].toUpperCase());
  node.style.setProperty("--hue", hue(name));
  return node;
}

function badge(user) {
  const words = { bot: "agent", guest: "guest", external: "external" };
  return words[user?.role] ? h("span", { class: `badge ${user.role}` }, words[user.role]) : null;
}

function time(message) {
  const seconds = Number(message.ts);
  return h("time", { datetime: new Date(seconds * 1000).toISOString(), title: message.ts }, clock(seconds));
}

function content(message) {
  const drawn = message.blocks.map((block) => blockNode(block, message)).filter(Boolean);
  if (!drawn.length && message.text) drawn.push(mrkdwn(message.text));
  const attached = message.attachments.map((one) => h("blockquote", {}, mrkdwn(String(one.text ?? one.fallback ?? ""))));
  const node = h("div", { class: "content" }, drawn, attached);
  if (message.edited) lastLine(node).append(h("span", { class: "dim edited" }, " (edited)"));
  return node;
}

/** Where a remark about the whole text goes: behind its last words. */
function lastLine(node) {
  const last = [...node.querySelectorAll(".rich > :last-child")].at(-1);
  return last?.matches("p") ? last : node;
}

function blockNode(block, message) {
  switch (block.type) {
    case "markdown":
      return markdown(String(block.text ?? ""));
    case "section":
      return h("div", {}, block.text && mrkdwn(String(block.text.text ?? "")), (block.fields ?? []).map((one) => mrkdwn(String(one.text ?? ""))), control(block.accessory, block, message));
    case "context":
      return h("div", { class: "context" }, (block.elements ?? []).map((one) => (one.text ? mrkdwn(String(one.text)) : null)));
    case "header":
      return h("h3", {}, String(block.text?.text ?? ""));
    case "divider":
      return h("hr");
    case "actions":
    case "context_actions":
      return h("div", { class: "actions" }, (block.elements ?? []).map((one) => control(one, block, message)));
    case "rich_text":
      return message.text ? mrkdwn(message.text) : null;
    default:
      return h("p", { class: "dim" }, `[${String(block.type)}]`);
  }
}

function control(element, block, message) {
  if (!element || element.type !== "button") return null;
  const label = String(element.text?.text ?? "");
  const press = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    await act("click", { channel: message.channel, ts: message.ts, action: element.action_id, block: block.block_id ?? "" });
    button.disabled = false;
    announce(`pressed ${label}`);
  };
  return h("button", { type: "button", class: `press ${element.style ?? ""}`, onclick: press, "data-action": element.action_id }, label);
}

export function fileNode(file) {
  const image = ["image/png", "image/jpeg"].includes(file.type);
  return h(
    "a",
    { class: "file", href: file.url, download: file.name },
    image ? h("img", { src: file.url, alt: "", loading: "lazy" }) : icon("file"),
    h("span", {}, h("b", {}, file.name), h("span", { class: "dim" }, bytes(file.size))),
  );
}

function reactions(message) {
  const names = Object.entries(message.reactions);
  if (!names.length) return null;
  return h(
    "div",
    { class: "reactions" },
    names.map(([name, who]) => {
      const mine = who.includes(state.me);
      const people = who.map((id) => state.users.get(id)?.name ?? id).join(", ");
      return h(
        "button",
        { type: "button", class: "reaction", "aria-pressed": String(mine), title: `:${name}: ${people}`, onclick: () => react(message, name, !mine) },
        emoji(name) ?? `:${name}:`,
        h("span", {}, String(who.length)),
      );
    }),
  );
}

const react = (message, name, on) => act("react", { channel: message.channel, ts: message.ts, name, on });

function threadLink(message) {
  const replies = repliesTo(message.channel, message.ts);
  if (!replies.length) return null;
  const label = replies.length === 1 ? "1 reply" : `${replies.length} replies`;
  return h("button", { type: "button", class: "replies", onclick: () => openThread(message.ts) }, label, h("span", { class: "dim" }, `last at ${clock(Number(replies.at(-1).ts))}`));
}

/** The tool bar, shown while the pointer or the focus is on the message. */
function tools(message, inThread, onEdit) {
  const own = message.user === state.me;
  const button = (label, sign, onclick) => h("button", { type: "button", title: label, "aria-label": label, onclick }, sign);
  if (message.only_for) return null;
  return h(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Message" },
    PICK.slice(0, 3).map((name) => button(`React with ${name}`, emoji(name), () => react(message, name, !message.reactions[name]?.includes(state.me)))),
    more(message),
    !inThread && button("Reply in thread", icon("reply"), () => openThread(message.ts)),
    button("Ask about this message", icon("bolt"), () => act("message_shortcut", { channel: message.channel, ts: message.ts })),
    own && button("Edit", icon("edit"), () => onEdit(message)),
    own && button("Delete", icon("delete"), () => act("delete", { channel: message.channel, ts: message.ts })),
  );
}

function more(message) {
  const list = h("span", { class: "pick" });
  const open = h("button", { type: "button", title: "More reactions", "aria-label": "More reactions", "aria-expanded": "false" }, icon("smile"));
  open.onclick = () => {
    const wanted = open.getAttribute("aria-expanded") === "false";
    open.setAttribute("aria-expanded", String(wanted));
    list.replaceChildren();
    if (wanted) add(list, PICK.slice(3).map((name) => h("button", { type: "button", "aria-label": `React with ${name}`, onclick: () => react(message, name, true) }, emoji(name))));
  };
  return [open, list];
}
