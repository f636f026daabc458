// Everything the page knows, and who wants to hear of changes. No drawing here.

const listeners = new Map();

export const state = {
  users: new Map(),
  channels: new Map(),
  messages: new Map(), // channel id -> Map of ts -> message
  entries: new Map(), // key -> delivery, call or log line
  views: {},
  unread: new Map(),
  daemon: { state: "starting", report: null, health: "" },
  controls: { armed: {} },
  transport: "",
  team: "",
  bot: "",
  me: "",
  place: "",
  thread: "",
};

/** Call `listener(data)` whenever `topic` happens: reset place thread message deleted entry views daemon controls people. */
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
  if (take) take(change);
}

const takers = {
  snapshot(change) {
    state.users = new Map(change.users.map((user) => [user.id, user]));
    state.channels = new Map(change.channels.map((channel) => [channel.id, channel]));
    state.messages = new Map();
    state.entries = new Map();
    state.views = change.views;
    Object.assign(state, { daemon: change.daemon, controls: change.controls, transport: change.transport });
    Object.assign(state, { team: change.team, bot: change.bot });
    change.messages.forEach(keep);
    const lines = change.logs.map(asEntry);
    [...change.entries, ...lines].sort((a, b) => a.at - b.at).forEach((entry) => state.entries.set(entry.key, entry));
    if (!state.users.has(state.me)) state.me = owner();
    if (!visible(state.place)) state.place = change.home;
    if (state.thread && !rootOf(state.thread)) state.thread = "";
    emit("reset");
  },
  message({ message, change }) {
    const fresh = !placeMessages(message.channel).has(message.ts);
    keep(message);
    const away = message.channel !== state.place;
    if (fresh && away && message.user === state.bot) state.unread.set(message.channel, (state.unread.get(message.channel) ?? 0) + 1);
    emit("message", { message, fresh, change });
    if (fresh && away) emit("people");
  },
  deleted({ channel, ts }) {
    placeMessages(channel).delete(ts);
    emit("deleted", { channel, ts });
  },
  channel({ channel }) {
    state.channels.set(channel.id, channel);
    emit("people");
  },
  user({ user }) {
    state.users.set(user.id, user);
    emit("people");
  },
  views({ user, stack }) {
    state.views[user] = stack;
    emit("views");
  },
  entry({ entry }) {
    const fresh = !state.entries.has(entry.key);
    state.entries.set(entry.key, entry);
    emit("entry", { entry, fresh });
  },
  log({ line }) {
    const entry = asEntry(line);
    state.entries.set(entry.key, entry);
    emit("entry", { entry, fresh: true });
  },
  daemon({ daemon }) {
    state.daemon = daemon;
    emit("daemon");
  },
  controls({ controls }) {
    state.controls = controls;
    emit("controls");
  },
};

function keep(message) {
  placeMessages(message.channel).set(message.ts, message);
}

function asEntry(line) {
  const about = Object.entries(line.fields).map(([name, value]) => `${name}=${value}`).join(" ");
  const at = Date.parse(line.at) / 1000;
  return { sort: "log", key: line.key, at, type: line.event, about, state: line.level, fields: line.fields, logger: line.logger };
}

export function placeMessages(channel) {
  if (!state.messages.has(channel)) state.messages.set(channel, new Map());
  return state.messages.get(channel);
}

/** The messages of a conversation that are in no thread, oldest first, as the present user sees them. */
export const shown = (channel) => sorted(channel, (one) => !one.thread);

/** The root of a thread and its replies. */
export const threadOf = (channel, ts) => sorted(channel, (one) => one.ts === ts || one.thread === ts);

export const repliesTo = (channel, ts) => sorted(channel, (one) => one.thread === ts);

export const rootOf = (ts) => placeMessages(state.place).get(ts);

function sorted(channel, test) {
  const mine = (one) => !one.only_for || one.only_for === state.me;
  return [...placeMessages(channel).values()].filter((one) => test(one) && mine(one)).sort((a, b) => (a.ts < b.ts ? -1 : 1));
}

const owner = () => [...state.users.values()].find((user) => user.role === "owner").id;

/** Whether the present user sees this conversation. Members see every public one; guests and others their own. */
export function visible(id) {
  const channel = state.channels.get(id);
  const me = state.users.get(state.me);
  if (!channel || !me) return false;
  return channel.members.includes(state.me) || (channel.kind === "channel" && ["owner", "member"].includes(me.role));
}

export const places = () => [...state.channels.keys()].filter(visible).map((id) => state.channels.get(id));

export function directOf(user) {
  return [...state.channels.values()].find((channel) => channel.kind === "im" && channel.members.includes(user))?.id;
}

/** What a conversation is called, seen by the present user. */
export function nameOf(channel) {
  const others = channel.members.filter((id) => id !== state.me).map((id) => state.users.get(id)?.name ?? id);
  return channel.kind === "im" || channel.kind === "mpim" ? others.join(", ") : channel.name;
}

export function goTo(place) {
  state.place = place;
  state.thread = "";
  state.unread.delete(place);
  emit("place");
}

export function openThread(ts) {
  state.thread = ts;
  emit("thread");
}

/** Write as somebody else; stays where they are allowed to be. */
export function become(user) {
  state.me = user;
  const here = state.channels.get(state.place);
  if (!visible(state.place) || here.kind === "im") goTo(directOf(user));
  else emit("place");
  emit("views");
}
