// Who led: a lane for each agent, and the same in words.

import {badge, segments} from "./controls.js";
import {h} from "./h.js";
import {icon} from "./icons.js";
import {language, some, t} from "./i18n.js";
import {update} from "./state.js";
import {span} from "./time.js";

const DAY = 86_400_000;
const PERIODS = [[1, "24 h"], [10, "10 days"], [90, "90 days"]];
const STEP = {1: [0, 4], 10: [1, 0], 90: [10, 0]}; // days and hours, of the local clock
const NARROW = 9; // per cent of the lane that a name needs
const CAUSES = {planned: ["neutral", "Planned"], automatic: ["error", "Automatic"], first: ["neutral", "First"]};

const format = (at, options) => new Intl.DateTimeFormat(language.now === "ko" ? "ko" : "en-GB", options).format(new Date(at));
const exact = (at) => format(at, {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"}).replace(",", "");

export function renderHistory(screen) {
  const {history, days} = screen, rows = history?.takeovers ?? [];
  return h("section", {class: "who-led", key: "who-led", "aria-labelledby": "who-led-title"},
    h("header", {key: "head"}, h("h2", {id: "who-led-title"}, t("Who led")), h("span", {class: "spring"}),
      segments("days", t("Period"), PERIODS.map(([value, label]) => [value, t(label)]), days, (value) => screen.chooseDays(value))),
    screen.historyProblem && h("p", {class: "error-text", key: "problem", role: "status"}, icon("warning"), t("It cannot be listed now: {reason}", {reason: screen.historyProblem})),
    !history && !screen.historyProblem && h("p", {class: "quiet-text", key: "loading"}, t("Loading")),
    history && !rows.length && h("p", {class: "quiet-text", key: "none"}, t("No takeover is known yet.")),
    rows.length > 0 && [lanes(screen, rows, history.days), list(screen, rows)]);
}

// One second line of a takeover: how long it took, and what went on.
export function tookOf(row) {
  if (row.cause === "first") return "";
  const took = row.took_seconds === undefined ? "" : row.took_seconds < 100 ? `${row.took_seconds < 10 ? row.took_seconds.toFixed(1) : Math.round(row.took_seconds)} s` : span(row.took_seconds);
  const resumed = row.clips_resumed ? some(row.clips_resumed, "one clip resumed", "{count} clips resumed") : t("nothing to resume");
  return [took, resumed].filter(Boolean).join(", ");
}

export function sentenceOf(row) {
  const {from_agent: from, agent_id: to, epoch, reason, requested_by: by} = row;
  let what = t("{from} to {to}, epoch {epoch}.", {from, to, epoch});
  if (row.cause === "first") what = t("{to} led first, epoch {epoch}.", {to, epoch});
  else if (from === to) what = t("{to} again, epoch {epoch}.", {to, epoch});
  if (row.cause === "first") return what;
  // An administrator's words are quoted; the agents' own follow as they are.
  if (!by) return reason ? `${what.replace(/\.$/, "")}: ${reason}` : what;
  return [what, [reason && `“${reason}”`, t("by {name}", {name: by})].filter(Boolean).join(", ")].join(" ");
}

function lanes(screen, rows, days) {
  const now = Date.now(), start = now - days * DAY, at = (time) => Math.max(0, Math.min(100, ((time - start) / (now - start)) * 100));
  const names = [...new Set([...screen.cluster.agents.map((agent) => agent.agent_id), ...rows.map((row) => row.agent_id)])];
  const marks = [];
  const [apart, hours] = STEP[days], first = new Date(start);
  for (let i = 0, time = 0; time < now; i++) {
    time = new Date(first.getFullYear(), first.getMonth(), first.getDate() + i * apart, i * hours).getTime();
    if (at(time) > 0 && at(time) < 96) marks.push(time);
  }
  const label = (time) => (days === 1 ? format(time, {hour: "2-digit", minute: "2-digit", hourCycle: "h23"}) : format(time, {day: "numeric", month: "short"}));
  // The list below has it in words.
  return h("div", {class: "lanes", key: "lanes", "aria-hidden": "true"},
    marks.map((time) => h("i", {class: "mark", key: `m${time}`, style: {left: `${at(time)}%`}})),
    names.map((name, lane) => h("div", {class: "lane", key: name}, rows.filter((row) => row.agent_id === name).map((row) => {
      const from = at(Date.parse(row.at)), to = row.until ? at(Date.parse(row.until)) : 100, width = Math.max(0.15, to - from);
      return h("div", {class: `led ${lane ? "second" : ""} ${row.cause}`, key: row.epoch, style: {left: `min(${from}%, 100% - 5px)`, width: `${width}%`}, title: `${exact(row.at)}: ${sentenceOf(row)} ${tookOf(row)}`},
        width > NARROW && h("span", {translate: "no"}, t("{name}, epoch {epoch}", {name, epoch: row.epoch})));
    }))),
    rows.filter((row) => row.cause === "automatic" && Date.parse(row.at) > start).map((row) => h("b", {class: "automatic-mark", key: `a${row.epoch}`, style: {left: `${at(Date.parse(row.at))}%`}})),
    h("div", {class: "lane-times third", key: "times"}, marks.filter((time) => at(time) < 92).map((time) => h("span", {key: time, class: at(time) > 80 ? "late" : "", style: {left: `${at(time)}%`}}, label(time))), h("span", {class: "lane-now", key: "now"}, t("now"))));
}

function list(screen, rows) {
  return h("div", {class: "takeovers", key: "list", role: "table", "aria-labelledby": "who-led-title"}, rows.slice(0, screen.shown).map((row) => {
    const [kind, word] = CAUSES[row.cause] ?? CAUSES.first;
    return h("div", {class: "takeover", role: "row", key: row.epoch, "data-epoch": row.epoch},
      h("time", {role: "cell", datetime: row.at}, exact(row.at)), h("span", {role: "cell"}, badge(kind, t(word))),
      h("span", {role: "cell", class: "what"}, sentenceOf(row)), h("span", {role: "cell", class: "third took"}, tookOf(row)));
  }), rows.length > screen.shown && h("button", {class: "button more", key: "more", onclick: () => { screen.shown += 50; update(); }}, t("Show more")));
}
