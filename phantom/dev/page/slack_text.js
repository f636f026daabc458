// Slack's two notations as nodes: CommonMark (blocks of type `markdown`) and mrkdwn (everything else).

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { anchor, bare, code, emphasis, escaped, inline, isSafe, lineBreak, link, mention } from "./inline.js";
import { blocks, pre } from "./markdown.js";
import { state } from "./store.js";

const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const decode = (text) => text.replace(/&(amp|lt|gt|quot|apos|nbsp);/g, (whole, name) => ENTITIES[name]);
const unescape = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

const strong = (inner) => h("strong", {}, inner);
const em = (inner) => h("em", {}, inner);
const struck = (inner) => h("s", {}, inner);
const COMMONMARK_MARKS = [["***", (inner) => strong(em(inner))], ["**", strong], ["__", strong, true], ["~~", struck], ["*", em], ["_", em, true]];
const MRKDWN_MARKS = [["*", strong, true], ["_", em, true], ["~", struck, true]];

const commonmark = {
  special: /[\\`*_~[<&:\nh]/g,
  piece(text, at, depth) {
    if (text[at] === "\\") return escaped(text, at);
    if (text[at] === "[") return link(text, at, depth, commonmark, decode);
    return common(text, at) ?? emphasis(text, at, depth, commonmark, COMMONMARK_MARKS);
  },
};

const mrkdwnLine = {
  special: /[`*_~<&:\nh]/g,
  piece: (text, at, depth) => common(text, at) ?? emphasis(text, at, depth, mrkdwnLine, MRKDWN_MARKS),
};

function common(text, at) {
  switch (text[at]) {
    case "\n":
      return lineBreak(at);
    case "`":
      return code(text, at, decode);
    case "&":
      return entity(text, at);
    case "<":
      return angle(text, at);
    case ":":
      return named(text, at);
    case "h":
      return bare(text, at);
    default:
      return null;
  }
}

function entity(text, at) {
  const match = /^&(amp|lt|gt|quot|apos|nbsp);/.exec(text.slice(at, at + 8));
  return match ? { node: ENTITIES[match[1]], end: at + match[0].length } : null;
}

function named(text, at) {
  const match = /^:([a-z0-9_+-]{1,40}(?:::[a-z0-9-]+)?):/.exec(text.slice(at, at + 60));
  const char = match && emoji(match[1]);
  return char ? { node: h("span", { class: "emoji", title: match[0] }, char), end: at + match[0].length } : null;
}

/** `<@U1>`, `<#C1|name>`, `<!here>`, `<https://…|label>`, `<https://…>`. */
function angle(text, at) {
  const end = text.indexOf(">", at);
  if (end < 0 || end - at > 2000) return null;
  const [target, label] = text.slice(at + 1, end).split("|", 2);
  if (/^@[A-Z0-9]+$/.test(target)) return { node: mention("@", state.users.get(target.slice(1))?.name ?? target.slice(1)), end: end + 1 };
  if (/^#[A-Z0-9]+$/.test(target)) return { node: mention("#", label || state.channels.get(target.slice(1))?.name || target.slice(1)), end: end + 1 };
  if (/^![a-z]+/.test(target)) return { node: mention("@", label || target.slice(1)), end: end + 1 };
  if (isSafe(target)) return { node: anchor(decode(target), [decode(label || target)]), end: end + 1 };
  return null;
}

const COMMONMARK = { inline: commonmark, tables: true, rules: true };

/** A fragment for a `markdown` block. */
export const markdown = (text) => h("div", { class: "rich" }, blocks(text, COMMONMARK));

/** A fragment for mrkdwn text: sections, context, what people type. */
export function mrkdwn(text) {
  const parts = text.replace(/\r\n?/g, "\n").split(/```\n?([\s\S]*?)```\n?/);
  return h("div", { class: "rich" }, parts.map((part, index) => (index % 2 ? pre(unescape(part)) : quoted(part))));
}

function quoted(text) {
  if (!text.trim()) return [];
  const nodes = [];
  let run = [];
  let quote = false;
  const flush = () => {
    const inner = inline(run.join("\n").replace(/^\n+|\n+$/g, ""), mrkdwnLine);
    if (inner.length) nodes.push(quote ? h("blockquote", {}, inner) : h("p", {}, inner));
    run = [];
  };
  for (const line of text.split("\n")) {
    const mark = /^(?:&gt;|>) ?/.exec(line);
    if (Boolean(mark) !== quote) {
      flush();
      quote = Boolean(mark);
    }
    run.push(mark ? line.slice(mark[0].length) : line);
  }
  flush();
  return nodes;
}
