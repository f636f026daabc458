// The only way in which this page makes elements. Text is always a text node, so that nothing anybody writes
// (people, the agent, a payload) can become markup; the page's policy refuses the other ways besides.

/** `h("p", {class: "x", onclick: f}, "text", node, [more])`; null and false children are left out. */
export function h(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else if (name === "value" || name === "checked" || name === "open") node[name] = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  add(node, children);
  return node;
}

/** Append children, flattening lists. */
export function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export const $ = (id) => document.getElementById(id);

/** Say something that went wrong, for a few seconds. */
export function toast(text) {
  const note = h("div", { class: "toast" }, text);
  $("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Tell screen readers. */
export function announce(text) {
  $("announce").textContent = text;
}

/** A hue of 0 to 359 that is always the same for one name. */
export function hue(name) {
  let sum = 7;
  for (const char of name) sum = (sum * 31 + char.charCodeAt(0) * 137) % 360;
  return sum;
}

export const clock = (seconds, precise = false) =>
  new Date(seconds * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: precise ? "2-digit" : undefined,
    hour12: false,
  });

export const bytes = (size) =>
  size < 1024 ? `${size} B` : size < 1048576 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1048576).toFixed(1)} MiB`;

/**
 * Remove a closed dialog: only when the browser has given the focus back. Chromium then shows a text box as focused but
 * may send it key presses without text; focusing it anew once the dialog is really gone connects the two again.
 */
export function takeAway(dialog) {
  dialog.remove();
  requestAnimationFrame(() => {
    const box = document.activeElement;
    box?.blur();
    box?.focus({ preventScroll: true });
  });
}
