// Puts the page together: the conversation, the thread, the keys.

import { act } from "./act.js";
import { $, announce } from "./dom.js";
import { Composer } from "./composer.js";
import * as controls from "./controls.js";
import * as events from "./events.js";
import { icon } from "./icons.js";
import { connect } from "./link.js";
import { MessageList } from "./list.js";
import { all as platforms, platform } from "./platforms.js";
import * as sidebar from "./sidebar.js";
import { activity, apply, nameOf, on, openThread, shown, state, threadOf } from "./store.js";
import * as switcher from "./switcher.js";
import { suggestions, welcome } from "./welcome.js";

const lastOwn = (messages) => messages.filter((one) => one.user === state.me && !one.only_for && !one.notice).at(-1);
const mainSource = () => shown(state.place);
const threadSource = () => (state.thread ? threadOf(state.place, state.thread) : []);

const box = new Composer($("composer"), { id: "write", own: () => lastOwn(mainSource()), thread: () => "" });
const replyBox = new Composer($("thread-composer"), { id: "reply", own: () => lastOwn(threadSource()), thread: () => state.thread });
const hooksOf = (composer) => ({ edit: (message) => composer.edit(message), answer: (message) => composer.answer(message) });
const list = new MessageList($("messages"), mainSource, { intro: welcome, hooks: hooksOf(box) });
const replies = new MessageList($("replies"), threadSource, { inThread: true, hooks: hooksOf(replyBox) });

function drawPlace() {
  const channel = state.channels.get(state.place);
  if (!channel) return;
  const { place, about, isDirect } = platform();
  $("place-name").textContent = [isDirect(channel) ? "" : place(channel), nameOf(channel)].filter(Boolean).join(" ");
  const people = channel.members.map((id) => state.users.get(id)?.name ?? id);
  $("place-about").textContent = about(channel, people, state.users.get(state.me));
  document.title = `${nameOf(channel)} · Phantom workspace`;
  list.reset();
  box.aim();
  drawSuggestions(channel);
  drawActivity();
  drawThread();
  if (!document.querySelector("dialog[open]") && matchMedia("(hover: hover)").matches) box.focus();
}

function drawSuggestions(channel) {
  $("composer").querySelector(".suggestions")?.remove();
  if (channel.kind === "forum") return;
  $("composer").prepend(suggestions((text) => act("post", { channel: state.place, text })));
}

function drawActivity() {
  const doing = activity();
  if ($("activity").textContent === doing) return;
  $("activity").textContent = doing;
  if (doing) announce(doing);
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

for (const topic of ["reset", "side", "place"]) on(topic, drawPlace);
on("thread", drawThread);
on("message", ({ message, fresh }) => {
  if (state.channels.get(message.channel)?.parent === state.place) list.sync([message.channel]); // the thread's card
  if (message.channel !== state.place) return;
  list.sync([message.id, message.thread].filter(Boolean));
  if (state.thread) replies.sync([message.id]);
  if (fresh && message.user === state.bot) announce(`${state.users.get(state.bot)?.name}: ${platform().spoken(message).slice(0, 300)}`);
});
on("deleted", ({ channel }) => {
  if (channel !== state.place) return;
  list.reset();
  if (state.thread) replies.sync();
});
on("people", drawActivity);

for (const one of platforms) one.start();
for (const part of [sidebar, events, controls, switcher]) part.start();
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
