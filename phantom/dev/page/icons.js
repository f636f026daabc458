// The page's own signs as drawings: a machine without emoji fonts shows them too.

const PATHS = {
  menu: "M3 6h18M3 12h18M3 18h18",
  panel: "M3 5h18v14H3zM15 5v14",
  close: "M6 6l12 12M18 6L6 18",
  attach: "M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.400 3.400 0 0 1 5 5l-8.500 8.500a1.700 1.700 0 0 1-2.500-2.500L15 7.500",
  bolt: "M13 2L5 14h6l-1 8 8-12h-6z",
  reply: "M21 12a8 8 0 0 1-11.500 7.200L3 21l1.800-6.500A8 8 0 1 1 21 12z",
  edit: "M4 20l1-5L16 4l4 4L9 19z",
  delete: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8 14.500s1.500 2 4 2 4-2 4-2M9 9.500v.5M15 9.500v.5",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  hash: "M9.500 4l-2 16M16.500 4l-2 16M4.500 9h16M3.500 15h16",
  shared: "M4 9h14M14 5l4 4-4 4M20 16H6M10 12.500L6 16l4 4",
  answer: "M9 7L4 12l5 5M4 12h10a6 6 0 0 1 6 6v1",
  thread: "M4 5h16v9H10l-4 4v-4H4zM20 14v5l-3-3h-4",
  forum: "M4 5h16M4 10h16M4 15h9M17 13v8M13 17h8",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
};

/** An icon by name, hidden from screen readers: its button or neighbour says what it means. */
export function icon(name) {
  const make = (tag, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const svg = make("svg", { viewBox: "0 0 24 24", class: "sign", "aria-hidden": "true" });
  svg.append(make("path", { d: PATHS[name] }));
  return svg;
}
