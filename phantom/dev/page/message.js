// One message: its author, what the platform makes of its content, files, reactions, and what one can do with it.

import { act, that } from "./act.js";
import { add, clock, h } from "./dom.js";
import { icon } from "./icons.js";
import { avatar, fileNode } from "./parts.js";
import { platform } from "./platforms.js";
import { openThread, repliesTo, state } from "./store.js";

/** The list item of a message. `inThread` leaves out what leads to the thread; `follows` hides a repeated author. */
export function messageNode(message, { inThread = false, follows = false, hooks = {} } = {}) {
  const user = state.users.get(message.user);
  const name = message.author || user?.name || "somebody";
  const isBot = message.user === state.bot;
  if (message.notice) return noticeNode(message, name);
  const badge = platform().badge(user);
  return h(
    "li",
    {
      class: `message${follows ? " follows" : ""}${message.only_for ? " private" : ""}`,
      tabindex: "-1",
      "data-id": message.id,
      "data-author": isBot ? "agent" : "person",
    },
    avatar(message.user, name, isBot),
    h(
      "div",
      { class: "body" },
      platform().above(message),
      h("div", { class: "head" }, h("strong", {}, name), badge && h("span", { class: `badge ${user.role}` }, badge), time(message)),
      message.only_for && h("div", { class: "dim only" }, "Only visible to you"),
      content(message),
      message.files.map(fileNode),
      reactions(message),
      !inThread && threadLink(message),
    ),
    tools(message, inThread, hooks),
  );
}

/** What the platform itself says, such as that a thread was begun. */
function noticeNode(message, name) {
  return h("li", { class: "message notice", tabindex: "-1", "data-id": message.id, "data-author": "platform" }, icon("thread"), h("span", {}, h("strong", {}, name), ` ${platform().notice(message)}`), time(message));
}

function time(message) {
  return h("time", { datetime: new Date(message.at * 1000).toISOString(), title: message.id }, clock(message.at));
}

function content(message) {
  const node = h("div", { class: "content" }, platform().content(message));
  if (message.edited) lastLine(node).append(h("span", { class: "dim edited" }, " (edited)"));
  return node;
}

/** Where a remark about the whole text goes: behind its last words. */
function lastLine(node) {
  const last = [...node.querySelectorAll(".rich > :last-child")].at(-1);
  return last?.matches("p") ? last : node;
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
      const shown = platform().reactionName(name);
      return h(
        "button",
        { type: "button", class: "reaction", "aria-pressed": String(mine), title: `${shown} ${people}`, onclick: () => react(message, name, !mine) },
        platform().emoji(name) ?? shown,
        h("span", {}, String(who.length)),
      );
    }),
  );
}

const react = (message, name, on) => act("react", { ...that(message), name, on });

function threadLink(message) {
  if (!platform().threadsBeside) return null;
  const replies = repliesTo(message.channel, message.id);
  if (!replies.length) return null;
  const label = replies.length === 1 ? "1 reply" : `${replies.length} replies`;
  return h("button", { type: "button", class: "replies", onclick: () => openThread(message.id) }, label, h("span", { class: "dim" }, `last at ${clock(replies.at(-1).at)}`));
}

/** The tool bar, shown while the pointer or the focus is on the message. */
function tools(message, inThread, hooks) {
  if (message.only_for) return null;
  const { emoji, pick } = platform();
  const own = message.user === state.me;
  const button = (label, sign, onclick) => h("button", { type: "button", title: label, "aria-label": label, onclick }, sign);
  return h(
    "div",
    { class: "tools", role: "toolbar", "aria-label": "Message" },
    pick.slice(0, 3).map((name) => button(`React with ${name}`, emoji(name), () => react(message, name, !message.reactions[name]?.includes(state.me)))),
    more(message),
    platform().tools(message, { inThread, button, hooks }),
    own && button("Edit", icon("edit"), () => hooks.edit(message)),
    own && button("Delete", icon("delete"), () => act("delete", that(message))),
  );
}

function more(message) {
  const list = h("span", { class: "pick" });
  const open = h("button", { type: "button", title: "More reactions", "aria-label": "More reactions", "aria-expanded": "false" }, icon("smile"));
  open.onclick = () => {
    const wanted = open.getAttribute("aria-expanded") === "false";
    const { emoji, pick } = platform();
    open.setAttribute("aria-expanded", String(wanted));
    list.replaceChildren();
    if (wanted) add(list, pick.slice(3).map((name) => h("button", { type: "button", "aria-label": `React with ${name}`, onclick: () => react(message, name, true) }, emoji(name))));
  };
  return [open, list];
}
