// Small images of single frames, for the list of ranges and for what is under the pointer: one is loaded after another,
// and only those that are still wanted.

import {preview} from "./api.js";
import {h} from "./h.js";
import {rateOf} from "./time.js";

const HEIGHT = 90, MOST_KEPT = 60, MOST_WAITING = 60, RETRY_MS = 5000;

export class Stills {
  constructor(recording) {
    this.recording = recording;
    this.kept = new Map(); // time: image, the one that was used last at the end
    this.failed = new Map(); // time: when
    this.waiting = new Map(); // time: called with the image
    this.controller = new AbortController();
    this.canvases = new WeakMap(); // canvas: time
    this.seen = new IntersectionObserver((entries) => {
      for (const {target, isIntersecting} of entries) {
        if (!isIntersecting) continue;
        this.seen.unobserve(target);
        this.want(this.canvases.get(target), (image) => draw(target, image));
      }
    });
  }

  close() {
    this.controller.abort(new DOMException("closed", "AbortError"));
    this.seen.disconnect();
    this.waiting.clear();
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

  want(t, then) {
    const image = this.at(t);
    if (image) return then(image);
    if (Date.now() - (this.failed.get(t) ?? -Infinity) < RETRY_MS) return;
    if (this.waiting.size < MOST_WAITING) this.waiting.set(t, then);
    this.load();
  }

  forgo(t) {
    this.waiting.delete(t);
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    while (this.waiting.size) {
      const [t, then] = [...this.waiting].at(-1);
      this.waiting.delete(t);
      try {
        const image = await this.still(t);
        if (this.controller.signal.aborted) return image.close();
        this.kept.set(t, image);
        this.failed.delete(t);
        then(image);
      } catch {
        if (this.controller.signal.aborted) return;
        this.failed.set(t, Date.now());
      }
      this.dropOld();
    }
    this.loading = false;
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
