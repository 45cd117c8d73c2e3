// Highlights and the title in the editor: drawn over the frame as the clip will have them, and their part of the panel.

import {iconButton, segments} from "./controls.js";
import {COLOR, KINDS, OPACITY, RATINGS, ellipseAt, lasts, withEllipse} from "./effects.js";
import {fieldError, leaveField, timeInput, wrongTime} from "./fields.js";
import {TARGET, isShort, sizeOf, windowAt} from "./framing.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {t} from "./i18n.js";
import {isDraft} from "./ranges.js";
import {box, place} from "./stage.js";
import {randomId, update} from "./state.js";
import {rateOf} from "./time.js";

const SECONDS = 3, RADIUS = 0.07, MOVED = 6, LEAST = 8; // the last two: pixels of the screen, and of the recording
// As the agent draws them (agent/cutting/effects): pixels of a frame of 1080 rows.
const TITLE = {top: 10, height: 50, tall: 80, border: 4, name: 24, nameAt: 25, notes: 16, notesAt: 53, length: 100, smallest: 0.5};
const OUTLINE = 3, SOFT = 1.15;

const isOpen = (range) => Boolean(range) && isDraft(range) && !range.busy;
const frameOf = (editor) => 1 / rateOf(editor.recording);

// The highlight that the clip shows now: of several, the first.
const shownIn = (editor, range) => range.highlights?.find((each) => lasts(each, editor.shown, frameOf(editor)));

export function effectsLayer(editor) {
  const {chosen: range} = editor, size = sizeOf(editor.recording);
  if (!range) return null;
  const shown = shownIn(editor, range);
  return [
    shown && drawn(range.highlighting ?? "original", shown, ellipseAt(shown, editor.shown), size),
    titleBox(editor, range, size),
    shown && highlightBox(editor, range, shown, size),
    editor.placing && isOpen(range) && catcher(editor, range, size),
  ];
}

