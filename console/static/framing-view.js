// The framing of a short in the editor: the crop over the frame, its points below the strip, and the panel beside.

import {saveClip} from "./clips.js";
import {badge, segments, stateOfClip} from "./controls.js";
import {hasEnded} from "./events.js";
import {CropPath, MOTIONS, centred, enlargement, framingOf, isEnlarged, isShort, pointsOf, sizeOf, windowAt, withPoint, TARGET} from "./framing.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {number, t} from "./i18n.js";
import {keyCaps} from "./keys.js";
import {freeIn, isUsedUp, quotaBars} from "./quota.js";
import {isDraft} from "./ranges.js";
import {shortsList} from "./shorts.js";
import {box, place} from "./stage.js";
import {bytes, length, rateOf} from "./time.js";

const FILLS = {crop: "Cropping", follow: "Following", blur: "Blurred sides", bars: "Black bars"};
const MOTION_NAMES = {linear: "Straight", spline: "Smooth"};
const MOST_POINTS = 80, LINE = {height: 24, top: 5, bottom: 19}, SMOOTH = 8, ROOM = 15;
let pointDrag = null; // {index, moved}

// As it is shown: a window that was found by following has points once the clip is there.
function framed(editor, range) {
  const framing = range.shape === "follow" && editor.clipOf(range)?.report?.framing;
  return framing ? {...range, shape: "crop", ...pointsOf(framing, range.in)} : range;
}

const isOpen = (range) => isDraft(range) && !range.busy;
const isCropped = (range) => range.shape === "crop" || range.shape === "follow";

function within(editor, range) {
  const at = editor.shown, frame = 1 / rateOf(editor.recording);
  return (range.in === null || at > range.in - frame / 2) && (range.out === null || at < range.out - frame / 2);
}

// A window at the playhead makes a point there.
function setWindow(editor, range, window) {
  range.shape = "crop";
  range.points = withPoint(range.points ?? [], editor.shown, window, 1 / rateOf(editor.recording));
  editor.edited(range);
}

export function removePoint(editor, range, at) {
  const frame = 1 / rateOf(editor.recording), rest = (range.points ?? []).filter((point) => Math.abs(point.at - at) > frame / 2);
  if (rest.length === range.points?.length) return;
  editor.list.note();
  range.points = rest;
  editor.edited(range);
}

export function cropLayer(editor) {
  const {chosen} = editor;
  if (!chosen || !isShort(chosen) || !isCropped(chosen)) return null;
  const range = framed(editor, chosen), size = sizeOf(editor.recording), at = editor.shown, window = windowAt(range, size, at);
  const unknown = range.shape === "follow", able = isOpen(chosen) && within(editor, chosen);
  const moved = [["x", window.x], ["y", window.y]].filter(([axis], i) => axis === "x" || window.height < size[1] - 0.5 || (i && window.y > 0.5));
  const label = t("{width} × {height} at {place}", {width: round(window.width), height: round(window.height), place: moved.map(([axis, value]) => `${axis} ${round(value)}`).join(", ")});
  return [
    !unknown && h("div", {class: "crop-shade", key: "shade", style: place(size, window)}),
    !unknown && before(editor, range, size, at, window),
    box(size, {
      key: "crop", kind: `crop${unknown ? " unknown" : ""}`, label: t("Crop"), value: window, resize: "ratio", disabled: !able, least: 16,
      begin: () => {
        editor.player.pause();
        editor.list.note();
      },
      change: (value) => setWindow(editor, chosen, value), done: () => editor.list.save(),
      centre: () => {
        editor.list.note();
        setWindow(editor, chosen, {...window, x: (size[0] - window.width) / 2, y: (size[1] - window.height) / 2});
      },
      remove: () => removePoint(editor, chosen, at),
    }, h("span", {class: "crop-label", key: "label"}, unknown ? t("Found when it is cut") : label)),
  ];
}

const round = (value) => String(Math.round(value * 10) / 10);

