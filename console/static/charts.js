// Charts: bars and lines over intervals, each with its numbers as a table.

import {h} from "./h.js";
import {t} from "./i18n.js";
import {update} from "./state.js";

const HEIGHT = 100; // of the drawing, which is stretched to the width and height that there is

// The smallest round number that is not below: its half is round, too.
export function roundUp(most) {
  if (!(most > 0)) return 2;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 4, 6, 8, 10].map((each) => each * power).find((each) => each >= most * (1 - 1e-9));
}

// `series`: [{name, label, values, line}], values as many as `starts`, null where there is none; bars are stacked.
// `write(value)` of an axis and of the table; `most`: of the axis, by default what the values need.
export class Chart {
  constructor({name, title, write, most, least = 0}) {
    Object.assign(this, {name, title, write, most, least, at: null, open: false});
  }

  render({series, starts, label, note = "", message = ""}) {
    const count = starts.length, at = this.at === null ? null : Math.min(this.at, count - 1);
    const bars = series.filter((each) => !each.line), lines = series.filter((each) => each.line);
    const heights = starts.map((_, i) => bars.reduce((sum, each) => sum + (each.values[i] ?? 0), 0));
    const top = this.most ?? roundUp(Math.max(this.least, ...heights, ...lines.flatMap((each) => each.values.map((value) => value ?? 0))));
    const said = (i) => `${label(i, true)}: ${series.map((each) => `${t(each.label)} ${each.values[i] === null ? "–" : this.write(each.values[i])}`).join(", ")}`;
    const move = (to) => {
      this.at = Math.max(0, Math.min(count - 1, to));
      update();
    };
    return h("figure", {class: `chart of-${this.name}`, key: this.name},
      h("figcaption", null, h("h2", {id: `chart-${this.name}`}, t(this.title)), legend(series), note && h("span", {class: "third"}, note)),
      message ? h("p", {class: "chart-message", role: "status"}, message) : [
        h("p", {class: "readout", key: "readout", "aria-hidden": "true"}, at === null ? "\u00a0" : said(at)),
        h("div", {class: "plot", key: "plot"},
          h("div", {class: "axis", "aria-hidden": "true"}, [top, top / 2, 0].map((value, i) => h("span", {key: i}, this.write(value)))),
          h("div", {
            class: "drawing", role: "slider", tabindex: 0, "aria-labelledby": `chart-${this.name}`, "aria-orientation": "horizontal",
            "aria-valuemin": 0, "aria-valuemax": count - 1, "aria-valuenow": at ?? count - 1, "aria-valuetext": said(at ?? count - 1),
            onpointermove: (event) => {
              const box = event.currentTarget.getBoundingClientRect();
              move(Math.floor((event.clientX - box.left) / box.width * count));
            },
            onpointerleave: () => { this.at = null; update(); }, onblur: () => { this.at = null; update(); },
            onfocus: (event) => event.currentTarget.matches(":focus-visible") && this.at === null && move(count - 1),
            onkeydown: (event) => {
              const to = {ArrowLeft: (at ?? count) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: count - 1}[event.key];
              if (to === undefined) return;
              event.preventDefault();
              event.stopPropagation();
              move(to);
            },
          },
          h("svg", {viewBox: `0 0 ${count} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true"},
            h("path", {class: "grid-lines", d: `M0 0.5H${count}M0 ${HEIGHT / 2}H${count}M0 ${HEIGHT - 0.5}H${count}`}),
            stacked(bars, count, top), lines.map((each) => line(each, top))),
          at !== null && h("i", {class: "chart-cursor", style: {left: `${(at + 0.5) / count * 100}%`}}))),
        h("div", {class: "chart-times", key: "times", "aria-hidden": "true"}, ticks(count).map((i) => h("span", {key: i, style: {left: `${(i + 0.5) / count * 100}%`}}, label(i)))),
        this.numbers(series, starts, label),
      ]);
  }

  // Its table is there only while it is open.
  numbers(series, starts, label) {
    return h("details", {key: "numbers", open: this.open, ontoggle: (event) => {
      if (this.open === event.target.open) return;
      this.open = event.target.open;
      update();
    }}, h("summary", null, t("Numbers")), this.open && h("div", {class: "numbers", tabindex: 0, role: "region", "aria-labelledby": `chart-${this.name}`},
      h("table", null,
        h("thead", null, h("tr", null, h("th", {scope: "col"}, t("Time")), series.map((each) => h("th", {key: each.name, scope: "col"}, t(each.label))))),
        h("tbody", null, starts.map((start, i) => h("tr", {key: start}, h("th", {scope: "row"}, label(i, true)),
          series.map((each) => h("td", {key: each.name}, each.values[i] === null ? "–" : this.write(each.values[i])))))))));
  }
}

function legend(series) {
  return series.length > 1 && h("span", {class: "legend"}, series.map((each) => h("span", {key: each.name}, h("i", {class: `key-of ${each.name}`}), t(each.label))));
}

// About five of them, the last one with the newest.
function ticks(count) {
  const step = Math.max(1, Math.ceil((count - 1) / 4));
  return Array.from({length: count}, (_, i) => i).filter((i) => (count - 1 - i) % step === 0);
}

function stacked(bars, count, top) {
  const below = new Array(count).fill(0);
  return bars.map((each) => h("path", {key: each.name, class: `bar-of ${each.name}`, d: each.values.map((value, i) => {
    const height = (value ?? 0) / top * HEIGHT, from = HEIGHT - below[i];
    below[i] += height;
    return height > 0 ? `M${i + 0.12} ${from.toFixed(3)}V${(from - height).toFixed(3)}H${i + 0.88}V${from.toFixed(3)}Z` : "";
  }).join("")}));
}

// Interrupted where there is no value; a value between two gaps is a short line.
function line(each, top) {
  let d = "";
  each.values.forEach((value, i) => {
    if (value === null) return;
    const y = (HEIGHT - value / top * HEIGHT).toFixed(3), alone = (each.values[i - 1] ?? null) === null && (each.values[i + 1] ?? null) === null;
    if (alone) d += `M${i + 0.25} ${y}H${i + 0.75}`;
    else d += `${(each.values[i - 1] ?? null) === null ? "M" : "L"}${i + 0.5} ${y}`;
  });
  return h("path", {key: each.name, class: `line-of ${each.name}`, d});
}