function drawn(kind, {color, opacity}, {x, y, rx, ry}, size) {
  const [width, height] = size, percent = (part, whole) => `${part / whole * 100}%`;
  if (kind === "original") {
    return h("svg", {class: "highlight ring", key: "highlight", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true"},
      h("ellipse", {cx: x, cy: y, rx, ry, fill: color, "fill-opacity": opacity}),
      h("ellipse", {cx: x, cy: y, rx, ry, fill: "none", stroke: color, "stroke-opacity": 0.6, "stroke-width": OUTLINE * height / 1080}));
  }
  const soft = kind === "dark_overlay" ? 1 : SOFT;
  return h("div", {class: `highlight ${kind}`, key: "highlight", "aria-hidden": "true", style: {
    "--x": percent(x, width), "--y": percent(y, height), "--rx": percent(rx * soft, width), "--ry": percent(ry * soft, height),
  }});
}

function highlightBox(editor, range, highlight, size) {
  const {x, y, rx, ry} = ellipseAt(highlight, editor.shown);
  return box(size, {
    key: `highlight-${highlight.id}`, kind: "round highlight-box", label: nameOf(range, highlight), resize: "free", least: LEAST, within: false,
    value: {x: x - rx, y: y - ry, width: 2 * rx, height: 2 * ry}, disabled: !isOpen(range),
    begin: () => {
      editor.player.pause();
      editor.list.note();
    },
    change: (value) => {
      highlight.points = withEllipse(highlight.points, editor.shown, ellipseIn(value), frameOf(editor));
      editor.edited(range);
    },
    done: () => editor.list.save(), remove: () => remove(editor, range, highlight),
  });
}

const ellipseIn = ({x, y, width, height}) => ({x: x + width / 2, y: y + height / 2, rx: width / 2, ry: height / 2});
const nameOf = (range, highlight) => t("Highlight {number}", {number: range.highlights.indexOf(highlight) + 1});

// The title where the clip has it: in the frame, or in the window of a short.
function titleBox(editor, {title, ...range}, size) {
  if (!title || (isShort(range) && range.shape !== "crop")) return null;
  const upright = isShort(range), rows = upright ? TARGET.height : size[1], scale = Math.max(rows / 1080, TITLE.smallest) / rows;
  const tall = (pixels) => `${pixels * scale * 100}cqh`, [sign, color] = RATINGS[title.rating], {notes} = title;
  const line = (key, text, points, middle) => h("div", {key, class: `title-${key}`, style: {top: tall(middle), "font-size": tall(points)}}, text);
  return h("div", {class: "title-frame", key: "title", style: upright ? place(size, windowAt(range, size, editor.shown)) : {inset: "0"}},
    h("div", {class: "title-box", translate: "no", style: {
      top: tall(TITLE.top), height: tall(notes.trim() ? TITLE.tall : TITLE.height), "border-width": tall(TITLE.border), "border-color": color,
    }}, line("name", `${sign}  ${title.name}`.trimEnd(), TITLE.name, TITLE.nameAt - TITLE.border),
    notes.trim() && line("notes", notes.length > TITLE.length ? `${notes.slice(0, TITLE.length - 1).trimEnd()}…` : notes, TITLE.notes, TITLE.notesAt - TITLE.border)));
}

// Over the whole frame until a highlight is placed.
function catcher(editor, range, size) {
  const at = (event) => {
    const {left, top, width, height} = event.currentTarget.getBoundingClientRect();
    return {x: (event.clientX - left) / width * size[0], y: (event.clientY - top) / height * size[1], screen: [event.clientX, event.clientY]};
  };
  const around = (a, b) => ellipseIn({x: Math.min(a.x, b.x), y: Math.min(a.y, b.y), width: Math.max(LEAST, Math.abs(a.x - b.x)), height: Math.max(LEAST, Math.abs(a.y - b.y))});
  const {from, to} = editor.placing, usual = {rx: size[0] * RADIUS, ry: size[0] * RADIUS};
  const stop = () => {
    editor.placing = null;
    update();
    document.getElementById("player")?.focus();
  };
  return h("div", {
    class: "catcher", key: "catcher", role: "button", tabindex: 0, "aria-label": t("Click whom to highlight, or drag around them. Enter places it in the middle."),
    ref: (element) => element?.focus(),
    onpointerdown: (event) => {
      if (event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      editor.placing = {from: at(event)};
    },
    onpointermove: (event) => {
      if (!editor.placing?.from) return;
      editor.placing.to = at(event);
      update();
    },
    onpointerup: (event) => {
      const begin = editor.placing?.from, end = at(event);
      if (!begin) return;
      const far = Math.hypot(end.screen[0] - begin.screen[0], end.screen[1] - begin.screen[1]);
      add(editor, range, far > MOVED ? around(begin, end) : {x: begin.x, y: begin.y, ...usual});
    },
    onpointercancel: stop,
    onkeydown: (event) => {
      if (event.key === "Escape") stop();
      else if (event.key === "Enter" || event.key === " ") add(editor, range, {x: size[0] / 2, y: size[1] / 2, ...usual});
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
  }, h("span", {class: "catcher-text", key: "text"}, t("Click whom to highlight, or drag around them.")),
  from && to && h("div", {class: "box round", key: "drawn", style: place(size, {x: Math.min(from.x, to.x), y: Math.min(from.y, to.y), width: Math.abs(from.x - to.x), height: Math.abs(from.y - to.y)})}));
}

export function startPlacing(editor) {
  if (!isOpen(editor.chosen)) return;
  editor.player.pause();
  editor.placing = {};
  update();
}

function add(editor, range, ellipse) {
  const frame = frameOf(editor), last = range.out === null ? Infinity : range.out - frame, at = editor.shown;
  editor.placing = null;
  editor.list.note();
  const from = Math.max(range.in ?? 0, Math.min(at, last)), to = Math.min(from + SECONDS, last);
  const highlight = {id: randomId(), from, to, color: COLOR, opacity: OPACITY, points: [{at: from, ...ellipse}]};
  // Where several last, the first one is drawn: this one.
  range.highlights = [highlight, ...(range.highlights ?? [])];
  editor.edited(range);
  if (Math.abs(from - at) > frame / 2) editor.seek(from);
  setTimeout(() => document.querySelector(`[data-box="highlight-${highlight.id}"] .grip`)?.focus());
}

function remove(editor, range, highlight) {
  editor.list.note();
  range.highlights = range.highlights.filter((each) => each !== highlight);
  editor.edited(range);
}

// The section of the open range's panel.
export function effectsPanel(editor, range) {
  const {highlights = [], title} = range;
  const set = (values) => {
    editor.list.note();
    Object.assign(range, values);
    editor.edited(range);
  };
  return h("section", {class: "effects", key: "effects", "aria-label": t("Effects")},
    h("div", {class: "effects-head", key: "head"}, h("h3", null, t("Effects")), h("span", {class: "spring"}),
      h("button", {class: "button", onclick: () => startPlacing(editor), "aria-pressed": String(Boolean(editor.placing))}, icon("highlight"), t("Highlight")),
      !title && h("button", {class: "button", onclick: () => {
        set({title: {name: "", notes: "", rating: 3}});
        setTimeout(() => document.getElementById("title-name")?.focus());
      }}, icon("text"), t("Title"))),
    highlights.length > 0 && h("label", {class: "labelled", key: "kind"}, h("span", null, t("Highlights are")),
      h("select", {class: "field", value: range.highlighting ?? "original", onchange: (event) => set({highlighting: event.target.value})},
        Object.entries(KINDS).map(([kind, label]) => h("option", {key: kind, value: kind}, t(label))))),
    fieldError(range, "highlights"),
    highlights.map((each) => highlightRow(editor, range, each)),
    title && titleFields(editor, range, set));
}

function highlightRow(editor, range, highlight) {
  const name = nameOf(range, highlight), field = `highlight-${highlight.id}`, {points} = highlight, frame = frameOf(editor);
  const change = (values) => {
    editor.list.note();
    Object.assign(highlight, values);
    editor.edited(range, field);
  };
  const time = (edge, label) => timeInput(editor, {name: `${field}-${edge}`, label, value: highlight[edge], invalid: range.errors[field]}, (t_) => {
    if (Number.isFinite(t_) && t_ !== null) return change({[edge]: t_});
    range.errors[field] = wrongTime();
    update();
  });
  const here = points.find(({at}) => Math.abs(at - editor.shown) < frame / 2);
  return h("div", {class: "effect", key: highlight.id, role: "group", "aria-label": name},
    h("div", {class: "row"},
      h("button", {class: "link", onclick: () => editor.seek(highlight.from)}, name),
      h("span", {class: "third"}, points.length === 1 ? t("stands still") : t("{count} points", {count: points.length})),
      h("span", {class: "spring"}),
      here && points.length > 1 && h("button", {class: "button quiet", onclick: () => change({points: points.filter((each) => each !== here)})}, t("Remove this point")),
      iconButton("bin", t("Remove {name}", {name}), () => remove(editor, range, highlight))),
    h("div", {class: "row"}, time("from", t("From")), time("to", t("To")),
      (range.highlighting ?? "original") === "original" && h("label", {class: "labelled swatch"}, h("span", null, t("Colour")),
        h("input", {type: "color", value: highlight.color, onchange: (event) => change({color: event.target.value.toUpperCase()})}))),
    fieldError(range, field),
    points.length === 1 && h("p", {class: "third"}, t("Go to a later frame and move it there: it follows.")));
}

function titleFields(editor, range, set) {
  const {title} = range;
  const input = (name, label, most) => h("label", {class: "labelled", key: name}, h("span", null, label), h("input", {
    id: `title-${name}`, class: "field", value: title[name], maxlength: most, translate: "no", "aria-invalid": range.errors[name === "name" ? "title" : name] ? "true" : null,
    onfocus: () => editor.list.note(), onkeydown: leaveField,
    oninput: (event) => {
      range.title = {...range.title, [name]: event.target.value};
      editor.edited(range, name === "name" ? "title" : name);
    },
  }));
  return h("div", {class: "effect", key: "title", role: "group", "aria-label": t("Title")},
    h("div", {class: "row"}, h("strong", null, t("Title")), h("span", {class: "third"}, t("at the top, in all of the clip")), h("span", {class: "spring"}),
      iconButton("bin", t("Remove the title"), () => set({title: null}))),
    input("name", t("Text"), 200), fieldError(range, "title"), input("notes", t("Second line"), 1000), fieldError(range, "notes"),
    h("div", {class: "labelled"}, h("span", null, t("Rating")),
      segments("rating", t("Rating"), Object.entries(RATINGS).map(([rating, [sign]]) => [Number(rating), sign]), title.rating, (rating) => set({title: {...title, rating}}))),
    isShort(range) && range.shape !== "crop" && h("p", {class: "third"}, t("It is at the top of the upright frame.")));
}