// Where the window was at the last point, and the way from there.
function before(editor, range, size, at, window) {
  const framing = framingOf(range, size);
  if (!framing || framing.keyframes.length < 2) return null;
  const from = range.in ?? range.points[0].at, path = new CropPath(framing.keyframes, framing.interpolation), last = path.keyframes[path.indexAt(at - from + 1e-6)];
  if (!last) return null;
  const frame = 1 / rateOf(editor.recording), then = path.at(last.time, size), middle = (each) => [each.x + each.width / 2, each.y + each.height / 2];
  const [[x, y], [toX, toY]] = [middle(then), middle(window)], far = Math.hypot(toX - x, toY - y), unit = size[0] / 100;
  if (at - from - last.time < frame / 2 || far < unit) return null;
  const [dx, dy] = [(toX - x) / far, (toY - y) / far], head = [[0, 0], [-1.6, -0.9], [-1.6, 0.9]].map(([along, across]) => `${toX + (along * dx - across * dy) * unit},${toY + (along * dy + across * dx) * unit}`);
  return [
    h("div", {class: "crop-last", key: "last", style: place(size, then)}, h("span", {class: "crop-when"}, t("at {time}", {time: editor.timeline.label(from + last.time)}))),
    h("svg", {class: "crop-way", key: "way", viewBox: `0 0 ${size[0]} ${size[1]}`, preserveAspectRatio: "none", "aria-hidden": "true"},
      h("line", {x1: x, y1: y, x2: toX, y2: toY}), h("polygon", {points: head.join(" ")})),
  ];
}

// Below the strip: the window's place over time, with a point for each keyframe.
export function framingLine(editor) {
  const {chosen, timeline} = editor;
  if (!chosen || !isShort(chosen) || !isCropped(chosen)) return null;
  const range = framed(editor, chosen), points = range.shape === "crop" ? range.points ?? [] : [];
  const {from, to} = timeline.view, size = sizeOf(editor.recording), x = (at) => (at - from) / (to - from) * 100;
  const label = points.length === 1 ? t("framing, 1 point") : t("framing, {count} points", {count: points.length});
  const line = (...children) => h("div", {class: "framing-line", key: "framing", role: "group", "aria-label": label}, children);
  if (!points.length) return line(h("span", {class: "framing-hint", key: "hint"}, isOpen(chosen) ? t("Move the crop: it makes a point at the playhead.") : label));
  const [whole, side, start] = size[0] - points[0].width >= size[1] - points[0].height ? [size[0], "width", "x"] : [size[1], "height", "y"];
  const y = (window) => LINE.bottom - (LINE.bottom - LINE.top) * Math.max(0, Math.min(1, window[start] / Math.max(1, whole - window[side])));
  const path = new CropPath(points.map(({at, ...window}) => ({time: at, ...window})), range.motion), times = [range.in ?? points[0].at];
  points.forEach((point, i) => {
    const next = points[i + 1], parts = range.motion === "spline" && next && points.length < 200 ? SMOOTH : 1;
    for (let part = 0; part < parts; part++) times.push(point.at + (next ? (next.at - point.at) * part / parts : 0));
  });
  times.push(range.out ?? points.at(-1).at);
  // Beside the line, where there is room.
  const begin = x(Math.min(times[0], points[0].at)), end = x(Math.max(times.at(-1), points.at(-1).at));
  const beside = begin > ROOM && begin <= 100 ? "left" : end < 100 - ROOM && end >= 0 ? "right" : null;
  const drawn = times.sort((a, b) => a - b).map((at) => `${x(at)},${y(path.at(at, size))}`).join(" ");
  const seen = points.map((point, index) => ({point, index})).filter(({point}) => point.at >= from && point.at <= to);
  return line(
    h("svg", {key: "line", viewBox: `0 0 100 ${LINE.height}`, preserveAspectRatio: "none", "aria-hidden": "true"}, h("polyline", {points: drawn})),
    beside && h("span", {class: `framing-count ${beside}`, key: "count", style: {left: `${beside === "left" ? begin : end}%`}}, label),
    seen.length <= MOST_POINTS && seen.map(({point, index}) => pointButton(editor, chosen, range, index, {left: `${x(point.at)}%`, top: `${y(point)}px`})));
}

