// What a Discord message shows: its text, embeds, buttons and menus, the thread that it opened.

import { act, that } from "./act.js";
import { h } from "./dom.js";
import { opened } from "./discord_form.js";
import { discordText } from "./discord_text.js";
import { icon } from "./icons.js";
import { pressable } from "./parts.js";
import { goTo, placeMessages, state } from "./store.js";

const ROW = 1;
const BUTTON = 2;
const STYLES = { 1: "blurple", 2: "", 3: "primary", 4: "danger" };
const LINK = 5;
const MAX_OPTIONS = 25;

export function content(message) {
  if (message.loading) return h("p", { class: "thinking", role: "status" }, h("span", { class: "dots", "aria-hidden": "true" }), `${state.users.get(message.user)?.name ?? "The app"} is thinking…`);
  return [
    message.text && discordText(message.text),
    message.embeds.map(embed),
    message.components.map((one) => component(one, message)),
    message.opens && threadCard(message.opens),
  ];
}

function embed(one) {
  const fields = (one.fields ?? []).map((field) => h("div", { class: field.inline ? "inline" : "" }, h("strong", {}, String(field.name ?? "")), discordText(String(field.value ?? ""))));
  const node = h(
    "div",
    { class: "embed" },
    one.author?.name && h("p", { class: "dim" }, String(one.author.name)),
    one.title && h("h4", {}, String(one.title)),
    one.description && discordText(String(one.description)),
    fields.length > 0 && h("div", { class: "fields" }, fields),
    one.footer?.text && h("p", { class: "dim" }, String(one.footer.text)),
  );
  if (Number.isInteger(one.color)) node.style.setProperty("--bar", `#${one.color.toString(16).padStart(6, "0").slice(-6)}`);
  return node;
}

function component(one, message) {
  if (one.type === ROW) return h("div", { class: "actions" }, (one.components ?? []).map((inner) => component(inner, message)));
  if (one.type === BUTTON) return button(one, message);
  if ([3, 5, 6, 7, 8].includes(one.type)) return menu(one, message);
  if (one.type === 10) return discordText(String(one.content ?? ""));
  return h("p", { class: "dim" }, `[component ${Number(one.type)}]`);
}

function button(one, message) {
  const label = String(one.label ?? one.emoji?.name ?? "…");
  const shown = [one.emoji?.name && one.label ? `${one.emoji.name} ` : null, label];
  if (one.style === LINK) return /^https?:\/\//i.test(one.url ?? "") ? h("a", { class: "press", href: one.url, target: "_blank", rel: "noopener noreferrer nofollow" }, shown) : null;
  const press = () => act("click", { ...that(message), action: one.custom_id }).then(opened);
  return pressable(label, STYLES[one.style] ?? "", press, { "data-action": one.custom_id, disabled: one.disabled || null }, shown);
}

/** A select: its own options (3), or the people (5), roles (6), both (7), channels (8) there are. */
function menu(one, message) {
  const people = [...state.users.values()].map((user) => [user.id, `@${user.name}`]);
  const roles = state.roles.map((role) => [role.id, `@${role.name}`]);
  const places = [...state.channels.values()].filter((place) => place.name).map((place) => [place.id, `#${place.name}`]);
  const own = (one.options ?? []).map((option) => [String(option.value), String(option.label)]);
  const options = { 3: own, 5: people, 6: roles, 7: [...people, ...roles], 8: places }[one.type].slice(0, MAX_OPTIONS);
  const several = (one.max_values ?? 1) > 1;
  const hint = String(one.placeholder ?? "Choose…");
  const disabled = one.disabled || null;
  const first = several ? [] : [h("option", { value: "" }, hint)];
  const list = h("select", { class: "menu", "aria-label": hint, multiple: several, disabled }, first, options.map(([value, label]) => h("option", { value }, label)));
  const values = () => [...list.selectedOptions].map((option) => option.value).filter(Boolean);
  const choose = () => act("select", { ...that(message), action: one.custom_id, values: values() }).then(opened);
  return [list, pressable("Choose", "", choose, { disabled, "data-action": one.custom_id })];
}

/** What leads to a thread; `by` is who began it. */
export function threadCard(id, by = "") {
  const thread = state.channels.get(id);
  if (!thread) return null;
  const count = placeMessages(id).size;
  return h("button", { type: "button", class: "thread-card", onclick: () => goTo(id) }, icon("thread"), h("b", {}, thread.name), by && h("span", { class: "dim" }, `by ${by}`), h("span", { class: "dim" }, count === 1 ? "1 message ›" : `${count} messages ›`));
}
