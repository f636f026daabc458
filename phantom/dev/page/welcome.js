// What a newcomer reads at the beginning of a conversation, and the suggestions that can be sent with one press.

import { h } from "./dom.js";
import { nameOf, state } from "./store.js";

const SUGGESTIONS = ["hi", "remember my cat is called Mia", "what is my cat called?", "2 * 21", "slow 5", "long", "approve", "help"];

export function welcome() {
  const channel = state.channels.get(state.place);
  const me = state.users.get(state.me);
  const bot = state.users.get(state.bot)?.name ?? "phantom";
  if (!channel) return null;
  const refused = me.role === "guest" || me.role === "external";
  const lines = {
    im: `This is the direct message between ${me.name} and ${bot}. Just type: it answers.`,
    mpim: `A group message. ${bot} reads along and answers here.`,
    group: `A private channel. Mention @${bot} and it answers in a thread.`,
    channel: channel.shared ? `A channel shared with another organisation. Mention @${bot} and it answers members of this workspace in a thread.` : `A public channel. Mention @${bot} and it answers in a thread; you can go on there without mentioning it.`,
  };
  return h(
    "div",
    { class: "welcome" },
    h("img", { src: "icon.svg", alt: "", width: "40", height: "40" }),
    h("h2", {}, channel.kind === "im" ? `Say something to ${bot}` : `This is ${nameOf(channel)}`),
    h("p", {}, lines[channel.kind]),
    refused && h("p", { class: "warn" }, `${me.name} is ${me.role === "guest" ? "a guest" : "from another workspace"}: by default Phantom does not answer such people.`),
    h("p", { class: "dim" }, "The real daemon runs behind this page. “Behind the scenes” shows every event it gets and every call it makes, and lets you disturb it."),
  );
}

/** The row of suggestions over the message box; `send(text)` sends one. */
export function suggestions(send) {
  const channel = state.channels.get(state.place);
  const quiet = channel && (channel.kind === "im" || channel.kind === "mpim");
  const prefix = quiet ? "" : `@${state.users.get(state.bot)?.name ?? "phantom"} `;
  return h(
    "div",
    { class: "suggestions", role: "group", "aria-label": "Suggestions" },
    SUGGESTIONS.map((text) => h("button", { type: "button", class: "suggestion", onclick: () => send(prefix + text) }, text)),
  );
}