function pointButton(editor, chosen, range, index, style) {
  const point = range.points[index], frame = 1 / rateOf(editor.recording), able = isOpen(chosen);
  const move = (at) => {
    const {points} = chosen, grid = editor.timeline.grid(at), lowest = (points[index - 1]?.at ?? -Infinity) + frame, highest = (points[index + 1]?.at ?? Infinity) - frame;
    const bounds = [Math.max(lowest, chosen.in ?? 0), Math.min(highest, (chosen.out ?? editor.timeline.duration) - frame)];
    points[index] = {...points[index], at: Math.max(bounds[0], Math.min(grid, bounds[1]))};
    editor.edited(chosen);
  };
  return h("button", {
    key: `point-${index}`, class: `point${Math.abs(point.at - editor.shown) < frame / 2 ? " here" : ""}`, style, "data-point": index,
    "aria-roledescription": t("movable point"),
    "aria-label": t("Framing at {time}: x {x}, y {y}", {time: editor.timeline.label(point.at), x: round(point.x), y: round(point.y)}),
    onclick: () => editor.seek(point.at),
    onpointerdown: (event) => {
      if (!able || event.button !== 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      pointDrag = {index, from: event.clientX, moved: false};
    },
    onpointermove: (event) => {
      if (pointDrag?.index !== index || (!pointDrag.moved && Math.abs(event.clientX - pointDrag.from) < 3)) return;
      if (!pointDrag.moved) editor.list.note();
      pointDrag.moved = true;
      move(editor.timeline.timeAt(event));
    },
    onpointerup: () => { pointDrag = null; }, onpointercancel: () => { pointDrag = null; },
    onkeydown: (event) => {
      const by = {ArrowLeft: -1, ArrowRight: 1}[event.key] * (event.shiftKey ? 10 : 1);
      if (!able || !(by || event.key === "Delete")) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === "Delete") return removePoint(editor, chosen, point.at);
      editor.list.note();
      move(point.at + by * frame);
    },
  });
}

// What the viewer of the short will see, on the panel's canvas.
function drawShort(editor, range) {
  const canvas = editor.shortCanvas, video = editor.player?.video;
  if (!canvas || !video?.videoWidth) return;
  const context = canvas.getContext("2d"), {width, height} = canvas, size = sizeOf(editor.recording), scale = [video.videoWidth / size[0], video.videoHeight / size[1]];
  const draw = (window, x, y, w, high) => context.drawImage(video, window.x * scale[0], window.y * scale[1], window.width * scale[0], window.height * scale[1], x, y, w, high);
  if (isCropped(range)) return draw(windowAt(range, size, editor.shown), 0, 0, width, height);
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  if (range.shape === "blur") {
    context.filter = `blur(${Math.round(width / 32)}px)`;
    draw(centred(size), 0, 0, width, height);
    context.filter = "none";
  }
  const fit = Math.min(width / size[0], height / size[1]), [w, high] = size.map((side) => side * fit);
  draw({x: 0, y: 0, width: size[0], height: size[1]}, (width - w) / 2, (height - high) / 2, w, high);
}

export function shortPanel(editor, range) {
  const clip = editor.clipOf(range), open = isOpen(range), shown = framed(editor, range), points = shown.shape === "crop" ? shown.points ?? [] : [];
  const change = (values) => {
    editor.list.note();
    Object.assign(range, values);
    editor.edited(range);
  };
  requestAnimationFrame(() => drawShort(editor, shown));
  return h("aside", {class: "side short", key: "short", "aria-label": t("Short of {name}", {name: range.name})},
    h("header", {key: "head"},
      h("button", {class: "button quiet square", "aria-label": t("Ranges"), title: t("Ranges"), onclick: () => editor.showRanges(true)}, icon("back")),
      h("h2", {translate: "no", title: range.name}, t("Short of {name}", {name: range.name})), h("span", {class: "spring"}),
      clip ? hasEnded(clip) ? stateOfClip(clip) : badge("accent", t("Requested")) : badge("neutral", range.busy ? t("Requesting…") : t("Draft"))),
    h("div", {class: "short-body", key: "body"},
      h("div", {class: "short-look", key: "look"},
        h("canvas", {class: "short-preview", width: 360, height: 640, role: "img", "aria-label": t("What the viewer sees"), ref: (element) => { editor.shortCanvas = element; }}),
        h("div", {class: "short-fields"},
          h("label", {class: "labelled"}, h("span", null, t("Shape")), h("select", {
            class: "field", value: "short", disabled: open ? null : true, onchange: (event) => event.target.value === "source" && change({shape: "source"}),
          }, h("option", {value: "source", key: "source"}, t("As recorded")), h("option", {value: "short", key: "short"}, t("9:16 short")))),
          h("div", {class: "labelled fill"}, h("span", null, t("Fill the frame by")),
            segments("fill", t("Fill the frame by"), Object.entries(FILLS).map(([shape, label]) => [shape, t(label)]), range.shape, (shape) => change({shape}), {disabled: !open})),
          h("div", {class: "labelled"}, h("span", null, t("Quality")),
            segments("quality", t("Quality"), [["high", t("High")], ["medium", t("Medium")]], range.quality ?? "high", (quality) => change({quality}), {disabled: !open})),
          facts(editor, range))),
      points.length > 1 && h("div", {class: "labelled between", key: "between"}, h("span", null, t("Between the points")),
        segments("motion", t("Between the points"), MOTIONS.map((motion) => [motion, t(MOTION_NAMES[motion])]), shown.motion ?? "linear", (motion) => change({motion}), {disabled: !open})),
      range.shape === "follow" && shown === range && h("p", {class: "short-note", key: "note"}, t("The window follows what moves. It is found when the clip is cut, and can be changed afterwards. Drag it to set it yourself.")),
      warning(editor, shown),
      quotaBars(),
      shortsList()),
    footer(editor, range, shown));
}

