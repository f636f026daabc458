// Discord's modals: the app answers an interaction with one; it is this page's until it is submitted or closed.

import { request } from "./act.js";
import { h, toast } from "./dom.js";
import { closeForm, fieldNode, openForm } from "./form.js";

const PARAGRAPH = 2;
const TEXT = 4;
const LABEL = 18;

/** Show the form in the answer to an interaction, if there is one. */
export function opened(answer) {
  if (!answer?.form) return;
  const { form, content } = answer;
  const close = () => closeForm(dialog);
  const submit = async () => {
    const inputs = [...dialog.querySelectorAll("[data-field]")];
    const values = Object.fromEntries(inputs.map((input) => [input.dataset.field, input.value]));
    try {
      const next = await request("submit_form", { form, values });
      close();
      opened(next);
    } catch (error) {
      toast(error.message);
    }
  };
  const dialog = openForm({ title: String(content.title), fields: content.components.map(field), submitLabel: "Submit", submit, cancel: close });
}

function field(one) {
  const inner = one.type === LABEL ? one.component : one.components?.[0];
  if (inner?.type !== TEXT) return h("p", { class: "dim field" }, String(one.content ?? `[component ${Number(one.type)}]`));
  const id = `field-${inner.custom_id}`;
  const required = inner.required ?? true;
  const common = { id, "data-field": inner.custom_id, required, minlength: inner.min_length, maxlength: inner.max_length ?? 4000, placeholder: inner.placeholder, value: inner.value ?? "" };
  const input = inner.style === PARAGRAPH ? h("textarea", { ...common, rows: "4" }) : h("input", { ...common, type: "text" });
  return fieldNode(id, String(one.label ?? inner.label ?? ""), input, { optional: !required, hint: String(one.description ?? "") });
}
