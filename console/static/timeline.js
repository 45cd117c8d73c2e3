// The timeline: the whole recording above, the part in view below, and what the pointer and the keys do with them.

import {modeOf} from "./effects.js";
import {h} from "./h.js";
import {Hover} from "./hover.js";
import {t as say} from "./i18n.js";
import {BOTTOM, LAYOUT, OVERVIEW, STRIP_TOP, WAVE_TOP, drawOverview, drawWindow, overviewWindow, prepare, readColours} from "./paint.js";
import {Stills} from "./stills.js";
import {Parts} from "./tiles.js";
import {frameAt, frameTime, frameUnder, length, rateOf, timecode} from "./time.js";

const GRAB = 12, TOUCH_GRAB = 22, SNAP = 6, MOVED = 4, PIXELS_A_FRAME = 8;

export class Timeline {
  // `editor` has `shown`, `ranges` (with `chosen`, `lead` and `state`), and seek, moveEdge, addRange, endMove.
  constructor(recording, editor) {
    this.recording = recording;
    this.editor = editor;
    this.duration = Math.max(recording.duration ?? 0, 0.1);
    this.view = {from: 0, to: Math.min(this.duration, 90)};
    this.parts = new Parts(recording, () => this.draw());
    this.stills = new Stills(recording);
    this.canvases = {};
    this.hover = null;
    this.preview = new Hover(this);
    this.drag = null;
    this.focus = null;
    this.colours = readColours();
    this.observer = new ResizeObserver(() => this.draw());
  }

  close() {
    this.preview.leave();
    this.parts.close();
    this.stills.close();
    this.observer.disconnect();
    this.closed = true;
  }

  restyle() {
    this.colours = readColours();
    this.draw();
  }