function facts(editor, range) {
  const complete = range.in !== null && range.out !== null, {plan} = complete ? editor.planOf(range) : {};
  if (plan?.estimated_bytes) editor.lastBytes = plan.estimated_bytes;
  return h("div", {class: "short-facts"}, h("span", null, `${TARGET.width} × ${TARGET.height}`),
    complete && h("span", null, t("{length}, exact", {length: length(range.out - range.in)})),
    complete && editor.lastBytes && !plan?.problem && h("span", {class: plan ? "" : "third"}, t("about {size}", {size: bytes(editor.lastBytes)})),
    plan?.problem && h("span", {class: "error-text", role: "alert"}, icon("warning"), plan.problem));
}

function warning(editor, range) {
  const found = enlargement(range, editor.recording);
  if (!isEnlarged(found)) return null;
  const size = sizeOf(editor.recording), whole = centred(size), zoomed = found.window && found.window.width < whole.width - 0.5;
  const narrow = found.window ? whole.width === size[0] : found.times * size[0] >= TARGET.width;
  return h("div", {class: "short-warning", key: "warning", role: "note"}, icon("warning"), h("div", null,
    h("strong", null, t("The frame is enlarged {times} times.", {times: found.times.toFixed(1)})),
    h("p", null, zoomed ? t("The smallest window is {width} × {height}, a short is {to}.", {width: round(found.window.width), height: round(found.window.height), to: `${TARGET.width} × ${TARGET.height}`})
      : narrow ? t("The recording is {width} pixels wide, a short has {to}.", {width: number(size[0]), to: number(TARGET.width)})
        : t("The recording is {lines} lines high, a short has {to}.", {lines: number(size[1]), to: number(TARGET.height)}))));
}

function footer(editor, range, shown) {
  const open = isOpen(range), used = isUsedUp(), clip = editor.clipOf(range);
  return h("footer", {key: "foot"},
    ["name", "in", "out", !used && "request"].map((name) => range.errors?.[name] && h("p", {class: "error-text", role: "alert", key: name}, icon("warning"), t(range.errors[name]))),
    open && used && h("p", {class: "short-none", id: "short-none", key: "none"}, h("strong", null, t("No shorts left today")), " ",
      t("The next one is free in {time}. Failed requests count too.", {time: freeIn()}), " ",
      h("button", {class: "link", onclick: () => { editor.list.note(); range.shape = "source"; editor.request(range); }}, t("Request as recorded"))),
    h("div", {class: "requests", key: "requests"},
      isDraft(range) ? h("button", {
        class: `button main${range.busy ? " busy" : ""}`, key: "request", "aria-disabled": String(Boolean(used || range.busy)), "aria-describedby": used ? "short-none" : null,
        title: used ? t("The next one is free in {time}. Failed requests count too.", {time: freeIn()}) : null, onclick: () => editor.request(),
      }, range.busy ? [h("i", {class: "spinner"}), t("Requesting…")] : [t("Request short"), keyCaps("request")])
        : [clip?.status === "completed" && h("button", {class: "button main", key: "save", onclick: () => saveClip(clip)}, icon("download"), t("Download")),
          h("button", {class: "button grow", key: "again", onclick: () => editor.reframe(range, shown)}, t("Change the framing"))],
      open && h("button", {
        class: "button", key: "reset", "aria-disabled": String(!range.points?.length), onclick: () => {
          if (!range.points?.length) return;
          editor.list.note();
          range.points = [];
          editor.edited(range);
        },
      }, t("Reset crop"))));
}
