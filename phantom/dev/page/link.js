// The WebSocket to the page server: changes come in, requests go out and get an answer. Reconnects by itself.

const pending = new Map();
let socket = null;
let number = 0;
let wait = 250;
let key = "";

/** Connect now and for ever; `onChange` gets each change, `onLost` the moment when nobody answers. */
export function connect(onChange, onLost) {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.onmessage = (event) => {
    const change = JSON.parse(event.data);
    if (change.what === "answer") settle(change);
    else if (change.what === "key") key = change.key;
    else {
      wait = 250;
      onChange(change);
    }
  };
  socket.onclose = () => {
    for (const { reject } of pending.values()) reject(new Error("phantom dev is not running"));
    pending.clear();
    onLost();
    setTimeout(() => connect(onChange, onLost), wait);
    wait = Math.min(wait * 2, 4000);
  };
}

function settle({ id, value, error }) {
  const request = pending.get(id);
  pending.delete(id);
  if (request && error) request.reject(new Error(error));
  else if (request) request.resolve(value);
}

/** Ask the server to do something; the promise fails with the server's own words. */
export function ask(what, values = {}) {
  return new Promise((resolve, reject) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      reject(new Error("phantom dev is not running"));
      return;
    }
    number += 1;
    pending.set(number, { resolve, reject });
    socket.send(JSON.stringify({ ...values, id: number, do: what }));
  });
}

/** Send a file's bytes; returns `{id, name, size}`. The key shows that it is this page that sends them. */
export async function upload(file) {
  const answer = await fetch(`/files?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file, headers: { "X-Page-Key": key } });
  if (!answer.ok) throw new Error(answer.status === 413 ? `${file.name} is too large` : await answer.text());
  return answer.json();
}
