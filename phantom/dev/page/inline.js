// Text inside a line, as nodes. What may begin where is told by a dialect (slack_text.js, discord_text.js); whatever is
// not understood stays as it was written. Links lead to http, https and mailto only.
//
// A dialect is: special (a sticky-free global RegExp of the characters at which something may begin), piece(text, at,
// depth) -> {node, end} or null.

import { h } from "./dom.js";

const MAX_DEPTH = 6;
const SAFE = /^(https?:\/\/|mailto:)/i;

/** Nodes for one run of text. */
export function inline(text, dialect, depth = 0) {
  const out = [];
  let plain = "";
  let at = 0;
  const flush = () => {
    if (plain) out.push(plain);
    plain = "";
  };
  while (at < text.length) {
    dialect.special.lastIndex = at;
    const next = dialect.special.exec(text);
    const stop = next ? next.index : text.length;
    plain += text.slice(at, stop);
    at = stop;
    if (!next) break;
    const found = depth < MAX_DEPTH ? dialect.piece(text, at, depth) : null;
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

export const lineBreak = (at) => ({ node: h("br"), end: at + 1 });

export const escaped = (text, at) => (/[!-/:-@[-`{-~]/.test(text[at + 1] ?? "") ? { node: text[at + 1], end: at + 2 } : null);

export function code(text, at, decode = (inner) => inner) {
  const ticks = /^`+/.exec(text.slice(at, at + 20))[0];
  const end = text.indexOf(ticks, at + ticks.length);
  if (end <= at + ticks.length) return null;
  return { node: h("code", {}, decode(text.slice(at + ticks.length, end).replace(/\n/g, " "))), end: end + ticks.length };
}

export function bare(text, at) {
  if (at > 0 && /\w/.test(text[at - 1])) return null;
  const match = /^https?:\/\/[^\s<>"'`\u200b]+/.exec(text.slice(at, at + 2000));
  if (!match) return null;
  const url = match[0].replace(/[.,;:!?)\]*_|]+$/, "");
  return { node: anchor(url, [url]), end: at + url.length };
}

export const mention = (sign, name) => h("span", { class: "mention" }, sign + name);

export const isSafe = (url) => SAFE.test(url);

export function anchor(url, children) {
  return h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, children);
}

/** `[label](address)`. */
export function link(text, at, depth, dialect, decode = (inner) => inner) {
  const match = /^\[([^[\]\n]{1,500})\]\(\s*<?([^\s()<>]{1,2000})>?(?:\s+"[^"\n]*")?\s*\)/.exec(text.slice(at, at + 2600));
  if (!match) return null;
  const label = inline(match[1], dialect, depth + 1);
  const url = decode(match[2]);
  return { node: isSafe(url) ? anchor(url, label) : h("span", {}, label), end: at + match[0].length };
}

/** Marks around text: `marks` is a list of [mark, wrap, wordy]; a wordy one neither opens nor closes inside a word. */
export function emphasis(text, at, depth, dialect, marks) {
  for (const [mark, wrap, wordy = false] of marks) {
    if (!text.startsWith(mark, at)) continue;
    const from = at + mark.length;
    if (/\s/.test(text[from] ?? " ") || (wordy && /\w/.test(text[at - 1] ?? ""))) continue;
    const end = closing(text, mark, from, wordy);
    if (end > 0) return { node: wrap(inline(text.slice(from, end), dialect, depth + 1)), end: end + mark.length };
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
