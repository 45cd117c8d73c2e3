import {h} from "./h.js";

// Drawn on 16 by 16; lines, not fills, but for those in FILLED.
const PATHS = {
  scissors: ["M6 6.2 13 12.5M6 9.8 13 3.5", "M4.2 3a2 2 0 1 0 .01 0M4.2 9a2 2 0 1 0 .01 0"],
  grip: ["M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01"],
  pencil: ["M3 13l.7-3L10.8 2.9l2.3 2.3L6 12.3zM9.3 4.4l2.3 2.3"],
  reel: ["M2.5 6.2h11v6.6h-11zM2.5 6.2 2.9 3.4 13.1 3.4 13.5 6.2M5.2 3.4 6.4 6.2M9 3.4l1.2 2.8"],
  chart: ["M2.5 13.5h11M4.5 10.5v-3M8 10.5v-7M11.5 10.5V6"],
  folder: ["M2 4.5a1 1 0 0 1 1-1h3.2l1.5 1.8H13a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1z"],
  list: ["M6 4h8M6 8h8M6 12h8M2.6 4h.01M2.6 8h.01M2.6 12h.01"],
  moon: ["M13 9.6A5.6 5.6 0 0 1 6.4 3 5.6 5.6 0 1 0 13 9.6z"],
  sun: ["M8 5.2a2.8 2.8 0 1 0 .01 0M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9"],
  keyboard: ["M2 4h12v8H2zM4.5 6.5h.01M7 6.5h.01M9.5 6.5h.01M12 6.5h.01M5 9.5h6"],
  play: ["M5 3.2v9.6L12.6 8z"],
  pause: ["M4.8 3.5h2v9h-2zM9.2 3.5h2v9h-2z"],
  previous: ["M10 3.5 5.5 8l4.5 4.5"],
  next: ["M6 3.5 10.5 8 6 12.5"],
  previousKey: ["M3.5 3.5v9M12 3.5 7.5 8l4.5 4.5"],
  nextKey: ["M12.5 3.5v9M4 3.5 8.5 8 4 12.5"],
  toIn: ["M5.5 3H3v10h2.5M13.5 8H6.5M9 5.5 6.5 8 9 10.5"],
  toOut: ["M10.5 3H13v10h-2.5M2.5 8h7M7 5.5 9.5 8 7 10.5"],
  bracketIn: ["M9.5 3h-3v10h3"],
  bracketOut: ["M6.5 3h3v10h-3"],
  audio: ["M2.5 6.2v3.6h2.3L8 12.6V3.4L4.8 6.2zM10.4 6a2.8 2.8 0 0 1 0 4M12.2 4.2a5.4 5.4 0 0 1 0 7.6"],
  muted: ["M2.5 6.2v3.6h2.3L8 12.6V3.4L4.8 6.2zM10.5 6.2l3.6 3.6M14.1 6.2l-3.6 3.6"],
  full: ["M3 6V3h3M10 3h3v3M13 10v3h-3M6 13H3v-3"],
  undo: ["M5.5 3 3 5.5 5.5 8M3.2 5.5h6a3.6 3.6 0 0 1 0 7.2H5.5"],
  plus: ["M8 3v10M3 8h10"],
  cross: ["M4 4l8 8M12 4l-8 8"],
  bin: ["M3 4.5h10M6.2 4.5V3h3.6v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5"],
  info: ["M8 1.8a6.2 6.2 0 1 0 .01 0M8 7.2v3.8M8 4.9h.01"],
  warning: ["M8 2.2 14.3 13.3H1.7zM8 6.4v3.2M8 11.4h.01"],
  check: ["M3 8.5 6.5 12 13 4.5"],
  back: ["M10 3.5 5.5 8l4.5 4.5"],
  down: ["M3.5 6 8 10.5 12.5 6"],
  search: ["M7 2.5a4.5 4.5 0 1 0 .01 0M10.3 10.3 13.5 13.5"],
  download: ["M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13.3h10"],
  link: ["M6.8 9.2a2.6 2.6 0 0 0 3.7 0l2.2-2.2a2.6 2.6 0 0 0-3.7-3.7l-.8.8M9.2 6.8a2.6 2.6 0 0 0-3.7 0L3.3 9a2.6 2.6 0 0 0 3.7 3.7l.8-.8"],
  retry: ["M12.8 6.5A5 5 0 1 0 13 9M13 3v3.6H9.4"],
  clock: ["M8 2a6 6 0 1 0 .01 0M8 4.8V8l2.2 1.6"],
  live: ["M3 3.5v9M6 3.5 12.5 8 6 12.5z"],
  highlight: ["M8 4.2a5 3.8 0 1 0 .01 0", "M8 1.2v1.2M8 13.6v1.2M1 8h.8M14.2 8h.8"],
  text: ["M3 4.5V3h10v1.5M8 3v10M6 13h4"],
  phone: ["M4.5 1.8h7v12.4h-7zM7 12h2"],
  server: ["M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01M8 5h3M8 11h3"],
  swap: ["M10.5 2.5 13 5l-2.5 2.5M13 5H4M5.5 8.5 3 11l2.5 2.5M3 11h9"],
  lock: ["M4 7.5h8v6H4zM5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5"],
  frozen: ["M8 2v12M2.8 5l10.4 6M13.2 5 2.8 11"],
  frames: ["M2.5 3.5h11v9h-11zM5.2 3.5v9M10.8 3.5v9M2.5 6.5h2.7M2.5 9.5h2.7M10.8 6.5h2.7M10.8 9.5h2.7"],
};
const FILLED = new Set(["play", "pause"]);

export function icon(name, size = 16) {
  return h("svg", {
    class: `icon${FILLED.has(name) ? " filled" : ""}`, viewBox: "0 0 16 16", width: size, height: size, "aria-hidden": "true",
  }, PATHS[name].map((path) => h("path", {d: path})));
}
