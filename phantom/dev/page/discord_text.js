// Discord's dialect as nodes. It is not CommonMark: `__x__` is underlined, `||x||` hidden, `-#` small, a line break is
// one, there are no tables and no entities. https://docs.discord.com/developers/reference#message-formatting

import { add, h } from "./dom.js";
import { anchor, bare, code, emphasis, escaped, inline, isSafe, lineBreak, link, mention } from "./inline.js";
import { blocks, pre } from "./markdown.js";
import { state } from "./store.js";

const strong = (inner) => h("strong", {}, inner);
const em = (inner) => h("em", {}, inner);
const MARKS = [
  ["***", (inner) => strong(em(inner))],
  ["**", strong],
  ["__", (inner) => h("u", {}, inner)],
  ["~~", (inner) => h("s", {}, inner)],
  ["||", spoiler],
  ["*", em],
  ["_", em, true],
];

const line = {
  special: /[\\`*_~[<|@\nh]/g,
  piece(text, at, depth) {
    switch (text[at]) {
      case "\n":
        return lineBreak(at);
      case "\\":
        return escaped(text, at);
      case "`":
        return code(text, at);
      case "[":
        return link(text, at, depth, line);
      case "<":
        return angle(text, at);
      case "@":
        return mass(text, at);
      case "h":
        return bare(text, at);
      default:
        return emphasis(text, at, depth, line, MARKS);
    }
  },
};

const DISCORD = { inline: line, subtext: true, longQuotes: true, maxHeading: 3 };
const FENCED = /```(?:([\w+.#-]*)\n)?([^]+?)\n?```/; // may begin and end inside a line

/** A fragment for content, embeds and notices. */
export function discordText(text) {
  const parts = text.replace(/\r\n?/g, "\n").split(FENCED); // text, language, code, text, …
  const node = h("div", { class: "rich" });
  for (let at = 0; at < parts.length; at += 3) {
    add(node, [blocks(parts[at], DISCORD)]);
    if (at + 2 < parts.length) node.append(pre(parts[at + 2], parts[at + 1] ?? ""));
  }
  return node;
}

/** One line without blocks, for excerpts. */
export const discordLine = (text) => inline(text.replace(/\s+/g, " "), line);

/** Hidden until it is pressed. */
function spoiler(inner) {
  const node = h("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": "Spoiler", "aria-expanded": "false" }, h("span", { "aria-hidden": "true" }, inner));
  const show = (event) => {
    if (event.type === "keydown" && !["Enter", " "].includes(event.key)) return;
    event.preventDefault();
    node.setAttribute("aria-expanded", "true");
    node.removeAttribute("aria-label");
    node.firstElementChild.removeAttribute("aria-hidden");
  };
  node.addEventListener("click", show, { once: true });
  node.addEventListener("keydown", show);
  return node;
}

function mass(text, at) {
  const match = /^@(everyone|here)\b/.exec(text.slice(at, at + 10));
  return match ? { node: mention("@", match[1]), end: at + match[0].length } : null;
}

const ANGLES = [
  [/^<@!?(\d+)>/, (id) => mention("@", state.users.get(id)?.name ?? "unknown-user")],
  [/^<@&(\d+)>/, (id) => mention("@", state.roles.find((role) => role.id === id)?.name ?? "unknown-role")],
  [/^<#(\d+)>/, (id) => mention("#", state.channels.get(id)?.name ?? "unknown")],
  [/^<\/([\w -]{1,100}):\d+>/, (name) => mention("/", name)],
  [/^<a?:(\w{2,32}):\d+>/, (name) => h("span", { class: "emoji custom", title: `:${name}:` }, `:${name}:`)],
  [/^<t:(-?\d{1,13})(?::([tTdDfFR]))?>/, stamp],
];

function angle(text, at) {
  const rest = text.slice(at, at + 2000);
  for (const [pattern, make] of ANGLES) {
    const match = pattern.exec(rest);
    if (match) return { node: make(match[1], match[2]), end: at + match[0].length };
  }
  const quiet = /^<([^\s<>]+)>/.exec(rest); // an address without a preview
  return quiet && isSafe(quiet[1]) ? { node: anchor(quiet[1], [quiet[1]]), end: at + quiet[0].length } : null;
}

const STYLES = { t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" }, F: { dateStyle: "full", timeStyle: "short" } };

function stamp(seconds, style) {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return h("span", {}, `<t:${seconds}>`);
  return h("time", { datetime: date.toISOString(), title: date.toLocaleString() }, date.toLocaleString([], STYLES[style] ?? { dateStyle: "long", timeStyle: "short" }));
}
