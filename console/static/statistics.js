// Statistics: how many clips, how many of them succeeded, how long they took and how much was written.

import {get} from "./api.js";
import {Chart} from "./charts.js";
import {badge, empty, segments, tryAgain} from "./controls.js";
import {watch} from "./events.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {language, number, t} from "./i18n.js";
import {remember, remembered, state, update} from "./state.js";
import {bytes} from "./time.js";

const REFRESH_MS = 60_000, SOON_MS = 10_000, FEW = 20;
const PERIODS = {"24h": "24 hours", "7d": "7 days", "30d": "30 days"};
const percent = (value) => `${Math.round(value * 1000) / 10} %`;
const seconds = (value) => `${number(Math.round(value * 100) / 100)} s`;
const rate = ({completed, failed}) => (completed + failed ? completed / (completed + failed) : null);

export class Statistics {
  constructor() {
    this.period = remembered("period", "24h") in PERIODS ? remembered("period", "24h") : "24h";
    Object.assign(this, {shown: null, problem: null, readAt: 0});
    this.charts = {
      clips: new Chart({name: "clips", title: "Clips", write: number, least: 2}),
      success: new Chart({name: "success", title: "Success", write: percent, most: 1}),
      times: new Chart({name: "times", title: "Processing time", write: seconds}),
      bytes: new Chart({name: "bytes", title: "Output", write: bytes}),
    };
    watch((clip, ended) => ended && this.opened && this.later(SOON_MS));
  }

  open() {
    this.opened = true;
    this.load();
  }

  close() {
    this.opened = false;
    clearTimeout(this.timer);
    this.controller?.abort();
  }

  restart() {
    Object.assign(this, {shown: null, problem: null});
  }

  choose(period) {
    this.period = period;
    remember("period", period);
    this.load();
    update();
  }

  // The next reading is due then, or earlier.
  later(ms) {
    const due = Math.max(Date.now(), this.readAt + ms);
    if (this.due > Date.now() && this.due <= due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => this.load(), due - Date.now());
  }

  async load() {
    clearTimeout(this.timer);
    this.controller?.abort();
    const {period} = this, {signal} = this.controller = new AbortController();
    const query = new URLSearchParams({period, utc_offset_minutes: -new Date().getTimezoneOffset()});
    try {
      const [totals, series] = await Promise.all([get(`/v1/stats?period=${period}`, {signal}), get(`/v1/stats/timeseries?${query}`, {signal})]);
      Object.assign(this, {shown: {period, totals, ...series}, problem: null, readAt: Date.now()});
    } catch (error) {
      if (signal.aborted) return;
      this.problem = error;
    }
    this.due = 0;
    this.readAt = Date.now();
    if (!this.problem) this.asOf = this.readAt;
    if (this.opened) this.later(REFRESH_MS);
    update();
  }

  render() {
    const {shown, problem} = this, old = shown && (problem || !state.live);
    return h("div", {class: "page statistics", key: "statistics"},
      h("header", {class: "top", key: "top"}, h("h1", null, t("Statistics")),
        segments("period", t("Period"), Object.entries(PERIODS).map(([name, label]) => [name, t(label)]), this.period, (name) => this.choose(name)),
        h("span", {class: "spring"}),
        shown && h("span", {class: "as-of", role: "status"}, old && badge("warning", t("Not current")), t("As of {time}", {time: clock(this.asOf)}))),
      shown && problem && h("p", {class: "stale", key: "stale", role: "alert"}, icon("warning"), t("The numbers could not be read again: {reason}", {reason: problem.message}),
        h("button", {class: "button", onclick: () => this.load()}, t("Try again"))),
      h("div", {class: "scroll", key: "scroll"}, this.body()));
  }

