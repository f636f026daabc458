// Blocks of text as nodes: paragraphs, headings, lists, quotes, fences, tables. What is inside a line, and which blocks
// there are, is told by a dialect: {inline, tables, rules, subtext, longQuotes, maxHeading}.

import { h } from "./dom.js";
import { inline } from "./inline.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const ITEM = /^( {0,8})([-*+]|\d{1,9}[.)])(?:\s+(.*)|$)/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const MAX_DEPTH = 5;

export const pre = (text, language = "") => h("pre", { "data-language": language || null }, h("code", {}, text.replace(/\n$/, "")));

/** Nodes for a whole text. */
export const blocks = (text, dialect) => parts(text.replace(/\r\n?/g, "\n").split("\n"), dialect, 0);

function parts(lines, dialect, depth) {
  const nodes = [];
  let paragraph = [];
  const flush = () => {
    if (paragraph.length) nodes.push(h("p", {}, inline(paragraph.join("\n"), dialect.inline)));
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const found = depth < MAX_DEPTH ? block(lines, at, dialect, depth, paragraph.length > 0) : null;
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
function block(lines, at, dialect, depth, inParagraph) {
  const line = lines[at];
  if (!line.trim()) return { node: null, end: at + 1 };
  const fence = FENCE.exec(line);
  if (fence) return fenced(lines, at, fence);
  const heading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/.exec(line);
  if (heading && heading[1].length <= (dialect.maxHeading ?? 6)) return { node: h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2], dialect.inline)), end: at + 1 };
  if (dialect.subtext && line.startsWith("-# ")) return { node: h("p", { class: "subtext" }, inline(line.slice(3), dialect.inline)), end: at + 1 };
  if (dialect.longQuotes && line.startsWith(">>> ")) return { node: h("blockquote", {}, parts([line.slice(4), ...lines.slice(at + 1)], dialect, depth + 1)), end: lines.length };
  if (dialect.rules && RULE.test(line)) return { node: h("hr"), end: at + 1 };
  if (/^ {0,3}>/.test(line)) return quote(lines, at, dialect, depth);
  const item = ITEM.exec(line);
  if (item && (!inParagraph || item[3])) return list(lines, at, dialect, depth, item);
  if (dialect.tables && line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) return table(lines, at, dialect);
  return null;
}

function fenced(lines, at, [, fence, language]) {
  let end = at + 1;
  const closing = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}\\s*$`);
  while (end < lines.length && !closing.test(lines[end])) end += 1;
  return { node: pre(lines.slice(at + 1, end).join("\n"), language), end: end + 1 };
}

function quote(lines, at, dialect, depth) {
  let end = at;
  while (end < lines.length && /^ {0,3}>/.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(/^ {0,3}> ?/, ""));
  return { node: h("blockquote", {}, parts(inner, dialect, depth + 1)), end };
}

/** Items of one kind at one indent; what is indented below an item belongs to it. */
function list(lines, at, dialect, depth, first) {
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
    items.push(h("li", {}, tight(parts(inner, dialect, depth + 1))));
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

const cells = (line, dialect) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => inline(cell.trim(), dialect.inline));

function table(lines, at, dialect) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim()) end += 1;
  const head = h("tr", {}, cells(lines[at], dialect).map((cell) => h("th", {}, cell)));
  const rows = lines.slice(at + 2, end).map((line) => h("tr", {}, cells(line, dialect).map((cell) => h("td", {}, cell))));
  return { node: h("div", { class: "table" }, h("table", {}, h("thead", {}, head), h("tbody", {}, rows))), end };
}
