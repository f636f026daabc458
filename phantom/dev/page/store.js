// Everything the page knows, and who wants to hear of changes. No drawing here, and nothing that only one platform has.
//
// A side is a platform's workspace: Slack's or Discord's. `state` is the side that is shown; it is another object after
// `show`, so it is read anew each time (imports are live) and never kept in a variable for long.

const listeners = new Map();
const TYPING_MS = 10_000;

export const sides = new Map(); // name -> side
export const entries = new Map(); // key -> delivery, call or log line, of every side
export const shared = { daemon: { state: "starting", report: null, health: "" } };
export let state = newSide("");

function newSide(name) {
  return {
    side: name,
    users: new Map(),
    channels: new Map(),
    messages: new Map(), // channel id -> Map of id -> message
    typing: new Map(), // channel id -> Map of user -> timer
    unread: new Map(),
    views: {},
    roles: [],
    commands: [],
    controls: { armed: {} },
    transport: "",
    team: "",
    bot: "",
    home: "",
    me: "",
    place: "",
    thread: "",
  };
}

/** Call `listener(data)` at a topic: reset side place thread message deleted entry views commands daemon controls people. */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, []);
  listeners.get(topic).push(listener);
}

export function emit(topic, data) {
  for (const listener of listeners.get(topic) ?? []) listener(data);
}

/** Take in one change from the server. */
export function apply(change) {
  const take = takers[change.what];
  if (take) take(change, sides.get(change.side));
}

/** Tell of something on a side: to whom draws it if it is shown, else only to the lists of places. */
function tell(side, topic, data) {
  if (side === state) emit(topic, data);
  else emit("people");
}

const takers = {
  snapshot(change) {
    for (const one of change.sides) sides.set(one.side, taken(one, sides.get(one.side)));
    shared.daemon = change.daemon;
    entries.clear();
    [...change.entries.map(ofSide), ...change.logs.map(asEntry)].sort((a, b) => a.at - b.at).forEach((entry) => entries.set(entry.key, entry));
    state = sides.get(state.side) ?? sides.get(change.sides[0].side);
    emit("reset");
  },
  message({ message, change }, side) {
    const fresh = !placeMessages(message.channel, side).has(message.id);
    keep(message, side);
    if (message.user) stopTyping(side, message.channel, message.user);
    const away = side !== state || message.channel !== state.place;
    if (fresh && away && message.user === side.bot && !hidden(message, side)) side.unread.set(message.channel, (side.unread.get(message.channel) ?? 0) + 1);
    tell(side, "message", { message, fresh, change });
    if (fresh && away) emit("people");
  },
  deleted({ channel, id }, side) {
    placeMessages(channel, side).delete(id);
    tell(side, "deleted", { channel, id });
  },
  channel({ channel }, side) {
    const awaited = side.place === channel.id && !side.channels.has(channel.id); // gone to as soon as it was made
    side.channels.set(channel.id, channel);
    emit("people");
    if (awaited) tell(side, "place");
  },
  channel_gone({ channel }, side) {
    side.channels.delete(channel);
    side.unread.delete(channel);
    if (side.place === channel) side.place = side.home;
    tell(side, "place");
  },
  user({ user }, side) {
    side.users.set(user.id, user);
    emit("people");
  },
  typing({ channel, user }, side) {
    const here = side.typing.get(channel) ?? new Map();
    clearTimeout(here.get(user));
    here.set(user, setTimeout(() => stopTyping(side, channel, user), TYPING_MS));
    side.typing.set(channel, here);
    emit("people");
  },
  views({ user, stack }, side) {
    side.views[user] = stack;
    tell(side, "views");
  },
  commands({ commands }, side) {
    side.commands = commands;
    tell(side, "commands");
  },
  entry(change) {
    const entry = ofSide({ ...change.entry, side: change.side });
    const fresh = !entries.has(entry.key);
    entries.set(entry.key, entry);
    emit("entry", { entry, fresh });
  },
  log({ line }) {
    const entry = asEntry(line);
    entries.set(entry.key, entry);
    emit("entry", { entry, fresh: true });
  },
  daemon({ daemon }) {
    shared.daemon = daemon;
    emit("daemon");
  },
  controls({ controls }, side) {
    side.controls = controls;
    tell(side, "controls");
  },
};

