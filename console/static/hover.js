// What is under the pointer on the timeline: the nearest keyframe, above the ruler. The playhead stays where it is.

import {h} from "./h.js";
import {draw} from "./stills.js";

const AFTER_MS = 80, WIDTH = 160, HEIGHT = 90;

export class Hover {
  constructor(timeline) {
    this.timeline = timeline;
    this.at = this.keyframe = undefined;
    this.shown = false;
  }

  // The pointer is over a time.
  move(t) {
    this.at = t;
    this.timer ??= setTimeout(() => {
      this.shown = true;
      this.load();
    }, AFTER_MS);
    const found = this.nearest(t);
    if (found === this.keyframe) return;
    // An image is asked for only where the pointer stays.
    this.timeline.stills.forgo(this.keyframe);
    this.keyframe = found;
    clearTimeout(this.later);
    if (this.shown) this.later = setTimeout(() => this.load(), AFTER_MS);
  }

  leave() {
    clearTimeout(this.timer);
    clearTimeout(this.later);
    this.timeline.stills.forgo(this.keyframe);
    Object.assign(this, {at: undefined, keyframe: undefined, shown: false, timer: undefined});
    if (this.element) this.element.hidden = true;
  }

  load() {
    this.keyframe ??= this.nearest(this.at);
    if (this.keyframe !== undefined) this.timeline.stills.want(this.keyframe, () => this.timeline.draw());
    this.timeline.draw();
  }

  // Unknown where only more of the recording is in view than its keyframes are read for.
  nearest(t) {
    const {parts, view} = this.timeline;
    if (!parts.areRead(view)) return undefined;
    const around = [parts.keyframeBefore(t), parts.keyframeAfter(t)].filter((each) => each !== undefined);
    return around.sort((a, b) => Math.abs(a - t) - Math.abs(b - t))[0];
  }

  // `images`: the tiles that are there. Until the keyframe is, the tile under the pointer is shown, with its time.
  draw(images, x, width) {
    const {element, at, timeline} = this, [canvas, time] = element?.children ?? [];
    if (!element || at === undefined) return;
    const still = timeline.stills.at(this.keyframe), {begin, end, value} = images.find((each) => each.begin <= at && at < each.end) ?? {};
    element.hidden = !this.shown || !(still || value?.tiles);
    if (element.hidden) return;
    if (still) draw(canvas, still);
    else draw(canvas, value.image, tileOf(value, Math.floor((at - begin) / (end - begin) * value.tiles)));
    time.textContent = timeline.label(still ? this.keyframe : at);
    element.style.left = `${Math.max(0, Math.min(width - WIDTH, x - WIDTH / 2))}px`;
  }

  render() {
    return h("div", {class: "hover-frame", key: "hover", hidden: true, "aria-hidden": "true", ref: (element) => { this.element = element; }},
      h("canvas", {width: 2 * WIDTH, height: 2 * HEIGHT}), h("span"));
  }
}

function tileOf({columns, width, height, tiles}, i) {
  const at = Math.min(tiles - 1, i);
  return {left: at % columns * width, top: Math.floor(at / columns) * height, width, height};
}
