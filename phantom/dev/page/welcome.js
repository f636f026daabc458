// What a newcomer reads at the beginning of a conversation, and the suggestions that can be sent with one press.

import { h } from "./dom.js";
import { platform } from "./platforms.js";
import { nameOf, state } from "./store.js";

const SUGGESTIONS = ["hi", "remember my cat is called Mia", "what is my cat called?", "2 * 21", "slow 5", "long", "approve", "help"];
const QUIET = ["im", "mpim"]; // where no mention is needed

export function welcome() {
  const channel = state.channels.get(state.place);
  const me = state.users.get(state.me);
  const bot = state.users.get(state.bot)?.name ?? "phantom";
  if (!channel) return null;
  const { about, warning, more } = platform().welcome(channel, me, bot);
  return h(
    "div",
    { class: "welcome" },
    h("img", { src: "icon.svg", alt: "", width: "40", height: "40" }),
    h("h2", {}, channel.kind === "im" ? `Say something to ${bot}` : `This is ${nameOf(channel)}`),
    h("p", {}, about),
    warning && h("p", { class: "warn" }, warning),
    h("p", { class: "dim" }, "The real daemon runs behind this page. “Behind the scenes” shows every event it gets and every call it makes, and lets you disturb it."),
    more,
  );
}

/** The row of suggestions over the message box; `send(text)` sends one. */
export function suggestions(send) {
  const channel = state.channels.get(state.place);
  const prefix = QUIET.includes(channel?.kind) ? "" : `@${state.users.get(state.bot)?.name ?? "phantom"} `;
  return h(
    "div",
    { class: "suggestions", role: "group", "aria-label": "Suggestions" },
    SUGGESTIONS.map((text) => h("button", { type: "button", class: "suggestion", onclick: () => send(prefix + text) }, text)),
  );
}