/** A side as a snapshot tells it; where one was and what one had not read stay from before. */
function taken(one, before = newSide(one.side)) {
  const side = { ...newSide(one.side), ...one, me: before.me, place: before.place, thread: before.thread, unread: before.unread };
  side.users = new Map(one.users.map((user) => [user.id, user]));
  side.channels = new Map(one.channels.map((channel) => [channel.id, channel]));
  side.messages = new Map();
  one.messages.forEach((message) => keep(message, side));
  if (!side.users.has(side.me)) side.me = [...side.users.values()].find((user) => user.role === "owner").id;
  if (!visible(side.place, side)) side.place = side.home;
  if (side.thread && !placeMessages(side.place, side).has(side.thread)) side.thread = "";
  return side;
}

function keep(message, side) {
  placeMessages(message.channel, side).set(message.id, message);
}

function stopTyping(side, channel, user) {
  const here = side.typing.get(channel);
  if (!here?.has(user)) return;
  clearTimeout(here.get(user));
  here.delete(user);
  emit("people");
}

/** An entry's key is unique on its side only. */
const ofSide = (entry) => ({ ...entry, key: `${entry.side}/${entry.key}`, name: entry.key });

function asEntry(line) {
  const about = Object.entries(line.fields).map(([name, value]) => `${name}=${value}`).join(" ");
  const at = Date.parse(line.at) / 1000;
  return { sort: "log", side: "", key: line.key, at, type: line.event, about, state: line.level, outcome: line.level, fields: line.fields, logger: line.logger };
}

export function placeMessages(channel, side = state) {
  if (!side.messages.has(channel)) side.messages.set(channel, new Map());
  return side.messages.get(channel);
}

/** The messages of a conversation that are in no thread, oldest first, as the present user sees them. */
export const shown = (channel) => sorted(channel, (one) => !one.thread);

/** The root of a thread and its replies. */
export const threadOf = (channel, id) => sorted(channel, (one) => one.id === id || one.thread === id);

export const repliesTo = (channel, id) => sorted(channel, (one) => one.thread === id);

const hidden = (message, side = state) => Boolean(message.only_for) && message.only_for !== side.me;

function sorted(channel, test) {
  return [...placeMessages(channel).values()].filter((one) => test(one) && !hidden(one)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Whether the present user of a side may open this conversation. */
export function visible(id, side = state) {
  const channel = side.channels.get(id);
  return Boolean(channel) && !channel.archived && channel.seen_by.includes(side.me);
}

export const places = (side = state) => [...side.channels.values()].filter((channel) => visible(channel.id, side));

export function directOf(user) {
  return [...state.channels.values()].find((channel) => channel.kind === "im" && channel.members.includes(user))?.id;
}

/** What a conversation is called, seen by the present user. */
export function nameOf(channel, side = state) {
  const others = channel.members.filter((id) => id !== side.me).map((id) => side.users.get(id)?.name ?? id);
  return channel.kind === "im" || channel.kind === "mpim" ? others.join(", ") : channel.name;
}

/** What somebody does here just now, in words; "" when nobody does. */
export function activity() {
  const names = [...(state.typing.get(state.place) ?? new Map()).keys()].filter((id) => id !== state.me).map((id) => state.users.get(id)?.name ?? id);
  if (names.length) return `${names.join(", ")} ${names.length === 1 ? "is" : "are"} typing…`;
  const status = state.channels.get(state.place)?.status;
  return status ? `${state.users.get(state.bot)?.name ?? ""} ${status}` : "";
}

export const unreadOf = (side) => [...side.unread.values()].reduce((sum, count) => sum + count, 0);

/** Show another side, where one was there. */
export function show(name) {
  if (!sides.has(name) || name === state.side) return;
  state = sides.get(name);
  state.unread.delete(state.place);
  emit("side");
}

export function goTo(place) {
  state.place = place;
  state.thread = "";
  state.unread.delete(place);
  emit("place");
}

export function openThread(id) {
  state.thread = id;
  emit("thread");
}

/** Write as somebody else; stays where they are allowed to be. */
export function become(user) {
  state.me = user;
  const here = state.channels.get(state.place);
  if (!visible(state.place) || here.kind === "im") goTo(directOf(user) ?? state.home);
  else emit("place");
  emit("views");
}