  body() {
    const {shown, problem} = this;
    if (problem && !shown) {
      return problem.status === 403 ? empty("warning", t("This key may not see statistics"), problem.message)
        : empty("warning", t("Statistics cannot be read now"), problem.message, tryAgain(() => this.load()));
    }
    if (!shown) {
      return h("div", {class: "charts", "aria-label": t("Loading"), role: "status"}, [0, 1, 2, 3].map((i) => h("div", {key: i, class: "chart blank"})));
    }
    const {totals} = shown;
    if (!totals.total_requests) {
      return empty("chart", t("No requests in the last {period}", {period: t(PERIODS[shown.period])}), t("Clips that are requested here or by other programs with this key are counted."),
        shown.period !== "30d" && h("button", {class: "button", onclick: () => this.choose("30d")}, t("Show 30 days")));
    }
    return [figures(totals), h("div", {class: `charts${shown.period === this.period ? "" : " old"}`, "aria-busy": String(shown.period !== this.period), key: "charts"}, this.drawn(shown))];
  }

  drawn({buckets, interval, totals, utc_offset_minutes: offset}) {
    const starts = buckets.map((bucket) => bucket.start), last = starts.length - 1;
    const label = (i, whole) => `${when(starts[i], interval, offset, whole)}${whole && i === last ? ` ${t("(so far)")}` : ""}`;
    const of = (name, from, line) => ({name, label: NAMES[name], line, values: buckets.map(from)});
    const shared = {starts, label}, {clips, success, times, bytes: output} = this.charts;
    const nothing = totals.completed ? "" : t("Nothing is completed yet.");
    clips.title = interval === "hour" ? "Clips per hour" : "Clips per day";
    return [
      clips.render({...shared, series: [...["copy", "smart", "encode"].map((mode) => of(mode, (bucket) => bucket.completed_by_mode[mode] ?? 0)), of("failed", (bucket) => bucket.failed)]}),
      success.render({...shared, series: [of("success", rate, true)], message: totals.completed + totals.failed ? "" : t("Nothing is completed yet."),
        note: t("completed, of those that completed or failed")}),
      times.render({...shared, message: nothing, series: [of("p50", (bucket) => bucket.p50_processing_time_sec ?? null, true), of("p95", (bucket) => bucket.p95_processing_time_sec ?? null, true)],
        note: totals.completed && totals.completed < FEW ? t("Few clips: p95 is nearly the slowest of {count}.", {count: totals.completed}) : ""}),
      output.render({...shared, message: nothing, series: [of("output", (bucket) => bucket.total_output_bytes)]}),
    ];
  }
}

const NAMES = {copy: "Copy", smart: "Smart", encode: "Encode", failed: "Failed", success: "Success", p50: "p50", p95: "p95", output: "Output"};

function figures(totals) {
  const success = rate(totals);
  const figure = (name, value, extra) => h("div", {key: name}, h("dt", null, t(name)), h("dd", null, value, extra && h("span", {class: "third"}, extra)));
  return h("dl", {class: "figures", key: "figures"},
    figure("Requests", number(totals.total_requests), totals.queued > 0 && t("{count} waiting", {count: number(totals.queued)})),
    figure("Completed", number(totals.completed)),
    figure("Failed", number(totals.failed)),
    figure("Success", success === null ? "–" : percent(success)),
    figure("Average time", totals.completed ? seconds(totals.avg_processing_time_sec) : "–"),
    figure("p95 of the time", totals.completed ? seconds(totals.p95_processing_time_sec) : "–"),
    figure("Output", bytes(totals.total_output_bytes)));
}

const format = (options, value) => new Intl.DateTimeFormat(language.now === "ko" ? "ko" : "en", options).format(value);
const clock = (ms) => format({timeStyle: "medium"}, ms);

// `offset`: minutes before UTC, by which the service divided the days: that of now, also for days before a clock change.
export function when(start, interval, offset, whole = false) {
  const at = Date.parse(start), day = {month: "short", day: "numeric"}, hour = {hour: "2-digit", minute: "2-digit", hourCycle: "h23"};
  if (interval === "day") return format({...day, ...(whole ? {weekday: "short"} : {}), timeZone: "UTC"}, at + offset * 60_000);
  return format(whole ? {...day, ...hour} : hour, at);
}
