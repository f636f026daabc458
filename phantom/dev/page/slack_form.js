// Slack's modals: the app opens, updates and closes them, the page shows the topmost of the present user.

import { act, request } from "./act.js";
import { h, toast } from "./dom.js";
import { closeForm, fieldNode, openForm } from "./form.js";
import { mrkdwn } from "./slack_text.js";
import { on, state } from "./store.js";

let open = null; // {view, dialog, chosen}

function draw() {
  const view = (state.views[state.me] ?? []).at(-1) ?? null;
  if (open && view && open.view.id === view.id && open.view.content === view.content) {
    open.view = view;
    showErrors();
    return;
  }
  close();
  if (view) show(view);
}

function close() {
  if (!open) return;
  const { dialog } = open;
  open = null;
  closeForm(dialog);
}

function show(view) {
  const { content } = view;
  const dialog = openForm({
    title: text(content.title),
    fields: (content.blocks ?? []).map((block) => field(block, view)),
    submitLabel: content.submit && (text(content.submit) || "Submit"),
    cancelLabel: text(content.close) || "Cancel",
    submit,
    cancel: () => open && act("close_view", { view: open.view.id }),
  });
  open = { view, dialog, chosen: new Map() };
  showErrors();
}

const text = (object) => String(object?.text ?? "");

function field(block, view) {
  if (block.type !== "input") return block.text ? mrkdwn(text(block.text)) : null;
  const { element } = block;
  const id = `field-${block.block_id}`;
  const common = { id, "data-block": block.block_id, "data-action": element.action_id, required: !block.optional, placeholder: text(element.placeholder) || null };
  let input;
  if (element.type === "external_select") input = select(block, element, view, common);
  else if (element.multiline) input = h("textarea", { ...common, rows: "4", maxlength: element.max_length, value: element.initial_value ?? "" });
  else input = h("input", { ...common, type: "text", maxlength: element.max_length, value: element.initial_value ?? "" });
  return fieldNode(id, text(block.label), input, { optional: block.optional, hint: text(block.hint) });
}

/** An external select: the app gives the options for what is typed. */
function select(block, element, view, common) {
  const list = h("ul", { class: "options", role: "listbox", id: `${common.id}-list`, hidden: true });
  const input = h("input", { ...common, type: "text", role: "combobox", autocomplete: "off", "aria-expanded": "false", "aria-controls": list.id });
  const choose = (option) => {
    open.chosen.set(block.block_id, { type: element.type, selected_option: option });
    input.value = text(option.text);
    input.focus();
    fold();
  };
  const fold = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
  };
  let asked = 0;
  const look = async () => {
    open?.chosen.delete(block.block_id);
    const mine = (asked += 1);
    try {
      const { options } = await request("suggest", { view: view.id, block: block.block_id, action: element.action_id, value: input.value });
      if (mine !== asked) return;
      list.replaceChildren(...options.map((option) => h("li", {}, h("button", { type: "button", role: "option", onclick: () => choose(option) }, text(option.text)))));
      if (!options.length) list.append(h("li", { class: "dim" }, "nothing found"));
      list.hidden = false;
      input.setAttribute("aria-expanded", "true");
    } catch (error) {
      toast(error.message);
    }
  };
  input.addEventListener("input", look);
  input.addEventListener("click", look);
  input.addEventListener("keydown", (event) => event.key === "ArrowDown" && list.querySelector("button")?.focus());
  const box = h("div", { class: "select" }, input, list);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) {
      event.preventDefault(); // the first Escape folds the list, the second one closes the form
      input.focus();
      fold();
    } else if (event.target !== input && ["ArrowDown", "ArrowUp"].includes(event.key)) {
      event.preventDefault();
      const row = event.target.closest("li");
      const next = event.key === "ArrowDown" ? row?.nextElementSibling : row?.previousElementSibling;
      (next?.querySelector("button") ?? input).focus();
    }
  });
  box.addEventListener("focusout", (event) => !box.contains(event.relatedTarget) && fold());
  return box;
}

function submit() {
  const { view, dialog, chosen } = open;
  const values = {};
  for (const input of dialog.querySelectorAll("[data-block]")) {
    const { block, action } = input.dataset;
    const value = input.getAttribute("role") === "combobox" ? chosen.get(block) : input.value;
    if (value) values[block] = { [action]: value };
  }
  act("submit_view", { view: view.id, values });
}

function showErrors() {
  for (const [block, message] of Object.entries(open.view.errors ?? {})) {
    const place = open.dialog.querySelector(`#${CSS.escape(`field-${block}-wrong`)}`);
    if (place) place.textContent = message;
  }
}

export function start() {
  for (const topic of ["views", "reset", "side"]) on(topic, draw);
}
