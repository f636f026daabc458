// Puts the page together: the conversation, the thread, the keys.

import { $, announce, toast } from "./dom.js";
import { Composer } from "./composer.js";
import * as controls from "./controls.js";
import * as events from "./events.js";
import { icon } from "./icons.js";
import { ask, connect } from "./link.js";
import { MessageList } from "./list.js";
import * as modal from "./modal.js";
import * as sidebar from "./sidebar.js";
import { apply, nameOf, on, openThread, shown, state, threadOf } from "./store.js";
import * as switcher from "./switcher.js";
import { suggestions, welcome } from "./welcome.js";

const lastOwn = (messages) => messages.filter((one) => one.user === state.me && !one.only_for).at(-1);
const mainSource = () => shown(state.place);
const threadSource = () => (state.thread ? threadOf(state.place, state.thread) : []);

const box = new Composer($("composer"), { id: "write", own: () => lastOwn(mainSource()), thread: () => "", commands: true });
const replyBox = new Composer($("thread-composer"), { id: "reply", own: () => lastOwn(threadSource()), thread: () => state.thread });
const list = new MessageList($("messages"), mainSource, { intro: welcome, onEdit: (message) => box.edit(message) });
const replies = new MessageList($("replies"), threadSource, { inThread: true, onEdit: (message) => replyBox.edit(message) });

function drawPlace() {
  const channel = state.channels.get(state.place);
  if (!channel) return;
  const isChannel = channel.kind === "channel" || channel.kind === "group";
  $("place-name").textContent = (isChannel ? "# " : "") + nameOf(channel);
  const people = channel.members.map((id) => state.users.get(id)?.name ?? id);
  $("place-about").textContent = isChannel ? people.join(", ") : `as ${state.users.get(state.me).name}`;
  document.title = `${nameOf(channel)} · Phantom workspace`;
  list.reset();
  box.aim();
  const row = suggestions((text) => ask("post", { as: state.me, channel: state.place, text }).catch((error) => toast(error.message)));
  $("composer").querySelector(".suggestions")?.remove();
  $("composer").prepend(row);
  drawThread();
  if (!document.querySelector("dialog[open]") && matchMedia("(hover: hover)").matches) box.focus();
}

function drawThread() {
  const wanted = Boolean(state.thread);
  $("thread").hidden = !wanted;
  document.body.dataset.panel = wanted ? "thread" : document.body.dataset.panel === "thread" ? "" : document.body.dataset.panel;
  makeRoom(wanted);
  if (!wanted) return;
  const channel = state.channels.get(state.place);
  $("thread-about").textContent = channel ? nameOf(channel) : "";
  replies.reset();
  replyBox.aim();
  replyBox.focus();
}

/** A thread and the switches do not both fit into one column: the switches fold while a thread is open. */
function makeRoom(wanted) {
  const switches = document.querySelector(".disturb");
  if (matchMedia("(min-width: 1640px), (min-height: 1100px)").matches) return;
  if (wanted && switches.open) {
    switches.open = false;
    switches.dataset.folded = "";
  } else if (!wanted && "folded" in switches.dataset) {
    switches.open = true;
    delete switches.dataset.folded;
  }
}

function closeThread() {
  openThread("");
  box.focus();
}

on("reset", drawPlace);
on("place", drawPlace);
on("thread", drawThread);
on("message", ({ message, fresh }) => {
  if (message.channel !== state.place) return;
  list.sync([message.ts, message.thread].filter(Boolean));
  if (state.thread) replies.sync([message.ts]);
  if (fresh && message.user === state.bot) announce(`${state.users.get(state.bot)?.name}: ${message.text.slice(0, 300)}`);
});
on("deleted", ({ channel }) => {
  if (channel !== state.place) return;
  list.reset();
  if (state.thread) replies.sync();
});
on("people", () => {
  const channel = state.channels.get(state.place);
  const status = channel ? Object.values(channel.status).at(-1) : "";
  if (status) announce(status);
});

for (const part of [sidebar, events, controls, modal, switcher]) part.start();
$("close-thread").addEventListener("click", closeThread);
for (const button of document.querySelectorAll("[data-icon]")) button.append(icon(button.dataset.icon));
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    const { show } = button.dataset;
    document.body.dataset.panel = document.body.dataset.panel === show ? "" : show;
  });
}
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    switcher.toggle();
  } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    if (document.body.dataset.panel && document.body.dataset.panel !== "thread") document.body.dataset.panel = "";
    else if (state.thread) closeThread();
  }
});
connect(apply, sidebar.lost);
