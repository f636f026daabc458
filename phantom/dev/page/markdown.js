// CommonMark's blocks (and tables) and Slack's mrkdwn blocks as nodes. See inline.js for what is inside a line.

import { h } from "./dom.js";
import { inline } from "./inline.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const ITEM = /^( {0,8})([-*+]|\d{1,9}[.)])(?:\s+(.*)|$)/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const MAX_DEPTH = 5;

/** A fragment for a `markdown` block. */
export function markdown(text) {
  return h("div", { class: "rich" }, blocks(text.replace(/\r\n?/g, "\n").split("\n"), 0));
}

/** A fragment for mrkdwn text: sections, context, what people type. */
export function mrkdwn(text) {
  const parts = text.replace(/\r\n?/g, "\n").split(/```\n?([\s\S]*?)```\n?/);
  const nodes = parts.map((part, index) => (index % 2 ? pre(unescape(part)) : quoted(part)));
  return h("div", { class: "rich" }, nodes);
}

const unescape = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const pre = (text, language = "") => h("pre", { "data-language": language || null }, h("code", {}, text.replace(/\n$/, "")));

function quoted(text) {
  if (!text.trim()) return [];
  const nodes = [];
  let run = [];
  let quote = false;
  const flush = () => {
    const inner = inline(run.join("\n").replace(/^\n+|\n+$/g, ""), true);
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

function blocks(lines, depth) {
  const nodes = [];
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) nodes.push(h("p", {}, inline(paragraph.join("\n"))));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const found = depth < MAX_DEPTH ? block(lines, at, depth, paragraph.length > 0) : null;
    if (found) {
      flush();
      if (found.node) nodes.push(found.node);
      at = found.end;
    } else {
      paragraph.push(lines[at].trim());
      at += 1;
    }
  }
  flush();
  return nodes;
}

/** The block that begins at line `at`: `{node, end}`; null for a line of a paragraph. */
function block(lines, at, depth, inParagraph) {
  const line = lines[at];
  if (!line.trim()) return { node: null, end: at + 1 };
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence);
  const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/.exec(line);
  if (heading) return { node: h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2])), end: at + 1 };
  if (RULE.test(line)) return { node: h("hr"), end: at + 1 };
  if (/^ {0,3}>/.test(line)) return quote(lines, at, depth);
  const item = ITEM.exec(line);
  if (item && (!inParagraph || item[3])) return list(lines, at, depth, item);
  if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) return table(lines, at);
  return null;
}

function fenced(lines, at, [, fence, language]) {
  let end = at + 1;
  const closing = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}\\s*$`);
  while (end < lines.length && !closing.test(lines[end])) end += 1;
  return { node: pre(lines.slice(at + 1, end).join("\n"), language), end: end + 1 };
}

function quote(lines, at, depth) {
  let end = at;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return { node: h("blockquote", {}, blocks(inner, depth + 1)), end };
}

/** Items of one kind at one indent; what is indented below an item belongs to it. */
function list(lines, at, depth, first) {
  const ordered = /\d/.test(first[2]);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || item[1].length !== first[1].length || /\d/.test(item[2]) !== ordered) break;
    const inner = [item[3] ?? ""];
    const indent = item[1].length + item[2].length + 1;
    end += 1;
    while (end < lines.length && belongs(lines, end, item[1].length)) {
      inner.push(lines[end].slice(Math.min(indent, lines[end].length - lines[end].trimStart().length)));
      end += 1;
    }
    items.push(h("li", {}, tight(blocks(inner, depth + 1))));
  }
  const start = ordered ? parseInt(first[2], 10) : 1;
  return { node: h(ordered ? "ol" : "ul", { start: start === 1 ? null : start }, items), end };
}

function belongs(lines, at, indent) {
  const line = lines[at];
  if (!line.trim()) return /^\s+\S/.test(lines[at + 1] ?? "") && leading(lines[at + 1]) > indent + 1;
  return leading(line) > indent + 1;
}

const leading = (line) => line.length - line.trimStart().length;

/** The only paragraph of an item stands without its own margins. */
function tight(nodes) {
  return nodes[0]?.tagName === "P" ? [...nodes[0].childNodes, ...nodes.slice(1)] : nodes;
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => inline(cell.trim()));

function table(lines, at) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim()) end += 1;
  const head = h("tr", {}, cells(lines[at]).map((cell) => h("th", {}, cell)));
  const rows = lines.slice(at + 2, end).map((line) => h("tr", {}, cells(line).map((cell) => h("td", {}, cell))));
  return { node: h("div", { class: "table" }, h("table", {}, h("thead", {}, head), h("tbody", {}, rows))), end };
}
