// What is Discord's own: replies, threads that are channels, registered commands, embeds and components, its switches.
// See platforms.js for what a platform is.

import { act, that } from "./act.js";
import { h } from "./dom.js";
import { EMOJI } from "./emoji.js";
import { icon } from "./icons.js";
import { complete, send } from "./discord_box.js";
import { content, threadCard } from "./discord_content.js";
import { opened } from "./discord_form.js";
import { discordLine } from "./discord_text.js";
import { goTo, state } from "./store.js";

const PICKED = ["👍", "👎", "✅", "👀", "❤️", "🎉", "😂", "🤔"];

// --- messages ---

/** What a message answers, or which command it came from. */
function above(message) {
  if (message.asked_by) {
    const who = state.users.get(message.asked_by)?.name ?? "somebody";
    return h("div", { class: "answers dim" }, icon("answer"), h("b", {}, who), " used ", h("span", { class: "mention" }, "/phantom"));
  }
  const { answers } = message;
  if (!answers) return null;
  const who = state.users.get(answers.user)?.name ?? "somebody";
  const show = () => document.querySelector(`#messages > [data-id="${CSS.escape(answers.id)}"]`)?.focus();
  return h(
    "div",
    { class: "answers dim" },
    icon("answer"),
    h("button", { type: "button", "aria-label": `In reply to ${who}: ${answers.text}`, onclick: show }, h("b", {}, `@${who}`), " ", answers.gone ? h("i", {}, "message was deleted") : discordLine(answers.text)),
  );
}

function tools(message, { button, hooks }) {
  const channel = state.channels.get(message.channel);
  const menu = state.commands.filter((one) => one.type === 3);
  return [
    button("Reply", icon("answer"), () => hooks.answer(message)),
    channel?.kind === "channel" && !message.opens && button("Create thread", icon("thread"), () => begin(message)),
    menu.map((one) => button(`Apps: ${one.name}`, icon("bolt"), () => act("menu", { ...that(message), name: one.name }).then(opened))),
  ];
}

