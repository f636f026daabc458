// A form that the app opens, as a dialog; the browser's own dialog keeps the focus inside. What fields there are, the
// platforms say (slack_form.js, discord_form.js).

import { h, takeAway } from "./dom.js";
import { icon } from "./icons.js";

/** Open one. `fields` are nodes; `submit` and `cancel` get called, nothing closes by itself. Returns the dialog. */
export function openForm({ title, fields, submitLabel, cancelLabel = "Cancel", submit, cancel }) {
  const gone = (event) => {
    event.preventDefault();
    cancel();
  };
  const sent = (event) => {
    event.preventDefault();
    submit();
  };
  const form = h(
    "form",
    { onsubmit: sent },
    h("header", {}, h("h2", { id: "modal-title" }, title), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: gone }, icon("close"))),
    fields,
    h("footer", {}, h("button", { type: "button", onclick: gone }, cancelLabel), submitLabel && h("button", { type: "submit", class: "send" }, submitLabel)),
  );
  const dialog = h("dialog", { class: "modal", "aria-labelledby": "modal-title", oncancel: gone }, form);
  document.body.append(dialog);
  dialog.showModal();
  const first = dialog.querySelector("textarea, input");
  first?.focus();
  if (first?.value) first.setSelectionRange(first.value.length, first.value.length);
  return dialog;
}

/** Close it and take it away. */
export function closeForm(dialog) {
  dialog.addEventListener("close", () => takeAway(dialog));
  dialog.close();
}

/** One labelled field, with room for what is wrong with it. */
export function fieldNode(id, label, input, { optional = false, hint = "" } = {}) {
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label, optional && h("span", { class: "dim" }, " (optional)")),
    input,
    hint && h("p", { class: "dim" }, hint),
    h("p", { class: "wrong", id: `${id}-wrong`, role: "alert" }),
  );
}
