// Small parts that messages of both platforms are made of.

import { announce, bytes, h, hue } from "./dom.js";
import { icon } from "./icons.js";

export function avatar(id, name, isBot = false) {
  const node = h("span", { class: `avatar${isBot ? " bot" : ""}`, "aria-hidden": "true" }, isBot ? h("img", { src: "icon.svg", alt: "" }) : name[0].toUpperCase());
  node.style.setProperty("--hue", hue(name));
  return node;
}

/** A button of the app's in a message; it rests while its press is under way. */
export function pressable(label, style, press, attributes = {}, ...more) {
  const pressed = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    await press();
    button.disabled = false;
    announce(`pressed ${label}`);
  };
  return h("button", { type: "button", class: `press ${style}`, onclick: pressed, ...attributes }, more.length ? more : label);
}

export function fileNode(file) {
  const image = ["image/png", "image/jpeg"].includes(file.type);
  return h(
    "a",
    { class: "file", href: file.url, download: file.name },
    image ? h("img", { src: file.url, alt: "", loading: "lazy" }) : icon("file"),
    h("span", {}, h("b", {}, file.name), h("span", { class: "dim" }, bytes(file.size))),
  );
}
