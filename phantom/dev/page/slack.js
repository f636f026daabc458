// What is Slack's own: blocks, threads beside the conversation, one slash command, shortcuts, modals, its switches.
// See platforms.js for what a platform is.

import { act, request, that } from "./act.js";
import { h } from "./dom.js";
import { emoji, PICK } from "./emoji.js";
import { icon } from "./icons.js";
import { pressable } from "./parts.js";
import * as forms from "./slack_form.js";
import { markdown, mrkdwn } from "./slack_text.js";
import { openThread, state } from "./store.js";

const BADGES = { bot: "agent", guest: "guest", external: "external" };
const COMMANDS = [
  ["/phantom help", "what it can do"],
  ["/phantom status", "how it is"],
  ["/phantom new", "forget this conversation"],
  ["/phantom stop", "stop what it is doing"],
  ["/phantom ask ", "ask privately"],
];
const quiet = (channel) => channel.kind === "im" || channel.kind === "mpim";

// --- content ---

function content(message) {
  const drawn = message.blocks.map((block) => blockNode(block, message)).filter(Boolean);
  if (!drawn.length && message.text) drawn.push(mrkdwn(message.text));
  const attached = message.attachments.map((one) => h("blockquote", {}, mrkdwn(String(one.text ?? one.fallback ?? ""))));
  return [drawn, attached];
}

function blockNode(block, message) {
  switch (block.type) {
    case "markdown":
      return markdown(String(block.text ?? ""));
    case "section":
      return h("div", {}, block.text && mrkdwn(String(block.text.text ?? "")), (block.fields ?? []).map((one) => mrkdwn(String(one.text ?? ""))), control(block.accessory, block, message));
    case "context":
      return h("div", { class: "context" }, (block.elements ?? []).map((one) => (one.text ? mrkdwn(String(one.text)) : null)));
    case "header":
      return h("h3", {}, String(block.text?.text ?? ""));
    case "divider":
      return h("hr");
    case "actions":
    case "context_actions":
      return h("div", { class: "actions" }, (block.elements ?? []).map((one) => control(one, block, message)));
    case "rich_text":
      return message.text ? mrkdwn(message.text) : null;
    default:
      return h("p", { class: "dim" }, `[${String(block.type)}]`);
  }
}

function control(element, block, message) {
  if (!element || element.type !== "button") return null;
  const press = () => act("click", { ...that(message), action: element.action_id, block: block.block_id ?? "" });
  return pressable(String(element.text?.text ?? ""), String(element.style ?? ""), press, { "data-action": element.action_id });
}

const tools = (message, { inThread, button }) => [
  !inThread && button("Reply in thread", icon("reply"), () => openThread(message.id)),
  button("Ask about this message", icon("bolt"), () => act("message_shortcut", that(message))),
];

// --- the message box ---

function complete(value) {
  if (!/^\/\S*( \S*)?$/.test(value)) return null;
  return COMMANDS.filter(([text]) => text.startsWith(value) && text.trim() !== value).map(([text, about]) => ({ text, about, from: 0 }));
}

const plain = (text) =>
  text
    .replace(/<@([A-Z0-9]+)>/g, (whole, id) => (state.users.has(id) ? `@${state.users.get(id).name}` : whole))
    .replace(/<!(\w+)>/g, "@$1")
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");

function send({ text, files, thread }) {
  const channel = state.place;
  if (text.startsWith("/") && !files.length) {
    if (thread) throw new Error("Slack takes no slash commands in threads; use it in the conversation.");
    if (!/^\/phantom(\s|$)/.test(text)) throw new Error(`${text.split(/\s/)[0]} is not installed here; /phantom is.`);
    return request("command", { channel, text });
  }
  return request("post", { channel, text, thread: thread || null, files: files.map((file) => file.id) });
}

// --- places ---

function groups(all) {
  const direct = all.filter(quiet).sort((a, b) => (a.kind < b.kind ? -1 : 1));
  return [
    ["Direct messages", direct],
    ["Channels", all.filter((one) => !quiet(one))],
  ];
}

function welcome(channel, me, bot) {
  const refused = me.role === "guest" || me.role === "external";
  const shared = channel.shared
    ? `A channel shared with another organisation. Mention @${bot} and it answers members of this workspace in a thread.`
    : `A public channel. Mention @${bot} and it answers in a thread; you can go on there without mentioning it.`;
  const about = {
    im: `This is the direct message between ${me.name} and ${bot}. Just type: it answers.`,
    mpim: `A group message. ${bot} reads along and answers here.`,
    group: `A private channel. Mention @${bot} and it answers in a thread.`,
    channel: shared,
  };
  const warning = refused && `${me.name} is ${me.role === "guest" ? "a guest" : "from another workspace"}: by default Phantom does not answer such people.`;
  return { about: about[channel.kind], warning };
}

// do, label, what one will see, the key under which it is armed, the transport it needs
const switches = [
  [
    "Events to Phantom",
    ["delay", "Delay next 3 s", "The next event comes three seconds late", "delay"],
    ["lose_ack", "Lose next ack", "Slack does not hear the next ack and delivers again: still one answer", "lose_ack"],
    ["corrupt", "Corrupt signature", "The next post is signed wrongly: refused with 401, then retried", "corrupt", "http"],
    ["stale", "Stale timestamp", "The next post claims to be an hour old: refused", "stale", "http"],
  ],
  [
    "Slack's answers",
    ["rate_limit", "Rate-limit next post", "The next chat.postMessage gets 429 with Retry-After: 2", "reply ratelimited"],
    ["fail", "503 on next post", "The next chat.postMessage fails", "reply 503"],
    ["lose_answer", "Lose next answer", "The next chat.postMessage is applied, but its answer never arrives: Phantom looks before it posts again", "drop_after"],
  ],
  [
    "Connection and token",
    ["drop_socket", "Cut the socket", "TCP is cut; Phantom connects again", "", "socket"],
    ["disconnect", "Ask to reconnect", "Slack's refresh_requested", "", "socket"],
    ["revoke", "Revoke bot token", "Every call answers token_revoked; the channel stops and says so", "token"],
    ["rotate", "Issue a new token", "The old one is revoked; Phantom finds the new one by itself and goes on", ""],
  ],
];

export const slack = {
  label: "Slack",
  transports: { http: "signed HTTP posts", socket: "Socket Mode" },
  emoji,
  pick: PICK,
  reactionName: (name) => `:${name}:`,
  title: (team) => `${team} workspace`,
  groups,
  isDirect: quiet,
  place: (channel) => (quiet(channel) ? "" : "#"),
  about: (channel, names, me) => (quiet(channel) ? `as ${me.name}` : names.join(", ")),
  welcome,
  plain,
  badge: (user) => BADGES[user?.role] ?? "",
  content,
  spoken: (message) => message.text,
  above: () => null,
  tools,
  complete,
  send,
  commandStart: "/phantom ",
  shortcut: () => act("shortcut"),
  threadsBeside: true,
  switches,
  connected: "Connection and token",
  connections: (controls, transport) => (transport === "socket" ? `${controls.sockets} socket${controls.sockets === 1 ? "" : "s"}` : ""),
  isActive: (armed, controls) => armed === "token" && Boolean(controls.token),
  start: forms.start,
};
