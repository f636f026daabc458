// Text inside a line, as nodes: CommonMark's emphasis, code and links, or Slack's mrkdwn. Whatever is not understood
// stays as it was written. Links lead to http, https and mailto only.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { state } from "./store.js";

const MAX_DEPTH = 6;
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };
const SAFE = /^(https?:\/\/|mailto:)/i;
// The characters at which something may begin; everything between them is copied as it is.
const SPECIAL = /[\\`*_~[<&:\nh]/g;

const decode = (text) => text.replace(/&(amp|lt|gt|quot|apos|nbsp);/g, (whole, name) => ENTITIES[name]);

/** Nodes for one run of text. `mrkdwn` chooses Slack's own notation. */
export function inline(text, mrkdwn = false, depth = 0) {
  const out = [];
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain) out.push(plain);
    plain = "";
  };
  while (at < text.length) {
    SPECIAL.lastIndex = at;
    const next = SPECIAL.exec(text);
    const stop = next ? next.index : text.length;
    plain += text.slice(at, stop);
    at = stop;
    if (!next) break;
    const found = depth < MAX_DEPTH ? piece(text, at, mrkdwn, depth) : null;
    if (found) {
      if (typeof found.node === "string") plain += found.node;
      else {
        flush();
        out.push(found.node);
      }
      at = found.end;
    } else {
      plain += text[at];
      at += 1;
    }
  }
  flush();
  return out;
}

/** What begins at `at`: `{node, end}`, or null when nothing does. */
function piece(text, at, mrkdwn, depth) {
  switch (text[at]) {
    case "\n":
      return { node: h("br"), end: at + 1 };
    case "\\":
      return !mrkdwn && /[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { node: text[at + 1], end: at + 2 } : null;
    case "`":
      return code(text, at);
    case "&":
      return entity(text, at);
    case "<":
      return angle(text, at);
    case ":":
      return named(text, at);
    case "h":
      return bare(text, at);
    case "[":
      return mrkdwn ? null : link(text, at, depth);
    default:
      return emphasis(text, at, mrkdwn, depth);
  }
}

function code(text, at) {
  const ticks = /^`+/.exec(text.slice(at, at + 20))[0];
  const end = text.indexOf(ticks, at + ticks.length);
  if (end <= at + ticks.length - 1 || end === at + ticks.length) return null;
  return { node: h("code", {}, decode(text.slice(at + ticks.length, end).replace(/\n/g, " "))), end: end + ticks.length };
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

function bare(text, at) {
  if (at > 0 && /\w/.test(text[at - 1])) return null;
  const match = /^https?:\/\/[^\s<>"'`\u200b]+/.exec(text.slice(at, at + 2000));
  if (!match) return null;
  const url = match[0].replace(/[.,;:!?)\]*_]+$/, "");
  return { node: anchor(url, [url]), end: at + url.length };
}

/** `<@U1>`, `<#C1|name>`, `<!here>`, `<https://…|label>`, `<https://…>`. */
function angle(text, at) {
  const end = text.indexOf(">", at);
  if (end < 0 || end - at > 2000) return null;
  const [target, label] = text.slice(at + 1, end).split("|", 2);
  if (/^@[A-Z0-9]+$/.test(target)) return { node: mention("@", state.users.get(target.slice(1))?.name ?? target.slice(1)), end: end + 1 };
  if (/^#[A-Z0-9]+$/.test(target)) return { node: mention("#", label || state.channels.get(target.slice(1))?.name || target.slice(1)), end: end + 1 };
  if (/^![a-z]+/.test(target)) return { node: mention("@", label || target.slice(1)), end: end + 1 };
  if (SAFE.test(target)) return { node: anchor(decode(target), [decode(label || target)]), end: end + 1 };
  return null;
}

const mention = (sign, name) => h("span", { class: "mention" }, sign + name);

function anchor(url, children) {
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}

function link(text, at, depth) {
  const match = /^\[([^[\]\n]{1,500})\]\(\s*<?([^\s()<>]{1,2000})>?(?:\s+"[^"\n]*")?\s*\)/.exec(text.slice(at, at + 2600));
  if (!match) return null;
  const label = inline(match[1], false, depth + 1);
  const url = decode(match[2]);
  return { node: SAFE.test(url) ? anchor(url, label) : h("span", {}, label), end: at + match[0].length };
}

const MARKS = [
  ["***", false, (inner) => h("strong", {}, h("em", {}, inner))],
  ["**", false, (inner) => h("strong", {}, inner)],
  ["__", false, (inner) => h("strong", {}, inner)],
  ["~~", false, (inner) => h("s", {}, inner)],
  ["*", false, (inner) => h("em", {}, inner)],
  ["_", false, (inner) => h("em", {}, inner)],
  ["*", true, (inner) => h("strong", {}, inner)],
  ["_", true, (inner) => h("em", {}, inner)],
  ["~", true, (inner) => h("s", {}, inner)],
];

function emphasis(text, at, mrkdwn, depth) {
  for (const [mark, slack, wrap] of MARKS) {
    if (slack !== mrkdwn || !text.startsWith(mark, at)) continue;
    const from = at + mark.length;
    const wordy = mark[0] === "_" || mrkdwn;
    if (/[\s]/.test(text[from] ?? " ") || (wordy && /\w/.test(text[at - 1] ?? ""))) continue;
    const end = closing(text, mark, from, wordy);
    if (end > 0) return { node: wrap(inline(text.slice(from, end), mrkdwn, depth + 1)), end: end + mark.length };
  }
  return null;
}

function closing(text, mark, from, wordy) {
  const limit = Math.min(text.length, from + 4000);
  for (let end = text.indexOf(mark, from + 1); end > 0 && end < limit; end = text.indexOf(mark, end + 1)) {
    const before = text[end - 1];
    const after = text[end + mark.length] ?? "";
    if (/\s/.test(before) || before === "\\") continue;
    if (mark.length === 1 && (after === mark || before === mark)) continue;
    if (wordy && /\w/.test(after)) continue;
    return end;
  }
  return -1;
}