async function begin(message) {
  const name = message.text.replace(/<[^>\s]+>/g, "").replace(/[*_`|~#>\\]+/g, "").replace(/\s+/g, " ").trim().slice(0, 40) || "Thread";
  const answer = await act("thread", { ...that(message), name });
  if (answer) goTo(answer.place);
}

const plain = (text) =>
  text
    .replace(/<@!?(\d+)>/g, (whole, id) => (state.users.has(id) ? `@${state.users.get(id).name}` : whole))
    .replace(/<@&(\d+)>/g, (whole, id) => named(state.roles.find((role) => role.id === id), "@") ?? whole)
    .replace(/<#(\d+)>/g, (whole, id) => named(state.channels.get(id), "#") ?? whole);

const named = (thing, sign) => (thing ? sign + thing.name : null);

// --- places ---

function groups(all) {
  const threads = (parent) => all.filter((one) => one.kind === "thread" && one.parent === parent.id);
  const family = (kind) => all.filter((one) => one.kind === kind).flatMap((one) => [one, ...threads(one)]);
  return [
    ["Text channels", family("channel")],
    ["Forum", family("forum")],
    ["Direct messages", all.filter((one) => one.kind === "im")],
  ];
}

function welcome(channel, me, bot) {
  const about = {
    im: `This is the direct message between ${me.name} and ${bot}. Just type: it answers.`,
    channel: `Mention @${bot} and it answers with a reply. Go on by replying to it, or begin a thread.`,
    forum: `Each post is a conversation of its own. Mention @${bot} in one and it answers there.`,
    thread: `A thread is a conversation of its own. Mention @${bot} once; after that it answers you without.`,
  };
  const overHttp = state.transport === "http" && "Over signed interactions Phantom hears commands, menus and buttons only: use /phantom ask.";
  const isBot = me.role === "bot" && `${me.name} is a bot: by default Phantom does not answer bots.`;
  return { about: about[channel.kind], warning: isBot || overHttp, more: channel.kind === "forum" && posts(channel) };
}

/** What was posted in a forum, the newest first. */
function posts(forum) {
  const found = [...state.channels.values()].filter((one) => one.parent === forum.id).sort((a, b) => (a.id < b.id ? 1 : -1));
  return found.map((one) => threadCard(one.id, state.users.get(one.started_by)?.name));
}

const place = (channel) => ({ im: "@", forum: "", thread: "" })[channel.kind] ?? "#";

function about(channel, names, me) {
  if (channel.kind === "im") return `as ${me.name}`;
  if (channel.kind === "thread") return `thread in #${state.channels.get(channel.parent)?.name ?? "…"}`;
  return channel.about;
}

// do, label, what one will see, the key under which it is armed, the transport it needs
const switches = [
  [
    "The gateway",
    ["drop_gateway", "Cut it", "TCP is cut; Phantom comes back and resumes: what was said meanwhile is replayed", "", "gateway"],
    ["reconnect", "Op 7", "Discord asks to reconnect; Phantom resumes", "", "gateway"],
    ["invalidate", "Op 9, not resumable", "The session is gone: Phantom identifies anew and reads what it missed from the history", "", "gateway"],
    ["refuse_resume", "Refuse next RESUME", "Cut the gateway after this: the resume is refused", "refuse_resume", "gateway"],
    ["zombie", "Fall silent", "The connection stays, nothing comes any more; noticed by the missing heartbeats within 15 s", "", "gateway"],
  ],
  [
    "Signed posts",
    ["corrupt", "Corrupt signature", "The next post is signed with another key: refused with 401", "corrupt", "http"],
    ["stale", "Stale timestamp", "The next post claims to be an hour old: refused", "stale", "http"],
    ["replay", "Replay last post", "The recorded bytes again, signature and all", "", "http"],
  ],
  [
    "Discord's answers",
    ["rate_limit", "Rate-limit next post", "The next message gets 429 with two seconds to wait", "limited 429"],
    ["storm", "429 storm", "The next five messages get 429 of the shared scope", ""],
    ["global_limit", "Global limit", "The next call gets 429 with `global`: every call waits two seconds", ""],
    ["fail", "503 on next post", "The next message fails", "reply 503"],
    ["lose_answer", "Lose next answer", "The next message is posted, but its answer never arrives: its nonce keeps it from being posted twice", "drop_after"],
    ["forbid", "Forbid writing", "Phantom loses the permission Send Messages: 50013", "forbid"],
  ],
  [
    "Token and intents",
    ["revoke", "Revoke bot token", "Every call answers 401 and the gateway closes with 4004; the channel stops and says so", "token"],
    ["rotate", "Issue a new token", "The old one is revoked; Phantom finds the new one by itself and goes on", ""],
    ["intent_off", "Switch intent off", "Message Content Intent goes off in the portal, the session ends: 4014", "intent", "gateway"],
    ["intent_on", "Switch intent on", "…and on again; then restart Phantom, or issue a new token", "", "gateway"],
  ],
];

export const discord = {
  label: "Discord",
  transports: { http: "signed interactions", gateway: "gateway" },
  emoji: (name) => (/^\w+:\d+$/.test(name) ? null : name),
  pick: PICKED,
  reactionName: (name) => (/^(\w+):\d+$/.test(name) ? `:${name.split(":")[0]}:` : EMOJI[name] ? `:${EMOJI[name]}:` : name),
  title: (team) => `${team} server`,
  groups,
  isDirect: (channel) => channel.kind === "im",
  place,
  about,
  welcome,
  plain,
  badge: (user) => (user?.role === "bot" ? "app" : ""),
  notice: (message) => (message.notice.sort === "thread" ? `started a thread: ${message.text}` : ""),
  content,
  spoken: (message) => message.text || String(message.embeds[0]?.description ?? ""),
  above,
  tools,
  complete,
  send,
  commandStart: "/phantom ",
  shortcut: null,
  threadsBeside: false,
  switches,
  connected: "The gateway",
  connections: (controls, transport) => (transport === "gateway" ? `${controls.sockets} gateway connection${controls.sockets === 1 ? "" : "s"}` : ""),
  isActive: (armed, controls) => (armed === "token" && Boolean(controls.token)) || (armed === "intent" && controls.intent === false),
  start: () => {},
};
