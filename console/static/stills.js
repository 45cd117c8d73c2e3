// Small images of single frames, for the list of ranges and for what is under the pointer: one is loaded after another,
// and only those that are still wanted.

import {isFinal, preview} from "./api.js";
import {h} from "./h.js";
import {rateOf} from "./time.js";

const HEIGHT = 90, MOST_KEPT = 60, RETRY_MS = 5000;

export class Stills {
  constructor(recording) {
    this.recording = recording;
    this.kept = new Map(); // time: image, the one that was used last at the end
    this.failed = new Map(); // time: when
    this.pointed = null; // {t, then}: under the pointer
    this.empty = new Map(); // canvas that came into view: the time of the frame that it will show
    this.controller = new AbortController();
    this.canvases = new WeakMap(); // canvas: time
    this.seen = new IntersectionObserver((entries) => {
      for (const {target, isIntersecting} of entries) {
        if (!isIntersecting) continue;
        this.seen.unobserve(target);
        this.empty.set(target, this.canvases.get(target));
      }
      this.load();
    });
  }

  close() {
    this.controller.abort(new DOMException("closed", "AbortError"));
    this.seen.disconnect();
    clearTimeout(this.timer);
    for (const image of this.kept.values()) image.close();
    this.kept.clear();
  }

  // The frame at a time: undefined while it is not there.
  at(t) {
    const image = this.kept.get(t);
    if (!image) return undefined;
    this.kept.delete(t);
    this.kept.set(t, image);
    return image;
  }

  // The frame under the pointer: `then` is called once it is there. Of several calls only the newest counts.
  want(t, then) {
    if (this.kept.has(t)) return then();
    this.pointed = {t, then};
    this.load();
  }

  forgo(t) {
    if (this.pointed?.t === t) this.pointed = null;
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    clearTimeout(this.timer);
    for (let t; (t = this.next()) !== undefined;) {
      try {
        const image = this.at(t) ?? await this.still(t);
        if (this.controller.signal.aborted) return image.close();
        this.kept.set(t, image);
        this.failed.delete(t);
        this.settle(t, image);
      } catch (error) {
        if (this.controller.signal.aborted) return;
        this.failed.set(t, Date.now());
        if (isFinal(error)) this.settle(t);
        this.forgo(t);
      }
      this.dropOld();
    }
    this.loading = false;
    if (this.empty.size) this.timer = setTimeout(() => this.load(), RETRY_MS + 100);
  }

  // The time that is loaded next: undefined where none is wanted, or all failed just now.
  next() {
    for (const canvas of this.empty.keys()) if (!canvas.isConnected) this.empty.delete(canvas);
    const times = [...this.empty.values(), ...(this.pointed ? [this.pointed.t] : [])];
    return times.findLast((t) => !(Date.now() - this.failed.get(t) < RETRY_MS));
  }

  // Those that wait for a time have its image, or will never have one.
  settle(t, image) {
    for (const [canvas, at] of this.empty) {
      if (at !== t) continue;
      this.empty.delete(canvas);
      if (image) draw(canvas, image);
    }
    if (this.pointed?.t !== t) return;
    const {then} = this.pointed;
    this.pointed = null;
    if (image) then();
  }

  async still(t) {
    const {signal} = this.controller, within = 0.5 / rateOf(this.recording);
    const response = await preview(`/${this.recording.id}/still.jpg`, {t: (t + within).toFixed(6), h: HEIGHT}, {signal});
    return createImageBitmap(await response.blob());
  }

  dropOld() {
    for (const [t, image] of this.kept) {
      if (this.kept.size <= MOST_KEPT) return;
      image.close();
      this.kept.delete(t);
    }
  }

  // An element that shows the frame at a time once it is in view.
  render(t) {
    return h("canvas", {key: `still-${t}`, class: "still", width: 2 * 56, height: 2 * 32, "aria-hidden": "true", ref: (element) => {
      if (!element) return;
      this.canvases.set(element, t);
      this.seen.observe(element);
    }});
  }
}

// As much of the image's middle as fits; of an upright one all of it.
export function draw(canvas, image, {left = 0, top = 0, width = image.width, height = image.height} = {}) {
  const upright = width < height, fit = upright ? Math.min : Math.max;
  const scale = fit(canvas.width / width, canvas.height / height), [w, h] = [width * scale, height * scale];
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, left, top, width, height, (canvas.width - w) / 2, (canvas.height - h) / 2, w, h);
  canvas.dataset.shown = "true";
}
