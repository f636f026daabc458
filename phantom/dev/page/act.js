// Requests in the name of the present user, on the side that is shown.

import { toast } from "./dom.js";
import { ask } from "./link.js";
import { state } from "./store.js";

/** Ask the server; fails with its own words. */
export const request = (what, values = {}) => ask(what, { side: state.side, as: state.me, ...values });

/** Ask the server, and show its own words when it refuses. */
export const act = (what, values) => request(what, values).catch((error) => toast(error.message));

/** What names a message in a request. */
export const that = (message) => ({ channel: message.channel, message: message.id });
