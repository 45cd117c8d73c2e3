// The contact sheet of a clip: a click on one of its frames jumps there in the player above.

import {h} from "./h.js";
import {t} from "./i18n.js";
import {update} from "./state.js";
import {clock} from "./time.js";

const TILE = 240; // the longer side of a frame in it: agent/cutting/posters/make.py
const grids = new Map(); // by request: {columns, rows}

function measured(clip, {naturalWidth, naturalHeight}) {
  const {width, height} = clip.report.video, scale = Math.min(1, TILE / Math.max(width, height));
  const count = (whole, side) => Math.max(1, Math.min(4, Math.round(whole / Math.max(2, Math.round(side * scale)))));
  grids.set(clip.request_id, {columns: count(naturalWidth, width), rows: count(naturalHeight, height)});
  update();
}

// Its frames are those in the middle of equal parts.
export function contactSheet(clip) {
  const grid = grids.get(clip.request_id), long = clip.duration_seconds ?? 0;
  const jump = (event, at) => {
    const video = event.currentTarget.closest(".report").querySelector("video");
    video.currentTime = at;
    video.focus();
  };
  const tile = (i, count) => {
    const at = long * (i + 0.5) / count, label = t("Go to {time}", {time: clock(at)});
    return h("button", {key: i, title: label, "aria-label": label, onclick: (event) => jump(event, at)});
  };
  return h("div", {class: "sheet", key: "sheet", role: "group", "aria-label": t("Contact sheet")},
    h("img", {key: clip.contact_sheet_url, src: clip.contact_sheet_url, alt: "", onload: (event) => measured(clip, event.currentTarget)}),
    grid && h("div", {class: "sheet-grid", key: "grid", style: {"grid-template": `repeat(${grid.rows}, 1fr) / repeat(${grid.columns}, 1fr)`}},
      Array.from({length: grid.rows * grid.columns}, (_, i) => tile(i, grid.rows * grid.columns))));
}