  draw() {
    if (this.asked || this.closed) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      if (!this.closed) this.drawNow();
    });
  }

  drawNow() {
    const {overview, main} = this.canvases, {recording, view, colours, parts, duration} = this;
    if (!overview || !main) return;
    const width = main.clientWidth, shown = this.editor.shown;
    if (!width) return;
    const hasAudio = recording.audio !== undefined && recording.audio !== null;
    const {hasVideo} = this;
    const ranges = this.editor.ranges.map((range) => ({
      range, chosen: range === this.editor.chosen, focus: range === this.editor.chosen ? this.focus : null,
      lead: range === this.editor.chosen && modeOf(range) === "copy" ? this.editor.leadOf(range) : undefined,
    }));
    parts.begin();
    const chosen = this.editor.chosen;
    const shade = chosen && chosen.in !== null && chosen.out !== null ? [chosen.in, chosen.out] : null;
    const label = (t) => this.label(t), words = {
      length, lead: (seconds) => say("copy would start here, {seconds} s earlier", {seconds: seconds.toFixed(2)}),
    };
    const images = drawWindow(prepare(main, width, BOTTOM + LAYOUT.labels), width, {
      view, colours, parts, ranges: ranges.sort((a, b) => a.chosen - b.chosen), shown, hasAudio, hasVideo, shade, duration, label, words,
      free: width - (this.note?.offsetWidth ?? 0), hover: this.hover, dragging: Boolean(this.drag), drawn: this.drag?.drawn ?? null,
      note: {zoom: say("zoom in to see the audio"), silent: say("no audio")},
    });
    this.preview.draw(images, (this.hover - view.from) / (view.to - view.from) * width, width);
    const marks = this.editor.ranges.filter((range) => range.in !== null && range.out !== null)
      .map((range) => ({from: range.in, to: range.out, state: range.state}));
    drawOverview(prepare(overview, width, OVERVIEW.height + OVERVIEW.labels), width, {
      parts, duration, view, marks, colours, shown, hasAudio, label: (t) => timecode(t, rateOf(recording)).slice(0, 8).replace(/^00:/, ""),
    });
    parts.end();
  }

  get hasVideo() {
    return ["copy", "proxy"].includes(this.recording.playable);
  }

  label(t) {
    return timecode(t - (this.recording.start || 0), rateOf(this.recording));
  }

  // Keeps the playhead in view.
  follow(t, {centre = false} = {}) {
    const {from, to} = this.view, span = to - from;
    if (centre) this.show(t - span / 2, t + span / 2);
    else if (t < from || t > to - span * 0.02) this.show(t - span * 0.1, t + span * 0.9);
    this.draw();
  }

  show(from, to) {
    const least = this.canvases.main ? this.canvases.main.clientWidth / PIXELS_A_FRAME / rateOf(this.recording) : 1;
    const span = Math.min(this.duration, Math.max(to - from, Math.min(least, this.duration)));
    const begin = Math.max(0, Math.min((from + to - span) / 2, this.duration - span));
    this.view = {from: begin, to: begin + span};
    this.draw();
  }

  zoom(factor, at = this.editor.shown) {
    const {from, to} = this.view;
    const middle = at < from || at > to ? (from + to) / 2 : at;
    this.show(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  zoomTo(range) {
    if (range.in === null || range.out === null) return;
    const more = (range.out - range.in) * 0.15;
    this.show(range.in - more, range.out + more);
  }

  // Where there are several calls of it in a row, the same elements are kept.
  render() {
    const canvas = (name, height, handlers, text) => h("canvas", {
      key: name, class: `timeline-${name}`, style: {height: `${height}px`}, "aria-hidden": "true", title: text,
      ref: (element) => this.attach(name, element, handlers),
    });
    return h("div", {class: "timeline", role: "group", "aria-label": say("Timeline"), key: "timeline"},
      canvas("overview", OVERVIEW.height + OVERVIEW.labels, "overview"),
      canvas("main", BOTTOM + LAYOUT.labels, "main"),
      this.preview.render(),
      h("div", {class: "sliders", key: "sliders"}, this.sliders()),
      h("div", {class: "timeline-note", key: "note", ref: (element) => { this.note = element; }}, h("span", {class: "diamond"}, "◆"), say("keyframes"), " · ",
        say("{part} of {whole} in view", {part: length(this.view.to - this.view.from), whole: this.label(this.duration).slice(0, 8)})));
  }

  sliders() {
    const {editor, duration} = this, {chosen} = editor;
    const slider = (key, label, now, text, move) => h("div", {
      key, role: "slider", tabindex: 0, class: "slider", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": duration.toFixed(3),
      "aria-valuenow": now.toFixed(3), "aria-valuetext": text, onkeydown: (event) => this.slide(event, key, move),
      onfocus: () => { this.focus = key; this.draw(); }, onblur: () => { this.focus = null; this.draw(); },
    });
    const found = [slider("position", say("Position"), editor.shown, this.spoken(editor.shown), (t) => editor.seek(t))];
    if (chosen && !chosen.request_id) {
      for (const edge of ["in", "out"]) {
        if (chosen[edge] === null) continue;
        const label = edge === "in" ? say("{name}, in-point", {name: chosen.name}) : say("{name}, out-point", {name: chosen.name});
        found.push(slider(edge, label, chosen[edge], this.spoken(chosen[edge]), (t) => {
          editor.moveEdge(chosen, edge, this.grid(t));
          editor.endMove(chosen, edge);
        }));
      }
    }
    const {from, to} = this.view;
    found.push(slider("view", say("Part in view"), from, `${this.label(from)} – ${this.label(to)}`, (t) => this.show(t, t + to - from)));
    return found;
  }

  spoken(t) {
    return `${this.label(t)}, ${say("frame {number}", {number: frameAt(this.recording, t)})}`;
  }

  slide(event, key, move) {
    const {shown, chosen} = this.editor;
    const now = {position: shown, view: this.view.from, in: chosen?.in, out: chosen?.out}[key];
    const window = this.view.to - this.view.from, frame = 1 / rateOf(this.recording);
    const by = {
      ArrowLeft: event.shiftKey ? null : -(key === "view" ? window / 10 : key === "position" ? 1 : frame),
      ArrowRight: event.shiftKey ? null : key === "view" ? window / 10 : key === "position" ? 1 : frame,
      PageUp: -window, PageDown: window, Home: -Infinity, End: Infinity,
    }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    move(Math.max(0, Math.min(this.duration, by === Infinity ? this.duration : now + by)));
  }

  attach(name, element) {
    if (!element) {
      delete this.canvases[name];
      return;
    }
    this.canvases[name] = element;
    this.observer.observe(element);
    const pointer = (event) => this[`${name}${event.type[0].toUpperCase()}${event.type.slice(1)}`]?.(event);
    for (const type of ["pointerdown", "pointermove", "pointerleave", "pointerup", "pointercancel"]) element.addEventListener(type, pointer);
    element.addEventListener("wheel", (event) => this.wheel(event, name), {passive: false});
  }

  timeAt(event) {
    const {main} = this.canvases, box = main.getBoundingClientRect();
    return this.view.from + (event.clientX - box.left) / box.width * (this.view.to - this.view.from);
  }

  clamp(t) {
    return Math.max(0, Math.min(this.duration, t));
  }

  // The start of the nearest frame.
  grid(t) {
    return frameTime(this.recording, Math.max(0, Math.round((t - (this.recording.start || 0)) * rateOf(this.recording))));
  }

  mainPointerdown(event) {
    if (event.button !== 0) return;
    const {main} = this.canvases, y = event.offsetY, t = this.clamp(this.timeAt(event));
    this.preview.leave();
    main.setPointerCapture(event.pointerId);
    const edge = y > STRIP_TOP - 6 ? this.edgeAt(event) : null;
    if (edge) {
      this.drag = {kind: "edge", edge, before: this.editor.chosen[edge]};
    } else if (y < STRIP_TOP) {
      this.drag = {kind: "scrub"};
      this.editor.seek(t);
    } else {
      this.drag = {kind: "new", from: t, at: event.clientX};
    }
    this.draw();
  }

  edgeAt(event) {
    const {chosen} = this.editor, {main} = this.canvases, grab = event.pointerType === "touch" ? TOUCH_GRAB : GRAB;
    if (!chosen || chosen.request_id) return null;
    const x = (t) => (t - this.view.from) / (this.view.to - this.view.from) * main.clientWidth;
    const away = (edge, shift) => (chosen[edge] === null ? Infinity : Math.abs(x(chosen[edge]) + shift - event.offsetX));
    const [left, right] = [away("in", -5), away("out", 5)];
    return Math.min(left, right) > grab ? null : left < right ? "in" : "out";
  }

  mainPointermove(event) {
    const t = this.clamp(this.timeAt(event)), {drag} = this;
    this.hover = t;
    if (!drag) {
      this.canvases.main.classList.toggle("on-edge", event.offsetY > STRIP_TOP - 6 && Boolean(this.edgeAt(event)));
    } else if (drag.kind === "scrub") {
      this.editor.seek(t);
    } else if (drag.kind === "edge") {
      this.editor.moveEdge(this.editor.chosen, drag.edge, this.snapped(t, event));
    } else if (drag.drawn || Math.abs(event.clientX - drag.at) > MOVED) {
      drag.drawn = [drag.from, t];
    }
    // While something is dragged, the player shows what is under the pointer.
    if (drag || !this.hasVideo || event.pointerType === "touch" || event.offsetY > WAVE_TOP) this.preview.leave();
    else this.preview.move(t);
    this.draw();
  }

  snapped(t, event) {
    const grid = this.grid(t);
    if (event.altKey) return grid;
    const near = SNAP / this.canvases.main.clientWidth * (this.view.to - this.view.from);
    const found = this.parts.keyframes(t - near, t + near).times.find((time) => Math.abs(time - t) <= near);
    return found ?? grid;
  }

  mainPointerup(event) {
    const {drag} = this;
    this.drag = null;
    if (!drag) return;
    if (drag.kind === "edge") this.editor.endMove(this.editor.chosen, drag.edge);
    if (drag.kind === "new" && !drag.drawn) this.editor.seek(this.clamp(this.timeAt(event)));
    if (drag.kind === "new" && drag.drawn) {
      const [from, to] = drag.drawn.map((t) => this.grid(t)).sort((a, b) => a - b);
      if (to > from) this.editor.addRange(from, to);
    }
    this.draw();
  }

  mainPointercancel() {
    this.giveUp();
  }

  // Esc puts what is being dragged back. Returns whether something was.
  giveUp() {
    const {drag} = this;
    if (!drag) return false;
    if (drag.kind === "edge") this.editor.moveEdge(this.editor.chosen, drag.edge, drag.before);
    this.drag = null;
    this.draw();
    return true;
  }

  mainPointerleave() {
    this.hover = null;
    this.preview.leave();
    this.draw();
  }

  overviewPointerdown(event) {
    if (event.button !== 0) return;
    const {overview} = this.canvases, width = overview.clientWidth;
    overview.setPointerCapture(event.pointerId);
    const [left, right] = overviewWindow(this.view, this.duration, width), x = event.offsetX;
    const kind = Math.abs(x - left) < 5 && right - left > 24 ? "from" : Math.abs(x - right) < 5 && right - left > 24 ? "to" : "pan";
    if (kind === "pan" && (x < left || x > right)) {
      const t = this.clamp(x / width * this.duration);
      this.editor.seek(t);
      this.follow(t, {centre: true});
    }
    this.drag = {kind, at: x, view: {...this.view}};
  }

  overviewPointermove(event) {
    const {drag} = this;
    if (!drag) return;
    const by = (event.offsetX - drag.at) / this.canvases.overview.clientWidth * this.duration, {from, to} = drag.view;
    if (drag.kind === "from") this.show(Math.min(from + by, to - 0.1), to);
    else if (drag.kind === "to") this.show(from, Math.max(to + by, from + 0.1));
    else this.show(from + by, to + by);
    this.editor.changed();
  }

  overviewPointerup() {
    this.drag = null;
    this.draw();
  }

  wheel(event, name) {
    event.preventDefault();
    const span = this.view.to - this.view.from;
    if (event.ctrlKey || event.metaKey) {
      this.zoom(Math.exp(Math.max(-1, Math.min(1, event.deltaY / 200))), name === "main" ? this.timeAt(event) : undefined);
    } else {
      const by = (Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.deltaY) / 1000 * span;
      this.show(this.view.from + by, this.view.to + by);
    }
    this.editor.changed();
  }
}

export const frameStart = (recording, t) => frameTime(recording, frameUnder(recording, t));
