// The keys: what each one does, which may be changed, and the list that `?` opens.

import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {remember, remembered, state, update} from "./state.js";

// name: [group, label, keys]
export const ACTIONS = {
  play: ["Play", "Play or pause", ["Space"]],
  backwards: ["Play", "Backwards", ["J"]],
  stop: ["Play", "Stop", ["K"]],
  forwards: ["Play", "Forwards", ["L"]],
  mute: ["Play", "Audio on or off", ["M"]],
  full: ["Play", "Full screen", ["F"]],
  goto: ["Go to", "A time", ["G"]],
  toIn: ["Go to", "The in-point", ["Shift+ArrowLeft"]],
  toOut: ["Go to", "The out-point", ["Shift+ArrowRight"]],
  zoomRange: ["Go to", "Zoom to the range", ["Z"]],
  zoomIn: ["Go to", "Zoom in", ["ArrowUp"]],
  zoomOut: ["Go to", "Zoom out", ["ArrowDown"]],
  frameBack: ["Step", "One frame back", [","]],
  frameOn: ["Step", "One frame on", ["."]],
  secondBack: ["Step", "One second back", ["ArrowLeft"]],
  secondOn: ["Step", "One second on", ["ArrowRight"]],
  keyframeBack: ["Step", "One keyframe back", ["Alt+ArrowLeft"]],
  keyframeOn: ["Step", "One keyframe on", ["Alt+ArrowRight"]],
  setIn: ["Mark", "Set the in-point", ["I"]],
  setOut: ["Mark", "Set the out-point", ["O"]],
  newRange: ["Mark", "New range", ["+"]],
  split: ["Mark", "Split at the playhead", ["B"]],
  highlight: ["Mark", "Place a highlight", ["H"]],
  remove: ["Mark", "Delete the draft", ["Delete"]],
  undo: ["Mark", "Undo", ["Ctrl+Z"]],
  redo: ["Mark", "Redo", ["Ctrl+Shift+Z"]],
  name: ["Request", "Name the range", ["Enter"]],
  request: ["Request", "Request the clip", ["E"]],
  still: ["Request", "Save this frame as an image", ["C"]],
  keys: ["Everywhere", "This list", ["?"]],
};
const GROUPS = [["Play", "Go to"], ["Step", "Mark"], ["Request", "Everywhere"]];
const SHOWN = {ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del", Shift: "⇧"};
const MAC = navigator.platform.startsWith("Mac");

let own = remembered("keys", {});
let single = remembered("single-keys", true);
let changing = null, refusal = "";

export const keysOf = (action) => own[action] ?? ACTIONS[action][2];

// The key as it is named here: `Shift+ArrowLeft`, `Ctrl+Z`, `?`.
function named(event) {
  if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return null;
  const letter = /^[a-z]$/i.test(event.key), printable = event.key.length === 1 && !letter && event.key !== " ";
  let name = event.key === " " ? "Space" : letter ? event.key.toUpperCase() : event.key;
  // The letters by their place, where the layout has others.
  if (/^[^\x00-\x7f]$/.test(event.key) && /^Key[A-Z]$/.test(event.code)) name = event.code.slice(3);
  const shift = event.shiftKey && !printable ? "Shift+" : "";
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift}${name}`;
}

const TEXT_FIELD = 'input:not([type="checkbox"]), textarea, select, [contenteditable]';

// Calls `handlers[action]` for a key.
export function dispatch(event, handlers) {
  if (event.defaultPrevented || event.isComposing) return;
  const name = named(event);
  if (!name) return;
  const action = Object.keys(ACTIONS).find((each) => keysOf(each).includes(name));
  if (!action || !handlers[action]) return;
  if (event.target.closest(TEXT_FIELD)) return;
  if (!single && name.length === 1) return;
  // On buttons and links these have their own meaning.
  if (["Space", "Enter"].includes(name) && event.target.closest("button, a, summary, [role=row], input")) return;
  if (name.startsWith("Arrow") && event.target.closest("[role=radiogroup], [role=row]")) return;
  event.preventDefault();
  handlers[action]();
}

export function keyCaps(action) {
  return keysOf(action).map((name) => caps(name));
}

function caps(name) {
  const parts = name === "+" ? ["Shift", "="] : name.split("+");
  return h("span", {class: "caps"}, parts.map((part) => h("kbd", null, part === "Ctrl" && MAC ? "⌘" : SHOWN[part] ?? part)));
}

export function openKeys() {
  changing = null;
  refusal = "";
  state.dialog = {name: "keys", render: renderKeys, onkeydown: change, wide: true};
  update();
}

function change(event) {
  if (!changing) return false;
  if (event.key === "Tab") { // it moves the focus
    changing = null;
    update();
    return false;
  }
  const name = named(event);
  if (!name) return true;
  event.preventDefault();
  if (name !== "Escape") {
    const taken = Object.keys(ACTIONS).find((each) => each !== changing && keysOf(each).includes(name));
    if (taken) {
      refusal = t("{key} is taken: {action}", {key: SHOWN[name] ?? name, action: t(ACTIONS[taken][1])});
      update();
      return true;
    }
    own = {...own, [changing]: [name]};
    remember("keys", own);
  }
  changing = null;
  refusal = "";
  update();
  return true;
}

function renderKeys(close) {
  const row = (action) => h("button", {
    key: action, class: `key-row${changing === action ? " changing" : ""}`, onclick: () => {
      changing = action;
      refusal = "";
      update();
    },
  }, h("span", null, t(ACTIONS[action][1])), changing === action ? h("span", {class: "press"}, t("Press a key")) : keyCaps(action));
  const group = (name) => h("section", {key: name}, h("h3", null, t(name)),
    Object.keys(ACTIONS).filter((action) => ACTIONS[action][0] === name).map(row));
  return [
    h("header", {key: "head"}, h("h2", {id: "dialog-title"}, t("Keys")), h("p", null, t("Click a line to change its key")),
      h("button", {class: "button", onclick: () => {
        own = {};
        remember("keys", own);
        update();
      }}, t("Reset all")),
      h("button", {class: "button quiet square", "aria-label": t("Close"), onclick: close}, icon("cross"))),
    h("div", {class: "key-groups", key: "groups"}, GROUPS.map((names, i) => h("div", {key: i}, names.map(group)))),
    h("footer", {key: "foot"},
      h("label", {class: "check"}, h("input", {type: "checkbox", checked: single, onchange: (event) => {
        single = event.target.checked;
        remember("single-keys", single);
        update();
      }}), t("Single keys work whenever no text field has the focus. Changes are kept in this browser.")),
      refusal && h("span", {class: "error-text", role: "alert"}, icon("warning"), refusal),
      h("span", {class: "spring"}), h("kbd", null, "Esc"), t("close")),
  ];
}
