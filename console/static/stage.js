// A layer over the player's frame, with boxes that are dragged and resized, in pixels of the recording.
//
// `layer(size, ...children)` covers exactly what the player shows of a recording of `size` = [width, height] pixels as
// displayed (a recording's `width` and `height`: rotation and the shape of pixels applied), at each size of the window;
// style sheets do that, so that nothing has to be measured. It goes into `.stage`, beside the video. Pointers pass
// through it, but not through its boxes.
//
// `place(size, {x, y, width, height})` is the `style` of any element in it.
//
// `box(size, options, ...children)` is an element that is moved by mouse, touch and keys. Options:
//   key, label   key of the element; what it is, for screen readers: its position is added
//   value        {x, y, width, height}: the top left corner and the size, with fractions
//   change       called with each new value while it is dragged, or at a key
//   done         called once after a drag, or after each key; and after Escape, which puts it back by `change`
//   begin        called before the first change of a drag, and before that of a key: to note it for undo
//   resize       null: moved only; "ratio": its shape stays; "free"
//   least        smallest width and height when it is resized, 16 unless given
//   within       false: only its middle has to stay within the frame; else the whole of it
//   centre, tap  called at a double click, and at a click or touch without a move
//   remove       called at Delete
//   kind         further classes: "round" for an ellipse
//   disabled     shown, not moved
// Arrow keys move by 1 pixel, with Shift by 10; with Alt, or at a corner, they change the size. Esc puts a drag back, or
// leaves the box.

import {h} from "./h.js";
import {t} from "./i18n.js";

const MOVED = 3, LEAST = 16, STEP = 1, FAR = 10;
const CORNERS = {"top-left": [-1, -1], "top-right": [1, -1], "bottom-left": [-1, 1], "bottom-right": [1, 1]};
const CORNER_NAMES = {"top-left": "Top left corner", "top-right": "Top right corner", "bottom-left": "Bottom left corner", "bottom-right": "Bottom right corner"};
const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
let drag = null; // {key, from, at, corner, scale, moved, options}; one at a time

export function layer(size, ...children) {
  return h("div", {class: "layer-frame", key: "layer"},
    h("div", {class: "layer", style: {"--width": String(size[0]), "--height": String(size[1])}}, children));
}

export function place([width, height], value) {
  const percent = (part, whole) => `${part / whole * 100}%`;
  return {left: percent(value.x, width), top: percent(value.y, height), width: percent(value.width, width), height: percent(value.height, height)};
}

export function box(size, options, ...children) {
  const {key, label, value, resize = null, kind = "", disabled = false} = options;
  const said = t("{name}: x {x}, y {y}, {width} × {height}", {name: label, ...rounded(value)});
  return h("div", {
    key, class: `box ${kind}${drag?.key === key ? " dragged" : ""}${disabled ? " disabled" : ""}`, style: place(size, value), "data-box": key,
    onpointerdown: (event) => !disabled && press(event, size, options), onpointermove: (event) => move(event, size, options),
    onpointerup: (event) => release(event, options), onpointercancel: () => giveUp(),
    ondblclick: (event) => !disabled && !event.target.dataset.corner && options.centre?.(),
    onkeydown: (event) => !disabled && atKey(event, size, options),
  }, children,
  h("div", {class: "grip", key: "grip", role: "button", tabindex: 0, "aria-label": said, "aria-roledescription": t("movable box"), "aria-disabled": disabled ? "true" : null}),
  resize && !disabled && Object.keys(CORNERS).map((corner) => h("button", {
    key: corner, class: `corner ${corner}`, "aria-label": `${label}: ${t(CORNER_NAMES[corner])}`, "data-corner": corner,
    tabindex: corner === "bottom-right" ? 0 : -1,
  })));
}

// The box that is dragged goes back to where it was. Returns whether there was one.
export function giveUp() {
  if (!drag) return false;
  const {from, moved, options} = drag;
  drag = null;
  if (moved) options.change(from);
  options.done?.();
  return true;
}

function rounded(value) {
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, Math.round(each * 10) / 10]));
}

function press(event, size, options) {
  if (event.button !== 0 || drag) return;
  event.stopPropagation();
  const {currentTarget: element} = event, corner = event.target.dataset?.corner ?? null;
  const {width} = element.closest(".layer").getBoundingClientRect();
  element.setPointerCapture(event.pointerId);
  drag = {key: options.key, from: {...options.value}, at: [event.clientX, event.clientY], corner, scale: size[0] / width, moved: false, options};
}

function move(event, size, options) {
  if (drag?.key !== options.key) return;
  const by = [event.clientX - drag.at[0], event.clientY - drag.at[1]];
  if (!drag.moved && Math.hypot(...by) < MOVED) return;
  if (!drag.moved) options.begin?.();
  drag.moved = true;
  const pixels = by.map((each) => Math.round(each * drag.scale));
  options.change(drag.corner ? resized(drag.from, drag.corner, pixels, size, options) : moved(drag.from, pixels, size, options));
}

function release(event, options) {
  if (drag?.key !== options.key) return;
  const {moved: was, corner} = drag;
  drag = null;
  if (was) options.done?.();
  else if (!corner) options.tap?.(event);
}

function atKey(event, size, options) {
  if (event.key === "Escape") {
    event.stopPropagation();
    if (!giveUp()) document.getElementById("player")?.focus();
    return;
  }
  if (event.key === "Delete" && options.remove) {
    event.preventDefault();
    event.stopPropagation();
    return options.remove();
  }
  const arrow = ARROWS[event.key];
  if (!arrow || event.ctrlKey || event.metaKey || drag) return;
  event.preventDefault();
  event.stopPropagation();
  const by = arrow.map((each) => each * (event.shiftKey ? FAR : STEP));
  const corner = event.target.dataset?.corner ?? (event.altKey && options.resize ? "bottom-right" : null);
  options.begin?.();
  options.change(corner ? resized(options.value, corner, by, size, options) : moved(options.value, by, size, options));
  options.done?.();
}

export function moved(value, [dx, dy], size, {within = true} = {}) {
  return kept({...value, x: value.x + dx, y: value.y + dy}, size, within);
}

// The opposite corner stays.
export function resized(value, corner, [dx, dy], size, {resize = "free", least = LEAST, within = true} = {}) {
  const [right, down] = CORNERS[corner], ratio = value.width / value.height;
  let width = value.width + dx * right, height = value.height + dy * down;
  if (resize === "ratio") {
    // Along the side that the pointer moved further.
    if (Math.abs(dx) >= Math.abs(dy) * ratio) height = width / ratio;
    else width = height * ratio;
  }
  const room = within ? [right > 0 ? size[0] - value.x : value.x + value.width, down > 0 ? size[1] - value.y : value.y + value.height] : [Infinity, Infinity];
  if (resize === "ratio") {
    width = Math.max(Math.min(width, room[0], room[1] * ratio), least * Math.max(1, ratio));
    height = width / ratio;
  } else {
    [width, height] = [Math.max(least, Math.min(width, room[0])), Math.max(least, Math.min(height, room[1]))];
  }
  return {x: right > 0 ? value.x : value.x + value.width - width, y: down > 0 ? value.y : value.y + value.height - height, width, height};
}

// Within the frame; else with its middle in it.
function kept(value, [width, height], within) {
  const over = within ? [0, 0] : [value.width / 2, value.height / 2];
  return {
    ...value, x: Math.max(-over[0], Math.min(value.x, Math.max(-over[0], width - value.width + over[0]))),
    y: Math.max(-over[1], Math.min(value.y, Math.max(-over[1], height - value.height + over[1]))),
  };
}
